"""The requests that get, renew and give back tokens: built here, sent elsewhere.

The building blocks are Authlib's; its own client is not used, because it refreshes by itself,
without the lease that one connection of many workers needs (docs/decisions/0009).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx2
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.auth import encode_client_secret_basic
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7523.assertion import sign_jwt_bearer_assertion
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from meterstone.connect.auth.credentials import Credentials, Token
from meterstone.connect.auth.spec import AuthSpec, Call, ClientAuth, TokenCall
from meterstone.connect.fill import fill, fill_url
from meterstone.errors import InputError

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_KEYS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {
    "RS256": RSAKey,
    "PS256": RSAKey,
    "ES256": ECKey,
    "EdDSA": OKPKey,
}


class TokenRequests:
    """Builds the requests of one connection.

    Args:
        spec: the ``auth`` section of its connector.
        settings: values for templates (``base_url``, what the person chose).
        credentials: what the person gave.
    """

    def __init__(
        self, spec: AuthSpec, settings: Mapping[str, str], credentials: Credentials
    ) -> None:
        self._spec = spec
        self._credentials = credentials
        self._values = {
            **dict.fromkeys(spec.fields, ""),
            "scope": spec.scope_join.join(spec.scopes),
            **settings,
            **credentials,
        }

    def authorization_url(self, *, state: str, redirect_uri: str, verifier: str) -> str:
        """Where the person's browser is sent; ``verifier`` is empty without PKCE."""
        extra = fill(dict(self._spec.authorize), self._values, place="auth.authorize")
        if verifier:
            extra["code_challenge"] = create_s256_code_challenge(verifier)
            extra["code_challenge_method"] = "S256"
        return str(
            prepare_grant_uri(
                fill_url(self._spec.authorize_url, self._values, place="auth.authorize_url"),
                client_id=self._values["client_id"],
                response_type="code",
                redirect_uri=redirect_uri,
                scope=self._values["scope"] or None,
                state=state,
                **extra,
            )
        )

    def exchange(self, *, code: str, redirect_uri: str, verifier: str) -> httpx2.Request:
        """The code for a token."""
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if verifier:
            fields["code_verifier"] = verifier
        return self._token_call(self._spec.exchange, fields)

    def refresh(self, token: Token) -> httpx2.Request:
        """The refresh token for the next token. Without ``scope``: that keeps what was granted."""
        fields = {"grant_type": "refresh_token", "refresh_token": token.refresh}
        return self._token_call(self._spec.refresh, fields)

    def grant(self, now: datetime) -> httpx2.Request:
        """A token without a person: client credentials, a signed assertion, or a sign-in."""
        if self._spec.sign_in:
            return self._call(self._spec.sign_in, {})
        fields = {"scope": self._values["scope"]} if self._spec.scopes else {}
        if self._spec.kind == "signed_jwt":
            fields |= {"grant_type": _JWT_BEARER, "assertion": self._assertion(now)}
            return self._token_call(TokenCall(client="none"), fields)
        return self._token_call(self._spec.exchange, {"grant_type": "client_credentials", **fields})

    def give_back(self, token: Token) -> httpx2.Request | None:
        """Revokes the token, or ends the session; None when the vendor has no way."""
        call = self._spec.revoke or self._spec.sign_out
        if call is None:
            return None
        held = {"token": token.access, "refresh_token": token.refresh, **token.values}
        held["refresh_or_access"] = token.refresh or token.access
        return self._call(call, held)

    @property
    def issuer(self) -> str:
        """Who answers authorization requests (RFC 9207); empty where the vendor does not say."""
        return fill_url(self._spec.issuer, self._values, place="auth.issuer")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear in a message."""
        fields = self._spec.fields
        return tuple(
            value
            for name, value in self._credentials.items()
            if value and (name not in fields or fields[name].secret)
        )

    def _token_call(self, call: TokenCall, standard: Mapping[str, str]) -> httpx2.Request:
        values = {**self._values, **standard}
        fields: dict[str, Any] = {k: v for k, v in standard.items() if k not in call.omit}
        fields |= fill(call.add, values, place="auth")
        url = fill_url(call.url or self._spec.token_url, values, place="auth.token_url")
        headers = fill(call.headers, values, place="auth")
        client = self._spec.client if call.client is None else call.client
        return self._request("POST", url, headers, fields, self._spec.body, client)

    def _call(self, call: Call, more: Mapping[str, str]) -> httpx2.Request:
        values = {**self._values, **more}
        url = fill_url(call.url, values, place="auth")
        headers = fill(call.headers, values, place="auth")
        fields = fill(call.body, values, place="auth")
        return self._request(call.method, url, headers, fields, call.form, call.client)

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        fields: dict[str, Any],
        form: str,
        client: ClientAuth,
    ) -> httpx2.Request:
        sent = {"Accept": "application/json", **headers}
        if client == "basic":
            # RFC 6749, 2.3.1 form-encodes both parts first; vendors' ids and secrets have only
            # characters that stay as they are, so both readings give the same header
            encode_client_secret_basic(_Client(self._values), method, url, sent, "")
        elif client in ("body", "id"):
            named = ("client_id",) if client == "id" else ("client_id", "client_secret")
            own = {n: self._values[n] for n in named if self._values.get(n)}
            fields = {**own, **fields}
        if method == "GET":
            return httpx2.Request(
                method, add_params_to_uri(url, list(fields.items())), headers=sent
            )
        if not fields:
            return httpx2.Request(method, url, headers=sent)
        if form == "json":
            sent.setdefault("Content-Type", "application/json")
            return httpx2.Request(method, url, headers=sent, content=json.dumps(fields).encode())
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return httpx2.Request(method, url, headers=sent, content=urlencode(fields).encode())

    def _assertion(self, now: datetime) -> str:
        jwt = self._spec.jwt
        if jwt is None:
            raise InputError("no jwt section", place="auth.jwt", mend="say audience and claims")
        issued_at = int(now.timestamp())
        try:
            signed = sign_jwt_bearer_assertion(
                _KEYS[jwt.algorithm].import_key(self._values["private_key"]),
                issuer=fill(jwt.issuer, self._values, place="auth.jwt"),
                audience=fill_url(jwt.audience, self._values, place="auth.jwt"),
                subject=fill(jwt.subject, self._values, place="auth.jwt"),
                issued_at=issued_at,
                expires_at=issued_at + jwt.lifetime_s,
                claims=fill(dict(jwt.claims), self._values, place="auth.jwt"),
                alg=jwt.algorithm,
            )
        except (ValueError, JoseError):
            # its message may hold a part of the key
            raise InputError(
                f"the private key is no PEM key for {jwt.algorithm}",
                place="private_key",
                mend="give the whole PEM file, from BEGIN to END",
            ) from None
        return signed.decode() if isinstance(signed, bytes) else str(signed)


class _Client:
    """What Authlib's encoder wants of a client."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.client_id = values["client_id"]
        self.client_secret = values["client_secret"]
