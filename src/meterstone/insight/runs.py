"""Runs of good days: how likely a spell lasts, and by when one is long enough.

Days are a chain, since good and bad days come in spells: a bad day follows a young spell, a
settled one and a bad day with chances of their own. The record tells these chances only so well,
so every answer is the mean over all that could be, each weighted by how well it explains the
record (Bayes). What is held to be possible before the record is looked at:

- How often a settled spell breaks: as if 15 days in one had been seen before the record, and so
  many breaks: 0.55 of one target, 1.36 more with each 2.7 times as many targets that have to be met
  together. The more targets, the more ways to break, and the less a short record without a break
  says; but targets of one programme fail together, so it is their logarithm that counts.
- A young spell breaks as easily, or up to ten times as easily.
- The chance of a good day after a bad one is anything between 0 and 1.
- A record may have got better: one target in five did, so one of many targets most likely. Then
  at its beginning spells broke 2.7 or 7.4 times as often as at its end. The days ahead are like
  the newest; that it goes on is not assumed.

These numbers were chosen on simulated programmes; `./run proof outlook` holds them against others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SETTLED = 5
"""After so many good days in a row a spell is settled: young spells break more easily."""

BAD, YOUNG, SETTLED_DAY = range(3)
"""States of a day, by the run that ends with it."""

PARTS = 9
"""The record is read in so many parts of equal length, oldest first: it may have got better."""

_LEAST = 1e-4
"""Below this chance a day spells are not told apart: none breaks within a lifetime of records."""
_EASIER = 10.0
_GROWN = (0.0, 1.0, 2.0)
"""Logarithms of how much more often spells broke at the beginning of the record than at its end."""
_STAYS = 0.8
"""How likely the first of them is for one target; of several all have to stay as they are."""
_SEEN = 15.0
"""Days in a settled spell as if seen before the record."""
_BROKEN, _MORE = 0.55, 1.36
"""Breaks on them: of one target, and how many more with the logarithm of their number."""
_LEVELS = (24, 6, 6)
"""How many levels there are of each: a settled spell breaks, how much more easily a young one
does, a good day follows a bad one."""
_WEIGHT = 0.998
"""Of all weight, what is played out day by day; the rest is of combinations next to impossible."""


@dataclass(frozen=True)
class _Grid:
    """All combinations of the three chances, flat.

    Attributes:
        good: by state, the chance of a good day in each combination.
        breaks: the chance that a settled spell breaks, as a logarithm.
        told: by growth (`_GROWN`), the logarithm of the chance of a day, by part of the record,
            state and whether it was good or bad (flat), in each combination.
    """

    good: Floats
    breaks: Floats
    told: Floats


@cache
def _grid() -> _Grid:
    levels = [(np.arange(count) + 0.5) / count for count in _LEVELS]
    share, easier, mends = (each.ravel() for each in np.meshgrid(*levels, indexing="ij"))
    breaks = _LEAST ** (1 - share)
    young = np.minimum(breaks * _EASIER**easier, 0.999)
    good = np.stack([mends, 1 - young, 1 - breaks])
    back = 1 - (np.arange(PARTS) + 0.5) / PARTS
    told = []
    for grown in _GROWN:
        often = np.stack([np.ones(PARTS), *[np.exp(grown * back)] * 2], axis=1)
        met = often[..., None] * np.log(good)
        told.append(np.stack([met, np.log(-np.expm1(met))], axis=2).reshape(-1, len(breaks)))
    return _Grid(good, np.log(breaks), np.stack(told))


@dataclass(frozen=True)
class Chain:
    """What a record says of the days to come.

    Attributes:
        days: how many days there are of each kind, of shape (PARTS, states, 2): by part of the
            record and state of the day before, good ones and bad ones.
        run: good days in a row up to the newest.
        targets: how many targets have to be met for a day to be good.
    """

    days: Floats
    run: int
    targets: int = 1

    @classmethod
    def of(cls, record: Sequence[bool], targets: int = 1) -> Chain:
        """Of good (True) and bad days, oldest first."""
        days = np.zeros((PARTS, 3, 2))
        run, pairs = 0, max(len(record) - 1, 1)
        for at, good in enumerate(record):
            if at:
                days[(at - 1) * PARTS // pairs, _state(run), int(not good)] += 1
            run = run + 1 if good else 0
        return cls(days, run, targets)

    @cached_property
    def _weights(self) -> Floats:
        """How likely each combination of the grid is, given the record."""
        grid = _grid()
        stays = _STAYS**self.targets
        grown = np.array([stays, *[(1 - stays) / (len(_GROWN) - 1)] * (len(_GROWN) - 1)])
        told = self.days.ravel() @ grid.told + np.log(grown + np.finfo(float).tiny)[:, None]
        fits = np.logaddexp.reduce(told, axis=0)
        broken = _BROKEN + _MORE * math.log(self.targets)
        fits = fits + broken * grid.breaks + _SEEN * np.log(grid.good[SETTLED_DAY])
        weights: Floats = np.exp(fits - np.logaddexp.reduce(fits))
        return weights

    def holds(self, days: int) -> float:
        """The chance that each of the next days is good."""
        states = np.bincount([_state(self.run + ahead) for ahead in range(days)], minlength=3)
        return float(self._weights @ np.prod(_grid().good ** states[:, None], axis=0))

    def passes(self, needed: int, within: int, run: int | None = None) -> Floats:
        """The chance that ``needed`` good days in a row are there after each of the next days.

        Args:
            within: for how many days.
            run: days that count already, where that is not the run of the record.

        Returns:
            One chance a day, never falling.
        """
        run = self.run if run is None else run
        chances = np.ones(within)
        if run >= needed:
            return chances
        likely = np.argsort(-self._weights)
        likely = likely[: int(np.searchsorted(np.cumsum(self._weights[likely]), _WEIGHT)) + 1]
        weights = self._weights[likely] / self._weights[likely].sum()
        good = _grid().good[:, likely][[_state(length) for length in range(needed)]]
        at = np.zeros_like(good)
        at[run] = 1.0
        there = np.zeros(len(likely))
        for day in range(within):
            on = at * good
            there = there + on[-1]
            at = np.vstack([(at - on).sum(axis=0, keepdims=True), on[:-1]])
            chances[day] = weights @ there
        return chances


def _state(run: int) -> int:
    return BAD if run == 0 else YOUNG if run <= SETTLED else SETTLED_DAY
