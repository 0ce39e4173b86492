"""Rate limits of a stand-in: token buckets and bounds of concurrency, by token or for all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterstone.sandbox.kit.clock import Clock
from meterstone.sandbox.kit.faults import Trouble

By = Literal["token", "app"]


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds; a bucket of that size that fills evenly."""

    requests: int
    per_s: float
    by: By = "token"


@dataclass(frozen=True, slots=True)
class Concurrent:
    """So many requests at the same time."""

    most: int
    by: By = "token"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands with one limit, for the headers of an answer."""

    limit: Rate | Concurrent
    remaining: int


Headers = Callable[[Sequence[Standing]], Mapping[str, str]]


class Limits:
    """The limits of one stand-in.

    Args:
        limits: all must allow a request.
        headers: what every answer says of them.
        retry_after: which refusals say when to come back.

    Attributes:
        on: switched off, nothing is refused (a measurement of throughput).
        refused: how many requests were.
    """

    def __init__(
        self,
        clock: Clock,
        limits: Sequence[Rate | Concurrent] = (),
        *,
        headers: Headers = lambda _standings: {},
        retry_after: Literal["always", "concurrency", "never"] = "always",
    ) -> None:
        self._clock, self.limits, self._headers = clock, list(limits), headers
        self._retry_after = retry_after
        self._filled: dict[tuple[int, str], tuple[float, float]] = {}
        self._running: Counter[tuple[int, str]] = Counter()
        self._lock = threading.Lock()
        self.on = True
        self.refused = 0

    def take(self, caller: str) -> tuple[float | None, list[Standing]]:
        """Count a request.

        Returns:
            None when it is allowed (then `done` follows), else seconds to wait (0: not said); and
            the standings.
        """
        with self._lock:
            waits = [self._wait(n, limit, caller) for n, limit in enumerate(self.limits)]
            wait = max((w for w in waits if w > 0), default=None)
            crowded = any(
                w > 0 and isinstance(limit, Concurrent)
                for w, limit in zip(waits, self.limits, strict=True)
            )
            if wait is None:
                for n, limit in enumerate(self.limits):
                    self._count(n, limit, caller)
            else:
                self.refused += 1
            if wait is not None and not self._told(crowded):
                wait = 0.0
            return wait, [
                Standing(limit, self._left(n, limit, caller)) for n, limit in enumerate(self.limits)
            ]

    def standings(self, caller: str) -> list[Standing]:
        """Where a caller stands, without counting anything."""
        with self._lock:
            return [
                Standing(limit, self._left(n, limit, caller)) for n, limit in enumerate(self.limits)
            ]

    def done(self, caller: str) -> None:
        """A request that was allowed has been answered."""
        with self._lock:
            for n, limit in enumerate(self.limits):
                if isinstance(limit, Concurrent):
                    self._running[_place(n, limit, caller)] -= 1

    def layer(self, app: ASGIApp, trouble: Trouble) -> ASGIApp:
        """The application behind its limits; ``/_sandbox/`` has none."""

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            free = scope["type"] != "http" or scope["path"].startswith("/_sandbox/")
            if free or not self.on or not self.limits:
                await app(scope, receive, send)
                return
            caller = Request(scope).headers.get("authorization", "")
            wait, standings = self.take(caller)
            told = {k.lower().encode(): v.encode() for k, v in self._headers(standings).items()}

            async def telling(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message = {**message, "headers": [*message["headers"], *told.items()]}
                await send(message)

            if wait is not None:
                after = max(wait, 1.0) if wait else None
                await trouble(429, after)(scope, receive, telling)
                return
            try:
                await app(scope, receive, telling)
            finally:
                self.done(caller)

        return limited

    def _told(self, crowded: bool) -> bool:
        return self._retry_after == "always" or (self._retry_after == "concurrency" and crowded)

    def _wait(self, nth: int, limit: Rate | Concurrent, caller: str) -> float:
        if isinstance(limit, Concurrent):
            return 1.0 if self._left(nth, limit, caller) <= 0 else 0.0
        level = self._level(nth, limit, caller)
        return 0.0 if level >= 1 else (1 - level) * limit.per_s / limit.requests

    def _level(self, nth: int, limit: Rate, caller: str) -> float:
        now = self._clock.monotonic()
        level, at = self._filled.get(_place(nth, limit, caller), (float(limit.requests), now))
        return min(float(limit.requests), level + (now - at) * limit.requests / limit.per_s)

    def _count(self, nth: int, limit: Rate | Concurrent, caller: str) -> None:
        place = _place(nth, limit, caller)
        if isinstance(limit, Concurrent):
            self._running[place] += 1
        else:
            self._filled[place] = (
                self._level(nth, limit, caller) - 1,
                self._clock.monotonic(),
            )

    def _left(self, nth: int, limit: Rate | Concurrent, caller: str) -> int:
        if isinstance(limit, Concurrent):
            return limit.most - self._running[_place(nth, limit, caller)]
        return int(self._level(nth, limit, caller))


def _place(nth: int, limit: Rate | Concurrent, caller: str) -> tuple[int, str]:
    return nth, caller if limit.by == "token" else ""
