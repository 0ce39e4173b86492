"""What the process tells of itself: measured always, sent only where it was asked for."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from meterstone.cli.telemetry import Telemetry


def found(request: Request) -> Response:
    return PlainTextResponse(request.path_params["id"])


def registry(telemetry: Telemetry) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(telemetry.collector)
    return made


def test_requests_are_told_by_the_pattern_of_their_route():
    telemetry = Telemetry({})
    client = TestClient(telemetry.requests(Starlette(routes=[Route("/things/{id}", found)])))
    client.get("/things/one?secret=hidden")
    client.get("/things/two")
    client.get("/elsewhere")
    counted = {
        (sample.labels["http_route"], sample.labels["http_response_status_code"]): sample.value
        for family in registry(telemetry).collect()
        for sample in family.samples
        if sample.name == "http_server_request_duration_seconds_count"
    }
    assert counted == {("/things/{id}", "200"): 2, ("none", "404"): 1}


def test_work_is_counted_by_its_outcome():
    telemetry = Telemetry({})
    assert telemetry.measured("evaluate", lambda: 7)() == 7
    with pytest.raises(ValueError, match="broken"), telemetry.work("evaluate"):
        raise ValueError("broken")
    seen = registry(telemetry)
    for outcome in ("done", "failed"):
        labels = {"kind": "evaluate", "outcome": outcome}
        assert seen.get_sample_value("meterstone_work_duration_seconds_count", labels) == 1


class Receiver(BaseHTTPRequestHandler):
    """Takes OTLP."""

    bodies: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.bodies.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


def test_it_is_sent_where_the_standard_variable_says(monkeypatch):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    taken: list[tuple[str, bytes]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Taking", (Receiver,), {"bodies": taken}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    variable = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    try:
        telemetry = Telemetry(variable)
        client = TestClient(telemetry.requests(Starlette(routes=[Route("/things/{id}", found)])))
        client.get("/things/one?secret=hidden", headers={"Authorization": "Bearer hidden"})
        telemetry.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert {path for path, _ in taken} == {"/v1/traces", "/v1/metrics"}
    assert not any(b"hidden" in body for _, body in taken)
    (body,) = [body for path, body in taken if path == "/v1/traces"]
    sent = ExportTraceServiceRequest.FromString(body)
    (span,) = sent.resource_spans[0].scope_spans[0].spans
    assert span.name == "GET /things/{id}"
