"""The door, the account and the people as somebody uses them in a browser."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import anyio
import pytest
from starlette.testclient import TestClient

from meterstone.people.desk import Desk
from meterstone.people.errors import Busy
from meterstone.people.passwords import Passwords
from meterstone.people.rights import Right, Role
from meterstone.people.sessions import Browser as From
from meterstone.people.words import RIGHTS, ROLES
from visitors import person, session
from whole import House, whole_house

from .conftest import PASSWORD

NEW = "other words than before"
WEAK, NONE = "short", "token:none"
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with whole_house(tmp_path_factory.mktemp("pages")) as served:
        yield served


class Browser:
    """A browser that sends the forms that it is shown."""

    def __init__(self, house: House, cookie: str = "") -> None:
        self.client = TestClient(house.app, headers=HTML, follow_redirects=False)
        if cookie:
            self.client.cookies.set("meterstone", cookie)
        self.text = ""

    def open(self, path: str) -> int:
        answer = self.client.get(path)
        self.text = answer.text
        return answer.status_code

    def send(self, path: str, **fields: object) -> tuple[int, str]:
        """Status, and where to go on."""
        token = re.search(r'name="csrf" value="([^"]+)"', self.text)
        assert token is not None
        answer = self.client.post(path, data={"csrf": token[1], **fields})
        self.text = answer.text or self.text
        return answer.status_code, answer.headers.get("location", "")

    def shown_once(self) -> str:
        found = re.search(r'id="f-once" value="([^"]+)"', self.text)
        assert found is not None
        return found[1]


def admin(house: House) -> Browser:
    return Browser(house, session(house.home, Role.ADMIN))


def test_from_an_invitation_to_the_page_that_was_wanted(house: House) -> None:
    boss = admin(house)
    assert boss.open("/settings/people") == 200
    status, _ = boss.send(
        "/settings/people", name="Ana", called="Ana López", role="owner",
        franchises="F1, F2", email="ana@example.com",
    )  # fmt: skip
    assert status == 200
    link = boss.shown_once().removeprefix("http://testserver")
    ana = Browser(house)
    assert ana.open(link) == 200
    assert "ana" in ana.text
    secret = link.partition("=")[2]
    assert ana.send("/setup", link=secret, password=WEAK, again=WEAK)[0] == 422
    assert "15 to 256 characters" in ana.text
    assert ana.send("/setup", link=secret, password=PASSWORD, again=NEW)[0] == 422
    assert ana.send("/setup", link=secret, password=PASSWORD, again=PASSWORD) == (303, "/")
    assert ana.open("/account") == 200
    assert "F1, F2" in ana.text
    assert ana.open(link) == 404
    again = Browser(house)
    assert again.open("/login?next=/account%3Fdone=password") == 200
    typed = {"name": "ana", "next": "/account?done=password"}
    assert again.send("/login", password=NEW, **typed)[0] == 403
    assert NEW not in again.text
    assert again.send("/login", password=PASSWORD, **typed) == (303, "/account?done=password")


def test_changing_the_password_signs_other_browsers_out(house: House) -> None:
    house.home.people.directory.add("test", name="bea", role="analyst", password=PASSWORD)
    here, there = Browser(house), Browser(house)
    for browser in (here, there):
        browser.open("/login")
        browser.send("/login", name="bea", password=PASSWORD)
        assert browser.open("/account") == 200
    assert here.open("/account") == 200
    assert here.send("/account/password", old=NEW, new=NEW, again=NEW)[0] == 403
    assert here.send("/account/password", old=PASSWORD, new=NEW, again=PASSWORD)[0] == 422
    assert here.send("/account/password", old=PASSWORD, new=NEW, again=NEW)[0] == 303
    assert here.open("/account?done=password") == 200
    assert "Every other browser was signed out" in here.text
    assert there.open("/account") == 303


def test_a_browser_is_signed_out_from_another(house: House) -> None:
    first, second = (Browser(house, session(house.home, Role.EXECUTIVE)) for _ in range(2))
    assert first.open("/account") == 200
    ids = re.findall(r'name="session" value="([^"]+)"', first.text)
    for each in ids:
        assert first.send("/account/sessions", session=each)[0] == 303
    assert second.open("/account") == 303
    third = Browser(house, session(house.home, Role.EXECUTIVE))
    assert first.send("/account/sessions")[0] == 303
    assert third.open("/account") == 303
    assert first.open("/account") == 200


def test_a_token_is_shown_once_works_and_is_revoked(house: House) -> None:
    browser = Browser(house, session(house.home, Role.ANALYST))
    browser.open("/account")
    assert "read metrics, gates and scorecards" in browser.text
    assert "read the audit log" not in browser.text
    made = {"name": "sheet", "days": "30", "right": ["metrics", "owners"]}
    assert browser.send("/account/tokens", **made)[0] == 200
    secret = browser.shown_once()
    program = TestClient(house.app, headers={"Authorization": f"Bearer {secret}"})
    assert program.get("/api/v1/framework").status_code == 200
    assert program.get("/api/v1/connections").status_code == 403
    assert program.get("/account").status_code == 403
    browser.open("/account")
    assert secret not in browser.text
    for wrong in ({"right": "audit"}, {"days": "9999"}, {"days": "x"}, {"name": ""}):
        assert browser.send("/account/tokens", **{**made, **wrong})[0] == 422
    browser.open("/account")
    (token,) = re.findall(r'name="token" value="([^"]+)"', browser.text)
    assert Browser(house, session(house.home, Role.AUDITOR)).open("/account") == 200
    assert browser.send("/account/tokens/revoke", token=token)[0] == 303
    assert program.get("/api/v1/framework").status_code == 401
    assert browser.send("/account/tokens/revoke", token=NONE)[0] == 422


def test_nobody_revokes_a_token_or_ends_a_session_of_somebody_else(house: House) -> None:
    people = house.home.people
    victim = person(people, Role.OPERATOR)
    held = session(house.home, Role.OPERATOR)
    made = people.tokens.make(victim, "theirs", [Right.CONNECT], 1)
    (theirs, *_) = people.sessions.all(victim)
    attacker = Browser(house, session(house.home, Role.AUDITOR))
    attacker.open("/account")
    attacker.send("/account/sessions", session=theirs.id)
    assert attacker.send("/account/tokens/revoke", token=made.token.id)[0] == 422
    assert people.tokens.of(made.secret)
    assert people.sessions.of(held)


def test_a_person_is_changed_and_everything_is_in_the_audit_log(house: House) -> None:
    people = house.home.people
    cem = people.directory.add("test", name="cem", role="analyst", password=PASSWORD)
    with house.home.ledger.change(cem.id) as change:
        secret = people.sessions.begin(change, cem.id, From("phone", "192.0.2.9")).secret
    token = people.tokens.make(cem.id, "sheet", [Right.METRICS], 9)
    boss, one = admin(house), f"/settings/people/{cem.id}"
    assert boss.open(one) == 200
    assert "192.0.2.9" in boss.text
    assert boss.send(f"{one}/tokens", token=token.token.id)[0] == 303
    assert boss.send(f"{one}/sessions")[0] == 303
    assert people.sessions.of(secret) is None
    assert boss.send(one, role="owner", status="active", franchises="F9")[0] == 303
    assert people.directory.get("cem").franchises == {"F9"}
    assert boss.send(one, role="owner", status="active", franchises="")[0] == 422
    assert boss.send(one, role="owner", status="gone", franchises="F9")[0] == 422
    assert boss.send(f"{one}/link")[0] == 200
    assert "/setup?link=" in boss.shown_once()
    assert boss.send(one, role="owner", status="disabled", franchises="F9")[0] == 303
    assert boss.open(f"{one}?done=changed") == 200
    assert "kept out" in boss.text
    assert boss.open("/settings/people/person:none") == 404
    boss.open("/settings/people")
    assert boss.send("/settings/people/person:none/link")[0] == 404
    told = {(e.actor, e.action) for e in house.home.ledger.audit.entries(subject=cem.id)}
    manager = person(people, Role.ADMIN)
    assert {(manager, "person.update"), (manager, "person.own"), (manager, "link.add")} <= told


def test_too_many_at_the_desk_are_told_to_come_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(house)
    browser.open("/login")
    monkeypatch.setattr(house.home.people.desk, "_waiting", 0)
    assert browser.send("/login", name="ana", password=PASSWORD)[0] == 503
    assert "too many people" in browser.text.lower()


def test_a_desk_has_a_line_with_an_end() -> None:
    """One is served, one waits, the third is sent away, and then the line moves on."""
    desk, go, done = Desk(at_once=1, waiting=1), threading.Event(), []

    def work(who: int) -> None:
        assert go.wait(60)
        done.append(who)

    async def crowd() -> None:
        async with anyio.create_task_group() as group:
            for who in (1, 2):
                group.start_soon(desk.do, work, who)
                await anyio.wait_all_tasks_blocked()
            with pytest.raises(Busy):
                await desk.do(work, 3)
            go.set()
        await desk.do(work, 4)

    anyio.run(crowd)
    assert done == [1, 2, 4]


def test_a_stranger_learns_nothing_of_who_is_here(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name that is known or not: the same answer, and as many hashes checked."""
    checked = []
    whole = Passwords.check

    def counted(self: Passwords, kept: str | None, password: str) -> object:
        checked.append(kept is not None)
        return whole(self, kept, password)

    monkeypatch.setattr(Passwords, "check", counted)
    house.home.people.directory.add("test", name="dana", role="analyst", password=PASSWORD)
    texts = []
    for name in ("dana", "nobody"):
        browser = Browser(house)
        browser.open("/login")
        assert browser.send("/login", name=name, password=NEW)[0] == 403
        texts.append(re.sub(r'value="[^"]*"', "", browser.text))
    assert texts[0] == texts[1]
    assert checked == [True, False]


def test_every_role_and_right_is_said_in_words() -> None:
    assert set(ROLES) == set(Role)
    assert set(RIGHTS) == set(Right) - {Right.NOBODY, Right.SIGNED_IN}
