"""Many who look at the operations page live: how long until a new state has reached all of them.

Ours: one server process with the guard, the operations page and the stream, as ``meterstone up``
serves them. Another process holds one connection a viewer (HTTP/1.1 on the loopback interface, a
signed-in session each request) and notes when the event with the new state has come whole. The
clock starts when the watch has a new state and ends when the last viewer has it: the parts are
rendered, compared, encoded and sent meanwhile.

The other side: a bare asyncio server in a process of its own that writes the very same bytes to as
many sockets, without HTTP, rights, or marks.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, cast

from bench.report import Figure, Outcome, spread

VIEWERS = 10_000
ROUNDS = 9
GOAL_S = 1.0
_SERVER = Path(__file__).with_name("live_server.py")
_BURST = 200
"""Connections that are opened at a time."""
_PATIENCE_S = 120.0
_FLUSHED = b"\x00\x00\xff\xff\r\n"
"""The end of a piece of a packed stream, and of its chunk of HTTP."""
_PROBES = 50
"""One of so many viewers unpacks and reads what it is sent."""


def run(viewers: int, step: Callable[[str], None], **_: object) -> Outcome:
    """Measure with so many viewers."""
    _raise_limit(viewers + 500)
    step("starting the server")
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(  # our own server
            [sys.executable, str(_SERVER), folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, "PYTHONPATH": _path()},
        )  # fmt: skip
        try:
            outcome = _measured(server, viewers, step)
        finally:
            server.terminate()
            server.wait(30)
    return outcome


def _measured(server: subprocess.Popen[str], viewers: int, step: Callable[[str], None]) -> Outcome:
    told = _heard(server)
    crowd = Crowd(told["port"], _request(told["cookie"]), viewers)
    step(f"{viewers:,} viewers come")
    began = time.monotonic()
    crowd.come()
    came_s = time.monotonic() - began
    took: dict[str, list[float]] = {"sentence": [], "page": []}
    sizes: dict[str, int] = {}
    for round_ in range(ROUNDS):
        for what, seconds in took.items():
            step(f"round {round_ + 1} of {ROUNDS}: {what}")
            changed = _asked(server, what)
            ended, sizes[what] = crowd.all_told(changed["marker"].encode())
            seconds.append(ended - changed["at"])
    step("memory")
    memory = _asked(server, "memory")
    crowd.leave()
    bare = _bare(sizes["page"], viewers, step)
    return Outcome(
        "live",
        [
            _figure("the sentence changed", took["sentence"]),
            _figure("everything on the page changed", took["page"]),
            Figure(
                "everything on the page changed: over a bare loop of writes",
                f"{median(took['page']):.3g} s", f"{median(bare):.3g} s",
                median(took["page"]) / median(bare),
            ),
        ],
        [
            f"{viewers:,} viewers of /live?topics=operations,board in one process, each with a "
            f"connection and a session; all had come after {came_s:.1f} s",
            f"an event with the sentence has {sizes['sentence']:,} bytes on the line, one with "
            f"every part of the page {sizes['page']:,}; it is made and packed once",
            f"resident memory of the server with all viewers: {memory['mib']:,.0f} MiB, "
            f"{memory['viewers']:,} counted by the hub",
            "from the new state in the server until the last viewer has it whole: "
            f"the sentence {spread(took['sentence'])}, the page {spread(took['page'])}",
            f"bare: a loop that writes the same bytes to as many sockets: {spread(bare)}",
            "the viewers' process shares the machine's cores with the server",
        ],
    )  # fmt: skip


def _figure(title: str, took: Sequence[float]) -> Figure:
    """The median against the goal; the worst round stands beside it."""
    return Figure(
        f"{title}: until all have it, over 1 s",
        f"{median(took):.3g} s (at most {max(took):.3g} s)", f"{GOAL_S:g} s",
        median(took) / GOAL_S, goal=1.0,
    )  # fmt: skip


class Crowd:
    """Viewers, each with a connection, read by one loop. One of fifty unpacks what it is sent.

    Args:
        port: of the server.
        request: that each sends.
        viewers: how many.
        reads: whether some unpack what they are sent.
    """

    def __init__(self, port: int, request: bytes, viewers: int, *, reads: bool = True) -> None:
        self._address, self._request, self._viewers = ("127.0.0.1", port), request, viewers
        self._reads = reads
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self._read_by: dict[int, Reader] = {}

    def come(self) -> None:
        """Connect, ask, and wait until each has been sent what is known."""
        while len(self._sockets) < self._viewers:
            more = min(_BURST, self._viewers - len(self._sockets))
            for _ in range(more):
                viewer = socket.create_connection(self._address, timeout=_PATIENCE_S)
                viewer.sendall(self._request)
                viewer.setblocking(False)
                self._selector.register(viewer, selectors.EVENT_READ, bytearray())
                if self._reads and len(self._sockets) % _PROBES == 0:
                    self._read_by[viewer.fileno()] = Reader()
                self._sockets.append(viewer)
            self._read(more, first=True)

    def all_told(self, marker: bytes) -> tuple[float, int]:
        """Wait until each has the next event to its end; who reads it finds this in it.

        Returns:
            when the last one had (monotonic), and how many bytes were sent to each.
        """
        for reader in self._read_by.values():
            reader.text.clear()
        found = self._read(self._viewers)
        wrong = sum(marker not in reader.text for reader in self._read_by.values())
        if wrong:
            raise ValueError(f"{wrong} viewers were told something else")
        return found

    def _read(self, wanted: int, *, first: bool = False) -> tuple[float, int]:
        told, size, until = 0, 0, time.monotonic() + _PATIENCE_S
        while told < wanted:
            if time.monotonic() > until:
                raise TimeoutError(f"{wanted - told} of {wanted} viewers were not told")
            for key, _ in self._selector.select(1.0):
                held: bytearray = key.data
                chunk = cast("socket.socket", key.fileobj).recv(1 << 18)
                if not chunk:
                    raise ConnectionError("the server dropped a viewer")
                held += chunk
                if held.endswith(_FLUSHED) and (not first or held.count(_FLUSHED) > 1):
                    told += 1
                    size = len(held)
                    if key.fd in self._read_by:
                        self._read_by[key.fd].read(bytes(held))
                    held.clear()
        return time.monotonic(), size

    def leave(self) -> None:
        """Close all connections."""
        for viewer in self._sockets:
            viewer.close()
        self._selector.close()


class Reader:
    """Unpacks a stream, and keeps the text of it since it was last cleared."""

    def __init__(self) -> None:
        self.text = bytearray()
        self._unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def read(self, sent: bytes) -> None:
        """Take in some chunks of HTTP, the first behind the headers of the answer."""
        behind = sent.partition(b"\r\n\r\n")[2] if sent.startswith(b"HTTP") else sent
        while behind:
            size, _, behind = behind.partition(b"\r\n")
            self.text += self._unpack.decompress(behind[: int(size, 16)])
            behind = behind[int(size, 16) + 2 :]


def _request(cookie: str) -> bytes:
    return (
        "GET /live?topics=operations,board HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Accept: text/event-stream\r\nAccept-Encoding: gzip\r\nCookie: {cookie}\r\n\r\n"
    ).encode()


def _bare(size: int, viewers: int, step: Callable[[str], None]) -> list[float]:
    """Seconds that a loop takes which writes as many bytes to as many sockets."""
    step("the same bytes by a bare loop")
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_write_all, args=(theirs, size))
    process.start()
    try:
        crowd = Crowd(ours.recv(), b"GET\n", viewers, reads=False)
        crowd.come()
        found = []
        for _ in range(ROUNDS):
            ours.send("go")
            began = ours.recv()
            found.append(crowd.all_told(b"")[0] - began)
        crowd.leave()
    finally:
        process.terminate()
        process.join(10)
    return found


def _write_all(pipe: Connection, size: int) -> None:
    _raise_limit(VIEWERS + 500)
    asyncio.run(_bare_server(pipe, b"x" * max(0, size - len(_FLUSHED)) + _FLUSHED))


async def _bare_server(pipe: Connection, payload: bytes) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writers.append(writer)
        writer.write(_FLUSHED + _FLUSHED)

    server = await asyncio.start_server(came, "127.0.0.1", 0, backlog=2048)
    async with server:
        pipe.send(server.sockets[0].getsockname()[1])
        while await asyncio.to_thread(pipe.recv):
            pipe.send(time.monotonic())
            for writer in writers:
                writer.write(payload)


def _heard(server: subprocess.Popen[str]) -> dict[str, Any]:
    assert server.stdout is not None
    answer: dict[str, Any] = json.loads(server.stdout.readline())
    return answer


def _asked(server: subprocess.Popen[str], what: str) -> dict[str, Any]:
    assert server.stdin is not None
    server.stdin.write(what + "\n")
    server.stdin.flush()
    return _heard(server)


def _raise_limit(files: int) -> None:
    """As many open files as it takes, where the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard), hard))


def _path() -> str:
    return os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
