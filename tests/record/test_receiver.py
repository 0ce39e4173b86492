"""OTLP/HTTP and facts over HTTP: every answer, and what is kept behind it."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import uvicorn
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.testclient import TestClient

from meterstone.app import Home
from meterstone.errors import InputError, StorageError
from meterstone.record import answers, receiver
from meterstone.record.answers import JSON, PROBLEM, PROTOBUF
from meterstone.record.bodies import Limits, gunzip
from meterstone.record.receiver import create_receiver, serve
from meterstone.record.serving import ended_by_signals, listening
from ports import free_port

NDJSON = "application/x-ndjson"
Probe = Callable[..., dict[str, Any]]
SMALL = Limits(body=20_000, listed=5)


@pytest.fixture
def client(home: Home) -> Iterator[TestClient]:
    """A client of a receiver with small limits, whose mapping runs."""
    with TestClient(create_receiver(home.recorder, SMALL)) as opened:
        yield opened


def export(count: int = 1, first: int = 1) -> ExportTraceServiceRequest:
    """A trace export of HTTP server spans."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    now = time.time_ns()
    for n in range(first, first + count):
        span = spans.add(
            trace_id=n.to_bytes(16, "big"),
            span_id=n.to_bytes(8, "big"),
            kind=2,
            start_time_unix_nano=now,
            end_time_unix_nano=now + 5_000_000,
        )
        span.attributes.add(key="http.request.method").value.string_value = "GET"
        span.attributes.add(key="http.response.status_code").value.int_value = 200
    return request


def as_json(request: ExportTraceServiceRequest) -> bytes:
    """OTLP/JSON: ids are hex, which protobuf's own JSON writes as base64."""
    tree = json_format.MessageToDict(request, use_integers_for_enums=True)
    for span in tree["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId"):
            span[name] = base64.b64decode(span.get(name, "")).hex()
    return json.dumps(tree).encode()


def decoded_status(body: bytes) -> Any:
    """A `google.rpc.Status`, read by protobuf itself."""
    file = descriptor_pb2.FileDescriptorProto(name="s.proto", package="t", syntax="proto3")
    message = file.message_type.add(name="Status")
    message.field.add(name="code", number=1, type=5, label=1)
    message.field.add(name="message", number=2, type=9, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Status")).FromString(body)


def lines(*rows: dict[str, Any] | bytes) -> bytes:
    return b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


# --- traces ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["", "identity", "gzip"])
@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_a_trace_export_is_landed_and_mapped(
    home: Home, client: TestClient, media_type: str, coding: str
) -> None:
    body = export(3).SerializeToString() if media_type == PROTOBUF else as_json(export(3))
    headers = {"Content-Type": media_type} | ({"Content-Encoding": coding} if coding else {})
    sent = gzip.compress(body) if coding == "gzip" else body
    answer = client.post("/v1/traces", content=sent, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    if media_type == PROTOBUF:
        assert not ExportTraceServiceResponse.FromString(answer.content).HasField("partial_success")
    else:
        assert answer.json() == {}
    assert home.log.get(1).body == body
    until(lambda: home.warehouse.count("api_request") == 3)


def test_parameters_of_the_media_type_do_not_matter(client: TestClient) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post("/v1/traces", content=as_json(export()), headers=headers).is_success


def test_an_export_of_nothing_is_a_success(client: TestClient) -> None:
    answer = client.post("/v1/traces", content=b"", headers={"Content-Type": PROTOBUF})
    assert (answer.status_code, answer.content) == (200, b"")
    answer = client.post("/v1/traces", content=b"{}", headers={"Content-Type": JSON})
    assert (answer.status_code, answer.content) == (200, b"{}")


def test_an_export_sent_twice_counts_once(home: Home, client: TestClient) -> None:
    body = export(2).SerializeToString()
    for _ in range(2):
        assert client.post(
            "/v1/traces", content=body, headers={"Content-Type": PROTOBUF}
        ).is_success
    assert home.log.last_seq() == 1
    # the same spans in other bytes are another record, of facts that are known
    both = export(3)
    both.resource_spans[0].scope_spans[0].scope.name = "again"
    client.post("/v1/traces", content=both.SerializeToString(), headers={"Content-Type": PROTOBUF})
    until(lambda: home.recorder.backlog() == 0)
    relation = home.warehouse.relation("api_request", None)
    assert home.warehouse.query(f"SELECT count(*) AS n FROM {relation}").to_pylist() == [{"n": 3}]


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_spans_that_cannot_be_facts_are_a_partial_success(
    home: Home, client: TestClient, media_type: str
) -> None:
    request = export(4)
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[1].start_time_unix_nano = 5  # a clock that was never set
    spans[2].start_time_unix_nano += 3600 * 10**9
    spans[2].end_time_unix_nano += 3600 * 10**9
    spans.add(kind=1)  # no HTTP request: nothing is wrong with it
    body = request.SerializeToString() if media_type == PROTOBUF else as_json(request)
    for _ in range(2):
        answer = client.post("/v1/traces", content=body, headers={"Content-Type": media_type})
        assert answer.status_code == 200
        said = ExportTraceServiceResponse()
        if media_type == PROTOBUF:
            said.MergeFromString(answer.content)
        else:
            json_format.Parse(answer.content, said)
        assert said.partial_success.rejected_spans == 2
        assert (
            "a clock that was never set; set the sender's clock"
            in said.partial_success.error_message
        )
    until(lambda: home.warehouse.count("api_request") == 2)
    assert len(home.log.quarantined()) == 2


def test_under_load_spans_are_not_looked_at_before_the_answer(home: Home, probe: Probe) -> None:
    client = TestClient(create_receiver(home.recorder))  # without its lifespan: nothing is mapped
    headers = {"Content-Type": PROTOBUF}
    request = export(2)
    request.resource_spans[0].scope_spans[0].spans[0].start_time_unix_nano = 5
    for n in range(20):
        request.resource_spans[0].scope_spans[0].scope.name = str(n)
        answer = client.post("/v1/traces", content=request.SerializeToString(), headers=headers)
        said = ExportTraceServiceResponse.FromString(answer.content)
        assert said.HasField("partial_success") == (n <= receiver._KEEPING_UP)
    assert client.post("/v1/traces", content=b"rubbish", headers=headers).status_code == 400
    assert home.recorder.map_new().rejected == 20


BAD_TRACES = [
    (PROTOBUF, b"\xff\xff\xff not protobuf", {}, 400, 3),
    (PROTOBUF, gzip.compress(b"x")[:-5], {"Content-Encoding": "gzip"}, 400, 3),
    (PROTOBUF, b"no gzip", {"Content-Encoding": "gzip"}, 400, 3),
    (PROTOBUF, b"x" * 20_001, {}, 413, 8),
    (PROTOBUF, gzip.compress(bytes(10**7)), {"Content-Encoding": "gzip"}, 413, 8),
    (PROTOBUF, b"", {"Content-Encoding": "br"}, 415, 3),
    (JSON, b"{", {}, 400, 3),
    (JSON, b'{"resourceSpans": 5}', {}, 400, 3),
    (JSON, b'{"resourceSpans": [{"resource": {"attributes": [{"key": "\xff"}]}}]}', {}, 400, 3),
    (JSON, b'{"resourceMetrics": []}', {}, 400, 3),
    (JSON, b" " * 20_001, {}, 413, 8),
    ("text/html", b"", {}, 415, 3),
    ("", b"", {}, 415, 3),
]


@pytest.mark.parametrize(("media_type", "body", "headers", "status", "code"), BAD_TRACES)
def test_a_refused_export_gets_an_rpc_status_in_its_encoding(
    home: Home,
    client: TestClient,
    media_type: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    code: int,
) -> None:
    answer = client.post(
        "/v1/traces", content=body, headers={"Content-Type": media_type, **headers}
    )
    assert answer.status_code == status
    if media_type == PROTOBUF:
        assert answer.headers["content-type"] == PROTOBUF
        said = decoded_status(answer.content)
        assert said.code == code
        assert said.message
    else:
        assert answer.headers["content-type"] == JSON
        assert answer.json()["code"] == code
        assert answer.json()["message"]
    if status == 415:
        assert answer.headers["accept-encoding"] == "gzip"
    assert home.log.last_seq() == 0


def test_a_body_without_a_length_meets_the_limit_while_it_comes(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1000

    answer = client.post("/v1/traces", content=endless(), headers={"Content-Type": PROTOBUF})
    assert answer.status_code == 413


def test_a_gzip_bomb_is_contained() -> None:
    import resource  # noqa: PLC0415  # only here

    bomb = gzip.compress(bytes(1 << 28), 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(answers.BodyTooLargeError):
        gunzip(bomb, 8 << 20)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_a_gzip_body_of_several_members() -> None:
    assert gunzip(gzip.compress(b"a") + gzip.compress(b"b"), 10) == b"ab"
    assert gunzip(gzip.compress(b"x" * 10), 10) == b"x" * 10


# --- facts ----------------------------------------------------------------------------------------


def test_facts_are_landed_and_mapped(home: Home, client: TestClient, probe: Probe) -> None:
    body = lines(probe("a"), probe("b"))
    answer = client.post("/v1/facts", content=body, headers={"Content-Type": NDJSON})
    assert answer.status_code == 200
    assert answer.json() == {
        "accepted": 2,
        "rejected": [],
        "rejected_total": 0,
        "record": 1,
        "duplicate": False,
    }
    again = client.post(
        "/v1/facts",
        content=gzip.compress(body),
        headers={"Content-Type": NDJSON, "Content-Encoding": "gzip"},
    )
    assert again.json() == answer.json() | {"duplicate": True}
    assert home.log.get(1).body == body
    until(lambda: home.warehouse.count("probe") == 2)


def test_facts_seen_before_the_answer_are_those_of_the_record(
    home: Home, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[int] = []
    monkeypatch.setattr(home.recorder, "hand_over", lambda seq, _batches: handed.append(seq))
    client = TestClient(create_receiver(home.recorder))
    first = lines(probe("a"))
    client.post("/v1/facts", content=first)
    client.post("/v1/facts", content=first)  # the record is the earlier one
    client.post("/v1/facts", content=lines(probe("b"), b"x"))  # the line may be none later
    assert handed == [1]

    class Ahead(datetime):
        @classmethod
        def now(cls, _tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(hours=1)

    monkeypatch.setattr(receiver, "datetime", Ahead)  # the clock steps back before the commit
    client.post("/v1/facts", content=lines(probe("c")))
    assert handed == [1]


def test_each_bad_line_is_named(home: Home, client: TestClient, probe: Probe) -> None:
    future = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = lines(
        probe("good"),
        b'{"fact": "probe", "location": "\xff"}',
        json.dumps(probe("nan", latency_ms=float("nan"))).encode(),
        probe("column", colour="red"),
        {"fact": "prob", "probe_id": "x"},
        probe("future", at=future),
        probe("unset", at="1970-01-01T00:00:00Z"),
        probe("good", ok=False),
        b"[1, 2]",
        b"",
        probe("late"),
    )
    limits = Limits(body=20_000)
    with TestClient(create_receiver(home.recorder, limits)) as roomy:
        said = roomy.post("/v1/facts", content=body, headers={"Content-Type": NDJSON}).json()
    assert said["accepted"] == 2
    assert said["rejected_total"] == 8
    by_line = {entry["line"]: entry for entry in said["rejected"]}
    expected = {
        2: "UTF-8",
        3: "JSON",
        4: "unknown column 'colour'",
        5: "unknown fact 'prob'",
        6: "in the future",
        7: "a clock that was never set",
        8: "appears twice in one record with differing ok",
        9: "JSON",
    }
    assert set(by_line) == set(expected)
    for line, reason in expected.items():
        assert reason.lower() in by_line[line]["reason"].lower(), line
        assert by_line[line]["mend"]
    assert by_line[4]["fact"] == "probe"
    assert home.recorder.backlog() == 0, "the receiver maps what is left when it ends"
    assert home.warehouse.count("probe") == 2
    kept = {entry.item: entry.reason for entry in home.log.quarantined()}
    assert kept == {line: entry["reason"] for line, entry in by_line.items()}


def test_the_list_of_rejects_is_bounded_and_the_count_is_not(
    client: TestClient, probe: Probe
) -> None:
    body = lines(probe("a"), *[b"x"] * 50)
    said = client.post("/v1/facts", content=body, headers={"Content-Type": NDJSON}).json()
    assert (len(said["rejected"]), said["rejected_total"]) == (5, 50)


BAD_FACTS = [
    (b"", NDJSON, {}, 400, "NoUsableLineError"),
    (b"not json\n\n[]", NDJSON, {}, 400, "NoUsableLineError"),
    (b"", "text/html", {}, 415, "EncodingError"),
    (b"", NDJSON, {"Content-Encoding": "zstd"}, 415, "EncodingError"),
    (gzip.compress(b"x" * 99)[:20], NDJSON, {"Content-Encoding": "gzip"}, 400, "FormatError"),
    (b"x" * 20_001, NDJSON, {}, 413, "BodyTooLargeError"),
    (gzip.compress(bytes(10**6)), NDJSON, {"Content-Encoding": "gzip"}, 413, "BodyTooLargeError"),
]


@pytest.mark.parametrize(("body", "media_type", "headers", "status", "error"), BAD_FACTS)
def test_refused_facts_get_problem_details(
    home: Home,
    client: TestClient,
    body: bytes,
    media_type: str,
    headers: dict[str, str],
    status: int,
    error: str,
) -> None:
    answer = client.post("/v1/facts", content=body, headers={"Content-Type": media_type, **headers})
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    said = answer.json()
    assert (said["type"], said["status"], said["error"]) == ("about:blank", status, error)
    assert said["title"]
    assert said["detail"]
    assert said["mend"]
    assert ("rejected" in said) == (error == "NoUsableLineError")
    assert home.log.last_seq() == 0


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/facts", 405), ("POST", "/v1/logs", 404)]
)
def test_what_is_not_served_is_a_problem_too(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    assert "/v1/facts" in answer.json()["mend"]
    assert ("allow" in answer.headers) == (status == 405)


# --- when it is too much, or goes wrong -----------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/facts"])
def test_a_disk_that_refuses_is_a_503(
    home: Home,
    client: TestClient,
    probe: Probe,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    path: str,
) -> None:
    body = lines(probe("a")) if path == "/v1/facts" else as_json(export())

    def full(*_: object) -> None:
        raise OverflowError("secret path is full")

    now = 0.0
    monkeypatch.setattr(receiver, "time", SimpleNamespace(monotonic=lambda: now))
    with monkeypatch.context() as patch:
        patch.setattr("meterstone.record.log._insert", full)
        for _ in range(3):
            answer = client.post(path, content=body, headers={"Content-Type": JSON})
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "10"
            assert "secret" not in answer.text
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["landing"] == "the disk refuses"
    assert len(caplog.records) == 1, "said once, not once a request"
    assert client.post(path, content=body, headers={"Content-Type": JSON}).status_code == 200
    now = receiver._SHUT_AFTER_REFUSAL_S
    assert client.get("/readyz").is_success
    assert home.log.last_seq() == 1


def test_too_long_a_backlog_is_a_503(home: Home, probe: Probe) -> None:
    app = create_receiver(home.recorder, Limits(backlog=2))
    client = TestClient(app)  # without its lifespan: nothing is mapped
    for n in range(3):
        assert client.post("/v1/facts", content=lines(probe(str(n)))).status_code == 200
    answer = client.post("/v1/facts", content=lines(probe("x")))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["error"] == "OverloadError"
    assert client.get("/readyz").json() == {
        "ready": False,
        "landing": "ok",
        "mapping": "stopped",
        "backlog": 3,
    }
    with TestClient(app) as client:
        until(lambda: client.get("/readyz").json()["backlog"] == 0)
        assert client.post("/v1/facts", content=lines(probe("x"))).status_code == 200


def test_too_many_bodies_at_once_are_a_503(home: Home, probe: Probe) -> None:
    client = TestClient(create_receiver(home.recorder, Limits(in_flight=1000)))
    for _ in range(3):  # what was refused is not held
        answer = client.post("/v1/facts", content=lines(*[probe("x")] * 10))
        assert answer.status_code == 503
    assert client.post("/v1/facts", content=lines(probe("x"))).status_code == 200


def test_a_body_that_does_not_come_is_a_408(home: Home, probe: Probe) -> None:
    app = create_receiver(home.recorder, Limits(body_s=0.1))
    with _running(app) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"POST /v1/facts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert b"408 Request Timeout" in slow.recv(1000)


def test_a_client_that_leaves_is_no_error(
    home: Home, probe: Probe, caplog: pytest.LogCaptureFixture
) -> None:
    with _running(create_receiver(home.recorder)) as port:
        with socket.create_connection(("127.0.0.1", port)) as leaving:
            leaving.sendall(b"POST /v1/facts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            time.sleep(0.2)
        time.sleep(0.2)
        assert httpx2.get(f"http://127.0.0.1:{port}/healthz").json() == {"status": "ok"}
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/facts"])
def test_a_defect_of_ours_says_nothing_of_the_body(
    home: Home, probe: Probe, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(home.log, "land_soon", broken)
    client = TestClient(create_receiver(home.recorder), raise_server_exceptions=False)
    body = lines(probe("a")) if path == "/v1/facts" else as_json(export())
    answer = client.post(path, content=body, headers={"Content-Type": JSON})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["content-type"] in (PROBLEM, JSON)


def test_every_error_has_a_status() -> None:
    assert answers.status_of(InputError("x")) == 400
    assert answers.status_of(StorageError("x")) == 503


# --- a real server --------------------------------------------------------------------------------


class _running:  # noqa: N801  # used like a function
    """A uvicorn server in a thread, and its port."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(
            app, port=0, log_config=None, access_log=False, lifespan="on", ws="none"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> int:
        self._thread.start()
        until(lambda: self._server.started)
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


def _interrupted(work: Callable[[], None]) -> tuple[threading.Thread, list[BaseException]]:
    """Runs ``work`` in a thread, then ends the process's server as a supervisor would."""
    failures: list[BaseException] = []
    before = signal.getsignal(signal.SIGTERM)

    def run() -> None:
        for step in (work, end):
            try:
                step()
            except BaseException as error:  # noqa: BLE001  # shown by the test
                failures.append(error)

    def end() -> None:
        until(lambda: signal.getsignal(signal.SIGTERM) != before)  # else it would end the tests
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failures


def test_a_real_server_takes_the_official_examples(
    home: Home, shared_data: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    example = (shared_data("otlp") / "opentelemetry-proto/examples/trace.json").read_bytes()
    request = export(5)
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/traces"

    def work() -> None:
        until(lambda: _answers(port))
        for media_type, body in (
            (JSON, example),
            (JSON, as_json(request)),
            (PROTOBUF, request.SerializeToString()),
        ):
            for coding in ({}, {"Content-Encoding": "gzip"}):
                answer = httpx2.post(
                    url,
                    content=gzip.compress(body) if coding else body,
                    headers={"Content-Type": media_type, **coding},
                )
                assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)

    thread, failures = _interrupted(work)
    serve(home, port=port)
    thread.join()
    assert failures == []
    assert (
        capsys.readouterr().err == f"receiving at http://127.0.0.1:{port} (/v1/traces, /v1/facts)\n"
    )
    assert home.log.last_seq() == 3, "gzip or not, the content is one record"
    assert home.recorder.backlog() == 0, "drained"
    assert home.warehouse.count("api_request") == 5


def test_sigterm_ends_it_though_a_client_hangs(home: Home) -> None:
    port = free_port()
    ended = []

    def work() -> None:
        until(lambda: _answers(port))
        hanging = socket.create_connection(("127.0.0.1", port))
        hanging.sendall(b"POST /v1/facts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.2)
        ended.append((time.monotonic(), hanging))

    thread, failures = _interrupted(work)
    serve(home, port=port)
    thread.join()
    ((since, hanging),) = ended
    hanging.close()
    assert failures == []
    assert time.monotonic() - since < 30, "10 s, and what a busy machine adds"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_an_address_that_is_taken_is_named(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match="cannot listen") as caught:
            serve(home, port=port)
    assert caught.value.place == f"127.0.0.1:{port}"


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    seen = []

    def run() -> None:
        with ended_by_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def _answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz").is_success
    except httpx2.TransportError:
        return False


def test_the_page_has_every_error_with_its_status() -> None:
    page = (Path(__file__).parents[2] / "docs" / "record.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    said = {row[0].strip("| `"): row[1] for row in rows if row[1].isdigit()}
    assert said == {kind.__name__: str(status.value) for kind, status in answers.STATUS.items()}


def test_head_and_body_of_an_answer_do_not_wait_for_each_other() -> None:
    with listening("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
