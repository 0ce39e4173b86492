"""Process control on daily values: has a figure left the range in which it moves by itself?

The chart of individuals and moving ranges (XmR): the natural limits are mean ± 2.66 × mean moving
range (three sigma, with sigma = mean moving range / 1.128). Source: NIST/SEMATECH e-Handbook of
Statistical Methods, 6.3.2.2, https://www.itl.nist.gov/div898/handbook/pmc/section3/pmc322.htm.

The rules are those of Western Electric, *Statistical Quality Control Handbook* (1956): beyond three
sigma; two of three beyond two; four of five beyond one; eight in a row on one side of the mean. An
exponentially weighted mean (EWMA, λ 0.2, limit 3 sigma; e-Handbook 6.3.2.4) sees a slow drift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LEAST = 12
"""So many values make a baseline."""

_D2 = 1.128
_LAMBDA, _L = 0.2, 3.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a figure moves by itself: mean and sigma of its baseline."""

    mean: float
    sigma: float

    @property
    def low(self) -> float:
        """Three sigma below the mean."""
        return self.mean - 3 * self.sigma

    @property
    def high(self) -> float:
        """Three sigma above it."""
        return self.mean + 3 * self.sigma


def limits(values: Sequence[float]) -> Limits | None:
    """The natural limits of a baseline; None where it is too short or never moves."""
    if len(values) < LEAST:
        return None
    ranges = [abs(b - a) for a, b in pairwise(values)]
    sigma = sum(ranges) / len(ranges) / _D2
    return Limits(sum(values) / len(values), sigma) if sigma > 0 else None


def signal(values: Sequence[float], newest: int = 8) -> str:
    """What the newest values show against the baseline before them, in words; empty: nothing.

    Args:
        values: by day, oldest first.
        newest: so many are judged; the others are the baseline.
    """
    base = limits(values[:-newest])
    if base is None:
        return ""
    marks = [(value - base.mean) / base.sigma for value in values[-newest:]]
    for side in (1, -1):
        if (word := _western_electric([mark * side for mark in marks])) is not None:
            return f"{word} {'above' if side > 0 else 'below'} its mean"
    if (ewma := _ewma(marks)) is not None:
        return f"its weighted mean has drifted {'up' if ewma > 0 else 'down'}"
    return ""


def _western_electric(marks: Sequence[float]) -> str | None:
    """The first rule that the newest value completes, on the upper side."""
    if marks[-1] > 3:
        return "one day beyond three sigma"
    if marks[-1] > 2 and sum(mark > 2 for mark in marks[-3:]) >= 2:
        return "two of three days beyond two sigma"
    if marks[-1] > 1 and sum(mark > 1 for mark in marks[-5:]) >= 4:
        return "four of five days beyond one sigma"
    if len(marks) >= 8 and all(mark > 0 for mark in marks[-8:]):
        return "eight days in a row"
    return None


def _ewma(marks: Sequence[float]) -> float | None:
    mean, limit = 0.0, 0.0
    for number, mark in enumerate(marks, 1):
        mean = _LAMBDA * mark + (1 - _LAMBDA) * mean
        spread = _LAMBDA / (2 - _LAMBDA) * (1 - (1 - _LAMBDA) ** (2 * number))
        limit = _L * math.sqrt(spread)
    return mean if abs(mean) > limit else None
