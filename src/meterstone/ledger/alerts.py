"""Alerts, the incidents that they open with what happened to them, and drills.

Machinery writes them as things change; what a person does to one is in the audit log too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from meterstone.errors import InputError, NotFound
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import alerts, drills, incident_events, incidents

AlertState = Literal["pending", "firing", "acknowledged", "resolved"]
IncidentKind = Literal["error", "availability", "performance", "data", "capacity", "security"]
Severity = Literal["sev1", "sev2", "sev3", "sev4"]
Blame = Literal["provider", "hub", "caller", "unknown"]
What = Literal["opened", "joined", "acknowledged", "resolved", "silenced", "changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One condition that holds (or held) for one cause.

    Attributes:
        rule: which rule or objective it is of.
        cause_key: what it is about; while it lasts there is one alert of a rule and a cause.
        integration: key of the integration; empty: of the network or the hub itself.
        franchises: who is affected.
        says, next: what it means for whom, and what to do.
        budget: how long the error budget lasts at this speed; empty where there is none.
        value, threshold: what was seen and from where on it is too much, in the rule's unit.
        started_at: the first bad event, as far as it is known.
        pending_at: when the condition was first seen; fired_at: when it counted.
        silenced_by: the maintenance window that keeps it quiet; empty: none.
        incident: that it opened or joined; empty: none.
        resolution: why it is over.
    """

    id: str
    rule: str
    cause_key: str
    state: AlertState
    kind: IncidentKind
    severity: Severity
    fault: Blame
    integration: str
    franchises: Sequence[str]
    title: str
    says: str
    next: str
    budget: str = ""
    value: float | None = None
    threshold: float | None = None
    started_at: datetime
    pending_at: datetime
    fired_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    silenced_by: str = ""
    incident: str = ""
    resolved_at: datetime | None = None
    resolution: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that is (or was) wrong: all alerts of one cause.

    ``started_at``: the first bad event, not its detection. ``auto_resolved``: over without a
    person.
    """

    id: str
    kind: IncidentKind
    severity: Severity
    fault: Blame
    cause_key: str
    integration: str
    franchises: Sequence[str]
    title: str
    says: str
    next: str
    started_at: datetime
    detected_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    resolved_at: datetime | None = None
    resolution: str = ""
    auto_resolved: bool = False

    @property
    def detection_s(self) -> float:
        """Seconds from the first bad event to the alarm."""
        return (self.detected_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """One line of an incident's timeline. ``actor``: ``watch``, or the id of a person."""

    incident: str
    at: datetime
    what: What
    text: str
    alert: str = ""
    actor: str = "watch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A known fault, and what the alarms made of it.

    Attributes:
        series: the drills that were run together.
        harmful: whether an alarm is the right answer; else silence is.
        detected_s: from the true beginning of the fault to the alarm; None: there was none.
        recovered_s: from the true end of the fault until the alarm was over.
        alarms: of this vendor, in the time of the fault and its recovery.
        false_alarms: alarms for which there was no fault.
    """

    series: str
    vendor: str
    fault: str
    harmful: bool
    started_at: datetime
    ended_at: datetime
    detected_s: float | None
    recovered_s: float | None
    alarms: int
    false_alarms: int
    note: str = ""


class Alerts:
    """Alerts, incidents and drills as one transaction sees and changes them."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    # -- alerts -----------------------------------------------------------------------------------

    def put(self, alert: Alert) -> None:
        """Keep an alert as it is now."""
        self._put(alerts, asdict(alert) | {"franchises": list(alert.franchises)})

    def get(self, alert: str) -> Alert:
        """An alert by its id.

        Raises:
            NotFound: there is none.
        """
        row = self._tx.run(sa.select(alerts).where(alerts.c.id == alert)).first()
        if row is None:
            raise NotFound("there is no such alert", place=alert, mend="list the alerts")
        return _alert(row)

    def all(
        self,
        states: Collection[AlertState] = (),
        *,
        incident: str | None = None,
        integration: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[Alert]:
        """Alerts, newest first.

        Args:
            states: only these; empty: all.
            before: `pending_at` and id of the last one of the page before.
        """
        query = sa.select(alerts)
        if states:
            query = query.where(alerts.c.state.in_(sorted(states)))
        if incident is not None:
            query = query.where(alerts.c.incident == incident)
        if integration is not None:
            query = query.where(alerts.c.integration == integration)
        if before is not None:
            query = query.where(_earlier(alerts.c.pending_at, alerts.c.id, before))
        query = query.order_by(alerts.c.pending_at.desc(), alerts.c.id.desc()).limit(limit)
        return [_alert(row) for row in self._tx.run(query)]

    def lasting(self) -> list[Alert]:
        """All alerts that are not over."""
        query = sa.select(alerts).where(alerts.c.resolved_at.is_(None))
        return [_alert(row) for row in self._tx.run(query.order_by(alerts.c.pending_at))]

    def acknowledge(self, alert: str, actor: str, note: str = "") -> Alert:
        """A person has seen it and takes it on; its incident is acknowledged with it.

        Raises:
            NotFound: there is no such alert.
            InputError: it does not fire.
        """
        found = self.get(alert)
        if found.state != "firing":
            said = "was acknowledged already" if found.state == "acknowledged" else "does not fire"
            raise InputError(f"the alert {said}", place=alert, mend="nothing")
        now = self._tx.now
        done = replace(found, state="acknowledged", acknowledged_at=now, acknowledged_by=actor)
        self.put(done)
        self._tx.audit("alert.acknowledge", alert, note=note, incident=found.incident)
        if found.incident:
            incident = self.incident(found.incident)
            if not incident.acknowledged_by:
                self.put_incident(replace(incident, acknowledged_at=now, acknowledged_by=actor))
            self.tell(
                IncidentEvent(
                    incident=incident.id, at=now, what="acknowledged", alert=alert, actor=actor,
                    text=note or found.title,
                )
            )  # fmt: skip
        return done

    # -- incidents --------------------------------------------------------------------------------

    def put_incident(self, incident: Incident) -> None:
        """Keep an incident as it is now."""
        self._put(incidents, asdict(incident) | {"franchises": list(incident.franchises)})

    def incident(self, incident: str) -> Incident:
        """An incident by its id.

        Raises:
            NotFound: there is none.
        """
        row = self._tx.run(sa.select(incidents).where(incidents.c.id == incident)).first()
        if row is None:
            raise NotFound("there is no such incident", place=incident, mend="list the incidents")
        return _incident(row)

    def incidents(
        self,
        *,
        open_: bool | None = None,
        integration: str | None = None,
        franchise: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[Incident]:
        """Incidents, newest first.

        Args:
            open_: only those that last (True) or are over (False).
            franchise: only those that affect this one.
            before: `started_at` and id of the last one of the page before.
        """
        query = sa.select(incidents)
        if open_ is not None:
            over = incidents.c.resolved_at
            query = query.where(over.is_(None) if open_ else over.is_not(None))
        if integration is not None:
            query = query.where(incidents.c.integration == integration)
        if franchise is not None:
            told = sa.cast(incidents.c.franchises, sa.Text)
            query = query.where(told.contains(f'"{franchise}"', autoescape=True))
        if before is not None:
            query = query.where(_earlier(incidents.c.started_at, incidents.c.id, before))
        query = query.order_by(incidents.c.started_at.desc(), incidents.c.id.desc()).limit(limit)
        return [_incident(row) for row in self._tx.run(query)]

    def tell(self, event: IncidentEvent) -> None:
        """A new line of an incident's timeline."""
        self._tx.run(sa.insert(incident_events).values(asdict(event)))

    def timeline(self, incident: str) -> list[IncidentEvent]:
        """What happened to an incident, oldest first."""
        table = incident_events
        query = sa.select(table).where(table.c.incident == incident).order_by(table.c.number)
        return [
            IncidentEvent(**{k: v for k, v in row._mapping.items() if k != "number"})
            for row in self._tx.run(query)
        ]

    # -- drills -----------------------------------------------------------------------------------

    def add_drill(self, drill: Drill) -> None:
        """Keep what a drill showed."""
        self._tx.run(sa.insert(drills).values(asdict(drill)))

    def drills(self, limit: int = 1_000) -> list[Drill]:
        """Drills on record, newest first."""
        query = sa.select(drills).order_by(drills.c.started_at.desc(), drills.c.id.desc())
        return [
            Drill(**{k: v for k, v in row._mapping.items() if k != "id"})
            for row in self._tx.run(query.limit(limit))
        ]

    def _put(self, table: sa.Table, fields: dict[str, Any]) -> None:
        new = self._tx.insert(table).values(fields)
        self._tx.run(new.on_conflict_do_update(index_elements=[table.c.id], set_=fields))


def _earlier(
    column: sa.Column[Any], id_: sa.Column[Any], before: tuple[datetime, str]
) -> sa.ColumnElement[bool]:
    at, last = before
    return sa.or_(column < at, sa.and_(column == at, id_ < last))


def _alert(row: sa.Row[Any]) -> Alert:
    return Alert(**dict(row._mapping) | {"franchises": tuple(row.franchises)})


def _incident(row: sa.Row[Any]) -> Incident:
    return Incident(**dict(row._mapping) | {"franchises": tuple(row.franchises)})
