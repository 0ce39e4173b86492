"""From alerts to incidents, and from incidents to facts.

All alerts of an integration that are of one family (its service; its data) while the first of them
lasts are one incident. It begins with the first bad event, is detected when the first of its alerts
fires, and is over with the last of them. Both ends are rows of the fact ``incident``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from meterstone.ledger import Alert, Change, Incident, IncidentEvent

_RANK = {"sev1": 0, "sev2": 1, "sev3": 2, "sev4": 3}
_FAMILY = {"data": "data", "security": "security"}

Row = Mapping[str, Any]


@dataclass(slots=True)
class Outcome:
    """What came of a step: rows to land, and incidents that changed."""

    rows: list[Row]
    incidents: list[Incident]


class Incidents:
    """Opens, joins and closes incidents within one change of the ledger.

    Args:
        has_told: whether the hub itself keeps the incident of a subject as facts already; the
            same outage is then not told twice.
    """

    def __init__(self, has_told: Callable[[str], bool] = lambda _: False) -> None:
        self._has_told = has_told

    def take(self, change: Change, changed: Iterable[Alert], now: datetime) -> Outcome:
        """Follow alerts that changed; the alerts are kept too, with their incident."""
        outcome = Outcome([], [])
        touched: set[str] = set()
        for each in changed:
            alert, before = each, _kept(change, each)
            if alert.state in ("firing", "acknowledged") and not alert.silenced_by:
                alert = self._with_incident(change, alert, now, outcome)
            elif alert.silenced_by and alert.incident and (not before or not before.silenced_by):
                self._tell(change, alert, now, "silenced", f"Silenced: {alert.silenced_by}")
            change.alerts.put(alert)
            if alert.state == "resolved" and alert.incident:
                self._tell(change, alert, now, "resolved", f"{alert.title}. {alert.resolution}")
                touched.add(alert.incident)
        for incident in touched:
            self._close_if_over(change, incident, now, outcome)
        return outcome

    def _with_incident(
        self, change: Change, alert: Alert, now: datetime, outcome: Outcome
    ) -> Alert:
        if alert.incident:
            self._grow(change, alert, now, outcome)
            return alert
        key = cause_key(alert)
        found = next((i for i in change.alerts.incidents(open_=True) if i.cause_key == key), None)
        if found is None:
            found = _opened(alert, key, now)
            change.alerts.put_incident(found)
            self._tell(change, replace(alert, incident=found.id), now, "opened", alert.title)
            outcome.incidents.append(found)
            if not self._has_told(alert.integration):
                outcome.rows.append(fact(found))
            return replace(alert, incident=found.id)
        alert = replace(alert, incident=found.id)
        self._tell(change, alert, now, "joined", alert.title)
        self._grow(change, alert, now, outcome)
        return alert

    def _grow(self, change: Change, alert: Alert, now: datetime, outcome: Outcome) -> None:
        """An incident is as bad as its worst alert, begins with the first, and affects all."""
        found = change.alerts.incident(alert.incident)
        grown = replace(
            found, franchises=tuple(sorted({*found.franchises, *alert.franchises})),
            started_at=min(found.started_at, alert.started_at),
            fault=alert.fault if found.fault == "unknown" else found.fault,
        )  # fmt: skip
        if _RANK[alert.severity] < _RANK[found.severity]:
            grown = replace(
                grown, severity=alert.severity, kind=alert.kind, title=alert.title,
                says=_says(alert), next=alert.next,
            )  # fmt: skip
            self._tell(change, alert, now, "changed", f"Now: {alert.title}")
        if grown != found:
            change.alerts.put_incident(grown)
            outcome.incidents.append(grown)

    def _close_if_over(
        self, change: Change, incident: str, now: datetime, outcome: Outcome
    ) -> None:
        own = change.alerts.all(incident=incident, limit=1_000)
        if any(alert.state != "resolved" for alert in own):
            return
        found = change.alerts.incident(incident)
        if found.resolved_at is not None:
            return
        last = max(own, key=lambda alert: alert.resolved_at or now)
        by_person = any(alert.kind == "error" and alert.fault == "caller" for alert in own)
        done = replace(
            found, resolved_at=now, resolution=last.resolution, auto_resolved=not by_person
        )
        change.alerts.put_incident(done)
        outcome.incidents.append(done)
        told = any(e.what == "opened" and e.actor == _HUB for e in change.alerts.timeline(incident))
        if not told:
            outcome.rows.append(fact(done))

    def _tell(self, change: Change, alert: Alert, now: datetime, what: Any, text: str) -> None:
        hub = what == "opened" and self._has_told(alert.integration)
        change.alerts.tell(
            IncidentEvent(
                incident=alert.incident, at=now, what=what, text=text, alert=alert.id,
                actor=_HUB if hub else "watch",
            )
        )  # fmt: skip


_HUB = "hub"
"""Who told of an incident that the hub keeps as facts itself."""


def cause_key(alert: Alert) -> str:
    """What joins the alerts of one incident."""
    return cause_of(alert.integration, alert.kind)


def cause_of(integration: str, kind: str) -> str:
    """The same, of an integration and a kind of alert."""
    return f"{integration or 'hub'}:{_FAMILY.get(kind, 'service')}"


def fact(incident: Incident) -> Row:
    """An incident as a row of the fact ``incident``; ending one is a revision of its beginning."""
    row: dict[str, Any] = {
        "fact": "incident", "incident_id": f"watch:{incident.id}", "kind": incident.kind,
        "severity": incident.severity, "started_at": _text(incident.started_at),
        "detected_at": _text(incident.detected_at), "detected_by": "monitor",
        "auto_resolved": incident.auto_resolved, "escalated": bool(incident.acknowledged_by),
        "predicted": False, "cause_key": incident.cause_key, "source": "hub",
    }  # fmt: skip
    if incident.integration:
        row["integration"] = incident.integration
    if incident.resolved_at is not None:
        lasted = (incident.resolved_at - incident.started_at).total_seconds()
        row |= {"resolved_at": _text(incident.resolved_at), "customer_impact_s": lasted}
    return row


def _opened(alert: Alert, key: str, now: datetime) -> Incident:
    return Incident(
        id=f"i{alert.id}", kind=alert.kind, severity=alert.severity, fault=alert.fault,
        cause_key=key, integration=alert.integration, franchises=tuple(alert.franchises),
        title=alert.title, says=_says(alert), next=alert.next, started_at=alert.started_at,
        detected_at=alert.fired_at or now, acknowledged_by=alert.acknowledged_by,
        acknowledged_at=alert.acknowledged_at,
    )  # fmt: skip


def _says(alert: Alert) -> str:
    """What it means, and how long the error budget lasts."""
    return " ".join(part for part in (alert.says, alert.budget) if part)


def _kept(change: Change, alert: Alert) -> Alert | None:
    found = [a for a in change.alerts.lasting() if a.id == alert.id]
    return found[0] if found else None


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
