"""Signing in at Salesforce: code with PKCE, refresh, client credentials, JWT bearer, revocation.

The answer has no lifetime: a session ends when the org's timeout (2 h here) says so, and a client
learns it from 401 INVALID_SESSION_ID. Whether refresh tokens rotate, and whether PKCE is required,
are settings of the application (``POST /_sandbox/app``).
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit import Accounts, Client, Clock, Consent, Refused, Rules, Tokens, form

SCOPES = ("api", "refresh_token")
RULES = Rules(access=timedelta(hours=2), code=timedelta(minutes=15), pkce="optional")
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_MOST_LIFE_S = 300
"""How far in the future an assertion may end."""


class SignIn:
    """The endpoints of Salesforce's sign-in."""

    def __init__(
        self, accounts: Accounts, clock: Clock, client: Client, *, org: str, user: str, name: str
    ) -> None:
        self._accounts, self._clock, self._client = accounts, clock, client
        self._org, self._user, self._name = org, user, name
        self._key: RSAKey | None = None
        self._consent = Consent(
            "Salesforce", "/services/oauth2/authorize", accounts, {org: "Simulated org"}
        )

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            self._consent.route(),
            Route("/services/oauth2/token", self._token, methods=["POST"]),
            Route("/services/oauth2/revoke", self._revoke, methods=["GET", "POST"]),
            Route("/services/oauth2/userinfo", self._identity),
            Route("/id/{org}/{user}", self._identity),
            Route("/_sandbox/app", self._settings, methods=["POST"]),
        ]

    async def _token(self, request: Request) -> Response:
        given = await form(request)
        try:
            tokens = self._granted(given, *_client_of(request, given), _base(request))
        except Refused as refused:
            return JSONResponse({"error": refused.error, "error_description": refused.detail}, 400)
        refreshes = given.get("grant_type") in ("authorization_code", "refresh_token")
        return JSONResponse(self._told(tokens, _base(request), refreshes=refreshes))

    def _granted(
        self, given: Mapping[str, str], client: str, secret: str | None, base: str
    ) -> Tokens:
        grant = given.get("grant_type", "")
        if grant == "authorization_code":
            return self._accounts.exchange(
                client, secret, given.get("code", ""), given.get("redirect_uri", ""),
                given.get("code_verifier", ""),
            )  # fmt: skip
        if grant == "refresh_token":
            return self._accounts.refresh(client, secret, given.get("refresh_token", ""))
        if grant == "client_credentials":
            self._accounts.authenticate(client, secret)
            return self._accounts.grant(self._org, client, SCOPES)
        if grant == _JWT:
            return self._by_assertion(given.get("assertion", ""), base)
        raise Refused("unsupported_grant_type", "grant type not supported")

    def _by_assertion(self, assertion: str, base: str) -> Tokens:
        """RFC 7523: signed by the key whose certificate the application has."""
        if self._key is None:
            raise Refused("invalid_grant", "the application has no certificate")
        try:
            claims = jwt.decode(assertion, self._key, algorithms=["RS256"]).claims
        except (JoseError, ValueError) as problem:
            raise Refused("invalid_grant", "invalid assertion") from problem
        left = float(claims.get("exp", 0)) - self._clock.now().timestamp()
        if claims.get("iss") != self._client.id:
            raise Refused("invalid_client_id", "client identifier invalid")
        if claims.get("aud") != base:
            raise Refused("invalid_grant", "audience is invalid")
        if not 0 < left <= _MOST_LIFE_S:
            raise Refused("invalid_grant", "expired authorization code or assertion", "expired")
        if claims.get("sub") != self._name:
            raise Refused("invalid_grant", "user hasn't approved this consumer")
        return self._accounts.grant(self._org, self._client.id, SCOPES)

    def _told(self, tokens: Tokens, base: str, *, refreshes: bool) -> dict[str, Any]:
        identity = f"{base}/id/{self._org}/{self._user}"
        issued = str(int(tokens.issued_at.timestamp() * 1000))
        signed = hmac.digest(self._client.secret.encode(), f"{identity}{issued}".encode(), sha256)
        return {
            "access_token": tokens.access,
            **({"refresh_token": tokens.refresh} if refreshes else {}),
            "signature": b64encode(signed).decode(),
            "scope": " ".join(tokens.scopes or SCOPES),
            "instance_url": base,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": issued,
        }

    async def _revoke(self, request: Request) -> Response:
        token = (await form(request)).get("token", "")
        if self._accounts.revoke(access=token, refresh=token):
            return Response(status_code=200)
        return JSONResponse(
            {
                "error": "unsupported_token_type",
                "error_description": "this token type is not known",
            },
            400,
        )

    async def _identity(self, request: Request) -> Response:
        self._accounts.check(bearer(request))
        return JSONResponse({
            "id": f"{_base(request)}/id/{self._org}/{self._user}", "user_id": self._user,
            "organization_id": self._org, "username": self._name, "active": True,
        })  # fmt: skip

    async def _settings(self, request: Request) -> Response:
        """``{rotation?: bool, pkce?: optional | required, public_key?: PEM}``."""
        asked = await request.json()
        rules = self._accounts.rules
        if "rotation" in asked:
            rules = replace(
                rules, rotates="always" if asked["rotation"] else "never", reuse="revoke"
            )
        if asked.get("pkce") in ("optional", "required"):
            rules = replace(rules, pkce=asked["pkce"])
        if "public_key" in asked:
            self._key = RSAKey.import_key(asked["public_key"])
        self._accounts.rules = rules
        return JSONResponse({"rotates": rules.rotates, "pkce": rules.pkce})


def bearer(request: Request) -> str:
    """The session of a request; empty where it has none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind.lower() in ("bearer", "oauth") else ""


def _client_of(request: Request, given: Mapping[str, str]) -> tuple[str, str | None]:
    """Client id and secret: from the Basic header, else from the form."""
    kind, _, coded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            client, _, secret = b64decode(coded, validate=True).decode().partition(":")
        except (NoBase64, UnicodeDecodeError):
            return "", None
        return client, secret
    return given.get("client_id", ""), given.get("client_secret")


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"
