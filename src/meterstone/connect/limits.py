"""The rate budget of a connection: what its syncs may ask of the vendor together.

Known numbers of the connector file, headers of the answers, and what is learnt from refusals (the
rate is halved once for all that are refused at a time, and grows back while all goes well) all
bound the same budget. Who waits longest of
the highest priority goes first; every fourth turn belongs to the lowest priority that waits, so
that a flood of the upper ones cannot starve a backfill.

The budget is that of this process. Several processes that share an application's limit learn of
each other by the vendor's refusals only.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from meterstone.connect.clock import Clock
from meterstone.connect.spec import Limit
from meterstone.ledger import PRIORITIES, Priority

RESERVED = 4
_GROWTH = 1.02
_STEP = 0.01
"""Of the known rate: a good answer gives back so much at least, so that a rate that was halved
often is whole again after a hundred of them and not after a hundred and fifty slow ones."""
_SLOWEST = 0.05
_MOST_BURST_S = 1.0


@dataclass(slots=True)
class _Waiter:
    rank: int
    number: int


class _Bucket:
    """Tokens that fill at a rate; the burst is what a second holds, at least one."""

    def __init__(self, requests: float, per_s: float, now: float) -> None:
        self.most = requests / per_s
        self.rate = self.most
        self._burst = max(1.0, min(requests, self.most * _MOST_BURST_S))
        self._tokens = self._burst
        self._at = now

    def wait_s(self, now: float) -> float:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return 0.0 if self._tokens >= 1 - 1e-9 else (1 - self._tokens) / self.rate

    def take(self) -> None:
        self._tokens -= 1

    def slow_down(self) -> None:
        self.rate = max(self.rate / 2, self.most * _SLOWEST)
        self._tokens = min(self._tokens, 0.0)

    def speed_up(self) -> None:
        self.rate = min(self.most, max(self.rate * _GROWTH, self.rate + self.most * _STEP))


class Held(Exception):  # no error: the caller comes again later
    """The vendor asked to wait longer than this caller can."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Budget:
    """One budget, shared by all threads that call over it.

    Args:
        limits: known numbers; none: only what the vendor says at run time bounds.
        clock: the time.
    """

    def __init__(self, limits: Iterable[Limit], clock: Clock) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._buckets: list[_Bucket] = []
        self._free: int | None = None
        self._held_until = 0.0
        self._waiting: list[_Waiter] = []
        self._numbers = count()
        self._granted = 0
        for limit in limits:
            if limit.requests is not None:
                self._buckets.append(_Bucket(limit.requests, limit.per_s, clock.monotonic()))
            if limit.concurrent is not None:
                self._free = min(self._free or limit.concurrent, limit.concurrent)

    @contextmanager
    def turn(self, priority: Priority, most_s: float = math.inf) -> Iterator[float]:
        """Wait for a turn; the block is the call. Yields how long was waited, in seconds.

        Raises:
            Held: the vendor asked to wait longer than ``most_s``.
        """
        waited = self._acquire(_Waiter(PRIORITIES[priority], next(self._numbers)), most_s)
        try:
            yield waited
        finally:
            self._release()

    def hold(self, seconds: float) -> None:
        """The vendor says that it is enough: no call before this. What was under way already when
        it said so first tells nothing of the rate since."""
        with self._condition:
            now = self._clock.monotonic()
            if now >= self._held_until:
                for bucket in self._buckets:
                    bucket.slow_down()
            self._held_until = max(self._held_until, now + seconds)
            self._condition.notify_all()

    def left(self, remaining: float, reset_s: float) -> None:
        """The vendor says what is left until its window begins anew."""
        if remaining < 1 and reset_s > 0:
            with self._condition:
                until = self._clock.monotonic() + reset_s
                self._held_until = max(self._held_until, until)

    def went_well(self) -> None:
        """A call was answered: the rate may grow back."""
        with self._condition:
            for bucket in self._buckets:
                bucket.speed_up()

    @property
    def rates(self) -> list[float]:
        """Requests a second that are allowed now, a limit each."""
        return [bucket.rate for bucket in self._buckets]

    def _acquire(self, waiter: _Waiter, most_s: float) -> float:
        began = self._clock.monotonic()
        with self._condition:
            self._waiting.append(waiter)
            try:
                while True:
                    now = self._clock.monotonic()
                    if self._held_until - now > most_s:
                        raise Held(self._held_until - now)
                    wait = self._wait_s(now)
                    if self._next() is waiter and wait == 0.0:
                        break
                    # who is not next is woken when a turn was given
                    mine = self._next() is waiter and wait is not None
                    self._clock.wait(self._condition, wait if mine else None)
                self._grant()
            finally:
                self._waiting.remove(waiter)
                self._condition.notify_all()
        return self._clock.monotonic() - began

    def _next(self) -> _Waiter:
        """Whose turn it is."""
        lowest = (self._granted + 1) % RESERVED == 0
        if lowest:
            return min(self._waiting, key=lambda w: (-w.rank, w.number))
        return min(self._waiting, key=lambda w: (w.rank, w.number))

    def _wait_s(self, now: float) -> float | None:
        """How long until a call may go; None: until one that runs has ended."""
        if self._free == 0:
            return None
        waits = [bucket.wait_s(now) for bucket in self._buckets]
        return max([0.0, self._held_until - now, *waits])

    def _grant(self) -> None:
        self._granted += 1
        for bucket in self._buckets:
            bucket.take()
        if self._free is not None:
            self._free -= 1

    def _release(self) -> None:
        with self._condition:
            if self._free is not None:
                self._free += 1
            self._condition.notify_all()


class Budgets:
    """The budgets of a home: one a connection, and one an application where a limit is shared by
    all of its connections."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._made: dict[str, Budget] = {}

    def of(self, key: str, limits: Iterable[Limit]) -> Budget:
        """The budget of a key, made when first asked for."""
        with self._lock:
            if key not in self._made:
                self._made[key] = Budget(limits, self._clock)
            return self._made[key]
