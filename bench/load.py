"""A reader of HTTP/1.1 with as little work of its own as Python allows, so that what is measured is
the server: kept connections, raw requests, answers counted by their Content-Length.

Two ways: as fast as answers come (`fast`), and at a rate whatever the answers do (`steady`), where
the time of an answer counts from when its request was due, not from when it could be sent.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

_LATEST_S = 5.0


class BadAnswer(RuntimeError):
    """The server did not answer 200 with a length: there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a run of reads gave.

    Attributes:
        seconds: of every answer, shortest first; ``steady`` alone fills it.
        elapsed_s: from the first request to the last answer.
        count: of answers.
    """

    count: int
    elapsed_s: float
    seconds: Sequence[float] = ()

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.count / self.elapsed_s

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the answers came."""
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


class _Connection(asyncio.Protocol):
    """One kept connection with one request under way."""

    def __init__(self) -> None:
        self._read = bytearray()
        self._whole = 0
        self._answered: asyncio.Future[int] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, _why: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(BadAnswer("the connection was closed"))

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """Send a request; its future has the bytes of the answer's body."""
        assert self._transport is not None
        self._read.clear()
        self._whole = 0
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def data_received(self, data: bytes) -> None:
        self._read += data
        if not self._whole:
            end = self._read.find(b"\r\n\r\n")
            if end < 0:
                return
            self._whole = end + 4 + self._length(bytes(self._read[:end]).lower())
        if len(self._read) >= self._whole and self._answered and not self._answered.done():
            self._answered.set_result(len(self._read))

    def _length(self, head: bytes) -> int:
        _, found, rest = head.partition(b"\r\ncontent-length:")
        if not (head.startswith(b"http/1.1 200") and found) and self._answered:
            self._answered.set_exception(BadAnswer(head.decode("latin-1")[:300]))
            return 0
        return int(rest.split(b"\r\n")[0])

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()


async def _connections(port: int, number: int) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_connection(_Connection, "127.0.0.1", port))[1] for _ in range(number)
    ]


def fast(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Read:
    """Ask on all connections as fast as answers come."""

    async def run() -> Read:
        opened = await _connections(port, connections)
        begun = time.perf_counter()
        count = 0

        async def one(connection: _Connection, place: int) -> None:
            nonlocal count
            while time.perf_counter() - begun < seconds:
                await connection.ask(requests[place % len(requests)])
                count += 1
                place += 1

        await asyncio.gather(*(one(each, place) for place, each in enumerate(opened)))
        elapsed = time.perf_counter() - begun
        for each in opened:
            each.close()
        return Read(count, elapsed)

    return asyncio.run(run())


def steady(
    port: int, requests: Sequence[bytes], connections: int, seconds: float, rate: float
) -> Read:
    """Ask at a rate; a request that is due while all connections are busy waits, and its wait
    counts, and so does that of one that has no answer `_LATEST_S` after the end.

    Raises:
        BadAnswer: an answer is none.
    """

    async def run() -> Read:
        opened = await _connections(port, connections)
        free, due = deque(opened), deque[tuple[float, bytes]]()
        times: list[float] = []
        total = int(rate * seconds)
        begun = time.perf_counter()
        asked = 0
        under_way: set[asyncio.Task[None]] = set()

        async def one(connection: _Connection) -> None:
            while due:
                at, request = due.popleft()
                await connection.ask(request)
                times.append(time.perf_counter() - at)
            free.append(connection)

        while asked < total or under_way:
            now = time.perf_counter()
            while asked < total and begun + asked / rate <= now:
                due.append((begun + asked / rate, requests[asked % len(requests)]))
                asked += 1
            for _ in range(min(len(free), len(due))):
                under_way.add(task := asyncio.create_task(one(free.popleft())))
                task.add_done_callback(under_way.discard)
            if now - begun > seconds + _LATEST_S:
                for task in under_way:
                    task.cancel()
                break
            await asyncio.sleep(max(0.0, min(0.001, begun + asked / rate - now)))
        elapsed = time.perf_counter() - begun
        for each in opened:
            each.close()
        never = [elapsed - place / rate for place in range(len(times), total)]
        return Read(len(times), elapsed, sorted(times + never))

    return asyncio.run(run())
