"""``meterstone up`` (or ``demo``) as a process of its own, as a person starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT_S = 30.0
"""How long a stop may take, on a machine that is busy with other tests: 10 s by itself."""


@dataclass
class Running:
    """A process that serves; what its one line said."""

    process: subprocess.Popen[str]
    said: Mapping[str, Any]

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self.said["address"])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """End it as a service manager does: its exit code, and how long it took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        try:
            code = self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return code, time.monotonic() - begun


@contextmanager
def running(
    home: Path, *words: str, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Start ``meterstone WORDS --port 0 --json`` and wait for its line."""
    command = [sys.executable, "-m", "meterstone", *words, "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, "--home", str(home)], stdout=subprocess.PIPE, text=True,
        env=os.environ | dict(environment or {}),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield Running(process, json.loads(process.stdout.readline()))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
