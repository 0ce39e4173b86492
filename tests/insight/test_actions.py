"""Preventive actions: command line, page and API say what was done in one way; the fact is revised
and the audit log has it, both or none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from homes import Meterstone
from meterstone.app import Home
from meterstone.client import ApiError, Client
from meterstone.errors import InputError, NotFound, StorageError
from meterstone.insight.actions import PreventiveAction, Said, action_link, anchor
from meterstone.insight.findings import Advice, Column, Finding, Table, as_dict
from meterstone.ledger.findings import FindingBody
from meterstone.measure.results import Scope
from meterstone.people.rights import Right
from meterstone.record.model import facts_of_ours
from meterstone.scorecard.canonical import canonical
from visitors import bearer, person
from whole import House, whole_house

DAY = date(2026, 9, 30)
AT = datetime(2026, 9, 30, 23, 59, 59, tzinfo=UTC)
BACKLOG = f"risk:square:backlog:{DAY}"
MEMORY = f"capacity-memory-{DAY}"
NETWORK = Scope("network")


def line(action: str, **more: Any) -> str:
    row = {
        "fact": "prevention_action", "action_id": action, "recommended_at": AT.isoformat(),
        "origin": "failure_prediction", "cause_key": "risk:backlog", "status": "recommended",
        "integration": "square", "due_at": (AT + timedelta(days=1)).isoformat(), "source": "hub",
    }  # fmt: skip
    return json.dumps({k: v for k, v in (row | more).items() if v is not None}) + "\n"


LINES = [
    line(BACKLOG),
    line(f"risk:square:backlog:{DAY - timedelta(days=30)}", status="implemented",
         recommended_at=(AT - timedelta(days=30)).isoformat(),
         implemented_at=(AT - timedelta(days=29)).isoformat()),
    line(f"risk:clover:errors:{DAY}", integration="clover", cause_key="risk:errors"),
    line(MEMORY, origin="capacity_forecast", cause_key="memory", integration=None),
    line("staff-1", origin="staff"),
    line("made-up", synthetic=True),
    line("elsewhere", environment="staging"),
]  # fmt: skip


def told() -> list[Finding]:
    """Findings that recommended them, and what came of one."""
    advice = Advice("a", "square: Sync it more often", "why", link=action_link("square", "risk",
                    "backlog"))  # fmt: skip
    square = Finding(
        "risk", "failure_risk", Scope("integration", "square"), "Risk", "Square is at risk.", "m",
        advice=(advice,),
    )  # fmt: skip
    columns = ("action", "integration", "reason", "status", "due", "given", "came")
    table = Table(
        "actions", "Actions", tuple(Column(name, name) for name in columns),
        ((f"risk:square:backlog:{DAY - timedelta(days=30)}", "square", "backlog", "implemented",
          None, 31.0, False),),
    )  # fmt: skip
    followed = Finding(
        "risk", "prevention_implementation:effect", NETWORK, "What came", "One was followed.", "m",
        tables=(table,),
    )  # fmt: skip
    memory = Finding("capacity", "memory", NETWORK, "Memory", "Memory fills up.", "m")
    queues = Finding("capacity", "queue_management", NETWORK, "Queues", "Queues are fine.", "m")
    return [square, followed, memory, queues]


def keep_findings(home: Home) -> None:
    with home.ledger.change("tests") as change:
        for study in ("risk", "capacity"):
            bodies = [
                FindingBody(f.scope.kind, f.scope.key, f.key, canonical(as_dict(f)))
                for f in told() if f.study == study
            ]  # fmt: skip
            change.findings.keep(study, DAY, datetime.now(UTC), "tests", 0.0, bodies)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with whole_house(tmp_path) as served:
        served.home.recorder.land(facts_of_ours("".join(LINES).encode(), "actions", "hub"))
        served.home.recorder.map_new()
        keep_findings(served.home)
        yield served


def of(home: Home, action: str) -> PreventiveAction:
    [found] = [each for each in home.actions.all() if each.id == action]
    return found


def revision(home: Home, action: str) -> dict[str, Any]:
    """The newest row of the fact itself."""
    rows = home.warehouse.query(
        f"SELECT * FROM {home.warehouse.relation('prevention_action', None)} AS a "
        f"WHERE a.action_id = '{action}'"
    ).to_pylist()
    [row] = rows
    return dict(row)


def noted(home: Home) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (entry.actor, entry.subject, dict(entry.detail))
        for entry in home.ledger.audit.entries(action="prevention.state")
    ]


def page(house: House, who: str, path: str) -> str:
    answer, _ = house.ask(who, "GET", path)
    assert answer.status_code == 200
    return unescape(answer.text).replace("\u00a0", " ")


def test_only_what_studies_recommended_in_production_is_listed(house: House) -> None:
    found = house.home.actions.all()
    assert [each.id for each in found] == [
        MEMORY, f"risk:clover:errors:{DAY}", BACKLOG,
        f"risk:square:backlog:{DAY - timedelta(days=30)}",
    ]  # fmt: skip
    assert [each.id for each in house.home.actions.all("capacity")] == [MEMORY]
    assert house.home.actions.all("risk", until=AT - timedelta(days=20))[0].state == "implemented"


def test_what_is_said_revises_the_fact_and_is_in_the_audit_log(house: House) -> None:
    home, began = house.home, datetime.now(UTC)
    done = home.actions.say(BACKLOG, Said("implemented", "person:1", "Ann", "operator"))
    assert (done.state, done.person) == ("implemented", "Ann")
    assert done.done_at is not None
    assert began - timedelta(seconds=1) <= done.done_at <= datetime.now(UTC)
    row = revision(home, BACKLOG)
    assert (row["revision"], row["entered_by"], row["entered_role"]) == (1, "Ann", "operator")
    assert (row["integration"], row["cause_key"], row["origin"]) == (
        "square", "risk:backlog", "failure_prediction",
    )  # fmt: skip
    assert noted(home) == [("person:1", BACKLOG, {"state": "implemented", "before": "recommended"})]
    assert home.ledger.audit.verify().holds
    home.actions.say(BACKLOG, Said("implemented", "person:2", "Bob"))
    assert len(noted(home)) == 1, "the same once more changes nothing"
    assert revision(home, BACKLOG)["revision"] == 1


def test_what_was_said_can_be_taken_back_and_the_past_stays(house: House) -> None:
    home = house.home
    verified = home.actions.say(BACKLOG, Said("verified", "cli", "Ann"))
    assert verified.done_at == verified.verified_at is not None
    between = datetime.now(UTC)
    declined = home.actions.say(BACKLOG, Said("declined", "cli", "Ann", reason=" too \n dear "))
    assert (declined.reason, declined.done_at, declined.verified_at) == ("too dear", None, None)
    for said in (Said("recommended", "cli", "Ann"), Said("declined", "cli", "Ann", reason="late")):
        assert home.actions.say(BACKLOG, said).state == said.state
    back = home.actions.say(BACKLOG, Said("recommended", "cli", "Ann"))
    assert (back.state, back.reason, back.done_at, back.is_open) == ("recommended", "", None, True)
    then = [each for each in home.actions.all(known_at=between) if each.id == BACKLOG]
    assert [each.state for each in then] == ["verified"]
    states = [detail["state"] for _, _, detail in noted(home)]
    assert states == ["verified", "declined", "recommended", "declined", "recommended"]


@pytest.mark.parametrize(
    ("action", "said", "kind", "cause"),
    [
        ("risk:none", Said("implemented", "c", "p"), NotFound, "nothing recommended"),
        ("staff-1", Said("implemented", "c", "p"), NotFound, "nothing recommended"),
        (BACKLOG, Said("done", "c", "p"), InputError, "unknown state"),
        (BACKLOG, Said("declined", "c", "p", reason=" "), InputError, "without a reason"),
        (BACKLOG, Said("declined", "c", "p", reason="x" * 501), InputError, "too long"),
    ],
)
def test_what_cannot_be_said_changes_nothing(
    house: House, action: str, said: Said, kind: type[InputError], cause: str
) -> None:
    with pytest.raises(kind, match=cause) as caught:
        house.home.actions.say(action, said)
    assert caught.value.mend
    assert not noted(house.home)
    assert of(house.home, BACKLOG).state == "recommended"


def test_fact_and_audit_entry_are_written_both_or_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = house.home

    def full(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(home.actions, "_land", full)
    with pytest.raises(StorageError):
        home.actions.say(BACKLOG, Said("implemented", "cli", "Ann"))
    assert not noted(home)
    assert of(home, BACKLOG).state == "recommended"


def test_the_same_is_said_again_after_something_else(house: House) -> None:
    """Equal bytes are one record of the log: a saying must not be lost as a duplicate."""
    home = house.home
    for _ in range(3):
        assert home.actions.say(BACKLOG, Said("declined", "c", "A", reason="no")).reason == "no"
        assert home.actions.say(BACKLOG, Said("recommended", "c", "A")).is_open
    assert revision(home, BACKLOG)["revision"] == 6
    home.rebuild()
    assert revision(home, BACKLOG)["revision"] == 6


def test_two_who_answer_at_once_answer_one_after_the_other(house: House) -> None:
    home = house.home
    says = [Said("implemented", "a", "A"), Said("declined", "b", "B", reason="no")] * 4
    threads = [threading.Thread(target=home.actions.say, args=(BACKLOG, each)) for each in says]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = noted(home)
    assert len(entries) == revision(home, BACKLOG)["revision"]
    assert of(home, BACKLOG).state in ("implemented", "declined")


# --- pages ----------------------------------------------------------------------------------------


def test_pages_of_findings_list_their_own_actions_and_advice_leads_there(house: House) -> None:
    study = page(house, "operator", "/insight/risk")
    place = anchor("square", "backlog")
    assert f'href="/insight/risk#{place}"' in study
    assert study.count(f'id="{place}"') == 1, "the newest of its cause alone"
    assert "square: changes wait" in study
    assert "clover: more calls fail" in study
    assert "memory" not in study.lower()
    square = page(house, "operator", "/insight/risk/failure_risk?scope=integration:square")
    assert "changes wait" in square
    assert "more calls fail" not in square
    assert "No incident came in the week after; 31 % was given for one." in square
    assert "One was followed." in square
    assert "Memory fills up" in page(house, "operator", "/insight/capacity/memory")
    assert 'name="action"' not in page(house, "operator", "/insight/capacity/queue_management")


def test_a_form_says_it_and_leads_back(house: House) -> None:
    path = "/insight/risk/failure_risk?scope=integration:square"
    answer, came = house.ask("operator", "POST", path, data={
        "action": BACKLOG, "state": "declined", "reason": "<b>too dear</b>",
    })  # fmt: skip
    assert came
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{path}#{anchor('square', 'backlog')}"
    html, _ = house.ask("operator", "GET", path)
    assert "&lt;b&gt;too dear&lt;/b&gt;" in html.text
    assert "<b>too dear" not in html.text
    assert "Dismissed" in html.text
    assert "Take back" in html.text
    answer, _ = house.ask("operator", "POST", path, data={"action": BACKLOG,
                          "state": "recommended"})  # fmt: skip
    assert answer.status_code == 303
    assert of(house.home, BACKLOG).is_open
    assert [who for who, *_ in noted(house.home)] == [person(house.home.people, "operator")] * 2


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"action": BACKLOG, "state": "declined", "reason": ""}, "Declined without a reason"),
        ({"action": "risk:x", "state": "implemented"}, "Nothing recommended"),
        ({}, "Unknown state"),
    ],
)
def test_a_refusal_is_said_on_the_page(house: House, sent: dict[str, str], said: str) -> None:
    for path in ("/insight/risk", "/insight/risk/failure_risk?scope=integration:square"):
        answer, _ = house.ask("operator", "POST", path, data=sent)
        assert answer.status_code == 422
        assert said in unescape(answer.text)
    answer, _ = house.ask("operator", "POST", "/insight/never", data=sent)
    assert answer.status_code == 404


def test_who_may_not_answer_sees_what_was_said_and_no_form(house: House) -> None:
    for who in ("analyst", "executive", "auditor"):
        html = page(house, who, "/insight/risk")
        assert "changes wait" in html
        assert 'name="state"' not in html
    past = page(house, "operator", f"/insight/risk?day={DAY}")
    assert 'name="state"' not in past
    before = page(house, "operator", f"/insight/risk?day={DAY - timedelta(days=3)}")
    assert "more calls fail" not in before
    for who in ("analyst", "owner", "stranger"):
        sent = {"action": BACKLOG, "state": "implemented"}
        answer, came = house.ask(who, "POST", "/insight/risk", data=sent)
        assert not came
        assert answer.status_code in (401, 403, 404)
        path = f"/api/v1/prevention-actions/{BACKLOG}/state"
        answer, came = house.ask(who, "POST", path, json={"state": "implemented"})
        assert not came
    assert of(house.home, BACKLOG).is_open


def test_a_form_of_another_site_is_refused(house: House) -> None:
    client = house.clients["operator"]
    token = client.headers.pop("X-CSRF-Token")
    answer, came = house.ask("operator", "POST", "/insight/risk", data={"action": BACKLOG,
                             "state": "implemented"})  # fmt: skip
    client.headers["X-CSRF-Token"] = token
    assert answer.status_code == 403
    assert not came
    assert of(house.home, BACKLOG).is_open


# --- API ------------------------------------------------------------------------------------------


@pytest.fixture
def client(house: House) -> Client:
    secret = bearer(house.home.people, Right.METRICS, Right.RESPOND)["Authorization"][7:]
    return Client("", secret, http=TestClient(house.app, raise_server_exceptions=False))


def test_the_api_lists_and_says_the_same(house: House, client: Client) -> None:
    listed = list(client.prevention_actions())
    assert {each.id for each in listed} == {each.id for each in house.home.actions.all()}
    assert [each.id for each in client.prevention_actions("capacity")] == [MEMORY]
    done = client.say_action(BACKLOG, "declined", "too dear")
    assert (done.state, done.reason, done.integration) == ("declined", "too dear", "square")
    assert [each.id for each in client.prevention_actions(state="declined")] == [BACKLOG]
    assert of(house.home, BACKLOG).state == "declined"
    [(actor, subject, _)] = noted(house.home)
    assert actor.startswith("token:")
    assert subject == BACKLOG
    assert client.say_action(BACKLOG, "recommended").reason == ""
    with pytest.raises(ApiError, match="without a reason") as caught:
        client.say_action(BACKLOG, "declined")
    assert caught.value.status == 400
    with pytest.raises(ApiError, match="nothing recommended") as none:
        client.say_action("risk:none", "implemented")
    assert none.value.status == 404


def test_pages_and_tags_of_the_list(house: House, client: Client) -> None:
    headers = bearer(house.home.people, Right.METRICS)
    http = TestClient(house.app, headers=headers)
    seen: list[str] = []
    path = "/api/v1/prevention-actions?limit=2"
    while path:
        answer = http.get(path)
        seen += [row["id"] for row in answer.json()]
        path = answer.links.get("next", {}).get("url", "")
    assert len(seen) == len(set(seen)) == 4
    first = http.get("/api/v1/prevention-actions?limit=2")
    same = http.get("/api/v1/prevention-actions?limit=2",
                    headers={"If-None-Match": first.headers["etag"]})  # fmt: skip
    assert (same.status_code, same.content) == (304, b"")
    assert same.links["next"] == first.links["next"]
    client.say_action(BACKLOG, "implemented")
    again = http.get("/api/v1/prevention-actions?limit=4",
                     headers={"If-None-Match": first.headers["etag"]})  # fmt: skip
    assert again.status_code == 200
    assert len(list(client.prevention_actions())) == 4


# --- the command line -----------------------------------------------------------------------------


def test_the_command_line_says_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = Meterstone(tmp_path / "home", monkeypatch, capfd)
    file = tmp_path / "actions.jsonl"
    file.write_text("".join(LINES))
    assert run("ingest", file).code == 0
    listed = run("insight", "actions", "--study", "risk", "--json").json
    assert [each["id"] for each in listed][-1].endswith("2026-08-31")
    done = run("insight", "act", BACKLOG, "declined", "--person", "J. Doe", "--reason", "no",
               "--json")  # fmt: skip
    assert done.json["state"] == "declined"
    assert f"{BACKLOG}  declined (no)" in run("insight", "actions").out
    refused = run("insight", "act", BACKLOG, "declined", "--person", "J. Doe")
    assert refused.code == 2
    assert "without a reason" in refused.err
    assert "nobody is named" in run("insight", "act", BACKLOG, "accepted", "--person", " ").err
    assert "did you mean 'risk'" in run("insight", "actions", "--study", "rsk").err
    [entry] = [e for e in run("audit", "list", "--json").json if e["action"] == "prevention.state"]
    assert (entry["actor"], entry["subject"]) == ("cli", BACKLOG)
