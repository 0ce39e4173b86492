"""``GET /api/v1/framework``: systems and methods of the framework as JSON, in its own shape."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import suggest
from meterstone.framework import Measures, plain, systems
from meterstone.measure.results import read_moment


def framework_routes(home: Measures) -> list[BaseRoute]:
    """Routes of the framework.

    ``/api/v1/framework`` lists systems and methods; ``/{System}`` and ``/{System}/{method}``
    measure, at ``?at=`` and as known at ``?known_at=`` (both optional, RFC 3339).
    """
    api = _Api(home)
    return [
        Route("/api/v1/framework", api.index),
        Route("/api/v1/framework/{system}", api.system),
        Route("/api/v1/framework/{system}/{method}", api.method),
    ]


class _Api:
    def __init__(self, home: Measures) -> None:
        self._home = home

    def index(self, _request: Request) -> Response:
        """Names of all systems with their methods and attributes."""
        return JSONResponse({name: made.parts() for name, made in systems().items()})

    def system(self, request: Request) -> Response:
        """All of a system."""
        return self._measured(request, None)

    def method(self, request: Request) -> Response:
        """What one method returns, or one attribute is."""
        return self._measured(request, request.path_params["method"])

    def _measured(self, request: Request, method: str | None) -> Response:
        name = request.path_params["system"]
        if name not in systems():
            return _unknown(f"the framework has no system {name[:60]!r}", name, list(systems()))
        made = systems()[name]
        if method is not None and method not in made.parts():
            return _unknown(f"{name} has no {method[:60]!r}", method, made.parts())
        system = made(self._home, _moment(request, "at"), _moment(request, "known_at"))
        return JSONResponse(plain(system.all() if method is None else system.measured(method)))


def _unknown(detail: str, word: str, known: list[str]) -> Response:
    status = HTTPStatus.NOT_FOUND
    body = {
        "title": status.phrase,
        "status": status,
        "detail": detail,
        "mend": suggest(word, known),
    }
    return JSONResponse(body, status, media_type="application/problem+json")


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    # a "+" in a query means a space
    return read_moment(text.replace(" ", "+"), f"?{name}=", f"?{name}=2026-03-01T00:00:00Z")
