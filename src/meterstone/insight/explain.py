"""Which values of which dimension moved a total away from what was expected.

Each value of a dimension (square, clover … of integrations) has a share in the deviation of the
total. A dimension explains it where few of its values carry most of the deviation, and is the
better explanation the more surprising these values' shares of the total are (Jensen-Shannon).

Source: R. Bhagwan et al., *Adtributor: Revenue Debugging in Advertising Systems* (NSDI 2014).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

ENOUGH = 0.67
"""Share of the deviation that the values of an explanation carry together."""

EACH = 0.10
"""Share that each of them carries at least."""

BEYOND = 0.30
"""By so much their share of the deviation exceeds their share of what was expected: otherwise they
moved as everything did."""

MOST_VALUES = 3
"""An explanation of more values than this is none: everything moved."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One value of a dimension.

    Attributes:
        share: of the deviation of the total; of one that moved the other way: negative.
    """

    value: str
    actual: float
    expected: float
    share: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Values of one dimension that carry most of a deviation, the largest share first."""

    dimension: str
    moved: tuple[Moved, ...]
    surprise: float

    @property
    def share(self) -> float:
        """What they carry together."""
        return sum(each.share for each in self.moved)


Parts = Mapping[str, tuple[float, float]]
"""Actual and expected by value of a dimension."""


def explain(parts: Mapping[str, Parts]) -> list[Explanation]:
    """Explanations by dimension, the best one first; none where everything moved alike.

    Args:
        parts: of a sum, by dimension; each dimension's values add up to the same total.
    """
    found = [made for name, of in parts.items() if (made := _of(name, of)) is not None]
    return sorted(found, key=lambda each: -each.surprise)


def _of(dimension: str, parts: Parts) -> Explanation | None:
    actual = sum(a for a, _ in parts.values())
    expected = sum(f for _, f in parts.values())
    off = actual - expected
    if len(parts) < 2 or abs(off) < 1e-12:
        return None
    every = []
    for value, (own, usual) in parts.items():
        surprise = _surprise(usual / expected if expected else 0.0, own / actual if actual else 0.0)
        every.append((surprise, Moved(value, own, usual, (own - usual) / off)))
    every.sort(key=lambda each: (-each[0], each[1].value))
    moved: list[Moved] = []
    surprise = 0.0
    for own_surprise, each in every:
        if each.share >= EACH:
            moved.append(each)
            surprise += own_surprise
        if sum(m.share for m in moved) >= ENOUGH:
            break
    if len(moved) > min(MOST_VALUES, len(parts) - 1) or sum(m.share for m in moved) < ENOUGH:
        return None
    usual = sum(m.expected for m in moved) / expected if expected else 0.0
    if sum(m.share for m in moved) - usual < BEYOND:
        return None
    return Explanation(dimension, tuple(sorted(moved, key=lambda m: -m.share)), surprise)


def _surprise(usual: float, now: float) -> float:
    """How unlike two shares are: one term of the Jensen-Shannon divergence."""
    usual, now = max(usual, 0.0), max(now, 0.0)
    middle = (usual + now) / 2
    if middle == 0:
        return 0.0
    return sum(p * math.log(p / middle) for p in (usual, now) if p > 0) / 2
