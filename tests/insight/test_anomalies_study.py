"""The study of anomalies on telemetry in which one thing went wrong, and which one is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np

from measure.build import AT, D, H, Row, World, payment, request
from measure.build import _row as row
from meterstone.insight.findings import Finding, Found
from meterstone.insight.studies.anomalies import Anomalies
from meterstone.measure.results import Scope

from .asked import SmallBoard, day_values, source

DAY = date(2026, 3, 30)
NETWORK = Scope("network")


def asked(*rows: object, board: SmallBoard | None = None) -> Found:
    with World(*rows) as world:  # type: ignore[arg-type]  # rows and lists of rows
        return Anomalies().run(source(world, DAY, board), lambda _: None)


def one(found: Found, key: str, scope: Scope = NETWORK) -> Finding | None:
    return next((each for each in found.findings if (each.key, each.scope) == (key, scope)), None)


def traffic(days: int = 12, sick: str = "", hours: range = range(9, 12)) -> Iterator[Row]:
    """Calls by hour; one vendor fails in some hours of the last day."""
    random = np.random.default_rng(1)
    for n in range(days * 24):
        at = AT - days * D + n * H
        busy = 60 if 8 <= at.hour <= 20 else 20
        for vendor in ("square", "clover", "salesforce"):
            yield request(at, integration=vendor, count=int(random.poisson(busy)))
            bad = 40 if vendor == sick and n >= (days - 1) * 24 and at.hour in hours else 0
            many = int(random.poisson(1.5)) + bad
            if many:
                yield request(at, integration=vendor, count=many, error="timeout")


def test_failures_are_explained_by_the_vendor_that_failed() -> None:
    found = one(asked(traffic(sick="square")), "failed_requests")
    assert found is not None
    assert "30 March 2026, 09:00 to 11:59 UTC" in found.sentence
    assert "of the difference is from integration square" in found.sentence
    assert [a.link for a in found.advice] == ["/integrations/square"]
    assert found.tables[0].rows[0][0] == "square"
    actual, expected = found.figure("actual"), found.figure("expected")
    assert actual is not None
    assert expected is not None
    assert isinstance(actual.value, float)
    assert 110 < actual.value < 150
    assert isinstance(expected.value, float)
    assert expected.value < 30


def test_where_nothing_went_wrong_nothing_is_found() -> None:
    found = asked(traffic())
    assert [each.key for each in found.findings] == ["watched"]
    assert found.findings[0].withheld is None
    assert "was out of line" in found.findings[0].sentence


def shops(dark: tuple[str, ...] = ()) -> Iterator[Row]:
    random = np.random.default_rng(2)
    for nth in range(6):
        name = f"F{nth}"
        yield row(
            "franchise",
            {"franchise_id": name, "status_at": AT - 400 * D, "status": "opened",
             "region": "north" if nth < 2 else "south", "country": "US",
             "client_id": "c", "client_segment": "small"}, {},
        )  # fmt: skip
        for n in range(90):
            at = AT - (90 - n) * D + 12 * H
            usual = 900 + (300 if at.weekday() in (4, 5) else 0)
            sold = 0.0 if name in dark and n >= 88 else usual * random.normal(1, 0.05)
            if sold:
                yield payment(at, franchise_id=name, net_sales_usd=sold)


def test_sales_are_explained_by_region_and_told_to_the_owner() -> None:
    found = asked(shops(dark=("F0", "F1")))
    network = one(found, "sales")
    assert network is not None
    assert "from region north" in network.sentence
    assert "from 29 to 30 March 2026" in network.sentence
    own = one(found, "sales", Scope("franchise", "F0"))
    assert own is not None
    assert "$0 instead of about $" in own.sentence
    assert "nobody recorded it" in own.sentence
    assert one(found, "sales", Scope("franchise", "F4")) is None


def test_a_metric_is_explained_by_the_integration_that_moved_with_it() -> None:
    random = np.random.default_rng(3)
    board = SmallBoard(
        {
            ("integration_uptime", scope): day_values(
                DAY, [*(99.9 + random.normal(0, 0.02, 89)), last]
            )
            for scope, last in (
                (NETWORK, 97.0), (Scope("integration", "square"), 91.2),
                (Scope("integration", "clover"), 99.9),
            )
        }
    )  # fmt: skip
    found = one(asked(board=board), "integration_uptime:anomaly")
    assert found is not None
    assert "97 % instead of about 99.9 %" in found.sentence
    assert "With it moved integration square (99.9 % to 91.2 %), of 2." in found.sentence


def test_nothing_on_record_is_said_to_be_nothing() -> None:
    [only] = asked().findings
    assert only.withheld is not None
    assert "nothing is on record for long enough" in only.withheld
