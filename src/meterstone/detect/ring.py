"""Counts of good and all events by time, in memory: a second's, a minute's and an hour's slots.

A window is added up from the finest slots that reach back as far. It costs some microseconds and
does not depend on how much is recorded.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

_SECONDS, _MINUTES = 900, 3 * 24 * 60 + 60


class Ring:
    """Slots of one width, the newest ``size`` of them."""

    def __init__(self, width_s: int, size: int) -> None:
        self.width_s, self.size = width_s, size
        self._stamp: NDArray[np.int64] = np.full(size, -1, np.int64)
        self._good: NDArray[np.float64] = np.zeros(size)
        self._total: NDArray[np.float64] = np.zeros(size)

    def add(self, at_s: float, good: float, total: float) -> None:
        """Count events at a moment (seconds since 1970); what is too old is left out."""
        place = self._place(at_s)
        if place is not None:
            self._good[place] += good
            self._total[place] += total

    def put(self, at_s: float, good: float, total: float) -> None:
        """Say what the slot of a moment holds, in place of what was counted."""
        place = self._place(at_s)
        if place is not None:
            self._good[place], self._total[place] = good, total

    def sum(self, after_s: float, until_s: float) -> tuple[float, float]:
        """Good and all events of the slots that begin in (after, until]."""
        first = int(after_s // self.width_s) + 1
        last = int(until_s // self.width_s)
        inside = (self._stamp >= first) & (self._stamp <= last)
        return float(self._good[inside].sum()), float(self._total[inside].sum())

    def _place(self, at_s: float) -> int | None:
        slot = int(at_s // self.width_s)
        place = slot % self.size
        if self._stamp[place] > slot:
            return None
        if self._stamp[place] < slot:
            self._stamp[place] = slot
            self._good[place] = self._total[place] = 0.0
        return place


class Counts:
    """Good and all events of one thing over time.

    Args:
        days: how far back hours are kept.
    """

    def __init__(self, days: float = 30) -> None:
        self.seconds = Ring(1, _SECONDS)
        self.minutes = Ring(60, _MINUTES)
        self.hours = Ring(3600, int(days * 24) + 25)

    def add(self, at: datetime, good: float, total: float) -> None:
        """Count events at a moment."""
        for ring in (self.seconds, self.minutes, self.hours):
            ring.add(at.timestamp(), good, total)

    def sum(self, now: datetime, window_s: float) -> tuple[float, float]:
        """Good and all events of the window that ends now."""
        until = now.timestamp()
        ring = self._ring(window_s)
        return ring.sum(until - window_s, until)

    def _ring(self, window_s: float) -> Ring:
        for ring in (self.seconds, self.minutes):
            if window_s <= (ring.size - 1) * ring.width_s:
                return ring
        return self.hours
