"""People sign in at a real OpenID provider: PKCE is required there, and it says who they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from meterstone.ledger import Ledger
from meterstone.people.errors import SignInRefused
from meterstone.people.oidc import LIVES, ProviderSignIn
from meterstone.people.oidc_provider import Client, IdentityProvider
from meterstone.people.secret import new_secret
from meterstone.people.service import CALLBACK, House
from meterstone.people.sessions import Browser

from .judge import CLIENT, Judge, available, judge, person_agrees

US = "http://127.0.0.1:8766"
BACK = f"{US}{CALLBACK}"
MAIL = "ana@example.com"


@pytest.fixture(scope="module", params=["client_secret_basic", "client_secret_post"])
def provider(request: pytest.FixtureRequest) -> Iterator[Judge]:
    if not available():
        pytest.skip("no node and npm here; apt install nodejs npm")
    person = {"email": MAIL.title(), "email_verified": True}
    with judge(
        redirect_uris=[BACK], account="S-1", person=person, client_auth=request.param
    ) as running:
        yield running


class Clock:
    """The system's, which is the provider's too, and what it was put forward by."""

    def __init__(self) -> None:
        self.by = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(tmp_path: Path, provider: Judge, clock: Clock) -> Iterator[House]:
    client = Client(provider.url, CLIENT["client_id"], CLIENT["client_secret"], "Judge ID")
    with Ledger.open(tmp_path, clock=clock) as ledger:
        yield House(ledger, provider=IdentityProvider(client, httpx2.Client))


@pytest.fixture
def door(house: House) -> ProviderSignIn:
    found = house.at_provider(US)
    assert found is not None
    return found


def come(door: ProviderSignIn, secret: str, path: str = "/gates") -> dict[str, str]:
    """What a browser comes back with."""
    return person_agrees(door.begin(secret, path), BACK)


def test_who_was_invited_signs_in_and_is_known_from_then_on(
    house: House, door: ProviderSignIn
) -> None:
    ana = house.directory.add("cli", name="ana", role="owner", email=MAIL, franchises=["F1"])
    secret = new_secret()
    come_back = door.finish(secret, come(door, secret), Browser())
    seen = house.sessions.of(come_back.begun.secret)
    assert seen is not None
    assert seen.principal.id == ana.id
    assert seen.principal.franchises == {"F1"}
    assert come_back.path == "/gates"
    assert house.directory.get("ana").subject == "S-1"
    other = new_secret()
    assert door.finish(other, come(door, other), Browser()).begun.session.person == ana.id


def test_nobody_comes_in_uninvited(house: House, door: ProviderSignIn) -> None:
    house.directory.add("cli", name="bo", role="admin", email="bo@example.com")
    secret = new_secret()
    with pytest.raises(SignInRefused, match="nobody here has invited you"):
        door.finish(secret, come(door, secret), Browser())
    assert [person.name for person in house.directory.all()] == ["bo"]


def test_somebody_disabled_stays_out(house: House, door: ProviderSignIn) -> None:
    house.directory.add("cli", name="bo", role="admin")
    ana = house.directory.add("cli", name="ana", role="analyst", email=MAIL)
    house.directory.change("cli", ana.id, status="disabled")
    secret = new_secret()
    with pytest.raises(SignInRefused, match="invited"):
        door.finish(secret, come(door, secret), Browser())


def test_a_sign_in_is_finished_by_the_browser_that_began_it_and_once(
    house: House, door: ProviderSignIn
) -> None:
    house.directory.add("cli", name="ana", role="analyst", email=MAIL)
    secret = new_secret()
    back = come(door, secret)
    with pytest.raises(SignInRefused, match="another browser"):
        door.finish(new_secret(), back, Browser())
    assert door.finish(secret, back, Browser())
    with pytest.raises(SignInRefused):  # the provider gives a code once
        door.finish(secret, back, Browser())


def test_a_code_of_another_sign_in_is_worth_nothing(house: House, door: ProviderSignIn) -> None:
    """The code is bound to its PKCE verifier and nonce, which another state does not give."""
    house.directory.add("cli", name="ana", role="analyst", email=MAIL)
    attacker, victim = new_secret(), new_secret()
    stolen = come(door, victim)
    own = come(door, attacker)
    with pytest.raises(SignInRefused):
        door.finish(attacker, {**own, "code": stolen["code"]}, Browser())


@pytest.mark.parametrize(
    "change",
    [
        {"state": ""},
        {"state": "x.y"},
        {"iss": "https://elsewhere.example"},
        {"code": "forged"},
        {"code": ""},
        {"error": "access_denied"},
    ],
)
def test_what_comes_back_changed_is_refused(
    house: House, door: ProviderSignIn, change: dict[str, str]
) -> None:
    house.directory.add("cli", name="ana", role="analyst", email=MAIL)
    secret = new_secret()
    with pytest.raises(SignInRefused):
        door.finish(secret, {**come(door, secret), **change}, Browser())


def test_an_answer_without_the_issuer_is_refused(house: House, door: ProviderSignIn) -> None:
    house.directory.add("cli", name="ana", role="analyst", email=MAIL)
    secret = new_secret()
    back = come(door, secret)
    del back["iss"]
    with pytest.raises(SignInRefused, match="another issuer"):
        door.finish(secret, back, Browser())


def test_a_sign_in_that_took_too_long_begins_again(
    house: House, door: ProviderSignIn, clock: Clock
) -> None:
    house.directory.add("cli", name="ana", role="analyst", email=MAIL)
    secret = new_secret()
    back = come(door, secret)
    clock.by = LIVES + timedelta(seconds=1)
    with pytest.raises(SignInRefused, match="too long"):
        door.finish(secret, back, Browser())


def test_no_secret_and_no_code_is_told(house: House, door: ProviderSignIn) -> None:
    secret = new_secret()
    back = come(door, secret)
    with pytest.raises(SignInRefused) as refused:
        door.finish(secret, back, Browser())
    told = f"{refused.value} {house.directory.all()} {door!r}"
    assert back["code"] not in told
    assert CLIENT["client_secret"] not in told
    assert CLIENT["client_secret"] not in repr(Client("i", "c", CLIENT["client_secret"], "n"))
