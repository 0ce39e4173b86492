"""One-time links: by the first one the first administrator is made, by others people choose a
password. A link holds for a while, is used once, and only its digest is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meterstone.ledger import Change, Ledger, OneTimeLink
from meterstone.people.cache import Cache
from meterstone.people.errors import SignInRefused
from meterstone.people.passwords import Passwords
from meterstone.people.rights import Role
from meterstone.people.secret import digest, looks_right, new_secret
from meterstone.people.sessions import Begun, Browser, Sessions
from meterstone.people.texts import shown_text, sign_in_name

SETUP, PASSWORD = "setup", "password"
LIVES = {SETUP: timedelta(hours=24), PASSWORD: timedelta(hours=72)}


@dataclass(frozen=True, slots=True)
class Link:
    """A link to hand to somebody; ``path`` holds its secret."""

    path: str = field(repr=False)
    expires_at: datetime


class Links:
    """The links of a ledger."""

    def __init__(
        self, ledger: Ledger, sessions: Sessions, passwords: Passwords, cache: Cache
    ) -> None:
        self._ledger = ledger
        self._sessions = sessions
        self._passwords = passwords
        self._cache = cache

    def first(self) -> Link | None:
        """A new link that makes the first administrator, in place of one that was given before;
        None: there are people already."""
        with self._ledger.change("setup") as change:
            return None if change.people.all() else _add(change, SETUP, None)

    def for_password(self, person: str, actor: str) -> Link:
        """A link by which a person chooses a (new) password.

        Raises:
            InputError: there is no such person.
        """
        with self._ledger.change(actor) as change:
            return _add(change, PASSWORD, change.people.get(person).id)

    def look(self, secret: str) -> OneTimeLink:
        """What a link is for.

        Raises:
            SignInRefused: it does not hold.
        """
        if looks_right(secret):
            with self._ledger.read() as seen:
                link = seen.sign_ins.link(digest(secret))
                if link is not None and not (link.purpose == SETUP and seen.people.all()):
                    return link
        raise _does_not_hold()

    def set_up(
        self, secret: str, *, name: str, called: str, password: str, browser: Browser
    ) -> Begun:
        """Make the first administrator and sign in.

        Raises:
            SignInRefused: the link does not hold, or somebody was made meanwhile.
            InputError: name or password will not do; the link holds still.
        """
        self.look(secret)
        login, shown = sign_in_name(name), shown_text(called or name, "name")
        hashed = self._passwords.hash(password, name=login)
        with self._ledger.change("setup") as change:
            link = change.sign_ins.take_link(digest(secret))
            if link is None or link.purpose != SETUP or change.people.all():
                raise _does_not_hold()
            made = change.people.add(name=login, called=shown, role=Role.ADMIN)
            change.people.set_password(made.id, hashed)
            return self._sessions.begin(change, made.id, browser)

    def choose(self, secret: str, *, password: str, browser: Browser) -> Begun:
        """Take a new password and sign in; all other sessions of the person end.

        Raises:
            SignInRefused: the link does not hold, or the person is disabled.
            InputError: the password will not do; the link holds still.
        """
        link = self.look(secret)
        if link.person is None:
            raise _does_not_hold()
        with self._ledger.read() as seen:
            person = seen.people.get(link.person)
        hashed = self._passwords.hash(password, name=person.name)
        with self._ledger.change(person.id) as change:
            taken = change.sign_ins.take_link(digest(secret))
            if taken is None or change.people.get(person.id).status != "active":
                raise _does_not_hold()
            change.people.set_password(person.id, hashed)
            change.sign_ins.end(person.id)
            begun = self._sessions.begin(change, person.id, browser)
        self._cache.forget(person.id)
        return begun


def _add(change: Change, purpose: str, person: str | None) -> Link:
    secret = new_secret()
    ends = change.now + LIVES[purpose]
    change.sign_ins.add_link(digest(secret), purpose=purpose, person=person, expires_at=ends)
    return Link(f"/setup?link={secret}", ends)


def _does_not_hold() -> SignInRefused:
    return SignInRefused(
        "this link was used already, or it is too old",
        place="link",
        mend="ask for a new one (meterstone people reset NAME)",
    )
