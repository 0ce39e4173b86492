"""What token endpoints answer: each vendor's form, and what is no token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from meterstone.connect.auth import CredentialUnavailable
from meterstone.connect.auth.answers import TokenRefused, clean, read_token, retry_after_s
from meterstone.connect.auth.spec import TokenPaths

from .parts import NOW, answered


def read(body, status=200, secrets=(), headers=None, **paths):
    return read_token(answered(status, body, **(headers or {})), TokenPaths(**paths), NOW, secrets)


def test_a_standard_answer():
    found = read({"access_token": "a", "refresh_token": "r", "expires_in": "60", "scope": "x y"})
    assert (found.access, found.refresh, found.scope) == ("a", "r", "x y")
    assert found.expires_at == NOW + timedelta(minutes=1)
    assert found.values == {}


@pytest.mark.parametrize(
    ("body", "paths", "expires_at"),
    [
        (
            {"access_token": "a", "expires_at": "2026-04-01T00:00:00Z"},
            {"expires_at": "expires_at"},
            datetime(2026, 4, 1, tzinfo=UTC),
        ),
        (
            {"access_token": "a", "access_token_expiration": 1775001600},
            {"expires_at": "access_token_expiration", "expires_at_as": "epoch_s"},
            datetime(2026, 4, 1, tzinfo=UTC),
        ),
        (
            {"access_token": "a", "end": "1775001600000"},
            {"expires_at": "end", "expires_at_as": "epoch_ms"},
            datetime(2026, 4, 1, tzinfo=UTC),
        ),
        ({"access_token": "a"}, {"lifetime_s": 7200}, NOW + timedelta(hours=2)),
        ({"access_token": "a"}, {}, None),
        ({"access_token": "a", "expires_in": True}, {}, None),
        ({"access_token": "a", "expires_in": -5}, {}, None),
        ({"access_token": "a", "expires_in": 1e12}, {}, NOW + timedelta(days=36_600)),
        ({"access_token": "a", "expires_at": "soon"}, {"expires_at": "expires_at"}, None),
        (
            {"access_token": "a", "end": 9e14},
            {"expires_at": "end", "expires_at_as": "epoch_s"},
            None,
        ),
    ],
)
def test_the_end_in_each_form(body, paths, expires_at):
    assert read(body, **paths).expires_at == expires_at


def test_a_session_lies_deep_in_its_answer():
    body = {"credentials": {"token": "t", "site": {"id": "S1"}, "user": {"id": 7}}}
    found = read(
        body,
        access="credentials.token",
        account="credentials.site.id",
        values={"user": "credentials.user.id", "missing": "credentials.none[0].x"},
    )
    assert (found.access, found.values) == ("t", {"account": "S1", "user": "7"})


@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_an_error_is_an_error_with_any_status(status):
    with pytest.raises(TokenRefused, match="invalid_grant: code was used") as refused:
        read({"error": "invalid_grant", "error_description": "code was used"}, status)
    assert refused.value.code == "invalid_grant"


def test_an_error_beside_a_token_is_an_error():
    with pytest.raises(TokenRefused, match=r"^invalid_scope$"):
        read({"access_token": "a", "error": "invalid_scope"})


def test_errors_at_a_vendors_own_place():
    body = {"errors": [{"code": "NOT_FOUND", "detail": "no such\x1b[31m code"}]}
    with pytest.raises(TokenRefused, match=r"^NOT_FOUND: no such \[31m code$"):
        read(body, 404, error="errors[0].code", error_text="errors[0].detail")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"<html>busy</html>", 200, "answered 200 which is not JSON"),
        (b"<html>blocked</html>", 403, "answered 403 which is not JSON"),
        (b'"text"', 200, "which is not JSON"),
        (b"", 200, "which is not JSON"),
        ({"error": "server_error"}, 400, "answered 400 server_error"),
        ({"error": "invalid_grant"}, 503, "answered 503"),
        ({}, 429, "answered 429"),
    ],
)
def test_what_is_worth_trying_again(body, status, said):
    with pytest.raises(CredentialUnavailable, match=said):
        read(body, status)


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": ["a"]}, []])
def test_an_answer_without_a_token(body):
    expected = CredentialUnavailable if body == [] else TokenRefused
    with pytest.raises(expected):
        read(body)


def test_a_redirect_is_not_followed():
    with pytest.raises(TokenRefused, match="a redirect is not followed with a credential"):
        read(b"", 307, headers={"location": "https://evil.example/"})


def test_a_sentence_of_a_vendor_is_made_safe():
    assert clean("a\n\x00b", ()) == "a b"
    assert clean("bad " + "x" * 30) == "bad …"
    assert clean("secret is hunter22", ["hunter22"]) == "secret is …"
    assert clean("word " * 100).endswith(" …")
    assert len(clean("word " * 100)) <= 203


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("Sun, 01 Mar 2026 12:00:30 GMT", 30), ("soon", None), ("", None), ("²", None)],
)
def test_how_long_to_wait(value, seconds):
    response = httpx2.Response(429, headers={"retry-after": value.encode("latin-1")})
    assert retry_after_s(response, NOW) == seconds
