"""A sign-in from the command line: the callback comes to this machine (RFC 8252, 7.3)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, SimpleQueue
from urllib.parse import urlencode

import uvicorn
from starlette.applications import Starlette

from meterstone.connect.auth.access import Access
from meterstone.connect.auth.base import SignInRefused
from meterstone.connect.auth.web import callback_url, oauth_routes
from meterstone.connect.auth.wishes import Wish
from meterstone.errors import InputError
from meterstone.ledger import Connection

PORT = 8917
"""Where the callback comes: one port, since vendors compare the redirect URI byte for byte."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A callback server that waits.

    Attributes:
        start_url: what the person opens.
        redirect_uri: what is registered at the vendor.
        wait: until somebody signed in; gives the connection.
    """

    start_url: str
    redirect_uri: str
    wait: Callable[[timedelta], Connection]


@contextmanager
def callback_server(
    access: Access, connector: str, wish: Wish, port: int = PORT
) -> Iterator[Waiting]:
    """Listen on this machine for the answer of one sign-in.

    Raises:
        InputError: the port is taken.
    """
    ended: SimpleQueue[Connection | SignInRefused] = SimpleQueue()
    with _listening(port) as listener:
        public = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = Starlette(routes=oauth_routes(access, public, ended.put))
        config = uvicorn.Config(
            app, access_log=False, log_config=None, lifespan="off", ws="none", server_header=False,
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="callback", daemon=True
        )
        thread.start()
        asked = {**wish.texts(), **{f"setting.{k}": v for k, v in wish.settings.items()}}
        asked.pop("settings")
        query = urlencode({name: value for name, value in asked.items() if value})
        try:
            yield Waiting(
                start_url=f"{public}/oauth/start/{connector}?{query}",
                redirect_uri=callback_url(public, connector),
                wait=lambda within: _ended(ended, within),
            )
        finally:
            server.should_exit = True
            thread.join()


def _ended(ended: SimpleQueue[Connection | SignInRefused], within: timedelta) -> Connection:
    try:
        found = ended.get(timeout=within.total_seconds())
    except Empty:
        raise SignInRefused(
            f"nobody signed in within {within // timedelta(seconds=1)} s",
            place="sign-in",
            mend="start again",
        ) from None
    if isinstance(found, SignInRefused):
        raise found
    return found


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise InputError(
            f"cannot listen: {error.strerror or error}",
            place=f"127.0.0.1:{port}",
            mend="choose another with --port, and register its redirect URI at the vendor",
        ) from error
    with listener:
        yield listener
