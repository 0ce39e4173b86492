"""Tells people of incidents: what happened is collected by route, told in one message, sent through
the job queue, told again where nobody answers.

    incident event ──▶ route ──▶ job (waits for its group, or for the end of quiet hours)
                                  └─▶ notice ──▶ job ──▶ channel ──┐
                                        └─▶ job: nobody answered? ─┘
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage

from meterstone.errors import InputError, MeterstoneError
from meterstone.ledger import Change, Incident, IncidentEvent, Job, Ledger
from meterstone.ledger.notices import Channel, Notice
from meterstone.notify.answers import Answer, Answers
from meterstone.notify.letters import NotDelivered
from meterstone.notify.message import Links, escalation_of, lasting, message_of
from meterstone.notify.model import Route, checked, route_of
from meterstone.notify.ways import Ways

_log = logging.getLogger(__name__)

TELL, SEND, ESCALATE = "notice_tell", "notice_send", "notice_escalate"
ACTOR = "notify"
OLD = timedelta(hours=1)
"""What happened longer ago wakes nobody: Meterstone did not run then."""
MOST_ATTEMPTS = 6
MOST_ESCALATIONS = 3
_PAUSES_S = (30, 120, 480, 1800, 3600)
_LOOKS_EVERY_S = 2.0
_URL = "url"
_TOLD = ("opened", "changed", "resolved")


class Notifications:
    """Notifications of a home.

    Args:
        ledger: channels, routes, notices and their jobs.
        ways: sends.
        simulated: whether the facts are simulated; messages say so.
        letter: what goes over mail instead of the text of a message: a report with its files.

    Attributes:
        url: how people call us; links in messages begin with it.
        answers: links by which an incident is taken on.
    """

    def __init__(
        self,
        ledger: Ledger,
        ways: Ways,
        url: str,
        simulated: Callable[[], bool] = lambda: False,
        letter: Callable[[Notice], EmailMessage | None] = lambda _notice: None,
    ) -> None:
        self._ledger = ledger
        self._ways = ways
        self._simulated = simulated
        self._letter = letter
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.url = url
        self.answers = Answers(ledger)

    # -- channels and routes ----------------------------------------------------------------------

    def channels(self, at: datetime | None = None) -> list[Channel]:
        """All channels, by name; those that there were at a moment (UTC)."""
        with self._ledger.read() as seen:
            return seen.past(at).channels() if at else seen.notices.channels()

    def add_channel(self, name: str, url: str, actor: str) -> Channel:
        """A new channel; its URL is sealed and never shown again.

        Raises:
            InputError: it has no name or one that there is, or its URL cannot be used.
        """
        name = " ".join(name.split())
        if not 1 <= len(name) <= 100 or not name.isprintable():
            raise InputError("a channel has a name", place="name", mend="1 to 100 characters")
        way = self._ways.way(url.strip())
        with self._ledger.change(actor) as change:
            made = change.notices.add_channel(name, way)
            change.secrets.put(_owner(made.id), _URL, url.strip().encode())
        return made

    def remove_channel(self, channel: str, actor: str) -> None:
        """Forget a channel and destroy its URL.

        Raises:
            InputError: there is none, or a route or the plan of a report uses it.
        """
        with self._ledger.change(actor) as change:
            found = change.notices.channel(channel)
            if any(found.id in plan.channels for plan in change.reports.plans()):
                raise InputError(
                    "reports are sent over this channel",
                    place=found.name,
                    mend="take it off their plans at /settings/reports first",
                )
            change.notices.remove_channel(found.id)
            change.secrets.delete(_owner(found.id))

    def test(self, channel: str, actor: str) -> Notice:
        """Send a test now, once; the notice says how it went.

        Raises:
            InputError: there is no such channel.
        """
        label = "[Simulated] " if self._simulated() else ""
        with self._ledger.change(actor) as change:
            found = change.notices.channel(channel)
            change.audit("channel.test", found.id)
            made = change.notices.add(
                route="", channel=found.id, reason="test",
                title=f"{label}Test of {found.name}",
                body=f"This is how Meterstone tells you of incidents.\n\nPage: {self.url}/",
            )  # fmt: skip
        self._send(made.id, again=False)
        return self.notice(made.id)

    def routes(self, at: datetime | None = None) -> list[Route]:
        """All routes, by name; those that there were at a moment (UTC)."""
        with self._ledger.read() as seen:
            found = seen.past(at).routes() if at else seen.notices.routes()
        return [route_of(each) for each in found]

    def put_route(self, route: Route, actor: str) -> str:
        """A new route, or other settings of one; its id.

        Raises:
            InputError: it makes no sense, or names a channel that there is not.
        """
        good = checked(route)
        with self._ledger.change(actor) as change:
            change.notices.channel(good.channel)
            if good.escalate_to:
                change.notices.channel(good.escalate_to)
            if good.id and all(each["id"] != good.id for each in change.notices.routes()):
                raise InputError("there is no such route", place=good.id, mend="see the list")
            return change.notices.put_route(good.name, good.settings(), good.id or None)

    def remove_route(self, route: str, actor: str) -> None:
        """Forget a route; what it sent stays on record."""
        with self._ledger.change(actor) as change:
            change.notices.remove_route(route)

    # -- notices ----------------------------------------------------------------------------------

    def notices(
        self, limit: int = 50, incident: str | None = None, at: datetime | None = None
    ) -> list[Notice]:
        """Messages, newest first: about an incident, or all as they stood at a moment (UTC)."""
        with self._ledger.read() as seen:
            return seen.past(at).notices(limit) if at else seen.notices.all(limit, incident)

    def notice(self, notice: str) -> Notice:
        """A message by its id.

        Raises:
            InputError: there is none.
        """
        with self._ledger.read() as seen:
            return seen.notices.get(notice)

    def again(self, notice: str, actor: str) -> None:
        """Send a message once more that was given up.

        Raises:
            InputError: there is none, or it was not given up.
        """
        with self._ledger.change(actor) as change:
            found = change.notices.get(notice)
            if found.state != "dead":
                raise InputError(
                    "this message was not given up", place=notice, mend="it needs nothing"
                )
            change.notices.revive(notice)
            _queue(change, notice)

    def post(self, change: Change, channel: str, title: str, body: str, origin: str) -> None:
        """Queue a message that is about no incident, in a change of others: it goes out if that
        holds. To a channel that was removed nothing goes.

        Args:
            origin: what it is about, such as ``report:…``; kept as its route.
        """
        if any(known.id == channel for known in change.notices.channels()):
            made = change.notices.add(
                route=origin, channel=channel, reason="report", title=title, body=body
            )
            _queue(change, made.id)

    # -- work -------------------------------------------------------------------------------------

    @property
    def handlers(self) -> Mapping[str, Callable[[Job], None]]:
        """What a worker does for each kind of job."""
        return {
            TELL: lambda job: self._tell(str(job.payload["route"]), str(job.payload["group"])),
            SEND: lambda job: self._send(str(job.payload["notice"])),
            ESCALATE: lambda job: self._escalate(
                str(job.payload["route"]), str(job.payload["incident"]), int(job.payload["step"])
            ),
        }

    def start(self) -> None:
        """Look for what happened until `stop`, in a thread."""
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        self._wake.set()
        if self._thread:
            self._thread.join()

    def wake(self) -> None:
        """Something happened: look now."""
        self._wake.set()

    def look(self) -> int:
        """Give what happened since the last time to the routes that take it. Returns how much."""
        with self._ledger.read() as seen:
            if not seen.notices.unseen(1):
                return 0
        with self._ledger.change(ACTOR) as change:
            found = change.notices.unseen()
            routes = [route_of(each) for each in change.notices.routes()]
            for number, event in found:
                change.notices.see(number)
                if event.what in _TOLD and change.now - event.at < OLD:
                    self._collect(change, routes, number, event)
        return len(found)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                more = self.look()
            except MeterstoneError as error:
                _log.error("notifications: %s", error.cause)
                more = 0
            if not more:
                self._wake.wait(_LOOKS_EVERY_S)
                self._wake.clear()

    def _collect(
        self, change: Change, routes: Sequence[Route], number: int, event: IncidentEvent
    ) -> None:
        incident = change.alerts.incident(event.incident)
        if event.what == "resolved" and incident.resolved_at is None:
            return  # one of its alerts is over, it is not
        for route in routes:
            if not route.takes(incident) or (event.what == "resolved" and not route.recovered):
                continue
            group = incident.integration or "network"
            change.notices.collect(route.id, number, group)
            change.queue.put(
                TELL,
                {"route": route.id, "group": group},
                dedupe=f"notice:{route.id}:{group}",
                at=route.when(change.now, incident.severity),
            )

    def _tell(self, route_id: str, group: str) -> None:
        self.answers.ready()
        simulated = self._simulated()
        with self._ledger.change(ACTOR) as change:
            events = change.notices.collected(route_id, group)
            route = _route(change, route_id)
            if route is None or not events:
                return
            ids = list(dict.fromkeys(event.incident for _, event in events))
            incidents = [change.alerts.incident(each) for each in ids]
            told = message_of(
                incidents, change.now, self._links(route.channel), simulated=simulated
            )
            made = change.notices.add(
                route=route.id, channel=route.channel, reason="alert", title=told.title,
                body=told.body, severity=told.severity, incidents=ids,
            )  # fmt: skip
            change.notices.take(route.id, [number for number, _ in events], made.id)
            _queue(change, made.id)
            for incident in incidents:
                if _waits_for_somebody(incident):
                    _queue_escalation(change, route, incident.id, 1)

    def _escalate(self, route_id: str, incident_id: str, step: int) -> None:
        self.answers.ready()
        simulated = self._simulated()
        with self._ledger.change(ACTOR) as change:
            route = _route(change, route_id)
            incident = change.alerts.incident(incident_id)
            if route is None or not route.escalate_to or not _waits_for_somebody(incident):
                return
            waited = lasting((change.now - incident.detected_at).total_seconds())
            told = escalation_of(
                incident, change.now, self._links(route.escalate_to), waited,
                simulated=simulated,
            )  # fmt: skip
            made = change.notices.add(
                route=route.id, channel=route.escalate_to, reason="escalation", title=told.title,
                body=told.body, severity=told.severity, incidents=[incident.id],
            )  # fmt: skip
            _queue(change, made.id)
            if step < MOST_ESCALATIONS:
                _queue_escalation(change, route, incident_id, step + 1)

    def _send(self, notice_id: str, *, again: bool = True) -> None:
        """Send a message. What a service does not take is tried again with pauses, then given up;
        a message that was sent and not noted (a killed process) goes out twice, never not at all.
        """
        with self._ledger.read() as seen:
            notice = seen.notices.get(notice_id)
            kept = seen.secrets.get(_owner(notice.channel), _URL)
        if notice.state != "waiting":
            return
        if kept is None:
            self._missed(notice, "the channel was removed", final=True)
            return
        url, letter = kept.value.decode(), self._letter(notice)
        try:
            if letter is None or not self._ways.mail(url, letter, notice.id, notice.created_at):
                self._ways.send(url, notice.title, notice.body, notice.severity)
        except InputError as error:
            self._missed(notice, error.cause, final=True)
            return
        except NotDelivered as error:
            self._missed(notice, error.cause, final=not again)
            return
        with self._ledger.change(ACTOR) as change:
            change.notices.sent(notice_id)
            change.notices.used(notice.channel)

    def _missed(self, notice: Notice, cause: str, *, final: bool) -> None:
        tried = notice.attempts + 1
        dead = final or tried >= MOST_ATTEMPTS
        with self._ledger.change(ACTOR) as change:
            change.notices.missed(notice.id, cause, dead=dead)
            change.notices.used(notice.channel, cause)
            if not dead:
                pause = timedelta(seconds=_PAUSES_S[min(tried, len(_PAUSES_S)) - 1])
                _queue(change, notice.id, change.now + pause)

    # -- answers ----------------------------------------------------------------------------------

    def answered(self, text: str) -> Incident:
        """The incident of a link out of a message.

        Raises:
            InputError: the link does not hold, or there is no such incident.
        """
        with self._ledger.read() as seen:
            return seen.alerts.incident(self.answers.read(text).incident)

    def take_on(self, text: str) -> Incident:
        """Take an incident on by a link out of a message: nobody is called for it again.

        Raises:
            InputError: the link does not hold, or nothing of the incident fires any more.
        """
        answer = self.answers.read(text)
        actor = f"channel:{answer.channel}"
        with self._ledger.change(actor) as change:
            for alert in change.alerts.all(["firing"], incident=answer.incident):
                change.alerts.acknowledge(alert.id, actor, "by the link of a message")
            return change.alerts.incident(answer.incident)

    def _links(self, channel: str) -> Links:
        def links(incident: Incident) -> tuple[str, str]:
            page = f"{self.url}/incidents/{incident.id}"
            if not _waits_for_somebody(incident):
                return page, ""
            return page, self.url + self.answers.path(Answer(incident.id, channel))

        return links


def _waits_for_somebody(incident: Incident) -> bool:
    return incident.resolved_at is None and incident.acknowledged_at is None


def _route(change: Change, route: str) -> Route | None:
    found = (each for each in change.notices.routes() if each["id"] == route)
    return next((route_of(each) for each in found), None)


def _queue(change: Change, notice: str, at: datetime | None = None) -> None:
    change.queue.put(SEND, {"notice": notice}, dedupe=f"send:{notice}", at=at)


def _queue_escalation(change: Change, route: Route, incident: str, step: int) -> None:
    if route.escalate_min:
        change.queue.put(
            ESCALATE,
            {"route": route.id, "incident": incident, "step": step},
            dedupe=f"escalate:{route.id}:{incident}:{step}",
            at=change.now + timedelta(minutes=route.escalate_min),
        )


def _owner(channel: str) -> str:
    return f"channel:{channel}"
