"""Before a roll-out: the smallest effect that it would show, and an order that makes it small.

A plan is tried on the past: whoever would go live in each wave is pretended to have done so in
earlier periods, in which nothing happened. What is then found by mistake is the noise of the plan,
and 2.8 times that is the smallest effect found four times of five (H. Bloom, *Evaluation Review*
19, 1995). The estimate is that of two-stage difference-in-differences: effects of unit and period
from the rows not treated, and the mean of what is left on those that are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from meterstone.insight.series import Floats

LEAST_UNITS, LEAST_PERIODS = 10, 8
DRAWS = 200
_POWER = 0.8
_WAVES = (2, 3, 4, 6)
_HELD_BACK = (0.0, 0.2, 0.33)


@dataclass(frozen=True, slots=True)
class Design:
    """How a roll-out is laid out.

    Attributes:
        waves: groups that go live one after another.
        gap: periods between two of them.
        held_back: share of the units that go live only after the time that is looked at.
        smallest: the smallest true effect that it shows four times of five, in the outcome's unit.
    """

    waves: int
    gap: int
    held_back: float
    smallest: float


@dataclass(frozen=True, slots=True)
class Rollout:
    """A plan, or why there is none.

    Attributes:
        design: the one that shows the smallest effect.
        ahead: periods that are looked at from the first wave on.
        order: wave of each unit, 1 first; 0 is held back.
        others: all designs that were tried, the best first.
    """

    design: Design | None
    ahead: int
    order: Mapping[str, int]
    others: Sequence[Design]
    withheld: str | None = None


def plan(values: Mapping[str, Sequence[float]], periods: int, seed: int = 7) -> Rollout:
    """The order in which units go live, so that the effect can be told.

    Args:
        values: the outcome of each unit before anybody is live, the same periods for all.
        periods: within how many periods everybody but those held back is live and looked at.
    """
    units = sorted(values)
    table = np.array([values[unit] for unit in units], dtype=float)
    if len(units) < LEAST_UNITS:
        return _none(f"{len(units)} units; a plan takes {LEAST_UNITS}")
    if table.ndim != 2 or table.shape[1] < LEAST_PERIODS or periods < 2:
        return _none(f"a plan takes {LEAST_PERIODS} periods before, and 2 to come")
    if not np.isfinite(table).all():
        return _none("some unit lacks a value in some period")
    if np.ptp(table) == 0:
        return _none("the outcome is constant")
    # The plan is tried within the past: what is to come is as long as at most half of it.
    ahead = min(periods, table.shape[1] // 2)
    designs = [
        Design(waves, gap, held, _smallest(table, waves, gap, held, ahead, seed))
        for waves, gap, held in _designs(len(units), ahead)
    ]
    best, *_ = ordered = sorted(designs, key=lambda each: each.smallest)
    waves = _balanced(table, best.waves, best.held_back, np.random.default_rng(seed))
    return Rollout(best, ahead, dict(zip(units, waves.tolist(), strict=True)), ordered)


def _none(why: str) -> Rollout:
    return Rollout(None, 0, {}, (), why)


def _designs(units: int, ahead: int) -> Iterator[tuple[int, int, float]]:
    for held in _HELD_BACK:
        for waves in (1, *_WAVES):
            if held == 0 and waves == 1:
                continue  # nobody to compare with
            gap = max(1, (ahead - 1) // waves)
            if (waves - 1) * gap < ahead and units * (1 - held) >= 2 * waves:
                yield waves, gap, held


def _balanced(table: Floats, waves: int, held: float, dice: np.random.Generator) -> Floats:
    """Waves that are alike: units are sorted by level and trend, and each run of neighbours is
    dealt out by chance, one to each wave."""
    level = table.mean(axis=1)
    middle = table.shape[1] // 2
    trend = table[:, middle:].mean(axis=1) - table[:, :middle].mean(axis=1)
    place = stats.rankdata(level) + 0.5 * stats.rankdata(trend)
    count = len(table)
    seats = [0] * round(count * held)
    seats += [1 + at % waves for at in range(count - len(seats))]
    dealt = np.zeros(count, dtype=int)
    # Every stretch of neighbours holds each wave as often as the whole does.
    turns = sorted(
        ((at + 0.5) / seats.count(wave), wave)
        for wave in set(seats)
        for at in range(seats.count(wave))
    )
    block = len(set(seats))
    order = np.argsort(place)
    names = [wave for _, wave in turns]
    for first in range(0, count, block):
        mixed = dice.permutation(names[first : first + block])
        dealt[order[first : first + block]] = mixed
    return dealt


def _smallest(table: Floats, waves: int, gap: int, held: float, ahead: int, seed: int) -> float:
    """The smallest effect a design shows: from what it finds where nothing happened."""
    dice = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS):
        wave = _balanced(table, waves, held, dice)
        start = table.shape[1] - ahead - int(dice.integers(0, max(1, table.shape[1] // 4)))
        window = table[:, : start + ahead]
        first = np.where(wave > 0, start + (wave - 1) * gap, window.shape[1])
        treated = np.arange(window.shape[1])[None, :] >= first[:, None]
        found.append(did(window, treated))
    freedom = len(table) - waves - 1
    power = float(stats.t.ppf(0.975, freedom) + stats.t.ppf(_POWER, freedom))
    return power * float(np.std(found, ddof=1))


def did(table: Floats, treated: NDArray[np.bool_]) -> float:
    """Mean effect on the treated: what is left there of effects of unit and period that are taken
    from the rest.

    Args:
        table: units × periods.
        treated: the same shape; every unit and every period has a place that is not, or places
            of the periods that have none are left out.
    """
    rest = ~treated
    usable = rest.any(axis=0)
    table, treated, rest = table[:, usable], treated[:, usable], rest[:, usable]
    weight = rest.astype(float)
    own = weight.sum(axis=1)
    # Effects of units follow from those of periods: only as many unknowns as periods are left.
    shares = weight / own[:, None]
    means = (weight * table).sum(axis=1) / own
    system = np.diag(weight.sum(axis=0)) - weight.T @ shares
    sums = (weight * (table - means[:, None])).sum(axis=0)
    by_period = np.linalg.lstsq(system, sums, rcond=None)[0]
    expected = (means - shares @ by_period)[:, None] + by_period
    return float((table - expected)[treated].mean())
