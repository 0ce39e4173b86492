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
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import uvicorn
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from meterstone.errors import InputError, MeterstoneError, StorageError
from meterstone.facts import Reject
from meterstone.record.answers import (
    JSON,
    PROTOBUF,
    EncodingError,
    NoUsableLineError,
    OverloadError,
    problem,
    rpc_status,
)
from meterstone.record.bodies import Intake, Limits, coding_of, decoded
from meterstone.record.formats import facts_jsonl, otlp_json, otlp_protobuf
from meterstone.record.mapper import MapperThread
from meterstone.record.model import Format, Incoming, LandedRecord, Receipt
from meterstone.record.recorder import Recorder, map_record, rejects_in

_LOG = logging.getLogger(__name__)

PORT = 4318
"""Where OTLP/HTTP is expected by convention."""

TRACES, FACTS = "/v1/traces", "/v1/facts"

_SHUT_AFTER_REFUSAL_S = 10.0
"""How long the receiver says that it is not ready after the disk refused."""
_LAST_ANSWERS_S = 3
"""How long requests may go on after SIGTERM; with the mapper's drain it stays below 10 s."""

Check = Callable[[bytes], None]
Prepare = Callable[[bytes], Incoming]


def create_receiver(recorder: Recorder, limits: Limits | None = None) -> Starlette:
    """The application. Its lifespan runs the background mapping and drains it at the end."""
    receiver = _Receiver(recorder, limits or Limits())
    return Starlette(
        routes=[
            Route(TRACES, receiver.traces, methods=["POST"]),
            Route(FACTS, receiver.facts, methods=["POST"]),
            Route("/healthz", _healthz),
            Route("/readyz", receiver.readyz),
        ],
        lifespan=receiver.lifespan,
        exception_handlers={
            MeterstoneError: _refused,
            HTTPException: _not_served,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
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
        """OTLP: see that the body can be read, land it, answer in its encoding."""
        media_type = _media_type(request)
        way = _OTLP.get(media_type)
        if way is None:
            raise EncodingError(
                f"media type {media_type!r} is not OTLP", mend=f"send {PROTOBUF} or {JSON}"
            )
        await self._land(request, partial(_checked_traces, *way))
        # an ExportTraceServiceResponse whose partial_success is unset: all was accepted
        return Response(b"" if media_type == PROTOBUF else b"{}", media_type=media_type)

    async def facts(self, request: Request) -> Response:
        """Facts: say of each line whether it can be one, land all of them as sent."""
        media_type = _media_type(request)
        if media_type not in _JSON_LINES:
            raise EncodingError(
                f"media type {media_type!r} is not JSON lines",
                mend="send application/x-ndjson, one JSON object a line",
            )
        preview = _Preview(self._limits.listed)
        receipt = await self._land(request, preview.of_facts)
        return JSONResponse(
            {
                "accepted": preview.accepted,
                "rejected": preview.listed,
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

    async def _land(self, request: Request, prepare: Prepare) -> Receipt:
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
        return receipt

    def _queue(self, raw: bytes, coding: str, prepare: Prepare) -> Future[Receipt]:
        incoming = prepare(decoded(raw, coding, self._limits.body))
        return self._recorder.log.land_soon(incoming)

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


def _checked_traces(form: Format, check: Check, body: bytes) -> Incoming:
    """A trace export that can be read. Its spans are judged by the mapping: parsing once costs
    little, judging each span before the answer would cost as much as the mapping itself."""
    check(body)
    return Incoming(body, form.name, form.media_type, "http", f"POST {TRACES}")


class _Preview:
    """What the mapping will make of a body, found out before it is acknowledged."""

    def __init__(self, listed: int) -> None:
        self._limit = listed
        self.accepted = 0
        self.rejected = 0
        self.listed: list[dict[str, Any]] = []

    def of_facts(self, body: bytes) -> Incoming:
        """The body, ready to land.

        Raises:
            NoUsableLineError: not one line can be a fact.
        """
        form = facts_jsonl.FORMAT
        incoming = Incoming(body, form.name, form.media_type, "http", f"POST {FACTS}")
        for mapped in map_record(_provisional(incoming)):
            self._count(rejects_in(mapped))
            if not isinstance(mapped, Reject):
                self.accepted += mapped.table.num_rows
        if not self.accepted:
            raise NoUsableLineError(
                f"none of the {self.rejected} lines can be a fact",
                mend="see `rejected`; a line is a JSON object with `fact` and its columns",
                rejected=self.listed,
            )
        return incoming

    def _count(self, rejects: list[Reject]) -> None:
        self.rejected += len(rejects)
        for reject in rejects[: self._limit - len(self.listed)]:
            self.listed.append(
                {
                    "line": reject.item,
                    "reason": reject.reason,
                    "mend": reject.mend,
                    "fact": reject.fact,
                }
            )


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


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, MeterstoneError)  # noqa: S101  # registered for nothing else
    if request.url.path == TRACES:
        return rpc_status(error, _media_type(request))
    return problem(error)


async def _not_served(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
    said = InputError(error.detail, mend=f"POST to {TRACES} or {FACTS}")
    return problem(said, HTTPStatus(error.status_code), error.headers)


async def _failed(request: Request, _error: Exception) -> Response:
    """A defect of ours: the client hears that, the log has the rest."""
    return await _refused(request, MeterstoneError("a defect of the receiver", mend="report it"))


async def _gone(_request: Request, _error: Exception) -> Response:
    """The client left before it had sent all: nobody reads this."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


class _HasRecorder(Protocol):
    """An opened home, as far as it matters here."""

    @property
    def recorder(self) -> Recorder: ...


def serve(home: _HasRecorder, host: str = "127.0.0.1", port: int = PORT) -> None:
    """Receive until SIGTERM or SIGINT; then finish what was begun, in less than 10 s.

    Prints one line with the address to stderr, once connections are taken. Port 0 takes a free one.

    Raises:
        InputError: the address cannot be taken.
    """
    config = uvicorn.Config(
        create_receiver(home.recorder),
        access_log=False,
        log_config=None,
        lifespan="on",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=_LAST_ANSWERS_S,
    )
    with _listening(host, port) as listener, _ended_by_signals():
        taken = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        print(f"receiving at http://{shown}:{taken} ({TRACES}, {FACTS})", file=sys.stderr)
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise InputError(
            f"cannot listen: {error.strerror or error}",
            place=f"{host}:{port}",
            mend="choose another address with --host and --port",
        ) from error
    with listener:
        yield listener


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGINT end what runs inside, and it only: what is around can close in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
