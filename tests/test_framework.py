"""The framework's classes: its own names and shape, measured values that read like its literals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from apis import api_over
from homes import demo_home
from meterstone import framework
from meterstone.app import Home, definitions
from meterstone.catalogue import Catalogue, framework_path
from meterstone.errors import InputError
from meterstone.framework import Measured, leaves, plain, systems
from meterstone.measure.results import MetricResult, PlaceVerdict, Scope

AT = datetime(2026, 6, 11, tzinfo=UTC)


class FakeHome:
    """Answers with the same value for every metric; what is looked at here is the shape."""

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        self.catalogue: Catalogue = definitions(framework_path())
        self._values = values or {}
        self.asked: list[frozenset[str]] = []

    def results(
        self, metrics: Iterable[str], at: datetime | None, known_at: datetime | None
    ) -> tuple[datetime, list[MetricResult]]:
        del known_at
        self.asked.append(frozenset(metrics))
        return at or AT, [self._result(id_) for id_ in self.asked[-1]]

    def _result(self, id_: str) -> MetricResult:
        metric = self.catalogue.metrics[id_]
        places = tuple(PlaceVerdict(p.ref, p.target.as_dict(), "met") for p in metric.places)
        return MetricResult(
            id=id_, refs=tuple(p.ref for p in metric.places), scope=Scope("network"),
            value=self._values.get(id_), unit=metric.raw.unit, interval=None, n=7,
            evidence="measured", verdict="met", target={}, freshness_s=None, window=(AT, AT),
            places=places, reason="because",
        )  # fmt: skip


def flat(shape: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(shape, Measured):
        return [path]
    return [leaf for name, inner in shape.items() for leaf in flat(inner, (*path, name))]


def test_every_leaf_of_the_document_in_its_order(shared_data: Callable[[str], Path]) -> None:
    told = json.loads(shared_data("../mission/framework_leaves.json").read_text(encoding="utf-8"))
    home = FakeHome()
    ours = [
        (".".join((name, *path)))
        for name, made in systems().items()
        for path in flat(made(home).all())
    ]
    wanted = [ref for ref, _ in told]
    assert ours == wanted
    literals = {m.ref: m.literal for made in systems().values() for m in leaves(made(home).all())}
    assert literals == dict(told)


def test_classes_have_the_names_of_the_document() -> None:
    made = framework.IntegrationHealthMonitor
    assert made.__name__ == "IntegrationHealthMonitor"
    home = FakeHome({"api_error_rate": 0.004})
    found = made(home).track_performance_metrics()
    assert list(found) == [
        "average_response_time", "requests_per_second", "error_rate", "throughput",
        "concurrent_connections",
    ]  # fmt: skip
    assert str(found["error_rate"]) == "0.004%"
    assert found["error_rate"].verdict == "met"
    assert found["error_rate"].as_of == AT


def test_attributes_are_attributes() -> None:
    performance = framework.IntegrationPerformanceMetrics(FakeHome({"integration_uptime": 99.95}))
    assert str(performance.target_metrics["integration_uptime"]) == "99.95%"
    assert isinstance(performance.measurement_frequency, Measured)


def test_a_system_is_measured_once() -> None:
    home = FakeHome()
    system = framework.IntegrationHealthMonitor(home)
    system.track_performance_metrics()
    system.validate_data_integrity()
    assert len(home.asked) == 1


def test_what_the_framework_has_not() -> None:
    with pytest.raises(AttributeError, match="no system 'Nothing'"):
        _ = framework.Nothing
    with pytest.raises(InputError, match="did you mean 'validate_data_integrity'"):
        framework.IntegrationHealthMonitor(FakeHome()).measured("validate_data_integrty")


def measured(literal: str, value: Any, unit: str, wanted: Any, target_unit: str = "") -> str:
    target = {"cmp": ">=", "value": wanted, "unit": target_unit or unit}
    return str(Measured(value, unit, "met", target, "measured", AT, "a.b", literal))


@pytest.mark.parametrize(
    ("literal", "value", "unit", "wanted", "text"),
    [
        ("99.9%", 99.95, "%", 99.9, "99.95%"),
        ("99.9%", 99.9001, "%", 99.9, "99.9%"),
        ("100%", 99.996, "%", 100, "99.996%"),
        ("98%", 98.3, "%", 98, "98.3%"),
        ("0.01%", 0.0042, "%", 0.01, "0.0042%"),
        ("100%", 100.0, "%", 100, "100%"),
        ("245ms", 182.0, "ms", 245, "182ms"),
        ("< 500ms", 182.4, "ms", 500, "182ms"),
        ("50+ integrations", 53.0, "integrations", 50, "53 integrations"),
        ("50+ integrations vs 15 competitor average", 53.0, "integrations", 50, "53"),
        ("$2,500/month", 2611.4, "USD", 2500, "$2,611/month"),
        ("$200K/quarter", 212_400.0, "USD", 200_000, "$212K/quarter"),
        ("$5M+ partner revenue", 5_230_000.0, "USD", 5_000_000, "$5.23M partner revenue"),
        ("4.8/5.0", 4.86, "points on 1..5", 4.8, "4.86/5.0"),
        ("9.2/10", 9.31, "points on 0..10", 9.2, "9.3/10"),
        ("-70%", -71.2, "% change", -70, "-71%"),
        ("+60%", 63.0, "% change", 60, "+63%"),
        ("+60%", -4.0, "% change", 60, "-4%"),
        ("80% reduction", -83.0, "% change", -80, "83% reduction"),
        ("35% of franchise management market", 36.0, "%", 35, "36% of franchise management market"),
        ("242% (target: 200%)", 242.16, "%", 242, "242%"),
        ("0", 0.0, "incidents", 0, "0"),
        ("0", 2.0, "incidents", 0, "2"),
    ],
)
def test_a_number_reads_like_its_literal(
    literal: str, value: float, unit: str, wanted: float, text: str
) -> None:
    assert measured(literal, value, unit, wanted) == text


def test_a_miss_never_reads_as_the_target() -> None:
    target = {"cmp": ">=", "value": 242, "unit": "%"}
    missed = Measured(241.98, "%", "not_met", target, "modelled", AT, "a.b", "242%")
    assert str(missed) == "241.98%"


def test_words_and_claims() -> None:
    assert measured("healthy", "healthy", "state", "healthy") == "healthy"
    assert measured("healthy", "out_of_sync", "state", "healthy") == "out of sync"
    assert measured("real-time", "real_time", "state", "real_time") == "real-time"
    assert measured("✅ Complete", True, "boolean", True) == "Complete"
    assert measured("✅ Complete", False, "boolean", True) == "not yet: Complete"
    nothing = Measured(None, "%", "no_data", {}, None, AT, "a.b", "99.9%")
    assert str(nothing) == "no data"


def test_other_units_of_a_place() -> None:
    assert measured("500 req/min", 10.0, "requests/s", 500, "requests/min") == "600 req/min"


def test_over_http() -> None:
    client = TestClient(api_over(measures=FakeHome({"api_error_rate": 0.004})))
    index = client.get("/api/v1/framework").json()
    assert list(index) == list(systems())
    path = "/api/v1/framework/IntegrationHealthMonitor/track_performance_metrics"
    answer = client.get(path, params={"at": "2026-06-11T02:00:00+02:00"}).json()
    assert answer["error_rate"]["text"] == "0.004%"
    assert answer["error_rate"]["as_of"] == "2026-06-11T00:00:00Z"
    assert set(answer["error_rate"]) == {
        "ref", "value", "text", "unit", "verdict", "target", "literal", "evidence", "as_of",
        "interval", "n", "reason",
    }  # fmt: skip
    whole = client.get("/api/v1/framework/IntegrationHealthMonitor").json()
    assert whole["track_performance_metrics"].keys() == answer.keys()
    for moment in ("soon", "0001-01-01", "0001-01-01T00:00:00+02:00", "9999-12-31"):
        refused = client.get(path, params={"at": moment})
        assert refused.status_code == 400
        assert "?at=" in refused.text
    missing = client.get("/api/v1/framework/IntegrationHealthMonitors")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
    assert "did you mean 'IntegrationHealthMonitor'" in missing.json()["mend"]
    assert client.get(path + "x").status_code == 404


def test_on_real_data() -> None:
    with Home(demo_home()) as home:
        found = framework.IntegrationHealthMonitor(home, AT).all()
    assert all(value.verdict for value in leaves(found))
    assert json.loads(json.dumps(plain(found)))
