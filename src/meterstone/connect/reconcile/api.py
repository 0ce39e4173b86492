"""Reconciliation over HTTP: compare now, the work list, and taking something off it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.connect.reconcile.compare import plain
from meterstone.connect.reconcile.reconciler import Reconciler
from meterstone.connect.reconcile.schedule import queue
from meterstone.errors import InputError
from meterstone.ledger import Discrepancy, Ledger

_BODY_LIMIT = 4096


def reconcile_routes(ledger: Ledger, reconciler: Callable[[], Reconciler]) -> list[BaseRoute]:
    """``POST /api/v1/connections/{id}/reconcile?full=true`` queues a comparison of each stream,
    ``GET /api/v1/discrepancies?connection=`` is the work list, and ``POST
    /api/v1/discrepancies/{id}/accept`` with ``{"reason": …}`` takes one off it.

    Args:
        ledger: queue and work list.
        reconciler: gives what knows the streams; asked when a comparison is.
    """
    api = _Api(ledger, reconciler)
    return [
        Route("/api/v1/connections/{connection}/reconcile", api.compare, methods=["POST"]),
        Route("/api/v1/discrepancies", api.open, methods=["GET"]),
        Route("/api/v1/discrepancies/{discrepancy:int}/accept", api.accept, methods=["POST"]),
    ]


class _Api:
    def __init__(self, ledger: Ledger, reconciler: Callable[[], Reconciler]) -> None:
        self._ledger = ledger
        self._reconciler = reconciler

    async def compare(self, request: Request) -> Response:
        full = request.query_params.get("full") == "true"
        return await run_in_threadpool(self._queue, request.path_params["connection"], full)

    def _queue(self, connection: str, full: bool) -> Response:
        entities = self._reconciler().of(connection)
        with self._ledger.change("api") as change:
            for entity in entities:
                queue(change, connection, entity, full=full, priority="interactive")
        return _json({"connection": connection, "entities": entities}, 202)

    async def open(self, request: Request) -> Response:
        return await run_in_threadpool(self._open, request.query_params.get("connection"))

    def _open(self, connection: str | None) -> Response:
        with self._ledger.read() as seen:
            return _json([_shown(each) for each in seen.discrepancies.open(connection)])

    async def accept(self, request: Request) -> Response:
        reason = await _reason(request)
        number = request.path_params["discrepancy"]
        return await run_in_threadpool(self._accept, number, reason)

    def _accept(self, number: int, reason: str) -> Response:
        with self._ledger.change("api") as change:
            return _json(_shown(change.discrepancies.accept(number, reason)))


async def _reason(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        # a form of another site cannot send this media type
        raise InputError("not JSON", place="Content-Type", mend="send application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _BODY_LIMIT:
            raise InputError("more than 4 KiB", place="body", mend='send {"reason": "…"} alone')
    try:
        reason = msgspec.json.decode(body, type=dict[str, str]).get("reason", "").strip()
    except (msgspec.DecodeError, UnicodeDecodeError):
        reason = ""
    if not reason:
        raise InputError("why is it accepted?", place="reason", mend='send {"reason": "…"}')
    return reason


def _shown(each: Discrepancy) -> dict[str, Any]:
    return {name: plain(value) for name, value in asdict(each).items()}


def _json(document: Any, status: int = 200) -> Response:
    return JSONResponse(document, status, headers={"Cache-Control": "no-store"})
