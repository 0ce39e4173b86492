"""Connections and maintenance: what is connected or agreed is shown; forms do what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from meterstone.app import Home
from meterstone.errors import InputError
from meterstone.people.rights import Role
from meterstone.publish.web.maintenance import moment
from visitors import sign_in

KEY = "never-to-be-seen-again"


def _connection(home: Home, account: str = "M1") -> str:
    with home.ledger.change("test") as change:
        made = change.connections.add(connector="square", account=account, name="Main <street>")
        change.connections.set_status(
            made.id, "broken", reason="the seller revoked access", mend="sign in again"
        )
    return made.id


def test_all_systems_can_be_connected_and_what_is_broken_says_how_to_mend_it(
    home: Home, client: TestClient
) -> None:
    assert "Nothing is connected yet" in client.get("/connections").text
    made = _connection(home)
    text = client.get("/connections").text
    for system in home.connectors.values():
        assert system.name in text
    assert "needs somebody to sign in again" in text
    assert "Main &lt;street&gt;" in text
    assert f'href="/oauth/start/square?connection={made}"' in text
    page = client.get(f"/connections/{made}").text
    assert "the seller revoked access" in page
    assert "Sync now" not in page
    refused = client.post(f"/connections/{made}/sync")
    assert refused.status_code == 422
    assert "this connection is broken" in refused.text


def test_a_connection_is_given_back(home: Home, client: TestClient) -> None:
    with home.ledger.change("test") as change:
        made = change.connections.add(connector="square", account="M2", name="Second")
    answer = client.post(f"/connections/{made.id}/disconnect", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/connections/{made.id}?done=disconnected",
    )
    assert "Disconnected." in client.get(answer.headers["location"]).text
    assert "Second" not in client.get("/connections").text


def test_a_credential_that_is_refused_is_not_shown_again(home: Home, client: TestClient) -> None:
    key = next(key for key, of in home.connectors.items() if of.auth.kind != "authorization_code")
    form = client.get(f"/connections/new/{key}").text
    fields = [f"credential.{name}" for name in home.connectors[key].auth.fields]
    assert all(f'name="{name}"' in form for name in fields)
    answer = client.post(f"/connections/new/{key}", data=dict.fromkeys(fields, KEY))
    assert answer.status_code in (422, 403)
    assert KEY not in answer.text
    assert client.get("/connections/new/nothing").status_code == 404
    assert client.get("/connections/nothing").status_code == 404


def test_who_may_only_look_has_no_button(home: Home, client: TestClient) -> None:
    made = _connection(home, "M3")
    auditor = sign_in(TestClient(client.app), home, Role.AUDITOR)
    auditor.headers["Accept"] = "text/html"
    assert "/oauth/start" not in auditor.get("/connections").text
    assert "<button>" not in auditor.get(f"/connections/{made}").text.split("<main")[1]
    assert auditor.post(f"/connections/{made}/disconnect").status_code == 403
    assert 'name="reason"' not in auditor.get("/maintenance").text


def _form(begin: datetime, hours: float, **more: str) -> dict[str, str]:
    shown = "%Y-%m-%dT%H:%M"
    end = begin + timedelta(hours=hours)
    usual = {"scope": "network", "reason": "New <racks>"}
    return {**usual, "start": f"{begin:{shown}}", "end": f"{end:{shown}}", **more}


def test_a_window_is_agreed_before_it_begins(home: Home, client: TestClient) -> None:
    assert "No maintenance is planned" in client.get("/maintenance").text
    start = (datetime.now(UTC) + timedelta(days=4)).replace(second=0, microsecond=0)
    done = client.post("/maintenance", data=_form(start, 2)).text
    assert "Agreed." in done
    assert "1 window planned" in done
    assert "New &lt;racks&gt;" in done
    (window,) = home.maintenance()
    assert (window.start, window.end - window.start) == (start, timedelta(hours=2))


@pytest.mark.parametrize(
    ("hours", "more", "said"),
    [
        (-1, {}, "before it starts"),
        (2, {"scope": "integration:nobody"}, "nothing is called"),
        (2, {"reason": " "}, "no reason"),
        (2, {"start": "tomorrow"}, "no time"),
    ],
)
def test_a_window_that_cannot_be_is_refused_with_what_was_typed(
    client: TestClient, hours: float, more: dict[str, str], said: str
) -> None:
    start = datetime.now(UTC) + timedelta(days=4)
    answer = client.post("/maintenance", data=_form(start, hours, **more))
    assert answer.status_code == 422
    assert said in answer.text
    if "reason" not in more:
        assert 'value="New &lt;racks&gt;"' in answer.text


def test_a_time_is_meant_in_the_reporting_zone() -> None:
    at = moment("2026-07-01T09:30", ZoneInfo("Europe/Berlin"), "start")
    assert at == datetime(2026, 7, 1, 7, 30, tzinfo=UTC)
    with pytest.raises(InputError):
        moment("", ZoneInfo("UTC"), "start")
