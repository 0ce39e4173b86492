"""Pages of the ledger at a moment that is over: what stood there is shown, and nothing can be
changed there."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from meterstone.app import Home
from meterstone.ledger import Drill, ReportPlan
from meterstone.measure.results import rfc3339
from meterstone.notify.model import Route as Telling
from meterstone.publish.web.asof import AsOf

PAGES = (
    "/connections", "/maintenance", "/attestations", "/audit", "/reconciliation", "/drills",
    "/reports", "/settings/people", "/settings/notifications", "/settings/reports",
)  # fmt: skip


def _main(text: str) -> str:
    return text[text.index("<main") :]


def _at(client: TestClient, path: str, moment: datetime) -> str:
    answer = client.get(path, params={"known_at": rfc3339(moment)})
    assert answer.status_code == 200, (path, answer.text)
    return _main(answer.text)


def test_a_connection_is_shown_as_it_was(home: Home, client: TestClient) -> None:
    began = datetime.now(UTC)
    with home.ledger.change("test") as change:
        one = change.connections.add(connector="square", account="M1", name="Main street").id
        change.connections.set_status(one, "active")
    active = datetime.now(UTC)
    with home.ledger.change("test") as change:
        change.connections.set_status(one, "broken", reason="revoked", mend="sign in again")
        change.connections.update(one, name="Side street")

    now = client.get("/connections").text
    assert "Side street" in now
    assert "revoked" in now
    then = _at(client, "/connections", active)
    assert "Main street" in then
    assert "Side street" not in then
    assert "revoked" not in then
    assert "1 system connected, nothing needed anybody." in then
    assert "Nothing was connected then." in _at(client, "/connections", began)

    page = f"/connections/{one}"
    assert "revoked" not in _at(client, page, active)
    gone = client.get(page, params={"known_at": rfc3339(began)})
    assert gone.status_code == 404
    assert "It was not connected then." in gone.text


def test_people_work_and_ways_are_shown_as_they_were(home: Home, client: TestClient) -> None:
    with home.ledger.change("test") as change:
        ana = change.people.add(name="ana", called="Ana", role="analyst").id
        channel = change.notices.add_channel("Nights", "mailto").id
        route = change.notices.put_route(
            "Severe", Telling(name="Severe", channel=channel).settings()
        )
        wrong = change.discrepancies.note(
            recon="r", connection="square-1", entity="orders", key="o1", kind="missing",
            detail={}, amount=12.5, outcome="open", reason="",
        ).id  # fmt: skip
        change.reports.plan(
            ReportPlan(kind="daily", active=True, at="05:45", channels=(), since=date(2026, 3, 1))
        )
    then = datetime.now(UTC)
    with home.ledger.change("test") as change:
        change.people.update(ana, role="auditor", status="disabled")
        change.people.add(name="ben", called="Ben", role="analyst")
        change.notices.remove_route(route)
        change.notices.remove_channel(channel)
        change.discrepancies.accept(wrong, "known")
        change.reports.plan(
            ReportPlan(kind="daily", active=True, at="09:15", channels=(), since=date(2026, 3, 1))
        )

    people = _at(client, "/settings/people", then)
    assert "Ana" in people
    assert "analyst" in people
    assert "Ben" not in people
    assert "auditor" not in people
    assert "Ana might come in as analyst." in _at(client, f"/settings/people/{ana}", then)
    told = _at(client, "/settings/notifications", then)
    assert "Nights" in told
    assert "Severe" in told
    assert "Nights" not in _main(client.get("/settings/notifications").text)
    assert "Severe" in _at(client, f"/settings/notifications/routes/{route}", then)
    assert "o1" in _at(client, "/reconciliation", then)
    assert "Source and copy agree." in client.get("/reconciliation").text
    assert 'value="05:45"' in _at(client, "/settings/reports", then)
    assert 'value="09:15"' in client.get("/settings/reports").text
    log = _at(client, "/audit", then)
    assert "added a person" in log
    assert "accepted a difference" not in re.sub(r"<select.*?</select>", "", log, flags=re.DOTALL)


def test_statements_and_windows_are_shown_as_they_were(home: Home, client: TestClient) -> None:
    began = datetime.now(UTC)
    ends = began + timedelta(days=3)
    home.attest(
        "attestation", {"claim_key": "award:best", "statement": "won it"}, person="Ana",
        role="admin", evidence="https://example.com/award", expires_at=ends,
    )  # fmt: skip
    home.approve_maintenance(
        "network", began + timedelta(hours=1), began + timedelta(hours=2), "disks", "Ana", "admin"
    )
    after = datetime.now(UTC)
    assert "award:best" in client.get("/attestations").text
    assert "award:best" in _at(client, "/attestations", after)
    assert "award:best" not in _at(client, "/attestations", began)
    assert "disks" in _at(client, "/maintenance", after)
    assert "disks" not in _at(client, "/maintenance", began)
    later = client.get("/maintenance", params={"day": (ends + timedelta(days=2)).date()}).text
    assert "Over" in later


def test_a_drill_that_was_not_over_is_not_there_yet(home: Home, client: TestClient) -> None:
    began = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with home.ledger.change("test") as change:
        change.alerts.add_drill(
            Drill(
                series="s", vendor="square", fault="down", harmful=True, started_at=began,
                ended_at=began + timedelta(minutes=1), detected_s=5.0, recovered_s=9.0, alarms=1,
                false_alarms=0, note="",
            )
        )  # fmt: skip
    assert "No drill has been run." in _at(client, "/drills", began)
    assert "square" in _at(client, "/drills", began + timedelta(minutes=1))


@pytest.mark.parametrize("path", PAGES)
def test_nothing_can_be_changed_in_the_past(home: Home, client: TestClient, path: str) -> None:
    with home.ledger.change("test") as change:
        change.connections.add(connector="square", account="M1")
        change.notices.add_channel("Nights", "mailto")
        change.discrepancies.note(
            recon="r", connection="square-1", entity="orders", key="o1", kind="missing",
            detail={}, amount=12.5, outcome="open", reason="",
        )  # fmt: skip
    then = _at(client, path, datetime.now(UTC))
    enabled = re.sub(r"<fieldset[^>]*disabled>.*?</fieldset>", "", then, flags=re.DOTALL)
    assert 'name="csrf"' not in enabled
    filters = re.compile(r'<form class="filter".*?</form>', re.DOTALL)
    assert "<button" not in filters.sub("", enabled)


def test_a_day_ends_at_midnight_of_the_reporting_zone(home: Home) -> None:
    zone = home.board.zone
    day = date(2026, 3, 1)
    ends = AsOf(day).until(zone)
    assert ends is not None
    assert ends.astimezone(zone).isoformat()[:19] == "2026-03-02T00:00:00"
    early = ends - timedelta(hours=3)
    assert AsOf(day, early).until(zone) == early
    assert AsOf(day, ends + timedelta(days=9)).until(zone) == ends
    assert AsOf(None, early).until(zone) == early
    assert AsOf().until(zone) is None
