"""Discrepancies: what a reconciliation found, what was done about it, and the work list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from meterstone.errors import NotFound
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import discrepancies

Kind = Literal["missing", "mismatched", "extra"]
Outcome = Literal["open", "repaired", "withdrawn", "kept", "gone", "accepted"]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One row that two systems do not have alike.

    ``kind``: ``missing`` (the reference has it, the other does not), ``mismatched``, ``extra``.
    ``outcome``: ``repaired`` and ``withdrawn`` by the hub, ``kept`` by a declared precedence,
    ``gone`` by itself, ``accepted`` by a person; ``open``: on the work list. ``detail`` holds the
    fields that differ, as [reference, other]; ``amount`` is the money at stake, in USD.
    ``assigned_to``: the id of the person who is on it; empty: nobody yet.
    """

    id: int
    recon: str
    connection: str
    entity: str
    key: str
    kind: Kind
    detail: Mapping[str, Any]
    amount: float | None
    outcome: Outcome
    reason: str
    found_at: datetime
    resolved_at: datetime | None
    assigned_to: str = ""


class Discrepancies:
    """The discrepancies as one transaction sees and changes them.

    What the hub finds and closes by a declared rule is noted here and in the fact
    ``reconciliation``; what a person decides is in the audit log too.
    """

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    def note(
        self,
        *,
        recon: str,
        connection: str,
        entity: str,
        key: str,
        kind: Kind,
        detail: Mapping[str, Any],
        amount: float | None,
        outcome: Outcome,
        reason: str,
    ) -> Discrepancy:
        """Note what was found; one that is open already is brought up to date instead of noted
        twice, and keeps the reconciliation that found it first."""
        now = self._tx.now
        found = {"detail": dict(detail), "amount": amount, "outcome": outcome, "reason": reason,
                 "resolved_at": None if outcome == "open" else now}  # fmt: skip
        where = _is_open(connection, entity) & (discrepancies.c.key == key)
        again = self._tx.run(
            sa.update(discrepancies)
            .where(where, discrepancies.c.kind == kind)
            .values(found)
            .returning(discrepancies)
        ).first()
        if again is not None:
            return _discrepancy(again)
        row = {"recon": recon, "connection": connection, "entity": entity, "key": key,
               "kind": kind, "found_at": now, **found}  # fmt: skip
        made = self._tx.run(sa.insert(discrepancies).values(row).returning(discrepancies))
        return _discrepancy(made.one())

    def close_gone(self, connection: str, entity: str, still: Collection[str]) -> int:
        """Close the open ones of an entity that a full comparison did not find again.

        Args:
            still: keys that it found.
        """
        gone = [row for row in self.open(connection, entity) if row.key not in set(still)]
        for row in gone:
            self._tx.run(
                sa.update(discrepancies)
                .where(discrepancies.c.id == row.id)
                .values(outcome="gone", resolved_at=self._tx.now)
            )
        return len(gone)

    def accept(self, discrepancy: int, reason: str) -> Discrepancy:
        """A person takes it off the work list, with the reason.

        Raises:
            NotFound: none that is open has this number.
        """
        found = self._change(
            discrepancy, outcome="accepted", reason=reason, resolved_at=self._tx.now
        )
        self._tx.audit("discrepancy.accept", str(discrepancy), reason=reason)
        return found

    def assign(self, discrepancy: int, person: str) -> Discrepancy:
        """Say who is on it, by the person's id; empty: nobody any more.

        Raises:
            NotFound: none that is open has this number.
        """
        found = self._change(discrepancy, assigned_to=person)
        self._tx.audit("discrepancy.assign", str(discrepancy), to=person)
        return found

    def _change(self, discrepancy: int, **values: Any) -> Discrepancy:
        row = self._tx.run(
            sa.update(discrepancies)
            .where(discrepancies.c.id == discrepancy, discrepancies.c.outcome == "open")
            .values(values)
            .returning(discrepancies)
        ).first()
        if row is None:
            raise _none_open(discrepancy)
        return _discrepancy(row)

    def open(self, connection: str | None = None, entity: str | None = None) -> list[Discrepancy]:
        """The work list: what is open, the largest amount first."""
        return self.those(_is_open(connection, entity))

    def those(self, which: sa.ColumnElement[bool]) -> list[Discrepancy]:
        """Those of which a condition on their columns holds, the largest amount first."""
        query = sa.select(discrepancies).where(which)
        rows = [_discrepancy(row) for row in self._tx.run(query.order_by(discrepancies.c.id))]
        return sorted(rows, key=lambda row: -abs(row.amount or 0.0))

    def of(self, recon: str) -> list[Discrepancy]:
        """Everything that one reconciliation found first."""
        query = sa.select(discrepancies).where(discrepancies.c.recon == recon)
        return [_discrepancy(row) for row in self._tx.run(query.order_by(discrepancies.c.id))]

    def still_open(self, found_before: datetime) -> dict[str, int]:
        """How many are open of each reconciliation that found one before a moment."""
        query = (
            sa.select(discrepancies.c.recon, sa.func.count().label("number"))
            .where(discrepancies.c.outcome == "open", discrepancies.c.found_at <= found_before)
            .group_by(discrepancies.c.recon)
        )
        return {row.recon: row.number for row in self._tx.run(query)}


def _none_open(discrepancy: int) -> NotFound:
    return NotFound(
        "no open discrepancy has this number",
        place=f"discrepancy {discrepancy}",
        mend="meterstone reconcile --open lists them",
    )


def _is_open(connection: str | None, entity: str | None) -> sa.ColumnElement[bool]:
    parts = [discrepancies.c.outcome == "open"]
    if connection is not None:
        parts.append(discrepancies.c.connection == connection)
    if entity is not None:
        parts.append(discrepancies.c.entity == entity)
    return sa.and_(*parts)


def _discrepancy(row: sa.Row[Any]) -> Discrepancy:
    return Discrepancy(**row._mapping)
