"""What lets people in: sessions, API tokens, one-time links; and how often somebody tried.

Of every secret only its SHA-256 is kept: they are of 256 random bits, so nothing slower is needed.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import api_tokens, one_time_links, sessions, sign_in_attempts


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which a person is signed in. ``id`` names it; it is not the secret."""

    id: str
    person: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    agent: str
    address: str


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What a person gave to a program."""

    id: str
    person: str
    name: str
    rights: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """What lets a person choose a password; ``person`` is None for the first admin."""

    purpose: str
    person: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often somebody failed in a row, and until when no more is taken."""

    failures: int
    last_at: datetime
    blocked_until: datetime


class SignIns:
    """Sessions, tokens, links and attempts as one transaction sees and changes them."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    # sessions

    def begin(
        self, person: str, digest: str, *, expires_at: datetime, agent: str, address: str
    ) -> Session:
        """A new session; those that are over are forgotten."""
        self._tx.run(sa.delete(sessions).where(sessions.c.expires_at <= self._tx.now))
        made = Session(
            id=f"session:{random.token_hex(8)}",
            person=person,
            created_at=self._tx.now,
            seen_at=self._tx.now,
            expires_at=expires_at,
            agent=agent,
            address=address,
        )
        self._tx.audit("session.begin", person, session=made.id, address=address)
        self._tx.run(sa.insert(sessions).values(digest=digest, **_fields(made)))
        return made

    def session(self, digest: str) -> Session | None:
        """A session by the digest of its secret; also one that is over."""
        row = self._tx.run(_columns(sessions, Session).where(sessions.c.digest == digest)).first()
        return None if row is None else Session(**row._mapping)

    def sessions(self, person: str) -> list[Session]:
        """The sessions of a person that are not over, the latest seen first."""
        query = _columns(sessions, Session).where(
            sessions.c.person == person, sessions.c.expires_at > self._tx.now
        )
        rows = self._tx.run(query.order_by(sessions.c.seen_at.desc(), sessions.c.id))
        return [Session(**row._mapping) for row in rows]

    def seen(self, digest: str) -> None:
        """Note that a session is in use."""
        self._tx.run(
            sa.update(sessions).where(sessions.c.digest == digest).values(seen_at=self._tx.now)
        )

    def end(self, person: str, *, session: str | None = None, but: str | None = None) -> int:
        """End sessions of a person: this one, or all (but one). Returns how many there were."""
        which = sessions.c.person == person
        if session is not None:
            which &= sessions.c.id == session
        if but is not None:
            which &= sessions.c.id != but
        gone = self._tx.run(sa.delete(sessions).where(which).returning(sessions.c.id)).scalars()
        ended = sorted(gone)
        if ended:
            self._tx.audit("session.end", person, sessions=ended)
        return len(ended)

    # tokens

    def add_token(
        self, person: str, digest: str, *, name: str, rights: Iterable[str], expires_at: datetime
    ) -> ApiToken:
        """A new token of a person."""
        made = ApiToken(
            id=f"token:{random.token_hex(8)}",
            person=person,
            name=name,
            rights=tuple(sorted(rights)),
            created_at=self._tx.now,
            expires_at=expires_at,
            used_at=None,
            revoked_at=None,
        )
        self._tx.audit("token.add", made.id, person=person, name=name, rights=list(made.rights))
        values = {**_fields(made), "rights": list(made.rights)}
        self._tx.run(sa.insert(api_tokens).values(digest=digest, **values))
        return made

    def token(self, digest: str) -> ApiToken | None:
        """A token by the digest of its secret; also one that is over."""
        row = self._tx.run(
            _columns(api_tokens, ApiToken).where(api_tokens.c.digest == digest)
        ).first()
        return None if row is None else _token(row)

    def tokens(self, person: str | None = None) -> list[ApiToken]:
        """Tokens of a person, or everybody's, the newest first; also those that are over."""
        query = _columns(api_tokens, ApiToken)
        if person is not None:
            query = query.where(api_tokens.c.person == person)
        rows = self._tx.run(query.order_by(api_tokens.c.created_at.desc(), api_tokens.c.id))
        return [_token(row) for row in rows]

    def used(self, digest: str) -> None:
        """Note that a token is in use."""
        self._tx.run(
            sa.update(api_tokens).where(api_tokens.c.digest == digest).values(used_at=self._tx.now)
        )

    def revoke(self, token: str, *, person: str | None = None) -> bool:
        """Revoke a token, if it is this person's (None: whosever). Whether one was."""
        which = sa.and_(api_tokens.c.id == token, api_tokens.c.revoked_at.is_(None))
        if person is not None:
            which &= api_tokens.c.person == person
        done = self._tx.run(
            sa.update(api_tokens)
            .where(which)
            .values(revoked_at=self._tx.now)
            .returning(api_tokens.c.id)
        ).first()
        if done is not None:
            self._tx.audit("token.revoke", token)
        return done is not None

    def revoke_all(self, person: str) -> None:
        """Revoke every token of a person."""
        for token in self.tokens(person):
            self.revoke(token.id)

    # one-time links

    def add_link(
        self, digest: str, *, purpose: str, person: str | None, expires_at: datetime
    ) -> None:
        """A new link, in place of those of the same purpose and person."""
        self._tx.run(sa.delete(one_time_links).where(one_time_links.c.expires_at <= self._tx.now))
        self.forget_links(purpose, person)
        self._tx.audit("link.add", person or purpose, purpose=purpose)
        self._tx.run(
            sa.insert(one_time_links).values(
                digest=digest, purpose=purpose, person=person, created_at=self._tx.now,
                expires_at=expires_at,
            )
        )  # fmt: skip

    def link(self, digest: str) -> OneTimeLink | None:
        """A link that still holds."""
        query = _columns(one_time_links, OneTimeLink).where(
            one_time_links.c.digest == digest, one_time_links.c.expires_at > self._tx.now
        )
        row = self._tx.run(query).first()
        return None if row is None else OneTimeLink(**row._mapping)

    def take_link(self, digest: str) -> OneTimeLink | None:
        """A link that still holds, given once: two callers never both get it."""
        row = self._tx.run(
            sa.delete(one_time_links)
            .where(one_time_links.c.digest == digest, one_time_links.c.expires_at > self._tx.now)
            .returning(*(one_time_links.c[name] for name in OneTimeLink.__slots__))
        ).first()
        if row is None:
            return None
        self._tx.audit("link.use", row.person or row.purpose, purpose=row.purpose)
        return OneTimeLink(**row._mapping)

    def forget_links(self, purpose: str, person: str | None) -> None:
        """Links of a purpose and person hold no longer."""
        mine = (
            one_time_links.c.person.is_(None)
            if person is None
            else one_time_links.c.person == person
        )
        self._tx.run(sa.delete(one_time_links).where(one_time_links.c.purpose == purpose, mine))

    # attempts

    def attempts(self, key: str) -> Attempts | None:
        """How often a key failed; None: never, as far as is remembered. Only within a change: the
        row is held until it ends."""
        query = _columns(sign_in_attempts, Attempts).where(sign_in_attempts.c.key == key)
        row = self._tx.run(query.with_for_update()).first()
        return None if row is None else Attempts(**row._mapping)

    def failed(self, key: str, pause: Callable[[int], timedelta], since: datetime) -> None:
        """Count one more failure of a key.

        Args:
            pause: from the number of failures to how long no more is taken.
            since: failures whose last one was before this are forgotten.
        """
        self._tx.run(sa.delete(sign_in_attempts).where(sign_in_attempts.c.last_at < since))
        table = sign_in_attempts.c
        counted = self._tx.run(
            self._tx.insert(sign_in_attempts)
            .values(key=key, failures=1, last_at=self._tx.now, blocked_until=self._tx.now)
            .on_conflict_do_update(index_elements=["key"], set_={"failures": table.failures + 1})
            .returning(table.failures)
        ).scalar_one()
        self._tx.run(
            sa.update(sign_in_attempts)
            .where(table.key == key)
            .values(last_at=self._tx.now, blocked_until=self._tx.now + pause(counted))
        )

    def forgive(self, key: str) -> None:
        """Forget the failures of a key."""
        self._tx.run(sa.delete(sign_in_attempts).where(sign_in_attempts.c.key == key))

    def take_back(self, key: str) -> None:
        """Count one failure of a key less: it was none."""
        table = sign_in_attempts.c
        self._tx.run(
            sa.update(sign_in_attempts)
            .where(table.key == key, table.failures > 0)
            .values(failures=table.failures - 1, blocked_until=self._tx.now)
        )


def _columns(table: sa.Table, kind: type) -> sa.Select[Any]:
    return sa.select(*(table.c[name] for name in kind.__slots__))  # type: ignore[attr-defined]  # dataclasses with slots


def _fields(made: Session | ApiToken) -> dict[str, Any]:
    return {name: getattr(made, name) for name in made.__slots__}


def _token(row: sa.Row[Any]) -> ApiToken:
    return ApiToken(**{**row._mapping, "rights": tuple(row.rights)})
