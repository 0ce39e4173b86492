"""Signing in: code with PKCE, refresh with and without rotation, client credentials, JWT."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from simple_salesforce.exceptions import SalesforceExpiredSession
from tests.sandbox.salesforce.served import CHALLENGE, REDIRECT, Served


def test_a_code_with_its_verifier_gives_a_session_where_the_org_lives(served: Served) -> None:
    told = served.signed_in()
    assert told["instance_url"] == served.url
    assert told["id"].split("/")[-2] == served.vendor.listed[0].id
    assert "expires_in" not in told
    assert abs(int(told["issued_at"]) / 1000 - served.time.now().timestamp()) < 60
    assert (
        served.client(told["access_token"]).query("SELECT COUNT() FROM Account")["totalSize"] == 3
    )


@pytest.mark.parametrize("verifier", ["", "x" * 64])
def test_a_code_with_a_challenge_needs_its_verifier(served: Served, verifier: str) -> None:
    answer = served.token(
        grant_type="authorization_code", code=served.code(code_challenge=CHALLENGE),
        redirect_uri=REDIRECT, code_verifier=verifier,
    )  # fmt: skip
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_rotation_is_a_setting(fresh: Served) -> None:
    first = fresh.signed_in()["refresh_token"]
    same = fresh.token(grant_type="refresh_token", refresh_token=first).json()
    assert same["refresh_token"] == first
    fresh.app(rotation=True)
    second = fresh.token(grant_type="refresh_token", refresh_token=first).json()["refresh_token"]
    assert second != first
    assert fresh.token(grant_type="refresh_token", refresh_token=first).status_code == 400
    # who shows a spent token may have stolen it: the whole family is dead
    assert fresh.token(grant_type="refresh_token", refresh_token=second).status_code == 400


def test_pkce_can_be_required(fresh: Served) -> None:
    fresh.app(pkce="required")
    with pytest.raises(KeyError):
        fresh.code()
    assert fresh.code(code_challenge=CHALLENGE)


def test_a_session_ends_without_having_said_when(fresh: Served) -> None:
    fresh.time.passed = timedelta(hours=3)
    with pytest.raises(SalesforceExpiredSession) as refused:
        fresh.sf.query("SELECT Id FROM Account")
    assert refused.value.content[0]["errorCode"] == "INVALID_SESSION_ID"


def test_client_credentials_give_no_refresh_token(served: Served) -> None:
    told = served.token(grant_type="client_credentials").json()
    assert "refresh_token" not in told
    assert served.client(told["access_token"]).limits()
    assert served.token(grant_type="client_credentials", client_secret="no").status_code == 400  # noqa: S106


def test_a_signed_assertion_gives_a_session_to_who_has_the_key(fresh: Served) -> None:
    key, other = (RSAKey.generate_key(2048) for _ in range(2))
    fresh.app(public_key=key.as_pem(private=False).decode())
    client = fresh.vendor.client
    assert client is not None
    claims = {
        "iss": client.id, "sub": fresh.vendor.listed[0].more["username"], "aud": fresh.url,
        "exp": int(fresh.time.now().timestamp()) + 180,
    }  # fmt: skip
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

    def asked(signer: RSAKey, **changed: Any) -> int:
        signed = jwt.encode({"alg": "RS256"}, claims | changed, signer)
        return fresh.token(grant_type=grant, assertion=signed).status_code

    assert asked(key) == 200
    assert asked(other) == 400
    assert asked(key, exp=int(fresh.time.now().timestamp()) - 1) == 400
    assert asked(key, sub="nobody") == 400
    assert asked(key, aud="https://elsewhere.example") == 400


def test_what_was_revoked_is_refused(fresh: Served) -> None:
    told = fresh.signed_in()
    revoked = httpx2.post(
        f"{fresh.url}/services/oauth2/revoke", data={"token": told["refresh_token"]}
    )
    assert revoked.status_code == 200
    with pytest.raises(SalesforceExpiredSession):
        fresh.client(told["access_token"]).limits()
