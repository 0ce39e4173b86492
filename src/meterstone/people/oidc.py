"""Signing in at an identity provider: OpenID Connect, authorization code with PKCE.

The provider says who somebody is; what they may here was said by whoever invited them. Nothing is
kept between the two halves of a sign-in: state, nonce and PKCE verifier are made of the secret of
the browser's cookie, so that another browser can finish nothing.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from meterstone.ledger import Change, Ledger, Person
from meterstone.people.errors import SignInRefused
from meterstone.people.oidc_provider import Identity, IdentityProvider
from meterstone.people.secret import looks_right, new_secret
from meterstone.people.sessions import Begun, Browser, Sessions

SCOPE = "openid email profile"
LIVES = timedelta(minutes=10)
"""How long somebody may take at the provider."""
_PATH_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Come:
    """Somebody who came back from the provider and is signed in; ``path``: where they wanted to."""

    begun: Begun
    path: str


@dataclass(frozen=True, slots=True)
class _Flow:
    """One sign-in on its way: what is derived from a browser's secret and a salt."""

    secret: str = field(repr=False)
    salt: str

    def derived(self, what: str) -> str:
        """A value for one purpose, of 256 bits."""
        made = hmac.new(self.secret.encode(), f"oidc {what} {self.salt}".encode(), sha256)
        return base64.urlsafe_b64encode(made.digest()).rstrip(b"=").decode()


class ProviderSignIn:
    """The door for those whom an identity provider knows.

    Args:
        redirect_uri: where the provider sends people back; registered there.
    """

    def __init__(
        self, ledger: Ledger, sessions: Sessions, provider: IdentityProvider, redirect_uri: str
    ) -> None:
        self._ledger = ledger
        self._sessions = sessions
        self._provider = provider
        self._redirect_uri = redirect_uri

    @property
    def name(self) -> str:
        """What the provider is called on the button."""
        return self._provider.client.name

    def begin(self, secret: str, path: str) -> str:
        """The address at the provider to send a browser to.

        Args:
            secret: of the browser's cookie.
            path: where to go afterwards, an address of ours.

        Raises:
            SignInRefused: the provider does not answer.
        """
        flow = _Flow(secret, new_secret())
        inner = json.dumps([flow.salt, self._ledger.now().timestamp(), path[:_PATH_CHARS]])
        body = base64.urlsafe_b64encode(inner.encode()).rstrip(b"=").decode()
        return str(
            prepare_grant_uri(
                self._provider.metadata()["authorization_endpoint"],
                client_id=self._provider.client.client_id,
                response_type="code",
                redirect_uri=self._redirect_uri,
                scope=SCOPE,
                state=f"{body}.{_Flow(secret, body).derived('state')}",
                nonce=flow.derived("nonce"),
                code_challenge=create_s256_code_challenge(flow.derived("verifier")),
                code_challenge_method="S256",
            )
        )

    def finish(self, secret: str, query: dict[str, str], browser: Browser) -> Come:
        """Somebody came back.

        Args:
            secret: of the browser's cookie; the same as at the beginning.
            query: of the address that the provider sent them to.

        Raises:
            SignInRefused: it was begun in another browser or too long ago, the provider refused
                or said something that does not hold, or nobody invited this person.
        """
        flow, path = self._begun(secret, query.get("state", ""))
        if query.get("error") or not query.get("code"):
            raise SignInRefused(
                f"{self.name} did not sign you in", place="sign-in", mend="try again"
            )
        identity = self._provider.identity(
            code=query["code"],
            issuer=query.get("iss"),
            redirect_uri=self._redirect_uri,
            verifier=flow.derived("verifier"),
            nonce=flow.derived("nonce"),
        )
        with self._ledger.change("sign-in") as change:
            person = self._invited(change, identity)
            return Come(self._sessions.begin(change, person.id, browser), path)

    def _begun(self, secret: str, state: str) -> tuple[_Flow, str]:
        body, _, mac = state.partition(".")
        right = _Flow(secret, body).derived("state")
        if not looks_right(secret) or not hmac.compare_digest(mac.encode(), right.encode()):
            raise _start_again("this sign-in was begun in another browser")
        salt, at, path = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        now = self._ledger.now()
        if now - datetime.fromtimestamp(at, UTC) > LIVES:
            raise _start_again("this sign-in took too long")
        return _Flow(secret, salt), path

    def _invited(self, change: Change, identity: Identity) -> Person:
        """The person of an identity: known from before, or invited by their mail address.

        Only an address that the provider has verified counts, and only for a person whom no
        identity of it belongs to: who can change an address there must not become somebody else.
        """
        person = change.people.by_identity(identity.issuer, identity.subject)
        if person is None and identity.email is not None:
            person = change.people.by_email(identity.email.strip().casefold())
            if person is not None and person.subject is None and person.status == "active":
                change.people.identify(person.id, identity.issuer, identity.subject)
            else:
                person = None
        if person is None or person.status != "active":
            raise SignInRefused(
                f"{self.name} knows you, but nobody here has invited you",
                place="sign-in",
                mend="ask an administrator of Meterstone to invite you by the mail address that "
                f"{self.name} has verified",
            )
        return person


def _start_again(cause: str) -> SignInRefused:
    return SignInRefused(cause, place="sign-in", mend="begin again at /login")
