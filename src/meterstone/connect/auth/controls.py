"""Ten security controls of one connection, each looked at and not assumed (RFC 9700).

What is looked at: the sealed rows as they lie in the ledger, what the sign-in really used, the
token that is stored, and a handshake with the vendor's token endpoint. A control that a vendor
gives no room for is ``not_applicable``, with the reason that its capability record tells.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from meterstone.connect.auth.base import CredentialUnavailable
from meterstone.connect.auth.credentials import Credentials, Token
from meterstone.connect.auth.spec import AuthSpec
from meterstone.connect.spec import Connector

Result = Literal["passed", "failed", "not_applicable"]
_TELLING = 6
_TLS = ("TLSv1.2", "TLSv1.3")


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one control. ``reason`` says why, unless it passed."""

    control: str
    result: Result
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What there is to look at of one connection.

    Attributes:
        connector: its file.
        at_rest: the stored bytes of its secrets, as they lie, by name.
        sign_in: how the sign-in went; empty when none was seen.
        token: the token that is stored now.
        renewed: whether the last renewal brought another refresh token; None before the first.
        tls: gives the version of TLS that the token endpoint speaks with us.
        endpoint: the address of the token endpoint, or of the API where there is none.
        now: the moment of the check.
    """

    connector: Connector
    at_rest: Mapping[str, bytes] = field(repr=False)
    credentials: Credentials
    sign_in: Mapping[str, Any]
    token: Token | None
    renewed: bool | None
    tls: Callable[[str], str]
    endpoint: str
    now: datetime

    @property
    def auth(self) -> AuthSpec:
        """How the vendor is signed in at."""
        return self.connector.auth


def checks(subject: Subject) -> list[Check]:
    """All controls of a connection, in the order of the vocabulary."""
    return [Check(name, *look(subject)) for name, look in _CONTROLS.items()]


Found = tuple[Result, str]
_PASSED: Found = ("passed", "")


def _failed(reason: str) -> Found:
    return "failed", reason


def _spared(reason: str) -> Found:
    return "not_applicable", reason


def _no_browser(subject: Subject) -> Found | None:
    """Controls of the authorization request do not apply where there is none."""
    if subject.auth.kind == "authorization_code":
        return None if subject.sign_in.get("redirect_uri") else _failed("no sign-in was seen")
    return _spared("no browser takes part in this sign-in")


def _pkce(subject: Subject) -> Found:
    spared = _no_browser(subject)
    if spared:
        return spared
    if subject.sign_in.get("pkce") == "S256":
        return _PASSED
    allowed = subject.connector.capabilities.get("pkce")
    if subject.auth.pkce == "none" and allowed is not None and allowed.value is False:
        return _spared(allowed.note or "the vendor offers no PKCE")
    return _failed("the sign-in was made without PKCE (S256)")


def _redirect(subject: Subject) -> Found:
    spared = _no_browser(subject)
    if spared:
        return spared
    url = urlsplit(subject.sign_in["redirect_uri"])
    at_home = url.hostname in ("127.0.0.1", "localhost", "::1")
    if url.scheme != "https" and not (url.scheme == "http" and at_home):
        return _failed("the redirect URI is not https")
    if "*" in url.netloc + url.path or url.query or url.fragment:
        return _failed("the redirect URI is a pattern, or carries a query")
    return _PASSED


def _state(subject: Subject) -> Found:
    spared = _no_browser(subject)
    if spared:
        return spared
    bound = subject.sign_in.get("state") == "one-time, bound to the browser"
    return _PASSED if bound else _failed("the state of the sign-in was not bound to a browser")


def _issuer(subject: Subject) -> Found:
    spared = _no_browser(subject)
    if spared:
        return spared
    if subject.sign_in.get("issuer") == "iss":
        return _PASSED
    own = urlsplit(subject.sign_in["redirect_uri"]).path.endswith(f"/{subject.connector.connector}")
    # RFC 9700, 4.4.2: without `iss`, a redirect URI for each server tells them apart
    return _PASSED if own else _failed("neither `iss` nor a redirect URI of its own")


def _at_rest(subject: Subject) -> Found:
    open_texts = _secrets_of(subject)
    if not open_texts:
        return _spared("this connection holds no secret")
    if not subject.at_rest:
        return _failed("the stored secret was not found")
    for name, stored in subject.at_rest.items():
        if any(form in stored for text in open_texts for form in _forms(text)):
            return _failed(f"the stored {name} holds a secret in the open")
    return _PASSED


def _rotation(subject: Subject) -> Found:
    if not subject.auth.is_oauth or subject.token is None or not subject.token.refresh:
        return _spared("there is no refresh token")
    told = subject.connector.capabilities.get("refresh_rotation")
    if not subject.auth.refresh.rotates:
        return _spared((told.note if told else "") or "the vendor gives the same one again")
    if subject.renewed is None:
        return _spared("not renewed yet: the first renewal will show it")
    if subject.renewed:
        return _PASSED
    if told is not None and not isinstance(told.value, bool):
        return _spared(f"the vendor gave the same one again (it rotates: {told.value})")
    return _failed("the renewal brought no new refresh token")


def _scope(subject: Subject) -> Found:
    if not subject.auth.is_oauth:
        return _spared("this kind of credential has no scopes")
    if not subject.auth.scopes:
        told = subject.connector.capabilities.get("scopes")
        return _spared((told.note if told else "") or "the vendor sets rights on its own pages")
    if not subject.sign_in:
        return _failed("no sign-in was seen")
    needed = _words(" ".join(subject.auth.scopes))
    more = (_words(subject.sign_in.get("asked", "")) - needed) | (
        _words(subject.sign_in.get("granted", "")) - needed
    )
    return _PASSED if not more else _failed(f"more than is needed: {', '.join(sorted(more))}")


def _transport(subject: Subject) -> Found:
    url = urlsplit(subject.endpoint)
    if url.scheme == "http" and url.hostname in ("127.0.0.1", "localhost", "::1"):
        return _spared("a stand-in on this machine: nothing goes over a network")
    if url.scheme != "https" or not url.hostname:
        return _failed("the vendor is not called over https")
    try:
        version = subject.tls(f"https://{url.netloc}/")
    except CredentialUnavailable as error:
        return _failed(f"no handshake could be looked at: {error.cause}")
    return _PASSED if version in _TLS else _failed(f"the handshake gave {version or 'no TLS'}")


def _revocation(subject: Subject) -> Found:
    if subject.token is None:
        return _spared("there is no token: the key is ended on the vendor's own pages")
    if subject.auth.revoke or subject.auth.sign_out:
        return _PASSED
    told = subject.connector.capabilities.get("revocation")
    if told is not None and told.value is False:
        return _spared(told.note or "the vendor has no way to revoke")
    if subject.auth.kind != "authorization_code":
        return _spared("nobody granted it: its credential is ended on the vendor's own pages")
    return _failed("the connector does not say how access is given back")


def _expiry(subject: Subject) -> Found:
    token = subject.token
    if token is None:
        return _spared("there is no token: a key has no end")
    if token.expires_at is None:
        told = subject.connector.capabilities.get("token_lifetime")
        if told is not None and told.value in (False, "not told"):
            return _spared(told.note or "the vendor does not tell the end of a token")
        return _failed("the token has no end")
    renewable = bool(token.refresh) or subject.auth.kind != "authorization_code"
    if token.expires_at <= subject.now and not renewable:
        return _failed("the token has ended and cannot be renewed")
    return _PASSED


_CONTROLS: Mapping[str, Callable[[Subject], Found]] = {
    "pkce_s256": _pkce,
    "exact_redirect_uri": _redirect,
    "state_bound": _state,
    "issuer_check": _issuer,
    "token_encrypted_at_rest": _at_rest,
    "refresh_rotation": _rotation,
    "least_scope": _scope,
    "tls12_or_newer": _transport,
    "revocation": _revocation,
    "expiry_enforced": _expiry,
}


def _secrets_of(subject: Subject) -> list[str]:
    fields = subject.auth.fields
    own = [
        value
        for name, value in subject.credentials.items()
        if name not in fields or fields[name].secret
    ]
    held = [subject.token.access, subject.token.refresh] if subject.token else []
    return [text for text in (*own, *held) if text]


def _forms(text: str) -> tuple[bytes, ...]:
    """A secret as it could lie in the open: as it is, in base64, in hexadecimal. One of a few
    letters says nothing: it occurs in ciphertext by chance."""
    if len(text) < _TELLING:
        return ()
    data = text.encode()
    return data, base64.b64encode(data).rstrip(b"="), data.hex().encode()


def _words(scopes: str) -> set[str]:
    return set(scopes.replace("+", " ").replace(",", " ").split())
