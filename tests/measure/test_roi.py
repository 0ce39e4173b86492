"""The return on investment with the framework's own figures, from rows to the text shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from meterstone.app import Home
from meterstone.framework import CostEfficiencyAnalytics, ExecutiveDashboard, RevenueGrowthMetrics
from meterstone.measure.evaluate import Evaluator
from meterstone.record.model import Incoming

YEAR = [f"2025-{month:02d}" for month in range(1, 13)]
BASE_REVENUE = 2_000_000.0
AT = datetime(2026, 1, 1, tzinfo=UTC)
"""The end of the first 12 months of the programme."""


def attested(key: str, at: str, **given: Any) -> dict[str, Any]:
    return {
        "fact": "attestation", "attestation_id": key, "claim_key": key, "attested_at": at,
        "statement": "so it is", "source": "attestation", "entered_by": "finance",
        "entered_role": "controller", "evidence_uri": "https://example.org/minutes",
        "expires_at": "2030-01-01T00:00:00Z",
    } | given  # fmt: skip


def cost(id_: str, day: str, category: str, usd: float, **given: Any) -> dict[str, Any]:
    return {
        "fact": "cost", "cost_id": id_, "incurred_on": day, "category": category,
        "programme": True, "party": "operator", "amount": usd, "currency": "USD", "net_usd": usd,
    } | given  # fmt: skip


def invoice(id_: str, month: str, usd: float, **given: Any) -> dict[str, Any]:
    return {
        "fact": "invoice", "invoice_line_id": id_, "invoice_id": id_, "kind": "subscription",
        "issued_at": f"{month}-05T00:00:00Z", "deal_kind": "none", "service_from": f"{month}-01",
        "service_to": f"{month}-28", "amount": usd, "credited": 0, "currency": "USD",
        "net_usd": usd, "due_on": f"{month}-28", "status": "paid",
    } | given  # fmt: skip


def baseline(metric: str, value: float) -> dict[str, Any]:
    return {
        "fact": "baseline", "metric_id": metric, "scope": "network", "scope_key": "*",
        "baseline_kind": "programme", "period_start": "2024-01-01T00:00:00Z",
        "period_end": "2025-01-01T00:00:00Z", "value": value, "n": 12,
        "frozen_at": "2025-01-01T00:00:00Z", "approved_by": "controller",
    }  # fmt: skip


def work(month: str, saved_usd: float, **given: Any) -> dict[str, Any]:
    """A month of reports that take no time any more: an hour each before, at 50 USD."""
    return {
        "fact": "work_sample", "sample_id": f"w{month}{given}", "process": "reporting",
        "period_start": f"{month}-01T00:00:00Z", "period_end": f"{month}-28T00:00:00Z",
        "party": "operator", "automated": True, "minutes": 0, "volume": round(saved_usd / 50),
        "method": "system_log", "loaded_hourly_usd": 50,
    } | given  # fmt: skip


def figures() -> Iterator[dict[str, Any]]:
    """$315,000; $138,000; $1,200,000; $350,000; and rows that do not belong to them."""
    yield attested("programme_start", "2025-01-01T00:00:00Z")
    yield attested("loaded_hourly_usd", "2025-01-01T00:00:00Z", value=50, unit="USD/h")
    yield baseline("annual_revenue_increase", BASE_REVENUE)
    yield baseline("annual_cost_savings:reporting", 60)
    yield baseline("annual_cost_savings:retired_tool", 26_000)
    yield cost("d0", "2024-11-15", "development", 115_000)
    yield cost("d1", "2025-12-31", "development", 200_000)
    yield cost("d2", "2025-05-01", "development", 7_000, programme=False)
    yield cost("d3", "2026-01-01", "development", 50_000)  # after the first year
    yield cost("f1", "2025-05-01", "operating", 9_000, party="franchisee")
    for month in YEAR:
        yield attested(f"period_closed:{month}", f"{month}-28T00:00:00Z")
        for category, usd in (
            ("operating", 5_000), ("infrastructure", 3_000), ("maintenance", 2_500),
            ("support", 1_000),
        ):  # fmt: skip
            yield cost(f"{category}{month}", f"{month}-01", category, usd)
        yield cost(f"tool{month}", f"{month}-03", "retired_tool", 500, programme=False)
        yield cost(f"c{month}", f"{month}-28", "cost_of_revenue", 640_000 / 12, programme=False)
        yield invoice(f"i{month}", month, (BASE_REVENUE + 1_200_000) / 12)
        yield invoice(f"r{month}", month, 40_000, kind="royalty")
        yield invoice(f"v{month}", month, 40_000, status="void")
        yield work(month, 330_000 / 12)
        yield work(month, 99_000, method="self_report")
        yield work(month, 99_000, party="franchisee")
    yield work("2024-12", 99_000)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home(tmp_path_factory.mktemp("roi")) as opened:
        body = "".join(json.dumps(row) + "\n" for row in figures()).encode()
        opened.recorder.land(Incoming(body, "facts_jsonl", "application/x-ndjson", "file", "f", {}))
        opened.recorder.map_new()
        assert opened.log.quarantined() == []
        yield opened


def test_the_frameworks_own_figures_give_242_percent(home: Home) -> None:
    shown = CostEfficiencyAnalytics(home, AT).calculate_roi_metrics()
    assert {key: str(measured) for key, measured in shown.items()} == {
        "development_investment": "$315,000",
        "annual_operating_costs": "$138,000",
        "annual_revenue_increase": "$1,200,000",
        "annual_cost_savings": "$350,000",
        "net_annual_benefit": "$1,550,000",
        "roi_percentage": "242%",
    }
    assert {measured.verdict for measured in shown.values()} == {"met"}
    assert round(shown["roi_percentage"].value, 2) == 242.16


def test_it_is_the_return_of_the_first_year_for_ever(home: Home) -> None:
    later = datetime(2026, 4, 1, tzinfo=UTC)
    shown = CostEfficiencyAnalytics(home, later).calculate_roi_metrics()
    assert round(shown["roi_percentage"].value, 2) == 242.16
    assert shown["development_investment"].value == 365_000
    first = RevenueGrowthMetrics(home, later).success_threshold
    assert (first.value, first.verdict) == (True, "met")


def test_before_the_year_is_over_nothing_is_extrapolated(home: Home) -> None:
    early = datetime(2025, 12, 31, tzinfo=UTC)
    shown = CostEfficiencyAnalytics(home, early).calculate_roi_metrics()
    assert (shown["roi_percentage"].value, shown["roi_percentage"].verdict) == (
        None,
        "insufficient_data",
    )


def test_what_is_shown_beside_it(home: Home) -> None:
    evaluator = Evaluator(home.warehouse, home.subject.vocabulary, home.catalogue)
    columns = evaluator.evaluate([AT], ["roi_percentage"]).columns
    benefit = columns["gross_annual_benefit", "network"].shown
    assert round(float(benefit["net"][0, 0])) == 1_097_000  # what "net" would be
    beside = columns["roi_percentage", "network"].shown
    assert round(float(beside["on_gross_margin"][0, 0]), 2) == 189.18  # a fifth costs the revenue


def test_the_dashboard_asks_for_less(home: Home) -> None:
    place = ExecutiveDashboard(home, AT).generate_executive_summary()["roi_achievement"]
    assert (place.target["value"], place.verdict) == (200, "met")


def test_without_closed_books_there_is_no_verdict(tmp_path: Path) -> None:
    with Home(tmp_path) as opened:
        rows = [row for row in figures() if row.get("claim_key") != "period_closed:2025-06"]
        body = "".join(json.dumps(row) + "\n" for row in rows).encode()
        opened.recorder.land(Incoming(body, "facts_jsonl", "application/x-ndjson", "file", "f", {}))
        opened.recorder.map_new()
        shown = CostEfficiencyAnalytics(opened, AT).calculate_roi_metrics()
    assert shown["annual_operating_costs"].value == 138_000
    assert shown["annual_operating_costs"].verdict == "insufficient_data"
    assert shown["roi_percentage"].verdict == "insufficient_data"
