"""The life of an alert: pending → firing → acknowledged → resolved.

    found ──▶ pending ──lasts──▶ firing ──a person──▶ acknowledged
                 │                 │                      │
                 └──── gone for as long as the rule says ─┴──▶ resolved, with the reason

One alert a rule and cause lasts at a time: what is found again belongs to it. What is found after
it is over is another one, which does not begin with the bad events of the one before. In an
approved maintenance window it is silenced and says so; it opens no incident until that is over.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meterstone.detect.finding import Finding
from meterstone.detect.incidents import cause_key
from meterstone.ledger import Alert

_RANK = {"sev1": 0, "sev2": 1, "sev3": 2, "sev4": 3}
Place = tuple[str, str]
Silence = Callable[[Alert], str]
"""The maintenance window that an alert falls into; empty: none."""


@dataclass(slots=True)
class _Life:
    alert: Alert
    seen_at: datetime
    clear_s: float
    lasting_s: float


class Machine:
    """All alerts that last, and how they go on. For one thread.

    Args:
        lasting: alerts of an earlier process that are not over.
        now: when this one begins. What nobody looked at meanwhile is not taken for well: they last
            for ``clear_s`` from now on, seconds.
        over: see there.

    Attributes:
        over: until when alarms told what was the matter, by cause key of incidents. Bad events up
            to then are of an alert that is over. Budgets burn on and do not count here.
    """

    def __init__(
        self,
        lasting: Iterable[Alert] = (),
        now: datetime | None = None,
        clear_s: float = 60.0,
        over: Mapping[str, datetime] | None = None,
    ) -> None:
        self.over = dict(over or {})
        self._alive: dict[Place, _Life] = {
            (a.rule, a.cause_key): _Life(a, now or a.fired_at or a.pending_at, clear_s, 0.0)
            for a in lasting
        }

    @property
    def alive(self) -> list[Alert]:
        """Alerts that are not over."""
        return [life.alert for life in self._alive.values()]

    def acknowledged(self, alerts: Iterable[Alert]) -> None:
        """Take over what persons did meanwhile."""
        for alert in alerts:
            life = self._alive.get((alert.rule, alert.cause_key))
            if life and life.alert.id == alert.id and alert.state == "acknowledged":
                life.alert = replace(
                    life.alert, state="acknowledged", acknowledged_at=alert.acknowledged_at,
                    acknowledged_by=alert.acknowledged_by,
                )  # fmt: skip

    def joined(self, alert: Alert) -> None:
        """Note the incident that an alert belongs to."""
        self._alive[alert.rule, alert.cause_key].alert = alert

    def step(
        self, now: datetime, findings: Iterable[Finding], silence: Silence = lambda _: ""
    ) -> list[Alert]:
        """What changes, given all that is found now: alerts as they are from now on."""
        found = {finding.place: finding for finding in findings}
        changed = []
        for place, finding in found.items():
            before = self._alive.get(place)
            life = self._follow(before, finding, now)
            self._alive[place] = life
            life.alert = self._with_silence(life.alert, silence)
            if before is None or life.alert != before.alert:
                changed.append(life.alert)
        for place in [place for place in self._alive if place not in found]:
            ended = self._fade(place, now)
            if ended is not None:
                changed.append(ended)
        return changed

    def _follow(self, life: _Life | None, finding: Finding, now: datetime) -> _Life:
        if life is None:
            life = _Life(_new(finding, now), now, finding.clear_s, finding.lasting_s)
        else:
            alert = _updated(life.alert, finding)
            life = _Life(alert, now, finding.clear_s, finding.lasting_s)
        alert = life.alert
        lasts = (now - alert.pending_at).total_seconds() >= life.lasting_s
        if alert.state == "pending" and lasts:
            life.alert = replace(alert, state="firing", fired_at=now)
        return life

    def _fade(self, place: Place, now: datetime) -> Alert | None:
        life = self._alive[place]
        gone = now - life.seen_at
        if gone < timedelta(seconds=life.clear_s):
            return None
        counted = life.alert.fired_at is not None
        why = "it has not come back" if counted else "it passed before it counted"
        del self._alive[place]
        if counted and not life.alert.budget:
            self._note_over(life)
        return replace(
            life.alert, state="resolved", resolved_at=now,
            resolution=f"Over: {why} for {max(1, round(gone.total_seconds()))} s.",
        )  # fmt: skip

    def _note_over(self, ended: _Life) -> None:
        key = cause_key(ended.alert)
        others = [
            life for life in self._alive.values()
            if life.alert.fired_at and not life.alert.budget and cause_key(life.alert) == key
        ]  # fmt: skip
        if not others:
            self.over[key] = max(ended.seen_at, self.over.get(key, ended.seen_at))

    @staticmethod
    def _with_silence(alert: Alert, silence: Silence) -> Alert:
        window = silence(alert)
        return alert if window == alert.silenced_by else replace(alert, silenced_by=window)


def _new(finding: Finding, now: datetime) -> Alert:
    return Alert(
        id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}", state="pending", pending_at=now,
        rule=finding.rule, cause_key=finding.cause_key, kind=finding.kind,
        severity=finding.severity, fault=finding.fault, integration=finding.integration,
        franchises=tuple(finding.franchises), title=finding.title, says=finding.says,
        next=finding.next, budget=finding.budget, value=finding.value,
        threshold=finding.threshold, started_at=min(finding.started_at, now),
    )  # fmt: skip


def _updated(alert: Alert, finding: Finding) -> Alert:
    """The alert with what is found now. What it says changes with its severity alone, so that
    nobody is told the same in other figures every few seconds."""
    fault = alert.fault if finding.fault == "unknown" else finding.fault
    franchises = tuple(sorted({*alert.franchises, *finding.franchises}))
    worse = _RANK[finding.severity] < _RANK[alert.severity]
    if not worse and fault == alert.fault and franchises == tuple(alert.franchises):
        return alert
    changed = replace(alert, fault=fault, franchises=franchises)
    if worse:
        changed = replace(
            changed, severity=finding.severity, title=finding.title, says=finding.says,
            next=finding.next, budget=finding.budget, value=finding.value,
            threshold=finding.threshold,
        )  # fmt: skip
    return changed
