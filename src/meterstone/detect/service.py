"""What pages, the API and notifications ask of alerts and incidents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from meterstone.ledger import Alert, Drill, Incident, IncidentEvent, Ledger
from meterstone.ledger.alerts import AlertState


@dataclass(frozen=True, slots=True)
class IncidentStory:
    """An incident with its alerts, newest first, and its timeline, oldest first."""

    incident: Incident
    alerts: Sequence[Alert]
    timeline: Sequence[IncidentEvent]


class AlertPort(Protocol):
    """The read side of detection, and what a person may do. Thread-safe, a query or two a call."""

    def list(
        self,
        states: Collection[AlertState] = (),
        *,
        integration: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> Sequence[Alert]:
        """Alerts, newest first; ``before``: `pending_at` and id of the last one read."""

    def get(self, alert: str) -> Alert:
        """An alert by its id.

        Raises:
            InputError: there is none.
        """

    def acknowledge(self, alert: str, actor: str, note: str = "") -> Alert:
        """A person takes it on: nobody is called for it again; it ends by itself all the same.

        Raises:
            InputError: there is no such alert, or it does not fire.
        """

    def acknowledge_incident(self, incident: str, actor: str, note: str = "") -> Incident:
        """A person takes on all alerts of an incident.

        Raises:
            InputError: there is no such incident, or nothing of it fires.
        """

    def incidents(
        self,
        *,
        open_: bool | None = None,
        integration: str | None = None,
        franchise: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> Sequence[Incident]:
        """Incidents, newest first; ``before``: `started_at` and id of the last one read."""

    def incident(self, incident: str) -> IncidentStory:
        """An incident with all that belongs to it.

        Raises:
            InputError: there is none.
        """

    def drills(self, limit: int = 1_000) -> Sequence[Drill]:
        """Drills on record, newest first."""


class Alerts:
    """`AlertPort` over the ledger.

    Args:
        ledger: where alerts and incidents are kept.
        wake: called when a person changed something, so that pages show it at once.
    """

    def __init__(self, ledger: Ledger, wake: Callable[[], None] = lambda: None) -> None:
        self._ledger = ledger
        self._wake = wake

    def list(
        self,
        states: Collection[AlertState] = (),
        *,
        integration: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> Sequence[Alert]:
        """See `AlertPort.list`."""
        with self._ledger.read() as seen:
            return seen.alerts.all(states, integration=integration, before=before, limit=limit)

    def get(self, alert: str) -> Alert:
        """See `AlertPort.get`."""
        with self._ledger.read() as seen:
            return seen.alerts.get(alert)

    def acknowledge(self, alert: str, actor: str, note: str = "") -> Alert:
        """See `AlertPort.acknowledge`."""
        with self._ledger.change(actor) as change:
            done = change.alerts.acknowledge(alert, actor, note)
        self._wake()
        return done

    def acknowledge_incident(self, incident: str, actor: str, note: str = "") -> Incident:
        """See `AlertPort.acknowledge_incident`."""
        with self._ledger.change(actor) as change:
            change.alerts.incident(incident)
            firing = change.alerts.all(["firing"], incident=incident)
            for alert in firing or change.alerts.all(incident=incident, limit=1):
                change.alerts.acknowledge(alert.id, actor, note)
            done = change.alerts.incident(incident)
        self._wake()
        return done

    def incidents(
        self,
        *,
        open_: bool | None = None,
        integration: str | None = None,
        franchise: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> Sequence[Incident]:
        """See `AlertPort.incidents`."""
        with self._ledger.read() as seen:
            return seen.alerts.incidents(
                open_=open_, integration=integration, franchise=franchise, before=before,
                limit=limit,
            )  # fmt: skip

    def incident(self, incident: str) -> IncidentStory:
        """See `AlertPort.incident`."""
        with self._ledger.read() as seen:
            return IncidentStory(
                seen.alerts.incident(incident),
                seen.alerts.all(incident=incident, limit=1_000),
                seen.alerts.timeline(incident),
            )

    def drills(self, limit: int = 1_000) -> Sequence[Drill]:
        """See `AlertPort.drills`."""
        with self._ledger.read() as seen:
            return seen.alerts.drills(limit)
