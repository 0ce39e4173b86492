"""The API over some of its ports, as an administrator reaches it; the guard is tested elsewhere."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from meterstone.people.rights import RIGHTS, Principal, Role
from meterstone.publish.api import Ports, api_routes

ADMIN = Principal("person:1", "A. Person", Role.ADMIN, RIGHTS[Role.ADMIN])


class As:
    """What stands behind the guard, reached by somebody."""

    def __init__(self, app: ASGIApp, principal: Principal = ADMIN) -> None:
        self._app, self.principal = app, principal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["principal"] = self.principal
        await self._app(scope, receive, send)


def api_over(*beside: BaseRoute, **ports: Any) -> As:
    """The API of these ports, and routes beside it; an operation that needs another one fails."""
    names = Ports.__dataclass_fields__
    given = Ports(**{name: ports.get(name) for name in names})  # type: ignore[arg-type]  # by name
    return As(Starlette(routes=[*beside, *api_routes(given)]))
