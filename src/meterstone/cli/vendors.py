"""What the pages of integrations are told of vendors: connector files, connections, syncs, checks.

Pages know no connector: this puts what they say into the pages' words.
"""

from __future__ import annotations

from collections.abc import Sequence

from meterstone.app import Home
from meterstone.connect.auth.authorizers import describe
from meterstone.connect.spec import Connector, Limit, Stream
from meterstone.ledger import Connection, Cursor, Job
from meterstone.publish.web.integration import About, Capability, Control
from meterstone.scorecard.values import NOTHING, count_text, format_duration

_STATUS = {
    "public": "Its API is open to everybody who registers an application.",
    "gated": "Its API is open to partners alone.",
    "no_api": "It has no API: its data come by files or by pushes.",
}


class HomeVendors:
    """`Vendors` of the pages, over a home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def about(self, integration: str) -> About | None:
        """The connector's file; None: there is none of this name."""
        known = self._home.connectors
        return about(known[integration]) if integration in known else None

    def connections(self, integration: str) -> Sequence[Connection]:
        """Connections of a vendor that are not given up, then those that are."""
        with self._home.ledger.read() as seen:
            found = seen.connections.all(connector=integration)
        return sorted(found, key=lambda each: each.status == "disconnected")

    def cursors(self, connection: str) -> Sequence[Cursor]:
        """How far each stream has come."""
        with self._home.ledger.read() as seen:
            return seen.cursors.of(connection)

    def jobs(self, connection: str) -> Sequence[Job]:
        """Syncs of a connection that are on record, newest first."""
        with self._home.ledger.read() as seen:
            found = seen.queue.all(kind="sync")
        own = [job for job in found if job.payload.get("connection") == connection]
        return sorted(own, key=lambda job: -job.id)

    def controls(self, connection: str) -> Sequence[Control]:
        """Looks at the controls of RFC 9700 now."""
        return [
            Control(each.control, each.result, each.reason)
            for each in self._home.access.check(connection)
        ]


def about(connector: Connector) -> About:
    """A connector's file in the words of a page."""
    hooks = connector.webhooks
    facts = [
        ("Category", connector.category.replace("_", " ")),
        ("Sign-in", describe(connector.auth)),
        ("Webhooks", f"{len(hooks.events)} kinds of events, signed" if hooks else "none"),
        ("Limits", "; ".join(map(_limit, connector.limits)) or "none published"),
        (
            "Probe",
            f"every {_span(connector.health.every.total_seconds())}"
            if connector.health
            else "none",
        ),
        ("Connector", f"version {connector.version}"),
    ]
    capabilities = [
        Capability(name.replace("_", " "), _value(each.value), each.note, each.evidence)
        for name, each in connector.capabilities.items()
    ]
    return About(
        connector.connector, connector.name, _STATUS[connector.status], describe(connector.auth),
        facts, {name: _every(stream) for name, stream in connector.streams.items()}, capabilities,
    )  # fmt: skip


def _every(stream: Stream) -> str:
    return f"every {_span(stream.every.total_seconds())}"


def _span(seconds: float) -> str:
    return format_duration(seconds).removeprefix("1 ")


def _limit(limit: Limit) -> str:
    if limit.requests is None:
        return f"{limit.concurrent} at a time"
    return f"{count_text(limit.requests, 'requests')} in {format_duration(limit.per_s)}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value)
    return NOTHING if value is None else str(value)
