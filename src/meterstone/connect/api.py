"""``/api/v1/connections``: the systems that are connected, how to connect, mend and disconnect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.connect.auth.access import Access
from meterstone.connect.auth.authorizers import describe
from meterstone.connect.auth.base import AuthError, CredentialUnavailable
from meterstone.connect.auth.wishes import Wish
from meterstone.connect.spec import Connector
from meterstone.errors import InputError
from meterstone.ledger import Connection, Ledger
from meterstone.record.answers import problem

_BODY_LIMIT = 64 * 1024
_HEADERS = {"Cache-Control": "no-store"}


@dataclass
class _Sent:
    """The body of POST: a connector, and for kinds without a browser its credentials."""

    connector: str
    credentials: dict[str, str] = field(default_factory=dict)
    connection: str = ""
    name: str = ""
    account: str = ""
    franchise_id: str = ""
    environment: str = "production"
    settings: dict[str, str] = field(default_factory=dict)


def connection_routes(
    access: Access, ledger: Ledger, connectors: Mapping[str, Connector]
) -> list[BaseRoute]:
    """Routes: list, create, get, disconnect, sync now, look at the controls."""
    api = _Api(access, ledger, connectors)
    one = "/api/v1/connections/{connection}"
    return [
        Route("/api/v1/connections", api.served(api.list), methods=["GET"]),
        Route("/api/v1/connections", api.create, methods=["POST"]),
        Route(one, api.served(api.get), methods=["GET"]),
        Route(one, api.served(api.disconnect), methods=["DELETE"]),
        Route(f"{one}/sync", api.served(api.sync), methods=["POST"]),
        Route(f"{one}/checks", api.served(api.checks), methods=["GET"]),
    ]


class _Api:
    def __init__(self, access: Access, ledger: Ledger, connectors: Mapping[str, Connector]) -> None:
        self._access = access
        self._ledger = ledger
        self._connectors = connectors

    def served(self, work: Callable[[Request], Response]) -> Callable[[Request], Any]:
        """The work of a route in a thread, with its errors of sign-in as problem details."""

        async def route(request: Request) -> Response:
            return await run_in_threadpool(_answered, lambda: work(request))

        return route

    def list(self, _request: Request) -> Response:
        """All connections, oldest first."""
        with self._ledger.read() as seen:
            found = seen.connections.all()
        return _json([self._shown(connection) for connection in found])

    def get(self, request: Request) -> Response:
        """One connection."""
        return _json(self._shown(self._connection(request)))

    async def create(self, request: Request) -> Response:
        """Connect: 201 with the connection, or 202 with the address at which a person signs in."""
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            # a form of another site cannot send this media type
            raise InputError("not JSON", place="Content-Type", mend="send application/json")
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _BODY_LIMIT:
                raise InputError("more than 64 KiB", place="body", mend="send the form alone")
        return await run_in_threadpool(_answered, lambda: self._create(body))

    def _create(self, body: bytes) -> Response:
        sent = _decoded(body)
        connector = self._connectors[sent.connector]
        if connector.auth.kind == "authorization_code":
            return _json({"sign_in": f"/oauth/start/{sent.connector}"}, 202)
        wish = Wish(
            connection=sent.connection,
            name=sent.name,
            account=sent.account,
            franchise_id=sent.franchise_id,
            environment=sent.environment,
            settings=sent.settings,
        )
        made = self._access.connect(sent.connector, sent.credentials, wish, actor="api")
        return _json(self._shown(made), 201)

    def disconnect(self, request: Request) -> Response:
        """Give the access back at the vendor and forget its secrets."""
        gone = self._access.disconnect(request.path_params["connection"], actor="api")
        shown = self._shown(gone.connection)
        return _json({**shown, "revoked": gone.revoked, "said": gone.said})

    def sync(self, request: Request) -> Response:
        """Put a job for each stream on the queue, before everything else: 202."""
        connection = self._connection(request)
        if connection.status != "active":
            raise InputError(
                f"this connection is {connection.status}: {connection.reason}",
                place=connection.id,
                mend=connection.mend or "connect it again",
            )
        streams = list(self._connectors[connection.connector].streams)
        with self._ledger.change("api") as change:
            for stream in streams:
                change.queue.put(
                    "sync",
                    {"connection": connection.id, "stream": stream},
                    dedupe=f"sync:{connection.id}:{stream}",
                    priority="interactive",
                )
        return _json({"connection": connection.id, "streams": streams}, 202)

    def checks(self, request: Request) -> Response:
        """The controls of RFC 9700, looked at now."""
        found = self._access.check(self._connection(request).id)
        return _json(
            [{"control": c.control, "result": c.result, "reason": c.reason} for c in found]
        )

    def _connection(self, request: Request) -> Connection:
        with self._ledger.read() as seen:
            return seen.connections.get(request.path_params["connection"])

    def _shown(self, connection: Connection) -> dict[str, Any]:
        connector = self._connectors.get(connection.connector)
        return {
            "id": connection.id,
            "connector": connection.connector,
            "name": connection.name,
            "account": connection.account,
            "franchise_id": connection.franchise_id,
            "environment": connection.environment,
            "status": connection.status,
            "reason": connection.reason,
            "mend": connection.mend,
            "mend_url": _mend_url(connection, connector),
            "sign_in": describe(connector.auth) if connector else "",
            "created_at": connection.created_at.isoformat(),
            "changed_at": connection.changed_at.isoformat(),
        }


def _mend_url(connection: Connection, connector: Connector | None) -> str:
    """Where a person signs in again by browser; empty where nothing is broken, or no browser."""
    by_browser = connector is not None and connector.auth.kind == "authorization_code"
    if connection.status != "broken" or not by_browser:
        return ""
    return f"/oauth/start/{connection.connector}?connection={connection.id}"


def _decoded(body: bytes) -> _Sent:
    try:
        return msgspec.json.decode(body, type=_Sent)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"not a connection: {error}",
            place="body",
            mend='send {"connector": "square", "credentials": {…}}',
        ) from None


def _answered(work: Callable[[], Response]) -> Response:
    try:
        return work()
    except AuthError as error:
        down = isinstance(error, CredentialUnavailable)
        return problem(error, HTTPStatus.BAD_GATEWAY if down else HTTPStatus.UNPROCESSABLE_ENTITY)


def _json(document: Any, status: int = 200) -> Response:
    return JSONResponse(document, status, headers=_HEADERS)
