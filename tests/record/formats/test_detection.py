"""Every sample is claimed by its own format and by no other."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from meterstone.record.formats import formats

HEAD = 1 << 16


def _protobuf() -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "hub"
    group.scope_spans.add().spans.add(trace_id=bytes(range(16)), span_id=bytes(8))
    return request.SerializeToString()


def _parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"probe_id": ["p"]}), out)
    return out.getvalue()


_NGINX = {"time_iso8601": "2026-03-01T09:30:00Z", "request": "GET / HTTP/1.1", "status": 200}
_SPANS = {"resourceSpans": [{"scopeSpans": []}]}
_LINE = b'10.0.0.1 - kim [01/Mar/2026:09:30:00 +0100] "GET / HTTP/1.1" 200 12'
SAMPLES: dict[str, tuple[str, bytes, str | None]] = {
    "common": ("access.log", _LINE, "apache_combined"),
    "combined": ("access", _LINE + b' "-" "curl"\n' + _LINE, "apache_combined"),
    "nginx": ("access.log", json.dumps(_NGINX).encode(), "nginx_json"),
    "nginx that speaks of spans": (
        "a.json", json.dumps(_NGINX | {"agent": '"resourceSpans":'}).encode(), "nginx_json",
    ),
    "spans": ("traces.json", json.dumps(_SPANS).encode(), "otlp_json"),
    "pretty spans": ("traces.json", json.dumps(_SPANS, indent=2).encode(), "otlp_json"),
    "protobuf": ("traces.pb", _protobuf(), "otlp_protobuf"),
    "framed protobuf": (
        "traces.bin", len(_protobuf()).to_bytes(4, "big") + _protobuf(), "otlp_protobuf",
    ),
    "facts": ("x.jsonl", b'{"fact": "probe", "status": 1}\n', "facts_jsonl"),
    "facts by the file's name": ("probe.jsonl", b'{"probe_id": "1", "at": 1}', "facts_jsonl"),
    "csv with fact": ("x.csv", b"fact,probe_id\nprobe,1\n", "facts_csv"),
    "csv by the file's name": ("probe.csv.gz", b'"probe_id","at"\n1,2\n', "facts_csv"),
    "parquet": ("x.parquet", _parquet(), "facts_parquet"),
    "statuspage": (
        "i.json", b'{"page": {}, "incidents": [{"impact": "none"}]}', "github_incidents",
    ),
    "upptime": (
        "c.csv", b"committed_at,site,status,http_code,response_ms,commit\n", "upptime",
    ),
    "snapshot": (
        "s.jsonl", b'{"nginx_version":"1","timestamp":1,"server_zones":{}}', "nginx_plus_status",
    ),
    "nothing": ("empty", b"", None),
    "blank": ("blank", b"\n\n  \n", None),
    "prose": ("README.md", b"# Hello\n\nThis is text, with commas.\n", None),
    "metrics": ("m.json", b'{"resourceMetrics": []}', None),
    "another csv": ("orders.csv", b"order,amount\n1,2\n", None),
    "another json": ("x.json", b'{"a": 1}', None),
    "binary": ("x.bin", bytes(range(256)) * 4, None),
}  # fmt: skip

FILES = {
    "access_logs/apache_logs.log": "apache_combined",
    "access_logs/nginxplus_json_logs.jsonl": "nginx_plus_status",
    "access_logs/NOTE.md": None,
    "incidents/github_status_2025-10-28_2025-11-11.json": "github_incidents",
    "otlp/jaeger/otlp2jaeger-in.json": "otlp_json",
    "otlp/jaeger/sibling_errors.json": "otlp_json",
    "otlp/jaeger/sibling_errors.manifest.json": None,
    "otlp/opentelemetry-proto/examples/trace.json": "otlp_json",
    "otlp/opentelemetry-proto/examples/metrics.json": None,
    "otlp/opentelemetry-proto/examples/logs.json": None,
    "upptime/ClouDesire_status": "upptime",
    "upptime/ClouDesire_status/check_commits.csv": "upptime",
    "upptime/ClouDesire_status/summary_history.jsonl.gz": None,
    "upptime/ClouDesire_status/history/summary.json": None,
}


def claimed(path: Path, head: bytes) -> list[str]:
    return [name for name, form in formats().items() if form.detect(path, head)]


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples(sample: str) -> None:
    name, head, expected = SAMPLES[sample]
    assert claimed(Path(name), head[:HEAD]) == ([expected] if expected else [])


@pytest.mark.parametrize("name", FILES)
def test_shared_files(shared_data: Callable[[str], Path], name: str) -> None:
    path = shared_data(name)
    head = b""
    if path.is_file():
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(HEAD)
    expected = FILES[name]
    assert claimed(path, head) == ([expected] if expected else [])


def test_an_empty_folder_is_of_no_format(tmp_path: Path) -> None:
    assert claimed(tmp_path, b"") == []


def test_the_page_describes_every_format_with_a_sample() -> None:
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    for _, _, name in SAMPLES.values():
        assert name is None or f"| `{name}` |" in page
