"""OTLP trace exports as protobuf: bodies of ``POST /v1/traces`` and files of the collector.

Wire format: https://opentelemetry.io/docs/specs/otlp/ (`ExportTraceServiceRequest`).

The bytes are parsed by protobuf's own parser with a *projection* of opentelemetry-proto's messages:
the same field numbers, but attributes, resource and status stay bytes. Equal bytes are then read
once, by opentelemetry-proto, and looked up afterwards, which is several times as fast as walking
every span through Python objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from meterstone.errors import FormatError
from meterstone.facts import Reject, excerpt
from meterstone.record.lines import (
    BODY_TARGET,
    DOCUMENT_LIMIT,
    MIB,
    Piece,
    read_chunks,
    whole,
)
from meterstone.record.model import Format, LandedRecord, Mapped
from meterstone.record.spans import (
    ASKS_PATH,
    CLIENT,
    ERROR,
    PATH,
    PATHS,
    READERS,
    SERVER,
    Combinations,
    Spans,
)

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "meterstone.otlp"
_MEND = "send an ExportTraceServiceRequest, serialized by an OTLP exporter, uncompressed or gzip"


def _projection() -> Any:
    """The message class of a request whose spans keep attributes and status as bytes."""
    file = descriptor_pb2.FileDescriptorProto(
        name="meterstone/otlp.proto", package=_PACKAGE, syntax="proto3"
    )
    _message(file, ExportTraceServiceRequest, {"resource_spans": ".ResourceSpans"})
    _message(file, ResourceSpans, {"resource": None, "scope_spans": ".ScopeSpans"})
    _message(file, ScopeSpans, {"spans": ".Span"})
    _message(file, Span, dict.fromkeys((
        "trace_id", "span_id", "kind", "start_time_unix_nano", "end_time_unix_nano",
        "attributes", "status",
    )))  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    name = f"{_PACKAGE}.ExportTraceServiceRequest"
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def _message(
    file: descriptor_pb2.FileDescriptorProto, like: Any, fields: dict[str, str | None]
) -> None:
    """A message with some fields of another; those that hold messages are bytes, unless a type of
    the projection is named for them."""
    message = file.message_type.add(name=like.DESCRIPTOR.name)
    for name, projected in fields.items():
        original = like.DESCRIPTOR.fields_by_name[name]
        field = message.field.add(
            name=name,
            number=original.number,
            type=original.type,
            label=_Field.LABEL_REPEATED if original.is_repeated else _Field.LABEL_OPTIONAL,
        )
        if projected:
            field.type_name = f".{_PACKAGE}{projected}"
        elif original.type == _Field.TYPE_MESSAGE:
            field.type = _Field.TYPE_BYTES
        elif original.type == _Field.TYPE_ENUM:
            field.type = _Field.TYPE_INT32


_Request = _projection()


def check(body: bytes) -> None:
    """See that a body of ``POST /v1/traces`` can be parsed, before it is acknowledged.

    Raises:
        FormatError: it is no protobuf message.
    """
    _parse(body)


def _parse(body: bytes) -> Any:
    try:
        return _Request.FromString(body)
    except DecodeError:
        raise FormatError(
            f"{len(body):,} bytes that are no OTLP protobuf message (they begin with "
            f"{body[:12]!r})",
            mend=_MEND,
        ) from None


def _map(record: LandedRecord) -> Iterator[Mapped]:
    spans = Spans(record)
    try:
        _collect(spans, _parse(record.body))
    except (FormatError, DecodeError) as error:
        cause = error.cause if isinstance(error, FormatError) else f"a part is damaged: {error}"
        yield Reject(0, cause, _MEND, excerpt(record.body[:60]))
        return
    yield from spans.facts()


def _collect(spans: Spans, request: Any) -> None:
    """Takes the columns out of a parsed request: the one loop here that runs for every span."""
    known = spans.combinations
    attribute = _Known(partial(_attribute, known)).__getitem__
    resource = _Known(lambda raw: known.resource(_plain_resource(raw))).__getitem__
    failed = _Known(lambda raw: Status.FromString(raw).code == ERROR).__getitem__
    numbers: dict[tuple[int, ...], int] = {}
    places, traces, ids = spans.places.append, spans.traces.append, spans.spans.append
    starts, ends, found = spans.starts.append, spans.ends.append, spans.found.append
    place = 0
    for group in request.resource_spans:
        where = resource(group.resource)
        for span in chain.from_iterable(scope.spans for scope in group.scope_spans):
            place += 1
            kind = span.kind
            if kind != SERVER and kind != CLIENT:  # noqa: PLR1714  # faster than `in`, every span
                spans.skipped += 1
                continue
            fault = failed(span.status)
            key = (where, kind, fault, *map(attribute, span.attributes))
            number = numbers.get(key)
            if number is None:
                number = numbers[key] = known.find(where, kind, fault, key[3:])
            if number == ASKS_PATH:
                path = _path(known, span.attributes)
                number = known.find(where, kind, fault, (*key[3:], path))
            if number < 0:
                spans.leave_out(place, number)
                continue
            places(place)
            traces(span.trace_id)
            ids(span.span_id)
            starts(span.start_time_unix_nano)
            ends(span.end_time_unix_nano)
            found(number)


class _Known(dict[bytes, Any]):
    """What raw bytes mean, read once: a look-up in C but for the first time."""

    def __init__(self, read: Callable[[bytes], Any]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, raw: bytes) -> Any:
        found = self[raw] = self._read(raw)
        return found


_WANTED = frozenset(key.encode() for key in READERS)
_PATHS = frozenset(key.encode() for key in PATHS)


def _attribute(known: Combinations, raw: bytes) -> int:
    # What the facts do not need is passed over without parsing its value.
    name = _name(raw)
    if name in _PATHS:
        return PATH
    if name and name not in _WANTED:
        return 0
    pair = KeyValue.FromString(raw)
    return known.attribute(pair.key, _plain(pair.value))


def _path(known: Combinations, attributes: Iterable[bytes]) -> int:
    for raw in attributes:
        pair = KeyValue.FromString(raw) if _name(raw) in _PATHS else None
        if pair:
            return known.path(_plain(pair.value))
    return 0


def _name(raw: bytes) -> bytes:
    """The key of a serialized attribute when it stands first, as encoders write it (tag 0x0a, its
    length, the key); else b''."""
    return raw[2 : 2 + raw[1]] if raw[:1] == b"\n" and raw[1:2] < b"\x80" else b""


def _plain_resource(raw: bytes) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in Resource.FromString(raw).attributes}


def _plain(value: AnyValue) -> Any:
    """The value of an attribute; None for lists, maps and bytes, which no column takes."""
    which = value.WhichOneof("value")
    if which in ("string_value", "int_value", "double_value", "bool_value"):
        return getattr(value, which)
    return None


def _detect(_path: Path, head: bytes) -> bool:
    return _is_request(head) or _is_request(head[4:])


def _is_request(head: bytes) -> bool:
    """Does this begin with a request whose first span has a trace id of 16 bytes?

    Follows the first resource, scope and span: the head may end in the middle of the message, so
    that it cannot be parsed.
    """
    try:
        at = _enter(head, 0, 1)  # ResourceSpans
        at = _enter(head, _pass_over(head, at, 1), 2)  # ScopeSpans
        at = _enter(head, _pass_over(head, at, 1), 2)  # Span
        at = _enter(head, at, 1)  # trace_id
    except (IndexError, ValueError):
        return False
    return head[at - 1] == 16


def _enter(head: bytes, at: int, field: int) -> int:
    """Where the content of a length-delimited field begins; ValueError when another field stands
    here."""
    if head[at] != field << 3 | 2:
        raise ValueError(field)
    at += 1
    while head[at] & 0x80:
        at += 1
    return at + 1


def _pass_over(head: bytes, at: int, field: int) -> int:
    """Behind a length-delimited field, or ``at`` when it does not stand here."""
    if head[at] != field << 3 | 2:
        return at
    start = _enter(head, at, field)
    length = 0
    for shift, byte in enumerate(head[at + 1 : start]):
        length |= (byte & 0x7F) << (7 * shift)
    return start + length


def _split(stream: BinaryIO) -> Iterator[Piece]:
    chunks = read_chunks(stream)
    first = next(chunks, b"")
    again = chain([first], chunks)
    if isinstance(first, bytes) and not _is_request(first) and _is_request(first[4:]):
        yield from _frames(again)
    else:
        yield from whole(again)


def _frames(chunks: Iterable[Piece]) -> Iterator[Piece]:
    """Messages that each follow their length in 4 bytes (the collector's file exporter), several
    in one body: protobuf messages one after the other are one message with all their parts."""
    buffer, body, place = b"", b"", 0
    for chunk in chunks:
        if isinstance(chunk, Reject):
            yield from filter(None, [body])
            yield chunk
            return
        buffer += chunk
        while len(buffer) >= 4 and len(buffer) >= 4 + (size := int.from_bytes(buffer[:4], "big")):
            place += 1
            body, buffer = body + buffer[4 : 4 + size], buffer[4 + size :]
            if len(body) >= BODY_TARGET:
                yield body
                body = b""
        if len(buffer) > DOCUMENT_LIMIT + 4:
            break
    yield from filter(None, [body])
    if buffer:
        yield _broken_frame(place + 1, buffer)


def _broken_frame(place: int, buffer: bytes) -> Reject:
    size = int.from_bytes(buffer[:4], "big")
    return Reject(
        place,
        f"message {place} says that it has {size:,} bytes; {len(buffer) - 4:,} were read "
        f"(at most {DOCUMENT_LIMIT // MIB} MiB are)",
        "send the file again; the messages before are kept",
    )


FORMAT = Format(
    name="otlp_protobuf",
    title="OTLP traces as protobuf (HTTP body or file)",
    media_type="application/x-protobuf",
    detect=_detect,
    map=_map,
    split=_split,
)
