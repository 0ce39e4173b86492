"""Secrets: values that are sealed, with versions.

An owner is the id of a connection, or any text such as ``app:square`` (the registration of a
client) or ``flow:…`` (a sign-in under way).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from meterstone.errors import ConflictError
from meterstone.ledger.seal import Sealer
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import data_keys, info, secrets

HOME_KEY = "home_key"
"""Name under which ``ledger_info`` names the key of the home that wraps."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that was sealed; its repr does not show it."""

    owner: str
    name: str
    version: int
    expires_at: datetime | None
    changed_at: datetime
    value: bytes = field(repr=False)


class Secrets:
    """The secrets as one transaction sees and changes them."""

    def __init__(self, transaction: Transaction, sealer: Sealer) -> None:
        self._tx = transaction
        self._sealer = sealer

    def get(self, owner: str, name: str) -> Secret | None:
        """A secret, or None where there is none. One that has expired is given too.

        Raises:
            VerificationFailed: it does not open: changed, or moved from another place.
        """
        # In one statement: between two of them another transaction may delete both, key and value.
        query = (
            sa.select(secrets, data_keys.c.home_key, data_keys.c.wrapped)
            .join(data_keys, data_keys.c.owner == secrets.c.owner)
            .where(secrets.c.owner == owner, secrets.c.name == name)
        )
        row = self._tx.run(query).first()
        if row is None or row.sealed is None:
            return None
        key = self._sealer.unwrap(row.wrapped, owner, row.home_key)
        return Secret(
            owner=owner,
            name=name,
            version=row.version,
            expires_at=row.expires_at,
            changed_at=row.changed_at,
            value=self._sealer.open(key, row.sealed, owner, name, row.version),
        )

    def at_rest(self, owner: str, name: str) -> bytes | None:
        """The stored bytes as they lie: nonce, ciphertext and tag, for the check that they are."""
        row = self._row(owner, name)
        return None if row is None else row.sealed

    def names(self, owner: str) -> list[str]:
        """Which secrets an owner has."""
        query = sa.select(secrets.c.name).where(
            secrets.c.owner == owner, secrets.c.sealed.is_not(None)
        )
        return sorted(self._tx.run(query).scalars())

    def put(
        self,
        owner: str,
        name: str,
        value: bytes,
        *,
        expires_at: datetime | None = None,
        expected_version: int | None = None,
    ) -> int:
        """Keep a value and return its version, which grows by one with every change.

        Args:
            expires_at: until when the value holds; `purge` removes owners all of whose values
                have expired.
            expected_version: the version that this one follows, 0 for none; None: any.

        Raises:
            ConflictError: the version is another one: somebody renewed it meanwhile. Read it again.
        """
        row = self._row(owner, name, lock=True)
        before = row.version if row is not None else 0
        live = before if row is not None and row.sealed is not None else 0
        if expected_version is not None and expected_version != live:
            raise _renewed(owner, name)
        version = before + 1
        self._tx.audit("secret.put", owner, name=name, version=version)
        sealed = self._sealer.seal(self._data_key(owner), value, owner, name, version)
        values = {
            "version": version, "sealed": sealed, "expires_at": expires_at,
            "changed_at": self._tx.now,
        }  # fmt: skip
        done = self._tx.run(
            self._tx.insert(secrets)
            .values(owner=owner, name=name, **values)
            .on_conflict_do_update(
                index_elements=["owner", "name"], set_=values, where=secrets.c.version == before
            )
            .returning(secrets.c.version)
        ).first()
        if done is None:
            raise _renewed(owner, name)
        return version

    def delete(self, owner: str, name: str | None = None) -> None:
        """Remove one value, or all of an owner together with its data key, after which no copy of
        the database opens them."""
        self._tx.audit("secret.delete", owner, name=name)
        mine = secrets.c.owner == owner
        if name is not None:
            gone = sa.update(secrets).where(mine, secrets.c.name == name)
            self._tx.run(gone.values(sealed=None, expires_at=None, changed_at=self._tx.now))
            return
        self._tx.run(sa.delete(secrets).where(mine))
        self._tx.run(sa.delete(data_keys).where(data_keys.c.owner == owner))

    def purge(self, prefix: str) -> int:
        """Remove the owners that begin with a prefix and all of whose values have expired."""
        query = (
            sa.select(secrets.c.owner)
            .where(secrets.c.owner.startswith(prefix, autoescape=True))
            .group_by(secrets.c.owner)
            .having(sa.func.count() == sa.func.count(secrets.c.expires_at))
            .having(sa.func.max(secrets.c.expires_at) <= self._tx.now)
        )
        owners = list(self._tx.run(query).scalars())
        for owner in owners:
            self.delete(owner)
        return len(owners)

    def rewrap(self) -> str:
        """Make a new key of the home and wrap all data keys with it; returns its id."""
        new = self._sealer.new_home_key()
        self._tx.audit("home_key.rotate", "ledger", key=new)
        rows = self._tx.run(sa.select(data_keys).with_for_update()).all()
        for row in rows:
            key = self._sealer.unwrap(row.wrapped, row.owner, row.home_key)
            self._tx.run(
                sa.update(data_keys)
                .where(data_keys.c.owner == row.owner)
                .values(home_key=new, wrapped=self._sealer.wrap(key, row.owner, new))
            )
        self._tx.run(sa.update(info).where(info.c.name == HOME_KEY).values(value=new))
        return new

    def _row(self, owner: str, name: str, *, lock: bool = False) -> sa.Row[Any] | None:
        query = sa.select(secrets).where(secrets.c.owner == owner, secrets.c.name == name)
        return self._tx.run(query.with_for_update() if lock else query).first()

    def _data_key(self, owner: str) -> bytes:
        row = self._tx.run(sa.select(data_keys).where(data_keys.c.owner == owner)).first()
        if row is None:
            home_key = self._tx.run(
                # Shared with other writers, but not with a rotation of the key.
                sa.select(info.c.value).where(info.c.name == HOME_KEY).with_for_update(read=True)
            ).scalar_one()
            key, wrapped = self._sealer.new_data_key(owner, home_key)
            made = self._tx.insert(data_keys).values(
                owner=owner, home_key=home_key, wrapped=wrapped, created_at=self._tx.now
            )
            if self._tx.run(made.on_conflict_do_nothing().returning(data_keys.c.owner)).first():
                return key
            row = self._tx.run(sa.select(data_keys).where(data_keys.c.owner == owner)).one()
        return self._sealer.unwrap(row.wrapped, owner, row.home_key)


def _renewed(owner: str, name: str) -> ConflictError:
    return ConflictError(
        "somebody renewed this secret meanwhile",
        place=f"{owner} {name}",
        mend="read it again and use the newer one",
    )
