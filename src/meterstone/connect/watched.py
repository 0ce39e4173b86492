"""What the hub tells the watch (`meterstone.detect.around`): outages, webhooks that do not come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from meterstone.connect.hub import Hub
from meterstone.connect.lag import Change
from meterstone.connect.missed import announced
from meterstone.connect.problems import FAULT_OF_FACTS
from meterstone.ledger import Connection
from meterstone.record.recorder import Recorder


@dataclass(frozen=True, slots=True)
class OutageOf:
    """A vendor that no call gets through to."""

    integration: str
    started_at: datetime
    error_class: str
    blame: Literal["provider", "hub", "caller", "unknown"]


@dataclass(frozen=True, slots=True)
class MissingAt:
    """Webhooks of a vendor that polls show to be missing."""

    integration: str
    count: int
    first_at: datetime
    came: int
    came_since: int


class Watched:
    """The hub as the watch sees it.

    Args:
        hub, recorder: of the home.
    """

    def __init__(self, hub: Hub, recorder: Recorder) -> None:
        self._hub, self._recorder = hub, recorder

    def catch_up(self) -> None:
        """Put what the hub told so far into the warehouse."""
        self._hub.telemetry.flush()
        self._recorder.map_new()

    def name(self, integration: str) -> str:
        """What people call a vendor; another key in words."""
        if integration in self._hub.connectors:
            return self._hub.connectors[integration].name
        return integration.replace("_", " ") or "the network"

    def outages(self) -> Sequence[OutageOf]:
        """Vendors whose circuit is not closed."""
        blames = {str(fault): blame for fault, blame in FAULT_OF_FACTS.items()}
        return [
            OutageOf(key, outage.started_at, outage.error_class,
                     blames.get(outage.fault, "unknown"))
            for key, outage in self._hub.outages()
        ]  # fmt: skip

    def missing(self, now: datetime, after_s: float, over_s: float) -> Sequence[MissingAt]:
        """Changes of the newest ``over_s`` that no event told within ``after_s``, by vendor."""
        since, before = now - timedelta(seconds=over_s), now - timedelta(seconds=after_s)
        found: dict[str, list[Change]] = {}
        with self._hub.ledger.read() as seen:
            suspects = [s for s in seen.inbound.suspects(before) if s.arrived_at >= since]
            if not suspects:
                return []
            connectors = {c.id: c.connector for c in seen.connections.all()}
            came = seen.inbound.came(since)
            for suspect in suspects:
                about = seen.inbound.about(suspect.connection, suspect.stream, [suspect.record])
                change = Change(
                    suspect.record, suspect.changed_at or suspect.arrived_at, suspect.arrived_at
                )
                if not announced(change, about[suspect.record]):
                    found.setdefault(connectors[suspect.connection], []).append(change)
        return [
            _missing(key, changes, [at for id_, at in came if connectors.get(id_) == key])
            for key, changes in found.items()
        ]

    def has_told(self, subject: str) -> bool:
        """Whether the hub keeps an open incident of a vendor as facts."""
        return self._hub.incidents.open(subject) is not None


def franchises_of(connection: Connection) -> tuple[str, ...]:
    """Whose shops a connection is of."""
    sites = connection.settings.get("sites") or {}
    named = {connection.franchise_id, *(str(each) for each in dict(sites).values())}
    return tuple(sorted(each for each in named if each))


def _missing(key: str, changes: Sequence[Change], came: Sequence[datetime]) -> MissingAt:
    newest = max(change.received_at for change in changes)
    first = min(change.changed_at for change in changes)
    return MissingAt(key, len(changes), first, len(came), sum(at > newest for at in came))
