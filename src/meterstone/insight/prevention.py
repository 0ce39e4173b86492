"""What became of preventive actions: incidents that came after them beside those to be expected.

A calibrated probability says how many incidents a set of weeks would have had. After actions that
were taken, fewer should come; after those that were not, as many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST = 8
"""Actions whose week is over, before anything is said of them."""


@dataclass(frozen=True, slots=True)
class Followed:
    """One action (or warning without one) whose week is over.

    Attributes:
        expected: probability of an incident in the week, as it was given.
        came: whether one came.
    """

    expected: float
    came: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of all of a kind: how many came, and how many were to be expected, with the 95 % range of
    chance."""

    n: int
    came: int
    expected: float
    low: float
    high: float

    @property
    def fewer(self) -> bool:
        """Whether fewer came than chance explains."""
        return self.n >= LEAST and self.came < self.low


def outcome(followed: Sequence[Followed]) -> Outcome:
    """Sum them up. The range is that of a sum of independent yes-or-no trials of unequal
    probability (Poisson binomial), computed exactly."""
    chance = np.array([1.0])
    for each in followed:
        chance = np.convolve(chance, [1 - each.expected, each.expected])
    below = np.cumsum(chance)
    return Outcome(
        n=len(followed), came=sum(each.came for each in followed),
        expected=float(sum(each.expected for each in followed)),
        low=float(np.searchsorted(below, 0.025)), high=float(np.searchsorted(below, 0.975)),
    )  # fmt: skip
