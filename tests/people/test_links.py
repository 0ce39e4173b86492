"""One-time links: the first administrator, and new passwords."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from meterstone.errors import InputError
from meterstone.ledger import Ledger
from meterstone.people.errors import SignInRefused
from meterstone.people.passwords import Passwords
from meterstone.people.rights import Role
from meterstone.people.service import House
from meterstone.people.sessions import Browser

from .conftest import PASSWORD, Clock, Staff

NEW = "other words than before"


def secret_of(path: str) -> str:
    return path.partition("?link=")[2]


@pytest.fixture
def empty(ledger: Ledger, passwords: Passwords) -> House:
    return House(ledger, passwords)


def set_up(house: House, secret: str, password: str = PASSWORD) -> str:
    begun = house.links.set_up(secret, name="Ada", called="", password=password, browser=Browser())
    return begun.secret


def test_the_first_link_makes_one_administrator_and_never_a_second(empty: House) -> None:
    link = empty.links.first()
    assert link is not None
    secret = secret_of(link.path)
    assert secret not in repr(link)
    seen = empty.sessions.of(set_up(empty, secret))
    assert seen is not None
    assert seen.principal.role is Role.ADMIN
    assert empty.links.first() is None
    with pytest.raises(SignInRefused, match="used already"):
        set_up(empty, secret)


def test_a_new_first_link_takes_the_place_of_the_one_before(empty: House) -> None:
    first, second = empty.links.first(), empty.links.first()
    assert first is not None
    assert second is not None
    with pytest.raises(SignInRefused):
        empty.links.look(secret_of(first.path))
    assert empty.links.look(secret_of(second.path)).purpose == "setup"


def test_a_password_that_will_not_do_leaves_the_link_good(empty: House) -> None:
    link = empty.links.first()
    assert link is not None
    secret = secret_of(link.path)
    for weak in ("short", "a" * 20, "ada" * 6):
        with pytest.raises(InputError):
            set_up(empty, secret, weak)
    assert set_up(empty, secret)


def test_two_who_follow_the_first_link_at_once_make_one_administrator(empty: House) -> None:
    link = empty.links.first()
    assert link is not None
    secret = secret_of(link.path)

    def attempt(name: str) -> bool:
        try:
            empty.links.set_up(secret, name=name, called=name, password=PASSWORD, browser=Browser())
        except SignInRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(attempt, ["a1", "b2", "c3", "d4"]))
    assert sum(made) == 1
    assert len(empty.directory.all()) == 1


def test_a_link_is_over_after_its_time(empty: House, clock: Clock) -> None:
    link = empty.links.first()
    assert link is not None
    clock.forward(hours=24)
    with pytest.raises(SignInRefused):
        set_up(empty, secret_of(link.path))


def test_a_password_link_changes_the_password_and_ends_every_session(
    staff: Staff, passwords: Passwords
) -> None:
    house = House(staff.ledger, passwords)
    old = house.entrance.sign_in("analyst", PASSWORD, Browser()).secret
    assert house.sessions.of(old)
    link = house.links.for_password(staff.ids["analyst"], "cli")
    new = house.links.choose(secret_of(link.path), password=NEW, browser=Browser()).secret
    assert house.sessions.known(old) is None
    assert house.sessions.of(old) is None
    assert house.sessions.of(new)
    assert house.entrance.sign_in("analyst", NEW, Browser())
    with pytest.raises(SignInRefused):
        house.links.choose(secret_of(link.path), password=NEW, browser=Browser())


def test_a_link_of_somebody_disabled_does_not_hold(staff: Staff, passwords: Passwords) -> None:
    house = House(staff.ledger, passwords)
    link = house.links.for_password(staff.ids["analyst"], "cli")
    house.directory.change("cli", staff.ids["analyst"], status="disabled")
    with pytest.raises(SignInRefused):
        house.links.choose(secret_of(link.path), password=NEW, browser=Browser())


@pytest.mark.parametrize("secret", ["", "x", "é" * 43, "a" * 43, "a" * 5000, "\0" * 43])
def test_what_is_no_link_is_refused(staff: Staff, passwords: Passwords, secret: str) -> None:
    house = House(staff.ledger, passwords)
    with pytest.raises(SignInRefused):
        house.links.look(secret)


def test_links_are_for_what_they_were_made_for(staff: Staff, passwords: Passwords) -> None:
    house = House(staff.ledger, passwords)
    link = house.links.for_password(staff.ids["owner"], "cli")
    with pytest.raises(SignInRefused):
        set_up(house, secret_of(link.path))
    assert house.links.look(secret_of(link.path)).person == staff.ids["owner"]
