"""The pages of operations over a home, and the stream that keeps all pages up to date."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.routing import BaseRoute

from meterstone.app import Home
from meterstone.cli.vendors import HomeVendors
from meterstone.publish.web import drills, incidents, integration, operations, reconciliation
from meterstone.publish.web.kept import LedgerKept
from meterstone.publish.web.news import News
from meterstone.publish.web.site import Site
from meterstone.publish.web.stream import stream_routes


def operations_pages(home: Home, site: Site) -> list[BaseRoute]:
    """What is wrong now and was before, and ``/live``."""
    called = home.people.directory.called
    hub, kept = home.live, LedgerKept(home.alerts, home.ledger, called)
    hub.look = News(site, kept, hub).look
    home.watch.listen(lambda _now: hub.wake())
    return [
        *operations.routes(site, kept, hub.mark),
        *integration.routes(site, kept, HomeVendors(home), hub.mark),
        *incidents.routes(site, home.alerts, called),
        *reconciliation.routes(site, kept),
        *drills.routes(site, home.alerts),
        *stream_routes(hub),
    ]


def now_version(home: Home) -> tuple[int | None, bool]:
    """Changes with the state of now, and when that has become too old to be believed."""
    now = home.watch.now
    stale = operations.is_stale(now, datetime.now(UTC))
    return (None if now is None else now.version), stale
