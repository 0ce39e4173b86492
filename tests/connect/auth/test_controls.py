"""The ten controls: each can pass, fail, and be spared with a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meterstone.connect.auth import CredentialUnavailable
from meterstone.connect.auth.controls import Subject, checks
from meterstone.connect.auth.credentials import Credentials
from meterstone.connect.spec import Connector
from meterstone.facts import vocabulary

from .parts import NOW, SECRETS, spec, token

SIGN_IN = {
    "redirect_uri": "https://hub.example/oauth/callback/acme",
    "pkce": "S256",
    "state": "one-time, bound to the browser",
    "issuer": "redirect URI of its own",
    "asked": "rows.read",
    "granted": "rows.read",
}
REVOKE = {"url": "{base_url}/revoke", "body": {"token": "{token}"}}


def subject(auth=None, capabilities=None, **changed):
    connector = Connector.model_validate(
        {
            "connector": "acme",
            "name": "Acme",
            "category": "pos",
            "base_url": "https://acme.example",
            "auth": auth or spec(revoke=REVOKE).model_dump(exclude_unset=True),
            "capabilities": capabilities or {},
        }
    )
    given = {
        "at_rest": {"token": b"\x00sealed\xff" * 9},
        "credentials": Credentials(SECRETS),
        "sign_in": SIGN_IN,
        "token": token(),
        "renewed": True,
        "tls": lambda _: "TLSv1.3",
        "endpoint": "https://acme.example/token",
        "now": NOW,
    }
    return Subject(connector=connector, **{**given, **changed})


def found(control, *args, **changed):
    (check,) = [c for c in checks(subject(*args, **changed)) if c.control == control]
    return check.result, check.reason


def test_all_ten_pass_where_all_is_done():
    assert {check.result for check in checks(subject())} == {"passed"}
    assert len(checks(subject())) == 10


def test_every_control_is_one_of_the_vocabulary():
    allowed = vocabulary()["oauth_check"].columns["control"].allowed
    assert [check.control for check in checks(subject())] == list(allowed)


def unavailable(_url):
    raise CredentialUnavailable("acme.example did not answer")


@pytest.mark.parametrize(
    ("control", "changed", "reason"),
    [
        ("pkce_s256", {"sign_in": {**SIGN_IN, "pkce": "none"}}, "without PKCE"),
        ("pkce_s256", {"sign_in": {}}, "no sign-in was seen"),
        (
            "exact_redirect_uri",
            {"sign_in": {**SIGN_IN, "redirect_uri": "http://hub.example/cb"}},
            "not https",
        ),
        (
            "exact_redirect_uri",
            {"sign_in": {**SIGN_IN, "redirect_uri": "https://*.example/cb"}},
            "a pattern",
        ),
        ("state_bound", {"sign_in": {**SIGN_IN, "state": ""}}, "not bound to a browser"),
        (
            "issuer_check",
            {"sign_in": {**SIGN_IN, "redirect_uri": "https://hub.example/callback"}},
            "neither `iss`",
        ),
        ("token_encrypted_at_rest", {"at_rest": {}}, "not found"),
        ("token_encrypted_at_rest", {"at_rest": {"token": b"{access-0}"}}, "in the open"),
        ("token_encrypted_at_rest", {"at_rest": {"token": b"YWNjZXNzLTA="}}, "in the open"),
        (
            "token_encrypted_at_rest",
            {"at_rest": {"token": b"refresh-0".hex().encode()}},
            "in the open",
        ),
        ("refresh_rotation", {"renewed": False}, "no new refresh token"),
        (
            "least_scope",
            {"sign_in": {**SIGN_IN, "granted": "rows.read rows.write"}},
            "more than is needed: rows.write",
        ),
        ("tls12_or_newer", {"tls": lambda _: "TLSv1.1"}, "gave TLSv1.1"),
        ("tls12_or_newer", {"tls": lambda _: ""}, "gave no TLS"),
        ("tls12_or_newer", {"tls": unavailable}, "did not answer"),
        ("tls12_or_newer", {"endpoint": "http://acme.example/token"}, "not called over https"),
        ("tls12_or_newer", {"endpoint": ""}, "not called over https"),
        ("revocation", {"auth": spec().model_dump(exclude_unset=True)}, "does not say how"),
        ("expiry_enforced", {"token": token(expires=None)}, "has no end"),
        (
            "expiry_enforced",
            {"token": token(refresh=""), "now": NOW + timedelta(days=9)},
            "cannot be renewed",
        ),
    ],
)
def test_what_is_missing_fails(control, changed, reason):
    result, said = found(control, **changed)
    assert result == "failed"
    assert reason in said


KEY = {"kind": "api_key"}


@pytest.mark.parametrize(
    ("control", "args", "changed", "reason"),
    [
        ("pkce_s256", (KEY,), {}, "no browser takes part"),
        ("exact_redirect_uri", (KEY,), {}, "no browser"),
        (
            "pkce_s256",
            (
                spec(pkce="none").model_dump(exclude_unset=True),
                {"pkce": {"value": False, "note": "its pages name no PKCE"}},
            ),
            {"sign_in": {**SIGN_IN, "pkce": "none"}},
            "its pages name no PKCE",
        ),
        ("refresh_rotation", (KEY,), {"token": None}, "no refresh token"),
        ("refresh_rotation", (), {"renewed": None}, "not renewed yet"),
        (
            "refresh_rotation",
            (None, {"refresh_rotation": {"value": "once a day"}}),
            {"renewed": False},
            "it rotates: once a day",
        ),
        (
            "refresh_rotation",
            (spec(refresh={}).model_dump(exclude_unset=True),),
            {},
            "gives the same one again",
        ),
        ("least_scope", (KEY,), {}, "no scopes"),
        (
            "least_scope",
            (spec(scopes=[]).model_dump(exclude_unset=True), {"scopes": {"value": False}}),
            {},
            "on its own pages",
        ),
        ("tls12_or_newer", (), {"endpoint": "http://127.0.0.1:8/token"}, "on this machine"),
        ("revocation", (KEY,), {"token": None}, "no token"),
        (
            "revocation",
            (spec().model_dump(exclude_unset=True), {"revocation": {"value": False}}),
            {},
            "no way to revoke",
        ),
        ("expiry_enforced", (KEY,), {"token": None}, "no end"),
        (
            "expiry_enforced",
            (None, {"token_lifetime": {"value": "not told"}}),
            {"token": token(expires=None)},
            "does not tell the end",
        ),
        (
            "token_encrypted_at_rest",
            ({"kind": "none"},),
            {"token": None, "credentials": Credentials({})},
            "no secret",
        ),
    ],
)
def test_what_does_not_apply_is_spared_with_a_reason(control, args, changed, reason):
    result, said = found(control, *args, **changed)
    assert result == "not_applicable"
    assert reason in said
