"""The pages of operations over a real ledger and the real connector files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.testclient import TestClient

from meterstone.app import Home
from meterstone.cli.operations import now_version, operations_pages
from meterstone.cli.vendors import HomeVendors, about
from meterstone.connect.spec import Limit
from meterstone.detect.now import named
from meterstone.people.rights import RIGHTS, Principal, Role
from meterstone.publish.web.kept import LedgerKept
from meterstone.publish.web.site import Site
from publish.nows import made_now
from publish.web.test_incident_pages import alert, as_person
from publish.web.test_operations import incident


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as opened:
        yield opened


@pytest.fixture
def page(home: Home) -> TestClient:
    """Signed in as an operator whom the house knows as Ann."""
    person = home.people.directory.add("test", name="ann", called="Ann", role="operator")
    with home.ledger.change("watch") as change:
        change.alerts.put_incident(incident())
        change.alerts.put(alert(fired_at=datetime.now(UTC)))
    principal = Principal(person.id, "Ann", Role.OPERATOR, RIGHTS[Role.OPERATOR])
    site = Site(home.board, lambda: home.watch.now)
    return as_person(Starlette(routes=operations_pages(home, site)), principal)


def test_an_alarm_is_taken_on_by_a_person_who_is_named_everywhere(
    home: Home, page: TestClient
) -> None:
    assert "Nobody has taken it on yet." in page.get("/incidents").text
    sent = page.post("/incidents/inc-1/acknowledge", data={"note": "I look"})
    assert sent.status_code == 303
    html = page.get("/incidents/inc-1").text
    assert "Ann is on it" in html
    assert "I look · Ann" in html
    assert page.post("/incidents/inc-1/acknowledge").status_code == 422
    done = [each for each in home.ledger.audit.entries() if each.action == "alert.acknowledge"]
    assert len(done) == 1
    assert done[0].actor.startswith("person")


def test_a_report_names_the_person_and_not_an_id(home: Home) -> None:
    directory = home.people.directory
    ann = directory.add("test", name="ann", called="Ann Lee", role="operator")
    taken = replace(
        made_now(), incidents=(replace(made_now().incidents[0], acknowledged_by=ann.id),)
    )
    told = named(taken, directory.called)
    assert told is not None
    assert told.incidents[0].acknowledged_by == "Ann Lee"
    assert directory.called("token:7") == "token:7"
    assert named(None, directory.called) is None


def test_the_work_list_is_worked_off_and_an_acceptance_shows_at_once(
    home: Home, page: TestClient
) -> None:
    with home.ledger.change("hub") as change:
        made = change.connections.add(connector="square", account="M1", status="active")
        change.cursors.put(made.id, "orders", {"at": "x"})
        change.queue.put("sync", {"connection": made.id, "stream": "orders"})
        found = change.discrepancies.note(
            recon="r1", connection=made.id, entity="payment", key="p1", kind="missing",
            detail={"amount": [1, 2]}, amount=12.5, outcome="open", reason="",
        )  # fmt: skip
    assert "payment p1" in page.get("/operations").text
    assert "nobody is on it yet" in page.get("/reconciliation").text
    home.people.directory.add("test", name="bob", called="Bob", role="analyst")
    [ann] = [each for each in home.people.directory.all() if each.name == "ann"]
    path = f"/reconciliation/{found.id}/assign"
    assert page.post(path, data={"person": ann.id}).status_code == 303
    html = page.get("/reconciliation").text
    assert "Ann is on it" in html
    assert f'<option value="{ann.id}" selected>Ann</option>' in html
    assert ">Bob</option>" not in html, "an analyst does not work on it"
    assert "Ann is on it." in page.get("/operations").text
    assert "payment p1" in page.get(f"/reconciliation?person={ann.id}").text
    assert "payment p1" not in page.get("/reconciliation?person=nobody").text
    assert page.post(path, data={"person": "person:none"}).status_code == 422
    assert page.post(f"/reconciliation/{found.id}/accept", data={"reason": "ok"}).status_code == 303
    assert "Source and copy agree." in page.get("/reconciliation").text
    html = page.get("/integrations/square").text
    assert "Waits" in html
    assert "every 5 min" in html
    assert "The vendor&#39;s page on pkce" in html or "The vendor's page on pkce" in html
    assert page.get("/integrations/nope").status_code == 404
    assert "meterstone drill" in page.get("/drills").text


def test_the_work_list_is_not_read_again_for_everybody_who_looks(home: Home) -> None:
    time = [0.0]
    kept = LedgerKept(home.alerts, home.ledger, clock=lambda: time[0])
    assert kept.work() == ()
    with home.ledger.change("hub") as change:
        change.discrepancies.note(
            recon="r1", connection="c", entity="payment", key="p1", kind="missing", detail={},
            amount=None, outcome="open", reason="",
        )  # fmt: skip
    time[0] = 5.0
    assert kept.work() == ()
    time[0] = 5.1
    assert [each.key for each in kept.work()] == ["p1"]


def test_every_connector_has_words_for_its_page(home: Home) -> None:
    vendors = HomeVendors(home)
    for name, connector in home.connectors.items():
        told = vendors.about(name)
        assert told is not None
        assert told.name == connector.name
        assert set(told.streams) == set(connector.streams)
        assert all(says for _, says in told.facts)
        assert json.dumps([each.value for each in told.capabilities])
    assert vendors.about("nope") is None
    limited = home.connectors["square"].model_copy(
        update={"limits": (Limit(requests=16, per_s=1), Limit(concurrent=5))}
    )
    assert ("Limits", "16 requests in 1 s; 5 at a time") in about(limited).facts


def test_what_pages_are_kept_by_changes_with_now_and_when_that_grows_old(home: Home) -> None:
    assert now_version(home) == (None, False)
