"""Setting up who is told, in a browser; and answering a message without signing in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from meterstone.ledger import Alert, Incident, IncidentEvent
from meterstone.notify.model import Quiet
from meterstone.notify.model import Route as Telling
from meterstone.notify.ways import NotDelivered, Ways
from meterstone.publish.web.forms import Sent
from meterstone.publish.web.notifications import page_context, route_of, says
from visitors import person
from whole import House, whole_house

HTML = {"Accept": "text/html"}
HERE = "/settings/notifications"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What went over the wire."""
    came: list[tuple[str, str]] = []

    def send(_self: Ways, url: str, title: str, body: str, _severity: str = "") -> None:
        if "fails" in title:
            raise NotDelivered("the service did not take the message")
        came.append((url, f"{title}\n{body}"))

    monkeypatch.setattr(Ways, "send", send)
    return came


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with whole_house(tmp_path_factory.mktemp("notify")) as served:
        yield served


def work(house: House) -> None:
    """Everything that is queued is done."""
    notify = house.home.notifications
    notify.look()
    while job := house.home.ledger.queue.claim("w", kinds=list(notify.handlers)):
        notify.handlers[job.kind](job)
        house.home.ledger.queue.done(job)


def breaks(house: House) -> None:
    """Something severe happens."""
    with house.home.ledger.change("watch") as change:
        now = change.now
        shared = {
            "kind": "availability", "severity": "sev1", "fault": "provider", "cause_key": "x",
            "integration": "square", "franchises": ("F1",), "title": "Square <is> down",
            "says": "No payment comes in.", "next": "Wait: nothing is lost.",
        }  # fmt: skip
        begun = now - timedelta(seconds=9)
        change.alerts.put_incident(Incident(id="i1", started_at=begun, detected_at=now, **shared))  # type: ignore[arg-type]  # fields of both
        change.alerts.put(
            Alert(id="a1", rule="r", state="firing", started_at=begun, pending_at=now,
                  fired_at=now, incident="i1", **shared)  # type: ignore[arg-type]  # fields of both
        )  # fmt: skip
        change.alerts.tell(IncidentEvent(incident="i1", at=now, what="opened", text="", alert="a1"))


def channel_of(text: str) -> str:
    found = re.search(r"/channels/([0-9a-f]+)/test", text)
    assert found is not None
    return found[1]


def test_from_nothing_to_somebody_who_takes_it_on(
    house: House, sent: list[tuple[str, str]]
) -> None:
    admin = house.clients["admin"]
    assert "Nobody is told of incidents yet" in admin.get(HERE, headers=HTML).text
    assert admin.get("/settings", headers=HTML).text.count(HERE) >= 1
    page = admin.post(f"{HERE}/channels", data={"name": "night", "url": SLACK}, headers=HTML)
    assert "Send a test before you rely on it" in page.text
    assert "nothing goes over it yet" in page.text
    assert SLACK not in page.text
    channel = channel_of(page.text)
    tried = admin.post(f"{HERE}/channels/{channel}/test", headers=HTML)
    assert "Did it arrive?" in tried.text
    assert sent[0][1].startswith("Test of night")
    assert "Say what goes over a channel" in admin.get(f"{HERE}/routes/new", headers=HTML).text
    typed = {
        "name": "Severe",
        "channel": channel,
        "least": "sev1",
        "wait_s": "15",
        "recovered": "1",
    }
    page = admin.post(f"{HERE}/routes/new", data=typed, headers=HTML)
    assert "One route tells people of incidents" in page.text
    assert "Severe only, to night." in page.text
    breaks(house)
    work(house)
    assert sent[1][1].startswith("Severe: Square <is> down")
    link = re.search(r"http://testserver(/answer/\S+)", sent[1][1])
    assert link is not None
    stranger = house.clients["stranger"]
    answer = stranger.get(link[1], headers=HTML)
    assert "Square &lt;is&gt; down" in answer.text
    assert house.home.alerts.incident("i1").incident.acknowledged_at is None
    token = re.search(r'name="csrf" value="([^"]+)"', answer.text)
    assert token is not None
    assert stranger.post(link[1]).status_code == 403  # not from our page
    taken = stranger.post(link[1], data={"csrf": token[1]}, headers=HTML)
    assert "Taken on" in taken.text
    story = house.home.alerts.incident("i1")
    assert story.incident.acknowledged_by == f"channel:{channel}"
    assert stranger.get("/answer/i1~x~9999999999~0", headers=HTML).status_code == 404
    stranger.cookies.clear()
    assert stranger.get(HERE, headers=HTML, follow_redirects=False).status_code == 303
    told = {entry.action for entry in house.home.ledger.audit.entries(last=50)}
    assert {"channel.add", "channel.test", "route.put", "alert.acknowledge"} <= told


def test_a_route_is_changed_and_removed(house: House) -> None:
    admin, notify = house.clients["admin"], house.home.notifications
    who = person(house.home.people, "admin")
    channel = notify.add_channel("night", SLACK, who).id
    route = notify.put_route(Telling(name="All", channel=channel), who)
    form = admin.get(f"{HERE}/routes/{route}", headers=HTML).text
    assert 'value="All"' in form
    typed = {
        "name": "Some", "channel": channel, "least": "sev2", "wait_s": "60", "kinds": ["data"],
        "faults": ["hub"], "integrations": "square, clover", "begins": "22:00", "ends": "07:00",
        "zone": "Europe/Berlin", "escalate_min": "15", "escalate_to": channel,
    }  # fmt: skip
    page = admin.post(f"{HERE}/routes/{route}", data=typed, headers=HTML).text
    assert (
        "Serious and worse, to night; only data, our own fault, square, clover; quiet from 22:00 "
        "to 07:00 (Europe/Berlin); after 15 min without an answer to night."
    ) in page
    [kept] = notify.routes()
    assert (kept.recovered, kept.wait_s, kept.quiet) == (
        False, 60, Quiet("22:00", "07:00", "Europe/Berlin"),
    )  # fmt: skip
    for wrong in (
        {"zone": "Nowhere"}, {"wait_s": "x"}, {"least": "sev9"}, {"escalate_to": ""}, {"name": ""},
        {"channel": "none"},
    ):  # fmt: skip
        answer = admin.post(f"{HERE}/routes/{route}", data={**typed, **wrong}, headers=HTML)
        assert answer.status_code == 422
    assert "2026" not in answer.text or "square, clover" in answer.text
    assert admin.get(f"{HERE}/routes/none", headers=HTML).status_code == 404
    removed = admin.post(f"{HERE}/channels/{channel}/remove", headers=HTML)
    assert removed.status_code == 422
    assert "uses it" in removed.text
    assert "Removed." in admin.post(f"{HERE}/routes/{route}/remove", headers=HTML).text
    assert "Removed." in admin.post(f"{HERE}/channels/{channel}/remove", headers=HTML).text
    assert notify.channels() == []


def test_what_was_given_up_is_seen_and_sent_again(
    house: House, sent: list[tuple[str, str]]
) -> None:
    admin, notify = house.clients["admin"], house.home.notifications
    channel = notify.add_channel("fails", SLACK, "test").id
    answer = admin.post(f"{HERE}/channels/{channel}/test", headers=HTML)
    assert answer.status_code == 422
    assert "The test was not taken" in answer.text
    page = admin.get(HERE, headers=HTML).text
    assert "given up" in page
    notice = notify.notices()[0].id
    assert "being sent again" in admin.post(f"{HERE}/notices/{notice}", headers=HTML).text
    assert admin.post(f"{HERE}/notices/{notice}", headers=HTML).status_code == 422
    assert not sent


@pytest.mark.parametrize("url", ["", "http://10.0.0.1", "dbus://", f"{SLACK[:20]}"])
def test_a_url_that_cannot_be_used_is_refused_and_not_shown(house: House, url: str) -> None:
    sent = {"name": "x", "url": url}
    answer = house.clients["admin"].post(f"{HERE}/channels", data=sent, headers=HTML)
    assert answer.status_code == 422
    assert not url or url not in answer.text


def test_the_page_opens_with_what_matters() -> None:
    told = page_context([], [], [])
    assert told["sentence"] == "Nobody is told of incidents yet."
    assert says(Telling(name="x", channel="gone"), {}) == "Notable and worse, to a removed channel."
    assert route_of(Sent({}), "").wait_s == -1
