"""One shop alone, and the plan of a roll-out: held against what is true by construction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from meterstone.insight.effect import effect
from meterstone.insight.panel import Panel
from meterstone.insight.rollout import Rollout, did, plan, since_before
from meterstone.insight.synthetic import single


def shops(
    seed: int, truth: float, *, others: int = 20, periods: int = 30, since: int = 21,
    trend: float = 0.0,
) -> Panel:  # fmt: skip
    """One treated unit and others, all moved by two common factors, each in its own way."""
    dice = np.random.default_rng(seed)
    factors = np.cumsum(dice.normal(0, 0.03, (2, periods)), axis=1)
    panel = Panel()
    for n in range(others + 1):
        loads = dice.uniform(0.3, 1.2, 2)
        line = 8 + dice.normal(0, 0.3) + loads @ factors + dice.normal(0, 0.02, periods)
        for t in range(1, periods + 1):
            treated = n == 0 and t >= since
            panel.unit.append(f"s{n}")
            panel.period.append(t)
            panel.first.append(since if n == 0 else 0)
            extra = trend * t if n == 0 else 0.0
            panel.outcome.append(float(line[t - 1] + extra + (truth if treated else 0.0)))
    return panel


def test_the_effect_on_one_shop_is_found() -> None:
    held = claimed = 0
    for seed in range(12):
        found = single(shops(seed, 0.1), "s0")
        if found.estimate is None:
            continue
        held += found.estimate.low <= 0.1 <= found.estimate.high
        claimed += found.estimate.low > 0
        assert len(found.periods) == len(found.observed) == len(found.mixture) == 30
        assert sum(weight for _, weight in found.weights) <= 1 + 1e-9
    assert held >= 9
    assert claimed >= 8


def test_a_shop_that_moved_apart_before_is_withheld() -> None:
    kept = [single(shops(seed, 0.0, trend=0.02), "s0").estimate for seed in range(10)]
    assert sum(each is None for each in kept) >= 9


@pytest.mark.parametrize(
    ("panel", "unit", "said"),
    [
        (shops(1, 0.1), "s3", "never went live"),
        (shops(1, 0.1), "nobody", "never went live"),
        (shops(1, 0.1, since=4), "s0", "3 periods before"),
        (shops(1, 0.1, others=5), "s0", "5 others"),
    ],
)
def test_what_cannot_be_told_is_withheld(panel: Panel, unit: str, said: str) -> None:
    found = single(panel, unit)
    assert found.estimate is None
    assert said in (found.withheld or "")


def test_a_constant_shop_says_nothing() -> None:
    panel = shops(1, 0.0)
    panel.outcome = [
        1.0 if unit == "s0" else value
        for unit, value in zip(panel.unit, panel.outcome, strict=True)
    ]
    assert single(panel, "s0").withheld == "its outcome was constant before"


def test_who_goes_live_later_is_compared_with_until_then() -> None:
    """All go live at last: those that do so late say what would have been until they do."""
    panel = shops(4, 0.1)
    panel.first = [first or 28 for first in panel.first]
    for row, period in enumerate(panel.period):
        if panel.unit[row] != "s0" and period >= 28:
            panel.outcome[row] += 5.0  # what they do then must not count
    found = single(panel, "s0")
    assert found.estimate is not None, found.withheld
    assert found.periods[-1] == 27
    assert found.estimate.low <= 0.1 <= found.estimate.high


# --- roll-outs ------------------------------------------------------------------------------------


def history(seed: int, units: int = 40, periods: int = 24) -> dict[str, list[float]]:
    dice = np.random.default_rng(seed)
    common = np.cumsum(dice.normal(0, 1, periods))
    return {
        f"u{n:02}": (50 + dice.normal(0, 5) + common + dice.normal(0, 1, periods)).tolist()
        for n in range(units)
    }


def test_the_estimate_of_a_plan_is_that_of_the_library() -> None:
    dice = np.random.default_rng(4)
    table = np.array(list(history(2).values()))
    first = np.where(np.arange(40) < 15, 99, dice.integers(10, 20, 40))
    treated = np.arange(24)[None, :] >= first[:, None]
    table = table + 3.0 * treated
    panel = Panel()
    for unit in range(40):
        for period in range(24):
            panel.unit.append(str(unit))
            panel.period.append(period + 1)
            panel.first.append(0 if first[unit] > 24 else int(first[unit]) + 1)
            panel.outcome.append(float(table[unit, period]))
    theirs = effect(panel).estimators
    assert did(table, treated) == pytest.approx(theirs["did2s"].att, abs=1e-9)
    assert since_before(table, first) == pytest.approx(theirs["callaway_santanna"].att, abs=1e-9)
    for row, unit in enumerate(panel.unit):  # and where everybody goes live at last
        panel.first[row] = panel.first[row] or 22
        first[int(unit)] = panel.first[row] - 1
    theirs = effect(panel).estimators
    assert since_before(table, first) == pytest.approx(theirs["callaway_santanna"].att, abs=1e-9)


def test_an_effect_as_small_as_said_is_found_four_times_of_five() -> None:
    found: Rollout = plan(history(3), 8)
    assert found.withheld is None
    assert found.design is not None
    table = np.array([history(3)[unit] for unit in sorted(found.order)])
    dice = np.random.default_rng(9)
    waves = np.array([found.order[unit] for unit in sorted(found.order)])
    noise = []
    for _ in range(200):  # another future of the same shops
        future = np.cumsum(dice.normal(0, 1, 8)) + table[:, -1:].mean()
        after = table.mean(axis=1, keepdims=True) + future + dice.normal(0, 1, (40, 8))
        whole = np.hstack([table, after])
        first = np.where(waves > 0, 24 + (waves - 1) * found.design.gap, 99)
        treated = np.arange(32)[None, :] >= first[:, None]
        noise.append(did(whole, treated))
    scale = np.std(noise)
    hits = sum(abs(each + found.design.smallest) > stats.norm.ppf(0.975) * scale for each in noise)
    assert 0.65 <= hits / 200 <= 1.0


def test_the_plan_is_balanced_and_the_best_that_was_tried() -> None:
    past = history(5)
    found = plan(past, 10, waves=3)
    assert found.design is not None
    assert [each.smallest for each in found.others] == sorted(
        each.smallest for each in found.others
    )
    sizes = {wave: list(found.order.values()).count(wave) for wave in set(found.order.values())}
    assert max(sizes[w] for w in sizes if w) - min(sizes[w] for w in sizes if w) <= 1
    means = {
        wave: np.mean([np.mean(past[unit]) for unit, own in found.order.items() if own == wave])
        for wave in sizes
    }
    assert max(means.values()) - min(means.values()) < 2.5
    assert plan(past, 10, waves=3) == found


@pytest.mark.parametrize(
    ("values", "periods", "said"),
    [
        (history(1, units=6), 6, "6 units"),
        (history(1, periods=5), 6, "8 periods before"),
        (history(1), 1, "2 to come"),
        ({f"{n}": [1.0] * 12 for n in range(12)}, 6, "constant"),
        ({f"{n}": [1.0] * 11 + [float("nan")] for n in range(12)}, 6, "lacks a value"),
    ],
)
def test_no_plan_is_given_where_none_can_be(
    values: dict[str, list[float]], periods: int, said: str
) -> None:
    found = plan(values, periods)
    assert found.design is None
    assert said in (found.withheld or "")
