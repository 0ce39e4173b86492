"""The whole of a home behind one address: ways in, pages, API, webhooks, sign-in, health.

    request ──▶ guard ──▶ cache ──▶ receiver · pages · API · webhooks · sign-in at vendors

Whoever adds routes adds them here, and their addresses to `meterstone.people.rules`.
"""

from __future__ import annotations

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from meterstone.app import Home
from meterstone.cli.telemetry import Telemetry
from meterstone.connect.api import connection_routes
from meterstone.connect.auth.web import oauth_routes
from meterstone.connect.reconcile import reconcile_routes
from meterstone.connect.webhooks import WebhookReceiver
from meterstone.people.csrf import csrf_token
from meterstone.publish.attestation_api import attestation_routes
from meterstone.publish.framework_api import framework_routes
from meterstone.publish.openmetrics import metrics_routes
from meterstone.publish.outbound.api import webhook_routes
from meterstone.publish.outbound.service import Webhooks
from meterstone.publish.pages import pages
from meterstone.publish.web import executive, owner
from meterstone.publish.web.site import Site
from meterstone.publish.web.static_files import static_routes
from meterstone.record.receiver import create_receiver


def site_app(home: Home, url: str, telemetry: Telemetry) -> ASGIApp:
    """The application of a home; its lifespan maps what is received, and drains that at the end.

    Args:
        home: opened, for as long as this is served.
        url: how people and vendors call us, such as ``https://meterstone.example``.
        telemetry: measures the requests.
    """
    site = Site(home.board, lambda: home.watch.now, csrf_token, home.busy.sentences)
    inner = create_receiver(home.recorder, pages=[*_pages(home, site), *_machines(home, url)])
    return telemetry.requests(inner)


def _pages(home: Home, site: Site) -> list[BaseRoute]:
    """What people look at."""
    return [*pages(home), *static_routes(), *executive.routes(site), *owner.routes(site)]


def _machines(home: Home, url: str) -> list[BaseRoute]:
    """What programs call, and what sign-ins at vendors come back to."""
    return [
        *framework_routes(home),
        *attestation_routes(home),
        *connection_routes(home.access, home.ledger, home.connectors),
        *reconcile_routes(home.ledger, lambda: home.reconciler),
        *oauth_routes(home.access, url),
        *webhook_routes(Webhooks(home.ledger, "api", home.strangers_egress)),
        *WebhookReceiver(home.deliveries).routes(),
        *metrics_routes(lambda: home.board, lambda: home.watch.now),
    ]
