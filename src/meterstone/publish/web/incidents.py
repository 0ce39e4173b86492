"""Incidents: what broke, whose fault, how soon it was found, and how it ended. An incident has a
page with its timeline, where a person takes it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.detect.service import AlertPort, IncidentStory
from meterstone.errors import InputError, MeterstoneError
from meterstone.ledger import Alert, Incident, IncidentEvent
from meterstone.measure.results import rfc3339
from meterstone.people.rights import Right
from meterstone.publish.web.forms import Sent, answer_to, form
from meterstone.publish.web.operations import shops
from meterstone.publish.web.site import Site
from meterstone.publish.web.trouble import FAULTS, Moment, Trouble, clock, kept_trouble
from meterstone.scorecard.values import Tone, count_text, format_duration, format_value

PAGE = 50
_NOTE = 500
_WATCH = "watch"
_STATES: Mapping[str, tuple[Tone, str]] = {
    "pending": ("doubt", "Not yet counted"),
    "firing": ("miss", "Alarm"),
    "acknowledged": ("doubt", "Taken on"),
    "resolved": ("none", "Over"),
}
_WHAT: Mapping[str, str] = {
    "opened": "Opened",
    "joined": "Another alarm of the same cause",
    "acknowledged": "Taken on",
    "resolved": "Over",
    "silenced": "Silenced by an approved window",
    "changed": "Changed",
}
SHOWS: Mapping[str, bool | None] = {"open": True, "over": False, "all": None}

Called = Callable[[str], str]
"""How a person is called, by the id that the ledger has."""


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a timeline."""

    at: Moment
    after: str
    what: str
    text: str
    who: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alert of an incident."""

    id: str
    title: str
    tone: Tone
    word: str
    says: str
    next: str
    budget: str
    measured: str
    since: Moment
    firing: bool


def told(story: IncidentStory, now: datetime, zone: ZoneInfo, called: Called) -> list[Event]:
    """The timeline, from the first bad event on."""
    first = story.incident.started_at
    begin = Event(clock(first, now, zone), "", "Began", "the first bad event", "")
    return [begin, *(_event(each, first, now, zone, called) for each in story.timeline)]


def _event(
    event: IncidentEvent, first: datetime, now: datetime, zone: ZoneInfo, called: Called
) -> Event:
    after = max(0.0, (event.at - first).total_seconds())
    return Event(
        clock(event.at, now, zone),
        f"{format_duration(after)} after it began",
        _WHAT[event.what],
        event.text,
        "" if event.actor == _WATCH else called(event.actor),
    )


def alarm(alert: Alert, now: datetime, zone: ZoneInfo) -> Alarm:
    """An alert in words."""
    tone, word = _STATES[alert.state]
    seen = "" if alert.value is None else f"seen {format_value(alert.value, '')}"
    limit = "" if alert.threshold is None else f"limit {format_value(alert.threshold, '')}"
    return Alarm(
        alert.id, alert.title, tone, word,
        alert.resolution if alert.state == "resolved" and alert.resolution else alert.says,
        "" if alert.state == "resolved" else alert.next,
        alert.budget, ", ".join(part for part in (seen, limit) if part),
        clock(alert.started_at, now, zone), alert.state == "firing",
    )  # fmt: skip


def facts(
    incident: Incident, item: Trouble, now: datetime, zone: ZoneInfo
) -> list[tuple[str, str]]:
    """What is known of an incident, as pairs."""
    pairs = [
        ("Fault", item.fault),
        ("Affected", item.affected or "no shop"),
        ("Found", f"{item.found} after the first bad event"),
        ("Lasts" if not item.over else "Lasted", item.lasts),
        ("Kind", incident.kind),
        ("Cause", incident.cause_key),
    ]
    if incident.resolved_at and item.word == "Over":
        how = "by itself" if incident.auto_resolved else "by a person"
        pairs.append(("Over", f"{clock(incident.resolved_at, now, zone).text}, {how}"))
    return pairs


def headline(found: Sequence[Incident]) -> tuple[str, str]:
    """The sentence of the list and the line below."""
    running = [each for each in found if each.resolved_at is None]
    if not running:
        return "Nothing is open.", "What broke before is below, the newest first."
    mine = sum(1 for each in running if not each.acknowledged_by)
    if not mine:
        taken = "Somebody is on it." if len(running) == 1 else "All are taken on."
    elif mine == len(running):
        taken = f"Nobody has taken {'it' if mine == 1 else 'them'} on yet."
    else:
        taken = f"{mine} of them nobody has taken on yet."
    blame = sorted({FAULTS[each.fault] for each in running})
    return (
        f"{count_text(len(running), 'incidents')} {'is' if len(running) == 1 else 'are'} open.",
        f"{taken} Fault: {', '.join(blame)}.",
    )


def routes(
    site: Site, alerts: AlertPort, called: Called = str,
    time: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[BaseRoute]:  # fmt: skip
    """``/incidents``, ``/incidents/{incident}``, and taking one on.

    Args:
        site: what pages read.
        alerts: incidents and alerts.
        called: how a person is called.
        time: the time, UTC.
    """
    pages = _Pages(site, alerts, called, time)
    one = "/incidents/{incident}"
    return [
        Route("/incidents", pages.list),
        Route(one, pages.show),
        Route(f"{one}/acknowledge", form(pages.take, pages.refused), methods=["POST"]),
        Route(f"{one}/alerts/{{alert}}/acknowledge", form(pages.take_alert, pages.refused),
              methods=["POST"]),
    ]  # fmt: skip


@dataclass(frozen=True)
class _Pages:
    site: Site
    alerts: AlertPort
    called: Called
    time: Callable[[], datetime]

    def list(self, request: Request) -> Response:
        """Incidents, newest first, a page at a time."""
        query = request.query_params
        shown = query.get("show", "all")
        if shown not in SHOWS:
            raise InputError("there is no such list", place="show", mend=", ".join(SHOWS))
        integration, before = query.get("integration") or None, _before(query.get("before", ""))
        found = self.alerts.incidents(
            open_=SHOWS[shown], integration=integration, before=before, limit=PAGE + 1
        )
        sentence, lede = headline(self.alerts.incidents(open_=True, limit=500))
        now, zone, names = self.time(), self.site.board.zone, shops(self.site.board)
        more = found[PAGE - 1] if len(found) > PAGE else None
        kept = {"show": shown, "integration": integration or ""}
        return self.site.render(
            request, "incidents.html", title="Incidents", sentence=sentence, lede=lede,
            items=[kept_trouble(i, now, zone, names).named(self.called) for i in found[:PAGE]],
            shown=shown, shows=list(SHOWS), integration=integration or "",
            integrations=self.site.board.scopes("integration"),
            older=f"/incidents?{urlencode({**kept, 'before': _mark(more)})}" if more else "",
        )  # fmt: skip

    def show(self, request: Request) -> Response:
        """One incident."""
        return self._page(request)

    def take(self, request: Request, given: Sent) -> Response:
        """A person takes on all alarms of an incident."""
        incident = request.path_params["incident"]
        self.alerts.acknowledge_incident(incident, self.site.actor(request), _note(given))
        return RedirectResponse(f"/incidents/{incident}", HTTPStatus.SEE_OTHER)

    def take_alert(self, request: Request, given: Sent) -> Response:
        """A person takes on one alarm."""
        incident, alert = request.path_params["incident"], request.path_params["alert"]
        if self.alerts.get(alert).incident != incident:
            return self.site.error(request, HTTPStatus.NOT_FOUND)
        self.alerts.acknowledge(alert, self.site.actor(request), _note(given))
        return RedirectResponse(f"/incidents/{incident}", HTTPStatus.SEE_OTHER)

    def refused(self, request: Request, _given: Sent, error: MeterstoneError) -> Response:
        """The page with what was refused."""
        return self._page(request, error)

    def _page(self, request: Request, error: MeterstoneError | None = None) -> Response:
        try:
            story = self.alerts.incident(request.path_params["incident"])
        except InputError:
            return self.site.error(request, HTTPStatus.NOT_FOUND)
        now, zone, incident = self.time(), self.site.board.zone, story.incident
        names = shops(self.site.board)
        item = kept_trouble(incident, now, zone, names).named(self.called)
        principal = self.site.principal(request)
        may = principal is not None and principal.may(Right.RESPOND)
        alarms = [alarm(each, now, zone) for each in story.alerts]
        return self.site.render(
            request, "incident.html", title=incident.title, sentence=incident.title,
            lede=item.says, item=item, error=error, alarms=alarms,
            facts=facts(incident, item, now, zone), events=told(story, now, zone, self.called),
            shops=_shops(incident, names),
            may_take=may and not item.taken and any(each.firing for each in alarms),
            may_take_alerts=may and sum(each.firing for each in alarms) > 1,
            **answer_to(error),
        )  # fmt: skip


def _shops(incident: Incident, names: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(key, names.get(key) or key) for key in sorted(incident.franchises)]


def _note(given: Sent) -> str:
    note = given.one("note").strip()
    if len(note) > _NOTE:
        raise InputError(f"more than {_NOTE} characters", place="note", mend="say it shorter")
    return note


def _mark(incident: Incident) -> str:
    return f"{rfc3339(incident.started_at)}~{incident.id}"


def _before(mark: str) -> tuple[datetime, str] | None:
    moment, _, incident = mark.partition("~")
    if not mark:
        return None
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not incident:
        raise InputError("this is no place in the list", place="before", mend="begin at /incidents")
    return at, incident
