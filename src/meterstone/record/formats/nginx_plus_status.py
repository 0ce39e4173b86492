"""NGINX Plus status snapshots, one JSON object a line, to pre-aggregated `api_request`.

Not an access log: counters since the start of NGINX, by zone and status class. What happened
between two snapshots is the difference; the latency of a request and its route are not known.
Fields: https://nginx.org/en/docs/http/ngx_http_status_module.html#data
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import pyarrow as pa

from meterstone.facts import FactBatch, Reject, excerpt, from_columns
from meterstone.record.lines import (
    BODY_TARGET,
    Piece,
    first_lines,
    numbered,
    read_lines,
)
from meterstone.record.model import Format, LandedRecord, Mapped
from meterstone.record.request_rows import (
    BY_PATH,
    OTHER_METHOD,
    ROWS,
    SUCCESS,
    Meaning,
    api_request,
    log_name,
    overrides,
    refuse_times,
    settled,
)

LONGEST_GAP_S = 300
"""Snapshots farther apart are not differenced: nobody knows in which of the minutes between them
the requests fell."""

_MEANINGS = {
    "1xx": SUCCESS,
    "2xx": SUCCESS,
    "3xx": SUCCESS,
    "4xx": Meaning("caller_fault", "caller", "other"),
    "5xx": Meaning("error", "hub", "server"),
}


class _Zone(msgspec.Struct):
    responses: dict[str, int]


class _Snapshot(msgspec.Struct):
    """``timestamp`` in ms since 1970."""

    nginx_version: str
    timestamp: int
    server_zones: dict[str, _Zone]
    address: str = ""


_decode = msgspec.json.Decoder(_Snapshot).decode


class _Grown(NamedTuple):
    """By how much one counter grew between two snapshots."""

    item: int
    since: int
    until: int
    address: str
    zone: str
    group: str
    requests: int


def _detect(_path: Path, head: bytes) -> bool:
    lines = first_lines(head, 1)
    return (
        bool(lines)
        and lines[0].startswith(b"{")
        and all(
            word in lines[0] for word in (b'"nginx_version"', b'"server_zones"', b'"timestamp"')
        )
    )


def _map(record: LandedRecord) -> Iterator[Mapped]:
    fixed = overrides(record)
    if isinstance(fixed, Reject):
        yield fixed
        return
    waiting: list[_Grown] = []
    for entry in _differences(record.body):
        if isinstance(entry, Reject):
            yield entry
            continue
        waiting.append(entry)
        if len(waiting) == ROWS:
            yield _batch(record, waiting, fixed)
            waiting = []
    if waiting:
        yield _batch(record, waiting, fixed)


def _differences(body: bytes) -> Iterator[_Grown | Reject]:
    newest: dict[str, _Snapshot] = {}
    compared = False
    for number, line in numbered(body):
        try:
            snapshot = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield _refused(number, f"is no status snapshot: {error}", line)
            continue
        before = newest.get(snapshot.address)
        gap_s = (snapshot.timestamp - before.timestamp) / 1000 if before else 0
        if gap_s < 0:
            yield _refused(number, "is older than the snapshot before it", line)
            continue
        if gap_s > LONGEST_GAP_S:
            yield _refused(number, f"comes {gap_s:.0f} s after the one before it", line)
        elif before:
            yield from _grown(number, before, snapshot)
        newest[snapshot.address] = snapshot
        compared = compared or before is not None
    if newest and not compared:
        yield _refused(1, "is a single snapshot: what its counters grew by is not known", body)


def _grown(item: int, before: _Snapshot, after: _Snapshot) -> Iterator[_Grown]:
    for zone, state in after.server_zones.items():
        earlier = before.server_zones.get(zone)
        for group, value in state.responses.items():
            if group not in _MEANINGS:
                continue
            start = earlier.responses.get(group, 0) if earlier else 0
            # A counter that fell was set to zero in between (a restart): what it shows was counted
            # since then. What came between the snapshot before and the restart is lost.
            count = value - start if value >= start else value
            if count:
                yield _Grown(
                    item, before.timestamp, after.timestamp, after.address, zone, group, count
                )


def _refused(number: int, what: str, line: bytes) -> Reject:
    return Reject(
        number,
        f"line {number} {what}",
        f"send snapshots of one server in order of time, at most {LONGEST_GAP_S} s apart",
        excerpt(line),
        fact="api_request",
    )


def _batch(record: LandedRecord, rows: list[_Grown], fixed: Mapping[str, str]) -> FactBatch:
    meanings = [_MEANINGS[row.group] for row in rows]
    columns: dict[str, Any] = {
        "request_id": [_key(row) for row in rows],
        "at": pa.array([row.since * 1000 for row in rows], pa.timestamp("us")),
        "direction": "inbound",
        "endpoint": [f"zone {row.zone}" for row in rows],
        "method": OTHER_METHOD,
        "outcome": [m.outcome for m in meanings],
        "fault": [m.fault for m in meanings],
        "error_class": [m.error_class for m in meanings],
        "attempts": 1,
        "count": [row.requests for row in rows],
        "source_ref": log_name(record.name) or None,
        "endpoint_group": "other",
        "consumer": "internal",
        **fixed,
    }
    if columns["endpoint_group"] == BY_PATH:
        columns["endpoint_group"] = "other"  # a zone is no path
    batch = from_columns(api_request(), columns, [row.item for row in rows], source="hub")
    return settled(refuse_times(batch, record.received_at))


def _key(row: _Grown) -> str:
    text = "\0".join((row.address, row.zone, row.group, str(row.since), str(row.until)))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _split(stream: BinaryIO) -> Iterator[Piece]:
    return _overlapping(read_lines(stream))


_ADDRESS = re.compile(rb'"address"\s*:\s*"([^"]*)"')


def _overlapping(lines: Iterable[Piece]) -> Iterator[Piece]:
    """Bodies that begin with the newest line of each server before, so that no difference between
    two lines is lost; differences that come twice have the same key."""
    newest: dict[bytes, bytes] = {}
    body, size = list[bytes](), 0
    for line in lines:
        if isinstance(line, Reject):
            yield line
            continue
        body.append(line)
        size += len(line)
        address = _ADDRESS.search(line)
        newest[address[1] if address else b""] = line
        if size >= BODY_TARGET:
            yield b"".join(body)
            body, size = list(newest.values()), 0
    if size:
        yield b"".join(body)


FORMAT = Format(
    name="nginx_plus_status",
    title="NGINX Plus status snapshots (counters by zone), one JSON object a line",
    media_type="application/x-ndjson",
    detect=_detect,
    map=_map,
    split=_split,
)
