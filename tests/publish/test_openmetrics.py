"""/metrics is OpenMetrics, and its numbers are those of the scorecard, to the last digit."""

from __future__ import annotations

import doctest
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.testclient import TestClient

from meterstone.app import definitions
from meterstone.board.model import Card, Named
from meterstone.catalogue import framework_path
from meterstone.detect.state import BudgetNow, IntegrationNow, Now, OpenIncident
from meterstone.measure.results import Scope
from meterstone.publish import openmetrics
from meterstone.publish.openmetrics import family_name, metrics_routes

AT = datetime(2026, 3, 2, tzinfo=UTC)
NETWORK, SQUARE = Scope("network"), Scope("integration", "square")


def metric(id_: str, value: Any, unit: str, verdict: str = "met") -> dict[str, Any]:
    return {"id": id_, "title": f"Of {id_}", "value": value, "unit": unit, "verdict": verdict}


def card(scope: Scope, *metrics: dict[str, Any]) -> Card:
    document = {
        "labels": ["simulated"], "catalogue": {"name": "framework", "version": "1", "hash": "c"},
        "metrics": list(metrics),
        "gates": [{"id": "success", "run": 12, "needed": 90, "passed": False}],
    }  # fmt: skip
    return Card(scope, date(2026, 3, 1), AT, f"hash-of-{scope.key}", document, b"")


@dataclass
class Board:
    """As far as /metrics reads it."""

    cards: dict[Scope, Card] = field(default_factory=dict)

    def scopes(self, kind: str) -> list[Named]:
        return [Named(scope, scope.key) for scope in self.cards if scope.kind == kind]

    def card(self, scope: Scope) -> Card | None:
        return self.cards.get(scope)


UPTIME = 99.98765432109876
BOARD = Board(
    {
        NETWORK: card(
            NETWORK,
            metric("integration_uptime", UPTIME, "%"),
            metric("p95", 182.5, "ms", "not_met"),
            metric("ready", True, "boolean"),
            metric("system_state", "healthy", "state"),
            metric("nothing", None, "%", "no_data"),
        ),
        SQUARE: card(SQUARE, metric("integration_uptime", 0.1 + 0.2, "%")),
    }
)
NOW = Now(
    at=AT, version=1, sentence="", lead="",
    integrations=(IntegrationNow(integration="square", name="Square", health="late"),),
    incidents=(
        OpenIncident(
            id="i", kind="error", severity="sev2", title="", integration="square", started_at=AT,
            detected_at=AT, fault="provider", cause_key="k",
        ),
    ),
    budgets=(
        BudgetNow(
            slo="up", title="", objective=99.9, period_days=30, left=-0.25, burn=2.0,
            exhausted_in_s=None, integration="square",
        ),
    ),
)  # fmt: skip


def samples(board: Any = BOARD, now: Now | None = NOW) -> dict[tuple[str, tuple[str, ...]], float]:
    """Value by name and sorted ``label=value``."""
    app = Starlette(routes=metrics_routes(lambda: board, lambda: now))
    answer = TestClient(app).get("/metrics")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    return {
        (sample.name, tuple(sorted(f"{k}={v}" for k, v in sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def found():
    return samples()


def test_a_number_is_that_of_the_scorecard_to_the_last_digit(found):
    name = "meterstone_integration_uptime_percent"
    assert found[name, ("key=*", "scope=network")] == UPTIME
    assert found[name, ("key=square", "scope=integration")] == 0.1 + 0.2
    assert found["meterstone_p95_milliseconds", ("key=*", "scope=network")] == 182.5
    assert found["meterstone_ready", ("key=*", "scope=network")] == 1


def test_a_number_that_does_not_exist_has_no_sample(found):
    assert [name for name, _ in found if name.startswith("meterstone_nothing")] == []


def test_a_state_is_a_state_set(found):
    of = ("key=*", "meterstone_system_state=healthy", "scope=network")
    assert found["meterstone_system_state", of] == 1


def test_each_metric_has_one_verdict(found):
    held = {
        labels: value
        for (name, labels), value in found.items()
        if name == "meterstone_verdict" and "metric=p95" in labels
    }
    assert len(held) == 8
    assert [labels for labels, value in held.items() if value] == [
        ("key=*", "meterstone_verdict=not_met", "metric=p95", "scope=network")
    ]


def test_the_document_is_named_by_its_hash(found):
    (labels,) = [
        labels for name, labels in found
        if name == "meterstone_scorecard_info" and "key=*" in labels
    ]  # fmt: skip
    assert {"hash=hash-of-*", "day=2026-03-01", "label=simulated"} <= set(labels)
    known = found["meterstone_scorecard_known_at_seconds", ("key=*", "scope=network")]
    assert known == AT.timestamp()


def test_the_present(found):
    assert found["meterstone_gate_run_days", ("gate=success",)] == 12
    assert found["meterstone_error_budget_left_ratio", ("integration=square", "slo=up")] == -0.25
    assert found["meterstone_incidents_open", ("severity=sev2",)] == 1
    of = ("integration=square", "meterstone_integration_health=late")
    assert found["meterstone_integration_health", of] == 1


def test_an_empty_home_has_a_process():
    names = {name for name, _ in samples(Board(), None)}
    assert "process_resident_memory_bytes" in names
    assert not any(name.startswith("meterstone_integration") for name in names)


def test_no_two_metrics_of_the_framework_share_a_name():
    metrics = definitions(framework_path()).metrics
    names = [family_name(id_, entry.raw.unit)[0] for id_, entry in metrics.items()]
    assert len(set(names)) == len(names)
    assert all(name.replace("_", "").isalnum() and name.islower() for name in names)


def test_the_example_of_a_name():
    assert doctest.testmod(openmetrics).failed == 0
