"""SOQL, as much of it as a sync needs: select, where, order by, limit, offset; parents of a record.

Not imitated: aggregates but ``COUNT()``, subqueries, date words such as TODAY.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from meterstone.sandbox.kit import CHANGED, Record, Selection
from meterstone.sandbox.kit.query import (
    Condition,
    QueryProblem,
    Reader,
    sort_key,
    value_at,
)
from meterstone.sandbox.salesforce.org import Org
from meterstone.sandbox.salesforce.schema import DATED, OBJECTS, Sobject

_MODSTAMP = "SystemModstamp"
_MS = timedelta(milliseconds=1)
_MOST_FIELDS_ALL = 200
_MOST_OFFSET = 2000


class InvalidField(QueryProblem):
    """A field that the object does not have, or a value that is not of its type."""


class InvalidType(QueryProblem):
    """An object that the org does not have."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read.

    Attributes:
        fields: in the case of the schema.
        count: whether only their number is asked for.
        relations: the parents that it names anywhere, such as Account.
    """

    sobject: Sobject
    fields: Sequence[str]
    count: bool
    where: Condition | None
    order: Sequence[tuple[str, bool]]
    limit: int | None
    offset: int
    relations: frozenset[str]


def read(text: str, *, bulk: bool = False) -> Query:
    """Read a query.

    Raises:
        QueryProblem: `InvalidField`, `InvalidType`, or it cannot be read.
    """
    sobject = _object(text)
    reader = Reader(
        text, known=lambda name: sobject.field(name) is not None,
        unknown=lambda name, at: InvalidField(
            f"No such column '{name}' on entity '{sobject.name}'", at
        ),
        check=lambda name, value, at: _check(sobject, name, value, at),
    )  # fmt: skip
    reader.need("SELECT")
    fields, count, everything = _selected(reader, sobject)
    reader.need("FROM")
    reader.word("an object")
    where = reader.condition() if reader.take("WHERE") else None
    order = _ordered(reader, sobject)
    limit = reader.whole_number("a limit") if reader.take("LIMIT") else None
    offset = reader.whole_number("an offset") if reader.take("OFFSET") else 0
    reader.end()
    if everything and (bulk or limit is None or limit > _MOST_FIELDS_ALL):
        raise QueryProblem(
            "The SOQL FIELDS function must have a LIMIT of at most 200, and none in bulk jobs"
        )
    if offset > _MOST_OFFSET:
        raise QueryProblem(f"Maximum SOQL offset allowed is {_MOST_OFFSET}")
    if bulk and (count or offset):
        raise QueryProblem("bulk jobs take neither COUNT() nor OFFSET")
    relations = {_cased(sobject, name).rpartition(".")[0] for name in reader.named} - {""}
    return Query(sobject, fields, count, where, order, limit, offset, frozenset(relations))


def _object(text: str) -> Sobject:
    """The object, which is named after the fields that are checked by it."""
    words = [token for token in Reader(text).all if token.kind == "word"]
    named = [str(token.value).upper() for token in words]
    place = named.index("FROM") + 1 if "FROM" in named else len(words)
    if place >= len(words):
        raise QueryProblem("unexpected token: a query needs SELECT … FROM an object")
    wanted = str(words[place].value)
    found = next((o for n, o in OBJECTS.items() if n.lower() == wanted.lower()), None)
    if found is None:
        raise InvalidType(f"sObject type '{wanted}' is not supported", words[place].position)
    return found


def _check(sobject: Sobject, name: str, value: Any, at: int) -> None:
    """A moment is written without quotes, and only a moment can be compared with one."""
    field = sobject.field(name)
    if field is None or value is None or (field.type in DATED) == isinstance(value, datetime):
        return
    wanted = (
        f"must be of type {field.type} and should not be enclosed in quotes"
        if field.type in DATED else "should be enclosed in quotes"
    )  # fmt: skip
    raise InvalidField(f"value of filter criterion for field '{name}' {wanted}", at)


def _selected(reader: Reader, sobject: Sobject) -> tuple[list[str], bool, bool]:
    fields: list[str] = []
    everything = False
    while True:
        if reader.take("COUNT"):
            reader.need("(")
            reader.need(")")
            return [], True, False
        if reader.take("FIELDS"):
            reader.need("(")
            which = reader.need("ALL", "STANDARD", "CUSTOM")
            reader.need(")")
            everything = everything or which != "STANDARD"
            fields += _group(sobject, which)
        else:
            fields.append(_cased(sobject, reader.field()))
        if not reader.take(","):
            break
    if len(set(fields)) != len(fields):
        raise QueryProblem("duplicate field selected")
    return fields, False, everything


def _group(sobject: Sobject, which: str) -> Iterable[str]:
    return [
        field.name for field in sobject.fields.values()
        if which == "ALL" or field.custom == (which == "CUSTOM")
    ]  # fmt: skip


def _cased(sobject: Sobject, name: str) -> str:
    field = sobject.field(name)
    above, _, own = name.rpartition(".")
    named = field.name if field else own
    if not above:
        return named
    parent = next(f for f in sobject.fields.values() if f.name.lower() == f"{above}id".lower())
    return f"{parent.name.removesuffix('Id')}.{named}"


def _ordered(reader: Reader, sobject: Sobject) -> list[tuple[str, bool]]:
    if not reader.take("ORDER"):
        return []
    reader.need("BY")
    found = []
    while True:
        name = _cased(sobject, reader.field())
        found.append((name, reader.take("ASC", "DESC") == "DESC"))
        if reader.take("NULLS"):
            reader.need("FIRST", "LAST")
        if not reader.take(","):
            return found


def matching(org: Org, query: Query, *, deleted: bool = False) -> Selection:
    """The records that a query finds, in its order.

    Args:
        deleted: those in the recycle bin too (queryAll).
    """
    entity = org.entities[query.sobject.name]
    since, until, exact = query.where.window(_MODSTAMP, _MS) if query.where else (None, None, True)
    by_change = [name for name, _ in query.order] in ([], [_MODSTAMP])
    found = entity.select(
        CHANGED, since=since, until=until, deleted=None if deleted else False,
        descending=by_change and bool(query.order) and query.order[0][1],
    )  # fmt: skip
    if not (exact and by_change):
        pairs = list(zip(found.page(0, len(found)), found.slots.tolist(), strict=True))
        joined = [(with_parents(org, record, query), slot) for record, slot in pairs]
        if query.where is not None:
            joined = [pair for pair in joined if query.where.test(pair[0])]
        if not by_change:
            for name, backwards in reversed(query.order):
                joined.sort(key=_by(name), reverse=backwards)
        found = Selection(
            entity, CHANGED, np.array([slot for _, slot in joined], dtype=np.int64), False
        )
    end = None if query.limit is None else query.offset + query.limit
    return Selection(entity, CHANGED, found.slots[query.offset : end], False)


def _by(name: str) -> Any:
    return lambda pair: sort_key(value_at(pair[0], name))


def with_parents(org: Org, record: Record, query: Query) -> Mapping[str, Any]:
    """A record with its parents under the names of their relations."""
    gone = org.entities[query.sobject.name].is_deleted(record["Id"])
    parents = {relation: org.parent(record, relation) for relation in query.relations}
    return {**record, "IsDeleted": gone, **parents}


def shown(org: Org, record: Record, query: Query, base: str) -> Record:
    """A record as an answer has it: attributes first, then the fields in the order asked for."""
    whole = with_parents(org, record, query)
    answer: Record = {"attributes": _attributes(query.sobject.name, record["Id"], base)}
    for name in query.fields:
        relation, _, own = name.partition(".")
        if not own:
            answer[name] = whole.get(name)
            continue
        parent = whole[relation]
        if parent is None:
            answer[relation] = None
            continue
        above = answer.setdefault(relation, {})
        if not above:
            refers = query.sobject.fields[f"{relation}Id"].refers
            above["attributes"] = _attributes(refers, parent["Id"], base)
        above[own] = parent.get(own)
    return answer


def _attributes(name: str, id_: str, base: str) -> dict[str, str]:
    return {"type": name, "url": f"{base}/sobjects/{name}/{id_}"}
