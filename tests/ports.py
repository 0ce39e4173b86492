"""Ports for what is started by its port: a process of its own, or one that comes back there."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

_CHANCE = random.SystemRandom()  # tests side by side are given the same seeds


def free_port() -> int:
    """A port that nobody listens at, below those that systems give to clients (from 32768 on): no
    connection that is opened meanwhile has it as its own."""
    while True:
        port = _CHANCE.randrange(20_000, 32_768)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
