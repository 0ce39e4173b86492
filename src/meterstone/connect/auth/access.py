"""Access to the vendors: who is signed in where, from the first sign-in to the last sign-out."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from meterstone.connect.auth.answers import TokenRefused, read_token
from meterstone.connect.auth.authorizers import StaticAuthorizer, TokenAuthorizer
from meterstone.connect.auth.base import (
    Authorizer,
    CredentialBroken,
    CredentialUnavailable,
    SignInRefused,
)
from meterstone.connect.auth.controls import Check, checks
from meterstone.connect.auth.credentials import Credentials, Token
from meterstone.connect.auth.facts import Tell, check_rows, connection_row, nobody
from meterstone.connect.auth.flow import Callback, Flow, SignedIn, Started
from meterstone.connect.auth.http import Send, sender, tls_version, token_client
from meterstone.connect.auth.ledger_store import (
    ACTOR,
    CREDENTIALS,
    RENEWAL,
    SIGN_IN,
    TOKEN,
    LedgerPending,
    LedgerTokens,
)
from meterstone.connect.auth.registration import (
    Registration,
    checked_credentials,
    checked_settings,
    values_of,
)
from meterstone.connect.auth.subjects import subject_of
from meterstone.connect.auth.token_requests import TokenRequests
from meterstone.connect.auth.tokens import LEASE_S, TokenManager
from meterstone.connect.auth.wishes import Wish, again, check_franchise, connection_for
from meterstone.connect.egress import Egress
from meterstone.connect.spec import Connector
from meterstone.errors import InputError
from meterstone.ledger import Change, Connection, Ledger

_LIVE = ("active", "broken", "paused")
_STATIC = ("api_key", "basic", "none")


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A connection that was given up, and what the vendor was told (one sentence)."""

    connection: Connection
    revoked: bool
    said: str


class Access:
    """Signs connections in and out, and gives their authorizers. Thread-safe.

    Args:
        ledger: where secrets and connections are.
        connectors: all connectors by key.
        egress: the way out.
        now: the clock.
        send: sends token requests; over ``egress`` by default.
        tell: lands facts of connections and of their checks.
    """

    def __init__(
        self,
        ledger: Ledger,
        connectors: Mapping[str, Connector],
        egress: Egress,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        send: Send | None = None,
        tell: Tell = nobody,
    ) -> None:
        self._ledger = ledger
        self._connectors = connectors
        self._now = now
        self._tell = tell
        self._send = send or sender(token_client(egress))
        self._tls = partial(tls_version, egress)
        self._flow = Flow(LedgerPending(ledger), self._send, now)
        self._authorizers: dict[str, Authorizer] = {}
        self._lock = threading.Lock()

    def register(
        self,
        connector: str,
        credentials: Mapping[str, str] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        environment: str = "production",
        actor: str = "cli",
    ) -> None:
        """Keep the application that is registered at a vendor, and where the vendor is, for all
        sign-ins there; what is not given stays as it was.

        Raises:
            InputError: a field is missing or unknown.
        """
        of = self._connectors[connector]
        with self._ledger.change(actor) as change:
            before = Registration.load(change, connector, environment)
            given = before.credentials
            if credentials:
                given = checked_credentials(of.auth, credentials, of.name)
            where = {**before.settings, **(settings or {})}
            Registration(given, where).save(change, connector, environment)
            change.audit("oauth.register", connector, environment=environment)
        with self._lock:
            self._authorizers.clear()

    def check_registered(self, connector: str, environment: str) -> None:
        """See that our application is registered, before a person is sent anywhere.

        Raises:
            InputError: it is not; says what is missing.
        """
        of = self._connectors[connector]
        with self._ledger.read() as seen:
            registration = Registration.load(seen, connector, environment)
        checked_credentials(of.auth, registration.credentials, of.name)

    def start(self, connector: str, redirect_uri: str, wish: Wish, *, browser: str = "") -> Started:
        """Begin a sign-in by browser; ``browser`` is the secret that it has already.

        Raises:
            InputError: the vendor has no such sign-in, or our application is not registered.
        """
        of = self._connectors[connector]
        if of.auth.kind != "authorization_code":
            raise InputError(
                f"{of.name} is not signed in at by a browser",
                place=connector,
                mend=f"meterstone connect {connector}",
            )
        with self._ledger.read() as seen:
            if wish.connection:
                wish = again(seen.connections.get(wish.connection), of, wish)
            registration = Registration.load(seen, connector, wish.environment)
        check_franchise(of, wish)
        checked_credentials(of.auth, registration.credentials, of.name)
        requests = self._requests(of, registration, checked_settings(of, wish.settings))
        return self._flow.start(
            connector, of.auth, requests,
            redirect_uri=redirect_uri, wish=wish.texts(), browser=browser,
        )  # fmt: skip

    def callback(self, callback: Callback) -> Connection:
        """Finish a sign-in by browser: the connection it made or mended.

        Raises:
            SignInRefused: with the reason; nothing was connected.
            CredentialUnavailable: the vendor did not answer.
        """
        try:
            pending = self._flow.take(callback)
            wish = Wish.of(pending.wish)
            of = self._connectors[pending.connector]
            with self._ledger.read() as seen:
                registration = Registration.load(seen, pending.connector, wish.environment)
            requests = self._requests(of, registration, wish.settings)
            signed_in = self._flow.finish(pending, callback, of.auth, requests)
            return self._connected(of, wish, signed_in)
        except SignInRefused as error:
            self._note_refusal(callback.connector, error.cause)
            raise

    def connect(
        self, connector: str, credentials: Mapping[str, str], wish: Wish, *, actor: str = "cli"
    ) -> Connection:
        """Connect with a credential that needs no browser; where it gives a token, one is got
        before anything is stored.

        Raises:
            InputError: a field is missing or unknown.
            SignInRefused: the vendor does not accept it.
            CredentialUnavailable: the vendor did not answer.
        """
        of = self._connectors[connector]
        if of.auth.kind == "authorization_code":
            raise InputError(
                f"{of.name} is signed in at by a browser",
                place=connector,
                mend=f"meterstone connect {connector}",
            )
        given = checked_credentials(of.auth, credentials, of.name)
        with self._ledger.read() as seen:
            if wish.connection:
                wish = again(seen.connections.get(wish.connection), of, wish)
            registration = Registration.load(seen, connector, wish.environment)
        check_franchise(of, wish)
        values = values_of(of, registration, checked_settings(of, wish.settings))
        requests = TokenRequests(of.auth, values, given)
        token = None if of.auth.kind in _STATIC else self._first_token(of, requests)
        told = token.values.get("account", "") if token else ""
        with self._ledger.change(actor) as change:
            connection = connection_for(change, of, wish, told)
            change.secrets.put(connection.id, CREDENTIALS, given.sealed_form())
            if token:
                change.secrets.put(
                    connection.id, TOKEN, token.sealed_form(), expires_at=token.expires_at
                )
            evidence = {"asked": " ".join(of.auth.scopes), "granted": token.scope if token else ""}
            _note_sign_in(change, connection.id, evidence, self._now())
            found = change.connections.set_status(connection.id, "active")
        return self._told(of, found)

    def authorizer(self, connection: str) -> Authorizer:
        """What puts this connection's credential on requests; the same object for all who ask.

        Raises:
            InputError: there is no such connection, or no credential of it.
        """
        with self._lock:
            if connection not in self._authorizers:
                self._authorizers[connection] = self._made(connection)
            return self._authorizers[connection]

    def values(self, connection: Connection) -> dict[str, str]:
        """Values for the templates of a connection, without what only a sign-in tells."""
        of = self._connectors[connection.connector]
        with self._ledger.read() as seen:
            registration = Registration.load(seen, connection.connector, connection.environment)
        return values_of(of, registration, connection.settings)

    def disconnect(self, connection: str, *, actor: str = "cli", reason: str = "") -> Disconnected:
        """Give the access back at the vendor, and destroy what is stored of it.

        A vendor that cannot be told keeps nobody from disconnecting: ``said`` tells it.
        """
        with self._ledger.read() as seen:
            found = seen.connections.get(connection)
        if found.status == "disconnected":
            return Disconnected(found, revoked=False, said="it was disconnected before")
        store = LedgerTokens(self._ledger, connection, "")
        # a renewal that is under way is waited for: its token would outlive the connection
        with store.wait_for_lease(LEASE_S):
            revoked, said = self._given_back(found)
            with self._ledger.change(actor) as change:
                change.audit("oauth.revoke", connection, revoked=revoked, said=said)
                gone = change.disconnect(connection, reason or "a person disconnected it")
        self._forget(connection)
        self._tell([connection_row(gone, self._connectors[gone.connector].auth)])
        return Disconnected(gone, revoked, said)

    def check(self, connection: str) -> list[Check]:
        """The controls of RFC 9700 of one connection, looked at now."""
        with self._ledger.read() as seen:
            found = seen.connections.get(connection)
            of = self._connectors[found.connector]
            subject = subject_of(seen, of, found, tls=self._tls, now=self._now())
        return checks(subject)

    def tell_checks(self, *connections: Connection) -> list[Connection]:
        """Look at the controls of these connections (of all that are live, when none is given)
        and land what was found; a control counts for a day."""
        if not connections:
            with self._ledger.read() as seen:
                connections = tuple(c for c in seen.connections.all() if c.status in _LIVE)
        at = self._now()
        for connection in connections:
            self._tell(check_rows(connection, self.check(connection.id), at))
        return list(connections)

    def _given_back(self, connection: Connection) -> tuple[bool, str]:
        of = self._connectors[connection.connector]
        with self._ledger.read() as seen:
            secret = seen.secrets.get(connection.id, TOKEN)
            requests = self._requests_of(seen, of, connection)
        token = Token.opened(secret.value) if secret else None
        if token is None or requests is None:
            return False, "there was no token to give back"
        request = requests.give_back(token)
        if request is None:
            return False, f"{of.name} has no way to revoke access: end it on its own pages"
        try:
            status = self._send(request).status_code
        except CredentialUnavailable as error:
            return False, f"{error.cause}: end the access on {of.name}'s own pages"
        if status < 300:
            return True, f"{of.name} has revoked the access"
        return False, f"{of.name} answered {status}: end the access on its own pages"

    def _made(self, connection: str) -> Authorizer:
        with self._ledger.read() as seen:
            found = seen.connections.get(connection)
            of = self._connectors[found.connector]
            requests = self._requests_of(seen, of, found)
            secret = seen.secrets.get(connection, CREDENTIALS)
        mend = f"meterstone connect {found.connector} --connection {found.id}"
        store = LedgerTokens(self._ledger, connection, mend)
        if of.auth.kind in _STATIC:
            return StaticAuthorizer(
                of.auth,
                Credentials.opened(secret.value) if secret else Credentials({}),
                version=secret.version if secret else 0,
                breaks=lambda version, cause: _broken(store, connection, mend, version, cause),
                vendor=of.name,
            )
        if requests is None:
            raise InputError("this connection has no credential", place=connection, mend=mend)
        manager = TokenManager(
            of.auth, requests, store, self._send,
            vendor=of.name, place=connection, mend=mend, now=self._now,
        )  # fmt: skip
        return TokenAuthorizer(of.auth, manager, of.name)

    def _connected(self, of: Connector, wish: Wish, signed_in: SignedIn) -> Connection:
        token = signed_in.token
        with self._ledger.change(ACTOR) as change:
            connection = connection_for(change, of, wish, token.values.get("account", ""))
            change.secrets.put(
                connection.id, TOKEN, token.sealed_form(), expires_at=token.expires_at
            )
            change.secrets.delete(connection.id, RENEWAL)
            _note_sign_in(change, connection.id, signed_in.evidence, self._now())
            change.audit("oauth.connect", connection.id, connector=of.connector)
            found = change.connections.set_status(connection.id, "active")
        return self._told(of, found)

    def _told(self, of: Connector, connection: Connection) -> Connection:
        """Forget the former authorizer; tell of the connection and look at its controls."""
        self._forget(connection.id)
        self._tell([connection_row(connection, of.auth)])
        self.tell_checks(connection)
        return connection

    def _first_token(self, of: Connector, requests: TokenRequests) -> Token:
        now = self._now()
        try:
            return read_token(self._send(requests.grant(now)), of.auth.token, now, requests.secrets)
        except TokenRefused as error:
            raise SignInRefused(
                f"{of.name} does not accept the credential ({error.cause})",
                place=of.connector,
                mend="check what you gave, and give it again",
            ) from None

    def _requests_of(
        self, seen: Change, of: Connector, connection: Connection
    ) -> TokenRequests | None:
        registration = Registration.load(seen, connection.connector, connection.environment)
        secret = seen.secrets.get(connection.id, CREDENTIALS)
        given = Credentials.opened(secret.value) if secret else registration.credentials
        if not given and of.auth.fields:
            return None
        return TokenRequests(of.auth, values_of(of, registration, connection.settings), given)

    def _requests(
        self, of: Connector, registration: Registration, settings: Mapping[str, str]
    ) -> TokenRequests:
        values = values_of(of, registration, settings)
        return TokenRequests(of.auth, values, registration.credentials)

    def _forget(self, connection: str) -> None:
        with self._lock:
            self._authorizers.pop(connection, None)

    def _note_refusal(self, connector: str, cause: str) -> None:
        with self._ledger.change(ACTOR) as change:
            change.audit("oauth.refuse", connector, cause=cause)


def _note_sign_in(
    change: Change, connection: str, evidence: Mapping[str, Any], at: datetime
) -> None:
    """Keep how the sign-in went, for the checks of RFC 9700."""
    value = json.dumps({**evidence, "at": at.isoformat()}).encode()
    change.secrets.put(connection, SIGN_IN, value)


def _broken(
    store: LedgerTokens, connection: str, mend: str, version: int, cause: str
) -> CredentialBroken:
    store.breaks(version, cause)
    return CredentialBroken(cause, place=connection, mend=mend)
