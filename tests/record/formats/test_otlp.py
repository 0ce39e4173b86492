"""OTLP spans as JSON and as protobuf."""

# ruff: noqa: DTZ001  # stored times are UTC without an offset

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from meterstone.errors import FormatError
from meterstone.facts import Reject
from meterstone.record.formats import formats, otlp_json, otlp_protobuf
from meterstone.record.request_rows import skipped

START = 1_772_353_800_000_000_000  # 2026-03-01T08:30:00Z
SERVER, CLIENT = 2, 3
STABLE = {
    "http.request.method": "GET",
    "http.response.status_code": 200,
    "http.route": "/api/v1/franchises/{id}",
}


def value(plain: Any) -> dict[str, Any]:
    kind = {bool: "boolValue", int: "intValue", float: "doubleValue"}.get(
        type(plain), "stringValue"
    )
    return {kind: str(plain) if kind == "intValue" else plain}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": k, "value": value(v)} for k, v in attributes.items() if v is not None]


def span(kind: int | str = SERVER, number: int = 1, **fields: Any) -> dict[str, Any]:
    attributes = fields.pop("attributes", STABLE)
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "GET",
        "kind": kind,
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(START + 250_000_000),
        "attributes": pairs(attributes),
    } | fields


def export(*spans: dict[str, Any], **resource: Any) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": pairs({"service.name": "hub"} | resource)},
                "scopeSpans": [{"scope": {"name": "t"}, "spans": list(spans)}],
            }
        ]
    }


def encoded(document: dict[str, Any]) -> bytes:
    """The same export as protobuf, by hand from the dictionary."""
    request = ExportTraceServiceRequest()
    for group in document["resourceSpans"]:
        resource = request.resource_spans.add()
        _fill(resource.resource.attributes, group["resource"]["attributes"])
        for scope in group["scopeSpans"]:
            target = resource.scope_spans.add()
            for one in scope["spans"]:
                _fill_span(target.spans.add(), one)
    return request.SerializeToString()


def _fill_span(target: Any, one: dict[str, Any]) -> None:
    target.trace_id = bytes.fromhex(one["traceId"])
    target.span_id = bytes.fromhex(one["spanId"])
    target.kind = one["kind"]
    target.start_time_unix_nano = int(one["startTimeUnixNano"])
    target.end_time_unix_nano = int(one["endTimeUnixNano"])
    target.status.code = one.get("status", {}).get("code", 0)
    _fill(target.attributes, one["attributes"])


def _fill(target: Any, attributes: list[dict[str, Any]]) -> None:
    for pair in attributes:
        added = target.add(key=pair["key"])
        ((kind, plain),) = pair["value"].items()
        name = {"stringValue": "string_value", "intValue": "int_value"}.get(kind)
        setattr(added.value, name or kind.replace("Value", "_value"),
                int(plain) if kind == "intValue" else plain)  # fmt: skip


@pytest.fixture(params=["otlp_json", "otlp_protobuf"])
def run(request: pytest.FixtureRequest, mapped: Callable[..., Any]) -> Callable[..., Any]:
    """Maps an export in either encoding."""

    def map_export(
        *spans: dict[str, Any], context: dict[str, str] | None = None, **resource: Any
    ) -> Any:
        document = export(*spans, **resource)
        body = json.dumps(document).encode()
        if request.param == "otlp_protobuf":
            body = encoded(document)
        return mapped(request.param, body, **(context or {}))

    return map_export


def test_a_server_span(run: Callable[..., Any]) -> None:
    (row,) = run(span(number=0xAB)).rows
    assert row["request_id"] == f"{0xAB:032x}{0xAB:016x}"
    assert row["at"] == datetime(2026, 3, 1, 8, 30)
    assert row["duration_ms"] == 250
    assert (row["direction"], row["method"], row["status_code"]) == ("inbound", "GET", 200)
    assert (row["outcome"], row["fault"], row["error_class"]) == ("success", "none", "none")
    assert (row["endpoint"], row["api_version"]) == ("/api/v1/franchises/{id}", "v1")
    assert row["endpoint_group"] == "franchise_management"
    assert (row["source"], row["source_ref"], row["evidence"]) == ("otlp", "hub", "measured")
    assert (row["count"], row["attempts"], row["environment"]) == (1, 1, "production")


def test_the_old_names(run: Callable[..., Any]) -> None:
    old = {
        "http.method": "post",
        "http.status_code": 503,
        "http.target": "/orders/17?card=1",
        "net.peer.name": "api.clover.com",
    }
    (row,) = run(span(CLIENT, attributes=old)).rows
    assert (row["method"], row["endpoint"]) == ("POST", "/orders/{id}")
    assert (row["integration"], row["fault"]) == ("clover", "provider")
    url = {
        "http.method": "GET",
        "http.status_code": 200,
        "http.url": "https://u:p@x.intuit.com/v3/company/9?a",
    }
    (row,) = run(span(CLIENT, attributes=url)).rows
    assert (row["integration"], row["endpoint"]) == ("quickbooks", "/v3/company/{id}")


VENDORS = {
    "connect.squareup.com": "square",
    "sandbox.dev.clover.com": "clover",
    "quickbooks.api.intuit.com": "quickbooks",
    "na1.my.salesforce.com": "salesforce",
    "api.franconnect.net": "franconnect",
    "10az.online.tableau.com": "tableau",
    "api.powerbi.com": "powerbi",
    "api.example.com": None,
}


@pytest.mark.parametrize(("host", "vendor"), VENDORS.items())
def test_the_vendor_of_a_call(run: Callable[..., Any], host: str, vendor: str | None) -> None:
    (row,) = run(span(CLIENT, attributes=STABLE | {"server.address": host})).rows
    assert (row["direction"], row["integration"]) == ("outbound", vendor)
    (row,) = run(span(SERVER, attributes=STABLE | {"server.address": host})).rows
    assert row["integration"] is None  # its own name, not whom it called


def test_what_the_sender_says_wins(run: Callable[..., Any]) -> None:
    said = STABLE | {
        "meterstone.integration": "pos",
        "meterstone.franchise_id": "f9",
        "meterstone.endpoint_group": "webhook",
        "meterstone.consumer": "developer",
        "meterstone.developer_id": "d1",
        "server.address": "connect.squareup.com",
        "http.request.resend_count": 2,
        "user_agent.synthetic.type": "test",
    }
    result = run(
        span(CLIENT, 1, attributes=said),
        span(CLIENT, 2),
        context={"integration": "context"},
        **{"meterstone.franchise_id": "f1", "meterstone.integration": "resource",
           "deployment.environment.name": "staging-eu"},
    )  # fmt: skip
    first, second = result.rows
    assert (first["integration"], second["integration"]) == ("pos", "resource")
    assert (first["franchise_id"], second["franchise_id"]) == ("f9", "f1")
    assert (first["endpoint_group"], first["consumer"]) == ("webhook", "developer")
    assert (first["developer_id"], second["developer_id"]) == ("d1", None)
    assert (first["attempts"], first["synthetic"], second["synthetic"]) == (3, True, False)
    assert first["environment"] == "staging"
    (row,) = run(span(), context={"integration": "context", "franchise_id": "f0"}).rows
    assert (row["integration"], row["franchise_id"]) == ("context", "f0")


MEANINGS = [
    (SERVER, (200, 0, None), ("success", "none", "none")),
    (SERVER, (401, 0, None), ("caller_fault", "caller", "authentication")),
    (SERVER, (500, 2, "500"), ("error", "hub", "server")),
    (SERVER, (None, 2, "TimeoutError"), ("error", "hub", "timeout")),
    (SERVER, (200, 2, "ValueError"), ("error", "hub", "other")),
    (CLIENT, (200, 0, None), ("success", "none", "none")),
    (CLIENT, (401, 2, "401"), ("error", "hub", "authentication")),
    (CLIENT, (422, 2, "422"), ("error", "hub", "data_validation")),
    (CLIENT, (429, 2, "429"), ("error", "hub", "rate_limit")),
    (CLIENT, (503, 2, "503"), ("error", "provider", "server")),
    (CLIENT, (504, 2, "504"), ("error", "provider", "timeout")),
    (CLIENT, (None, 2, "java.net.SocketTimeoutException"), ("error", "provider", "timeout")),
    (CLIENT, (None, 0, "java.net.UnknownHostException"), ("error", "provider", "connection")),
    (CLIENT, (None, 2, "ConnectionResetError"), ("error", "provider", "connection")),
    (CLIENT, (None, 2, None), ("error", "hub", "other")),
]


@pytest.mark.parametrize(("kind", "ended", "meaning"), MEANINGS)
def test_how_a_request_ended(
    run: Callable[..., Any], kind: int, ended: tuple[int | None, int, str | None], meaning: Any
) -> None:
    status, code, error = ended
    said = STABLE | {"http.response.status_code": status, "error.type": error}
    (row,) = run(span(kind, attributes=said, status={"code": code})).rows
    assert (row["outcome"], row["fault"], row["error_class"]) == meaning
    assert row["status_code"] == status


ENDPOINTS = [
    ({"http.route": "/a/:x"}, "/a/:x"),
    ({"url.path": "/a/17"}, "/a/{id}"),
    ({"http.route": "/a/:x", "url.path": "/a/17"}, "/a/:x"),
    ({"url.template": "/v1/{x}"}, "/v1/{x}"),
    ({"url.full": "https://x.example/a/17?b=c"}, "/a/{id}"),
    ({}, "(unknown)"),
]


@pytest.mark.parametrize(("said", "endpoint"), ENDPOINTS)
def test_the_endpoint_is_a_template(
    run: Callable[..., Any], said: dict[str, str], endpoint: str
) -> None:
    (row,) = run(
        span(attributes={k: v for k, v in STABLE.items() if k != "http.route"} | said)
    ).rows
    assert row["endpoint"] == endpoint


def test_what_is_no_request_is_skipped_and_counted(run: Callable[..., Any]) -> None:
    result = run(
        span(1, 1), span(0, 2), span(4, 3), span(5, 4),
        span(SERVER, 5, attributes={"rpc.system": "grpc"}), span(number=6),
    )  # fmt: skip
    assert result.rejects == []
    assert [row["_item"] for row in result.rows] == [6]
    assert [skipped(batch) for batch in result.batches] == [5]
    assert skipped(run(span(1)).batches[0]) == 1


def test_batches_are_bounded_and_count_once(mapped: Callable[..., Any]) -> None:
    request = ExportTraceServiceRequest.FromString(encoded(export(span(), span(1, 2))))
    spans = request.resource_spans[0].scope_spans[0].spans
    for number in range(3, 50_010):
        spans.add().CopyFrom(spans[0])
        spans[-1].span_id = number.to_bytes(8, "big")
    result = mapped("otlp_protobuf", request.SerializeToString())
    assert [batch.table.num_rows for batch in result.batches] == [50_000, 8]
    assert [skipped(batch) for batch in result.batches] == [1, 0]


def test_a_span_sent_twice_is_one_request(run: Callable[..., Any]) -> None:
    assert len(run(span(), span()).rows) == 1
    result = run(span(), span(endTimeUnixNano=str(START)))
    assert len(result.rows) == 1
    assert "differing duration_ms" in result.rejects[0].reason


NANOS = 1_000_000_000
WRONG = [
    ({"startTimeUnixNano": "0"}, "never set"),
    ({"startTimeUnixNano": str(START + 10**18), "endTimeUnixNano": str(START + 10**18)}, "future"),
    ({"endTimeUnixNano": str(START - 1)}, "before it starts"),
    ({"endTimeUnixNano": "0"}, "before it starts"),
    ({"traceId": "00" * 16}, "trace id"),
    ({"spanId": "00" * 8}, "span id"),
    ({"traceId": "ab"}, "trace id"),
    ({"attributes": pairs(STABLE | {"http.response.status_code": None})}, "outcome is not known"),
    ({"attributes": pairs(STABLE | {"http.response.status_code": 42})}, "42"),
    ({"attributes": pairs(STABLE | {"http.response.status_code": "many"})}, "status_code"),
    ({"attributes": pairs(STABLE | {"meterstone.endpoint_group": "analytic"})}, "analytics"),
]


@pytest.mark.parametrize(("fields", "reason"), WRONG)
def test_a_wrong_span_is_named_and_the_others_are_kept(
    run: Callable[..., Any], fields: dict[str, Any], reason: str
) -> None:
    result = run(span(number=1), span(number=2) | fields, span(number=3))
    assert [row["_item"] for row in result.rows] == [1, 3]
    (reject,) = result.rejects
    assert reject.item == 2
    assert reject.reason.startswith("span 2: ")
    assert reason in reject.reason
    assert reject.mend


ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "http.request.method": st.sampled_from(["GET", "post", "x"]),
        "http.response.status_code": st.sampled_from([200, 404, 500, 7]),
        "http.route": st.sampled_from(["/a", "/v2/pos/{id}"]),
        "url.path": st.sampled_from(["/b/1", "/b/2"]),
        "error.type": st.sampled_from(["timeout", "x"]),
        "server.address": st.sampled_from(["squareup.com", "x"]),
        "meterstone.franchise_id": st.sampled_from(["f1", "f2"]),
        "other": st.text(max_size=200),
        "other.number": st.integers(-9, 9)
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False),
    },
)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 4), ATTRIBUTES, st.integers(0, 2)), max_size=12
    )
)
def test_both_encodings_give_the_same(
    mapped: Callable[..., Any], spans: list[tuple[int, int, dict[str, Any], int]]
) -> None:
    document = export(
        *(
            span(kind, number, attributes=said, status={"code": code})
            for kind, number, said, code in spans
        )
    )
    one = mapped("otlp_json", json.dumps(document).encode())
    other = mapped("otlp_protobuf", encoded(document))
    assert one.rows == other.rows
    assert one.rejects == other.rejects


def test_the_liberal_ways_of_json(mapped: Callable[..., Any]) -> None:
    named = span(number=0xAB) | {
        "traceId": f"{0xAB:032X}",
        "kind": "SPAN_KIND_SERVER",
        "startTimeUnixNano": START,
        "status": {"code": "STATUS_CODE_ERROR", "message": "x"},
        "unknownField": [1],
    }
    (row,) = mapped("otlp_json", json.dumps(export(named)).encode()).rows
    assert (row["request_id"], row["outcome"]) == (f"{0xAB:032x}{0xAB:016x}", "error")


def test_one_request_a_line_or_one_document(mapped: Callable[..., Any]) -> None:
    one, two = export(span(number=1)), export(span(number=2))
    lines = "\n".join([json.dumps(one), "{oops", json.dumps(two)]).encode()
    result = mapped("otlp_json", lines)
    assert [row["_item"] for row in result.rows] == [1, 2]
    assert [(r.item, "line 2" in r.reason) for r in result.rejects] == [(2, True)]
    assert len(mapped("otlp_json", json.dumps(one, indent=1).encode()).rows) == 1


@pytest.mark.parametrize("indent", [None, 1])
def test_split_of_json(bodies_of: Callable[..., list[bytes]], indent: int | None) -> None:
    split = formats()["otlp_json"].split
    assert split
    texts = [json.dumps(export(span(number=n)), indent=indent) for n in range(1, 3)]
    body = texts[0] if indent else "\n".join(texts)
    assert bodies_of(split(io.BytesIO(body.encode()))) == [body.encode()]


def test_a_document_cut_off_by_a_damaged_gzip_is_refused() -> None:
    split = formats()["otlp_json"].split
    assert split
    packed = gzip.compress(json.dumps(export(span()), indent=1).encode())[:-20]
    with gzip.open(io.BytesIO(packed)) as damaged:
        out = list(split(damaged))  # type: ignore[arg-type]
    assert [type(piece) for piece in out] == [Reject]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'{"resourceSpans": 1}', b'{"resourceMetrics": []}', b"\xff{}"]
)
def test_wrong_json_is_answered_at_once(mapped: Callable[..., Any], body: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        otlp_json.check(body)
    assert caught.value.mend
    if body:
        assert len(mapped("otlp_json", body).rejects) == 1


def test_wrong_protobuf_is_answered_at_once(mapped: Callable[..., Any]) -> None:
    whole = encoded(export(span()))
    for body in (b'{"resourceSpans": []}', whole[:-3], b"\xff\xff\xff"):
        with pytest.raises(FormatError) as caught:
            otlp_protobuf.check(body)
        assert caught.value.mend
        assert len(mapped("otlp_protobuf", body).rejects) == 1
    otlp_protobuf.check(b"")
    otlp_protobuf.check(whole)
    otlp_json.check(b"{}")


def test_metrics_sent_as_traces_are_refused(mapped: Callable[..., Any]) -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add()
    metric.name, metric.description = "requests", "how many"
    assert mapped("otlp_protobuf", request.SerializeToString()).rows == []


def test_a_damaged_attribute_is_one_reject(mapped: Callable[..., Any]) -> None:
    body = encoded(export(span())).replace(b"GET", b"\xff\xff\xff")
    result = mapped("otlp_protobuf", body)
    assert result.rows == []
    assert "damaged" in result.rejects[0].reason


def test_split_of_protobuf(
    bodies_of: Callable[..., list[bytes]], mapped: Callable[..., Any]
) -> None:
    split, detect = formats()["otlp_protobuf"].split, formats()["otlp_protobuf"].detect
    assert split
    messages = [encoded(export(span(number=n))) for n in range(1, 4)]
    assert bodies_of(split(io.BytesIO(messages[0]))) == messages[:1]
    framed = b"".join(len(m).to_bytes(4, "big") + m for m in messages)
    (body,) = bodies_of(split(io.BytesIO(framed)))
    assert len(mapped("otlp_protobuf", body).rows) == 3
    assert detect(Path("x"), messages[0])
    assert detect(Path("x"), framed)
    *kept, cut = split(io.BytesIO(framed[:-5]))
    assert [len(mapped("otlp_protobuf", body).rows) for body in kept] == [2]
    assert isinstance(cut, Reject)
    assert cut.item == 3


def test_samples(mapped: Callable[..., Any], shared_data: Callable[[str], Path]) -> None:
    twice = mapped("otlp_json", shared_data("otlp/jaeger/otlp2jaeger-in.json").read_bytes())
    errors = mapped("otlp_json", shared_data("otlp/jaeger/sibling_errors.json").read_bytes())
    for result, count in ((twice, 2), (errors, 6)):  # no HTTP attributes: gRPC and bare spans
        assert result.rows == result.rejects == []
        assert [skipped(batch) for batch in result.batches] == [count]
    metrics = shared_data("otlp/opentelemetry-proto/examples/metrics.json").read_bytes()
    assert "metrics" in mapped("otlp_json", metrics).rejects[0].reason
