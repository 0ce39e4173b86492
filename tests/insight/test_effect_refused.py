"""Rows on which the estimators fail, each in its own way: what is said is ours, and a cause and a
mend; never the library's words, and never a number."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from meterstone.insight import effect as module
from meterstone.insight.effect import effect
from meterstone.insight.golive import in_shops
from meterstone.insight.panel import Panel

Value = Callable[[int, int, int], float]


def grid(
    first: Callable[[int], int], *, units: int = 20, periods: int = 8,
    kept: Callable[[int, int, int], bool] = lambda *_: True, value: Value | None = None,
) -> Panel:  # fmt: skip
    """Units in periods; by default with a level, a slope, noise, and an effect of 2."""
    drawn = np.random.default_rng(5)
    made = Panel()
    for unit in range(units):
        g = first(unit)
        for t in range(1, periods + 1):
            usual = unit + t + drawn.normal() + (2 if g and t >= g else 0)
            if kept(unit, t, g):
                made.unit.append(str(unit))
                made.period.append(t)
                made.first.append(g)
                made.outcome.append(usual if value is None else value(unit, t, g))
    return made


def half(unit: int) -> int:
    return 5 if unit % 2 else 0


def in_turn(unit: int) -> int:
    return (0, 4, 5, 6)[unit % 4]


NOISE = np.random.default_rng(6).normal(size=(20, 9))

REFUSED = {
    "one unit": (grid(half, units=1), "no unit is treated within the data"),
    "one treated unit": (grid(lambda _: 5, units=1), "nobody to compare them with; add some"),
    "few": (grid(half, units=8), "4 treated and 4 never treated units; each side takes 5"),
    "all on one day": (grid(lambda _: 5), "nobody to compare them with; add some"),
    "nobody treated": (grid(lambda _: 0), "no unit is treated within the data"),
    "nothing": (Panel(), "no unit is treated within the data"),
    "one period": (grid(half, periods=1), "both before and after being treated"),
    "two periods": (
        grid(lambda unit: 2 * (unit % 2), periods=2), "no trend before can be seen in so few"
    ),
    "each seen once": (
        grid(in_turn, kept=lambda unit, t, _: t == 1 + unit % 8), "both before and after being"
    ),
    "nobody else afterwards": (
        grid(half, kept=lambda _, t, g: g > 0 or t < 5), "record some of those in these periods"
    ),
    "others in one period": (
        grid(half, kept=lambda _, t, g: g > 0 or t == 1), "record some of those in these periods"
    ),
    "others in other periods": (
        grid(half, kept=lambda _, t, g: t % 2 == (g > 0)), "record some of those in these periods"
    ),
    "the period before is missing": (
        grid(half, kept=lambda _, t, g: not g or t != 4), "fill those periods"
    ),
    "seen first and late": (
        grid(in_turn, kept=lambda _, t, g: not g or t in (1, g + 2)), "fill those periods"
    ),
    "constant": (grid(in_turn, value=lambda *_: 3.0), "the outcome is constant"),
    "constant by unit": (grid(in_turn, value=lambda unit, *_: unit), "as if by a formula"),
    "collinear": (grid(in_turn, value=lambda unit, t, _: unit + t), "as if by a formula"),
    "an exact effect": (
        grid(in_turn, value=lambda unit, t, g: unit + t + 2.0 * (0 < g <= t)), "as if by a formula"
    ),
    "infinite": (
        grid(in_turn, value=lambda unit, t, _: math.inf if t == unit == 7 else NOISE[unit, t]),
        "no finite number; correct it",
    ),
    "too large": (
        grid(in_turn, value=lambda unit, t, _: 1e160 * NOISE[unit, t]), "on another scale"
    ),
    "too small": (
        grid(in_turn, value=lambda unit, t, _: 1e-300 * NOISE[unit, t]), "on another scale"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("made", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_rows_that_show_no_effect(made: Panel, said: str) -> None:
    found = effect(made)
    assert found.verdict == "withheld"
    assert found.estimate is None
    assert said in (found.withheld or "")
    assert found.sentence == f"No effect is given: {found.withheld}."


def test_too_many_units_are_refused_before_they_take_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_UNITS", 19)
    assert "20 units; at most 19" in (effect(grid(half)).withheld or "")


def test_an_estimator_that_fails_is_no_estimator_that_agrees() -> None:
    """Sun and Abraham's cannot be told where nobody else has a value in some period: that NaN is
    within any distance of an estimate was taken for agreement once."""
    found = effect(grid(in_turn, kept=lambda _, t, g: g > 0 or t != 6))
    assert set(found.estimators) == {"did2s", "callaway_santanna"}
    [check] = [check for check in found.checks if check.name == "other estimators"]
    assert "Sun and Abraham cannot be told from these rows" in check.says
    told = [*found.estimators.values(), *found.by_time.values()]
    assert all(math.isfinite(each.att) and math.isfinite(each.se) for each in told)


def test_no_words_of_the_library_come_through() -> None:
    """Sparse panels at random, of which many fail somewhere inside."""
    drawn = np.random.default_rng(77)
    theirs = ("data", "observations found", "Cannot", "Could not", "first_treat", "NaN")
    withheld = 0
    for _ in range(25):
        share, periods = drawn.random(), int(drawn.integers(2, 9))
        there = drawn.random((24, periods + 1)) < share
        firsts = drawn.integers(0, periods + 1, 24)
        found = effect(
            grid(lambda unit, at=firsts: int(at[unit]), units=24, periods=periods,  # type: ignore[misc]
                 kept=lambda unit, t, _, at=there: bool(at[unit, t]))  # type: ignore[misc]
        )  # fmt: skip
        said = [found.sentence, *(check.says for check in found.checks)]
        ours = "no unit is treated within the data, after their first period"
        assert not any(word in each.replace(ours, "") for word in theirs for each in said)
        withheld += found.verdict == "withheld"
    assert withheld > 5


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_said_of_units_is_said_of_shops(case: str) -> None:
    said = in_shops(effect(REFUSED[case][0]).withheld or "")
    assert not any(word in said for word in ("unit", "treated", "period"))
