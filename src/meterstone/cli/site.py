"""The whole of a home behind one address: ways in, pages, API, webhooks, sign-in, health.

    request ──▶ guard ──▶ limit ──▶ cache ──▶ receiver · pages · API · webhooks · sign-in at vendors

Whoever adds routes adds them here, and their addresses to `meterstone.people.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from meterstone.app import Home
from meterstone.cli.doors import HomeDoors
from meterstone.cli.operations import now_version, operations_pages
from meterstone.cli.telemetry import Telemetry
from meterstone.connect.auth.web import oauth_routes
from meterstone.connect.connecting import Connecting
from meterstone.connect.webhooks import WebhookReceiver
from meterstone.errors import MeterstoneError
from meterstone.measure.days import day_end
from meterstone.measure.explain import Explanation
from meterstone.measure.results import Scope
from meterstone.people.csrf import csrf_token
from meterstone.people.guard import Cookies
from meterstone.people.refusals import Refusal
from meterstone.people.wire import for_person
from meterstone.publish.api import PREFIX, Ports, api_routes
from meterstone.publish.api.limits import Limited
from meterstone.publish.cache import Cached
from meterstone.publish.openmetrics import metrics_routes
from meterstone.publish.outbound.service import Webhooks
from meterstone.publish.web import (
    account,
    attestations,
    audit,
    catalogue,
    connections,
    entry,
    executive,
    first,
    gates,
    insight,
    landed,
    maintenance,
    metric,
    notifications,
    owner,
    owners,
    reports,
    search,
    settings,
    staff,
)
from meterstone.publish.web.site import Site
from meterstone.publish.web.static_files import static_routes
from meterstone.record.answers import problem
from meterstone.record.receiver import create_receiver


def site_app(home: Home, url: str, telemetry: Telemetry) -> ASGIApp:
    """The application of a home; its lifespan maps what is received, and drains that at the end.

    Args:
        home: opened, for as long as this is served.
        url: how people and vendors call us, such as ``https://meterstone.example``.
        telemetry: measures the requests.
    """
    site = site_of(home)
    said = Said(site)
    behind = fast(home, inside(home, url, site, said))
    return telemetry.requests(home.people.guard(behind, url, said.refused))


def site_of(home: Home) -> Site:
    """What the pages of a home read."""

    def busy() -> list[str]:
        return [*home.busy.sentences(), *home.insights.busy.sentences()]

    return Site(home.board, lambda: home.watch.now, csrf_token, busy, home.insights)


def fast(home: Home, app: ASGIApp) -> ASGIApp:
    """The same, with what follows from board or now kept, and the API's callers counted."""
    cached = Cached(
        app,
        {
            "board": lambda: (
                home.board.version,
                home.insights.version,
                (*home.busy.sentences(), *home.insights.busy.sentences()),
            ),
            "now": lambda: now_version(home),
        },
    )
    return Limited(cached, PREFIX)


def inside(home: Home, url: str, site: Site, said: Said) -> Starlette:
    """Everything that stands behind the guard; a test walks its routes as everybody."""
    home.notifications.url = url
    routes = [*_pages(home, url, site), *_machines(home, url)]
    return create_receiver(home.recorder, pages=routes, refusal=said.failed)


def _pages(home: Home, url: str, site: Site) -> list[BaseRoute]:
    """What people look at."""
    cookies = Cookies(https=url.startswith("https://"))
    return [
        *static_routes(),
        *first.routes(site),
        *executive.routes(site),
        *catalogue.routes(site),
        *metric.routes(site, lambda *asked: _rows(home, *asked)),
        *landed.routes(site, home.log.get),
        *gates.routes(site),
        *insight.routes(site, home.actions),
        *connections.routes(site, home.ledger, HomeDoors(home)),
        *maintenance.routes(site, home),
        *owners.routes(site),
        *owner.routes(site),
        *search.routes(site),
        *operations_pages(home, site),
        *attestations.routes(site, home),
        *audit.routes(site, home.ledger),
        *entry.routes(site, home.people, cookies, url),
        *account.routes(site, home.people),
        *reports.routes(site, home.ledger, home.reports, home.planned),
        *settings.routes(site, [settings.PEOPLE, reports.PLANS, notifications.SETTING]),
        *notifications.routes(site, home.notifications),
        *staff.routes(site, home.people, url),
    ]


def _rows(home: Home, name: str, scope: Scope, day: date, known_at: datetime) -> Explanation:
    return home.explain(name, scope, day_end(day, home.zone), known_at)


def _machines(home: Home, url: str) -> list[BaseRoute]:
    """What programs call, and what sign-ins at vendors come back to."""
    return [
        *api_routes(_ports(home)),
        *oauth_routes(home.access, url),
        *WebhookReceiver(home.deliveries).routes(),
        *metrics_routes(lambda: home.board, lambda: home.watch.now),
    ]


def _ports(home: Home) -> Ports:
    """What the API reads and does things with."""
    return Ports(
        board=home.board, now=lambda: home.watch.now, alerts=home.alerts, ledger=home.ledger,
        measures=home, attests=home, reports=home.reports, findings=home.insights,
        prevention=home.actions,
        connecting=Connecting(home.access, home.ledger, home.connectors, lambda: home.reconciler),
        webhooks=lambda actor: Webhooks(home.ledger, actor, home.strangers_egress),
    )  # fmt: skip


class Said:
    """How this house says no: a page to people, problem details to programs."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def refused(self, request: Request, refusal: Refusal) -> Response:
        """By the guard, to a person."""
        answer = self._site.error(request, refusal.status, refusal.cause, refusal.mend)
        answer.headers.update(refusal.headers or {})
        return answer

    def failed(
        self,
        request: Request,
        error: MeterstoneError,
        status: HTTPStatus,
        headers: Mapping[str, str],
    ) -> Response:
        """By what was let through."""
        if not for_person(request.scope):
            return problem(error, status, headers)
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
            answer = self._site.error(request, status)
        else:
            answer = self._site.failure(request, error, status)
        answer.headers.update(headers)
        return answer
