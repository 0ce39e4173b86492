"""Webhooks in, over HTTP: ``POST /hooks/{connector}/{token}``.

The answer comes after the commit, within the time that the vendor waits; a vendor that hears
nothing sends again. What is refused is answered without saying more than that.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from meterstone.connect.deliveries import Deliveries, Taken, UnknownHook
from meterstone.connect.hooks import PATH
from meterstone.connect.schemes import WebhookRefused
from meterstone.errors import FormatError, MeterstoneError, StorageError

_log = logging.getLogger(__name__)

MOST_BYTES = 1_048_576
"""Of a delivery; no vendor sends a tenth of it."""

_AT_ONCE = 16
_MARGIN = 0.8
"""Of the vendor's patience, for our part of the way."""

_STATUS: dict[type[MeterstoneError], HTTPStatus] = {
    UnknownHook: HTTPStatus.NOT_FOUND,
    WebhookRefused: HTTPStatus.UNAUTHORIZED,
    FormatError: HTTPStatus.BAD_REQUEST,
    StorageError: HTTPStatus.SERVICE_UNAVAILABLE,
}


class TooLarge(MeterstoneError):
    """A delivery that is larger than any vendor sends."""


class WebhookReceiver:
    """The route that vendors send to.

    Args:
        deliveries: what is done with them.
    """

    def __init__(self, deliveries: Deliveries, most_bytes: int = MOST_BYTES) -> None:
        self._deliveries = deliveries
        self._most_bytes = most_bytes
        self._threads: CapacityLimiter | None = None

    def routes(self) -> list[Route]:
        """To serve beside other pages."""
        return [Route(PATH + "/{connector}/{token}", self.receive, methods=["POST"])]

    async def receive(self, request: Request) -> Response:
        """One delivery."""
        connector, token = request.path_params["connector"], request.path_params["token"]
        try:
            patience = self._deliveries.scheme(connector).answer_within_s * _MARGIN
            with anyio.fail_after(patience):
                body = await self._body(request)
                taken = await self._take(connector, token, dict(request.headers), body)
        except TimeoutError:
            # the thread ends its work; the vendor sends again, and that is a double then
            return _said(HTTPStatus.SERVICE_UNAVAILABLE, "try again", retry_after="1")
        except TooLarge as error:
            return _said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error.cause)
        except tuple(_STATUS) as error:
            return self._refused(connector, error)
        return Response(taken.body, media_type=taken.media_type)

    async def _take(
        self, connector: str, token: str, headers: dict[str, str], body: bytes
    ) -> Taken:
        if self._threads is None:
            self._threads = CapacityLimiter(_AT_ONCE)
        return await to_thread.run_sync(
            self._deliveries.take, connector, token, headers, body,
            limiter=self._threads, abandon_on_cancel=True,
        )  # fmt: skip

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._most_bytes:
                raise TooLarge(f"more than {self._most_bytes:,} bytes")
        return bytes(body)

    def _refused(self, connector: str, error: MeterstoneError) -> Response:
        status = next(code for kind, code in _STATUS.items() if isinstance(error, kind))
        reason = error.reason if isinstance(error, WebhookRefused) else type(error).__name__
        _log.warning("webhook of %r refused: %s", connector[:40], reason)
        retry = "10" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
        return _said(status, status.phrase.lower(), retry_after=retry)


def _said(status: HTTPStatus, what: str, *, retry_after: str = "") -> Response:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return JSONResponse({"ok": False, "error": what}, status, headers)
