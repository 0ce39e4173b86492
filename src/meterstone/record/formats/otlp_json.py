"""OTLP trace exports as JSON: bodies of ``POST /v1/traces``, and files with one request a line.

Wire format: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Unknown fields are
ignored as it demands. Read more liberally than it demands, as collectors do: names of enum values
beside their numbers, numbers beside strings for 64-bit integers, ids in either case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from meterstone.errors import FormatError
from meterstone.facts import Reject, excerpt
from meterstone.record.lines import BOM, Piece, bodies, numbered, read_lines, whole
from meterstone.record.model import Format, LandedRecord, Mapped
from meterstone.record.spans import (
    ASKS_PATH,
    CLIENT,
    ERROR,
    PATHS,
    READERS,
    SERVER,
    Combinations,
    Spans,
)

_MEND = 'send {"resourceSpans": [...]} as the OTLP/JSON encoding says, one request a line'


class _Value(msgspec.Struct, gc=False):
    string: str | None = msgspec.field(default=None, name="stringValue")
    integer: int | str | None = msgspec.field(default=None, name="intValue")
    double: float | str | None = msgspec.field(default=None, name="doubleValue")
    boolean: bool | None = msgspec.field(default=None, name="boolValue")


class _KeyValue(msgspec.Struct, gc=False):
    key: str = ""
    value: _Value | None = None


class _Status(msgspec.Struct, gc=False):
    code: int | str = 0


class _Span(msgspec.Struct, gc=False, rename="camel"):
    trace_id: str = ""
    span_id: str = ""
    kind: int | str = 0
    start_time_unix_nano: int | str = 0
    end_time_unix_nano: int | str = 0
    attributes: list[_KeyValue] | None = None
    status: _Status | None = None


class _Scope(msgspec.Struct, gc=False):
    spans: list[_Span] | None = None


class _Resource(msgspec.Struct, gc=False):
    attributes: list[_KeyValue] | None = None


class _Group(msgspec.Struct, gc=False, rename="camel"):
    resource: _Resource | None = None
    scope_spans: list[_Scope] | None = None


class _Request(msgspec.Struct, gc=False, rename="camel"):
    resource_spans: list[_Group] | None = None
    resource_metrics: msgspec.Raw = msgspec.Raw()
    resource_logs: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Request).decode


def check(body: bytes) -> None:
    """See that a body of ``POST /v1/traces`` can be read, before it is acknowledged.

    Raises:
        FormatError: it is not JSON, or not of the shape of a trace export.
    """
    _parse(body)


def _parse(body: bytes) -> _Request:
    try:
        request = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"not an OTLP/JSON trace export: {error}", mend=_MEND) from None
    other = "metrics" if request.resource_metrics else "logs" if request.resource_logs else ""
    if other and request.resource_spans is None:
        raise FormatError(f"an export of {other}, not of traces", mend=_MEND)
    return request


def _map(record: LandedRecord) -> Iterator[Mapped]:
    spans = Spans(record)
    place = 0
    for number, part in _requests(record.body):
        try:
            place = _collect(spans, _parse(part), place)
        except FormatError as error:
            yield Reject(number, f"line {number}: {error.cause}", error.mend, excerpt(part))
    yield from spans.facts()


def _requests(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The requests of a body with the line where each begins: one a line when the first line is
    one, else the whole body is one (pretty-printed)."""
    first = next(numbered(body), None)
    if first is None:
        return
    if _is_json(first[1]):
        yield from numbered(body)
    else:
        yield first[0], body.removeprefix(BOM)


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _collect(spans: Spans, request: _Request, place: int) -> int:
    """Takes the columns out of a request; gives the place of its last span."""
    known = spans.combinations
    numbers: dict[tuple[int, ...], int] = {}
    for group in request.resource_spans or ():
        where = known.resource(_plain(group.resource.attributes) if group.resource else {})
        for span in chain.from_iterable(scope.spans or () for scope in group.scope_spans or ()):
            place += 1
            kind = _KINDS.get(span.kind)
            if kind is None:
                spans.skipped += 1
                continue
            failed = span.status is not None and span.status.code in _ERRORS
            said = [
                known.attribute(pair.key, _value(pair.value)) if pair.key in READERS else 0
                for pair in span.attributes or ()
            ]
            key = (where, kind, failed, *said)
            number = numbers.get(key)
            if number is None:
                number = numbers[key] = known.find(where, kind, failed, said)
            if number == ASKS_PATH:
                number = known.find(where, kind, failed, [*said, _path(known, span)])
            if number < 0:
                spans.leave_out(place, number)
            else:
                _add(spans, span, place, number)
    return place


def _path(known: Combinations, span: _Span) -> int:
    value = next((p.value for p in span.attributes or () if p.key in PATHS), None)
    return known.path(_value(value))


def _add(spans: Spans, span: _Span, place: int, number: int) -> None:
    spans.places.append(place)
    spans.traces.append(_bytes(span.trace_id))
    spans.spans.append(_bytes(span.span_id))
    spans.starts.append(_nanos(span.start_time_unix_nano))
    spans.ends.append(_nanos(span.end_time_unix_nano))
    spans.found.append(number)


_KINDS: dict[int | str, int] = {
    SERVER: SERVER,
    CLIENT: CLIENT,
    "SPAN_KIND_SERVER": SERVER,
    "SPAN_KIND_CLIENT": CLIENT,
}
_ERRORS = frozenset((ERROR, "STATUS_CODE_ERROR"))


def _plain(attributes: list[_KeyValue] | None) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes or ()}


def _value(value: _Value | None) -> Any:
    if value is None:
        return None
    if value.string is not None:
        return value.string
    if value.integer is not None:
        return _integer(value.integer)
    return value.boolean if value.double is None else value.double


def _integer(value: int | str) -> int | str:
    """64-bit integers come as decimal strings; what is none stays as it came, to be named."""
    try:
        return int(value)
    except ValueError:
        return value


def _bytes(digits: str) -> bytes:
    """Bytes of a hex id; b'' (which is refused later, with its place) when it is none."""
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""


def _nanos(value: int | str) -> int:
    """Nanoseconds; 0 (which is refused later, with its place) when it is no time."""
    try:
        nanos = int(value)
    except ValueError:
        return 0
    return nanos if 0 <= nanos < 1 << 64 else 0


_BEGIN = re.compile(rb'\s*\{.*?"resourceSpans"\s*:', re.DOTALL)


def _detect(_path: Path, head: bytes) -> bool:
    return _BEGIN.match(head.removeprefix(BOM)) is not None


def _split(stream: BinaryIO) -> Iterator[Piece]:
    lines = read_lines(stream)
    first = next(lines, b"")
    again = chain([first], lines)
    if isinstance(first, bytes) and not _is_json(first):
        yield from whole(again)
    else:
        yield from bodies(again, window=0)


FORMAT = Format(
    name="otlp_json",
    title="OTLP traces as JSON (HTTP body, or a file with one request a line)",
    media_type="application/json",
    detect=_detect,
    map=_map,
    split=_split,
)
