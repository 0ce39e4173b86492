"""OTLP spans to rows of `api_request`, the same for JSON and protobuf bodies.

A span costs a few dictionary look-ups: every distinct combination of resource, kind, status and
attributes is read once (`Combinations`), and a span only remembers the number of its
combination, its ids and its two times. All else is done on whole columns at the end.

Conventions: https://opentelemetry.io/docs/specs/semconv/http/http-spans/ (stable names) and the
names before version 1.20 (``http.method`` …). A table of both is in ``docs/formats.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterstone.errors import suggest
from meterstone.facts import CLOCK_TOLERANCE, EARLIEST, FactBatch, Reject, from_columns
from meterstone.record.model import LandedRecord, Mapped
from meterstone.record.request_rows import (
    OTHER_METHOD,
    SUCCESS,
    Meaning,
    api_request,
    api_version_of,
    group_of,
    host_of,
    meaning,
    method_of,
    micros,
    settled,
    shortened,
    slices,
    taken,
    template,
    with_skipped,
)

SERVER, CLIENT = 2, 3
"""Span kinds that carry a request."""
ERROR = 2
"""Status code of a failed span."""
SKIPPED = -1
"""Number of the combination of a span that is no HTTP request."""
ASKS_PATH = -2
"""Number of the combination of a request that names a path, but no route."""
PATH = 1
"""Number of any path among the attributes."""

UNKNOWN_ENDPOINT = "(unknown)"
"""Endpoint of a span that names neither a route nor a path."""

_VENDORS = {
    "square": "square",
    "clover": "clover",
    "quickbooks": "quickbooks",
    "intuit": "quickbooks",
    "salesforce": "salesforce",
    "franconnect": "franconnect",
    "fransmart": "fransmart",
    "ifpg": "ifpg",
    "tableau": "tableau",
    "powerbi": "powerbi",
}
_TEXT_LIMIT = 1000
"""Characters kept of a name that the sender chose."""
_HOST_LIMIT = 253
"""Characters of a host name at most."""
_CONNECTION_WORDS = (
    "connect", "unknownhost", "name_resolution", "name_not_resolved", "dns", "gaierror", "ssl",
    "tls", "reset", "refused", "unreachable", "socket", "eof", "broken", "remoteprotocol",
)  # fmt: skip


class _Attribute(NamedTuple):
    """What an attribute of interest says: ``name`` is ours, ``value`` already normalised."""

    name: str
    value: Any


_NOTHING = _Attribute("", None)
_HAS_PATH = _Attribute("has_path", True)
_OWN = ("franchise_id", "developer_id")
"""What may be different for nearly every span."""


class _Resource(NamedTuple):
    """What the resource of a span says."""

    integration: str | None
    franchise_id: str | None
    environment: str
    source_ref: str | None


class _Row(NamedTuple):
    """Columns of `api_request` that a combination decides."""

    direction: str
    endpoint_group: str
    endpoint: str
    method: str
    api_version: str | None
    status_code: int | None
    outcome: str
    fault: str
    error_class: str
    cause_key: str | None
    attempts: int
    consumer: str
    developer_id: str | None
    integration: str | None
    franchise_id: str | None
    environment: str
    synthetic: bool
    source_ref: str | None


class Combinations:
    """Numbers for what spans say, so that equal things are read once.

    A combination is the resource, kind, status and attributes of a span. It is resolved in two
    steps, because it may name its franchise: the few combinations without it decide the `_Row`.
    """

    def __init__(self, context: Mapping[str, str]) -> None:
        self._context = context
        self._resources: dict[_Resource, int] = {}
        self._numbers: dict[_Attribute, int] = {_HAS_PATH: PATH}
        self._attributes: list[_Attribute] = [_NOTHING, _HAS_PATH]
        self._row_numbers: dict[tuple[int, ...], int] = {}
        self._rows: list[_Row] = []
        self._refused: list[str] = []
        self._own: list[_Attribute] = [_NOTHING]
        self._found: list[tuple[int, list[int]]] = []

    def resource(self, attributes: Mapping[str, Any]) -> int:
        """Number of a resource."""
        read = _Resource(
            _text(attributes.get("meterstone.integration")),
            _text(attributes.get("meterstone.franchise_id")),
            environment_of(
                _text(attributes.get("deployment.environment.name"))
                or _text(attributes.get("deployment.environment"))
            ),
            _text(attributes.get("service.name")),
        )
        return self._resources.setdefault(read, len(self._resources))

    def attribute(self, key: str, value: Any) -> int:
        """Number of a span attribute; 0 when the facts do not need it, negative when it does not
        decide the row (`_OWN`).

        A path is only said to be there (`PATH`): it is different for nearly every span, and is
        needed only where no route is named.
        """
        reader = READERS.get(key)
        if reader is None or value is None:
            return 0
        return PATH if reader is _PATH else self._number(_read(reader, key, value))

    def path(self, value: Any) -> int:
        """Number of the route template of a path, for a combination that is `ASKS_PATH`."""
        return self._number(_read(_PATH, "url.path", value))

    def find(self, resource: int, kind: int, failed: int, numbers: Sequence[int]) -> int:
        """Number of a combination: at least 0 a request; `SKIPPED` none; `ASKS_PATH` when the path
        must be among the numbers; below that refused (`why`)."""
        key = (resource, kind, failed, *[n for n in numbers if n > 0])
        row = self._row_numbers.get(key)
        if row is None:
            row = self._row_numbers[key] = self._new_row(key)
        if row < 0:
            return row
        self._found.append((row, [n for n in numbers if n < 0]))
        return len(self._found) - 1

    def why(self, number: int) -> str:
        """The reason of a refused combination."""
        return self._refused[ASKS_PATH - 1 - number]

    def columns(self, which: npt.NDArray[np.intp]) -> dict[str, pa.Array]:
        """Columns of `api_request` for one combination a row."""
        rows = np.array([row for row, _ in self._found], np.intp)[which]
        columns = {
            name: taken([row[place] for row in self._rows], _ARROW.get(name, pa.string()), rows)
            for place, name in enumerate(_Row._fields)
        }
        for name, values in self._own_values().items():
            columns[name] = taken(values, pa.string(), which)
        return columns

    def _own_values(self) -> dict[str, list[str | None]]:
        """What each combination says of its own, else what its row says."""
        values = {name: [getattr(self._rows[row], name) for row, _ in self._found] for name in _OWN}
        for place, (_, numbers) in enumerate(self._found):
            for number in numbers:
                name, value = self._own[-number]
                values[name][place] = value
        return values

    def _number(self, said: _Attribute) -> int:
        if said.value is None:
            return 0
        number = self._numbers.get(said, 0)
        if not number:
            own = said.name in _OWN
            listed = self._own if own else self._attributes
            number = self._numbers[said] = -len(listed) if own else len(listed)
            listed.append(said)
        return number

    def _new_row(self, key: tuple[int, ...]) -> int:
        resource, kind, failed, *numbers = key
        said: dict[str, Any] = {}
        for number in numbers:
            said.setdefault(*self._attributes[number])
        if said.keys().isdisjoint(("method", "status", "wrong")):
            return SKIPPED
        if _HAS_PATH.name in said and said.keys().isdisjoint(("route", "path", "wrong")):
            return ASKS_PATH
        try:
            where = list(self._resources)[resource]
            self._rows.append(_row(said, where, self._context, kind, bool(failed)))
        except ValueError as error:
            self._refused.append(str(error))
            return ASKS_PATH - len(self._refused)
        return len(self._rows) - 1


class Spans:
    """Collects the spans of one landed record as columns and turns them into facts.

    Args:
        record: where they stand; its context may set ``integration`` and ``franchise_id`` for
            spans that do not say.
    """

    def __init__(self, record: LandedRecord) -> None:
        self._received_at = record.received_at
        self.combinations = Combinations(record.context)
        self.skipped = 0
        self.rejects: list[Reject] = []
        self.places: list[int] = []
        self.traces: list[bytes] = []
        self.spans: list[bytes] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.found: list[int] = []

    def leave_out(self, place: int, number: int) -> None:
        """A span whose combination is no request, or a wrong one."""
        if number == SKIPPED:
            self.skipped += 1
        else:
            self._refuse(place, self.combinations.why(number), "correct the instrumentation")

    def facts(self) -> Iterator[Mapped]:
        """What the spans are, in batches; the count of the others goes with the first."""
        self._drop(self._wrong_ids())
        self._drop(self._wrong_times())
        batch = with_skipped(settled(self._batch()), self.skipped)
        if batch.table.num_rows or batch.rejects or self.skipped:
            yield from slices(batch)

    def _refuse(self, place: int, reason: str, mend: str) -> None:
        self.rejects.append(Reject(place, f"span {place}: {reason}", mend, fact="api_request"))

    def _wrong_ids(self) -> dict[int, tuple[str, str]]:
        whole = set(map(len, self.traces)) <= {16} and set(map(len, self.spans)) <= {8}
        if whole and bytes(16) not in self.traces and bytes(8) not in self.spans:
            return {}
        return {
            row: _wrong_id(trace, span)
            for row, (trace, span) in enumerate(zip(self.traces, self.spans, strict=True))
            if len(trace) != 16 or len(span) != 8 or not any(trace) or not any(span)
        }

    def _wrong_times(self) -> dict[int, tuple[str, str]]:
        starts, ends = self._times()
        low = micros(EARLIEST)
        high = micros(self._received_at + CLOCK_TOLERANCE)
        begun = starts // 1000
        wrong = (begun < low) | (begun > high) | (ends < starts)
        return {
            int(row): _wrong_time(int(starts[row]), int(ends[row]), high)
            for row in np.flatnonzero(wrong)
        }

    def _times(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        return np.array(self.starts, np.uint64), np.array(self.ends, np.uint64)

    def _drop(self, wrong: Mapping[int, tuple[str, str]]) -> None:
        if not wrong:
            return
        for row, (reason, mend) in wrong.items():
            self._refuse(self.places[row], reason, mend)
        columns: list[list[Any]] = [
            self.places, self.traces, self.spans, self.starts, self.ends, self.found
        ]  # fmt: skip
        for column in columns:
            column[:] = [value for row, value in enumerate(column) if row not in wrong]

    def _batch(self) -> FactBatch:
        starts, ends = self._times()
        columns: dict[str, Any] = {
            "request_id": hex_column(self.traces, self.spans),
            "at": pa.array((starts // 1000).astype(np.int64)).cast(pa.timestamp("us")),
            "duration_ms": pa.array((ends - starts).astype(np.float64) / 1e6),
            "count": 1,
            **self.combinations.columns(np.array(self.found, np.intp)),
        }
        batch = from_columns(api_request(), columns, self.places, source="otlp")
        batch.rejects = self.rejects
        return batch


_ARROW = {"status_code": pa.int64(), "attempts": pa.int64(), "synthetic": pa.bool_()}
_HEX = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)


def hex_column(traces: Sequence[bytes], spans: Sequence[bytes]) -> pa.Array:
    """Trace id and span id of each row as 48 hex digits."""
    count = len(traces)
    raw = np.empty((count, 24), np.uint8)
    raw[:, :16] = np.frombuffer(b"".join(traces), np.uint8).reshape(count, 16)
    raw[:, 16:] = np.frombuffer(b"".join(spans), np.uint8).reshape(count, 8)
    digits = pa.py_buffer(_HEX[raw].tobytes())
    ends = pa.py_buffer(np.arange(0, 48 * count + 1, 48, dtype=np.int32).tobytes())
    return pa.StringArray.from_buffers(count, ends, digits)


def _wrong_id(trace: bytes, span: bytes) -> tuple[str, str]:
    return (
        f"trace id {trace.hex()!r} and span id {span.hex()!r} are not 16 and 8 bytes",
        "send traces (not metrics or logs), ids as hex digits in JSON",
    )


def _wrong_time(start: int, end: int, latest: int) -> tuple[str, str]:
    if start // 1000 > latest:
        what = f"the span starts at {_shown(start)}, in the future"
    elif start // 1000 < micros(EARLIEST):
        what = f"the span starts at {_shown(start)}: a clock that was never set"
    else:
        what = f"the span ends at {_shown(end)}, before it starts at {_shown(start)}"
    return what, "set the sender's clock; times are nanoseconds since 1970, UTC"


def _shown(nanos: int) -> str:
    return f"{datetime.fromtimestamp(nanos // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _row(
    said: Mapping[str, Any],
    resource: _Resource,
    context: Mapping[str, str],
    kind: int,
    failed: bool,
) -> _Row:
    """Columns of a combination.

    Raises:
        ValueError: it is an HTTP request, but what it says is wrong or not enough.
    """
    if "wrong" in said:
        raise ValueError(said["wrong"])
    direction = "inbound" if kind == SERVER else "outbound"
    how = _meaning(said, direction, failed)
    host, path = said.get("url", (None, None))
    endpoint = said.get("route") or said.get("path") or path or UNKNOWN_ENDPOINT
    vendor = (said.get("vendor") or host) if kind == CLIENT else None
    return _Row(
        direction=direction,
        endpoint_group=said.get("endpoint_group") or group_of(endpoint),
        endpoint=endpoint,
        method=said.get("method", OTHER_METHOD),
        api_version=said.get("api_version") or api_version_of(endpoint),
        status_code=said.get("status"),
        outcome=how.outcome,
        fault=how.fault,
        error_class=how.error_class,
        cause_key=said.get("cause_key"),
        attempts=1 + said.get("resent", 0),
        consumer=said.get("consumer", "internal"),
        developer_id=said.get("developer_id"),
        integration=said.get("integration")
        or resource.integration
        or vendor
        or context.get("integration"),
        franchise_id=said.get("franchise_id")
        or resource.franchise_id
        or context.get("franchise_id"),
        environment=resource.environment,
        synthetic=said.get("synthetic", False),
        source_ref=resource.source_ref,
    )


def _meaning(said: Mapping[str, Any], direction: str, failed: bool) -> Meaning:
    status, error = said.get("status"), said.get("error")
    if status is not None:
        how = meaning(status, direction)
        if how is not SUCCESS or not failed:
            return how
    elif not failed and not error:
        raise ValueError(
            "has neither http.response.status_code nor an error, so that its outcome is not known"
        )
    error_class = error or "other"
    reached = error_class not in ("timeout", "connection")
    return Meaning("error", "hub" if direction == "inbound" or reached else "provider", error_class)


@lru_cache(maxsize=1024)
def environment_of(name: str | None) -> str:
    """``production`` when nothing is said or the name says so; a name nobody knows does not count
    as production."""
    word = str(name or "production").lower()
    if any(part in word for part in ("stag", "preprod", "pre-prod", "uat")):
        return "staging"
    if "non" not in word and any(part in word for part in ("prod", "prd", "live")):
        return "production"
    return "test"


@lru_cache(maxsize=4096)
def vendor_of(host: str) -> str | None:
    """The integration that a host name tells, when it contains the name of a known vendor."""
    lower = host.lower()
    return next((name for word, name in _VENDORS.items() if word in lower), None)


def _error_class(kind: str) -> str:
    """Class of an ``error.type``: the name of an exception, or a status code as text."""
    word = kind.lower()
    if "timeout" in word or "timedout" in word or "deadline" in word:
        return "timeout"
    if any(part in word for part in _CONNECTION_WORDS):
        return "connection"
    return "other"


def _status(value: Any) -> int:
    status = int(value)
    meaning(status, "inbound")
    return status


def _choice(column: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        allowed = list(api_request().columns[column].allowed)
        if value not in allowed:
            raise ValueError(f"{value!r} is not one of its values, {suggest(str(value), allowed)}")
        return str(value)

    return read


def _count(value: Any) -> int:
    count = int(value)
    if not 0 <= count < 1_000_000:
        raise ValueError("not a count")
    return count


def _route(value: Any) -> str:
    return shortened(str(value))


def _path(value: Any) -> str:
    return template(str(value))


def _url(value: Any) -> tuple[str | None, str]:
    """Vendor by the host, and route template by the path."""
    return vendor_of(host_of(str(value))[:_HOST_LIMIT]), template(str(value))


def _host(value: Any) -> str | None:
    return vendor_of(str(value)[:_HOST_LIMIT])


Reader = tuple[str, Callable[[Any], Any]]
_PATH: Reader = ("path", _path)
READERS: Mapping[str, Reader] = {
    "http.request.method": ("method", lambda value: method_of(str(value))),
    "http.method": ("method", lambda value: method_of(str(value))),
    "http.response.status_code": ("status", _status),
    "http.status_code": ("status", _status),
    "http.route": ("route", _route),
    "url.template": ("route", _route),
    "url.path": _PATH,
    "http.target": _PATH,
    "url.full": ("url", _url),
    "http.url": ("url", _url),
    "server.address": ("vendor", _host),
    "net.peer.name": ("vendor", _host),
    "peer.service": ("vendor", _host),
    "error.type": ("error", lambda value: _error_class(str(value))),
    "http.request.resend_count": ("resent", _count),
    # Its other value, bot, is traffic of somebody else's robot, which is served like any.
    "user_agent.synthetic.type": ("synthetic", lambda value: True if value == "test" else None),
    "meterstone.synthetic": ("synthetic", lambda value: str(value).lower() == "true"),
    "meterstone.integration": ("integration", str),
    "meterstone.franchise_id": ("franchise_id", str),
    "meterstone.endpoint_group": ("endpoint_group", _choice("endpoint_group")),
    "meterstone.consumer": ("consumer", _choice("consumer")),
    "meterstone.developer_id": ("developer_id", str),
    "meterstone.cause_key": ("cause_key", str),
    "meterstone.api_version": ("api_version", str),
}
"""Attributes that are read: our name of what they say, and how the value is normalised."""
PATHS = frozenset(key for key, reader in READERS.items() if reader is _PATH)
"""Attributes that `Combinations.path` takes."""


def _read(reader: Reader, key: str, value: Any) -> _Attribute:
    name, normalise = reader
    try:
        return _Attribute(name, normalise(value))
    except (ValueError, TypeError, OverflowError) as error:
        return _Attribute("wrong", f"{key} is {value!r}: {error}")


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)[:_TEXT_LIMIT]
