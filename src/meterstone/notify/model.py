"""A route: which incidents are told, over which channel, when not, and what if nobody answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from meterstone.errors import InputError
from meterstone.ledger import Incident
from meterstone.ledger.alerts import Blame, IncidentKind, Severity

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
KINDS: tuple[IncidentKind, ...] = get_args(IncidentKind)
FAULTS: tuple[Blame, ...] = get_args(Blame)
BREAKS_THROUGH: Severity = "sev1"
"""What is told also in quiet hours."""
MOST_WAIT_S, MOST_ESCALATE_MIN = 3600, 1440


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which a route is silent, by the clock of a place; they may go over midnight."""

    begins: str
    ends: str
    zone: str = "UTC"

    def until(self, moment: datetime) -> datetime | None:
        """The end of the quiet hours that a moment lies in; None: it lies in none."""
        zone = ZoneInfo(self.zone)
        local = moment.astimezone(zone)
        first, last = time.fromisoformat(self.begins), time.fromisoformat(self.ends)
        now = local.time()
        over_midnight = first > last
        inside = (now >= first or now < last) if over_midnight else first <= now < last
        if not inside:
            return None
        day = local.date()
        if over_midnight and now >= first:
            day += timedelta(days=1)
        return datetime.combine(day, last, zone).astimezone(moment.tzinfo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Who is told what.

    Attributes:
        channel: id of the channel that it goes over.
        least: the mildest severity that is told; sev1 is the worst.
        kinds, faults, integrations: only these; empty: all.
        recovered: whether the end is told too.
        wait_s: what happens in this time is told in one message.
        quiet: when it is silent; what happens then is told at their end, and sev1 at once.
        escalate_min: minutes without an acknowledgement, after which another channel is told; 0:
            never. It is repeated after as long again, three times in all.
        escalate_to: id of that channel.
    """

    name: str
    channel: str
    least: Severity = "sev3"
    kinds: tuple[IncidentKind, ...] = ()
    faults: tuple[Blame, ...] = ()
    integrations: tuple[str, ...] = ()
    recovered: bool = True
    wait_s: int = 15
    quiet: Quiet | None = None
    escalate_min: int = 0
    escalate_to: str = ""
    id: str = field(default="", compare=False)

    def takes(self, incident: Incident) -> bool:
        """Whether an incident is told here."""
        return (
            SEVERITIES.index(incident.severity) <= SEVERITIES.index(self.least)
            and (not self.kinds or incident.kind in self.kinds)
            and (not self.faults or incident.fault in self.faults)
            and (not self.integrations or incident.integration in self.integrations)
        )

    def when(self, now: datetime, severity: Severity) -> datetime:
        """When something of a severity that happened now is told."""
        if severity == BREAKS_THROUGH:
            return now
        told = now + timedelta(seconds=self.wait_s)
        ends = self.quiet.until(told) if self.quiet else None
        return ends or told

    def settings(self) -> dict[str, Any]:
        """As it is kept."""
        found = asdict(self)
        del found["id"], found["name"]
        return found


def route_of(kept: Mapping[str, Any]) -> Route:
    """A route as it was kept."""
    settings = dict(kept["settings"])
    quiet = settings.pop("quiet")
    for name in ("kinds", "faults", "integrations"):
        settings[name] = tuple(settings[name])
    return Route(
        name=kept["name"], id=kept["id"], quiet=Quiet(**quiet) if quiet else None, **settings
    )


def checked(route: Route) -> Route:
    """A route that makes sense.

    Raises:
        InputError: names what does not.
    """
    name = " ".join(route.name.split())
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise InputError("a route has a name of 1 to 100 characters", place="name", mend="name it")
    for place, given, known in (
        ("least", (route.least,), SEVERITIES),
        ("kinds", route.kinds, KINDS),
        ("faults", route.faults, FAULTS),
    ):
        wrong = [each for each in given if each not in known]
        if wrong:
            raise InputError(
                f"unknown {place}: {wrong[0][:50]!r}",
                place=place,
                mend="one of: " + ", ".join(known),
            )
    if not 0 <= route.wait_s <= MOST_WAIT_S:
        raise InputError(f"0 to {MOST_WAIT_S} s", place="wait_s", mend="15 is usual")
    if not 0 <= route.escalate_min <= MOST_ESCALATE_MIN:
        raise InputError(
            f"0 to {MOST_ESCALATE_MIN} minutes", place="escalate_min", mend="15 is usual; 0: never"
        )
    if bool(route.escalate_min) != bool(route.escalate_to):
        raise InputError(
            "an escalation needs minutes and a channel", place="escalate_to", mend="give both"
        )
    if route.quiet is not None:
        _check(route.quiet)
    return replace(route, name=name)


def _check(quiet: Quiet) -> None:
    try:
        first, last = time.fromisoformat(quiet.begins), time.fromisoformat(quiet.ends)
        ZoneInfo(quiet.zone)
    except (ValueError, ZoneInfoNotFoundError, OSError) as error:
        raise InputError(
            "quiet hours have a beginning, an end and a time zone",
            place="quiet",
            mend="write 22:00, 07:00 and Europe/Berlin",
        ) from error
    if first == last or first.tzinfo or last.tzinfo:
        raise InputError(
            "quiet hours begin and end at different times", place="quiet", mend="22:00 to 07:00"
        )
