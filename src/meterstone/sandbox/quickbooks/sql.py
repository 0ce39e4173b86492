"""QuickBooks' query language: ``select … from … where … orderby … startposition … maxresults``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from meterstone.sandbox.kit import CHANGED, Entity, Record, Selection
from meterstone.sandbox.kit.query import Condition, QueryProblem, Reader, sort_key, value_at

MOST = 1000
USUAL = 100
_CHANGED = "MetaData.LastUpdatedTime"


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read.

    Attributes:
        entity: the name as QuickBooks writes it.
        fields: which are selected; empty: all.
        count: whether only their number is asked for.
        order: (field, descending).
    """

    entity: str
    fields: Sequence[str]
    count: bool
    where: Condition | None
    order: Sequence[tuple[str, bool]]
    start: int
    size: int


def read(text: str, entities: Mapping[str, Any]) -> Query:
    """Read a query.

    Raises:
        QueryProblem: it cannot be read, or names an entity that does not exist.
    """
    reader = Reader(text)
    reader.need("SELECT")
    fields, count = _selected(reader)
    reader.need("FROM")
    named, at = reader.word("an entity"), reader.next.position
    known = {name.lower(): name for name in entities}
    if named.lower() not in known:
        raise QueryProblem(f"no entity {named!r}", at)
    where = reader.condition() if reader.take("WHERE") else None
    order = _ordered(reader)
    start, size = 1, USUAL
    if reader.take("STARTPOSITION"):
        start = reader.whole_number("a position", 1)
    if reader.take("MAXRESULTS"):
        size = reader.whole_number("a number of results", 0)
        if size > MOST:
            raise QueryProblem(f"at most {MOST} results can be asked for")
    reader.end()
    return Query(known[named.lower()], fields, count, where, order, start, size)


def _selected(reader: Reader) -> tuple[list[str], bool]:
    fields: list[str] = []
    everything = False
    while True:
        if reader.take("*"):
            everything = True
        elif reader.take("COUNT"):
            for sign in ("(", "*", ")"):
                reader.need(sign)
            return [], True
        else:
            fields.append(reader.field())
        if not reader.take(","):
            return [] if everything else fields, False


def _ordered(reader: Reader) -> list[tuple[str, bool]]:
    if reader.take("ORDER"):
        reader.need("BY")
    elif not reader.take("ORDERBY"):
        return []
    found = []
    while True:
        name = reader.field()
        found.append((name, reader.take("ASC", "DESC") == "DESC"))
        if not reader.take(","):
            return found


def matching(query: Query, entity: Entity) -> Selection:
    """The records that a query finds, in its order.

    What it says of the time of change narrows the records down before one of them is made; only
    where it says more are they made and tested.
    """
    since, until, exact = (
        query.where.window(_CHANGED, timedelta(seconds=1)) if query.where else (None, None, True)
    )
    by_change = [name for name, _ in query.order] in ([], [_CHANGED])
    descending = bool(query.order) and query.order[0][1]
    found = entity.select(
        CHANGED, since=since, until=until, descending=by_change and descending
    )  # fmt: skip
    if exact and by_change:
        return found
    records = list(zip(found.page(0, len(found)), found.slots.tolist(), strict=True))
    if query.where is not None:
        records = [pair for pair in records if query.where.test(pair[0])]
    if not by_change:
        for name, backwards in reversed(query.order):
            records.sort(key=lambda pair: sort_key(value_at(pair[0], name)), reverse=backwards)
    slots = np.array([slot for _, slot in records], dtype=np.int64)
    return Selection(entity, CHANGED, slots, False)


def shown(record: Record, fields: Sequence[str]) -> Record:
    """The selected fields of a record; Id is always among them."""
    if not fields:
        return record
    kept = {"Id", *(name.split(".")[0] for name in fields)}
    return {name: value for name, value in record.items() if name in kept}
