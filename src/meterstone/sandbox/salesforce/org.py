"""The simulated org: its records by object, made from the books of the network."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from meterstone.sandbox.kit import CHANGED, Books, Clock, Entity, Key, Record, Row, micros
from meterstone.sandbox.kit.query import as_moment
from meterstone.sandbox.salesforce import records
from meterstone.sandbox.salesforce.schema import OBJECTS

_FOUNDED = datetime(2020, 1, 1, 9, tzinfo=UTC)


class Org:
    """Everything in the org.

    Attributes:
        id, user: of the organisation, and of the user that integrates.
        entities: records by object.
    """

    def __init__(self, books: Books, clock: Clock, seed: int) -> None:
        self._clock, self._seed, self._nth = clock, seed, count(1)
        self.id = records.id_of("00D", seed, "org")
        self.user = records.id_of("005", seed, "user")
        deals = self._numbered(books, "deal", "deal_id", "salesforce")
        for row in deals:
            prefix = "00Q" if records.is_lead(row) else "006"
            row["id"] = records.id_of(prefix, seed, row["deal_id"])
        clients = {row["client_id"]: row["client_segment"] for row in deals if row["client_id"]}
        accounts = {client: records.id_of("001", seed, client) for client in sorted(clients)}
        tickets = self._numbered(books, "support_ticket", "ticket_id", None)
        for row in tickets:
            row["id"] = records.id_of("500", seed, row["ticket_id"])
        known = [
            {"id": id_, "client": client, "segment": clients[client], "retracted": False}
            for client, id_ in accounts.items()
        ]
        self.entities = {
            "Account": self._entity(
                "Account", known, lambda _row: _FOUNDED,
                lambda row: records.account(row["client"], row["segment"], row["id"], _FOUNDED),
            ),
            "Opportunity": self._entity(
                "Opportunity", [row for row in deals if not records.is_lead(row)],
                records.changed, lambda row: records.opportunity(row, accounts),
            ),
            "Lead": self._entity(
                "Lead", [row for row in deals if records.is_lead(row)], records.changed,
                records.lead,
            ),
            "Case": self._entity("Case", tickets, records.case_changed, records.case),
        }  # fmt: skip

    def new_id(self, prefix: str) -> str:
        """An id that no record has."""
        return records.id_of(prefix, self._seed, f"new-{next(self._nth)}")

    def now_text(self) -> str:
        """The moment, as Salesforce writes it."""
        return records.moment_text(self._clock.now())

    def parent(self, record: Record, relation: str) -> Record | None:
        """The record that another one refers to, by the name of the relation."""
        for sobject in OBJECTS.values():
            for field in sobject.fields.values():
                named = field.name.removesuffix("Id")
                if field.refers and named == relation and field.name in record:
                    id_ = record[field.name]
                    return self.entities[field.refers].get(id_) if id_ else None
        return None

    def _numbered(self, books: Books, fact: str, key: str, source: str | None) -> list[Row]:
        rows = books.rows(fact, source)
        made = [
            {**row, "retracted": gone}
            for row, gone in zip(rows.all, rows.retracted.to_pylist(), strict=True)
        ]
        made.sort(key=operator.itemgetter(key))
        for number, row in enumerate(made, 1):
            row["number"] = number
        return made

    def _entity(
        self, name: str, rows: Sequence[Row], at: Callable[[Row], datetime],
        render: Callable[[Row], Record],
    ) -> Entity:  # fmt: skip
        entity = Entity(
            name, self._clock, ids=[row["id"] for row in rows], rows=rows, render=render,
            keys={CHANGED: Key([_millisecond(at(row)) for row in rows], _changed)},
            stamp=_stamp, id_of=operator.itemgetter("Id"),
        )  # fmt: skip
        for row in rows:
            if row["retracted"]:
                entity.delete(row["id"], silent=True)
        return entity


def stamped_now(record: Record) -> datetime:
    """When a record changed last."""
    return as_moment(record["SystemModstamp"]) or _FOUNDED


def _stamp(record: Record, at: datetime) -> None:
    text = records.moment_text(at)
    record.setdefault("CreatedDate", text)
    record.setdefault("IsDeleted", False)
    record["LastModifiedDate"] = record["SystemModstamp"] = text


def _changed(record: Record) -> int:
    return micros(stamped_now(record))


def _millisecond(at: datetime) -> int:
    return micros(at - timedelta(microseconds=at.microsecond % 1000))
