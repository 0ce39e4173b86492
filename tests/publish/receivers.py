"""Receivers of webhooks for the tests: real HTTP, and answers as a script says."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Got:
    """One request that came in whole, before it was answered."""

    id: str
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Answer:
    """What a receiver does after it has committed what it got.

    Attributes:
        status: 0: reset the connection.
        wait_s: before anything is answered.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    wait_s: float = 0.0
    commits: bool = True


Script = Callable[["Receiver", Got], Answer]


class Receiver:
    """Keeps what it committed, in order, doubles included; ``script`` says how it answers."""

    def __init__(self, script: Script | None = None) -> None:
        self.script: Script = script or (lambda _receiver, _got: Answer())
        self.asked: list[Got] = []
        self.committed: list[Got] = []
        self.lock = threading.Lock()
        self.url = ""

    def handle(self, got: Got) -> Answer:
        """Decide and commit, one request at a time."""
        with self.lock:
            self.asked.append(got)
            answer = self.script(self, got)
            if answer.commits:
                self.committed.append(got)
            return answer

    @property
    def ids(self) -> list[str]:
        """Ids in the order of their first commit: what a receiver that drops doubles has."""
        return list(dict.fromkeys(got.id for got in self.committed))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the sender was killed amid its request: nothing was received
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.receiver.handle(  # type: ignore[attr-defined]
            Got(headers.get("webhook-id", ""), body, headers)
        )
        if answer.wait_s:
            time.sleep(answer.wait_s)
        if not answer.status:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_args: object) -> None:
        """Silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_args: object) -> None:
        """Who asked has gone; that is part of the tests."""


@contextmanager
def receiving(*receivers: Receiver) -> Iterator[None]:
    """Serve receivers, each at a port of its own."""
    servers = []
    for receiver in receivers:
        server = _Server(("127.0.0.1", 0), _Handler)
        server.receiver = receiver  # type: ignore[attr-defined]
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hooks"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
    try:
        yield
    finally:
        for server, thread in servers:
            server.shutdown()
            thread.join()
            server.server_close()
