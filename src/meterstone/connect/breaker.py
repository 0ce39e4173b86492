"""The circuit breaker of one vendor's host: stops calling what is down, and looks again soon.

closed ──5 failures in a row──▶ open ──pause over──▶ half-open: one probe at a time
  ▲                                                      │        │
  └──────────────── the probe is answered ───────────────┘        └─ it fails: open, longer pause
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from meterstone.connect.clock import Clock

State = Literal["closed", "open", "half-open"]
FAILURES = 5
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 10.0
"""A vendor that is up again is seen within this and the time of one call."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which a vendor did not work as seen from here. ``fault`` is that of the first
    error; ``answered_at`` the first good answer after it."""

    started_at: datetime
    detected_at: datetime
    fault: str
    error_class: str
    answered_at: datetime | None = None


class Breaker:
    """Thread-safe.

    Args:
        clock: the time.
        on_change: told of an outage when it is detected and when it is over, outside the lock.
    """

    def __init__(self, clock: Clock, on_change: Callable[[Outage], None] = lambda _: None) -> None:
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._failures = 0
        self._first_failure: tuple[datetime, str, str] | None = None
        self._opened = 0.0
        self._pause = FIRST_PAUSE_S
        self._probing = False
        self._outage: Outage | None = None

    @property
    def state(self) -> State:
        """As it is now."""
        with self._lock:
            if self._outage is None:
                return "closed"
            return "half-open" if self._left() <= 0 else "open"

    @property
    def outage(self) -> Outage | None:
        """The outage that lasts."""
        return self._outage

    def admit(self) -> float:
        """Ask to call: 0 yes; else how long to wait before asking again, in seconds."""
        with self._lock:
            if self._outage is None:
                return 0.0
            left = self._left()
            if left > 0:
                return left
            if self._probing:
                return FIRST_PAUSE_S
            self._probing = True
            return 0.0

    def succeeded(self) -> None:
        """A call was answered by a vendor that works (an error of ours counts as answered)."""
        with self._lock:
            over, self._outage = self._outage, None
            self._failures, self._first_failure = 0, None
            self._pause, self._probing = FIRST_PAUSE_S, False
        if over:
            self._on_change(
                Outage(over.started_at, over.detected_at, over.fault, over.error_class,
                       self._clock.now())
            )  # fmt: skip

    def failed(self, fault: str, error_class: str) -> None:
        """A call failed in a way that speaks against the vendor's being up."""
        detected = None
        with self._lock:
            self._failures += 1
            self._first_failure = self._first_failure or (self._clock.now(), fault, error_class)
            if self._outage is not None:
                if self._probing:
                    self._pause = min(self._pause * 2, LONGEST_PAUSE_S)
                    self._opened, self._probing = self._clock.monotonic(), False
            elif self._failures >= FAILURES:
                at, first_fault, first_class = self._first_failure
                detected = Outage(at, self._clock.now(), first_fault, first_class)
                self._outage, self._opened = detected, self._clock.monotonic()
        if detected:
            self._on_change(detected)

    def undecided(self) -> None:
        """A call ended without telling anything about the vendor (it was stopped by us)."""
        with self._lock:
            self._probing = False

    def _left(self) -> float:
        return self._opened + self._pause - self._clock.monotonic()
