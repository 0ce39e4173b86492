"""Anomalies of a series whose season is known: each value against what was to be expected.

What is expected is the level of the newest season plus what this place of the season usually lies
above it (medians, so that one wild value moves neither). How far a value may lie off is learnt from
how far the earlier ones did: it is flagged where it is twice as far off as any but one of them, and
by six robust deviations. Each value is judged by those before it alone.

A disturbance is flagged at its first value; what lasts for a whole season is the new level. The
kNN detector (`meterstone.insight.anomalies`) needs no season, but tells no expected value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from meterstone.insight.series import Floats

SEASONS = 8
"""So many of the newest seasons are remembered."""

DISTINCT = 8
"""A series with fewer different values is one of states: nothing is judged."""

_CHANGES = 1 / 3
"""Nor is one that changes on fewer of its steps: its spread is mostly of standing still."""

_BEYOND, _LARGEST = 2.0, 2
_DEVIATIONS = 6.0
_NORMAL = 1.4826
"""Median absolute deviation to standard deviation of a normal distribution."""
_STEEP = 6.0


@dataclass(frozen=True, slots=True)
class Judged:
    """A value beside what was expected of it.

    Attributes:
        expected: None where it is not judged: too little came before.
        low, high: what would not be flagged.
        score: from 0 to 1; flagged from 0.5 on.
        flagged: whether it is out of line.
        first: whether the disturbance begins with it.
    """

    expected: float | None
    low: float | None
    high: float | None
    score: float
    flagged: bool
    first: bool


_UNJUDGED = Judged(None, None, None, 0.0, flagged=False, first=False)


def least(season: int) -> int:
    """Values that are looked at before any is judged."""
    return max(3 * season, 42)


def newest_run(values: Floats, longest_gap: int) -> int:
    """Where the newest part begins that has no gap longer than this: what lies before a long
    silence says little of how it is now.

    Args:
        values: of which 0 and NaN are silence.
    """
    places = np.flatnonzero(np.nan_to_num(values) != 0)
    if not len(places):
        return len(values)
    breaks = np.flatnonzero(np.diff(places) > longest_gap)
    return int(places[breaks[-1] + 1] if len(breaks) else places[0])


def judge(values: Floats, season: int, *, counts: bool = False) -> list[Judged]:
    """Each value of a series at even steps.

    Args:
        values: NaN where there is none: not judged, and nothing is learnt from it.
        season: steps after which it repeats itself; 1: never.
        counts: they are counts: their spread grows with their root, so roots are compared.
    """
    known = values[~np.isnan(values)]
    still = (
        not counts and float(np.mean(np.diff(known) != 0)) < _CHANGES if len(known) > 1 else True
    )
    if len({*known.tolist()}) < DISTINCT or still:
        return [_UNJUDGED] * len(values)
    raw = 2 * np.sqrt(np.maximum(values, 0) + 0.375) if counts else np.asarray(values, float)
    judged = _Judge(season, raw).all()
    return [_squared(each) for each in judged] if counts else judged


def _squared(found: Judged) -> Judged:
    """Back from roots to counts."""

    def back(root: float | None) -> float | None:
        return None if root is None else max(0.0, max(root, 0.0) ** 2 / 4 - 0.375)

    return Judged(
        back(found.expected), back(found.low), back(found.high), found.score, found.flagged,
        found.first,
    )  # fmt: skip


class _Judge:
    """One pass over a series."""

    def __init__(self, season: int, values: Floats) -> None:
        self._season, self._values = season, values
        self._clean = values.copy()  # what is learnt from: without disturbances
        self._level = np.full(len(values), np.nan)
        self._off: list[float] = []
        self._out: list[int] = []

    def all(self) -> list[Judged]:
        found = [_UNJUDGED] * len(self._values)
        wait = least(self._season)
        for at, value in enumerate(self._values):
            expected = self._expected(at) if at >= self._season else math.nan
            if not (math.isnan(value) or math.isnan(expected)):
                allowed = self._allowed() if at >= wait else math.inf
                found[at] = self._one(at, value, expected, allowed)
            self._learn(at)
        return found

    def _one(self, at: int, value: float, expected: float, allowed: float) -> Judged:
        off = float(value - expected)
        if math.isinf(allowed):
            self._off.append(off)
            return _UNJUDGED
        flagged = bool(abs(off) > allowed)
        first = flagged and not (self._out and self._out[-1] == at - 1)
        if flagged:
            self._out = [at] if first else [*self._out, at]
            self._clean[at] = expected
            if len(self._out) >= max(self._season, 3):  # it lasts: this is the new level
                self._clean[self._out] = self._values[self._out]
                self._level[self._out] = np.nan
                for place in self._out:
                    self._learn(place)
                self._out = []
        if not flagged or first:
            self._off.append(off)
        score = 1 / (1 + math.exp(-_STEEP * math.log(max(abs(off), 1e-12) / allowed)))
        return Judged(expected, expected - allowed, expected + allowed, score, flagged, first)

    def _learn(self, at: int) -> None:
        """The level at a place: the median of the season that ends there."""
        newest = self._clean[max(0, at - self._season + 1) : at + 1]
        newest = newest[~np.isnan(newest)]
        if at + 1 >= self._season and len(newest) >= (self._season + 1) // 2:
            self._level[at] = np.median(newest)

    def _expected(self, at: int) -> float:
        level = self._level[at - 1]
        if self._season == 1:
            recent = self._clean[max(0, at - 7) : at]
            recent = recent[~np.isnan(recent)]
            return float(np.median(recent)) if len(recent) else math.nan
        places = np.arange(at - self._season, self._season - 2, -self._season)[:SEASONS]
        above = self._clean[places] - self._level[places]
        above = above[~np.isnan(above)]
        if not len(above):
            return math.nan
        return float(level + np.median(above))

    def _allowed(self) -> float:
        """By how much a value may be off; infinite while too little is known."""
        off = np.abs(np.array(self._off[-SEASONS * max(self._season, 7) :]))
        if len(off) < self._season or len(off) < 7:
            return math.inf
        spread = _NORMAL * float(np.median(off))
        most = float(np.partition(off, -_LARGEST)[-_LARGEST])
        return max(_BEYOND * most, _DEVIATIONS * spread) or math.inf
