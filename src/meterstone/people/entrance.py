"""Signing in with name and password."""

from __future__ import annotations

from meterstone.ledger import Ledger, Person
from meterstone.people.attempts import ACTOR, AttemptLimit
from meterstone.people.errors import SignInRefused
from meterstone.people.passwords import Passwords
from meterstone.people.sessions import Begun, Browser, Sessions
from meterstone.people.texts import typed_name


class Entrance:
    """The door for passwords."""

    def __init__(self, ledger: Ledger, sessions: Sessions, passwords: Passwords) -> None:
        self._ledger = ledger
        self._sessions = sessions
        self._passwords = passwords
        self._limit = AttemptLimit(ledger)

    def sign_in(self, name: str, password: str, browser: Browser) -> Begun:
        """Begin a session. Takes as long for a name that nobody has as for one that somebody has.

        Raises:
            SignInRefused: name or password is wrong, or the person is disabled; it is not told
                which.
            TooManyAttempts: the pause after failed attempts is not over.
        """
        typed = typed_name(name)
        self._limit.begin(typed, browser.address)
        with self._ledger.read() as seen:
            person = seen.people.named(typed)
        kept = person.password if person is not None and person.status == "active" else None
        checked = self._passwords.check(kept, password)
        if person is None or not checked.right:
            self._note(person, browser)
            raise _refused()
        self._limit.succeeded(typed, browser.address)
        with self._ledger.change(person.id) as change:
            if change.people.get(person.id).password != kept:
                raise _refused()  # a new one was chosen while the old one was checked
            if checked.rehashed is not None:
                change.people.set_password(person.id, checked.rehashed, rehash=True)
            return self._sessions.begin(change, person.id, browser)

    def _note(self, person: Person | None, browser: Browser) -> None:
        """Into the audit log, where somebody tried to be a person that there is. The pause bounds
        how many entries there can be; other names are not kept: one may be a password."""
        if person is not None:
            with self._ledger.change(ACTOR) as change:
                change.audit("session.refused", person.id, address=browser.address)


def _refused() -> SignInRefused:
    return SignInRefused(
        "this name and this password do not belong together",
        place="sign-in",
        mend="try again; an administrator of Meterstone can give you a new password link",
    )
