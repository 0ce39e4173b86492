"""Events that vendors sent: which came already, and what they were about."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import inbound_events

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One event of a vendor for one connection.

    Attributes:
        event: the vendor's id: what doubles are told by.
        stream, record: what it is about.
        changed_at: when that changed, as the vendor says.
        arrived_at: when the first delivery of it came.
    """

    connection: str
    event: str
    stream: str
    record: str
    changed_at: datetime | None
    arrived_at: datetime


class Inbound:
    """The events as one transaction sees and changes them."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    def note(self, event: InboundEvent) -> bool:
        """Put an event on record; False: it came before."""
        fields = {name: getattr(event, name) for name in InboundEvent.__slots__}
        new = self._tx.insert(inbound_events).values(fields).on_conflict_do_nothing()
        return self._tx.run(new.returning(inbound_events.c.event)).first() is not None

    def about(
        self, connection: str, stream: str, records: Collection[str]
    ) -> dict[str, list[InboundEvent]]:
        """The events about some records, by record, in the order in which they came."""
        found: dict[str, list[InboundEvent]] = {}
        wanted = sorted(set(records))
        for start in range(0, len(wanted), _AT_ONCE):
            query = (
                sa.select(inbound_events)
                .where(
                    inbound_events.c.connection == connection,
                    inbound_events.c.stream == stream,
                    inbound_events.c.record.in_(wanted[start : start + _AT_ONCE]),
                )
                .order_by(inbound_events.c.arrived_at)
            )
            for row in self._tx.run(query):
                found.setdefault(row.record, []).append(InboundEvent(**row._mapping))
        return found

    def first_at(self, connection: str) -> datetime | None:
        """When the first event of a connection came; None: none ever did."""
        query = sa.select(sa.func.min(inbound_events.c.arrived_at)).where(
            inbound_events.c.connection == connection
        )
        return self._tx.run(query).scalar()

    def purge(self, before: datetime) -> int:
        """Forget events that came before a moment; one that came again would count as new."""
        return self._tx.run(
            sa.delete(inbound_events).where(inbound_events.c.arrived_at < before)
        ).rowcount
