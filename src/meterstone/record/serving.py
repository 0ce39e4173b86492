"""A server from its socket to its clean end: an application is served until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from meterstone.errors import InputError

LAST_ANSWERS_S = 3
"""How long requests may go on after SIGTERM; with the mapper's drain it stays below 10 s."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that takes connections; port 0 takes a free one.

    Raises:
        InputError: the address cannot be taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
        # Inherited by every connection. asyncio sets it for sockets that say that they are TCP,
        # which these do not: head and body of an answer would wait 40 ms for each other.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise InputError(
            f"cannot listen: {error.strerror or error}",
            place=f"{host}:{port}",
            mend="choose another address with --host and --port",
        ) from error
    with listener:
        yield listener


def served_at(listener: socket.socket, host: str) -> str:
    """The address of a listener, as people write it."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def run(app: ASGIApp, listener: socket.socket, ending: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT; then finish what was begun.

    Args:
        app: the application.
        listener: listens already.
        ending: called when the signal came: ends what would go on by itself.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        log_level="critical",  # defects are logged where they are answered
        lifespan="on",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=LAST_ANSWERS_S,
    )
    _Server(config, ending).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Tells when its end was asked for: a stream that is open would be waited for."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ending()
        super().handle_exit(sig, frame)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGINT end what runs inside, and it only: what is around can close in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
