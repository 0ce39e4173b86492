"""By when a gate is passed, what breaks its run first, and what mending that is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from meterstone.insight.runs import Chain, Floats

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
        targets: how many have to be met for a day to be met.
    """

    record: tuple[Day, ...]
    needed: int
    run: int
    within: int
    targets: int = 1

    @property
    def ever_met(self) -> bool:
        """Whether a judged day was met; where none was, its chances are the prior's alone."""
        return any(not day.held_back_by for day in self.record)

    @cached_property
    def chances(self) -> Floats:
        """The chance that it is passed by the end of each day ahead."""
        return self._chain().passes(self.needed, self.within, self.run)

    def on(self, share: float) -> int | None:
        """Days until it is passed with this chance; None: not within those looked at."""
        there = np.flatnonzero(self.chances >= share)
        return int(there[0]) + 1 if len(there) else None

    def holds(self, days: int) -> float:
        """The chance that each of the next days is met."""
        return self._chain().holds(days)

    def breakers(self) -> list[Breaker]:
        """Everything that ever held it back, what is worth most first."""
        left = max(self.needed - self.run, 1)
        found = []
        for ref in sorted({ref for day in self.record for ref in day.held_back_by}):
            own = [ref not in day.held_back_by for day in self.record]
            without = self._chain(ref).passes(self.needed, self.within, self.run)
            gain = without[-1] - self.chances[-1]
            breaks = 1 - Chain.of(own).holds(left)
            found.append(Breaker(ref, own.count(False), breaks, max(0.0, float(gain))))
        return sorted(found, key=lambda each: (-each.gain, -each.breaks, -each.days))

    def _chain(self, mended: str | None = None) -> Chain:
        """Of its met days, with those that only the mended target held back."""
        met = [not day.held_back_by - {mended} for day in self.record]
        return Chain.of(met, self.targets)


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
