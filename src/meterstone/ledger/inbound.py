"""Webhooks in: the addresses that vendors send to, and the events that came (or did not)."""

from __future__ import annotations

import secrets as random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from meterstone.errors import InputError
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import inbound_events, inbound_hooks

_AT_ONCE = 500
DELIVERED, PENDING = "delivered", "pending"


@dataclass(frozen=True, slots=True)
class Hook:
    """An address that a vendor sends to. Its token and key are secrets of ``owner``.

    Attributes:
        connection: whose events come here; None: each event says its account.
        url: without its last part, which is secret.
        taken, doubles, refused: events and deliveries so far.
        handshake: the code that a person shows the vendor, where the vendor asks for that.
    """

    id: str
    connector: str
    connection: str | None
    url: str
    created_at: datetime
    removed_at: datetime | None
    taken: int
    doubles: int
    refused: int
    last_at: datetime | None
    last_refusal: str
    handshake: str

    @property
    def owner(self) -> str:
        """Owner of its secrets."""
        return f"hook:{self.id}"


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One event of a vendor for one connection.

    Attributes:
        event: the vendor's id: what doubles are told by.
        stream, record: what it is about.
        changed_at: when that changed, as the vendor says.
        arrived_at: when the first delivery of it came, or when a poll found the change.
        deliveries: how often it came; 0: never.
        missed: a poll found the change, and no event had told it.
        landed: number in the landing log of what it made us write; None: nothing yet.
        done_at: when that was in the warehouse.
        told: the state that facts tell; empty: they tell nothing yet.
    """

    connection: str
    event: str
    type: str
    stream: str
    record: str
    changed_at: datetime | None
    arrived_at: datetime
    deliveries: int = 1
    missed: bool = False
    landed: int | None = None
    done_at: datetime | None = None
    told: str = ""

    @property
    def state(self) -> str:
        """``delivered`` once it is done, else ``pending``."""
        return PENDING if self.done_at is None else DELIVERED


class Inbound:
    """Hooks and events as one transaction sees and changes them."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    def add_hook(self, connector: str, url: str, connection: str | None = None) -> Hook:
        """A new address; ``url`` without its secret part."""
        made = Hook(
            id=random.token_hex(6), connector=connector, connection=connection, url=url,
            created_at=self._tx.now, removed_at=None, taken=0, doubles=0, refused=0, last_at=None,
            last_refusal="", handshake="",
        )  # fmt: skip
        self._tx.audit("hook.add", made.id, connector=connector, connection=connection)
        fields = {name: getattr(made, name) for name in Hook.__slots__}
        self._tx.run(sa.insert(inbound_hooks).values(fields))
        return made

    def hook(self, hook: str) -> Hook | None:
        """A hook by its id; None: there is none, or it was removed."""
        query = sa.select(inbound_hooks).where(
            inbound_hooks.c.id == hook, inbound_hooks.c.removed_at.is_(None)
        )
        row = self._tx.run(query).first()
        return None if row is None else Hook(**row._mapping)

    def hooks(self, connector: str | None = None) -> list[Hook]:
        """The hooks that were not removed, oldest first."""
        query = sa.select(inbound_hooks).where(inbound_hooks.c.removed_at.is_(None))
        if connector is not None:
            query = query.where(inbound_hooks.c.connector == connector)
        return [Hook(**row._mapping) for row in self._tx.run(query.order_by("created_at"))]

    def remove_hook(self, hook: str) -> Hook:
        """Take nothing more there.

        Raises:
            InputError: there is none.
        """
        found = self.hook(hook)
        if found is None:
            raise InputError("there is no such hook", place=hook, mend="list the hooks")
        self._tx.audit("hook.remove", hook, connector=found.connector)
        self._set(hook, removed_at=self._tx.now)
        return found

    def count(self, hook: str, *, taken: int = 0, doubles: int = 0) -> None:
        """Note what a delivery brought."""
        self._set(
            hook,
            taken=inbound_hooks.c.taken + taken,
            doubles=inbound_hooks.c.doubles + doubles,
            last_at=self._tx.now,
        )

    def refuse(self, hook: str, reason: str) -> None:
        """Note a delivery that was refused."""
        self._set(hook, refused=inbound_hooks.c.refused + 1, last_refusal=reason)

    def shake(self, hook: str, code: str) -> None:
        """Keep the code of a handshake, for a person to show it to the vendor."""
        self._set(hook, handshake=code)

    def note(self, event: InboundEvent) -> bool:
        """Put an event on record; False: it came before, and is counted as a double."""
        fields = {name: getattr(event, name) for name in InboundEvent.__slots__}
        new = self._tx.insert(inbound_events).values(fields).on_conflict_do_nothing()
        if self._tx.run(new.returning(inbound_events.c.event)).first() is not None:
            return True
        again = {"deliveries": inbound_events.c.deliveries + event.deliveries}
        self._tx.run(sa.update(inbound_events).where(*_is(event)).values(again))
        return False

    def fetched(self, connection: str, stream: str, record: str, since: datetime) -> None:
        """A record was fetched because of its events, and is in the warehouse.

        Args:
            since: when the fetch began: it answers the events that had come by then.
        """
        self._tx.run(
            sa.update(inbound_events)
            .where(
                inbound_events.c.connection == connection,
                inbound_events.c.stream == stream,
                inbound_events.c.record == record,
                inbound_events.c.arrived_at <= since,
                inbound_events.c.done_at.is_(None),
                ~inbound_events.c.missed,
            )
            .values(done_at=self._tx.now)
        )

    def settle(self, mapped_to: int) -> list[InboundEvent]:
        """Mark as done what the warehouse has by now, and return it."""
        rows = self._tx.run(
            sa.update(inbound_events)
            .where(inbound_events.c.done_at.is_(None), inbound_events.c.landed <= mapped_to)
            .values(done_at=self._tx.now)
            .returning(inbound_events)
        )
        return [InboundEvent(**row._mapping) for row in rows]

    def is_open(self) -> bool:
        """Is there an event whose facts are on their way to the warehouse?"""
        query = sa.select(inbound_events.c.event).where(
            inbound_events.c.done_at.is_(None), inbound_events.c.landed.is_not(None)
        )
        return self._tx.run(query.limit(1)).first() is not None

    def about(
        self, connection: str, stream: str, records: Collection[str]
    ) -> dict[str, list[InboundEvent]]:
        """The events about some records, by record, in the order in which they came."""
        found: dict[str, list[InboundEvent]] = {}
        wanted = sorted(set(records))
        for start in range(0, len(wanted), _AT_ONCE):
            query = sa.select(inbound_events).where(
                inbound_events.c.connection == connection,
                inbound_events.c.stream == stream,
                inbound_events.c.record.in_(wanted[start : start + _AT_ONCE]),
            )
            for row in self._tx.run(query.order_by(inbound_events.c.arrived_at)):
                found.setdefault(row.record, []).append(InboundEvent(**row._mapping))
        return found

    def missed(self) -> list[InboundEvent]:
        """Changes that a poll found and no event told, judged or not, oldest first."""
        return self._some(inbound_events.c.missed)

    def came(self, since: datetime) -> list[tuple[str, datetime]]:
        """The events that arrived since a moment: connection and time of each, the newest first."""
        table = inbound_events
        query = sa.select(table.c.connection, table.c.arrived_at).where(
            ~table.c.missed, table.c.arrived_at >= since
        )
        rows = self._tx.run(query.order_by(table.c.arrived_at.desc()).limit(_AT_ONCE))
        return [(row.connection, row.arrived_at) for row in rows]

    def suspects(self, before: datetime) -> list[InboundEvent]:
        """Changes that a poll found before a moment, not judged yet, oldest first."""
        return self._some(
            inbound_events.c.missed,
            inbound_events.c.told == "",
            inbound_events.c.arrived_at < before,
        )

    def untold(self, late_before: datetime) -> list[InboundEvent]:
        """Events (no suspects) that facts do not tell, oldest first: those that are done, and those
        that wait since before a moment."""
        done = inbound_events.c.done_at.is_not(None)
        return self._some(
            ~inbound_events.c.missed,
            sa.or_(
                sa.and_(done, inbound_events.c.told != DELIVERED),
                sa.and_(
                    ~done, inbound_events.c.told == "", inbound_events.c.arrived_at < late_before
                ),
            ),
        )

    def tell(self, events: Sequence[InboundEvent]) -> None:
        """Note that the facts tell these events as they were read."""
        for event in events:
            self._tx.run(sa.update(inbound_events).where(*_is(event)).values(told=event.state))

    def forget(self, events: Sequence[InboundEvent]) -> None:
        """Remove suspects of which an event came after all."""
        for event in events:
            self._tx.run(sa.delete(inbound_events).where(*_is(event)))

    def purge(self, before: datetime) -> int:
        """Forget events that came before a moment; one that came again would count as new."""
        return self._tx.run(
            sa.delete(inbound_events).where(inbound_events.c.arrived_at < before)
        ).rowcount

    def _some(self, *where: Any) -> list[InboundEvent]:
        query = sa.select(inbound_events).where(*where).order_by(inbound_events.c.arrived_at)
        return [InboundEvent(**row._mapping) for row in self._tx.run(query.limit(_AT_ONCE))]

    def _set(self, hook: str, **values: Any) -> None:
        self._tx.run(sa.update(inbound_hooks).where(inbound_hooks.c.id == hook).values(values))


def _is(event: InboundEvent) -> tuple[Any, ...]:
    return (
        inbound_events.c.connection == event.connection,
        inbound_events.c.event == event.event,
    )
