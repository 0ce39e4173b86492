"""What the formats of HTTP traffic share: route templates, who is at fault, rows of `api_request`.

Used by the access logs, the NGINX status snapshots and the OTLP spans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from meterstone.errors import suggest
from meterstone.facts import (
    CLOCK_TOLERANCE,
    EARLIEST,
    FactBatch,
    FactSchema,
    Reject,
    from_columns,
    vocabulary,
)
from meterstone.record.model import LandedRecord, Mapped

ROWS = 50_000
"""Rows of one batch at most."""

MALFORMED = "(malformed)"
"""Endpoint of a request line that is no HTTP request: port scans, TLS on a plain port."""
OTHER_METHOD = "_OTHER"
"""Name of a method that is unknown, as in OpenTelemetry's conventions."""

METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)

_ID = re.compile(
    r"\d+"  # 42
    r"|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"  # a UUID
    r"|(?=[^/]*\d)[0-9a-fA-F]{8,}"  # a hash
    r"|(?=(?:[^/\d]*\d){2})(?=[^/]*[A-Za-z])[A-Za-z0-9]{12,}"  # a vendor's key: 001D000000IqhSL
    r"|[^/]*(?:@|%40)[^/]*"  # a mail address
    r"|[^/]{80,}"  # a token
)
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_VERSION = re.compile(r"/(v\d+(?:\.\d+)*)(?=/|$)")
_TEMPLATE_LIMIT = 200
_GROUP_WORDS = {
    "auth": "auth oauth oauth2 login logout token tokens session sessions sso saml",
    "webhook": "webhook webhooks hooks",
    "franchise_management": "franchise franchises franchisee franchisees locations units royalties",
    "pos_integration": "pos sales orders payments transactions checkout square clover",
    "analytics": "analytics reports report dashboards dashboard metrics insights",
}
_GROUP_OF = {word: group for group, words in _GROUP_WORDS.items() for word in words.split()}


class Meaning(NamedTuple):
    """How a request ended: columns ``outcome``, ``fault``, ``error_class``."""

    outcome: str
    fault: str
    error_class: str


SUCCESS = Meaning("success", "none", "none")
_CALLER_CLASS = {
    400: "data_validation",
    401: "authentication",
    403: "authentication",
    408: "timeout",
    422: "data_validation",
    429: "rate_limit",
}
_SERVER_CLASS = {502: "connection", 504: "timeout"}


@lru_cache(maxsize=4096)
def meaning(status: int, direction: str) -> Meaning:
    """What a status code says; the table is in ``docs/formats.md``.

    Inbound, a 4xx is the caller's fault and a 5xx ours. Outbound we are the caller, so that a 4xx
    is the hub's error (wrong payload, expired token, quota overrun) and a 5xx the vendor's.

    Raises:
        ValueError: not a status code (100..599).
    """
    if not 100 <= status <= 599:
        raise ValueError(f"{status} is not an HTTP status")
    if status < 400:
        return SUCCESS
    inbound = direction == "inbound"
    if status < 500:
        kind = _CALLER_CLASS.get(status, "other")
        return Meaning("caller_fault", "caller", kind) if inbound else Meaning("error", "hub", kind)
    fault = "hub" if inbound else "provider"
    return Meaning("error", fault, _SERVER_CLASS.get(status, "server"))


_CACHED_LENGTH = 512
"""Longer texts are not kept in caches: nobody bounds what a scanner sends."""


def template(target: str) -> str:
    """A route template out of a request target: no origin, no query, ids as ``{id}``."""
    return _known_template(target) if len(target) <= _CACHED_LENGTH else _template(target)


def _template(target: str) -> str:
    path = _ORIGIN.sub("", target, count=1).partition("?")[0].partition("#")[0]
    shown = "/".join("{id}" if _ID.fullmatch(part) else part for part in path.split("/"))
    return shortened(shown) or "/"


_known_template = lru_cache(maxsize=16_384)(_template)


def shortened(text: str) -> str:
    """A route of bounded length."""
    return text if len(text) <= _TEMPLATE_LIMIT else text[: _TEMPLATE_LIMIT - 1] + "…"


def host_of(url: str) -> str:
    """Host of an absolute URL, '' for a relative one."""
    found = _ORIGIN.match(url)
    return found[1].rpartition("@")[2] if found else ""


@lru_cache(maxsize=16_384)
def group_of(endpoint: str) -> str:
    """The endpoint group by the first word of a route that says something, else ``other``."""
    for part in endpoint.lower().split("/"):
        group = _GROUP_OF.get(part)
        if group:
            return group
    return "other"


@lru_cache(maxsize=4096)
def api_version_of(endpoint: str) -> str | None:
    """``v2`` out of ``/api/v2/franchises``."""
    found = _VERSION.search(endpoint)
    return found[1] if found else None


@lru_cache(maxsize=1024)
def method_of(word: str) -> str:
    """The method in capitals, or ``_OTHER``."""
    upper = word.upper()
    return upper if upper in METHODS else OTHER_METHOD


def api_request() -> FactSchema:
    """The schema of the rows made here."""
    return vocabulary()["api_request"]


_ROTATED = re.compile(r"(?:\.gz|\.zst|\.bz2|\.xz|[.-]\d+|-\d{4}-\d\d-\d\d)+$")


def log_name(name: str) -> str:
    """The name of a log without folder, rotation and compression: ``access.log.2.gz`` is the same
    log as ``access.log``, and a row of it must be the same row."""
    base = PurePath(name).name
    return _ROTATED.sub("", base) or base


OVERRIDES = ("integration", "franchise_id", "endpoint_group", "consumer", "environment")
"""Columns that a sender may set for a whole access log."""


def overrides(record: LandedRecord) -> dict[str, str] | Reject:
    """What the record's context sets, checked, or why it cannot be."""
    found: dict[str, str] = {}
    for name in OVERRIDES:
        value = record.context.get(name)
        if not value:
            continue
        allowed = [*api_request().columns[name].allowed]
        if name == "endpoint_group":
            allowed.append(BY_PATH)
        if allowed and value not in allowed:
            return Reject(
                0,
                f"{name} is {value!r}, which is not one of its values",
                suggest(value, allowed),
                fact="api_request",
            )
        found[name] = value
    return found


BY_PATH = "by_path"
"""Value of the context key ``endpoint_group`` that asks for `group_of`."""


class LineKeys:
    """Keys of lines that have none of their own.

    The key is a hash of the line and, from the second on, of its ordinal among equal lines of the
    record: two equal lines are two requests, and the same log sent again gives the same keys.
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}

    def key(self, line: bytes) -> str:
        digest = blake2b(line, digest_size=16).digest()
        ordinal = self._seen.get(digest, 0) + 1
        self._seen[digest] = ordinal
        if ordinal == 1:
            return digest.hex()
        return blake2b(digest + ordinal.to_bytes(8, "big"), digest_size=16).hexdigest()


@dataclass(slots=True)
class Served:
    """Inbound requests of an access log as columns; times in µs since 1970, durations in ms."""

    items: list[int] = field(default_factory=list)
    request_id: list[str] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    method: list[str] = field(default_factory=list)
    endpoint: list[str] = field(default_factory=list)
    status_code: list[int] = field(default_factory=list)
    duration_ms: list[float | None] = field(default_factory=list)

    def add(
        self,
        item: int,
        key: str,
        at: int,
        request: tuple[str, str],
        status: int,
        *,
        duration: float | None = None,
    ) -> None:
        """One request; ``request`` is its method and route template."""
        self.items.append(item)
        self.request_id.append(key)
        self.at.append(at)
        self.method.append(request[0])
        self.endpoint.append(request[1])
        self.status_code.append(status)
        self.duration_ms.append(duration)

    def batch(self, record: LandedRecord, fixed: Mapping[str, str]) -> FactBatch:
        """The rows as facts; times that cannot be and keys that clash become rejects."""
        meanings = [meaning(status, "inbound") for status in self.status_code]
        columns: dict[str, Any] = {
            "request_id": self.request_id,
            "at": pa.array(self.at, pa.timestamp("us")),
            "direction": "inbound",
            "endpoint": self.endpoint,
            "method": self.method,
            "api_version": [api_version_of(endpoint) for endpoint in self.endpoint],
            "status_code": self.status_code,
            "outcome": [m.outcome for m in meanings],
            "fault": [m.fault for m in meanings],
            "error_class": [m.error_class for m in meanings],
            "attempts": 1,
            "duration_ms": self.duration_ms,
            "count": 1,
            "source_ref": log_name(record.name) or None,
            "endpoint_group": "other",
            "consumer": "internal",
            **fixed,
        }
        if columns["endpoint_group"] == BY_PATH:
            columns["endpoint_group"] = [group_of(endpoint) for endpoint in self.endpoint]
        batch = from_columns(api_request(), columns, self.items, source="hub")
        return settled(refuse_times(batch, record.received_at))


def refuse_times(batch: FactBatch, received_at: datetime) -> FactBatch:
    """The batch without rows whose event time cannot be; each becomes a `Reject`."""
    name = batch.schema.event_time
    at: npt.NDArray[np.int64] = batch.table[name].cast(pa.int64()).to_numpy()
    low, high = micros(EARLIEST), micros(received_at + CLOCK_TOLERANCE)
    wrong = (at < low) | (at > high)
    if not wrong.any():
        return batch
    refused = [
        _wrong_time(batch, int(row), name, early=bool(at[row] < low))
        for row in np.flatnonzero(wrong)
    ]
    kept = batch.table.filter(pa.array(~wrong))
    return FactBatch(batch.schema, kept, [*batch.rejects, *refused])


def _wrong_time(batch: FactBatch, row: int, name: str, *, early: bool) -> Reject:
    at = batch.table[name][row].as_py()
    return Reject(
        batch.table["_item"][row].as_py(),
        f"{name} is {at:%Y-%m-%d}: a clock that was never set"
        if early
        else f"{name} {at:%Y-%m-%dT%H:%M:%SZ} lies in the future",
        "check the sender's clock and time zone, then send it again; times are UTC",
        fact=batch.schema.name,
    )


def settled(batch: FactBatch) -> FactBatch:
    """The batch with each key once: a row sent twice counts once, a row that differs is refused."""
    key = batch.schema.key[0]
    keys: list[str] = batch.table[key].to_pylist()
    if len(set(keys)) == len(keys):
        return batch
    first: dict[str, int] = {}
    kept: list[int] = []
    refused: list[Reject] = []
    for row, name in enumerate(keys):
        earlier = first.setdefault(name, row)
        if earlier == row:
            kept.append(row)
        elif differing := _differing(batch.table, earlier, row):
            refused.append(_conflict(batch, row, name, differing))
    return FactBatch(batch.schema, batch.table.take(kept), [*batch.rejects, *refused])


def _differing(table: pa.Table, one: int, other: int) -> list[str]:
    return [
        name
        for name in table.column_names
        if name != "_item" and table[name][one].as_py() != table[name][other].as_py()
    ]


def _conflict(batch: FactBatch, row: int, key: str, differing: Sequence[str]) -> Reject:
    return Reject(
        batch.table["_item"][row].as_py(),
        f"{batch.schema.key[0]} {key} appears twice in one record with differing "
        + ", ".join(differing),
        "give each request its own id",
        fact=batch.schema.name,
    )


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    gone = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (gone.days * 86_400 + gone.seconds) * 1_000_000 + gone.microseconds


_SKIPPED = b"meterstone.skipped"


def with_skipped(batch: FactBatch, count: int) -> FactBatch:
    """The batch with a note of how many parts of the record were left out because they are no
    fact (an internal span), which is no error."""
    if count:
        batch.table = batch.table.replace_schema_metadata({_SKIPPED: str(count).encode()})
    return batch


def skipped(batch: FactBatch) -> int:
    """How many parts `with_skipped` noted."""
    return int((batch.table.schema.metadata or {}).get(_SKIPPED, 0))


def slices(batch: FactBatch) -> Iterator[Mapped]:
    """A batch of any length in batches of at most `ROWS`; the rejects and the
    count of what was skipped go with the first."""
    rejects = batch.rejects
    for start in range(0, max(batch.table.num_rows, 1), ROWS):
        table = batch.table.slice(start, ROWS)
        note = table.schema.metadata if start == 0 else None
        yield FactBatch(batch.schema, table.replace_schema_metadata(note), rejects)
        rejects = []


def taken(values: Sequence[Any], kind: pa.DataType, indices: npt.NDArray[np.intp]) -> pa.Array:
    """One value a row out of few distinct ones."""
    return pc.take(pa.array(values, kind), pa.array(indices))
