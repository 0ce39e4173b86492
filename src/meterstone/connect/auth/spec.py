"""The ``auth`` section of a connector file: how a vendor wants to be signed in at.

What vendors do differently is data here: where endpoints are, which fields a token request has,
how the client names itself, where the answer keeps what. No vendor is named in the code.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal[
    "authorization_code",
    "client_credentials",
    "api_key",
    "basic",
    "signed_jwt",
    "personal_access_token",
    "session",
    "none",
]
ClientAuth = Literal["basic", "body", "id", "none"]
"""How the client names itself: id and secret in a header or the body, its id alone, not at all."""
BodyForm = Literal["form", "json"]
MomentForm = Literal["instant", "epoch_s", "epoch_ms"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CredentialField(_Strict):
    """One value that a person gives: its title, and whether it must not be seen."""

    title: str = ""
    secret: bool = True
    required: bool = True


class TokenCall(_Strict):
    """What differs in one request to the token endpoint from RFC 6749.

    Attributes:
        url: where it goes; empty: ``token_url``.
        omit: standard fields that this vendor does not take.
        add: fields (templates) beside or instead of the standard ones.
        headers: headers (templates).
        client: how the client names itself here; None: as everywhere.
    """

    url: str = ""
    omit: tuple[str, ...] = ()
    add: dict[str, Any] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    client: ClientAuth | None = None


class RefreshCall(TokenCall):
    """A refresh. ``rotates``: each refresh token buys one token only, the answer has the next.

    ``ahead_s``: renewed that long before the end, at most a fifth of the lifetime.
    """

    rotates: bool = False
    ahead_s: float = Field(default=300, ge=0)


class Call(_Strict):
    """One request in full, all texts templates: sign-in, sign-out, revocation."""

    method: Literal["POST", "GET", "DELETE"] = "POST"
    url: str
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] = Field(default_factory=dict)
    form: BodyForm = "json"
    client: ClientAuth = "none"


class Jwt(_Strict):
    """The assertion of RFC 7523: claims are templates; ``private_key`` (PEM) is a credential."""

    audience: str
    issuer: str = "{client_id}"
    subject: str = "{username}"
    algorithm: Literal["RS256", "ES256", "PS256", "EdDSA"] = "RS256"
    lifetime_s: int = Field(default=180, gt=0, le=3600)
    claims: dict[str, Any] = Field(default_factory=dict)


class TokenPaths(_Strict):
    """Where the vendor's answer keeps what (paths such as ``credentials.site.id``).

    Attributes:
        expires_in: seconds from now.
        expires_at: a moment, written as ``expires_at_as`` says.
        lifetime_s: of the access token, where the answer does not say and the vendor's page does.
        account: id of the account that was signed in.
        account_matches: regular expression whose first group is the id, where it is part of a text.
        values: other values that requests need, by the name they have in templates.
        error, error_text: code and sentence of an error, also in an answer with status 200.
    """

    access: str = "access_token"
    refresh: str = "refresh_token"
    expires_in: str = "expires_in"
    expires_at: str = ""
    expires_at_as: MomentForm = "instant"
    lifetime_s: float | None = Field(default=None, gt=0)
    refresh_expires_in: str = ""
    refresh_expires_at: str = ""
    scope: str = "scope"
    account: str = ""
    account_matches: str = ""
    values: dict[str, str] = Field(default_factory=dict)
    error: str = "error"
    error_text: str = "error_description"


class Send(_Strict):
    """How the credential goes with a request: one header. A credential in a URL ends up in logs
    (RFC 9700, 4.3.2), so a query parameter cannot be chosen."""

    header: str = "Authorization"
    value: str = "Bearer {token}"


_FIELDS: dict[str, dict[str, CredentialField]] = {
    "authorization_code": {
        "client_id": CredentialField(title="Client id of your application", secret=False),
        "client_secret": CredentialField(title="Client secret", required=False),
    },
    "client_credentials": {
        "client_id": CredentialField(title="Client id", secret=False),
        "client_secret": CredentialField(title="Client secret"),
    },
    "api_key": {"key": CredentialField(title="API key")},
    "basic": {
        "username": CredentialField(title="User name", secret=False),
        "password": CredentialField(title="Password"),
    },
    "signed_jwt": {
        "client_id": CredentialField(title="Client id", secret=False),
        "username": CredentialField(title="User name", secret=False, required=False),
        "private_key": CredentialField(title="Private key (PEM)"),
    },
    "personal_access_token": {
        "token_name": CredentialField(title="Name of the token", secret=False),
        "token_secret": CredentialField(title="Secret of the token"),
    },
    "session": {
        "username": CredentialField(title="User name", secret=False),
        "password": CredentialField(title="Password"),
    },
    "none": {},
}

_NEEDS: dict[str, tuple[str, ...]] = {
    "authorization_code": ("authorize_url", "token_url"),
    "client_credentials": ("token_url",),
    "signed_jwt": ("token_url", "jwt"),
    "personal_access_token": ("sign_in",),
    "session": ("sign_in",),
}

_OAUTH = frozenset({"authorization_code", "client_credentials", "signed_jwt"})
_BELONGS: dict[str, frozenset[str]] = {
    "authorize_url": frozenset({"authorization_code"}),
    "authorize": frozenset({"authorization_code"}),
    "callback": frozenset({"authorization_code"}),
    "exchange": frozenset({"authorization_code", "client_credentials"}),
    "pkce": frozenset({"authorization_code"}),
    "token_url": _OAUTH,
    "scopes": _OAUTH,
    "jwt": frozenset({"signed_jwt"}),
    "sign_in": frozenset({"personal_access_token", "session"}),
    "sign_out": frozenset({"personal_access_token", "session"}),
}
"""Keys that say something only for some kinds; elsewhere they would be read past."""


class AuthSpec(_Strict):
    """How one vendor is signed in at.

    Attributes:
        kind: which grant or credential.
        credentials: what a person gives; empty: what the kind needs.
        authorize_url, token_url: endpoints (templates).
        issuer: the vendor's issuer (RFC 9207); empty where it has none.
        authorize: more parameters of the authorization request.
        pkce: ``S256``, or ``none`` with the evidence under ``capabilities``.
        scopes: the least that the streams need; ``scope_join`` is between them.
        client: how the client names itself to the token endpoint.
        body: how a token request is written.
        exchange, refresh: what differs from the standard in these requests.
        revoke: how access is given back; None: the vendor has no way.
        token: where the answer keeps what.
        callback: values that come with the code, by the parameter (``{account: realmId}``).
        send: how a request carries the credential.
        sign_in, sign_out: of a session.
        jwt: the assertion of ``signed_jwt``.
    """

    kind: Kind
    credentials: dict[str, CredentialField] = Field(default_factory=dict)
    authorize_url: str = ""
    token_url: str = ""
    issuer: str = ""
    authorize: dict[str, str] = Field(default_factory=dict)
    pkce: Literal["S256", "none"] = "none"
    scopes: tuple[str, ...] = ()
    scope_join: str = " "
    client: ClientAuth = "body"
    body: BodyForm = "form"
    exchange: TokenCall = TokenCall()
    refresh: RefreshCall = RefreshCall()
    revoke: Call | None = None
    token: TokenPaths = TokenPaths()
    callback: dict[str, str] = Field(default_factory=dict)
    send: Send | None = None
    sign_in: Call | None = None
    sign_out: Call | None = None
    jwt: Jwt | None = None

    @model_validator(mode="after")
    def _kind_and_keys_agree(self) -> AuthSpec:
        for name in _NEEDS.get(self.kind, ()):
            if not getattr(self, name):
                raise ValueError(f"kind {self.kind} needs {name}")
        for name in sorted(self.model_fields_set):
            if name in _BELONGS and self.kind not in _BELONGS[name]:
                raise ValueError(f"{name} means nothing for kind {self.kind}; leave it out")
        for name in ("authorize_url", "token_url", "issuer"):
            if getattr(self, name).startswith("http://"):
                raise ValueError(f"{name} must be https")
        return self

    @property
    def fields(self) -> dict[str, CredentialField]:
        """What a person gives, by name."""
        return self.credentials or _FIELDS[self.kind]

    @property
    def is_oauth(self) -> bool:
        """Whether tokens come from a token endpoint (RFC 6749, 7523)."""
        return self.kind in _OAUTH

    @property
    def sends(self) -> Send:
        """How a request carries the credential."""
        if self.send:
            return self.send
        return Send(value="Bearer {key}") if self.kind == "api_key" else Send()
