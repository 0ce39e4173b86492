"""Managing people: who there is, their roles, what owners own; and the own password."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from meterstone.errors import InputError, suggest
from meterstone.ledger import Change, Ledger, Person, PersonStatus
from meterstone.people.attempts import AttemptLimit
from meterstone.people.cache import Cache
from meterstone.people.errors import SignInRefused
from meterstone.people.passwords import Passwords
from meterstone.people.rights import Role
from meterstone.people.texts import mail_address, shown_text, sign_in_name


class Directory:
    """The people of a ledger, for who may manage them."""

    def __init__(self, ledger: Ledger, passwords: Passwords, cache: Cache) -> None:
        self._ledger = ledger
        self._passwords = passwords
        self._cache = cache
        self._limit = AttemptLimit(ledger)

    def all(self, at: datetime | None = None) -> list[Person]:
        """Everybody, by name; as they were at a moment (UTC)."""
        with self._ledger.read() as seen:
            return seen.past(at).people() if at else seen.people.all()

    def get(self, person: str) -> Person:
        """A person by id or by name.

        Raises:
            InputError: there is none; says who is meant.
        """
        with self._ledger.read() as seen:
            found = seen.people.find(person) or seen.people.named(person)
            if found is None:
                names = [each.name for each in seen.people.all()]
                raise InputError(
                    f"there is no person {person[:100]!r}",
                    place="name",
                    mend=suggest(person, names),
                )
        return found

    def called(self, actor: str) -> str:
        """A person's name; what is a token, or nobody any more, by its id."""
        with self._ledger.read() as seen:
            found = seen.people.find(actor)
        return (found.called or found.name) if found else actor

    def add(
        self,
        actor: str,
        *,
        name: str,
        called: str = "",
        role: str,
        email: str = "",
        franchises: Iterable[str] = (),
        password: str | None = None,
    ) -> Person:
        """A new person; without a password they get one by a link.

        Raises:
            InputError: a text will not do, the role is none, or an owner owns nothing.
            ConflictError: name or mail address is another's.
        """
        login = sign_in_name(name)
        owned = _franchises(role_of(role), franchises)
        hashed = None if password is None else self._passwords.hash(password, name=login)
        with self._ledger.change(actor) as change:
            made = change.people.add(
                name=login,
                called=shown_text(called or name, "name"),
                role=role_of(role),
                email=mail_address(email),
                franchises=owned,
            )
            if hashed is not None:
                change.people.set_password(made.id, hashed)
        return made

    def change(
        self,
        actor: str,
        person: str,
        *,
        role: str | None = None,
        status: PersonStatus | None = None,
        franchises: Iterable[str] | None = None,
    ) -> Person:
        """Change what is given; it holds from the next request on. Who is disabled is signed out,
        and their tokens are revoked.

        Raises:
            InputError: the role is none, or nobody would be left who may manage people.
        """
        with self._ledger.change(actor) as change:
            before = change.people.get(person)
            new = role_of(role or before.role)
            owned = _franchises(new, before.franchises if franchises is None else franchises)
            after = change.people.update(person, role=new, status=status)
            if owned != before.franchises:
                change.people.own(person, owned)
            if after.status == "disabled":
                change.sign_ins.end(person)
                change.sign_ins.revoke_all(person)
            _require_manager(change)
            after = change.people.get(person)
        self._cache.forget(person)
        return after

    def set_password(self, actor: str, person: str, password: str) -> None:
        """Give a person a password; their sessions end."""
        found = self.get(person)
        hashed = self._passwords.hash(password, name=found.name)
        with self._ledger.change(actor) as change:
            change.people.set_password(found.id, hashed)
            change.sign_ins.end(found.id)
        self._cache.forget(found.id)

    def drop_password(self, actor: str, person: str) -> None:
        """The password of a person holds no longer, and their sessions end."""
        with self._ledger.change(actor) as change:
            change.people.drop_password(person)
            change.sign_ins.end(person)
        self._cache.forget(person)

    def change_password(self, person: str, session: str, old: str, new: str, address: str) -> None:
        """Change the own password; all other sessions end.

        Args:
            session: the one that stays.

        Raises:
            SignInRefused: the old password is wrong.
            TooManyAttempts: it was wrong too often.
            InputError: the new one will not do.
        """
        found = self.get(person)
        self._limit.begin(found.name, address)
        if not self._passwords.check(found.password, old).right:
            raise SignInRefused(
                "the present password is wrong", place="password", mend="type it again"
            )
        self._limit.succeeded(found.name, address)
        hashed = self._passwords.hash(new, name=found.name)
        with self._ledger.change(person) as change:
            change.people.set_password(person, hashed)
            change.sign_ins.end(person, but=session)
        self._cache.forget(person)


def role_of(text: str) -> Role:
    """A role by its name.

    Raises:
        InputError: there is no such role.
    """
    try:
        return Role(text)
    except ValueError:
        raise InputError(
            f"unknown role {text[:100]!r}", place="role", mend=suggest(text, [*Role])
        ) from None


def _franchises(role: Role, given: Iterable[str]) -> frozenset[str]:
    owned = frozenset(shown_text(each, "franchise") for each in given)
    if role is Role.OWNER and not owned:
        raise InputError(
            "an owner owns at least one franchise", place="franchises", mend="name it by its id"
        )
    return owned if role is Role.OWNER else frozenset()


def _require_manager(change: Change) -> None:
    if not any(p.role == Role.ADMIN and p.status == "active" for p in change.people.all()):
        raise InputError(
            "nobody would be left who may manage people",
            place="role",
            mend="make somebody else an admin first",
        )
