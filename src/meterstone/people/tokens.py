"""API tokens: what a person gives to a program. Shown once, kept as a digest, scoped, expiring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from meterstone.errors import InputError
from meterstone.ledger import ApiToken, Ledger
from meterstone.people.cache import Cache, Seen
from meterstone.people.principals import can_give, principal_of, principal_of_token
from meterstone.people.rights import Right
from meterstone.people.secret import digest, looks_right, new_secret
from meterstone.people.texts import shown_text

PREFIX = "mst_"
"""How every token begins, so that a leaked one is found by a scanner."""
MOST_DAYS = 366
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Made:
    """A new token; ``secret`` is shown this once."""

    token: ApiToken
    secret: str = field(repr=False)


class Tokens:
    """The tokens of a ledger."""

    def __init__(self, ledger: Ledger, cache: Cache) -> None:
        self._ledger = ledger
        self._cache = cache

    def make(
        self,
        person: str,
        name: str,
        rights: Iterable[Right],
        days: int,
        *,
        actor: str | None = None,
    ) -> Made:
        """A new token of a person.

        Args:
            actor: who makes it; None: the person.
            rights: of those that the person has, and only what a token may have.
            days: after which it ends.

        Raises:
            InputError: no name, no right or one that is not the person's to give, too long a life.
        """
        wanted = frozenset(rights)
        name = shown_text(name, "name")
        if not 1 <= days <= MOST_DAYS:
            raise InputError(
                f"a token lives 1 to {MOST_DAYS} days", place="days", mend="make a new one in time"
            )
        with self._ledger.change(actor or person) as change:
            maker = change.people.get(person)
            allowed = can_give(principal_of(maker))
            if not wanted or not wanted <= set(allowed):
                raise InputError(
                    "a token has at least one right, and none that its maker cannot give",
                    place="rights",
                    mend="choose of: " + ", ".join(allowed),
                )
            secret = PREFIX + new_secret()
            made = change.sign_ins.add_token(
                person,
                digest(secret),
                name=name,
                rights=wanted,
                expires_at=change.now + timedelta(days=days),
            )
        return Made(made, secret)

    def known(self, secret: str) -> Seen | None:
        """Whose token it is, where that was asked a moment ago; no database is asked."""
        return self._cache.get(digest(secret))

    def of(self, secret: str) -> Seen | None:
        """Whose token it is; None: nobody's, revoked, expired, or its maker is disabled."""
        if not secret.startswith(PREFIX) or not looks_right(secret.removeprefix(PREFIX)):
            return None
        key = digest(secret)
        mark = self._cache.mark
        with self._ledger.read() as seen:
            token = seen.sign_ins.token(key)
            maker = None if token is None else seen.people.find(token.person)
            now = seen.now
        if token is None or maker is None or maker.status != "active":
            return None
        if token.revoked_at is not None or now >= token.expires_at:
            return None
        if token.used_at is None or now - token.used_at >= _NOTED_EVERY:
            with self._ledger.change(token.id) as change:
                change.sign_ins.used(key)
        found = Seen(principal_of_token(token, maker), maker.id, token.id, token.expires_at)
        self._cache.put(key, found, mark)
        return found

    def all(self, person: str | None = None) -> list[ApiToken]:
        """Tokens of a person, or everybody's, the newest first; also those that are over."""
        with self._ledger.read() as seen:
            return seen.sign_ins.tokens(person)

    def live(self, person: str) -> list[ApiToken]:
        """The tokens of a person that hold, the newest first."""
        with self._ledger.read() as seen:
            return [
                token
                for token in seen.sign_ins.tokens(person)
                if token.revoked_at is None and seen.now < token.expires_at
            ]

    def revoke(self, token: str, actor: str, *, person: str | None = None) -> None:
        """Revoke a token.

        Args:
            person: whose it has to be; None: whosever.

        Raises:
            InputError: there is no such token (of this person), or it was revoked before.
        """
        with self._ledger.change(actor) as change:
            if not change.sign_ins.revoke(token, person=person):
                raise InputError("there is no such token", place=token, mend="see the list")
            owner = next(t.person for t in change.sign_ins.tokens(person) if t.id == token)
        self._cache.forget(owner)
