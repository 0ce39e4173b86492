"""Sign-in of a stand-in: clients, codes and tokens that live and rotate as the vendor's do."""

from __future__ import annotations

import hmac
import threading
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from meterstone.sandbox.kit.clock import Clock, token

Why = Literal["unknown", "expired", "revoked"]


class Refused(Exception):  # the stand-in renders it as its vendor does
    """A request of a sign-in that is refused.

    Attributes:
        error: code of RFC 6749, such as invalid_grant; ``unauthorized`` for an access token.
        why: what is wrong with the token or code.
        detail: one sentence.
    """

    def __init__(self, error: str, detail: str, why: Why = "unknown") -> None:
        super().__init__(f"{error}: {detail}")
        self.error, self.detail, self.why = error, detail, why


@dataclass(frozen=True, slots=True)
class Client:
    """An application that is registered with the vendor.

    Attributes:
        redirects: exact addresses; empty: any address is taken, as no real vendor does.
    """

    id: str
    secret: str = field(repr=False)
    redirects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """How a vendor's tokens live.

    Attributes:
        refresh: lifetime of a refresh token; None: it does not expire.
        public_refresh: the same where PKCE stood for the secret; None: as `refresh`.
        rotates: always: each refresh gives a new refresh token; public: only where PKCE stood for
            the secret; never.
        reuse: what the reuse of a spent refresh token does: refuse it, or revoke the whole family.
        pkce: whether a code challenge is taken; a vendor without PKCE ignores it.
        grace: how long a spent refresh token still works.
        rotate_after: a refresh token that is younger is given back as it is.
    """

    access: timedelta
    refresh: timedelta | None = None
    public_refresh: timedelta | None = None
    code: timedelta = timedelta(minutes=5)
    rotates: Literal["always", "public", "never"] = "never"
    reuse: Literal["refuse", "revoke"] = "refuse"
    pkce: Literal["none", "optional", "required"] = "optional"
    grace: timedelta = timedelta(0)
    rotate_after: timedelta = timedelta(0)


@dataclass(slots=True)
class Tokens:
    """What a client holds after a sign-in: one pair of a family."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    account: str
    client: str
    scopes: tuple[str, ...]
    issued_at: datetime
    access_until: datetime
    refresh_until: datetime | None
    family: str
    public: bool = False
    spent_at: datetime | None = None
    dead: Why | None = None
    refresh_since: datetime | None = None


@dataclass(slots=True)
class _Code:
    client: str
    account: str
    redirect: str
    scopes: tuple[str, ...]
    challenge: str
    method: str
    until: datetime
    family: str
    used: bool = False


class Accounts:
    """Clients, codes and tokens of one stand-in. May be used from any thread.

    Attributes:
        rules: may be exchanged while it runs (a drill wants tokens of five seconds).
        counts: what happened: codes, exchanged, refreshed, granted, refused, reused, revoked.
    """

    def __init__(self, clock: Clock, rules: Rules, *, seed: int, name: str) -> None:
        self.rules = rules
        self.counts: Counter[str] = Counter()
        self._clock, self._seed, self._name = clock, seed, name
        self._clients: dict[str, Client] = {}
        self._codes: dict[str, _Code] = {}
        self._by_access: dict[str, Tokens] = {}
        self._by_refresh: dict[str, Tokens] = {}
        self._nth = 0
        self._lock = threading.RLock()

    def register(self, *redirects: str, id_: str = "", secret: str = "") -> Client:
        """A client with id and secret from the seed."""
        made = Client(
            id_ or f"{self._name}-app-{self._unique('client')[:10].lower()}",
            secret or f"{self._name}-secret-{self._unique('secret').lower()}",
            redirects,
        )
        self._clients[made.id] = made
        return made

    def client(self, id_: str) -> Client:
        """The client of an id.

        Raises:
            Refused: nobody has it.
        """
        if id_ not in self._clients:
            raise Refused("invalid_client", "no client has this id")
        return self._clients[id_]

    def authenticate(self, id_: str, secret: str | None, *, optional: bool = False) -> Client:
        """The client, when the secret is its own.

        Args:
            optional: no secret is fine (a public client that shows a code verifier).
        """
        client = self.client(id_)
        if secret is None and optional:
            return client
        if secret is None or not hmac.compare_digest(secret.encode(), client.secret.encode()):
            raise Refused("invalid_client", "the client secret is wrong or missing")
        return client

    def authorize(
        self, client_id: str, redirect: str, scopes: Sequence[str], account: str, *,
        challenge: str = "", method: str = "",
    ) -> str:  # fmt: skip
        """A code for a client whom the owner of an account allowed in."""
        client = self.client(client_id)
        if client.redirects and redirect not in client.redirects:
            raise Refused("invalid_request", "the redirect address is not registered")
        if self.rules.pkce == "required" and not challenge:
            raise Refused("invalid_request", "a code challenge is required")
        with self._lock:
            code = f"{self._name}-code-{self._unique('code').lower()}"
            self._codes[code] = _Code(
                client_id, account, redirect, tuple(scopes),
                "" if self.rules.pkce == "none" else challenge, method or "S256",
                self._clock.now() + self.rules.code, self._unique("family"),
            )  # fmt: skip
            self.counts["codes"] += 1
            return code

    def exchange(
        self, client_id: str, secret: str | None, code: str, redirect: str | None = None,
        verifier: str = "",
    ) -> Tokens:  # fmt: skip
        """Tokens for a code: once, within its lifetime, by the client that it was given to.

        Args:
            secret: None where the verifier stands for it.
            redirect: None where the vendor's request does not name it.
        """
        with self._lock:
            known = self._codes.get(code)
            self.authenticate(client_id, secret, optional=bool(known and known.challenge))
            if known is None or known.client != client_id:
                raise self._refused("invalid_grant", "the code is not known")
            if known.used:
                self._kill(known.family, "revoked")
                raise self._refused("invalid_grant", "the code was used before", "revoked")
            if known.until <= self._clock.now():
                raise self._refused("invalid_grant", "the code has expired", "expired")
            if redirect is not None and known.redirect and redirect != known.redirect:
                raise self._refused("invalid_grant", "the redirect address is another one")
            if known.challenge and _hashed(verifier, known.method) != known.challenge:
                raise self._refused("invalid_grant", "the code verifier does not fit")
            known.used = True
            self.counts["exchanged"] += 1
            return self._issue(
                known.account, client_id, known.scopes, known.family, public=secret is None
            )

    def refresh(self, client_id: str, secret: str | None, refresh_token: str) -> Tokens:
        """New tokens for a refresh token; rotation and reuse as the rules say."""
        with self._lock:
            held = self._by_refresh.get(refresh_token)
            self.authenticate(client_id, secret, optional=bool(held and held.public))
            now = self._clock.now()
            if held is None or held.client != client_id:
                raise self._refused("invalid_grant", "the refresh token is not known")
            if held.dead == "revoked":
                raise self._refused("invalid_grant", "the refresh token was revoked", "revoked")
            if held.refresh_until is not None and held.refresh_until <= now:
                raise self._refused("invalid_grant", "the refresh token has expired", "expired")
            if held.spent_at is not None and held.spent_at + self.rules.grace <= now:
                self.counts["reused"] += 1
                if self.rules.reuse == "revoke":
                    self._kill(held.family, "revoked")
                raise self._refused("invalid_grant", "the refresh token was used before")
            self.counts["refreshed"] += 1
            if not self._rotates(held):
                return self._issue(
                    held.account, client_id, held.scopes, held.family, public=held.public,
                    refresh=refresh_token, refresh_until=held.refresh_until,
                    refresh_since=held.refresh_since,
                )  # fmt: skip
            held.spent_at = held.spent_at or now
            return self._issue(
                held.account, client_id, held.scopes, held.family, public=held.public
            )

    def grant(self, account: str, client_id: str, scopes: Sequence[str] = ()) -> Tokens:
        """Tokens without a person: client credentials, or what is printed at the start."""
        with self._lock:
            self.counts["granted"] += 1
            return self._issue(account, client_id, tuple(scopes), self._unique("family"))

    def check(self, access: str) -> Tokens:
        """The tokens of an access token that is valid now.

        Raises:
            Refused: ``unauthorized``, and why.
        """
        held = self._by_access.get(access)
        if held is None:
            raise self._refused("unauthorized", "the access token is not known")
        if held.dead is not None:
            raise self._refused("unauthorized", f"the access token is {held.dead}", held.dead)
        if held.access_until <= self._clock.now():
            raise self._refused("unauthorized", "the access token has expired", "expired")
        return held

    def holder(self, access: str) -> str | None:
        """The account that gave an access token, whatever became of it since."""
        held = self._by_access.get(access)
        return held.account if held else None

    def revoke(self, *, access: str = "", refresh: str = "", family: bool = True) -> bool:
        """Revoke a token; with its whole family, or the access token alone."""
        with self._lock:
            held = self._by_access.get(access) or self._by_refresh.get(refresh)
            if held is None:
                return False
            self.counts["revoked"] += 1
            if family:
                self._kill(held.family, "revoked")
            else:
                held.dead = "revoked"
                if held.refresh:  # it goes on without this access token
                    self._by_refresh[held.refresh] = _copy_without_access(held)
            return True

    def revoke_account(self, account: str, client_id: str | None = None) -> None:
        """Revoke all that an account gave, to one client or to all."""
        with self._lock:
            self.counts["revoked"] += 1
            for held in [*self._by_access.values(), *self._by_refresh.values()]:
                if held.account == account and client_id in (None, held.client):
                    held.dead = "revoked"

    def expire_all(self) -> None:
        """Every access token is expired from now on; refresh tokens are not."""
        with self._lock:
            for held in self._by_access.values():
                held.access_until = min(held.access_until, self._clock.now())

    def revoke_all(self) -> None:
        """Every token is revoked."""
        with self._lock:
            for held in [*self._by_access.values(), *self._by_refresh.values()]:
                held.dead = "revoked"

    def _rotates(self, held: Tokens) -> bool:
        since = held.refresh_since or held.issued_at
        if self._clock.now() < since + self.rules.rotate_after:
            return False
        return self.rules.rotates == "always" or (self.rules.rotates == "public" and held.public)

    def _issue(
        self, account: str, client: str, scopes: tuple[str, ...], family: str, *,
        public: bool = False, refresh: str | None = None, refresh_until: datetime | None = None,
        refresh_since: datetime | None = None,
    ) -> Tokens:  # fmt: skip
        now = self._clock.now()
        if refresh is None:
            refresh = f"{self._name}-refresh-{self._unique('refresh').lower()}"
            lives = (self.rules.public_refresh if public else None) or self.rules.refresh
            refresh_until = now + lives if lives else None
        tokens = Tokens(
            f"{self._name}-access-{self._unique('access').lower()}", refresh, account, client,
            scopes, now, now + self.rules.access, refresh_until, family, public,
            refresh_since=refresh_since or now,
        )  # fmt: skip
        self._by_access[tokens.access] = tokens
        self._by_refresh[refresh] = tokens
        return tokens

    def _kill(self, family: str, why: Why) -> None:
        for held in [*self._by_access.values(), *self._by_refresh.values()]:
            if held.family == family:
                held.dead = why

    def _refused(self, error: str, detail: str, why: Why = "unknown") -> Refused:
        self.counts["refused"] += 1
        return Refused(error, detail, why)

    def _unique(self, kind: str) -> str:
        self._nth += 1
        return token(self._seed, self._name, kind, self._nth, length=32)


def _copy_without_access(held: Tokens) -> Tokens:
    return Tokens(
        "", held.refresh, held.account, held.client, held.scopes, held.issued_at,
        held.access_until, held.refresh_until, held.family, held.public, held.spent_at,
    )  # fmt: skip


def _hashed(verifier: str, method: str) -> str:
    if method == "plain":
        return verifier
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
