"""People: who may sign in, and what they are to the programme.

What a role may do is not known here; see `meterstone.people.rights`.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from meterstone.errors import ConflictError, InputError
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import people, person_franchises

PersonStatus = Literal["active", "disabled"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in.

    Attributes:
        name: what is typed to sign in; unique.
        called: as shown.
        password: the hash of it; None: signs in elsewhere, or has not chosen one yet.
        issuer, subject: who the person is at an identity provider.
        by_claims: made at a sign-in of that provider, which says the role each time.
        franchises: those that an owner owns.
    """

    id: str
    name: str
    called: str
    email: str | None
    role: str
    status: PersonStatus
    password: str | None = field(repr=False)
    issuer: str | None
    subject: str | None
    by_claims: bool
    created_at: datetime
    changed_at: datetime
    signed_in_at: datetime | None
    version: int
    franchises: frozenset[str] = frozenset()


class People:
    """The people as one transaction sees and changes them."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    def add(
        self,
        *,
        name: str,
        called: str,
        role: str,
        email: str | None = None,
        franchises: Iterable[str] = (),
        issuer: str | None = None,
        subject: str | None = None,
        by_claims: bool = False,
    ) -> Person:
        """A new person, who cannot sign in with a password before one is set.

        Raises:
            ConflictError: the name or the address is another person's.
        """
        identifier = f"person:{random.token_hex(8)}"
        made = (
            self._tx.insert(people)
            .values(
                id=identifier, name=name, called=called, email=email, role=role, status="active",
                password=None, issuer=issuer, subject=subject, by_claims=by_claims,
                created_at=self._tx.now, changed_at=self._tx.now, version=1,
            )
            .on_conflict_do_nothing()
            .returning(people.c.id)
        )  # fmt: skip
        self._tx.audit("person.add", identifier, name=name, role=role)
        if self._tx.run(made).first() is None:
            raise ConflictError(
                "there is a person with this name or mail address already",
                place=name,
                mend="choose another, or change the person that there is",
            )
        owned = frozenset(franchises)
        if owned:
            self.own(identifier, owned)
        return self.get(identifier)

    def get(self, person: str) -> Person:
        """A person by id.

        Raises:
            InputError: there is none.
        """
        found = self._first(people.c.id == person)
        if found is None:
            raise InputError("there is no such person", place=person, mend="meterstone people list")
        return found

    def find(self, person: str) -> Person | None:
        """A person by id, if there is one."""
        return self._first(people.c.id == person)

    def named(self, name: str) -> Person | None:
        """A person by the name that is typed to sign in."""
        return self._first(people.c.name == name)

    def by_email(self, email: str) -> Person | None:
        """A person by mail address."""
        return self._first(people.c.email == email)

    def by_identity(self, issuer: str, subject: str) -> Person | None:
        """A person by what an identity provider calls them."""
        return self._first(sa.and_(people.c.issuer == issuer, people.c.subject == subject))

    def all(self) -> list[Person]:
        """Everybody, by name."""
        owned: dict[str, set[str]] = {}
        for row in self._tx.run(sa.select(person_franchises)):
            owned.setdefault(row.person, set()).add(row.franchise)
        rows = self._tx.run(sa.select(people).order_by(people.c.name))
        return [_person(row, owned.get(row.id, set())) for row in rows]

    def own(self, person: str, franchises: Iterable[str]) -> None:
        """Say which franchises a person owns, in place of those before."""
        owned = sorted(set(franchises))
        self._tx.audit("person.own", person, franchises=owned)
        self._tx.run(sa.delete(person_franchises).where(person_franchises.c.person == person))
        if owned:
            rows = [{"person": person, "franchise": each} for each in owned]
            self._tx.connection.execute(sa.insert(person_franchises), rows)

    def update(
        self,
        person: str,
        *,
        called: str | None = None,
        role: str | None = None,
        status: PersonStatus | None = None,
        email: str | None = None,
    ) -> Person:
        """Change what is given.

        Raises:
            ConflictError: the mail address is another person's.
        """
        given = {"called": called, "role": role, "status": status, "email": email}
        values = {name: value for name, value in given.items() if value is not None}
        other = self.by_email(email) if email else None
        if other is not None and other.id != person:
            raise ConflictError(
                "another person has this mail address", place="email", mend="choose another"
            )
        told = {name: values[name] for name in ("role", "status") if name in values}
        self._tx.audit("person.update", person, fields=sorted(values), **told)
        self._change(person, **values)
        return self.get(person)

    def set_password(self, person: str, hashed: str, *, rehash: bool = False) -> None:
        """Keep the hash of a password.

        Args:
            rehash: it is the same password, hashed anew because the parameters changed.
        """
        self._tx.audit("person.rehash" if rehash else "person.password", person)
        self._change(person, password=hashed)

    def drop_password(self, person: str) -> None:
        """A person has no password any more; a link gives a new one."""
        self._tx.audit("person.password", person, dropped=True)
        self._change(person, password=None)

    def identify(self, person: str, issuer: str, subject: str) -> None:
        """Note who a person is at an identity provider."""
        self._tx.audit("person.identify", person, issuer=issuer)
        self._change(person, issuer=issuer, subject=subject)

    def signed_in(self, person: str) -> None:
        """Note that a person signed in now."""
        self._tx.run(
            sa.update(people).where(people.c.id == person).values(signed_in_at=self._tx.now)
        )

    def _change(self, person: str, **values: Any) -> None:
        self._tx.run(
            sa.update(people)
            .where(people.c.id == person)
            .values(**values, changed_at=self._tx.now, version=people.c.version + 1)
        )

    def _first(self, condition: sa.ColumnElement[bool]) -> Person | None:
        row = self._tx.run(sa.select(people).where(condition)).first()
        if row is None:
            return None
        owned = sa.select(person_franchises.c.franchise).where(person_franchises.c.person == row.id)
        return _person(row, self._tx.run(owned).scalars())


def _person(row: sa.Row[Any], franchises: Iterable[str]) -> Person:
    return Person(**row._mapping, franchises=frozenset(franchises))
