"""``/api/v1/webhooks``: endpoints that messages are sent to, and what became of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError
from meterstone.publish.outbound.service import Added, Webhooks

_BODY_LIMIT = 64 * 1024
_HEADERS = {"Cache-Control": "no-store"}
_T = TypeVar("_T")


@dataclass
class _New:
    url: str
    event_types: list[str] = field(default_factory=list)
    description: str = ""
    ordered: bool = False


@dataclass
class _Range:
    since: datetime
    until: datetime | None = None
    missed_only: bool = False


@dataclass
class _Nothing:
    pass


def webhook_routes(webhooks: Webhooks) -> list[BaseRoute]:
    """Routes: list, add, remove, enable, rotate, test, replay, and the attempts of a delivery."""
    api = _Api(webhooks)
    one = "/api/v1/webhooks/{endpoint}"
    return [
        Route("/api/v1/webhooks", api.all, methods=["GET"]),
        Route("/api/v1/webhooks", api.add, methods=["POST"]),
        Route(one, api.remove, methods=["DELETE"]),
        Route(f"{one}/enable", api.enable, methods=["POST"]),
        Route(f"{one}/rotate", api.rotate, methods=["POST"]),
        Route(f"{one}/test", api.test, methods=["POST"]),
        Route(f"{one}/replay", api.replay, methods=["POST"]),
        Route(f"{one}/messages/{{message}}/attempts", api.attempts, methods=["GET"]),
    ]


class _Api:
    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    async def all(self, _request: Request) -> Response:
        """The endpoints, each with the number of its deliveries by status."""
        return await _done(lambda: [each.as_dict() for each in self._webhooks.all()])

    async def add(self, request: Request) -> Response:
        """A new endpoint; the answer has its secret, this once."""
        sent = await _sent(request, _New)
        return await _done(lambda: _told(self._webhooks.add(**asdict(sent))), HTTPStatus.CREATED)

    async def remove(self, request: Request) -> Response:
        """Send nothing more there."""
        await run_in_threadpool(self._webhooks.remove, _endpoint(request))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def enable(self, request: Request) -> Response:
        """Send there again."""
        await _sent(request, _Nothing)
        return await _done(lambda: {"status": self._webhooks.enable(_endpoint(request)).status})

    async def rotate(self, request: Request) -> Response:
        """A new secret; the answer has it, this once."""
        await _sent(request, _Nothing)
        return await _done(lambda: _told(self._webhooks.rotate(_endpoint(request))))

    async def test(self, request: Request) -> Response:
        """Send a message to this endpoint alone."""
        await _sent(request, _Nothing)
        return await _done(
            lambda: {"message": self._webhooks.test(_endpoint(request))}, HTTPStatus.ACCEPTED
        )

    async def replay(self, request: Request) -> Response:
        """Send the messages of a time once more."""
        sent = await _sent(request, _Range)
        return await _done(
            lambda: {"messages": self._webhooks.replay(_endpoint(request), **asdict(sent))},
            HTTPStatus.ACCEPTED,
        )

    async def attempts(self, request: Request) -> Response:
        """Each attempt of one delivery."""
        message = request.path_params["message"]
        return await _done(
            lambda: [
                {
                    "number": each.number,
                    "at": each.at.isoformat(),
                    "took_ms": each.took_ms,
                    "status_code": each.status_code,
                    "outcome": each.outcome,
                    "error": each.error,
                    "sha256": each.sha256,
                }
                for each in self._webhooks.attempts(_endpoint(request), message)
            ]
        )


def _endpoint(request: Request) -> str:
    return str(request.path_params["endpoint"])


def _told(added: Added) -> dict[str, Any]:
    return {
        "id": added.endpoint.id,
        "url": added.endpoint.url,
        "ordered": added.endpoint.ordered,
        "event_types": list(added.endpoint.event_types),
        "secret": added.secret,
    }


async def _done(work: Callable[[], Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    return JSONResponse(await run_in_threadpool(work), status, _HEADERS)


async def _sent(request: Request, kind: type[_T]) -> _T:
    """The body; JSON only, which a form of another site cannot send.

    Raises:
        InputError: it is not what is asked for.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InputError("not JSON", place="Content-Type", mend="send application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _BODY_LIMIT:
            raise InputError("the body is too large", place="body", mend="send less than 64 KiB")
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(str(error), place="body", mend="see docs/webhooks.md") from error
