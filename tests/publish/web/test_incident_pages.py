"""Incidents, reconciliation, drills and integrations: words, pages, what a person does there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from meterstone.board.model import Board
from meterstone.detect.service import IncidentStory
from meterstone.detect.state import IntegrationNow, Now
from meterstone.errors import InputError
from meterstone.ledger import (
    Alert,
    Connection,
    Cursor,
    Discrepancy,
    Drill,
    Incident,
    IncidentEvent,
    Job,
)
from meterstone.measure.results import Scope as Of
from meterstone.people.rights import RIGHTS, Principal, Role
from meterstone.publish.web import drills, incidents, integration, reconciliation
from meterstone.publish.web.site import Site
from publish.nows import AT, SINCE, made_now
from publish.web.boards import MemoryBoard, card, metric
from publish.web.test_operations import Memory, difference, incident

OPERATOR = Principal("person:2", "Ann", Role.OPERATOR, RIGHTS[Role.OPERATOR])
ANALYST = Principal("person:3", "Bo", Role.ANALYST, RIGHTS[Role.ANALYST])
HOUR = timedelta(hours=1)


def alert(**more: object) -> Alert:
    given: dict[str, Any] = {
        "id": "al-1", "rule": "throttled", "cause_key": "clover:rate", "state": "firing",
        "kind": "performance", "severity": "sev2", "fault": "provider", "integration": "clover",
        "franchises": ["F1"], "title": "Clover <answers> 429", "says": "16 of 100 calls.",
        "next": "Raise the limit.", "budget": "The budget lasts 2 days.", "value": 16.0,
        "threshold": 5.0, "started_at": SINCE, "pending_at": SINCE, "incident": "inc-1",
    }  # fmt: skip
    return Alert(**{**given, **more})


@dataclass
class MemoryAlerts:
    """Alerts and incidents in memory."""

    kept: list[Incident] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    done: list[tuple[str, str, str]] = field(default_factory=list)

    def incidents(
        self, *, open_: bool | None = None, integration: str | None = None, limit: int = 100,
        before: tuple[datetime, str] | None = None,
    ) -> Sequence[Incident]:  # fmt: skip
        found = [
            each
            for each in self.kept
            if (open_ is None or (each.resolved_at is None) == open_)
            and integration in (None, each.integration)
            and (before is None or (each.started_at, each.id) < before)
        ]
        return found[:limit]

    def incident(self, incident_: str) -> IncidentStory:
        for each in self.kept:
            if each.id == incident_:
                told = IncidentEvent(
                    incident=each.id, at=each.detected_at, what="opened", text="429s"
                )
                taken = IncidentEvent(
                    incident=each.id, at=each.detected_at + HOUR, what="acknowledged",
                    text="<b>mine</b>", actor="person:2",
                )  # fmt: skip
                return IncidentStory(each, self.alerts, [told, taken])
        raise InputError("there is no such incident", place=incident_, mend="list them")

    def get(self, alert_: str) -> Alert:
        for each in self.alerts:
            if each.id == alert_:
                return each
        raise InputError("there is no such alert", place=alert_, mend="list them")

    def acknowledge(self, alert_: str, actor: str, note: str = "") -> Alert:
        found = self.get(alert_)
        if found.state != "firing":
            raise InputError("the alert does not fire", place=alert_, mend="nothing")
        self.done.append((alert_, actor, note))
        return found

    def acknowledge_incident(self, incident_: str, actor: str, note: str = "") -> Incident:
        self.done.append((incident_, actor, note))
        return self.incident(incident_).incident

    def list(self, _states: Collection[str] = (), **_more: Any) -> Sequence[Alert]:
        return self.alerts

    def drills(self, _limit: int = 1_000) -> Sequence[Drill]:
        return []


def as_person(app: ASGIApp, principal: Principal | None) -> TestClient:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        scope["principal"] = principal
        await app(scope, receive, send)

    return TestClient(asgi, follow_redirects=False)


def site(now: Now | None = None, board: MemoryBoard | None = None) -> Site:
    return Site(cast("Board", board or MemoryBoard()), lambda: now)


def client(alerts: MemoryAlerts, principal: Principal = OPERATOR) -> TestClient:
    called = {"person:2": "Ann"}.get
    routes = incidents.routes(site(), alerts, lambda who: called(who, who), lambda: AT)
    return as_person(Starlette(routes=routes), principal)


def test_the_list_says_what_is_open_and_filters_and_pages() -> None:
    over = incident(
        id="inc-0", title="Over", resolved_at=SINCE, resolution="Calls succeed again.",
        started_at=SINCE - HOUR, detected_at=SINCE - HOUR, auto_resolved=True,
    )  # fmt: skip
    alerts = MemoryAlerts([incident(), over])
    html = client(alerts).get("/incidents").text
    assert "1 incident is open." in html
    assert "Nobody has taken it on yet." in html
    assert "Calls succeed again." in html
    html = client(alerts).get("/incidents?show=open&integration=clover").text
    assert "Calls succeed again." not in html
    many = MemoryAlerts([
        incident(id=f"inc-{n}", started_at=SINCE - n * HOUR, detected_at=SINCE)
        for n in range(incidents.PAGE + 1)
    ])  # fmt: skip
    html = client(many).get("/incidents").text
    href = html.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    second = client(many).get(href.replace("&amp;", "&")).text
    assert second.count('class="trouble"') == 1
    assert "/incidents/inc-50" in second


@pytest.mark.parametrize(
    "query", ["show=x", "before=x", "before=2026-01-01~a", "before=2026-01-01T00:00:00Z~"]
)
def test_what_is_no_list_or_place_is_refused(query: str) -> None:
    with pytest.raises(InputError):
        client(MemoryAlerts()).get(f"/incidents?{query}")


@pytest.mark.parametrize(
    ("taken", "says"),
    [
        (["", ""], "Nobody has taken them on yet."),
        (["a", ""], "1 of them nobody has taken on yet."),
        (["a", "b"], "All are taken on."),
        (["a"], "Somebody is on it."),
    ],
)
def test_the_list_says_whether_somebody_is_on_it(taken: list[str], says: str) -> None:
    assert incidents.headline([incident(acknowledged_by=who) for who in taken])[1].startswith(says)
    assert incidents.headline([])[0] == "Nothing is open."


def test_an_incident_tells_its_story_and_is_taken_on() -> None:
    alerts = MemoryAlerts([incident()], [alert(), alert(id="al-2", state="pending")])
    page = client(alerts)
    answer = page.get("/incidents/inc-1")
    html = answer.text
    assert answer.headers["cache-control"] == "no-store"
    for text in (
        "11 s after it began", "Clover &lt;answers&gt; 429", "seen 16, limit 5",
        "The budget lasts 2 days.", "&lt;b&gt;mine&lt;/b&gt; · Ann", "Harbour Street",
        "the vendor&#39;s", "Take it on", 'name="csrf"', "/owners/F1",
    ):  # fmt: skip
        assert text in html, text
    sent = page.post("/incidents/inc-1/acknowledge", data={"note": " looking "})
    assert (sent.status_code, sent.headers["location"]) == (303, "/incidents/inc-1")
    assert alerts.done == [("inc-1", "person:2", "looking")]
    refused = page.post("/incidents/inc-1/acknowledge", data={"note": "x" * 501})
    assert refused.status_code == 422
    assert "Say it shorter" in refused.text
    assert page.get("/incidents/nope").status_code == 404


def test_one_alarm_of_several_is_taken_on_alone_and_only_at_its_own_incident() -> None:
    alerts = MemoryAlerts(
        [incident(), incident(id="inc-2")],
        [alert(), alert(id="al-2"), alert(id="al-3", state="resolved")],
    )
    page = client(alerts)
    assert "Take this one on" in page.get("/incidents/inc-1").text
    assert page.post("/incidents/inc-1/alerts/al-2/acknowledge").status_code == 303
    assert alerts.done == [("al-2", "person:2", "")]
    assert page.post("/incidents/inc-2/alerts/al-1/acknowledge").status_code == 404
    assert page.post("/incidents/inc-1/alerts/al-3/acknowledge").status_code == 422
    assert page.post("/incidents/inc-1/alerts/nope/acknowledge").status_code == 422


def test_who_may_not_respond_sees_no_form_and_nobody_is_asked_twice() -> None:
    alerts = MemoryAlerts([incident()], [alert()])
    assert "Take it on" not in client(alerts, ANALYST).get("/incidents/inc-1").text
    alerts.kept = [incident(acknowledged_by="person:2")]
    html = client(alerts).get("/incidents/inc-1").text
    assert "Take it on" not in html
    assert "Ann is on it" in html
    ended = incident(resolved_at=SINCE + timedelta(minutes=5), auto_resolved=True,
                     resolution="Over.")  # fmt: skip
    alerts.kept = [ended]
    html = client(alerts).get("/incidents/inc-1").text
    assert "by itself" in html
    assert "What to do next" not in html


class MemoryWork:
    """A work list in memory."""

    def __init__(self, found: Sequence[Discrepancy]) -> None:
        self.found = list(found)
        self.done: list[tuple[int, str, str]] = []

    def work(self, at: datetime | None = None) -> Sequence[Discrepancy]:
        return self.found if at is None else []

    def called(self, actor: str, /) -> str:
        return actor

    def helpers(self) -> Sequence[tuple[str, str]]:
        return []

    def assign(self, discrepancy: int, person: str, actor: str) -> Discrepancy:
        return self.accept(discrepancy, person, actor)

    def accept(self, discrepancy: int, reason: str, actor: str) -> Discrepancy:
        for each in self.found:
            if each.id == discrepancy:
                self.done.append((discrepancy, reason, actor))
                return each
        raise InputError("no open discrepancy has this number", place="7", mend="list them")


def test_the_work_list_shows_what_differs_and_is_worked_off() -> None:
    work = MemoryWork(
        [difference(1), replace(difference(2, None), connection="other", detail={"a": None})]
    )
    routes = reconciliation.routes(site(), work, lambda: AT)
    page = as_person(Starlette(routes=routes), OPERATOR)
    html = page.get("/reconciliation").text
    assert "2 differences wait for a person." in html
    assert "$9.50 are at stake." in html
    assert "of 2 connections" in html
    assert '<td data-label="Source">1</td><td data-label="Copy">2</td>' in html
    assert "payment p2" not in page.get("/reconciliation?connection=square-1").text
    assert page.post("/reconciliation/1/accept", data={"reason": "tip"}).status_code == 303
    assert work.done == [(1, "tip", "person:2")]
    for reason in ("", " ", "x" * 501):
        assert page.post("/reconciliation/1/accept", data={"reason": reason}).status_code == 422
    assert page.post("/reconciliation/7/accept", data={"reason": "tip"}).status_code == 422
    assert (
        "Why this may stay so"
        not in as_person(Starlette(routes=routes), ANALYST).get("/reconciliation").text
    )
    work.found = []
    assert "Source and copy agree." in page.get("/reconciliation").text


def drill(number: int, **more: object) -> Drill:
    given: dict[str, Any] = {
        "series": "s", "vendor": "clover", "fault": "rate_limit", "harmful": True,
        "started_at": AT - number * HOUR, "ended_at": AT - number * HOUR + timedelta(seconds=60),
        "detected_s": 10.0 + number, "recovered_s": 12.0, "alarms": 1, "false_alarms": 0,
    }  # fmt: skip
    return Drill(**{**given, **more})


def test_drills_are_judged_together_and_by_fault() -> None:
    found = [
        *(drill(number) for number in range(4)),
        drill(4, fault="revoked", detected_s=None, alarms=0),
        drill(5, fault="duplicated", harmful=False, detected_s=None, alarms=0),
        drill(6, fault="duplicated", harmful=False, detected_s=None, alarms=1, false_alarms=1),
    ]
    made = drills.score(found)
    assert (made.median_s, made.p95_s, made.recall, made.precision) == (11.5, 13.0, 0.8, 0.8)
    assert drills.headline(found)[0] == "A fault is found after 12 s."
    assert drills.headline([drill(0, detected_s=None)])[0] == "No fault was found."
    assert drills.headline([])[0] == "No drill has been run."
    assert [(kind.fault, kind.found) for kind in drills.kinds(found)] == [
        ("rate limit", "4 of 4"), ("duplicated", "rightly none"), ("revoked", "0 of 1")
    ]  # fmt: skip

    class Kept:
        def drills(self, _limit: int = 1_000) -> Sequence[Drill]:
            return found

    html = (
        TestClient(Starlette(routes=drills.routes(site(), Kept(), lambda: AT))).get("/drills").text
    )
    for word in ("Found", "Not found", "Rightly silent", "False alarm", "Recall 80 %"):
        assert word in html
    empty = TestClient(Starlette(routes=drills.routes(site(), MemoryAlerts(), lambda: AT)))
    assert "meterstone drill" in empty.get("/drills").text


class MemoryVendors:
    """One vendor with one connection."""

    def about(self, name: str) -> integration.About | None:
        return integration.About(
            name, "Clover", "Open to everybody.", "OAuth 2.0", [("Limits", "16 requests in 1 s")],
            {"orders": "every 5 min", "payouts": "every 6 h"},
            [integration.Capability("pkce", "yes", "as <told>", "https://docs.clover.com/x"),
             integration.Capability("deletions", "no", "", "javascript:alert(1)")],
        ) if name == "clover" else None  # fmt: skip

    def connections(self, name: str) -> Sequence[Connection]:
        return [Connection(
            f"{name}-1", name, "M1", "production", "Harbour", None, {}, "active", "", "", SINCE,
            SINCE, 1,
        )]  # fmt: skip

    def cursors(self, connection: str) -> Sequence[Cursor]:
        return [Cursor(connection, "orders", {}, 1, SINCE)]

    def jobs(self, connection: str) -> Sequence[Job]:
        return [
            Job(number, "sync", {"connection": connection, "stream": "orders"}, "live", state, None,
                None, SINCE, 1, 5, None, None, error, SINCE, None)  # type: ignore[arg-type]  # from a list
            for number, state, error in [(9, "dead", "429 five times"), (8, "done", "")]
        ]  # fmt: skip

    def controls(self, _connection: str) -> Sequence[integration.Control]:
        return [integration.Control("pkce_s256", "passed", "")]


def test_an_integration_shows_connections_syncs_checks_numbers_and_what_the_vendor_allows() -> None:
    day = date(2026, 9, 29)
    scope = Of("integration", "clover")
    board = MemoryBoard(cards={scope: {day: card(day, [
        metric("webhook_delivery", "met"), metric("integration_uptime", "not_met"),
    ], scope)}})  # fmt: skip
    over = incident(
        id="inc-0", title="Before", resolved_at=SINCE - HOUR, started_at=SINCE - 2 * HOUR
    )
    routes = integration.routes(
        site(made_now(), board), Memory([over, incident()]), MemoryVendors(), lambda: "run-1",
        lambda: AT,
    )  # fmt: skip
    page = TestClient(Starlette(routes=routes))
    html = page.get("/integrations/clover").text
    for text in (
        "Clover is late.", "Fault: the vendor&#39;s · 41 shops", "Clover answers 429", "Before",
        "Connected", "every 5 min", "Given up", "429 five times", "not yet", "as &lt;told&gt;",
        'href="https://docs.clover.com/x"', "Look at the OAuth checks now", "31 missed (0.34 %)",
    ):  # fmt: skip
        assert text in html, text
    assert 'href="javascript:' not in html
    assert "pkce s256" not in html
    assert html.index("Integration uptime") < html.index("Webhook delivery")
    assert "pkce s256" in page.get("/integrations/clover?checks=now").text
    assert page.get("/integrations/nope").status_code == 404
    bare = page.get("/integrations/square").text  # on the board, with no connector file
    assert "Square is healthy." in bare
    assert "data-live" not in page.get("/integrations/clover?day=2026-09-29").text


def test_all_integrations_in_a_sentence() -> None:
    def page(now: Now | None) -> str:
        routes = integration.routes(site(now), Memory(), MemoryVendors(), lambda: "x", lambda: AT)
        return TestClient(Starlette(routes=routes)).get("/integrations").text

    assert "2 of 7 integrations need a look." in page(made_now())
    assert "3 integrations, none of them watched yet." in page(None)
    well = Now(at=AT, version=1, sentence="", lead="")
    assert "3 integrations, none of them watched yet." in page(well)
    one = Now(at=AT, version=1, sentence="", lead="", integrations=made_now().integrations[1:2])
    assert "1 of 3 integrations needs a look." in page(one)
    blind = Now(at=AT, version=1, sentence="", lead="", integrations=(IntegrationNow(
        integration="square", name="Square", health="quiet", connections=1),))  # fmt: skip
    assert "quiet, or blind?" in page(blind)
    assert "no shop affected" not in page(blind)
    good = Now(at=AT, version=1, sentence="", lead="", integrations=made_now().integrations[:1])
    assert "All is well at 1 of 3 integrations; the others are not watched yet." in page(good)
