"""Managing people: what takes effect at once, and what is refused."""

from __future__ import annotations

import pytest

from meterstone.errors import ConflictError, InputError
from meterstone.people.errors import SignInRefused, TooManyAttempts
from meterstone.people.passwords import Passwords
from meterstone.people.rights import Right, Role
from meterstone.people.service import House
from meterstone.people.sessions import Browser

from .conftest import PASSWORD, Staff

NEW = "other words than before"


@pytest.fixture
def house(staff: Staff, passwords: Passwords) -> House:
    return House(staff.ledger, passwords)


def test_somebody_new_signs_in_and_is_what_was_said(house: House) -> None:
    made = house.directory.add(
        "cli", name="Kim", role="owner", franchises=["F7", "F8"], password=PASSWORD,
        email="Kim@Example.com",
    )  # fmt: skip
    seen = house.sessions.of(house.entrance.sign_in("kim", PASSWORD, Browser()).secret)
    assert seen is not None
    assert seen.principal.franchises == {"F7", "F8"}
    assert made.email == "kim@example.com"
    assert house.directory.get("kim").id == made.id


def test_a_new_role_holds_from_the_next_request_on(house: House, staff: Staff) -> None:
    secret = house.entrance.sign_in("analyst", PASSWORD, Browser()).secret
    assert house.sessions.of(secret)
    house.directory.change("cli", staff.ids["analyst"], role="owner", franchises=["F9"])
    assert house.sessions.known(secret) is None
    seen = house.sessions.of(secret)
    assert seen is not None
    assert seen.principal.role is Role.OWNER
    assert seen.principal.franchises == {"F9"}
    house.directory.change("cli", staff.ids["analyst"], role="auditor")
    again = house.sessions.of(secret)
    assert again is not None
    assert not again.principal.franchises


def test_who_is_disabled_is_out_with_sessions_and_tokens(house: House, staff: Staff) -> None:
    secret = house.entrance.sign_in("analyst", PASSWORD, Browser()).secret
    token = house.tokens.make(staff.ids["analyst"], "script", [Right.METRICS], 30).secret
    assert house.sessions.of(secret)
    assert house.tokens.of(token)
    house.directory.change("cli", staff.ids["analyst"], status="disabled")
    for lookup, held in ((house.sessions, secret), (house.tokens, token)):
        assert lookup.known(held) is None
        assert lookup.of(held) is None
    house.directory.change("cli", staff.ids["analyst"], status="active")
    assert house.sessions.of(secret) is None
    assert house.tokens.of(token) is None


def test_somebody_stays_who_may_manage_people(house: House, staff: Staff) -> None:
    for change in ({"role": "analyst"}, {"status": "disabled"}):
        with pytest.raises(InputError, match="nobody would be left"):
            house.directory.change("cli", staff.ids["admin"], **change)  # type: ignore[arg-type]  # both are keywords of change
    assert house.directory.get("admin").status == "active"


@pytest.mark.parametrize(
    "given",
    [
        {"role": "chief"},
        {"role": "owner"},
        {"name": "two words"},
        {"name": ""},
        {"called": "a\x00b"},
        {"called": "x" * 101},
        {"email": "nobody"},
        {"email": "a@b>c.example"},
        {"password": "short"},
        {"role": "owner", "franchises": ["\n"]},
    ],
)
def test_what_will_not_do_is_refused_and_nobody_is_made(
    house: House, given: dict[str, str]
) -> None:
    before = len(house.directory.all())
    with pytest.raises(InputError):
        house.directory.add("cli", **{"name": "kim", "role": "analyst", **given})  # type: ignore[arg-type]  # made by hand
    assert len(house.directory.all()) == before


def test_a_name_is_one_persons(house: House) -> None:
    with pytest.raises(ConflictError):
        house.directory.add("cli", name="ANALYST", role="analyst")


def test_an_unknown_person_is_named_with_who_may_be_meant(house: House) -> None:
    with pytest.raises(InputError, match="'analist'") as told:
        house.directory.get("analist")
    assert "analyst" in told.value.mend


def test_changing_the_own_password_keeps_this_session_and_ends_the_others(
    house: House, staff: Staff
) -> None:
    here = house.entrance.sign_in("analyst", PASSWORD, Browser())
    there = house.entrance.sign_in("analyst", PASSWORD, Browser())
    house.directory.change_password(
        staff.ids["analyst"], here.session.id, PASSWORD, NEW, "192.0.2.1"
    )
    assert house.sessions.of(here.secret)
    assert house.sessions.of(there.secret) is None
    with pytest.raises(SignInRefused):
        house.entrance.sign_in("analyst", PASSWORD, Browser())
    assert house.entrance.sign_in("analyst", NEW, Browser())


def test_the_present_password_cannot_be_guessed_from_a_stolen_session(
    house: House, staff: Staff
) -> None:
    here = house.entrance.sign_in("analyst", PASSWORD, Browser())
    for _ in range(5):
        with pytest.raises(SignInRefused):
            house.directory.change_password(
                staff.ids["analyst"], here.session.id, "wrong", NEW, "192.0.2.1"
            )
    with pytest.raises(TooManyAttempts):
        house.directory.change_password(
            staff.ids["analyst"], here.session.id, PASSWORD, NEW, "192.0.2.1"
        )


def test_a_password_that_was_given_ends_all_sessions(house: House, staff: Staff) -> None:
    secret = house.entrance.sign_in("analyst", PASSWORD, Browser()).secret
    house.directory.set_password("cli", staff.ids["analyst"], NEW)
    assert house.sessions.of(secret) is None
    assert house.entrance.sign_in("analyst", NEW, Browser())


def test_a_token_does_what_its_maker_may_and_was_given(house: House, staff: Staff) -> None:
    made = house.tokens.make(staff.ids["operator"], "script", [Right.CONNECT], 1)
    assert made.secret not in repr(made)
    seen = house.tokens.of(made.secret)
    assert seen is not None
    assert seen.principal.rights == {Right.CONNECT, Right.SIGNED_IN}
    house.directory.change("cli", staff.ids["operator"], role="analyst")
    less = house.tokens.of(made.secret)
    assert less is not None
    assert less.principal.rights == {Right.SIGNED_IN}
    staff.clock.forward(days=1)
    assert house.tokens.known(made.secret) is None
    assert house.tokens.of(made.secret) is None


@pytest.mark.parametrize(
    ("rights", "days", "name"),
    [
        ([Right.AUDIT], 30, "x"),
        ([Right.MANAGE], 30, "x"),
        ([], 30, "x"),
        ([Right.METRICS], 0, "x"),
        ([Right.METRICS], 367, "x"),
        ([Right.METRICS], 30, ""),
    ],
)
def test_a_token_beyond_what_its_maker_may_is_refused(
    house: House, staff: Staff, rights: list[Right], days: int, name: str
) -> None:
    with pytest.raises(InputError):
        house.tokens.make(staff.ids["analyst"], name, rights, days)


def test_a_token_is_revoked_by_its_maker_or_a_manager_and_nobody_else(
    house: House, staff: Staff
) -> None:
    made = house.tokens.make(staff.ids["analyst"], "script", [Right.METRICS], 30)
    other = staff.ids["operator"]
    with pytest.raises(InputError, match="no such token"):
        house.tokens.revoke(made.token.id, other, person=other)
    assert house.tokens.of(made.secret)
    house.tokens.revoke(made.token.id, "cli")
    assert house.tokens.known(made.secret) is None
    assert house.tokens.of(made.secret) is None
    assert [t.id for t in house.tokens.all(staff.ids["analyst"])] == [made.token.id]


def test_a_session_is_ended_by_whose_it_is(house: House, staff: Staff) -> None:
    begun = house.entrance.sign_in("analyst", PASSWORD, Browser())
    assert house.sessions.end(staff.ids["operator"], begun.session.id) == 0
    assert [s.id for s in house.sessions.all(staff.ids["analyst"])] == [begun.session.id]
    assert house.sessions.end(staff.ids["analyst"], begun.session.id) == 1
    assert house.sessions.of(begun.secret) is None
