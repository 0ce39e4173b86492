"""How much each caller may ask of the API: a bucket that fills evenly.

The answers tell it in the headers of the IETF draft *RateLimit header fields for HTTP*, version 10
(``RateLimit-Policy``, ``RateLimit``), and a refusal has ``Retry-After`` (RFC 9110).
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterstone.errors import InputError
from meterstone.record.answers import problem

QUOTA, WINDOW_S = 120_000, 60
"""Requests of a caller within a window: 2,000 a second, above the 1,250 that the framework asks the
platform to bear."""

_CALLERS = 10_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class TooMany(InputError):
    """A caller asked too much."""


class Limited:
    """ASGI middleware: counts the requests of each principal. It stands before the cache: what is
    kept counts too, and is told to each caller with figures of their own.

    Args:
        prefix: of the addresses that are counted.
        quota: requests within `WINDOW_S` seconds.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        app: ASGIApp,
        prefix: str,
        quota: int = QUOTA,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._prefix, self._quota, self._clock = app, prefix, quota, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._policy = (b"ratelimit-policy", f'"caller";q={quota};w={WINDOW_S}'.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or say when to come back."""
        if scope["type"] != "http" or not scope["path"].startswith(self._prefix):
            await self._app(scope, receive, send)
            return
        principal = scope.get("principal")
        left = self._take("" if principal is None else principal.id)
        wait = 0 if left >= 0 else math.ceil(-left * WINDOW_S / self._quota)
        remaining = f'"caller";r={max(0, int(left))};t={max(1, wait)}'.encode()
        headers = [self._policy, (b"ratelimit", remaining)]

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        if left < 0:
            said = TooMany("too many requests", mend=f"wait {wait} s, then go on")
            answer = problem(said, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(wait)})
            await answer(scope, receive, told)
            return
        await self._app(scope, receive, told)

    def _take(self, caller: str) -> float:
        """What is left of a caller's quota after one more request; below 0: it is refused."""
        now = self._clock()
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = _Bucket(self._quota, now)
            if len(self._buckets) > _CALLERS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(caller)
        filled = bucket.left + (now - bucket.at) * self._quota / WINDOW_S
        bucket.left, bucket.at = min(float(self._quota), filled), now
        if bucket.left < 1:
            return bucket.left - 1
        bucket.left -= 1
        return bucket.left
