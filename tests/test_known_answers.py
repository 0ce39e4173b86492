"""Files of the shared folder through the command line: the answers that their notes give."""

from __future__ import annotations

import base64
import copy
import json
from collections import Counter
from datetime import datetime

import pytest
import yaml
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from homes import Meterstone
from meterstone.app import Home, definitions
from meterstone.measure.results import Scope
from meterstone.record.ingest import ingest

AT = "2026-06-11T00:00:00Z"


def entry(id_, kind, unit, terms, **given):
    usual = {
        "ref": f"Known.{id_}", "id": id_, "title": id_, "kind": kind, "unit": unit,
        "target": {"cmp": ">=", "value": 0, "unit": unit}, "scopes": ["network"],
        "window": "all time", "definition": "as the note says", "terms": terms,
    }  # fmt: skip
    return usual | given


CATALOGUE = {
    "name": "known",
    "relations": {
        "times": {
            "time": "started_at",
            "sql": """
                SELECT started_at, evidence_rank, newest,
                       (epoch(resolved_at) - epoch(detected_at)) / 60 AS minutes,
                       (epoch(detected_at) - epoch(started_at)) / 60 AS delay,
                       CASE WHEN resolved_at IS NULL THEN 1 ELSE 0 END AS open
                FROM incident""",
        }
    },
    "metrics": [
        entry("uptime", "ratio", "%", {"up": "count(*) filter (where ok)", "all": "count(*)"},
              numerator="up", denominator="all", scopes=["network", "integration"],
              **{"from": "probe"}),
        entry("requests", "sum", "requests", {"n": "sum(count)"}, value="n",
              **{"from": "api_request"}),
        entry("mean", "mean", "min", {"total": "sum(minutes)", "n": "count(minutes)"},
              numerator="total", denominator="n", **{"from": "times"}),
        entry("median", "quantile", "min", {"p": {"quantile_of": "minutes", "q": 0.5}},
              **{"from": "times"}),
        entry("open", "sum", "incidents", {"n": "sum(open)"}, value="n", **{"from": "times"}),
        entry("delay", "sum", "min",
              {"n": "sum(delay)", "late": "count(*) filter (where delay > 0)"},
              value="n", shown={"late": "late"}, **{"from": "times"}),
        entry("middle", "quantile", "min", {"p": "median(minutes)"}, value="p",
              **{"from": "times"}),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def known(shared_data, tmp_path_factory):
    """Results of the whole shared sample by metric and scope, and statuses of the log."""
    folder = tmp_path_factory.mktemp("known")
    (folder / "catalogue").mkdir()
    (folder / "catalogue" / "catalogue.yaml").write_text(yaml.safe_dump(CATALOGUE))
    definitions(folder / "catalogue")
    paths = [shared_data(name) for name in ("upptime", "incidents", "access_logs/apache_logs.log")]
    with Home(folder) as home:
        report = ingest(home.recorder, paths)
        assert report.mapping.rejected == 0
        found = home.measure(datetime.fromisoformat(AT))
        rows = home.warehouse.query(
            "SELECT status_code, sum(count) AS n FROM facts.api_request GROUP BY ALL"
        ).to_pylist()
        statuses = {row["status_code"]: int(row["n"]) for row in rows}
    return {(r.id, r.scope): r for r in found.metrics}, statuses


def test_uptime_of_the_sites(known):
    results, _ = known
    values = {r.scope.key: r.value for r in results.values() if r.id == "uptime"}
    del values["*"]
    assert sorted(values.values()) == pytest.approx([71.14, 99.54, 99.95], abs=0.01)


def test_requests_by_status(known, shared_data):
    results, statuses = known
    lines = shared_data("access_logs/apache_logs.log").read_text(errors="replace").splitlines()
    assert results["requests", Scope("network")].value == len(lines) == 10_000
    assert statuses == {int(code): n for code, n in Counter(x.split()[8] for x in lines).items()}


def test_minutes_to_resolution(known):
    results, _ = known
    minutes = [25, 30, 287, 91, 13, 418, 15, 32]
    mean = results["mean", Scope("network")]
    assert (mean.value, mean.n) == (pytest.approx(113.875), 8)
    assert sum(minutes) / 8 == 113.875
    assert results["middle", Scope("network")].value == 31
    # as an order statistic, without interpolation: the 4th of 8, to the width of its bin
    assert results["median", Scope("network")].value == pytest.approx(30, rel=0.011)
    assert results["open", Scope("network")].value == 1


def test_minutes_from_the_stated_start_to_the_first_update(known):
    results, _ = known
    delay = results["delay", Scope("network")]
    assert (delay.value, delay.parts) == (23 + 133 + 130 + 36, {"late": 4})


def _protobuf(document: dict) -> bytes:
    """The same export as protobuf: ids are bytes, which its JSON writes as base64."""
    document = copy.deepcopy(document)
    for group in document["resourceSpans"]:
        for scope in group["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if span.get(name):
                        raw = bytes.fromhex(span[name])
                        span[name] = base64.b64encode(raw).decode()
    return json_format.ParseDict(document, ExportTraceServiceRequest()).SerializeToString()


@pytest.fixture
def meterstone(tmp_path, monkeypatch, capfd):
    return Meterstone(tmp_path / "home", monkeypatch, capfd)


def test_spans_in_both_encodings_are_the_same_facts(meterstone, shared_data, tmp_path):
    example = shared_data("otlp/opentelemetry-proto/examples/trace.json")
    document = json.loads(example.read_text())
    (tmp_path / "trace.bin").write_bytes(_protobuf(document))
    as_json = meterstone("ingest", example, "--json").json
    as_protobuf = meterstone("ingest", tmp_path / "trace.bin", "--json").json
    for ran, name in ((as_json, "otlp_json"), (as_protobuf, "otlp_protobuf")):
        (file,) = ran["files"]
        assert (file["format"], file["landed"], ran["quarantined"]) == (name, 1, 0)
        assert ran["facts"]["new"] == 0  # the example's span is no HTTP request

    (span,) = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    span["attributes"] += [
        {"key": "http.request.method", "value": {"stringValue": "GET"}},
        {"key": "http.response.status_code", "value": {"intValue": "200"}},
        {"key": "http.route", "value": {"stringValue": "/v1/bookings"}},
    ]
    (tmp_path / "request.json").write_text(json.dumps(document))
    (tmp_path / "request.bin").write_bytes(_protobuf(document))
    first = meterstone("ingest", tmp_path / "request.json", "--json").json["facts"]
    again = meterstone("ingest", tmp_path / "request.bin", "--json").json["facts"]
    assert first == {"new": 1, "duplicate": 0, "revised": 0}
    assert again == {"new": 0, "duplicate": 1, "revised": 0}


def test_spans_of_the_other_samples_are_read_without_a_reject(meterstone, shared_data):
    names = ("otlp2jaeger-in.json", "sibling_errors.json")
    ran = meterstone("ingest", *(shared_data(f"otlp/jaeger/{n}") for n in names), "--json")
    assert [file["format"] for file in ran.json["files"]] == ["otlp_json", "otlp_json"]
    assert ran.json["quarantined"] == 0
