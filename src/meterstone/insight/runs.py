"""Runs of good days: how likely a spell lasts, and by when one is long enough.

Days are a chain of two states, since good and bad days come in spells. How likely a good day
follows a good one, and a bad one, is known from the record only so well: both are spread by the
Jeffreys posterior (a Beta distribution), and every chance is the mean over it. Newer days count
more, for a programme that gets better is not what it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HALF_LIFE = 60.0
"""After so many days a day counts half."""

SETTLED = 5
"""After so many good days in a row a spell is settled: young spells break more easily."""

_PRIOR = 0.5
_LEVELS = {"settled": 24, "young": 6, "bad": 6}
"""At how many levels of each chance a mean over its posterior is taken."""


@dataclass(frozen=True)
class Chain:
    """What a record says of the days to come.

    Attributes:
        good_after: weighted counts of the days after a settled good, a young good and a bad day
            that were good, and that were not.
        run: good days in a row up to the newest.
        days: on record.
    """

    good_after: Mapping[str, tuple[float, float]]
    run: int
    days: int

    @classmethod
    def of(cls, record: Sequence[bool], half_life: float = HALF_LIFE) -> Chain:
        """Of good (True) and bad days, oldest first."""
        counts = {state: [0.0, 0.0] for state in _LEVELS}
        run, newest = 0, len(record) - 1
        for at, good in enumerate(record):
            if at:
                counts[_state(run)][not good] += 0.5 ** ((newest - at) / half_life)
            run = run + 1 if good else 0
        told = {state: (yes, no) for state, (yes, no) in counts.items()}
        return cls(told, run, len(record))

    @cached_property
    def _levels(self) -> dict[str, Floats]:
        """Equally likely combinations of the three chances of a good day, flat."""
        from scipy import stats  # noqa: PLC0415 - a second to load; few need it

        spread = []
        for state, count in _LEVELS.items():
            yes, no = self.good_after[state]
            middle = (np.arange(count) + 0.5) / count
            spread.append(np.asarray(stats.beta.ppf(middle, yes + _PRIOR, no + _PRIOR)))
        grid = np.meshgrid(*spread, indexing="ij")
        return {state: each.ravel() for state, each in zip(_LEVELS, grid, strict=True)}

    def holds(self, days: int) -> float:
        """The chance that each of the next days is good."""
        chance = np.ones_like(self._levels["bad"])
        for ahead in range(days):
            chance = chance * self._levels[_state(self.run + ahead)]
        return float(chance.mean())

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
        good = np.stack([self._levels[_state(length)] for length in range(needed)])
        at = np.zeros((needed, good.shape[1]))
        at[run] = 1.0
        there = np.zeros(good.shape[1])
        for day in range(within):
            on = at * good
            there = there + on[-1]
            at = np.vstack([(at - on).sum(axis=0, keepdims=True), on[:-1]])
            chances[day] = there.mean()
        return chances


def _state(run: int) -> str:
    return "bad" if run == 0 else "young" if run <= SETTLED else "settled"
