"""By when a gate is passed, what breaks its run first, and what mending that is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from meterstone.insight.runs import Chain, Floats

HALF_LIFE = 35.0
LEVEL, SLOPE = 0.21, 0.82
"""Log odds of a pass = LEVEL + SLOPE x those of the chain: programmes change, so a record says a
little less than it seems to. Learnt from 2,500 simulated programmes; `./run proof outlook` holds it
against others."""

LEAST_DAYS = 30
"""Judged days below which nothing is said."""


@dataclass(frozen=True, slots=True)
class Day:
    """A judged day of a gate: what held it back; nothing: it was met."""

    held_back_by: frozenset[str]


@dataclass(frozen=True, slots=True)
class Breaker:
    """A place of the framework that holds a gate back.

    Attributes:
        days: on how many of the judged days it did.
        breaks: the chance that it does so once on the days that are needed yet.
        gain: by how much the chance of passing grows if it never did again, 0 to 1.
    """

    ref: str
    days: int
    breaks: float
    gain: float


@dataclass(frozen=True)
class Outlook:
    """What the record of a gate says of the days ahead.

    Attributes:
        record: judged days, oldest first.
        needed: met days in a row that pass it.
        run: those that there are.
        within: for how many days ahead.
    """

    record: tuple[Day, ...]
    needed: int
    run: int
    within: int

    @property
    def ever_met(self) -> bool:
        """Whether a judged day was met; where none was, its chances are the prior's alone."""
        return any(not day.held_back_by for day in self.record)

    @cached_property
    def chances(self) -> Floats:
        """The chance that it is passed by the end of each day ahead."""
        return chances([not day.held_back_by for day in self.record], self)

    def on(self, share: float) -> int | None:
        """Days until it is passed with this chance; None: not within those looked at."""
        there = np.flatnonzero(self.chances >= share)
        return int(there[0]) + 1 if len(there) else None

    def holds(self, days: int) -> float:
        """The chance that each of the next days is met."""
        return Chain.of([not day.held_back_by for day in self.record], HALF_LIFE).holds(days)

    def breakers(self) -> list[Breaker]:
        """Everything that ever held it back, what is worth most first."""
        left = max(self.needed - self.run, 1)
        found = []
        for ref in sorted({ref for day in self.record for ref in day.held_back_by}):
            own = [ref not in day.held_back_by for day in self.record]
            without = [not day.held_back_by - {ref} for day in self.record]
            gain = chances(without, self)[-1] - self.chances[-1]
            breaks = 1 - Chain.of(own, HALF_LIFE).holds(left)
            found.append(Breaker(ref, own.count(False), breaks, max(0.0, float(gain))))
        return sorted(found, key=lambda each: (-each.gain, -each.breaks, -each.days))


def chances(record: Sequence[bool], asked: Outlook) -> Floats:
    """The chance to have passed by the end of each day ahead, of a record of good days."""
    found = Chain.of(record, HALF_LIFE).passes(asked.needed, asked.within, asked.run)
    inside = np.clip(found, 1e-6, 1 - 1e-6)
    odds = np.exp(LEVEL + SLOPE * np.log(inside / (1 - inside)))
    # Before it can be passed it is not, and what is sure stays so.
    return np.where(found <= 0, 0.0, np.where(found >= 1, 1.0, odds / (1 + odds)))


def judged(days: Sequence[Mapping[str, Any]], *, missing_breaks: bool) -> tuple[Day, ...]:
    """The judged days of a gate, from its members in a scorecard.

    Args:
        missing_breaks: a day without any result counts as not met.
    """
    found = []
    for day in days:
        held = frozenset(day["held_back_by"])
        if day["verdict"] == "met":
            found.append(Day(frozenset()))
        elif day["verdict"] == "broken" or (
            day["verdict"] == "missing" and missing_breaks and held
        ):
            found.append(Day(held))
    return tuple(found)
