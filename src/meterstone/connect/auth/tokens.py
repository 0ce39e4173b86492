"""Keeps one connection's token valid: renewed before it ends, once for all who use it.

Vendors that rotate refresh tokens accept each of them once and take a second use for theft, so
that all tokens of the connection die. Hence: only the holder of the lease asks; it stores what it
got before anybody uses it; and it writes down *before* asking that it asks, so that after a crash
one knows that an answer may be lost.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from meterstone.connect.auth.answers import TokenRefused, read_token
from meterstone.connect.auth.base import CredentialBroken, CredentialUnavailable
from meterstone.connect.auth.credentials import Token
from meterstone.connect.auth.http import DEADLINE_S, Send
from meterstone.connect.auth.spec import AuthSpec
from meterstone.connect.auth.token_requests import TokenRequests
from meterstone.connect.egress import EgressRefused

LEASE_S = DEADLINE_S + 15
_WAIT_S = LEASE_S + 15
_POLL_S = (0.02, 0.08)
_REST_S = 5.0
"""After a renewal that failed, the vendor is left alone for so long."""


@dataclass(frozen=True, slots=True)
class Held:
    """A token as it is stored. Version 0: there is none yet."""

    token: Token | None
    version: int
    broken: str = ""
    """Why the connection is broken; empty when it is not."""


class StaleVersion(Exception):
    """Somebody else stored a newer token first."""


class TokenStore(Protocol):
    """Where the token of one connection lies, shared by all processes."""

    def read(self) -> Held:
        """The newest token."""

    def write(self, token: Token, expected: int) -> int:
        """Store the token that follows version ``expected``; gives the new version.

        Raises:
            StaleVersion: the stored version is another one.
        """

    def lease(self, ttl_s: float) -> AbstractContextManager[None] | None:
        """The right to renew, alone among all processes; None while another one has it."""

    def asked(self, version: int) -> datetime | None:
        """When a renewal of this version was begun whose end is not known; None when none was."""

    def ask(self, version: int, at: datetime) -> None:
        """Write down that a renewal of this version begins; durable when this returns."""

    def unask(self, version: int) -> None:
        """The renewal did not reach the vendor, or was answered."""

    def breaks(self, version: int, cause: str) -> None:
        """Mark the connection as broken, unless a newer token than ``version`` is stored."""


class TokenManager:
    """The token of one connection, for all threads of this process.

    Args:
        spec: how the vendor is signed in at.
        requests: builds its token requests.
        store: the shared place of the token.
        send: sends a token request.
        vendor: the vendor's name, for messages.
        place: of errors: the connection.
        mend: what a person does to sign in again.
        now, sleep: the clock, exchanged in tests.
    """

    def __init__(
        self,
        spec: AuthSpec,
        requests: TokenRequests,
        store: TokenStore,
        send: Send,
        *,
        vendor: str,
        place: str,
        mend: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._spec = spec
        self._requests = requests
        self._store = store
        self._send = send
        self._vendor = vendor
        self._place = place
        self._mend = mend
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._cached = Held(None, 0)
        self._rests_until: datetime | None = None

    def valid(self) -> Held:
        """A token that holds now; renewed when it is about to end.

        Raises:
            CredentialBroken: a person has to sign in again.
            CredentialUnavailable: it cannot be renewed just now, and the old one has ended.
        """
        held = self._cached
        if held.token and not self._due(held.token):
            return held
        # while one thread renews, the others go on with a token that has not ended yet
        if not self._lock.acquire(blocking=not self._lives(held)):
            return held
        try:
            held = self._cached
            return (
                held if self._serves(held, 0, forced=False) else self._renewed(held, forced=False)
            )
        finally:
            self._lock.release()

    def renew(self, after: int) -> Held:
        """A token newer than version ``after``, which the vendor refused."""
        with self._lock:
            if self._cached.token and self._cached.version > after:
                return self._cached
            return self._renewed(Held(None, after), forced=True)

    def broken(self, version: int, cause: str) -> CredentialBroken:
        """Marks the connection as broken for a reason, and gives the error to raise."""
        self._store.breaks(version, cause)
        return CredentialBroken(cause, place=self._place, mend=self._mend)

    def _renewed(self, old: Held, *, forced: bool) -> Held:
        self._cached = self._renew(old, forced=forced)
        return self._cached

    def _renew(self, old: Held, *, forced: bool) -> Held:
        ends = time.monotonic() + _WAIT_S
        while True:
            stored = self._read()
            if self._serves(stored, old.version, forced=forced):
                return stored
            if self._rests():
                if not forced and self._lives(stored):
                    return stored
                raise self._unavailable("its token endpoint failed a moment ago")
            lease = self._store.lease(LEASE_S)
            if lease is not None:
                with lease:
                    return self._alone(old.version, forced=forced)
            if not forced and self._lives(stored):
                return stored
            if time.monotonic() > ends:
                raise self._unavailable("another worker has been renewing the token for too long")
            self._sleep(random.uniform(*_POLL_S))  # noqa: S311  # no secret depends on it

    def _alone(self, old_version: int, *, forced: bool) -> Held:
        """Renew under the lease, unless somebody did while we waited for it."""
        stored = self._read()
        if self._serves(stored, old_version, forced=forced):
            return stored
        try:
            token = self._asked_for(stored)
        except CredentialUnavailable as error:
            self._rests_until = self._now() + timedelta(seconds=error.retry_after_s or _REST_S)
            if not forced and self._lives(stored):
                return stored
            raise
        try:
            return Held(token, self._store.write(token, stored.version))
        except StaleVersion:
            return self._read()

    def _rests(self) -> bool:
        return self._rests_until is not None and self._now() < self._rests_until

    def _unavailable(self, cause: str) -> CredentialUnavailable:
        return CredentialUnavailable(cause, place=self._place, mend="it is tried again by itself")

    def _read(self) -> Held:
        stored = self._store.read()
        if stored.broken:
            raise CredentialBroken(stored.broken, place=self._place, mend=self._mend)
        return stored

    def _asked_for(self, stored: Held) -> Token:
        """Ask the vendor for the token after ``stored``."""
        now = self._now()
        token = stored.token
        if token and token.refresh:
            request = self._requests.refresh(token)
        elif self._spec.kind == "authorization_code":
            raise self.broken(stored.version, self._sentence("", None))
        else:
            request = self._requests.grant(now)
        lost_at = self._store.asked(stored.version)
        self._store.ask(stored.version, now)
        secrets = [*self._requests.secrets, *((token.access, token.refresh) if token else ())]
        try:
            newer = read_token(self._send(request), self._spec.token, now, secrets)
        except CredentialUnavailable as error:
            if not error.sent:
                self._store.unask(stored.version)
            error.place = error.place or self._place
            raise
        except EgressRefused:
            self._store.unask(stored.version)
            raise
        except TokenRefused as error:
            self._store.unask(stored.version)
            raise self.broken(stored.version, self._sentence(error.cause, lost_at)) from None
        return token.after_refresh(newer) if token else newer

    def _sentence(self, said: str, lost_at: datetime | None) -> str:
        """Why the connection is broken, as one sentence."""
        if lost_at is not None and self._spec.refresh.rotates:
            return (
                f"{self._vendor} accepts a refresh token once, and its answer to the renewal of "
                f"{lost_at:%Y-%m-%d %H:%M} UTC never arrived"
            )
        if not said:
            return f"the access that {self._vendor} gave has ended, and it cannot be renewed"
        return f"{self._vendor} does not renew the access any more ({said})"

    def _serves(self, held: Held, refused: int, *, forced: bool) -> bool:
        """Whether a stored token does: newer than the refused one, or not about to end."""
        if held.token is None:
            return False
        return held.version > refused if forced else not self._due(held.token)

    def _due(self, token: Token) -> bool:
        if token.expires_at is None:
            return False
        lifetime = token.expires_at - token.issued_at
        ahead = min(timedelta(seconds=self._spec.refresh.ahead_s), lifetime / 5)
        return self._now() >= token.expires_at - ahead

    def _lives(self, held: Held) -> bool:
        token = held.token
        return token is not None and (token.expires_at is None or self._now() < token.expires_at)
