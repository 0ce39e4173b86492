"""What an identity provider says, and whether it holds: discovery, keys, ID token, userinfo.

Authlib checks the claims of the ID token, joserfc its signature.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx2
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from meterstone.errors import InputError
from meterstone.people.errors import SignInRefused

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures of ID tokens: never ``none``, and nothing that the client's secret could make."""
_BELIEVED_S = 3600.0
_AGAIN_AFTER_S = 30.0
_MOST_BYTES = 1 << 20
_CLOCKS_DIFFER_S = 60


@dataclass(frozen=True, slots=True)
class Client:
    """What we are at a provider.

    Attributes:
        issuer: its address, as it calls itself.
        client_id, client_secret: as registered there; without a secret PKCE alone protects.
        name: what people call it.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider knows; ``email`` only where it has verified it."""

    issuer: str
    subject: str
    email: str | None


class IdentityProvider:
    """A provider; asked when somebody signs in, and never at start.

    Args:
        client: what we are there.
        http: a client for the calls.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        client: Client,
        http: Callable[[], httpx2.Client],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self._http = http
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Any]] = {}

    def metadata(self) -> Mapping[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery 1.0).

        Raises:
            SignInRefused: it does not answer, or calls itself something else.
        """
        url = get_well_known_url(self.client.issuer, external=True)
        found: Mapping[str, Any] = self._remembered(url, _BELIEVED_S)
        if found.get("issuer") != self.client.issuer:
            raise self._does_not_hold("it calls itself another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(found.get(name), str):
                raise self._does_not_hold(f"its metadata have no {name}")
        return found

    def identity(
        self, *, code: str, issuer: str | None, redirect_uri: str, verifier: str, nonce: str
    ) -> Identity:
        """Who gave a code.

        Args:
            issuer: that came with the code (RFC 9207).

        Raises:
            SignInRefused: the code is no good, or the answer does not hold.
        """
        metadata = self.metadata()
        promised = metadata.get("authorization_response_iss_parameter_supported") is True
        if issuer != self.client.issuer and (promised or issuer is not None):
            raise self._does_not_hold("the answer came from another issuer")
        answer = self._exchange(metadata, code, redirect_uri, verifier)
        access = answer.get("access_token")
        claims = self._claims(str(answer.get("id_token", "")), nonce, access)
        subject = claims["sub"]
        if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
            raise self._does_not_hold("its subject is none")
        told: Mapping[str, Any] = claims
        userinfo = metadata.get("userinfo_endpoint")
        if "email" not in told and isinstance(userinfo, str) and isinstance(access, str):
            told = self._asked("GET", userinfo, {"Authorization": f"Bearer {access}"})
            if told.get("sub") != subject:
                raise self._does_not_hold("userinfo is about somebody else")
        email = told.get("email") if told.get("email_verified") is True else None
        return Identity(self.client.issuer, subject, email if isinstance(email, str) else None)

    def _exchange(
        self, metadata: Mapping[str, Any], code: str, redirect_uri: str, verifier: str
    ) -> Mapping[str, Any]:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        ours = self.client
        ways = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if not ours.client_secret:
            fields["client_id"] = ours.client_id
        elif "client_secret_basic" in ways:
            # RFC 6749, 2.3.1: both parts are form-encoded first; Authlib leaves that out
            pair = f"{quote_plus(ours.client_id)}:{quote_plus(ours.client_secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            fields |= {"client_id": ours.client_id, "client_secret": ours.client_secret}
        return self._asked("POST", metadata["token_endpoint"], headers, urlencode(fields))

    def _claims(self, token: str, nonce: str, access_token: object) -> dict[str, Any]:
        """The claims of an ID token that holds (OpenID Connect Core 1.0, 3.1.3.7)."""
        try:
            signed = self._opened(token)
            claims = CodeIDToken(
                signed.claims,
                signed.header,
                options={
                    "iss": {"essential": True, "value": self.client.issuer},
                    "aud": {"essential": True, "value": self.client.client_id},
                },
                params={
                    "nonce": nonce,
                    "client_id": self.client.client_id,
                    "access_token": access_token,
                },
            )
            claims.validate(leeway=_CLOCKS_DIFFER_S)
        except (JoseError, ValueError) as error:
            raise self._does_not_hold("its ID token does not hold") from error
        return dict(claims)

    def _opened(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, self._keys(_BELIEVED_S), algorithms=list(ALGORITHMS))
        except (JoseError, ValueError):  # it may have new keys
            return jwt.decode(token, self._keys(_AGAIN_AFTER_S), algorithms=list(ALGORITHMS))

    def _keys(self, believed_s: float) -> KeySet:
        return KeySet.import_key_set(self._remembered(self.metadata()["jwks_uri"], believed_s))

    def _remembered(self, url: str, believed_s: float) -> Any:
        """A document, asked for once in a while however many sign in."""
        with self._lock:
            held = self._kept.get(url)
            if held is None or self._clock() - held[0] >= believed_s:
                held = self._clock(), self._asked("GET", url, {})
                self._kept[url] = held
            return held[1]

    def _asked(
        self, method: str, url: str, headers: Mapping[str, str], body: str = ""
    ) -> Mapping[str, Any]:
        """What it answers: a JSON object. What is wrong is told without what was sent."""
        sent = {"Accept": "application/json", **headers}
        try:
            with (
                self._http() as client,
                client.stream(method, url, headers=sent, content=body or None) as answer,
            ):
                raw = bytearray()
                for part in answer.iter_bytes():
                    raw += part
                    if len(raw) > _MOST_BYTES:
                        raise self._does_not_hold("it says too much")
                status = answer.status_code
                document = httpx2.Response(status, content=bytes(raw)).json()
        except (httpx2.HTTPError, httpx2.InvalidURL, InputError) as error:
            if isinstance(error, SignInRefused):
                raise
            raise self._does_not_hold("it does not answer") from error
        except ValueError as error:
            raise self._does_not_hold("its answer is no JSON") from error
        if status != 200 or not isinstance(document, dict):
            raise self._does_not_hold(f"it answered with {status}")
        return document

    def _does_not_hold(self, why: str) -> SignInRefused:
        return SignInRefused(
            f"{self.client.name} could not sign you in: {why}",
            place="identity provider",
            mend="try again; if it stays, an administrator looks at docs/people.md",
        )
