"""A sign-in by browser: start, callback, exchange (RFC 6749, 7636, 9207; RFC 9700).

A pending sign-in is found by its one-time state, and belongs to one browser, one connector, one
redirect URI and one verifier. It is taken out of the store before anything else is done with the
callback, so a second callback with the same state finds nothing.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Protocol

from meterstone.connect.auth.answers import TokenRefused, clean, read_token
from meterstone.connect.auth.base import SignInRefused
from meterstone.connect.auth.credentials import Token
from meterstone.connect.auth.http import Send
from meterstone.connect.auth.spec import AuthSpec
from meterstone.connect.auth.token_requests import TokenRequests

LIFETIME = timedelta(minutes=10)
"""Of a pending sign-in: the longest that RFC 6749 (4.1.2) recommends for a code."""
_START_AGAIN = "start again"
_BROWSER_CHARS = 43


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that was started and not yet finished.

    Attributes:
        connector: whose; the callback must come at its own address.
        browser: digest of the secret in the browser's cookie.
        redirect_uri: sent to the vendor, and once more with the code, byte for byte.
        verifier: of PKCE; empty where the vendor has none.
        scopes: that were asked for.
        wish: what shall become of it (connection to mend, name, franchise, settings).
    """

    connector: str
    browser: str
    redirect_uri: str
    expires_at: datetime
    verifier: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    wish: Mapping[str, str] = field(default_factory=dict)

    def sealed_form(self) -> bytes:
        """The bytes that are sealed in the ledger."""
        return json.dumps({**asdict(self), "expires_at": self.expires_at.isoformat()}).encode()

    @classmethod
    def opened(cls, data: bytes) -> Pending:
        """From the bytes that were sealed."""
        held = json.loads(data)
        return cls(
            **{
                **held,
                "expires_at": datetime.fromisoformat(held["expires_at"]),
                "scopes": tuple(held["scopes"]),
            }
        )


class PendingStore(Protocol):
    """Where sign-ins wait for their callback, by digest of their state."""

    def put(self, key: str, pending: Pending) -> None:
        """Keep a sign-in until it is taken or has expired."""

    def take(self, key: str) -> Pending | None:
        """Give it once: two callers never both get it."""


@dataclass(frozen=True, slots=True)
class Started:
    """Where to send the browser (status 303), and the secret for its cookie."""

    url: str = field(repr=False)
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A finished sign-in.

    ``evidence``: which controls of RFC 9700 this very flow used, by their name.
    """

    connector: str
    token: Token
    wish: Mapping[str, str]
    evidence: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Callback:
    """What came back: where, from which browser, with which parameters.

    ``url`` is the address that was called, without its query.
    """

    connector: str
    url: str
    browser: str = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)


class Flow:
    """Sign-ins at the vendors.

    Args:
        pending: where started ones wait.
        send: sends the exchange.
        now: the clock.
    """

    def __init__(
        self,
        pending: PendingStore,
        send: Send,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pending = pending
        self._send = send
        self._now = now

    def start(
        self,
        connector: str,
        spec: AuthSpec,
        requests: TokenRequests,
        *,
        redirect_uri: str,
        wish: Mapping[str, str],
        browser: str = "",
    ) -> Started:
        """Begin a sign-in: state and verifier are fresh, of 256 bits.

        Args:
            browser: the secret that this browser has already, from a sign-in in another tab.
        """
        state = secrets.token_urlsafe(32)
        browser = browser if len(browser) == _BROWSER_CHARS else secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(32) if spec.pkce == "S256" else ""
        self._pending.put(
            digest(state),
            Pending(
                connector=connector,
                browser=digest(browser),
                redirect_uri=redirect_uri,
                expires_at=self._now() + LIFETIME,
                verifier=verifier,
                scopes=spec.scopes,
                wish=wish,
            ),
        )
        url = requests.authorization_url(state=state, redirect_uri=redirect_uri, verifier=verifier)
        return Started(url, browser)

    def take(self, callback: Callback) -> Pending:
        """The pending sign-in that a callback belongs to; from now on it is used up.

        Raises:
            SignInRefused: unknown or used state, another browser, another address, too late.
        """
        state = callback.parameters.get("state", "")
        pending = self._pending.take(digest(state)) if state else None
        if pending is None:
            raise _stranger("no sign-in waits for this answer: it was used, or never started here")
        if not hmac.compare_digest(pending.browser, digest(callback.browser)):
            raise _stranger("this sign-in was started in another browser")
        if callback.connector != pending.connector or callback.url != pending.redirect_uri:
            raise _refused("the answer came at another address than the one agreed with the vendor")
        if self._now() >= pending.expires_at:
            minutes = LIFETIME // timedelta(minutes=1)
            raise _refused(f"more than {minutes} minutes went by since this sign-in was started")
        return pending

    def finish(
        self, pending: Pending, callback: Callback, spec: AuthSpec, requests: TokenRequests
    ) -> SignedIn:
        """Exchange the code of a callback that was taken.

        Raises:
            SignInRefused: the person or the vendor said no, another issuer answered, or the
                answer holds no token.
            CredentialUnavailable: the vendor did not answer; the code may be used up.
        """
        given = callback.parameters
        issuer = _checked_issuer(given.get("iss", ""), requests.issuer)
        if "error" in given:
            raise _refused(_person_said(given["error"]))
        if not given.get("code"):
            raise _refused("the vendor's answer holds no code")
        request = requests.exchange(
            code=given["code"], redirect_uri=pending.redirect_uri, verifier=pending.verifier
        )
        hidden = (*requests.secrets, given["code"], pending.verifier)
        try:
            token = read_token(self._send(request), spec.token, self._now(), hidden)
        except TokenRefused as error:
            raise _refused(f"the vendor gave no token ({error.cause})") from None
        told = {name: given[key] for name, key in spec.callback.items() if given.get(key)}
        return SignedIn(
            connector=pending.connector,
            token=Token(
                access=token.access,
                refresh=token.refresh,
                issued_at=token.issued_at,
                expires_at=token.expires_at,
                refresh_expires_at=token.refresh_expires_at,
                scope=token.scope,
                values={**token.values, **told},
            ),
            wish=pending.wish,
            evidence={
                "redirect_uri": pending.redirect_uri,
                "pkce": "S256" if pending.verifier else "none",
                "state": "one-time, bound to the browser",
                "issuer": issuer,
                "asked": " ".join(pending.scopes),
                "granted": token.scope,
            },
        )


def digest(secret: str) -> str:
    """SHA-256 in hexadecimal: what is stored of a state and of a browser's secret."""
    return sha256(secret.encode()).hexdigest()


def _checked_issuer(iss: str, issuer: str) -> str:
    """How the answer's sender was told from others: ``iss``, or an address of its own."""
    if iss and issuer and not hmac.compare_digest(iss.encode(), issuer.encode()):
        raise _refused("the answer comes from another issuer than the one that was asked")
    if issuer and not iss:
        raise _refused("the answer does not name its issuer, as this vendor always does")
    return "iss" if issuer else "redirect URI of its own"


def _person_said(code: str) -> str:
    if code == "access_denied":
        return "access was not granted"
    return f"the vendor did not sign in ({clean(code)})"


def _refused(cause: str) -> SignInRefused:
    return SignInRefused(cause, place="sign-in", mend=_START_AGAIN)


def _stranger(cause: str) -> SignInRefused:
    error = _refused(cause)
    error.of_a_stranger = True
    return error
