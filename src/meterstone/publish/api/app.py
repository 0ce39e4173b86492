"""The application of the API, and the document that describes it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount

from meterstone import __version__
from meterstone.publish.api import (
    attestations,
    audit,
    connections,
    findings,
    framework,
    franchises,
    gates,
    incidents,
    maintenance,
    me,
    metrics,
    prevention,
    reconciliation,
    reports,
    scorecards,
    state,
    webhooks,
)
from meterstone.publish.api.documents import schemas
from meterstone.publish.api.ports import Ports
from meterstone.publish.api.problems import Problem, add_handlers, answers

PREFIX = "/api/v1"

_ROUTERS = (
    me.router, scorecards.router, metrics.router, gates.router, franchises.router,
    findings.router, prevention.router, state.router,
    incidents.router, reconciliation.router, connections.router, attestations.router,
    maintenance.router, reports.router, webhooks.router, audit.router, framework.router,
)  # fmt: skip

_SAYS = """\
Everything that the pages show, and everything that they can do, as JSON.

Sign in with a token: `Authorization: Bearer …` (pages: Account, Tokens). Errors are problem details
(RFC 9457) with the cause and what to do next. Lists come in pages: follow the header `Link`. What
follows from a scorecard has an `ETag`: ask again with `If-None-Match`. `?day=` and `?known_at=` ask
for the past.
"""


def api_routes(ports: Ports) -> list[BaseRoute]:
    """The API under its prefix."""
    return [Mount(PREFIX, app=create_api(ports))]


def create_api(ports: Ports) -> FastAPI:
    """The API over what it reads and does things with."""
    app = FastAPI(
        title="Meterstone",
        version=__version__,
        description=_SAYS,
        docs_url=None,
        redoc_url=None,
        responses=answers(),
        generate_unique_id_function=_name,
        redirect_slashes=False,
    )
    app.state.ports = ports
    add_handlers(app)
    for router in _ROUTERS:
        app.include_router(router)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]  # FastAPI's own way
    return app


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes,
            openapi_version="3.1.0", servers=[{"url": PREFIX}],
        )  # fmt: skip
        known = made.setdefault("components", {}).setdefault("schemas", {})
        known |= schemas()
        known["Problem"] = Problem.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            known.pop(unused, None)
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"token": []}]
        app.openapi_schema = made
    return app.openapi_schema


def _name(route: APIRoute) -> str:
    return route.name
