"""The study of forecasts: issued once, kept as issued, held against what came."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from measure.build import AT, D, H, Row, World, forecast, framework, load_sample
from measure.build import _row as row
from meterstone.insight.findings import Finding, Found
from meterstone.insight.studies.demand import NETWORK
from meterstone.insight.studies.forecasts import Forecasts
from meterstone.insight.studies.issued import MODEL
from meterstone.insight.studies.quantities import came, months_after, series_of
from meterstone.insight.studies.regions import _bounds

from .asked import SmallBoard, day_values, source

DAY = date(2026, 3, 30)
QUARTER, PEAK = "next_quarter_revenue_forecast", "peak_load_forecast"
REGIONS = "market_expansion_forecast"


class Framework(SmallBoard):
    """With all metrics of the framework."""

    @property
    def catalogue(self) -> Any:
        return framework()


def asked(world: World, day: date = DAY, board: SmallBoard | None = None) -> Found:
    return Forecasts().run(source(world, day, board), lambda _: None)


def one(found: Found, key: str) -> Finding:
    return next(finding for finding in found.findings if finding.key == key)


def issued(found: Found, quantity: str) -> list[dict[str, Any]]:
    return [fact for fact in found.facts if fact["quantity"] == quantity]


def earned(month: date) -> float:
    """What the platform earns: 1 % more a month, with a season, and noise that is always alike."""
    nth = month.year * 12 + month.month
    noise = np.random.default_rng(nth).normal(0, 0.01)
    return float(1e5 * 1.01 ** (nth - 24000) * (1 + 0.15 * np.sin(2 * np.pi * nth / 12) + noise))


def invoices(first: date, months: int) -> Iterator[Row]:
    for n in range(months):
        month = months_after(first, n)
        usual = {
            "invoice_id": f"I{month}", "kind": "subscription", "deal_kind": "renewal",
            "issued_at": datetime(month.year, month.month, 1), "service_from": month,  # noqa: DTZ001
            "service_to": months_after(month, 1) - timedelta(days=1), "credited": Decimal(0),
            "currency": "USD", "due_on": month, "status": "paid",
        }  # fmt: skip
        usd = Decimal(f"{earned(month):.2f}")
        told = {"invoice_line_id": f"L{month}", "amount": usd, "net_usd": usd}
        yield row("invoice", usual, told)
        other = {"invoice_line_id": f"R{month}", "amount": usd, "net_usd": usd}
        yield row("invoice", usual, other | {"kind": "royalty"})
        yield row("invoice", usual, other | {"invoice_line_id": f"V{month}", "status": "void"})


def users(days: int, until: datetime = AT) -> Iterator[Row]:
    random = np.random.default_rng(5)
    for n in range(days):
        at = until - (days - n) * D
        weekend = 0.7 if at.weekday() >= 5 else 1.0
        peak = (800 + n) * weekend + random.normal(0, 15)
        for instance in ("a", "b"):
            yield load_sample(at + 12 * H, instance=instance, concurrent_users=round(peak / 2))


def test_a_quarter_is_issued_once_and_its_outcome_is_added_when_it_is_over() -> None:
    with World(invoices(date(2021, 1, 1), 63)) as world:
        first = asked(world)
        finding = one(first, QUARTER)
        assert finding.withheld is None, finding.withheld
        [fact] = issued(first, "platform_revenue_quarter")
        assert (fact["horizon_start"][:10], fact["horizon_end"][:10]) == (
            "2026-04-01",
            "2026-07-01",
        )
        truth = sum(earned(date(2026, month, 1)) for month in (4, 5, 6))
        assert fact["lower95"] < truth < fact["upper95"]
        assert fact["point"] == pytest.approx(truth, rel=0.05)
        assert fact["naive_point"] is not None
        assert "(95 %: $" in finding.sentence
        assert finding.sentence.startswith("Platform revenue of the next quarter, 2026-04-01 to")
        world.add(*first.facts, recorded_at=datetime(2026, 4, 3))  # noqa: DTZ001

        soon = asked(world, DAY + timedelta(days=5))
        assert issued(soon, "platform_revenue_quarter") == [], "one a month"
        assert one(soon, QUARTER).figure("issued") is not None

        world.add(*invoices(date(2026, 4, 1), 4), recorded_at=datetime(2026, 8, 1))  # noqa: DTZ001
        early = asked(world, date(2026, 7, 5))
        assert all("outcome" not in each for each in issued(early, "platform_revenue_quarter"))
        later = asked(world, date(2026, 7, 20))
        [told] = [each for each in later.facts if each.get("outcome") is not None]
        assert told["forecast_id"] == fact["forecast_id"]
        assert told["outcome"] == pytest.approx(truth, rel=1e-6)
        assert told["point"] == fact["point"], "never overwritten"
        done = world.add(*later.facts, recorded_at=datetime(2026, 8, 2))  # noqa: DTZ001
        assert done.revised == 1

        table = next(t for t in one(asked(world, date(2026, 7, 21)), QUARTER).tables)
        assert table.id == "last"
        assert table.rows[0][0] == "2026-06-30"
        assert table.rows[0][4] == pytest.approx(truth, rel=1e-6)
        assert table.rows[0][-1] == "issued"
        assert {line[-1] for line in table.rows[1:]} == {"replayed"}
        assert len(table.rows) <= 12


def test_a_peak_is_issued_each_week_unless_somebody_else_does() -> None:
    with World(users(150)) as world:
        found = asked(world)
        [fact] = issued(found, "peak_concurrent_users")
        assert fact["model"] == MODEL
        assert fact["lower95"] < 980 < fact["upper95"]
        finding = one(found, PEAK)
        assert {check.name for check in finding.checks} >= {"Its intervals hold"}
        assert finding.pictures[0].curves[1].kind == "expected"
        world.add(
            forecast(AT - D, model="theirs", quantity="peak_concurrent_users", point=1.0,
                     lower95=0.5, upper95=2.0, naive_point=3.0, horizon_start=AT - 31 * D,
                     horizon_end=AT - D, outcome=950.0, outcome_at=AT - D)
        )  # fmt: skip
        again = asked(world)
        assert issued(again, "peak_concurrent_users") == []
        others = next(t for t in one(again, PEAK).tables if t.id == "others")
        assert others.rows[0][:3] == ("theirs", 1, 1)
        assert others.rows[0][4] == 0.0, "it held nothing"


def test_where_nothing_or_too_little_is_on_record_the_reason_is_said() -> None:
    with World(invoices(date(2026, 1, 1), 3)) as world:
        found = asked(world)
    assert found.facts == ()
    assert all(finding.withheld for finding in found.findings)
    assert "2 observations" in one(found, QUARTER).sentence, "March is not over for ten days"
    assert "nothing recent is on record" in one(found, PEAK).sentence


def test_a_metric_that_moves_is_forecast_within_its_bounds() -> None:
    rng = np.random.default_rng(3)
    wave = 96 + 3 * np.sin(2 * np.pi * np.arange(90) / 7) + rng.normal(0, 0.3, 90)
    board = Framework(
        {("api_success_rate", NETWORK): day_values(DAY, np.minimum(wave, 100).tolist()),
         ("integration_uptime", NETWORK): day_values(DAY, [100.0] * 90)}
    )  # fmt: skip
    with World() as world:
        found = asked(world, board=board)
    finding = one(found, "api_success_rate:forecast")
    assert finding.withheld is None, finding.withheld
    expected = finding.figure("expected")
    assert expected is not None
    assert expected.high is not None
    assert expected.high <= 100
    assert "on 2026-04-29" in finding.sentence
    assert all(not each.key.startswith("integration_uptime") for each in found.findings)


def deal(number: int, outcome: str, p: float, franchise: str | None = None) -> Row:
    closed = AT - 30 * D if outcome != "open" else None
    usual = {
        "deal_id": f"D{number}", "deal_source": "franconnect", "dedupe_key": f"K{number}",
        "kind": "new", "created_at": AT - 90 * D, "stage_at": AT - 40 * D, "stage": "offer",
    }  # fmt: skip
    given = {"outcome": outcome, "closed_at": closed, "win_probability": p}
    return row("deal", usual, given | {"franchise_id": franchise})


def territory(name: str, region: str, status: str, ago: int) -> Row:
    usual = {"territory_id": name, "status_at": AT - ago * D, "status": status}
    return row("territory", usual, {"region": region, "country": "US"})


def shop(name: str, region: str, status: str) -> Row:
    usual = {"franchise_id": name, "status_at": AT - 50 * D, "client_id": "C"}
    given = {"client_segment": "small", "status": status, "region": region, "country": "US"}
    return row("franchise", usual, given)


def test_new_regions_follow_from_deals_and_awarded_territories() -> None:
    closed = [deal(n, "won" if n % 5 < 2 else "lost", 0.4) for n in range(60)]
    past = [territory(f"P{n}", "US-TX", "awarded", 700) for n in range(12)]
    past += [territory(f"P{n}", "US-TX", "open", 500) for n in range(9)]
    ahead = [shop("F1", "US-CA", "opened"), shop("F2", "US-NV", "signed"),
             shop("F3", "US-CA", "signed"), deal(100, "open", 0.5, "F2"),
             deal(101, "open", 0.5, "F2"), deal(102, "open", 0.9, "F3"), deal(103, "open", 0.9),
             territory("A1", "US-AZ", "awarded", 60)]  # fmt: skip
    with World(closed, past, ahead) as world:
        found = asked(world)
    finding = one(found, REGIONS)
    assert finding.withheld is None, finding.withheld
    [fact] = issued(found, "new_regions")
    # Nevada: 1 - 0.5 × 0.5; Arizona: 9 of 12 awarded ones opened; Texas has what is not open yet;
    # California has a shop.
    texas = 1 - (1 - 0.75) ** 3
    assert fact["point"] == pytest.approx(0.75 + 0.75 + texas)
    assert 0 <= fact["lower95"] <= fact["point"] <= fact["upper95"] <= 3
    unplaced = finding.figure("unplaced")
    assert unplaced is not None
    assert unplaced.value == 1
    nowhere = [deal(n, "open", 0.5) for n in range(200, 210)]
    with World(closed, past, nowhere) as world:
        lost = one(asked(world), REGIONS)
    assert lost.withheld == "10 of 10 open deals name no franchise, and so no region"
    with World(closed[:20], ahead) as world:
        few = one(asked(world), REGIONS)
    assert few.withheld is not None
    assert "20 closed deals" in few.withheld
    wrong = [deal(n, "won", 0.2) for n in range(60)]
    with World(wrong, ahead) as world:
        off = one(asked(world), REGIONS)
    assert off.withheld is not None
    assert "60 deals were won, 12.0 were expected" in off.withheld


def test_how_many_of_independent_things_happen() -> None:
    assert _bounds([]) == (0.0, 0.0)
    assert _bounds([1.0, 1.0, 0.0]) == (2.0, 2.0)
    assert _bounds([0.5] * 100) == (40.0, 60.0)


def test_what_came_is_told_only_when_all_of_it_is_known() -> None:
    months = series_of("m", [months_after(date(2026, 1, 1), n) for n in range(4)], [1, 2, 3, 4.0])
    assert came(months, "sum", date(2026, 2, 1), date(2026, 5, 1)) == 9.0
    assert came(months, "sum", date(2026, 3, 1), date(2026, 6, 1)) is None
    assert came(months, "sum", date(2025, 12, 1), date(2026, 3, 1)) is None
    assert came(months, "end", date(2026, 4, 1), date(2026, 5, 1)) == 4.0
    days = series_of("d", [date(2026, 1, 1) + timedelta(days=n) for n in range(30)],
                     [float(n) if n % 10 else float("nan") for n in range(30)])  # fmt: skip
    assert came(days, "peak", date(2026, 1, 1), date(2026, 1, 31)) == 29.0
    assert came(days, "mean", date(2026, 1, 1), date(2026, 1, 31)) == pytest.approx(405 / 27)
    assert came(days, "mean", date(2026, 1, 1), date(2026, 2, 5)) is None
