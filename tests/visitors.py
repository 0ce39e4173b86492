"""Signed-in visitors of a home, for tests of pages and ways in: nothing is open to strangers."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.testclient import TestClient

from meterstone.app import Home
from meterstone.people.csrf import token_of
from meterstone.people.rights import Right, Role
from meterstone.people.service import House
from meterstone.people.sessions import Browser


def person(house: House, role: Role | str, franchises: Iterable[str] = ()) -> str:
    """The id of a person of a role, made where there is none with these shops."""
    owned = frozenset(franchises)
    for known in house.directory.all():
        if (known.role, known.franchises) == (str(role), owned):
            return known.id
    name = "-".join([str(role), *sorted(each.lower() for each in owned)])
    return house.directory.add("test", name=name, role=str(role), franchises=owned).id


def session(home: Home, role: Role | str = Role.ADMIN, franchises: Iterable[str] = ()) -> str:
    """The secret of a new session: the value of the cookie ``meterstone``."""
    who = person(home.people, role, franchises)
    with home.ledger.change(who) as change:
        return home.people.sessions.begin(change, who, Browser("a test")).secret


def sign_in(
    client: TestClient, home: Home, role: Role | str = Role.ADMIN, franchises: Iterable[str] = ()
) -> TestClient:
    """Sign a client in; its forms carry what proves that they come from pages of ours."""
    secret = session(home, role, franchises)
    client.cookies.set("meterstone", secret)
    client.headers["X-CSRF-Token"] = token_of(secret)
    return client


def bearer(house: House, *rights: Right) -> dict[str, str]:
    """The header of a program that may do this; all that an administrator can give by default."""
    wanted = rights or tuple(set(Right) - {Right.NOBODY, Right.SIGNED_IN, Right.MANAGE})
    made = house.tokens.make(person(house, Role.ADMIN), "a test", wanted, 1)
    return {"Authorization": f"Bearer {made.secret}"}
