"""The first page: it leads everybody to the page that answers the first question of their role."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.publish.web.nav import home_of
from meterstone.publish.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """The route of the first page."""

    def lead(request: Request) -> Response:
        principal = site.principal(request)
        path = home_of(principal) if principal else "/login"
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(path + query, HTTPStatus.SEE_OTHER)

    return [Route("/", lead)]
