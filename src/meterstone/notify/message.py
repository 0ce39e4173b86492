"""What a notification says: what happened, who is affected, what to do, where to answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from meterstone.ledger import Incident
from meterstone.ledger.alerts import Severity
from meterstone.notify.model import SEVERITIES

_WORD: dict[Severity, str] = {
    "sev1": "Severe", "sev2": "Serious", "sev3": "Notable", "sev4": "Minor",
}  # fmt: skip
_FAULT = {
    "provider": "the vendor's", "hub": "our own", "caller": "the caller's",
    "unknown": "not known yet",
}  # fmt: skip
_MOST = 20
Links = Callable[[Incident], tuple[str, str]]
"""Of an incident: where it is shown, and where it is acknowledged (empty: nothing to be)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A title of one line, and plain text."""

    title: str
    body: str
    severity: Severity


def message_of(
    incidents: Sequence[Incident], now: datetime, links: Links, *, simulated: bool
) -> Message:
    """One message of everything that happened in a group.

    Args:
        incidents: as they stand now, at least one.
        now: of the message.
        links: of an incident.
        simulated: the facts are simulated, and the message says so.
    """
    worst = sorted(
        incidents, key=lambda i: (i.resolved_at is not None, SEVERITIES.index(i.severity))
    )
    first = worst[0]
    more = f" (and {len(worst) - 1} more)" if len(worst) > 1 else ""
    over = "Over: " if first.resolved_at else f"{_WORD[first.severity]}: "
    label = "[Simulated] " if simulated else ""
    told = [_told(each, now, links) for each in worst[:_MOST]]
    if len(worst) > _MOST:
        told.append(f"{len(worst) - _MOST} more stand on the page of incidents.")
    if simulated:
        told.append("These are simulated data: this network does not exist.")
    return Message(f"{label}{over}{_line(first.title)}{more}", "\n\n".join(told), first.severity)


def escalation_of(
    incident: Incident, now: datetime, links: Links, waited: str, *, simulated: bool
) -> Message:
    """That nobody answered."""
    told = message_of([incident], now, links, simulated=simulated)
    head = f"Nobody has acknowledged this for {waited}.\n\n"
    return Message(f"Unanswered for {waited}: {told.title}", head + told.body, told.severity)


def lasting(seconds: float) -> str:
    """A time as people say it."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _told(incident: Incident, now: datetime, links: Links) -> str:
    page, answer = links(incident)
    lines = [_line(incident.title), incident.says]
    if incident.resolved_at is None:
        lines.append(f"What to do: {incident.next}")
        since = f"Since {incident.started_at:%Y-%m-%d %H:%M} UTC, for {_ago(incident, now)}"
        lines.append(f"{since}; found after {lasting(incident.detection_s)}.")
    else:
        lasted = lasting((incident.resolved_at - incident.started_at).total_seconds())
        lines.append(f"Over since {incident.resolved_at:%Y-%m-%d %H:%M} UTC, after {lasted}.")
        if incident.resolution:
            lines.append(f"Why: {incident.resolution}")
    lines.append(f"Fault: {_FAULT[incident.fault]}. Affected: {_affected(incident)}.")
    lines.append(f"Page: {page}")
    if answer:
        lines.append(f"Take it on: {answer}")
    return "\n".join(line for line in lines if line)


def _ago(incident: Incident, now: datetime) -> str:
    return lasting(max((now - incident.started_at).total_seconds(), 0.0))


def _affected(incident: Incident) -> str:
    shops = len(incident.franchises)
    if not shops:
        return "no single shop is known"
    return "1 shop" if shops == 1 else f"{shops} shops"


def _line(text: str) -> str:
    return " ".join(text.split())
