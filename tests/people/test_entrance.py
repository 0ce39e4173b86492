"""Signing in with a password: who comes in, who does not, and what is kept of those who tried."""

from __future__ import annotations

from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from meterstone.people.attempts import ADDRESS, NAME, Pace
from meterstone.people.entrance import Entrance
from meterstone.people.errors import SignInRefused, TooManyAttempts
from meterstone.people.passwords import Passwords
from meterstone.people.sessions import IDLE, WHOLE, Browser

from .conftest import PASSWORD, Staff

WRONG = "five words that nobody chose"


def entrance_of(staff: Staff) -> Entrance:
    return Entrance(staff.ledger, staff.sessions, staff.passwords)


def kept(staff: Staff) -> list[str]:
    """Everything that the audit log says, as text."""
    return [str(entry) for entry in staff.ledger.audit.entries()]


def test_who_knows_the_password_is_signed_in_however_the_name_is_written(staff: Staff) -> None:
    begun = entrance_of(staff).sign_in(" Analyst ", PASSWORD, Browser("Firefox", "192.0.2.1"))
    seen = staff.sessions.of(begun.secret)
    assert seen is not None
    assert seen.principal.id == staff.ids["analyst"]
    assert begun.secret not in repr(begun)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("analyst", WRONG),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("analyst", ""),
        ("x" * 9999, WRONG),
    ],
)
def test_what_does_not_hold_is_refused_with_the_same_words(
    staff: Staff, name: str, password: str
) -> None:
    with pytest.raises(SignInRefused, match="do not belong together"):
        entrance_of(staff).sign_in(name, password, Browser())


def test_somebody_disabled_cannot_sign_in(staff: Staff) -> None:
    with staff.ledger.change("test") as change:
        change.people.update(staff.ids["analyst"], status="disabled")
    with pytest.raises(SignInRefused):
        entrance_of(staff).sign_in("analyst", PASSWORD, Browser())


def test_nothing_that_was_typed_is_kept(staff: Staff) -> None:
    door = entrance_of(staff)
    for name in ("analyst", "my secret typed as a name"):
        with pytest.raises(SignInRefused):
            door.sign_in(name, WRONG, Browser("b", "192.0.2.1"))
    told = kept(staff)
    assert sum("session.refused" in entry for entry in told) == 1
    assert not any(WRONG in entry or "my secret" in entry for entry in told)


def test_after_five_failures_the_pause_grows_and_the_right_password_waits_too(staff: Staff) -> None:
    door = entrance_of(staff)
    for _ in range(NAME.free):
        with pytest.raises(SignInRefused):
            door.sign_in("analyst", WRONG, Browser())
    for pause in (2, 4, 8):
        with pytest.raises(TooManyAttempts) as told:
            door.sign_in("analyst", PASSWORD, Browser())
        assert told.value.retry_after_s == pause
        staff.clock.forward(seconds=pause)
        with pytest.raises(SignInRefused):
            door.sign_in("analyst", WRONG, Browser())
    staff.clock.forward(seconds=16)
    assert door.sign_in("analyst", PASSWORD, Browser())
    with pytest.raises(SignInRefused):  # the count began anew
        door.sign_in("analyst", WRONG, Browser())


def test_one_address_that_tries_many_names_is_stopped_and_a_success_does_not_clear_it(
    staff: Staff,
) -> None:
    door, here = entrance_of(staff), Browser("b", "192.0.2.7")
    for i in range(ADDRESS.free - 1):
        with pytest.raises(SignInRefused):
            door.sign_in(f"name{i}", WRONG, here)
    door.sign_in("analyst", PASSWORD, here)
    with pytest.raises(SignInRefused):
        door.sign_in("another", WRONG, here)
    with pytest.raises(TooManyAttempts):
        door.sign_in("analyst", PASSWORD, here)
    assert door.sign_in("analyst", PASSWORD, Browser("b", "192.0.2.8"))


def test_a_pause_has_an_end() -> None:
    pace = Pace(free=2, most=timedelta(minutes=1))
    assert [pace.pause(n).total_seconds() for n in (1, 2, 3, 8, 10_000)] == [0, 2, 4, 60, 60]


def test_a_hash_with_old_parameters_is_renewed(staff: Staff) -> None:
    newer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    with staff.ledger.read() as seen:
        before = seen.people.get(staff.ids["analyst"]).password
    Entrance(staff.ledger, staff.sessions, newer).sign_in("analyst", PASSWORD, Browser())
    with staff.ledger.read() as seen:
        after = seen.people.get(staff.ids["analyst"]).password
    assert before != after
    assert newer.check(after, PASSWORD).rehashed is None


def test_a_session_ends_when_it_is_not_used_and_after_a_day_in_any_case(staff: Staff) -> None:
    idle = staff.signed_in("analyst")
    staff.clock.forward(seconds=IDLE.total_seconds() - 1)
    assert staff.sessions.of(idle)
    staff.clock.forward(seconds=IDLE.total_seconds())
    assert staff.sessions.of(idle) is None
    assert staff.sessions.known(idle) is None
    busy, gone = staff.signed_in("analyst"), timedelta()
    while gone < WHOLE - timedelta(hours=1):
        staff.clock.forward(hours=1)
        gone += timedelta(hours=1)
        assert staff.sessions.of(busy), gone
    staff.clock.forward(hours=1)
    assert staff.sessions.of(busy) is None


def test_signing_in_again_ends_the_session_that_the_browser_had(staff: Staff) -> None:
    door = entrance_of(staff)
    first = door.sign_in("analyst", PASSWORD, Browser())
    second = door.sign_in("executive", PASSWORD, Browser(former=first.secret))
    assert staff.sessions.of(first.secret) is None
    assert staff.sessions.of(second.secret)
