"""Burn rates against an oracle that counts events one by one, in fractions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterstone.detect.burn import alarms, budgets, burning, with_budgets
from meterstone.detect.feed import Bad, Feed
from meterstone.detect.finding import Finding
from meterstone.detect.ring import Counts
from meterstone.detect.slo import RawSlo, Slo, Words
from meterstone.detect.text import budget, percent, span
from meterstone.detect.windows import (
    PACES,
    Pace,
    budget_left,
    burn_rate,
    exhausted_in,
    longest,
    surely_bad,
    threshold,
)
from meterstone.facts import vocabulary

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


def slo(objective: float = 99.9, period: timedelta = MONTH, least_bad: int = 5) -> Slo:
    says = Words(means="{value} of {name} failed in {window}; {limit} is even.", next="Look.")
    raw = RawSlo(
        slo="s", title="{name} works", counter="c", objective=objective, says=says,
        least_bad=least_bad,
    )  # fmt: skip
    return Slo(raw, objective / 100, period, PACES)


def feed(events: list[tuple[float, float, float]]) -> Feed:
    """Counts of (seconds ago, good, all) events of Square."""
    made = Feed(cast("Any", None), vocabulary(), {})
    series = made.of("c", "square")
    for ago, good, total in sorted(events, reverse=True):
        at = NOW - timedelta(seconds=ago)
        series.counts.add(at, good, total)
        if good < total:
            series.bads.append(Bad(at, total - good, "provider", "server", "F1"))
    return made


def test_the_paces_are_those_of_the_workbook_and_scale_with_the_period() -> None:
    assert [round(threshold(pace, MONTH), 9) for pace in PACES] == [14.4, 6, 3, 1]
    assert [pace.short for pace in PACES] == [pace.long / 12 for pace in PACES]
    week = timedelta(days=7)
    assert [round(threshold(pace, week), 2) for pace in PACES] == [3.36, 1.4, 1, 1]
    assert longest(PACES) == timedelta(days=3)


@given(
    st.lists(st.tuples(st.integers(0, 30 * 86400 - 7200), st.booleans()), max_size=120),
    st.sampled_from([90.0, 99.0, 99.5, 99.9, 99.99]),
    st.sampled_from([60, 300, 3600, 6 * 3600, 86400, 3 * 86400]),
)
@settings(max_examples=80, deadline=None)
def test_a_burn_rate_is_what_counting_one_by_one_gives(
    events: list[tuple[int, bool]], objective: float, window: int
) -> None:
    counts = Counts(30)
    for ago, good in events:
        counts.add(NOW - timedelta(seconds=ago), float(good), 1.0)
    # NOW is a whole hour: a window is whole slots of any ring, open at its beginning
    inside = [good for ago, good in events if ago < window]
    found = burn_rate(*counts.sum(NOW, window), objective / 100)
    if not inside:
        assert found is None
        return
    bad = Fraction(sum(not good for good in inside), len(inside))
    expected = bad / (1 - Fraction(str(objective)) / 100)
    assert found == pytest.approx(float(expected), rel=1e-9)
    left = budget_left(*counts.sum(NOW, window), objective / 100)
    assert left == pytest.approx(float(1 - expected), rel=1e-9, abs=1e-9)


@given(st.floats(0.001, 1), st.floats(0.01, 1000))
def test_what_is_left_lasts_until_it_is_spent(left: float, burn: float) -> None:
    lasts = exhausted_in(left, burn, MONTH)
    assert lasts is not None
    spent = burn * (lasts / MONTH)
    assert spent == pytest.approx(left, rel=1e-3)


def test_what_does_not_burn_lasts_for_ever_and_what_is_spent_no_time() -> None:
    assert exhausted_in(0.5, 0, MONTH) is None
    assert exhausted_in(0.5, None, MONTH) is None
    assert exhausted_in(-2, 3, MONTH) == timedelta(0)
    assert burn_rate(0, 0, 0.99) is None
    assert budget_left(0, 0, 0.99) is None
    assert burn_rate(7, 5, 0.99) == 0, "more good than all cannot be: it is alarmed elsewhere"


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_guard_is_below_the_share_itself_and_comes_near_with_many_events(
    bad: int, good: int
) -> None:
    total = bad + good
    bound = surely_bad(bad, total)
    share = bad / total if total else 0.0
    assert 0 <= bound <= share or bound == pytest.approx(share)
    if bad:
        assert surely_bad(bad * 10_000, total * 10_000) == pytest.approx(share, abs=0.01)


def test_both_windows_have_to_burn() -> None:
    hour = PACES[0]
    now = [(ago, 0.0, 3.0) for ago in range(0, 240, 10)]
    past = [(ago, 0.0, 3.0) for ago in range(1200, 1440, 10)]
    well = [(ago, 10.0, 10.0) for ago in range(0, 3500, 10)]
    one = slo()
    burn = alarms(one, feed(now + well).of("c", "square"), hour, NOW)
    assert burn is not None
    assert burn == pytest.approx((72 / (72 + 3500)) / 0.001, rel=1e-6)
    over = alarms(one, feed(past + well).of("c", "square"), hour, NOW)
    assert over is None, "the short window is well again"


@pytest.mark.parametrize(
    ("bad", "good", "alarmed"), [(1, 0, False), (4, 4, False), (5, 5, True), (5, 20_000, False)]
)
def test_few_bad_events_call_nobody(bad: int, good: int, alarmed: bool) -> None:
    events = [(10.0, 0.0, float(bad)), (20.0, float(good), float(good))]
    found = alarms(slo(), feed(events).of("c", "square"), PACES[0], NOW)
    assert (found is not None) is alarmed


def test_an_alert_says_what_it_means_how_long_the_budget_lasts_and_what_to_do() -> None:
    well = [(ago, 60.0, 60.0) for ago in range(7200, 20 * 86400, 7200)]
    made = feed([(ago, 0.0, 1.0) for ago in range(0, 200, 10)] + well + [(600.0, 80.0, 80.0)])
    [found] = burning((slo(),), made, NOW, lambda key: key.title())
    assert found.severity == "sev1"
    assert found.says == "20 % of Square failed in 60 min; 0.10 % is even."
    assert found.next == "Look."
    assert "budget" in found.budget
    assert found.title == "Square spends its error budget 200 times too fast"
    assert found.fault == "provider"
    assert found.franchises == ("F1",)
    assert found.started_at == NOW - timedelta(seconds=190), "the first bad event, not the alarm"
    [spent] = budgets((slo(),), made, NOW, lambda key: key.title())
    assert spent.left is not None
    assert spent.burn == pytest.approx(200)
    assert spent.integration == "square"
    assert list(budgets((slo(),), feed([]), NOW, str)) == []


def test_what_a_rule_finds_says_how_long_the_budget_lasts_that_ends_first() -> None:
    well = [(ago, 600.0, 600.0) for ago in range(7200, 20 * 86400, 7200)]
    made = feed([*well, (60.0, 0.0, 40.0)])
    strict, loose = slo(), slo(50.0)
    spent = slo(99.999)

    def said(slos: tuple[Slo, ...], integration: str = "square") -> str:
        found = Finding(
            rule="down", cause_key="x", kind="availability", severity="sev1", fault="provider",
            integration=integration, title="t", says="It is down.", next="Wait.", started_at=NOW,
        )  # fmt: skip
        [told] = with_budgets([found], list(budgets(slos, made, NOW, str.title)))
        return told.says

    assert said((loose, strict)).startswith("It is down. Square works: 7")
    assert "of the error budget is left; at this speed it lasts" in said((loose, strict))
    assert said((loose, strict, spent)).endswith("The error budget of 30 days is spent.")
    assert said((strict,), "clover").endswith("there is no error budget.")
    assert with_budgets([], list(budgets((strict,), made, NOW, str))) == []


def test_a_slow_pace_alarms_where_a_fast_one_does_not() -> None:
    events = [(float(ago), 997.0, 1000.0) for ago in range(0, 3 * 86400, 3600)]
    [found] = burning((slo(),), feed(events), NOW, str)
    assert found.severity == "sev3", "a burn rate of 3, for a day"
    assert found.value == pytest.approx(3, rel=0.01)


def test_a_pace_of_its_own() -> None:
    pace = Pace(0.5, timedelta(days=1), "sev2")
    assert threshold(pace, timedelta(days=2)) == 1
    assert pace.factor(MONTH) == 15


def test_words() -> None:
    assert [span(s) for s in (0, 1, 45, 100, 7200, 3 * 86400)] == [
        "0 s", "1 s", "45 s", "2 min", "2 h", "3 days",
    ]  # fmt: skip
    assert [percent(x) for x in (0, 0.005, 0.05, 0.5)] == ["0 %", "0.50 %", "5.0 %", "50 %"]
    assert budget(None, 1, MONTH) == ""
    assert budget(-1, 5, MONTH) == "The error budget of 30 days is spent."
    assert budget(0.5, 0, MONTH) == "50 % of the error budget is left."
    assert (
        budget(0.5, 15, MONTH) == "50 % of the error budget is left; at this speed it lasts 24 h."
    )
