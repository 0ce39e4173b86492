"""An identity provider that lies, is slow, or is somebody else."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from meterstone.people.errors import SignInRefused
from meterstone.people.oidc import ProviderSignIn
from meterstone.people.oidc_provider import Client, IdentityProvider
from meterstone.people.secret import new_secret
from meterstone.people.service import House
from meterstone.people.sessions import Browser

from .conftest import Staff

ISSUER = "https://id.example"
CLIENT = Client(ISSUER, "meterstone", "s+cret/with%signs", "Example ID")
KEY = ECKey.generate_key("P-256", {"kid": "now"})
ANOTHER = ECKey.generate_key("P-256", {"kid": "now"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})


class Provider:
    """Says what a test lets it say.

    Attributes:
        claims: over those of a right ID token.
        key, algorithm: that sign it.
        asked: the paths that were asked for.
    """

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.key: Any = KEY
        self.algorithm = "ES256"
        self.keys = [KEY]
        self.nonce = ""
        self.token: str | None = None
        self.userinfo: dict[str, Any] = {"sub": "S1"}
        self.status = 200
        self.asked: list[str] = []
        self.authorization = ""

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.asked.append(path)
        if self.status != 200:
            return httpx2.Response(self.status, text="<html>sorry</html>")
        if path == "/keys":
            return httpx2.Response(200, json=KeySet(self.keys).as_dict(private=False))
        if path == "/userinfo":
            return httpx2.Response(200, json=self.userinfo)
        if path == "/token":
            self.authorization = request.headers.get("authorization", "")
            return httpx2.Response(200, json={"access_token": "a", "id_token": self._signed()})
        return httpx2.Response(200, json=self._metadata())

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/auth",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
            **self.metadata,
        }

    def _signed(self) -> str:
        if self.token is not None:
            return self.token
        now = int(time.time())
        claims = {
            "iss": ISSUER, "aud": "meterstone", "sub": "S1", "iat": now, "exp": now + 60,
            "nonce": self.nonce, "email": "ana@example.com", "email_verified": True,
            **self.claims,
        }  # fmt: skip
        right = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid or "now"}
        return jwt.encode(header, right, self.key, algorithms=[self.algorithm])


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def house(staff: Staff, provider: Provider) -> House:
    def client() -> httpx2.Client:
        return httpx2.Client(transport=httpx2.MockTransport(provider.answer))

    made = House(staff.ledger, staff.passwords, IdentityProvider(CLIENT, client, lambda: 0.0))
    made.directory.add("cli", name="ana", role="analyst", email="ana@example.com")
    return made


@pytest.fixture
def door(house: House) -> ProviderSignIn:
    found = house.at_provider("https://us.example")
    assert found is not None
    return found


def come(door: ProviderSignIn, provider: Provider, **query: str) -> str:
    """Sign in; the path that was wanted."""
    secret = new_secret()
    sent = parse_qs(urlsplit(door.begin(secret, "/gates?day=2026-03-01")).query)
    assert sent["redirect_uri"] == ["https://us.example/login/provider/callback"]
    assert sent["code_challenge_method"] == ["S256"]
    provider.nonce = sent["nonce"][0]
    back = {"code": "c", "state": sent["state"][0], **query}
    return door.finish(secret, back, Browser()).path


def test_a_right_answer_signs_in(door: ProviderSignIn, provider: Provider) -> None:
    assert come(door, provider) == "/gates?day=2026-03-01"
    # form-encoded before Base64 (RFC 6749, 2.3.1)
    assert provider.authorization == "Basic bWV0ZXJzdG9uZTpzJTJCY3JldCUyRndpdGglMjVzaWducw=="


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["meterstone", "another"], "azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": int(time.time()) + 3600},
        {"sub": ""},
        {"sub": 7},
        {"sub": None},
        {"at_hash": "AAAA"},
    ],
)
def test_claims_that_do_not_hold(
    door: ProviderSignIn, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    with pytest.raises(SignInRefused):
        come(door, provider)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(ANOTHER, "ES256"), (RSA, "RS256"), (OctKey.import_key(CLIENT.client_secret), "HS256")],
)
def test_signatures_that_do_not_hold(
    door: ProviderSignIn, provider: Provider, key: Any, algorithm: str
) -> None:
    provider.key, provider.algorithm = key, algorithm
    with pytest.raises(SignInRefused, match="ID token does not hold"):
        come(door, provider)


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJTMSJ9.", "é.é.é"]
)
def test_what_is_no_token(door: ProviderSignIn, provider: Provider, token: str) -> None:
    provider.token = token
    with pytest.raises(SignInRefused):
        come(door, provider)


def test_new_keys_are_looked_up_once_in_a_while(staff: Staff, provider: Provider) -> None:
    seconds = [0.0]

    def client() -> httpx2.Client:
        return httpx2.Client(transport=httpx2.MockTransport(provider.answer))

    house = House(
        staff.ledger, staff.passwords, IdentityProvider(CLIENT, client, lambda: seconds[0])
    )
    house.directory.add("cli", name="ana", role="analyst", email="ana@example.com")
    door = house.at_provider("https://us.example")
    assert door is not None
    come(door, provider)
    come(door, provider)
    assert provider.asked.count("/keys") == 1
    provider.key, provider.algorithm, provider.keys = RSA, "RS256", [RSA]
    with pytest.raises(SignInRefused):  # strangers cannot make us ask for keys all the time
        come(door, provider)
    assert provider.asked.count("/keys") == 1
    seconds[0] = 31.0
    assert come(door, provider)
    assert provider.asked.count("/keys") == 2


@pytest.mark.parametrize(
    "metadata",
    [{"issuer": "https://evil.example"}, {"token_endpoint": None}, {"jwks_uri": 7}],
)
def test_metadata_that_do_not_hold(
    door: ProviderSignIn, provider: Provider, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    with pytest.raises(SignInRefused):
        come(door, provider)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_provider_that_is_broken(door: ProviderSignIn, provider: Provider, status: int) -> None:
    provider.status = status
    with pytest.raises(SignInRefused, match="Example ID could not sign you in"):
        come(door, provider)


def test_a_provider_that_does_not_answer(staff: Staff) -> None:
    def gone(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no route")

    def client() -> httpx2.Client:
        return httpx2.Client(transport=httpx2.MockTransport(gone))

    house = House(staff.ledger, staff.passwords, IdentityProvider(CLIENT, client))
    door = house.at_provider("https://us.example")
    assert door is not None
    with pytest.raises(SignInRefused, match="does not answer"):
        door.begin(new_secret(), "/")


def test_a_provider_that_says_too_much(staff: Staff) -> None:
    def much(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=json.dumps({"x": "x" * (2 << 20)}).encode())

    def client() -> httpx2.Client:
        return httpx2.Client(transport=httpx2.MockTransport(much))

    house = House(staff.ledger, staff.passwords, IdentityProvider(CLIENT, client))
    door = house.at_provider("https://us.example")
    assert door is not None
    with pytest.raises(SignInRefused, match="too much"):
        door.begin(new_secret(), "/")


@pytest.mark.parametrize("verified", [False, "true", 1, None])
def test_an_address_that_is_not_verified_is_nobodys(
    door: ProviderSignIn, provider: Provider, verified: object
) -> None:
    provider.claims = {"email_verified": verified}
    with pytest.raises(SignInRefused, match="invited"):
        come(door, provider)


def test_userinfo_gives_the_address_and_has_to_be_about_the_same_person(
    door: ProviderSignIn, provider: Provider
) -> None:
    provider.claims = {"email": None, "email_verified": None}
    provider.userinfo = {"sub": "S2", "email": "ana@example.com", "email_verified": True}
    with pytest.raises(SignInRefused, match="somebody else"):
        come(door, provider)
    provider.userinfo["sub"] = "S1"
    assert come(door, provider)


def test_an_address_that_moved_to_somebody_else_there_opens_nothing_here(
    house: House, door: ProviderSignIn, provider: Provider
) -> None:
    come(door, provider)
    provider.claims = {"sub": "S2"}
    with pytest.raises(SignInRefused, match="invited"):
        come(door, provider)
    assert house.directory.get("ana").subject == "S1"


def test_an_answer_of_another_issuer_is_refused(door: ProviderSignIn, provider: Provider) -> None:
    """Mix-up (RFC 9207): also where the provider does not promise to send it."""
    assert come(door, provider, iss=ISSUER)
    with pytest.raises(SignInRefused, match="another issuer"):
        come(door, provider, iss="https://evil.example")


def test_a_provider_that_takes_the_secret_in_the_body_or_none(
    staff: Staff, provider: Provider
) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    for client in (CLIENT, Client(ISSUER, "meterstone", "", "Example ID")):
        made = IdentityProvider(
            client, lambda: httpx2.Client(transport=httpx2.MockTransport(provider.answer))
        )
        door = House(staff.ledger, staff.passwords, made).at_provider("https://us.example")
        assert door is not None
        with pytest.raises(SignInRefused, match="invited"):
            come(door, provider)
        assert not provider.authorization
