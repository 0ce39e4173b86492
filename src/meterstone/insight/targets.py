"""The target laboratory: a target replayed over what happened, before it is adopted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from meterstone.insight.runs import Chain

LEAST_DAYS = 30
"""Days with a value below which nothing is said."""

HELD = 0.8
"""A level is held if every day of the time reaches it with this chance."""

MONTH = 30.0
_STEPS = 60

Direction = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Replay:
    """What a target would have meant on the days on record.

    Attributes:
        days, met: days with a value, and those on which it was met.
        alarms, alarms_twice: alarms in 30 days if each spell of missed days raises one: at its
            first day, or at its second. At today's level they are false: nothing has changed.
        holds: by days ahead, the chance that it is met on each of them.
        usual: the level that 95 % of the days reached.
        tenable: by days ahead, the strictest level that is held with the chance `HELD`; None:
            none that was ever seen.
    """

    direction: Direction
    value: float
    days: int
    met: int
    alarms: float
    alarms_twice: float
    holds: dict[int, float]
    usual: float
    tenable: dict[int, float | None]


def replay(
    values: Sequence[float], direction: Direction, value: float, ahead: Sequence[int] = (30, 90)
) -> Replay:
    """Replay a target.

    Args:
        values: a day each, oldest first, days without one left out; at least `LEAST_DAYS`.
        value: the target, in the unit of the values.
        ahead: days for which it is to hold.
    """
    good = [_meets(each, direction, value) for each in values]
    chain = Chain.of(good)
    per_month = MONTH / len(good)
    first = (not good[0]) + sum(before and not now for before, now in pairwise(good))
    twice = sum(
        not now and not before and (at < 2 or good[at - 2])
        for at, (before, now) in enumerate(pairwise(good), start=1)
    )
    return Replay(
        direction, value, len(good), sum(good), first * per_month, twice * per_month,
        {days: chain.holds(days) for days in ahead},
        float(np.quantile(values, 0.05 if direction == "at least" else 0.95)),
        {days: tenable(values, direction, days) for days in ahead},
    )  # fmt: skip


def tenable(values: Sequence[float], direction: Direction, days: int) -> float | None:
    """The strictest level, of those that were reached, that every one of the next days reaches
    with the chance `HELD`; None: too few days are on record for any."""
    levels = np.unique(np.quantile(values, np.linspace(0, 1, _STEPS), method="nearest"))
    strict_first = levels[::-1] if direction == "at least" else levels
    for level in map(float, strict_first):
        chain = Chain.of([_meets(each, direction, level) for each in values])
        if chain.run and chain.holds(days) >= HELD:
            return level
    return None


def _meets(value: float, direction: Direction, target: float) -> bool:
    return value >= target if direction == "at least" else value <= target
