"""Sessions of browsers: begun at sign-in, always with a new secret; ended by log-out, by the person
from another browser, by a new password, by not being used, and in any case after a day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meterstone.ledger import Change, Ledger, Session
from meterstone.people.cache import Cache, Seen
from meterstone.people.principals import principal_of
from meterstone.people.secret import digest, looks_right, new_secret

IDLE = timedelta(hours=2)
"""A session that is not used for so long is over."""
WHOLE = timedelta(hours=24)
"""A session is over after this in any case (NIST SP 800-63B-4, 2.2.3: 24 hours)."""
_NOTED_EVERY = timedelta(minutes=1)
_AGENT_CHARS = 200


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in from.

    Attributes:
        former: the secret of the session that it had before, which ends.
    """

    agent: str = ""
    address: str = ""
    former: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that has begun; the secret goes into the browser's cookie and nowhere else."""

    session: Session
    secret: str = field(repr=False)


class Sessions:
    """The sessions of a ledger."""

    def __init__(self, ledger: Ledger, cache: Cache) -> None:
        self._ledger = ledger
        self._cache = cache

    def begin(self, change: Change, person: str, browser: Browser) -> Begun:
        """Begin a session within a change; the former one of this browser ends."""
        if looks_right(browser.former):
            former = change.sign_ins.session(digest(browser.former))
            if former is not None:
                change.sign_ins.end(former.person, session=former.id)
                self._cache.forget(former.person)
        secret = new_secret()
        session = change.sign_ins.begin(
            person,
            digest(secret),
            expires_at=change.now + WHOLE,
            agent=browser.agent[:_AGENT_CHARS],
            address=browser.address,
        )
        change.people.signed_in(person)
        return Begun(session, secret)

    def known(self, secret: str) -> Seen | None:
        """Whose session it is, where that was asked a moment ago; no database is asked."""
        return self._cache.get(digest(secret))

    def of(self, secret: str) -> Seen | None:
        """Whose session it is; None: nobody's, or it is over, or the person is disabled."""
        if not looks_right(secret):
            return None
        key = digest(secret)
        mark = self._cache.mark
        with self._ledger.read() as seen:
            session = seen.sign_ins.session(key)
            person = None if session is None else seen.people.find(session.person)
            now = seen.now
        if session is None or person is None or person.status != "active":
            return None
        until = _until(session)
        if now >= until:
            return None
        if now - session.seen_at >= _NOTED_EVERY:
            with self._ledger.change(person.id) as change:
                change.sign_ins.seen(key)
            until = min(now + IDLE, session.expires_at)
        found = Seen(principal_of(person), person.id, session.id, until)
        self._cache.put(key, found, mark)
        return found

    def all(self, person: str) -> list[Session]:
        """The sessions of a person that hold, the latest seen first."""
        with self._ledger.read() as seen:
            return [s for s in seen.sign_ins.sessions(person) if seen.now < _until(s)]

    def end(
        self,
        person: str,
        session: str | None = None,
        *,
        but: str | None = None,
        actor: str | None = None,
    ) -> int:
        """End one session of a person, or all (but one). Returns how many.

        Args:
            actor: who does it; None: the person.
        """
        with self._ledger.change(actor or person) as change:
            ended = change.sign_ins.end(person, session=session, but=but)
        self._cache.forget(person)
        return ended


def _until(session: Session) -> datetime:
    return min(session.seen_at + IDLE, session.expires_at)
