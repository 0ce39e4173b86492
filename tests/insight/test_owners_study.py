"""The study of owners: hours at their price, sales only where they are proven, others unseen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from measure.build import AT, D, Row, World, attestation, booking, connection, integration, payment
from meterstone.insight.findings import Advice, Figure, Finding, KeptFinding, as_dict
from meterstone.insight.owner_value import Sales, Value, no_shows_worth, others
from meterstone.insight.studies.money import NETWORK
from meterstone.insight.studies.owners import Owners
from meterstone.measure.results import Scope
from meterstone.scorecard.canonical import canonical

from .asked import source
from .test_worth_study import CardBoard, metric

DAY = date(2026, 3, 30)
PRICE = attestation(AT - 30 * D, "loaded_hourly_usd", value=40.0)


def card(hours: float | None, fees: float | None = 2_000.0) -> dict[str, Any]:
    return {
        "time_savings": metric(hours, "insufficient_data"),
        "average_revenue_per_franchise": metric(fees),
    }


def cards(hours: Iterable[float | None]) -> dict[Scope, Any]:
    made = {Scope("franchise", f"f{n}"): card(each) for n, each in enumerate(hours)}
    return {NETWORK: {}, Scope("integration", "square"): {}, **made}


def asked(
    *rows: Row | Iterable[Row], hours: Iterable[float | None],
    found: Mapping[Any, KeptFinding] | None = None,
) -> dict[str, Finding]:  # fmt: skip
    board = CardBoard(cards=cards(hours))
    with World(*rows) as world:
        made = Owners().run(source(world, DAY, board, found), lambda _: None)
    for each in made.findings:
        canonical(as_dict(each))
    return {each.scope.key: each for each in made.findings}


def advice(finding: Finding, id_: str) -> Advice | None:
    return next((each for each in finding.advice if each.id == id_), None)


def figure(finding: Finding, id_: str) -> Any:
    found = finding.figure(id_)
    return found.value if found else None


TEN = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0]


def test_hours_have_a_price_and_catching_up_has_a_worth() -> None:
    found = asked(PRICE, hours=TEN)["f0"]
    weeks = 365.25 / 7 / 12
    assert figure(found, "hours_usd") == pytest.approx(10 * 40 * weeks)
    assert figure(found, "others_hours") == 15.0  # of the nine others
    told = advice(found, "hours")
    assert told is not None
    assert told.worth == "$870 a month"  # 5 h × 40 × 4.348
    assert "Half of 9 other shops get 15 h a week back, yours 10 h" in told.says
    assert advice(asked(PRICE, hours=TEN)["f9"], "hours") is None


def test_without_a_price_hours_stay_hours() -> None:
    found = asked(hours=TEN)["f0"]
    assert figure(found, "hours_usd") is None
    told = advice(found, "hours")
    assert told is not None
    assert told.worth == "5 h a week"


def test_of_few_others_nothing_is_said() -> None:
    found = asked(PRICE, hours=TEN[:8])["f0"]
    assert figure(found, "others_hours") is None
    assert advice(found, "hours") is None
    assert "other shops" not in str(as_dict(found))


def test_where_nothing_is_known_it_is_withheld_with_what_makes_it_known() -> None:
    found = asked(PRICE, hours=[None, *TEN])["f0"]
    assert found.withheld
    assert "nobody wrote down a usual week" in found.withheld
    told = advice(found, "week")
    assert told is not None
    assert "Half of 10 other shops get 14.5 h a week or more" in told.says


def effect_of(value: float, withheld: str | None = None) -> dict[Any, KeptFinding]:
    finding = Finding(
        "effect", "sales", NETWORK, "Sales", "It raised sales.", "By comparison.", withheld,
        (Figure("usd_per_shop_month", "Sales", value, "USD per franchise-month", 300.0, 900.0),),
    )  # fmt: skip
    return {("effect", "sales", NETWORK): KeptFinding(finding, DAY, AT, "x")}


def test_sales_are_those_of_the_effect_and_only_where_it_is_claimed() -> None:
    live = connection(AT - 400 * D, franchise_id="f0")
    claimed = asked(PRICE, live, hours=TEN, found=effect_of(600.0))
    assert figure(claimed["f0"], "sales_usd") == 600.0
    assert figure(claimed["f1"], "sales_usd") is None  # it is not connected
    # 2,000 of fees, 10 h × 40 × 4.348 of hours: 261 of 600 have to be left over
    assert figure(claimed["f0"], "margin") == pytest.approx(43.5, abs=0.1)
    why = "those who went live moved apart before"
    withheld = asked(PRICE, live, hours=TEN, found=effect_of(600.0, why))
    assert figure(withheld["f0"], "sales_usd") is None
    assert any(why in c.says and not c.passed for c in withheld["f0"].checks)
    assert why in withheld["*"].sentence


def test_a_shop_with_an_effect_of_its_own_is_told_that_one() -> None:
    live = connection(AT - 400 * D, franchise_id="f0")
    shop = Scope("franchise", "f0")
    [network] = effect_of(600.0).values()
    own = replace(
        network.finding, scope=shop,
        figures=(Figure("usd_per_shop_month", "Sales", 900.0, "USD", 500.0, 1300.0),),
    )  # fmt: skip
    found = effect_of(600.0) | {("effect", "sales", shop): KeptFinding(own, DAY, AT, "y")}
    told = asked(PRICE, live, hours=TEN, found=found)["f0"]
    assert figure(told, "sales_usd") == 900.0
    assert "going live brought you $900 of sales a month" in told.sentence
    assert "live shops on average" not in told.sentence


def test_hours_that_nobody_proved_are_no_verdict_on_the_fees() -> None:
    for found in (asked(PRICE, hours=TEN)["f0"], asked(PRICE, hours=TEN)["*"]):
        assert "that going live did it is not proven" in found.sentence
        assert "than the fees" not in found.sentence
        assert "less than the hours are worth" not in found.sentence


def test_missed_appointments_are_worth_the_usual_ticket() -> None:
    def book(shop: int, missed: int) -> list[Row]:
        return [
            booking(
                AT - 20 * D, booking_id=f"b{shop}-{n}", franchise_id=f"f{shop}",
                starts_at=AT - 10 * D, status="no_show" if n < missed else "completed",
            )
            for n in range(100)
        ]  # fmt: skip

    rows = [book(n, 20 if n == 0 else 5) for n in range(10)]
    paid = payment(AT - 5 * D, franchise_id="f0", net_sales_usd="30.00")
    told = advice(asked(PRICE, rows, paid, hours=TEN)["f0"], "no_shows")
    assert told is not None
    assert told.worth == "$152 a month of sales"  # 15 of 100 in 90 days × 30 × (30.4 / 90)
    assert advice(asked(PRICE, rows, paid, hours=TEN)["f1"], "no_shows") is None


def test_what_most_others_have_is_advised_unless_there_is_one_of_its_kind() -> None:
    live = [
        connection(AT - 90 * D, connection_id=f"c{n}", franchise_id=f"f{n}") for n in range(1, 10)
    ]
    kinds = [integration(AT - 90 * D), integration(AT - 90 * D, "clover")]
    told = asked(PRICE, live, kinds, hours=TEN)
    mine = advice(told["f0"], "connect_square")
    assert mine is not None
    assert "9 of 9 other connected shops have it" in mine.says
    assert advice(told["f1"], "connect_square") is None
    other = connection(AT - 90 * D, "clover", connection_id="c0", franchise_id="f0")
    assert advice(asked(PRICE, live, other, kinds, hours=TEN)["f0"], "connect_square") is None


def test_the_network_sees_who_has_least() -> None:
    found = asked(PRICE, hours=TEN)["*"]
    [table] = found.tables
    assert table.rows[0][0] == "Shop f0"
    assert figure(found, "hours") == pytest.approx(14.5)
    assert figure(found, "paid_by_hours") == pytest.approx(80.0)  # from 11.5 h on


def test_arithmetic_of_one_shop() -> None:
    assert others({"a": 1.0, "b": 2.0}, "a") is None
    assert no_shows_worth(0.05, 0.10, 100, 30) == 0
    assert Value(None, 40, None, 100).margin is None
    assert Value(10, 40, None, 100).margin == 0
    lost = Sales(-50, -80, -20, "")
    assert Value(None, None, lost, 100).margin is None


def test_hours_are_said_to_be_proven_only_where_a_comparison_shows_it() -> None:
    """What a shop has less than before is its own; that going live did it takes others."""

    def kept(**given: Any) -> dict[Any, KeptFinding]:
        finding = Finding(
            study="effect", key="hours", scope=NETWORK, title="", sentence="So.", method="", **given
        )
        return {("effect", "hours", NETWORK): KeptFinding(finding, DAY, AT, "h")}

    def check(found: Mapping[Any, KeptFinding] | None) -> tuple[bool, str]:
        shop = asked(PRICE, hours=TEN, found=found)["f0"]
        [proof] = [each for each in shop.checks if each.name == "Hours are proven"]
        return proof.passed, proof.says

    figure = Figure("hours_per_shop_week", "", 12.0, "h", 10.0, 14.0)
    assert check(kept(figures=(figure,)))[0]
    for found, said in (
        (None, "was not studied"),
        (kept(withheld="nobody to compare"), "is not proven: nobody to compare"),
        (
            kept(figures=(Figure("hours_per_shop_week", "", 1.0, "h", -1.0, 3.0),)),
            "is not proven: So",
        ),
    ):
        passed, says = check(found)
        assert not passed
        assert said in says
