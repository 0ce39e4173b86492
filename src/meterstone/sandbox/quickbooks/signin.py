"""Signing in at Intuit: discovery document, consent, tokens by HTTP Basic and form, revocation.

An access token lives 60 minutes, a refresh token 100 days; its value changes when it is older than
24 hours, and the old one is dead from then on. (How long the old value still works at Intuit is not
documented; the stand-in is strict.) There is no PKCE.
"""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Mapping
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit import Accounts, Clock, Consent, Refused, Rules, Tokens, form

SCOPE = "com.intuit.quickbooks.accounting"
RULES = Rules(
    access=timedelta(minutes=60), refresh=timedelta(days=100), code=timedelta(minutes=10),
    rotates="always", rotate_after=timedelta(hours=24), pkce="none",
)  # fmt: skip


class SignIn:
    """The endpoints of Intuit's sign-in."""

    def __init__(self, accounts: Accounts, clock: Clock, realm: str, title: str) -> None:
        self._accounts, self._clock = accounts, clock
        self._consent = Consent(
            "QuickBooks Online", "/connect/oauth2", accounts, {realm: title},
            more=lambda account: {"realmId": account},
        )  # fmt: skip

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            self._consent.route(),
            Route("/.well-known/openid_sandbox_configuration/", _discovery),
            Route("/.well-known/openid_configuration/", _discovery),
            Route("/oauth2/v1/tokens/bearer", self._token, methods=["POST"]),
            Route("/v2/oauth2/tokens/revoke", self._revoke, methods=["POST"]),
            Route("/v1/openid_connect/userinfo", self._user),
            Route("/op/v1/jwks", lambda _request: JSONResponse({"keys": []})),
        ]

    async def _token(self, request: Request) -> Response:
        given = await form(request)
        try:
            tokens = self._granted(*basic(request), given)
        except Refused as refused:
            return _refusal(refused)
        return JSONResponse(self._told(tokens), headers={"cache-control": "no-cache, no-store"})

    def _granted(self, client: str, secret: str, given: Mapping[str, str]) -> Tokens:
        if given.get("grant_type") == "authorization_code":
            return self._accounts.exchange(
                client, secret, given.get("code", ""), given.get("redirect_uri", "")
            )
        if given.get("grant_type") == "refresh_token":
            return self._accounts.refresh(client, secret, given.get("refresh_token", ""))
        raise Refused("unsupported_grant_type", "the grant type is not supported")

    async def _revoke(self, request: Request) -> Response:
        try:
            client, secret = basic(request)
            self._accounts.authenticate(client, secret)
        except Refused as refused:
            return _refusal(refused)
        body = await request.body()
        try:
            token = str(json.loads(body)["token"])
        except (ValueError, KeyError, TypeError):
            token = (await form(request)).get("token", "")
        if not self._accounts.revoke(access=token, refresh=token):
            return _refusal(Refused("invalid_request", "the token is not known"))
        return Response(status_code=200)

    async def _user(self, request: Request) -> Response:
        try:
            held = self._accounts.check(bearer(request))
        except Refused as refused:
            return _refusal(refused)
        return JSONResponse({"sub": f"user-of-{held.account}", "emailVerified": True})

    def _told(self, tokens: Tokens) -> dict[str, object]:
        now = self._clock.now()
        until = tokens.refresh_until or now
        return {
            "token_type": "bearer",
            "access_token": tokens.access,
            "expires_in": round((tokens.access_until - now).total_seconds()),
            "refresh_token": tokens.refresh,
            "x_refresh_token_expires_in": round((until - now).total_seconds()),
        }


def bearer(request: Request) -> str:
    """The access token of a request; empty where it has none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" else ""


def basic(request: Request) -> tuple[str, str]:
    """Client id and secret of the Basic header.

    Raises:
        Refused: ``invalid_client``: there is none that can be read.
    """
    kind, _, coded = request.headers.get("authorization", "").partition(" ")
    try:
        client, _, secret = b64decode(coded, validate=True).decode().partition(":")
    except (NoBase64, UnicodeDecodeError) as error:
        raise Refused("invalid_client", "the Authorization header cannot be read") from error
    if kind.lower() != "basic" or not client:
        raise Refused("invalid_client", "the client must name itself by HTTP Basic")
    return client, secret


async def _discovery(request: Request) -> Response:
    base = f"{request.url.scheme}://{request.url.netloc}"
    return JSONResponse({
        "issuer": f"{base}/op/v1",
        "authorization_endpoint": f"{base}/connect/oauth2",
        "token_endpoint": f"{base}/oauth2/v1/tokens/bearer",
        "userinfo_endpoint": f"{base}/v1/openid_connect/userinfo",
        "revocation_endpoint": f"{base}/v2/oauth2/tokens/revoke",
        "jwks_uri": f"{base}/op/v1/jwks",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": [SCOPE],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    })  # fmt: skip


def _refusal(refused: Refused) -> Response:
    status = 401 if refused.error in ("invalid_client", "unauthorized") else 400
    return JSONResponse({"error": refused.error, "error_description": refused.detail}, status)
