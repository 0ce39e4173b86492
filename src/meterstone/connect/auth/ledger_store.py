"""Tokens and pending sign-ins in the ledger: sealed, versioned, shared by all processes."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime

from meterstone.connect.auth.credentials import Token
from meterstone.connect.auth.flow import Pending
from meterstone.connect.auth.tokens import Held, StaleVersion
from meterstone.errors import ConflictError
from meterstone.ledger import Change, Lease, Ledger

TOKEN = "token"  # noqa: S105  # the name of a secret, not one
CREDENTIALS = "credentials"
RENEWAL = "renewal"
SIGN_IN = "sign-in"
"""How the sign-in went and what the last renewal brought: for the checks, not for requests."""
ACTOR = "oauth"
_FLOW = "flow:"
_POLL_S = 0.05


class LedgerTokens:
    """The token of one connection (a `TokenStore`).

    Args:
        ledger: where it lies.
        connection: whose.
        mend: what a person does about a broken credential.
    """

    def __init__(self, ledger: Ledger, connection: str, mend: str) -> None:
        self._ledger = ledger
        self._connection = connection
        self._mend = mend

    def read(self) -> Held:
        """The newest token, and why the connection is broken where it is."""
        with self._ledger.read() as seen:
            connection = seen.connections.get(self._connection)
            secret = seen.secrets.get(self._connection, TOKEN)
        reason = connection.reason if connection.status == "broken" else ""
        if connection.status == "disconnected":
            reason = "this connection was disconnected"
        if secret is None:
            return Held(None, 0, reason)
        return Held(Token.opened(secret.value), secret.version, reason)

    def write(self, token: Token, expected: int) -> int:
        """Store the next token and forget that it was asked for, in one transaction."""
        with self._ledger.change(ACTOR) as change:
            before = change.secrets.get(self._connection, TOKEN)
            try:
                version = change.secrets.put(
                    self._connection,
                    TOKEN,
                    token.sealed_form(),
                    expires_at=token.expires_at,
                    expected_version=expected,
                )
            except ConflictError:
                raise StaleVersion from None
            change.secrets.delete(self._connection, RENEWAL)
            if before is not None:
                rotated = Token.opened(before.value).refresh != token.refresh
                self._note_rotation(change, rotated)
            change.audit("oauth.renew", self._connection, version=version)
        return version

    def _note_rotation(self, change: Change, rotated: bool) -> None:
        """For the check ``refresh_rotation``; written when it differs from what is noted."""
        secret = change.secrets.get(self._connection, SIGN_IN)
        noted = json.loads(secret.value) if secret else {}
        if noted.get("rotated") is not rotated:
            value = json.dumps({**noted, "rotated": rotated}).encode()
            change.secrets.put(self._connection, SIGN_IN, value)

    def lease(self, ttl_s: float) -> AbstractContextManager[None] | None:
        """The right to renew this connection's token."""
        holder = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
        lease = self._ledger.leases.take(f"token:{self._connection}", holder, ttl_s)
        return None if lease is None else self._holding(lease)

    @contextmanager
    def wait_for_lease(self, ttl_s: float) -> Iterator[None]:
        """The same right; waits for whoever has it, for as long as a lease can last."""
        ends = time.monotonic() + ttl_s
        while (lease := self.lease(ttl_s)) is None and time.monotonic() < ends:
            time.sleep(_POLL_S)
        with lease or nullcontext():
            yield

    @contextmanager
    def _holding(self, lease: Lease) -> Iterator[None]:
        try:
            yield
        finally:
            self._ledger.leases.release(lease)

    def asked(self, version: int) -> datetime | None:
        """When a renewal of this version was begun whose end is not known."""
        with self._ledger.read() as seen:
            secret = seen.secrets.get(self._connection, RENEWAL)
        noted = json.loads(secret.value) if secret else {}
        if noted.get("version") != version or not noted.get("at"):
            return None
        return datetime.fromisoformat(noted["at"])

    def ask(self, version: int, at: datetime) -> None:
        """Write down that a renewal begins."""
        note = json.dumps({"version": version, "at": at.isoformat()}).encode()
        with self._ledger.change(ACTOR) as change:
            change.secrets.put(self._connection, RENEWAL, note)

    def unask(self, version: int) -> None:
        """The renewal came to an end that is known."""
        del version  # there is one note a connection
        with self._ledger.change(ACTOR) as change:
            change.secrets.delete(self._connection, RENEWAL)

    def breaks(self, version: int, cause: str) -> None:
        """Mark the connection as broken, unless a newer token is there."""
        with self._ledger.change(ACTOR) as change:
            secret = change.secrets.get(self._connection, TOKEN)
            if secret is not None and secret.version > version:
                return
            if change.connections.get(self._connection).status != "disconnected":
                change.connections.set_status(
                    self._connection, "broken", reason=cause, mend=self._mend
                )


class LedgerPending:
    """Sign-ins that wait for their callback (a `PendingStore`)."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def put(self, key: str, pending: Pending) -> None:
        """Keep a sign-in; those that have expired are removed."""
        with self._ledger.change(ACTOR) as change:
            change.secrets.purge(_FLOW)
            change.secrets.put(
                _FLOW + key, SIGN_IN, pending.sealed_form(), expires_at=pending.expires_at
            )
            change.audit("oauth.start", pending.connector)

    def take(self, key: str) -> Pending | None:
        """Give it once."""
        owner = _FLOW + key
        with self._ledger.change(ACTOR) as change:
            secret = change.secrets.get(owner, SIGN_IN)
            if secret is None:
                return None
            try:
                # two callbacks at once: the second finds another version, on both engines
                change.secrets.put(owner, SIGN_IN, b"", expected_version=secret.version)
            except ConflictError:
                return None
            change.secrets.delete(owner)
        return Pending.opened(secret.value)
