"""Leases: the right to do one thing alone, for a time, across processes and machines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import sqlalchemy as sa

from meterstone.errors import LeaseLost
from meterstone.ledger.store import Store, Transaction
from meterstone.ledger.tables import leases

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do ``name`` alone until ``until``.

    ``fence`` grows with every taking: a store that keeps the highest one it saw can refuse what a
    holder does whose lease ran out.
    """

    name: str
    holder: str
    until: datetime
    fence: int


class LeasesIn:
    """Leases within a transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    def take(self, name: str, holder: str, ttl_s: float) -> Lease | None:
        """The lease, or None while somebody else (or this holder) has it."""
        until = self._tx.now + timedelta(seconds=ttl_s)
        row = self._tx.run(
            self._tx.insert(leases)
            .values(name=name, holder=holder, until=until, fence=1)
            .on_conflict_do_update(
                index_elements=["name"],
                set_={"holder": holder, "until": until, "fence": leases.c.fence + 1},
                where=leases.c.until <= self._tx.now,
            )
            .returning(leases)
        ).first()
        return None if row is None else Lease(**row._mapping)

    def extend(self, lease: Lease, ttl_s: float) -> Lease:
        """The same lease for longer, from now.

        Raises:
            LeaseLost: it ran out, or was given back.
        """
        return self._set(lease, self._tx.now + timedelta(seconds=ttl_s))

    def release(self, lease: Lease) -> None:
        """Give it back; what ran out already is left as it is."""
        self._tx.run(
            sa.update(leases)
            .where(leases.c.name == lease.name, leases.c.fence == lease.fence)
            .values(until=self._tx.now)
        )

    def check(self, lease: Lease) -> None:
        """Hold a lease against the database, in the transaction of what it protects.

        Raises:
            LeaseLost: it ran out, or was given back.
        """
        self._set(lease, lease.until)

    def _set(self, lease: Lease, until: datetime) -> Lease:
        row = self._tx.run(
            sa.update(leases)
            .where(
                leases.c.name == lease.name,
                leases.c.fence == lease.fence,
                leases.c.until > self._tx.now,
            )
            .values(until=until)
            .returning(leases)
        ).first()
        if row is None:
            raise LeaseLost(
                "the lease ran out", place=lease.name, mend="take it again, or for a longer time"
            )
        return Lease(**row._mapping)


class Leases:
    """Leases, each call in a transaction of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, name: str, holder: str, ttl_s: float) -> Lease | None:
        """As `LeasesIn.take`."""
        return self._do(lambda inner: inner.take(name, holder, ttl_s))

    def extend(self, lease: Lease, ttl_s: float) -> Lease:
        """As `LeasesIn.extend`."""
        return self._do(lambda inner: inner.extend(lease, ttl_s))

    def release(self, lease: Lease) -> None:
        """As `LeasesIn.release`."""
        self._do(lambda inner: inner.release(lease))

    def _do(self, work: Callable[[LeasesIn], _Result]) -> _Result:
        with self._store.changing("leases") as transaction:
            return work(LeasesIn(transaction))
