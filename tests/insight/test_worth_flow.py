"""The flow that is read from what was booked and from when shops were live, by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import pytest

from measure.build import Row, World, connection
from measure.build import _row as row
from meterstone.insight.cashflow import Flow
from meterstone.insight.studies.money import Money
from meterstone.insight.studies.worth import Worth
from meterstone.insight.studies.worth_flow import flow_of

from .asked import source
from .test_worth_study import BOOKS, NETWORK, ROI, CardBoard, value

DAY = date(2026, 3, 30)
JANUARY, JULY = datetime(2025, 1, 1), datetime(2025, 7, 1)  # noqa: DTZ001  # naive, as stored


def cost(on: date, usd: float, category: str, **given: object) -> Row:
    usual = {
        "cost_id": f"{on}-{category}-{usd}", "incurred_on": on, "category": category,
        "programme": True, "party": "operator", "amount": f"{usd}", "currency": "USD",
        "net_usd": f"{usd}", "hours": None,
    }  # fmt: skip
    return row("cost", usual, given)


def live(shop: str, since: datetime, until: datetime | None = None) -> Row:
    return connection(since, connection_id=f"c{shop}", franchise_id=shop, disconnected_at=until)


def booked() -> Iterable[Row]:
    """All spent in November 2024 and January 2025; 10 a month from January 2025 on; a shop live
    from January, another from July on, a third for one half of September."""
    yield cost(date(2024, 11, 5), 300, "development")
    yield cost(date(2025, 1, 31), 100, "development")
    yield cost(date(2025, 1, 31), 5_000, "development", programme=False)
    yield cost(date(2025, 1, 30), 5_000, "development", party="franchisee")
    yield cost(date(2026, 3, 2), 7_000, "operating")  # March is not over
    for month in range(14):
        yield cost(date(2025 + month // 12, month % 12 + 1, 28), 10, "support")
    yield live("a", JANUARY)
    yield live("b", JULY)
    yield live("c", datetime(2025, 9, 1), datetime(2025, 9, 16))  # noqa: DTZ001  # as stored


def test_the_flow_by_hand() -> None:
    with World(*booked()) as world:
        found = flow_of(Money(source(world, DAY, CardBoard(cards={NETWORK: BOOKS}))))
    assert isinstance(found, Flow)
    assert found.spent == (0.75, 0, 0.25, *[0] * 13)  # from November 2024 to February 2026
    assert found.running == pytest.approx([0, 0, *[1] * 14])
    # In the twelve months to February: 4 × 1 (March to June), 8 × 2, and a half: 20.5 / 12 a month.
    shops = [0, 0, *[1] * 6, 2, 2, 2.5, *[2] * 5]
    assert found.gained == pytest.approx([12 / 20.5 * each for each in shops])


def test_payback_goes_by_the_flow_and_says_so() -> None:
    with World(*booked()) as world:
        asked = source(world, DAY, CardBoard(cards={NETWORK: BOOKS}))
        [found] = [each for each in Worth().run(asked, lambda _: None).findings if each.key == ROI]
    assert value(found, "roi_claimed") == pytest.approx(242.1634, abs=1e-3)
    assert "16 months ago" in found.method
    assert "paid back" in found.method
    # Proven are 50,000 a year of tools beside 100,000 of running it: it never pays back.
    assert found.figure("payback_proven").value is None  # type: ignore[union-attr]
    [table] = [each for each in found.tables if each.id == "by_evidence"]
    names = [column.id for column in table.columns]
    [claimed] = [each for each in table.rows if each[0] == "As claimed"]
    paid, later = claimed[names.index("payback")], claimed[names.index("later")]
    assert isinstance(paid, float)
    assert isinstance(later, float)
    assert 5 < paid < later < 9


def test_without_live_shops_an_even_flow_is_supposed_and_said() -> None:
    with World(cost(date(2025, 1, 31), 100, "development")) as world:
        asked = source(world, DAY, CardBoard(cards={NETWORK: BOOKS}))
        assert flow_of(Money(asked)) == "no shop was live in a month that is over"
        [found] = [each for each in Worth().run(asked, lambda _: None).findings if each.key == ROI]
    assert "suppose that all is invested at once and an even year goes on" in found.method
    assert "no shop was live in a month that is over" in found.method
