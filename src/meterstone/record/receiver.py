"""OTLP/HTTP and facts over HTTP. A 200 says that the bytes are on disk, in the landing log.

    POST /v1/traces   ExportTraceServiceRequest, protobuf or JSON
    POST /v1/facts    one fact a line (JSONL); the answer names each line that cannot be one
    GET  /healthz     the process lives
    GET  /readyz      what is sent is taken

Bodies may be compressed (gzip). The rules of OTLP/HTTP are those of
https://opentelemetry.io/docs/specs/otlp/#otlphttp. What is landed is mapped in the background.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

from anyio import CapacityLimiter, to_thread
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError, MeterstoneError, StorageError
from meterstone.facts import FactBatch, Reject
from meterstone.record.answers import (
    JSON,
    PROTOBUF,
    EncodingError,
    NoUsableLineError,
    OverloadError,
    problem,
    rpc_status,
    status_of,
)
from meterstone.record.bodies import Intake, Limits, coding_of, decoded
from meterstone.record.formats import facts_jsonl, otlp_json, otlp_protobuf
from meterstone.record.mapper import MapperThread
from meterstone.record.model import Format, Incoming, LandedRecord, Receipt
from meterstone.record.recorder import Recorder, map_record, rejects_in
from meterstone.record.serving import ended_by_signals, listening, run, served_at

_LOG = logging.getLogger(__name__)

PORT = 4318
"""Where OTLP/HTTP is expected by convention."""

TRACES, FACTS = "/v1/traces", "/v1/facts"

_SHUT_AFTER_REFUSAL_S = 10.0
"""How long the receiver says that it is not ready after the disk refused."""
_KEEPING_UP = 16
"""Records that may wait to be mapped while exports are still looked at before they are answered."""

Check = Callable[[bytes], None]
Prepare = Callable[[bytes], Incoming]


Refusal = Callable[[Request, MeterstoneError, HTTPStatus, Mapping[str, str]], Response]
"""How an address beside the ways in says no: to a program or to a person."""


def plain_refusal(
    _request: Request, error: MeterstoneError, status: HTTPStatus, headers: Mapping[str, str]
) -> Response:
    """Problem details, whoever asks."""
    return problem(error, status, headers)


def create_receiver(
    recorder: Recorder,
    limits: Limits | None = None,
    pages: Sequence[BaseRoute] = (),
    refusal: Refusal = plain_refusal,
) -> Starlette:
    """The application. Its lifespan runs the background mapping and drains it at the end.

    Args:
        recorder: lands and maps.
        limits: of bodies.
        pages: further routes to serve beside those of the receiver.
        refusal: how those say no.
    """
    receiver = _Receiver(recorder, limits or Limits())
    return Starlette(
        routes=[
            Route(TRACES, receiver.traces, methods=["POST"]),
            Route(FACTS, receiver.facts, methods=["POST"]),
            Route("/healthz", _healthz),
            Route("/readyz", receiver.readyz),
            *pages,
        ],
        lifespan=receiver.lifespan,
        exception_handlers=_refusals(refusal),
    )


class _Receiver:
    """The handlers and what they share."""

    def __init__(self, recorder: Recorder, limits: Limits) -> None:
        self._recorder = recorder
        self._limits = limits
        self._intake = Intake(limits)
        self._mapper = MapperThread(recorder)
        self._newest = 0
        self._refused_until = 0.0
        # unpacking and parsing need memory and a core each: more at once would not be faster
        self._workers = CapacityLimiter(max(2, os.cpu_count() or 1))

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._newest = self._recorder.log.last_seq()
        self._mapper.start()
        try:
            yield
        finally:
            await to_thread.run_sync(self._mapper.stop)

    async def traces(self, request: Request) -> Response:
        """OTLP: land an export that can be parsed, answer in its encoding.

        The answer counts the spans that cannot be facts, as long as the mapping keeps up. Under
        load it does not wait for that: mapping many records at once is cheaper, and the quarantine
        has those spans in any case.
        """
        media_type = _media_type(request)
        if media_type not in _OTLP:
            raise EncodingError(
                f"media type {media_type!r} is not OTLP", mend=f"send {PROTOBUF} or {JSON}"
            )
        form, check = _OTLP[media_type]
        preview = _Preview(form, TRACES, listed=1)
        look = self._backlog <= _KEEPING_UP
        await self._land(request, preview, partial(_traces, preview, check, look))
        return _export_response(preview, media_type)

    async def facts(self, request: Request) -> Response:
        """Facts: say of each line whether it can be one, land all of them as sent."""
        media_type = _media_type(request)
        if media_type not in _JSON_LINES:
            raise EncodingError(
                f"media type {media_type!r} is not JSON lines",
                mend="send application/x-ndjson, one JSON object a line",
            )
        preview = _Preview(facts_jsonl.FORMAT, FACTS, listed=self._limits.listed)
        receipt = await self._land(request, preview, partial(_facts, preview))
        return JSONResponse(
            {
                "accepted": preview.accepted,
                "rejected": [_shown(reject) for reject in preview.listed],
                "rejected_total": preview.rejected,
                "record": receipt.seq,
                "duplicate": receipt.duplicate,
            }
        )

    async def readyz(self, _request: Request) -> Response:
        """200 while bodies are taken, else 503; how far the mapping is behind, and why."""
        landing = time.monotonic() >= self._refused_until
        ready = landing and self._mapper.alive
        return JSONResponse(
            {
                "ready": ready,
                "landing": "ok" if landing else "the disk refuses",
                "mapping": self._mapper.state,
                "backlog": self._backlog,
            },
            HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    @property
    def _backlog(self) -> int:
        return max(0, self._newest - self._mapper.mapped_to)

    async def _land(self, request: Request, preview: _Preview, prepare: Prepare) -> Receipt:
        """Receive a body, prepare it off the event loop, and wait until it is on disk."""
        coding = coding_of(request)
        if self._backlog > self._limits.backlog:
            raise OverloadError(
                f"{self._backlog:,} records wait to be mapped", mend="send the request again later"
            )
        async with self._intake.body(request) as raw:
            future = await to_thread.run_sync(
                self._queue, raw, coding, prepare, limiter=self._workers
            )
            receipt = await self._committed(future)
        self._newest = max(self._newest, receipt.seq)
        if preview.holds_for(receipt):
            self._recorder.hand_over(receipt.seq, preview.batches)
        return receipt

    def _queue(self, raw: bytes, coding: str, prepare: Prepare) -> Future[Receipt]:
        return self._recorder.log.land_soon(prepare(decoded(raw, coding, self._limits.body)))

    async def _committed(self, future: Future[Receipt]) -> Receipt:
        try:
            return await asyncio.wrap_future(future)
        except StorageError as error:
            if time.monotonic() >= self._refused_until:
                _LOG.warning("landing is refused: %s", error.cause)
            self._refused_until = time.monotonic() + _SHUT_AFTER_REFUSAL_S
            raise


_OTLP: Mapping[str, tuple[Format, Check]] = {
    PROTOBUF: (otlp_protobuf.FORMAT, otlp_protobuf.check),
    JSON: (otlp_json.FORMAT, otlp_json.check),
}
"""Media type of a trace export to the format that reads it."""

_JSON_LINES = frozenset(
    ("application/x-ndjson", "application/jsonl", "application/x-jsonlines", JSON, "text/plain", "")
)


class _Preview:
    """A body mapped before it is acknowledged, so that the answer says what is wrong with it. The
    facts are kept for the recorder, which so need not map them again.

    Args:
        form: how to map it.
        path: where it was sent to.
        listed: rejects to keep for the answer; all are counted.
    """

    def __init__(self, form: Format, path: str, *, listed: int) -> None:
        self._form = form
        self._path = path
        self._limit = listed
        self._at: datetime | None = None
        self.batches: list[FactBatch] = []
        self.rejected = 0
        self.listed: list[Reject] = []

    @property
    def accepted(self) -> int:
        """Rows that are facts, known ones included."""
        return sum(batch.table.num_rows for batch in self.batches)

    def incoming(self, body: bytes) -> Incoming:
        """The body, ready to land."""
        form = self._form
        return Incoming(body, form.name, form.media_type, "http", f"POST {self._path}")

    def look_at(self, incoming: Incoming) -> None:
        """Map it."""
        record = _provisional(incoming)
        self._at = record.received_at
        for mapped in map_record(record):
            rejects = rejects_in(mapped)
            self.rejected += len(rejects)
            self.listed += rejects[: self._limit - len(self.listed)]
            if isinstance(mapped, FactBatch):
                self.batches.append(mapped)

    def holds_for(self, receipt: Receipt) -> bool:
        """Are the facts those that the landed record gives, whenever it is mapped? Not when it
        came in earlier than it was looked at (sent before, or the clock stepped back): then a row
        may lie in its future."""
        seen_before = self._at is not None and self._at <= receipt.received_at
        return seen_before and not receipt.duplicate and not self.rejected


def _traces(preview: _Preview, check: Check, look: bool, body: bytes) -> Incoming:
    """A trace export; refused as a whole when it cannot be parsed."""
    check(body)
    incoming = preview.incoming(body)
    if look:
        preview.look_at(incoming)
    return incoming


def _facts(preview: _Preview, body: bytes) -> Incoming:
    """Lines of facts; refused as a whole when none of them can be one."""
    incoming = preview.incoming(body)
    preview.look_at(incoming)
    if not preview.accepted:
        raise NoUsableLineError(
            f"none of the {preview.rejected} lines can be a fact",
            mend="see `rejected`; a line is a JSON object with `fact` and its columns",
            rejected=[_shown(reject) for reject in preview.listed],
        )
    return incoming


def _shown(reject: Reject) -> dict[str, Any]:
    return {
        "line": reject.item,
        "reason": reject.reason,
        "mend": reject.mend,
        "fact": reject.fact,
    }


def _export_response(preview: _Preview, media_type: str) -> Response:
    """Success, or partial success: rejected spans are on record, and a client that sent them again
    would change nothing."""
    answer = ExportTraceServiceResponse()
    for reject in preview.listed:
        answer.partial_success.rejected_spans = preview.rejected
        answer.partial_success.error_message = f"{reject.reason}; {reject.mend}"
    if media_type == PROTOBUF:
        return Response(answer.SerializeToString(), media_type=media_type)
    return Response(json_format.MessageToJson(answer, indent=None), media_type=media_type)


def _provisional(incoming: Incoming) -> LandedRecord:
    """The record that a body will be, but for its number. Its time is earlier than the real one,
    so that no row passes here whose time the mapping then finds in the future."""
    return LandedRecord(
        seq=0,
        received_at=datetime.now(UTC),
        body=incoming.body,
        format=incoming.format,
        media_type=incoming.media_type,
        source=incoming.source,
        name=incoming.name,
        context=incoming.context,
        sha256=incoming.sha256,
    )


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _refusals(refusal: Refusal) -> dict[Any, Any]:
    """What is answered when a handler does not."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, MeterstoneError)  # noqa: S101  # registered for nothing else
        if request.url.path == TRACES:
            return rpc_status(error, _media_type(request))
        return refusal(request, error, status_of(error), {})

    async def not_served(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
        said = InputError(error.detail, mend=f"POST to {TRACES} or {FACTS}")
        return refusal(request, said, HTTPStatus(error.status_code), error.headers or {})

    async def failed(request: Request, error: Exception) -> Response:
        """A defect of ours: the client hears that, the log has the rest."""
        _LOG.error("a defect at %s %s", request.method, request.url.path, exc_info=error)
        return await refused(request, MeterstoneError("a defect of the receiver", mend="report it"))

    return {
        MeterstoneError: refused,
        HTTPException: not_served,
        ClientDisconnect: _gone,
        Exception: failed,
    }


async def _gone(_request: Request, _error: Exception) -> Response:
    """The client left before it had sent all: nobody reads this."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


class _HasRecorder(Protocol):
    """An opened home, as far as it matters here."""

    @property
    def recorder(self) -> Recorder: ...


def serve(
    home: _HasRecorder,
    host: str = "127.0.0.1",
    port: int = PORT,
    pages: Sequence[BaseRoute] = (),
) -> None:
    """Receive until SIGTERM or SIGINT; then finish what was begun, in less than 10 s.

    Prints one line with the address to stderr, once connections are taken. Port 0 takes a free one.

    Raises:
        InputError: the address cannot be taken.
    """
    with listening(host, port) as listener, ended_by_signals():
        app = create_receiver(home.recorder, pages=pages)
        print(f"receiving at {served_at(listener, host)} ({TRACES}, {FACTS})", file=sys.stderr)
        run(app, listener)
