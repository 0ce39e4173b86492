"""The study of going live on facts, and what the trend before is judged by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime

import numpy as np
import pytest

from measure.build import Row, World, payment
from measure.build import _row as row
from meterstone.insight.effect import effect
from meterstone.insight.findings import Finding
from meterstone.insight.golive import ShopMonth, panel_of
from meterstone.insight.pretrend import apart
from meterstone.insight.studies.effect import GoingLive, finding
from meterstone.insight.studies.outcomes import OUTCOMES, live_days, shop_months
from meterstone.measure.results import Scope

from .asked import source

NETWORK = Scope("network")
DAY = date(2026, 3, 31)
MONTHS = [date(2024 + (n // 12), n % 12 + 1, 1) for n in range(27)]
[SALES] = [each for each in OUTCOMES if each.key == "sales"]
TRUE = 0.08
"""What going live does to sales, as a share."""


def first_live(shop: int) -> int | None:
    """The month in which a shop goes live; the first fourteen never do."""
    return None if shop < 14 else 12 + shop % 5


def network(lifted: float = TRUE, trend: float = 0.0) -> Iterator[Row]:
    """Thirty shops, two years and a quarter; thirteen days of sales a month."""
    dice = np.random.default_rng(5)
    season = 1 + 0.1 * np.sin(np.arange(27))
    for shop in range(30):
        name, live, size = f"F{shop:02}", first_live(shop), dice.uniform(500, 900)
        if live is not None:
            yield row(
                "connection",
                {"connection_id": name, "integration": "square", "franchise_id": name,
                 "connected_at": datetime(*MONTHS[live].timetuple()[:2], 9, tzinfo=UTC),
                 "auth": "token"}, {},
            )  # fmt: skip
        yield row(
            "franchise",
            {"franchise_id": name, "status_at": datetime(2020, 1, 1, tzinfo=UTC),
             "status": "opened", "region": "US-CA", "country": "US", "client_id": "c",
             "client_segment": "small"}, {},
        )  # fmt: skip
        for n, month in enumerate(MONTHS):
            lift = 1 + lifted if live is not None and n > live else 1.0
            drift = (1 + trend) ** n if live is not None else 1.0
            usual = size * season[n] * lift * drift * math.exp(dice.normal(0, 0.02))
            for day in range(2, 15):
                at = datetime(month.year, month.month, day, 15, tzinfo=UTC)
                yield payment(at, franchise_id=name, net_sales_usd=round(usual, 2))


def asked(rows: Iterator[Row]) -> dict[tuple[str, Scope], Finding]:
    said: list[str] = []
    with World(*rows) as world:
        found = GoingLive().run(source(world, DAY), said.append)
    assert said[0] == "sales of the shops"
    return {(each.key, each.scope): each for each in found.findings}


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, Scope], Finding]:
    return asked(network())


def test_what_going_live_did_is_said_in_plain_words(
    found: dict[tuple[str, Scope], Finding],
) -> None:
    sales = found["sales", NETWORK]
    assert sales.withheld is None
    assert sales.sentence.startswith("Going live raised sales by ")
    assert sales.sentence.endswith("), 16 shops, no sign of a prior trend.")
    att = sales.figure("att")
    assert att is not None
    assert att.low is not None
    assert att.high is not None
    assert att.low <= 100 * TRUE <= att.high
    assert isinstance(att.value, float)
    assert att.value == pytest.approx(100 * TRUE, abs=1.5)
    usd = sales.figure("usd_per_shop_month")
    assert usd is not None
    assert isinstance(usd.value, float)
    # About 700 USD a day, of which 8 % of what would have been is due to going live.
    assert usd.value == pytest.approx(0.08 * 700 * 30.4, rel=0.3)
    assert usd.low is not None
    assert usd.high is not None
    assert 0 < usd.low < usd.value < usd.high
    [picture] = sales.pictures
    before = [
        point.y for point in picture.curves[0].points if isinstance(point.x, float) and point.x < 0
    ]
    assert all(value is not None and abs(value) < 5 for value in before)
    assert {check.name for check in sales.checks} == {
        "trend before", "other estimators", "placebo in time", "placebo in space",
    }  # fmt: skip
    tried = {check.name: check.passed for check in sales.checks}
    assert tried.pop("placebo in space") is None, "twelve never went live: too few to pretend"
    assert all(tried.values())


def test_what_nobody_recorded_is_withheld_with_what_is_missing(
    found: dict[tuple[str, Scope], Finding],
) -> None:
    for key in ("hours", "no_shows"):
        each = found[key, NETWORK]
        assert each.withheld
        assert each.advice


def test_each_shop_has_its_own_answer(found: dict[tuple[str, Scope], Finding]) -> None:
    own = [each for (_, scope), each in found.items() if scope.kind == "franchise"]
    assert len(own) == 16
    claimed = [each for each in own if each.withheld is None]
    assert len(claimed) >= 12
    held = 0
    for each in claimed:
        att = each.figure("att")
        assert att is not None
        assert att.low is not None
        assert att.high is not None
        held += att.low <= 100 * TRUE <= att.high
        usd = each.figure("usd_per_shop_month")
        assert (usd is None) == (att.low <= 0 <= att.high), "in money where an effect is shown"
        if usd is not None:
            assert isinstance(usd.value, float)
            assert usd.low is not None
            assert usd.high is not None
            assert usd.low < usd.value < usd.high
            assert math.copysign(1, usd.value) == math.copysign(1, att.low)
        assert all(str(cell).startswith("shop ") for cell, _ in each.tables[0].rows)
    assert held >= 0.8 * len(claimed)


def test_those_not_live_yet_have_a_plan(found: dict[tuple[str, Scope], Finding]) -> None:
    plan = found["plan", NETWORK]
    assert plan.withheld is None
    assert "14 shops that are not live yet" in plan.sentence
    smallest = plan.figure("smallest")
    assert smallest is not None
    assert isinstance(smallest.value, float)
    assert 0 < smallest.value < 20


def test_a_trend_before_withholds_it() -> None:
    with World(*network(trend=0.01)) as world:
        asked_of = source(world, DAY)
        panel = panel_of(shop_months(asked_of, SALES), live_days(asked_of), logarithm=True)
    sales = finding(SALES, panel, effect(panel))
    assert "moved apart from the others before" in (sales.withheld or "")
    assert sales.figure("att") is None
    assert sales.sentence.startswith("What going live did to sales is not claimed: ")
    assert sales.advice[0].link == "/insight/effect/plan?scope=network"


# --- the panel ------------------------------------------------------------------------------------


def months(shop: str, value: float, count: int = 8) -> list[ShopMonth]:
    return [ShopMonth(shop, MONTHS[n], value) for n in range(count)]


def test_the_month_of_going_live_is_neither_before_nor_after() -> None:
    rows = [*months("a", 1.0), *months("b", 2.0), *months("c", 3.0), *months("d", 4.0)]
    live = {"a": date(2024, 5, 17), "b": date(2024, 5, 1), "c": date(2030, 1, 1)}
    panel = panel_of(rows, live)
    periods = {
        shop: [p for u, p in zip(panel.unit, panel.period, strict=True) if u == shop]
        for shop in "abcd"
    }
    assert periods["a"] == [1, 2, 3, 4, 6, 7, 8]
    assert periods["b"] == [1, 2, 3, 4, 5, 6, 7, 8]
    firsts = dict(zip(panel.unit, panel.first, strict=True))
    assert firsts == {"a": 5, "b": 5, "c": 0, "d": 0}


def test_what_cannot_be_used_is_left_out_and_named() -> None:
    rows = [*months("a", -1.0, 2), *months("b", math.nan, 1), *months("c", 5.0)]
    panel = panel_of(rows, {"c": date(2024, 2, 9)}, logarithm=True)
    assert panel.unit == []
    assert panel.dropped == [
        "3 months without a usable value",
        "1 shops went live with fewer than 3 months of records before",
    ]
    assert panel_of([], {}).unit == []


# --- the trend before -----------------------------------------------------------------------------


def before(seed: int, *, slope: float = 0.0, step: float = 0.0) -> float | None:
    """The p of shops before going live; half of them never do."""
    dice = np.random.default_rng(seed)
    unit = np.repeat(np.arange(40), 20)
    period = np.tile(np.arange(20), 40)
    ever = unit >= 20
    ahead = np.where(ever, 20 - period, 0)
    outcome = dice.normal(0, 1, 800) + dice.normal(0, 3, 40)[unit] + dice.normal(0, 2, 20)[period]
    outcome += ever * slope * period + step * (ever & (ahead <= 2))
    return apart(unit, period, outcome, ahead)


def test_a_trend_that_is_none_is_rejected_as_seldom_as_it_says() -> None:
    found = [before(seed) for seed in range(300)]
    rejected = sum(p is not None and p < 0.05 for p in found)
    assert rejected / 300 < 0.09


def test_a_slope_and_a_step_are_seen() -> None:
    assert sum((before(seed, slope=0.1) or 1) < 0.05 for seed in range(40)) >= 36
    assert sum((before(seed, step=1.5) or 1) < 0.05 for seed in range(40)) >= 36


def test_one_period_shows_no_trend() -> None:
    unit, period = np.array([0, 1]), np.array([0, 0])
    assert apart(unit, period, np.array([1.0, 2.0]), np.array([1, 0])) is None
