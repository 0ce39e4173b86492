"""The thriving network holds its targets on the days before its end too: what the declaration over
90 days needs, in small (the whole of it: ``./run proof declaration``)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from meterstone.measure.results import MetricResult, Scope
from meterstone.measure.service import Measuring

from .conftest import Network, Networks, at

PERFORMANCE = "IntegrationPerformanceMetrics.target_metrics"
HELD = {
    # end of June (the first month that the 90 days look at), end of July, end of August
    "adoption_rate_trend": ("2026-07-01", "2026-08-01", "2026-09-01"),
    "premium_feature_adoption": ("2026-07-01", "2026-08-01", "2026-09-01"),
    "developer_ecosystem": ("2026-07-04", "2026-08-15", "2026-09-20"),
    "security_incident_count": ("2026-06-05", "2026-07-04"),
    "competitive_differentiation_state": ("2026-07-04", "2026-09-20"),
}
"""Day ends at which targets have to be met."""


@pytest.mark.parametrize("metric", HELD)
def test_targets_hold_at_day_ends_before_the_end(network: Networks, metric: str) -> None:
    thriving = network("thriving")
    for day in HELD[metric]:
        found = _at_network(thriving, at(day), metric)[metric]
        assert {place.verdict for place in found.places} == {"met"}, (day, found.value)


def test_daily_reports_carry_the_results_of_their_day(network: Networks) -> None:
    thriving = network("thriving")
    catalogue = thriving.home.catalogue
    metrics = {ref: catalogue.by_ref()[ref][0].id for ref in catalogue.group(PERFORMANCE)}
    assert len(metrics) == 7
    for day in (date(2026, 9, 29), date(2026, 9, 30)):  # their windows lie in the telemetry
        end = datetime(day.year, day.month, day.day, tzinfo=UTC)
        reports = _reports(thriving, day)
        measured = _at_network(thriving, end, *metrics.values())
        for ref, metric in metrics.items():
            value, verdict = reports[ref]
            assert verdict == "met"
            tolerance = 0.01 if metric == "api_response_time_p95" else 1e-9  # a histogram
            assert value == pytest.approx(measured[metric].value, rel=tolerance), (day, ref)


def test_the_days_of_the_reports_differ(network: Networks) -> None:
    table = network("thriving").home.warehouse.query(
        "SELECT count(DISTINCT value) AS n FROM facts.metric_result "
        "WHERE report = 'daily' AND metric_id = 'api_response_time_p95'"
    )
    assert table.to_pylist()[0]["n"] > 25


def _at_network(network: Network, moment: datetime, *metrics: str) -> dict[str, MetricResult]:
    measuring = Measuring(network.home.subject, moment, None)
    return {r.id: r for r in measuring.of(metrics) if r.scope == Scope("network")}


def _reports(network: Network, day: date) -> dict[str, tuple[float, str]]:
    """Value and verdict of the daily reports of the day before."""
    rows = network.home.warehouse.query(
        "SELECT ref, value, verdict FROM facts.metric_result "
        f"WHERE report = 'daily' AND period_end = TIMESTAMP '{day:%Y-%m-%d}'"
    )
    return {row["ref"]: (row["value"], row["verdict"]) for row in rows.to_pylist()}
