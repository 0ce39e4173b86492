"""The two authorizers: a credential that is sent as it is, and a token that is renewed."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

import httpx2

from meterstone.connect.auth.base import CredentialBroken
from meterstone.connect.auth.credentials import Credentials
from meterstone.connect.auth.spec import AuthSpec
from meterstone.connect.auth.tokens import Held, TokenManager
from meterstone.connect.fill import fill, names


class StaticAuthorizer:
    """An API key, a user name with password, or nothing: sent as it is, never renewed.

    Args:
        spec: how the vendor wants it.
        credentials: what the person gave.
        version: of the stored credential.
        breaks: marks the connection as broken for a reason, and gives the error to raise.
        vendor: the vendor's name, for messages.
    """

    def __init__(
        self,
        spec: AuthSpec,
        credentials: Credentials,
        *,
        version: int,
        breaks: Callable[[int, str], CredentialBroken],
        vendor: str,
    ) -> None:
        self._spec = spec
        self._credentials = credentials
        self._version = version
        self._breaks = breaks
        self._vendor = vendor

    @property
    def values(self) -> Mapping[str, str]:
        """Nothing: no sign-in took place."""
        return {}

    def apply(self, request: httpx2.Request) -> int:
        """Put the credential on a request."""
        if self._spec.kind == "basic":
            pair = f"{self._credentials['username']}:{self._credentials['password']}"
            request.headers["Authorization"] = (
                f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
            )
        elif self._spec.kind != "none":
            send = self._spec.sends
            if names(send.value) <= self._credentials.keys():  # one that need not be given may lack
                request.headers[send.header] = fill(
                    send.value, self._credentials, place="auth.send"
                )
        return self._version

    def renew(self, after: int) -> bool:
        """There is nothing to renew."""
        del after
        return False

    def refused(self, version: int) -> CredentialBroken:
        """The vendor refuses the credential."""
        return self._breaks(version, f"{self._vendor} does not accept the {self.describe()}")

    def describe(self) -> str:
        """The kind in a few words."""
        return describe(self._spec)


class TokenAuthorizer:
    """A token that is kept valid by a `TokenManager`."""

    def __init__(self, spec: AuthSpec, manager: TokenManager, vendor: str) -> None:
        self._spec = spec
        self._manager = manager
        self._vendor = vendor

    @property
    def values(self) -> Mapping[str, str]:
        """What the sign-in told; signs in where nobody did yet."""
        token = self._manager.valid().token
        return token.values if token else {}

    def apply(self, request: httpx2.Request) -> int:
        """Put a valid token on a request."""
        held = self._manager.valid()
        send = self._spec.sends
        request.headers[send.header] = fill(send.value, _values(held), place="auth.send")
        return held.version

    def renew(self, after: int) -> bool:
        """Get a newer token than the one that was refused."""
        self._manager.renew(after)
        return True

    def refused(self, version: int) -> CredentialBroken:
        """The vendor refuses a token that it gave just now."""
        return self._manager.broken(
            version, f"{self._vendor} refuses the token that it gave for this connection"
        )

    def describe(self) -> str:
        """The kind in a few words."""
        return describe(self._spec)


_WORDS = {
    "authorization_code": "OAuth 2.0 authorization code",
    "client_credentials": "OAuth 2.0 client credentials",
    "api_key": "API key",
    "basic": "user name and password",
    "signed_jwt": "OAuth 2.0 signed assertion (JWT)",
    "personal_access_token": "personal access token",
    "session": "session of a user",
    "none": "no sign-in",
}


def describe(spec: AuthSpec) -> str:
    """The kind of sign-in in a few words."""
    pkce = " with PKCE (S256)" if spec.pkce == "S256" else ""
    return _WORDS[spec.kind] + pkce


def fact_auth(spec: AuthSpec) -> str:
    """The word that fact ``connection`` has for the kind (column ``auth``)."""
    if spec.kind == "authorization_code":
        return "oauth2_pkce" if spec.pkce == "S256" else "oauth2_code"
    return "oauth2_client_credentials" if spec.is_oauth else "token"


def _values(held: Held) -> dict[str, str]:
    token = held.token
    return {} if token is None else {**token.values, "token": token.access}
