"""What is wrong, in words: health of an integration, fault, severity, and incidents as items."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from meterstone.detect.state import Fault, Health, OpenIncident
from meterstone.ledger import Incident
from meterstone.scorecard.values import Tone, count_text, format_duration, format_moment

HEALTH: Mapping[Health, tuple[Tone, str]] = {
    "healthy": ("met", "Healthy"),
    "late": ("miss", "Late"),
    "failing": ("miss", "Failing"),
    "down": ("miss", "Down"),
    "broken": ("miss", "Needs a person"),
    "quiet": ("doubt", "No traffic"),
    "paused": ("none", "Paused"),
}
"""Tone and word of a health; the worse, the further from the front of `WORST`."""

WORST: Sequence[Health] = ("down", "broken", "failing", "late", "quiet", "paused", "healthy")

FAULTS: Mapping[Fault, str] = {
    "provider": "the vendor's",
    "hub": "ours",
    "caller": "the caller's",
    "unknown": "not known yet",
}

SEVERITIES: Mapping[str, str] = {
    "sev1": "Severity 1", "sev2": "Severity 2", "sev3": "Severity 3", "sev4": "Severity 4",
}  # fmt: skip

_NAMED = 3
"""Shops that are named before the rest is counted."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment beside others of a page: its text leaves out the day that the page is of."""

    at: datetime
    text: str


def clock(at: datetime, now: datetime, zone: ZoneInfo) -> Moment:
    """``09:12`` on the day of ``now``, else ``13 March, 09:12``, in the reporting time zone."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    same = local.date() == today
    return Moment(at, f"{local:%H:%M}" if same else format_moment(at, zone.key, near=today))


@dataclass(frozen=True, slots=True)
class Trouble:
    """An incident as an item of a list.

    Attributes:
        tone, word: severity of an open one, or how it ended.
        since: the first bad event; found: how long after it the alarm came.
        lasts: how long it has lasted, or lasted.
        fault: whose, in words.
        affected: who, in words; empty where no shop is.
        says, next: what it means for whom, and what to do.
        taken: who is on it; empty: nobody yet.
    """

    id: str
    title: str
    href: str
    tone: Tone
    word: str
    integration: str
    since: Moment
    found: str
    lasts: str
    fault: str
    affected: str
    says: str
    next: str
    taken: str
    over: str = ""

    def named(self, called: Callable[[str], str]) -> Trouble:
        """With the name of the person who is on it."""
        return replace(self, taken=called(self.taken)) if self.taken else self


def open_trouble(
    incident: OpenIncident, now: datetime, zone: ZoneInfo, names: Mapping[str, str]
) -> Trouble:
    """An open incident of `Now`.

    Args:
        now: when the page is of.
        zone: the reporting time zone.
        names: of franchises, by key.
    """
    return Trouble(
        id=incident.id,
        title=incident.title,
        href=f"/incidents/{incident.id}",
        tone="doubt" if incident.severity == "sev4" else "miss",
        word=SEVERITIES[incident.severity],
        integration=incident.integration,
        since=clock(incident.started_at, now, zone),
        found=_span(incident.started_at, incident.detected_at),
        lasts=_span(incident.started_at, now),
        fault=FAULTS[incident.fault],
        affected=affected(incident.franchises, names),
        says=incident.says,
        next=incident.next,
        taken=incident.acknowledged_by,
    )


def kept_trouble(
    incident: Incident, now: datetime, zone: ZoneInfo, names: Mapping[str, str]
) -> Trouble:
    """An incident of the ledger, open or over at ``now``."""
    over = incident.resolved_at is not None and incident.resolved_at <= now
    until = incident.resolved_at if over and incident.resolved_at else now
    return Trouble(
        id=incident.id,
        title=incident.title,
        href=f"/incidents/{incident.id}",
        tone="none" if over else "doubt" if incident.severity == "sev4" else "miss",
        word="Over" if over else SEVERITIES[incident.severity],
        integration=incident.integration,
        since=clock(incident.started_at, now, zone),
        found=_span(incident.started_at, incident.detected_at),
        lasts=_span(incident.started_at, until),
        fault=FAULTS[incident.fault],
        affected=affected(incident.franchises, names),
        says=incident.says,
        next="" if over else incident.next,
        taken=incident.acknowledged_by,
        over=incident.resolution if over else "",
    )


def affected(franchises: Collection[str], names: Mapping[str, str]) -> str:
    """``Shop A and Shop B``, or ``41 shops``; empty for none."""
    shown = [names.get(key) or key for key in sorted(franchises)]
    if len(shown) > _NAMED:
        return count_text(len(shown), "shops")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _span(start: datetime, end: datetime) -> str:
    return format_duration(max(0.0, (end - start).total_seconds()))
