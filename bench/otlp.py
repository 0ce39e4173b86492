"""OTLP over HTTP, durable and mapped into the warehouse, against parsing alone.

Ours: a server process on a home in a temporary folder takes protobuf exports from another process
over several connections; the clock stops when everything is acknowledged (on disk) and mapped.
The other side: one process parses the same bytes with opentelemetry-proto and reads the same
columns into lists, and stores nothing.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.report import Figure, Outcome, spread
from bench.world import FRANCHISES, GROUPS

ROUNDS = 3
SPANS = 2_500
"""Spans of one export."""
CONNECTIONS = 4

_SERVER = (
    "import sys; from pathlib import Path; from meterstone.app import Home; "
    "from meterstone.record.receiver import serve\n"
    "with Home(Path(sys.argv[1])) as home: serve(home, port=0)"
)


def run(spans: int, step: Callable[[str], None]) -> Outcome:
    """Spans a second of both sides, in turn."""
    ours, other, busy = [], [], []
    size = 0
    with tempfile.TemporaryDirectory() as folder:
        server, port = _start(folder)
        try:
            for number in range(ROUNDS + 1):
                step(f"round {number + 1} of {ROUNDS + 1} (the first one warms up)")
                bodies = exports(spans, number)
                size = sum(map(len, bodies))
                before = _cpu(server.pid)
                elapsed = _send(port, bodies), _parse(bodies)
                if number:
                    ours.append(elapsed[0])
                    other.append(elapsed[1])
                    busy.append((_cpu(server.pid) - before) / elapsed[1])
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
    ratio = median(b / a for a, b in zip(ours, other, strict=True))
    figure = Figure(
        "spans a second, end to end over parsing alone",
        f"{spans / median(ours):,.0f}/s",
        f"{spans / median(other):,.0f}/s",
        ratio,
        0.5,
        at_least=True,
    )
    notes = [
        f"{spans:,} spans a round in exports of {SPANS:,} with 8 attributes each "
        f"({size / spans:.0f} bytes a span), {CONNECTIONS} connections, {ROUNDS} rounds",
        f"ours {spread(ours)}; other side {spread(other)}; the ratio is the median of the rounds'",
        "ours ends when every export was answered 200 and the backlog of `/readyz` is 0; server, "
        "client and the operating system share the cores, the other side has one for itself",
    ]
    processor = Figure(
        "processor seconds of the server over those of parsing alone", "", "", median(busy)
    )
    return Outcome("otlp", [figure, processor], notes)


def _cpu(process: int) -> float:
    """Processor seconds that a process used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def exports(spans: int, number: int) -> list[bytes]:
    """Export bodies of one round; no span comes twice."""
    return [_export(SPANS, number, place) for place in range(spans // SPANS)]


def _export(count: int, number: int, place: int) -> bytes:
    random = np.random.default_rng([number, place])
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    _attribute(group.resource, "service.name", "shop")
    spans = group.scope_spans.add().spans
    began = time.time_ns() - 3_600_000_000_000
    for n in range(count):
        span = spans.add(
            trace_id=random.bytes(16), span_id=random.bytes(8), name="request", kind=2,
            start_time_unix_nano=began + n * 1_000_000,
            end_time_unix_nano=began + n * 1_000_000 + int(random.integers(1, 5 * 10**8)),
        )  # fmt: skip
        route = GROUPS[n % len(GROUPS)]
        _attribute(span, "http.request.method", "GET")
        _attribute(span, "http.route", f"/{route}/{{id}}")
        _attribute(span, "url.path", f"/{route}/{place}-{n}")
        _attribute(span, "http.response.status_code", 200 if n % 1000 else 503)
        _attribute(span, "server.address", "api.example.com")
        _attribute(span, "url.scheme", "https")
        _attribute(span, "network.protocol.version", "1.1")
        _attribute(span, "meterstone.franchise_id", f"F{int(random.integers(FRANCHISES)):03d}")
    return request.SerializeToString()


def _attribute(where, key: str, value: str | int) -> None:  # type: ignore[no-untyped-def]  # any message with attributes
    pair = where.attributes.add(key=key)
    if isinstance(value, int):
        pair.value.int_value = value
    else:
        pair.value.string_value = value


def _start(folder: str) -> tuple[subprocess.Popen[str], int]:
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, folder], stderr=subprocess.PIPE, text=True
    )
    line = server.stderr.readline() if server.stderr else ""
    if "receiving at" not in line:
        raise RuntimeError(f"the server did not start: {line}")
    return server, int(line.split("http://")[1].split()[0].rsplit(":", 1)[1])


def _send(port: int, bodies: Sequence[bytes]) -> float:
    """Seconds until all bodies are acknowledged and mapped, sent by another process."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for place, body in enumerate(bodies):
            Path(folder, str(place)).write_bytes(body)
        ready, done = context.Event(), context.Event()
        client = context.Process(target=_client, args=(port, folder, ready, done))
        client.start()
        ready.wait()
        start = time.perf_counter()
        done.set()
        client.join()
        if client.exitcode:
            raise RuntimeError("the client failed")
        _until_mapped(port)
        return time.perf_counter() - start


def _client(port: int, folder: str, ready, go) -> None:  # type: ignore[no-untyped-def]  # events
    bodies = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    ready.set()
    go.wait()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(
            pool.map(
                lambda part: _post(port, part), [bodies[n::CONNECTIONS] for n in range(CONNECTIONS)]
            )
        )


def _post(port: int, bodies: Sequence[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for body in bodies:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            os._exit(1)
    connection.close()


def _until_mapped(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while True:
        connection.request("GET", "/readyz")
        if json.loads(connection.getresponse().read())["backlog"] == 0:
            return
        time.sleep(0.01)


_WANTED = (
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "meterstone.franchise_id",
)


def _parse(bodies: Sequence[bytes]) -> float:
    """Seconds to parse all bodies and read the columns of a request."""
    start = time.perf_counter()
    for body in bodies:
        _columns(body)
    return time.perf_counter() - start


def _columns(body: bytes) -> dict[str, list[object]]:
    names = ("id", "kind", "start", "end", "status", "service", *_WANTED)
    columns: dict[str, list[object]] = {name: [] for name in names}
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = next((a.value.string_value for a in group.resource.attributes), None)
        for scope in group.scope_spans:
            for span in scope.spans:
                columns["id"].append(span.trace_id.hex() + span.span_id.hex())
                columns["kind"].append(span.kind)
                columns["start"].append(span.start_time_unix_nano)
                columns["end"].append(span.end_time_unix_nano)
                columns["status"].append(span.status.code)
                columns["service"].append(service)
                said = {a.key: a.value for a in span.attributes}
                for name in _WANTED:
                    value = said.get(name)
                    kind = value.WhichOneof("value") if value else None
                    columns[name].append(getattr(value, kind) if kind else None)
    return columns
