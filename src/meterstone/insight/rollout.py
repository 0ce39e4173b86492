"""Before a roll-out: the smallest effect that it would show, and an order that makes it small.

A plan is tried on the past: whoever would go live in each wave is pretended to have done so in
earlier periods, in which nothing happened. What is then found by mistake is the noise of the plan;
its smallest effect found four times of five is a multiple of that (H. Bloom, *Evaluation Review*
19, 1995): 2.8 where units are many, more where few are compared with, as it will be judged
(`meterstone.insight.effect`). Two estimators must show an effect there, so the noisier one counts:
two-stage difference-in-differences (effects of unit and period from the rows not treated, and the
mean of what is left on those that are), and that of Callaway and Sant'Anna.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from meterstone.insight.effect import LEAST_UNITS as LEAST_A_SIDE
from meterstone.insight.effect import MOST_UNITS, found_from
from meterstone.insight.panel import NEVER, Panel, counted
from meterstone.insight.series import Floats

LEAST_UNITS, LEAST_PERIODS = 10, 8
DRAWS = 200
_WAVES = (1, 2, 3, 4, 6)
_HELD_BACK = (0.0, 0.2, 0.33)
_HISTORY = 24
_WHOLE = 0.8


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
        others: all designs that were tried, the smallest effect first.
    """

    design: Design | None
    ahead: int
    order: Mapping[str, int]
    others: Sequence[Design]
    withheld: str | None = None


def plan(
    values: Mapping[str, Sequence[float]], periods: int, seed: int = 7, *,
    waves: int | None = None, progress: Callable[[int, int], object] = lambda _done, _of: None,
) -> Rollout:  # fmt: skip
    """The order in which units go live, so that the effect can be told.

    Args:
        values: the outcome of each unit before anybody is live, the same periods for all.
        periods: within how many periods everybody but those held back is live and looked at.
        waves: so many; None: those that show the smallest effect.
        progress: told how many layouts were tried, of how many.
    """
    units = sorted(values)
    table = np.array([values[unit] for unit in units], dtype=float)
    refused = _refused(table, periods)
    if refused:
        return _none(refused)
    # The plan is tried within the past: what is to come is as long as at most half of it.
    ahead = min(periods, table.shape[1] // 2)
    layouts = list(dict.fromkeys(_designs(len(units), ahead, (waves,) if waves else _WAVES)))
    if not layouts:
        return _none(f"{waves} waves do not fit {len(units)} units and {ahead} periods to come")
    designs = []
    for number, (count, gap, held) in enumerate(layouts):
        progress(number, len(layouts))
        designs.append(Design(count, gap, held, _smallest(table, count, gap, held, ahead, seed)))
    best = min(designs, key=lambda each: each.smallest)
    # The smallest of many is partly luck: what is promised is drawn anew.
    again = _smallest(table, best.waves, best.gap, best.held_back, ahead, seed + 1)
    designs.remove(best)
    best = replace(best, smallest=again)
    ordered = sorted([best, *designs], key=lambda each: each.smallest)
    order = _balanced(table, best.waves, best.held_back, np.random.default_rng(seed))
    return Rollout(best, ahead, dict(zip(units, order.tolist(), strict=True)), ordered)


def _refused(table: Floats, periods: int) -> str:
    """Why there is no plan; empty where one can be made."""
    if len(table) < LEAST_UNITS:
        return (
            f"{len(table)} units have a value in each of the newest {LEAST_PERIODS} periods or "
            f"more; a plan takes {LEAST_UNITS}"
        )
    if len(table) > MOST_UNITS:
        return f"{len(table):,} units; at most {MOST_UNITS:,} are planned at once"
    if table.ndim != 2 or table.shape[1] < LEAST_PERIODS or periods < 2:
        return f"a plan takes {LEAST_PERIODS} periods before, and 2 to come"
    if not np.isfinite(table).all():
        return "some unit lacks a value in some period"
    if np.ptp(table) == 0:
        return "the outcome is constant"
    return ""


def histories(panel: Panel) -> tuple[dict[str, list[float]], list[str]]:
    """The newest periods, at most 24, of those not treated, the same for all: as many as four
    fifths of them have without a gap. Also returns what is left out, a sentence each."""
    rows: dict[str, dict[int, float]] = defaultdict(dict)
    treated: set[str] = set()
    for unit, period, first, value in zip(
        panel.unit, panel.period, panel.first, panel.outcome, strict=True
    ):
        if first == NEVER:
            rows[unit][period] = value
        else:
            treated.add(unit)
    told = [*panel.dropped]
    if treated:
        told.append(f"{counted(len(treated), 'unit is', 'units are')} treated already")
    last = max((max(periods) for periods in rows.values()), default=0)
    for count in range(_HISTORY, LEAST_PERIODS - 1, -1):
        periods = range(last - count + 1, last + 1)
        whole = {
            unit: [own[period] for period in periods]
            for unit, own in rows.items()
            if all(period in own for period in periods)
        }
        if whole and len(whole) >= _WHOLE * len(rows):
            gone = len(rows) - len(whole)
            if gone:
                lacks = counted(gone, "unit lacks", "units lack")
                told.append(f"{lacks} a value in the newest {count} periods")
            return whole, told
    return {}, told


def _none(why: str) -> Rollout:
    return Rollout(None, 0, {}, (), why)


def _designs(
    units: int, ahead: int, counts: Sequence[int]
) -> Iterator[tuple[int, int, float]]:  # fmt: skip
    """Waves, periods between two, and share held back; only what an effect can be told from."""
    for share in _HELD_BACK:
        held = max(LEAST_A_SIDE, round(share * units)) if share else 0
        for waves in counts:
            if not held and waves == 1:
                continue  # nobody to compare with
            gap = max(1, (ahead - 1) // waves)
            live = units - held
            if (waves - 1) * gap < ahead and live >= max(LEAST_A_SIDE, 2 * waves):
                yield waves, gap, held / units


def _balanced(table: Floats, waves: int, held: float, dice: np.random.Generator) -> Floats:
    """Waves that are alike: units are sorted by level and trend, and each run of neighbours is
    dealt out by chance, one to each wave."""
    level = table.mean(axis=1)
    middle = table.shape[1] // 2
    trend = table[:, middle:].mean(axis=1) - table[:, :middle].mean(axis=1)
    place = scipy.stats.rankdata(level) + 0.5 * scipy.stats.rankdata(trend)
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
        start = table.shape[1] - ahead - int(dice.integers(0, max(1, table.shape[1] // 4)))
        # Made alike by what was known then: waves that are alike in what came would err less.
        wave = _balanced(table[:, :start], waves, held, dice)
        window = table[:, : start + ahead]
        first = np.where(wave > 0, start + (wave - 1) * gap, window.shape[1])
        treated = np.arange(window.shape[1])[None, :] >= first[:, None]
        found.append((did(window, treated), since_before(window, first)))
    back = round(len(table) * held)
    smaller = min(len(table) - back, back) if back else len(table) - waves + 1
    return found_from(smaller - 1) * float(np.std(found, axis=0, ddof=1).max())


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


def since_before(table: Floats, first: NDArray[np.int_]) -> float:
    """Mean effect on the treated by what changed since the period before they went live, beside
    what changed at the others: those never treated, or where there are none, not treated yet.

    Args:
        table: units × periods.
        first: first treated period of each unit, from 1; beyond the last one: never.

    Source: B. Callaway and P. Sant'Anna, *Journal of Econometrics* 225, 2021; simple weights.
    """
    periods = np.arange(table.shape[1])
    starts, cohort, sizes = np.unique(first, return_inverse=True, return_counts=True)
    means = np.array([table[cohort == c].mean(axis=0) for c in range(len(starts))])
    never = starts >= table.shape[1]
    total = weight = 0.0
    for start, size, mean in zip(starts[~never], sizes[~never], means[~never], strict=True):
        rest = never[:, None] if never.any() else starts[:, None] > periods
        shares = sizes[:, None] * np.broadcast_to(rest, means.shape)
        known = (periods >= start) & (shares.sum(axis=0) > 0)
        others = means - means[:, [start - 1]]
        beside = (shares * others).sum(axis=0)[known] / shares.sum(axis=0)[known]
        total += size * float((mean[known] - mean[start - 1] - beside).sum())
        weight += size * int(known.sum())
    return total / weight
