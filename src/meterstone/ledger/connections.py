"""Connections: the systems that somebody connected."""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from meterstone.errors import ConflictError, InputError, NotFound, suggest
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import connections

Status = Literal["new", "active", "broken", "paused", "disconnected"]
Announce = Callable[[str, Mapping[str, Any]], None]
"""Tells others of an event, in the transaction of its cause (`Outbox.announce`)."""


def _nobody(_event: str, _data: Mapping[str, Any]) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A system that somebody connected.

    ``status``: ``new`` (no credential yet), ``active``, ``broken`` (only a person can mend it, and
    ``reason`` and ``mend`` say how), ``paused`` by a person, ``disconnected``. ``account`` is the
    vendor's name of what was connected; ``franchise_id`` is set where all of it is one franchise.
    """

    id: str
    connector: str
    account: str
    environment: str
    name: str
    franchise_id: str | None
    settings: Mapping[str, Any]
    status: Status
    reason: str
    mend: str
    created_at: datetime
    changed_at: datetime
    version: int


_EVENTS: Mapping[tuple[str, Status], str] = {
    ("new", "active"): "connection.added",
    ("broken", "active"): "connection.mended",
    ("*", "broken"): "connection.broken",
    ("*", "disconnected"): "connection.removed",
}
"""Status before (``*``: any) and after, to what is announced."""


class Connections:
    """The connections as one transaction sees and changes them."""

    def __init__(self, transaction: Transaction, announce: Announce = _nobody) -> None:
        self._tx = transaction
        self._announce = announce

    def add(
        self,
        *,
        connector: str,
        account: str,
        name: str = "",
        franchise_id: str | None = None,
        environment: str = "production",
        settings: Mapping[str, Any] | None = None,
        status: Status = "new",
    ) -> Connection:
        """A new connection; an account that is disconnected may be connected again.

        Raises:
            InputError: this account is connected already.
        """
        found = self.find(connector, account, environment)
        if found is not None:
            raise InputError(
                f"account {account!r} of {connector} is connected already",
                place=found.id,
                mend=f"use {found.id}, or disconnect it first",
            )
        made = Connection(
            id=f"{connector}-{random.token_hex(4)}",
            connector=connector,
            account=account,
            environment=environment,
            name=name or account,
            franchise_id=franchise_id,
            settings=dict(settings or {}),
            status=status,
            reason="",
            mend="",
            created_at=self._tx.now,
            changed_at=self._tx.now,
            version=1,
        )
        self._tx.audit(
            "connection.add", made.id, connector=connector, account=account, name=name,
            franchise_id=franchise_id, environment=environment, status=status,
        )  # fmt: skip
        self._tx.run(sa.insert(connections).values(_columns(made)))
        self._tell("new", made)
        return made

    def get(self, connection: str) -> Connection:
        """A connection by its id.

        Raises:
            InputError: there is none; names the nearest.
        """
        row = self._tx.run(sa.select(connections).where(connections.c.id == connection)).first()
        if row is None:
            ids = list(self._tx.run(sa.select(connections.c.id)).scalars())
            raise NotFound(
                f"unknown connection {connection!r}",
                place="connection",
                mend=suggest(connection, ids) if ids else "meterstone connect VENDOR",
            )
        return _connection(row)

    def find(
        self, connector: str, account: str, environment: str = "production"
    ) -> Connection | None:
        """The connection of an account that is not disconnected."""
        row = self._tx.run(
            sa.select(connections).where(
                connections.c.connector == connector,
                connections.c.account == account,
                connections.c.environment == environment,
                connections.c.status != "disconnected",
            )
        ).first()
        return None if row is None else _connection(row)

    def all(self, connector: str | None = None, status: Status | None = None) -> list[Connection]:
        """All connections, oldest first; of a connector, with a status."""
        query = sa.select(connections).order_by(connections.c.created_at, connections.c.id)
        if connector is not None:
            query = query.where(connections.c.connector == connector)
        if status is not None:
            query = query.where(connections.c.status == status)
        return [_connection(row) for row in self._tx.run(query)]

    def set_status(
        self, connection: str, status: Status, *, reason: str = "", mend: str = ""
    ) -> Connection:
        """Give a connection another status; the same again changes nothing.

        Args:
            reason: one sentence for people: what is wrong.
            mend: what to do about it.
        """
        old = self.get(connection)
        if (old.status, old.reason, old.mend) == (status, reason, mend):
            return old
        self._tx.audit(
            "connection.status", connection, before=old.status, after=status, reason=reason,
            mend=mend,
        )  # fmt: skip
        changed = self._change(old, status=status, reason=reason, mend=mend)
        self._tell(old.status, changed)
        return changed

    def update(
        self,
        connection: str,
        *,
        name: str | None = None,
        account: str | None = None,
        franchise_id: str | None = None,
        settings: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
    ) -> Connection:
        """Change what is given; ``settings`` replace the former ones.

        Raises:
            ConflictError: somebody changed it since ``expected_version``.
        """
        given: dict[str, Any] = {
            "name": name, "account": account, "franchise_id": franchise_id,
            "settings": None if settings is None else dict(settings),
        }  # fmt: skip
        values = {column: value for column, value in given.items() if value is not None}
        old = self.get(connection)
        if expected_version is not None and old.version != expected_version:
            raise _changed(connection)
        told = {name: value for name, value in values.items() if name != "settings"}
        self._tx.audit("connection.update", connection, fields=sorted(values), **told)
        return self._change(old, **values)

    def _tell(self, before: Status, now: Connection) -> None:
        """Announce what a change of status means for others."""
        event = _EVENTS.get((before, now.status)) or _EVENTS.get(("*", now.status))
        if event is None or before == now.status:
            return
        told = {
            "connection": now.id, "connector": now.connector, "name": now.name,
            "franchise_id": now.franchise_id, "environment": now.environment,
            "status": now.status, "reason": now.reason, "mend": now.mend,
        }  # fmt: skip
        self._announce(event, told)

    def _change(self, old: Connection, **values: Any) -> Connection:
        row = self._tx.run(
            sa.update(connections)
            .where(connections.c.id == old.id, connections.c.version == old.version)
            .values(**values, changed_at=self._tx.now, version=old.version + 1)
            .returning(connections)
        ).first()
        if row is None:
            raise _changed(old.id)
        return _connection(row)


def _changed(connection: str) -> ConflictError:
    return ConflictError(
        "somebody else changed it meanwhile", place=connection, mend="read it again"
    )


def _connection(row: sa.Row[Any]) -> Connection:
    return Connection(**row._mapping)


def _columns(connection: Connection) -> dict[str, Any]:
    return {name: getattr(connection, name) for name in Connection.__slots__}
