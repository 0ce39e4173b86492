"""The effect of going live: the truth of simulated panels, published estimates, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from meterstone.errors import InputError
from meterstone.insight.effect import effect
from meterstone.insight.panel import Panel, read_panel


def panel(
    seed: int, truth: float = 2.0, *, units: int = 60, periods: int = 10, trend: float = 0.0,
    never: float = 0.4,
) -> Panel:  # fmt: skip
    """Units with levels of their own and common shocks; the treated ones may have a trend too."""
    drawn = np.random.default_rng(seed)
    made = Panel()
    shocks = np.cumsum(drawn.normal(0, 1, periods))
    for n in range(units):
        first = 0 if n < never * units else int(drawn.integers(5, 9))
        level = drawn.normal(50, 5)
        for t in range(1, periods + 1):
            treated = first and t >= first
            drift = trend * t if first else 0.0
            made.unit.append(str(n))
            made.period.append(t)
            made.first.append(first)
            made.outcome.append(
                level + shocks[t - 1] + drift + (truth if treated else 0.0) + drawn.normal(0, 1)
            )
    return made


def test_the_truth_is_within_the_interval() -> None:
    held = []
    for seed in range(10):
        found = effect(panel(seed))
        estimate = found.estimators["did2s"]
        held.append(estimate.low <= 2.0 <= estimate.high)
        assert found.smallest is not None
        assert found.smallest < 1.0
    assert sum(held) >= 8


def test_a_check_that_cannot_be_tried_is_not_passed_and_holds_nothing_back() -> None:
    def checked(never: float) -> dict[str, bool | None]:
        found = effect(panel(1, never=never))
        assert found.verdict == "effect"
        return {check.name: check.passed for check in found.checks}

    assert set(checked(0.4).values()) == {True}
    few = checked(0.2)
    assert few.pop("placebo in space") is None
    assert set(few.values()) == {True}


def test_without_an_effect_none_is_claimed() -> None:
    claimed = [effect(panel(100 + seed, 0.0)).verdict == "effect" for seed in range(10)]
    assert sum(claimed) <= 1


def test_a_trend_before_withholds_it() -> None:
    found = effect(panel(3, trend=0.6))
    assert found.verdict == "withheld"
    assert found.estimate is None
    assert "before" in (found.withheld or "")
    assert found.sentence.startswith("No effect is given")


def test_published_estimates_are_met(shared_data: Callable[[str], Path]) -> None:
    """Callaway and Sant'Anna's example, R package did 2.5.0: simple ATT -0.039951 (0.012034)."""
    file = shared_data("causal") / "mpdta.csv"
    read = read_panel(
        file, unit="countyreal", time="year", first_treated="first.treat", outcome="lemp"
    )
    found = effect(read)
    simple = found.estimators["callaway_santanna"]
    assert simple.att == pytest.approx(-0.039951, abs=1e-4)
    assert simple.se == pytest.approx(0.012034, rel=0.03)
    assert found.verdict == "effect"
    assert (found.units, found.treated) == (500, 191)


def test_who_was_treated_before_the_data_is_left_out_and_named(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    made = panel(1)
    rows = zip(made.unit, made.period, made.first, made.outcome, strict=True)
    text = "shop,month,live,y\n" + "\n".join(
        f"{u},{2000 + t},{2000 + g if g else ''},{y}" for u, t, g, y in rows
    )
    early = "\n".join(f"early{n},{2000 + t},1990,{t}" for n in range(3) for t in range(1, 11))
    file.write_text(f"{text}\n{early}\n0,2011,,\n")
    read = read_panel(file, unit="shop", time="month", first_treated="live", outcome="y")
    assert read.dropped == ["3 units were treated before the data begin", "1 row has no outcome"]
    assert effect(read).estimators["did2s"] == effect(made).estimators["did2s"]


def test_who_is_seen_only_after_does_not_count() -> None:
    made, plain = panel(1), effect(panel(1))
    for n in range(6):
        for t in range(7, 11):
            made.unit.append(f"late{n}")
            made.period.append(t)
            made.first.append(6)
            made.outcome.append(500.0 + n)
    found = effect(made)
    assert found.dropped == ["6 units have no value before being treated"]
    assert (found.treated, found.estimate) == (plain.treated, plain.estimate)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (panel(1, never=1.0), "no unit is treated"),
        (panel(1, units=8, never=0.5), "each side takes"),
    ],
)
def test_too_little_is_refused(made: Panel, said: str) -> None:
    found = effect(made)
    assert found.verdict == "withheld"
    assert said in found.sentence


def test_all_on_one_day_have_nobody_beside_them() -> None:
    made = panel(1, never=0.0)
    made.first = [6] * len(made.first)
    assert "nobody to compare" in effect(made).sentence
    made = panel(1)
    made.outcome = [1.0] * len(made.outcome)
    assert "constant" in effect(made).sentence
    made = panel(1)
    made.unit.append("0")
    made.period.append(1)
    made.first.append(0)
    made.outcome.append(1.0)
    assert "two values" in effect(made).sentence


def test_a_unit_with_two_first_times_is_named(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text("u,t,g,y\na,1,3,1\na,2,4,1\n")
    with pytest.raises(InputError, match="a has two first times"):
        read_panel(file, unit="u", time="t", first_treated="g", outcome="y")


def test_those_that_go_live_later_are_enough_to_compare_with() -> None:
    """Nobody stays without: the one estimator that takes such units is left out."""
    found = effect(panel(1, never=0.0))
    assert found.estimate is not None
    assert found.estimate.low <= 2.0 <= found.estimate.high
    assert set(found.estimators) == {"did2s", "callaway_santanna"}
