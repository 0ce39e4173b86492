"""The study of capacity on a system whose growth and scalability are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

import numpy as np
import pytest

from measure.build import AT, D, H, Row, World, load_sample, load_test
from measure.build import _row as row
from meterstone.insight.capacity import Law
from meterstone.insight.findings import Finding, Found
from meterstone.insight.studies.capacity import Capacity
from meterstone.insight.studies.demand import NETWORK, PROVEN

from .asked import SmallBoard, day_values, source

DAY = date(2026, 3, 30)
"""The day that ends at `AT`."""

LAW = Law(0.9, 2e-5, 4e-8)
GROWTH = 6.0


def users(
    days: int = 45, growth: float = GROWTH, start: float = 400, **given: object
) -> Iterator[Row]:
    """Two instances, three samples a day, the middle one highest; weekends are calmer."""
    random = np.random.default_rng(5)
    for n in range(days):
        at = AT - (days - n) * D
        weekend = 0.85 if at.weekday() >= 5 else 1.0
        peak = (start + growth * n) * weekend + random.normal(0, 6)
        for hour, share in ((3, 0.2), (12, 1.0), (20, 0.6)):
            for instance in ("a", "b"):
                yield load_sample(
                    at + hour * H, instance=instance,
                    concurrent_users=max(0, round(share * peak / 2)), **given,
                )  # fmt: skip


def levels(
    ended: int = 10, of: Iterable[int] = (250, 500, 1000, 2000, 4000, 6000)
) -> Iterator[Row]:
    for n in of:
        yield load_test(
            AT - ended * D, test_id="newest", concurrent_users=n, hold_s=900,
            requests=round(LAW.at(n) * 900), success_rate=100.0, production_like=True,
        )  # fmt: skip


def board(held: float | None = 1200.0) -> SmallBoard:
    return SmallBoard({} if held is None else {(PROVEN, NETWORK): day_values(DAY, [held])})


def asked(*rows: Row | Iterable[Row], held: float | None = 1200.0) -> Found:
    with World(*rows) as world:
        return Capacity().run(source(world, DAY, board(held)), lambda _: None)


def one(found: Found, key: str = "concurrent_user_capacity") -> Finding:
    return next(each for each in found.findings if each.key == key)


def test_growing_demand_reaches_the_limit_when_it_does() -> None:
    found = asked(users(180), levels(), held=1630.0)
    users_found = one(found)
    days = users_found.figure("days")
    assert users_found.withheld is None, users_found.withheld
    assert days is not None
    assert days.low is not None
    # at 400 + 6 n on working days the limit of 1,630 is reached on the 205th day: in 25 days
    assert days.low <= 25.5
    assert days.high is None or days.high >= 25
    assert isinstance(days.value, float)
    assert days.value == pytest.approx(25, abs=6)
    assert "the limit of 1,630 users is reached in about" in users_found.sentence
    assert [a.id for a in users_found.advice] == ["extend_concurrent_user_capacity"]
    [action] = found.facts
    assert (action["origin"], action["status"]) == ("capacity_forecast", "recommended")
    assert all(check.passed for check in users_found.checks)


def test_an_action_that_is_open_is_not_recommended_again() -> None:
    given = row(
        "prevention_action",
        {"action_id": "a", "recommended_at": AT - D, "origin": "capacity_forecast",
         "cause_key": "concurrent_user_capacity", "status": "accepted"}, {},
    )  # fmt: skip
    assert len(asked(users(30, 12.0), levels(), held=500.0).facts) == 1
    assert asked(users(30, 12.0), levels(), given, held=500.0).facts == ()


def test_steady_demand_reaches_nothing() -> None:
    found = asked(users(growth=0.0), levels())
    users_found = one(found)
    assert found.facts == ()
    days = users_found.figure("days")
    assert days is None or days.low is None
    if users_found.withheld is None:
        assert "is not reached within" in users_found.sentence


def test_over_the_limit_is_said_at_once() -> None:
    found = one(asked(users(growth=12.0), levels(), held=500.0))
    assert "is reached already" in found.sentence
    figure = found.figure("days")
    assert figure is not None
    assert figure.value == 0


def test_without_a_load_test_nobody_knows_the_limit() -> None:
    found = asked(users(), held=None)
    assert "no load test is on record" in (one(found).withheld or "")
    assert [a.id for a in one(found).advice] == ["test_load"]
    law = one(found, "capacity_requirement_factor")
    assert law.withheld is not None
    assert [a.id for a in law.advice] == ["test_levels"], "nothing follows from what is withheld"
    old = asked(users(), levels(ended=120), held=None)
    assert "120 days old" in (one(old).withheld or "")
    assert "120 days old" in (one(old, "capacity_requirement_factor").withheld or "")


def test_what_was_made_up_or_is_no_production_does_not_count() -> None:
    found = asked(users(environment="staging"), users(synthetic=True), levels())
    assert "nobody recorded" in (one(found).withheld or "")


def test_old_samples_are_no_news() -> None:
    rows = [each for each in users(60) if each["at"] < AT - timedelta(days=8)]
    assert "nobody recorded" in (one(asked(rows, levels())).withheld or "")
    few = [each for each in users(60) if each["at"] >= AT - timedelta(days=8)]
    assert "at least 12" in (one(asked(few, levels())).withheld or "")


def test_the_law_of_the_test_and_what_the_peak_takes() -> None:
    forecast = row(
        "forecast",
        {"forecast_id": "f", "issued_at": AT - D, "model": "load", "model_version": "1",
         "quantity": "peak_concurrent_users", "horizon_start": AT - D, "horizon_end": AT + 29 * D,
         "point": 1800.0, "lower95": 1500.0, "upper95": 2000.0}, {},
    )  # fmt: skip
    found = one(asked(users(), levels(), forecast), "capacity_requirement_factor")
    assert found.withheld is None, found.withheld
    most, peak, needed, straight = (
        found.figure(name) for name in ("most", "peak", "needed", "straight")
    )
    assert most
    assert peak
    assert needed
    assert straight
    assert most.value == pytest.approx(LAW.most, rel=0.01)
    assert peak.value == pytest.approx(LAW.peak, rel=0.02)
    assert straight.value == pytest.approx(1.25 * 2000 / 1200)
    assert needed.value == pytest.approx(LAW.needed(2500, 1200), rel=0.02)
    assert "times today's resources are needed" in found.sentence
    assert [a.id for a in found.advice] == ["scale_out"]


def test_a_full_queue_is_found_and_comes_first() -> None:
    random = np.random.default_rng(1)
    queue = [
        load_sample(
            AT - n * D + H, queue_depth=int(800 - 8 * n + random.normal(0, 5)), queue_capacity=1000
        )
        for n in range(1, 80)
    ]
    found = asked(users(growth=0.5), levels(), queue)
    assert found.findings[0].key == "queue_management"
    days = found.findings[0].figure("days")
    assert days is not None
    assert isinstance(days.value, float)
    assert days.value == pytest.approx(12, abs=4)


def test_the_same_rows_give_the_same_findings() -> None:
    assert asked(users(30), levels()).findings == asked(users(30), levels()).findings
