"""Anomalies of one series as it comes in: each value is judged by what came before it alone.

The newest stretch of values is compared with all stretches of the recent past: its distance to the
nearest of them (k nearest neighbours) is large when the series does what it never did, whatever its
level, season or shape. That distance is judged by those of the recent past (a conformal measure:
which share of them is as large), so that a noisy series alarms as seldom as a calm one. After an
alarm there is quiet for a while: one disturbance is one alarm.

The method follows E. Burnaev and V. Ishimtsev, *Conformalized density- and distance-based anomaly
detection in time-series data* (2016), https://arxiv.org/abs/1608.04585; the scale beyond
the largest known distance and the quiet are ours.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from meterstone.insight.series import Floats

LEAST = 60
"""Values that are looked at before any can be judged, or 15 % of the series where that is more."""

_STRETCH = 40
_NEIGHBOURS = 20
_MOST_MEMORY = 3_000
_PROBATION, _MOST_PROBATION = 0.15, 750
_QUIET = 0.2
_STEEP = 20.0
_SURE = 20


@dataclass(frozen=True, slots=True)
class Scored:
    """A value: how odd it is, from 0 (as ever) to 1, and whether it is flagged: from 0.5 on, where
    its stretch is as far from the past as the farthest that the past itself had.

    Attributes:
        judged: whether it was; where not, its score of 0 says nothing.
    """

    score: float
    flagged: bool
    judged: bool = True


def probation(size: int) -> int:
    """How many of the first values are not judged."""
    return max(LEAST, min(int(_PROBATION * size), _MOST_PROBATION))


class Detector:
    """Judges a series value by value, as they come.

    Args:
        wait: how many of the first values are not judged; at least `LEAST`. With it grows what is
            remembered: the last `2 * wait` stretches, at most 3,000.
    """

    def __init__(self, wait: int) -> None:
        self._wait = max(wait, LEAST)
        self._memory = min(2 * self._wait, _MOST_MEMORY)
        room = 2 * (self._memory + _STRETCH)
        self._values, self._squares = np.zeros(room), np.zeros(room)
        self._used = 0  # of the two
        self._origin = 0.0
        self._count = 0
        self._quiet = 0
        self._distances: deque[float] = deque(maxlen=2 * self._wait)

    def push(self, value: float) -> Scored:
        """Judge the next value by those before it.

        A missing value (NaN) is not judged, and stands as the one before it among the past of
        those after it.
        """
        missing = math.isnan(value)
        if missing:
            if not self._count:
                return _NOT
            value = float(self._values[self._used - 1]) + self._origin
        if not self._count:
            self._origin = value  # squares of what is left keep more digits
        distance = self._distance(value - self._origin)
        past = np.array(self._distances)
        self._distances.append(distance)
        self._count += 1
        if self._count <= self._wait:
            return _NOT
        if self._quiet > 0:
            self._quiet -= 1
            return _NOT
        odd = None if missing else _oddness(distance, past)
        if odd is None:
            return _NOT
        if odd >= 0:
            self._quiet = int(self._wait * _QUIET)
        score = 1 / (1 + math.exp(-max(-30.0, min(30.0, _STEEP * odd))))
        return Scored(score, flagged=odd >= 0)

    def _distance(self, value: float) -> float:
        """Of the stretch that ends here: the sum of distances to its nearest in the past; NaN where
        the past is too short."""
        if self._used == len(self._values):
            kept = self._memory + _STRETCH
            for each in (self._values, self._squares):
                each[:kept] = each[-kept:]
            self._used = kept
        self._values[self._used] = value
        self._used += 1
        if self._used < _STRETCH:
            return math.nan
        newest = self._values[self._used - _STRETCH : self._used]
        square = float(newest @ newest)
        self._squares[self._used - 1] = square  # by where a stretch ends
        first = max(_STRETCH - 1, self._used - 1 - self._memory)
        if self._used - 1 - first < _NEIGHBOURS + 2:
            return math.nan
        past = np.lib.stride_tricks.sliding_window_view(
            self._values[first - _STRETCH + 1 : self._used - 1], _STRETCH
        )
        apart = self._squares[first : self._used - 1] + square - 2 * past @ newest
        near = np.partition(apart, min(_NEIGHBOURS, len(apart) - 1))[:_NEIGHBOURS]
        return float(np.sqrt(np.maximum(near, 0.0)).sum())


_NOT = Scored(0.0, flagged=False, judged=False)


def anomalies(values: Floats) -> list[Scored]:
    """Each value of a series by those before it.

    A series that is shorter than its probation has no anomalies: nothing is known of how it usually
    is.
    """
    detector = Detector(probation(len(values)))
    return [detector.push(float(value)) for value in values]


def _oddness(own: float, past: Floats) -> float | None:
    """Below 0: the share of past distances that were larger; from 0: by how much (logarithm) it is
    beyond the largest. None where too few are known."""
    past = past[~np.isnan(past)]
    if len(past) < _SURE or math.isnan(own):
        return None
    share = float((past < own).mean())
    if share < 1:
        return share - 1
    return math.log(max(own, 1e-12) / max(float(past.max()), 1e-12))
