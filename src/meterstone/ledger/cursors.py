"""Cursors: how far each stream of each connection has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from meterstone.errors import ConflictError
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import cursors


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one stream of one connection has come; ``value`` is what the stream made of it."""

    connection: str
    stream: str
    value: Mapping[str, Any]
    version: int
    changed_at: datetime


class Cursors:
    """The cursors as one transaction sees and changes them.

    A checkpoint is no entry of the audit log (there is one a page); setting a cursor back is.
    """

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    def get(self, connection: str, stream: str) -> Cursor | None:
        """The cursor, or None where the stream was never read."""
        row = self._tx.run(sa.select(cursors).where(_is(connection, stream))).first()
        return None if row is None else Cursor(**row._mapping)

    def of(self, connection: str) -> list[Cursor]:
        """The cursors of a connection, by stream."""
        query = sa.select(cursors).where(cursors.c.connection == connection)
        return [Cursor(**row._mapping) for row in self._tx.run(query.order_by(cursors.c.stream))]

    def put(
        self,
        connection: str,
        stream: str,
        value: Mapping[str, Any],
        expected_version: int | None = None,
    ) -> Cursor:
        """Checkpoint.

        Args:
            value: JSON values.
            expected_version: the version it was read with, 0 for none; None: whatever it is.

        Raises:
            ConflictError: another run moved it meanwhile.
        """
        fields = {"value": dict(value), "changed_at": self._tx.now}
        next_ = {**fields, "version": cursors.c.version + 1}
        new = self._tx.insert(cursors).values(
            connection=connection, stream=stream, version=1, **fields
        )
        key = ["connection", "stream"]
        statement = {
            None: new.on_conflict_do_update(index_elements=key, set_=next_),
            0: new.on_conflict_do_nothing(index_elements=key),
        }.get(
            expected_version,
            sa.update(cursors)
            .where(_is(connection, stream), cursors.c.version == expected_version)
            .values(next_),
        )
        row = self._tx.run(statement.returning(cursors)).first()
        if row is None:
            raise ConflictError(
                "another run moved this cursor meanwhile",
                place=f"{connection} {stream}",
                mend="let only one run of a stream work at a time; read the cursor again",
            )
        return Cursor(**row._mapping)

    def reset(self, connection: str, stream: str) -> None:
        """Forget how far a stream has come: the next run reads it from the beginning."""
        self._tx.audit("cursor.reset", connection, stream=stream)
        self._tx.run(sa.delete(cursors).where(_is(connection, stream)))


def _is(connection: str, stream: str) -> sa.ColumnElement[bool]:
    return sa.and_(cursors.c.connection == connection, cursors.c.stream == stream)
