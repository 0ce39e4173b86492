"""Resolves relations: each fact is one by itself, the written ones build on them and each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter

from meterstone.catalogue import types
from meterstone.catalogue.model import (
    FactShape,
    RawMaterialize,
    RawRelation,
    RawScope,
    Relation,
    ScopeRule,
)
from meterstone.catalogue.problems import Problems
from meterstone.catalogue.reading import Written
from meterstone.catalogue.source import Position
from meterstone.catalogue.sql import (
    Query,
    check_columns,
    columns_of_query,
    parse_query,
    parse_value,
)
from meterstone.catalogue.windows import parse_duration
from meterstone.errors import suggest

ROLLUP_MEASURES = {"requests": "BIGINT", "timed_requests": "BIGINT", "value_total": "DOUBLE"}
"""Columns of a rollup relation beside its dimensions: weight, weight of rows with a value, and the
sum of value × weight."""

ORIGIN = {"newest": "TIMESTAMP", "evidence_rank": "INT"}
"""Columns that say how fresh and how strong the rows are; facts have them, relations may."""

_TIME = "TIMESTAMP"
PARAMETERS: Mapping[str, types.Columns] = {
    "moment": {"i": "BIGINT", "at": _TIME, "opens": _TIME, "closes": _TIME},
    "instant": {"at": _TIME},
    "day": {"opens": _TIME, "closes": _TIME},
}
"""Tables that hold the moments measured, and the instants and days of the range asked for. Days are
those of the reporting time zone."""

_SCOPE_COLUMNS: Mapping[str, str | None] = {
    "network": None,
    "franchise": "franchise_id",
    "integration": "integration",
    "endpoint_group": "endpoint_group",
}
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is common to the two kinds of written relations."""

    columns: dict[str, str]
    time: str
    reads: dict[str, timedelta | None]
    uses: tuple[str, ...] = ()
    sql: str | None = None
    hidden: frozenset[str] = frozenset()
    looks_back: Mapping[str, timedelta | None] = field(default_factory=dict)


def resolve_relations(
    written: Mapping[str, Written[RawRelation]],
    shapes: Mapping[str, FactShape],
    time_zone: str = "UTC",
) -> dict[str, Relation]:
    """All relations by name, those of the facts first.

    Relations are stored by UTC day, so that one over the days of another time zone is not stored.

    Raises:
        CatalogueError: every relation that is wrong by itself; of those that build on a wrong one
            nothing is said.
    """
    problems = Problems()
    resolver = _Resolver(written, shapes, problems, time_zone)
    relations = resolver.resolve()
    problems.raise_any()
    return relations


class _Resolver:
    """Resolves relations in the order in which they read each other."""

    def __init__(
        self,
        written: Mapping[str, Written[RawRelation]],
        shapes: Mapping[str, FactShape],
        problems: Problems,
        time_zone: str,
    ) -> None:
        self._written = written
        self._time_zone = time_zone
        self._shapes = shapes
        self._problems = problems
        #: Relations with a sound form; None for a rollup.
        self._queries: dict[str, Query | None] = {}
        self._done = {name: _fact_relation(name, shape) for name, shape in shapes.items()}

    def resolve(self) -> dict[str, Relation]:
        for name, entry in self._written.items():
            with self._problems.caught():
                self._check_form(name, entry.raw, entry.at)
                self._queries[name] = None if entry.raw.rollup else self._query(name)
        with self._problems.caught():
            for name in self._in_order():
                if self._is_sound(name):
                    with self._problems.caught():
                        self._done[name] = self._build(name)
        return self._done

    def _check_form(self, name: str, raw: RawRelation, at: Position) -> None:
        if name in self._shapes or name in PARAMETERS:
            raise at.error(f"{name!r} is the name of a fact or parameter", "choose another name")
        if not (name.isidentifier() and name.isascii()):
            raise at.error(f"{name!r} is no name", "write letters, digits and _ only")
        given = [key for key in ("sql", "same_sql_as", "rollup") if getattr(raw, key) is not None]
        if len(given) != 1:
            raise at.error(
                f"relation {name!r} has {' and '.join(given) or 'neither sql nor rollup'}",
                "write one of `sql: |`, `same_sql_as:` and `rollup:`",
            )
        _check_keys(raw, at)

    def _query(self, name: str) -> Query:
        raw, at = self._sql_of(name, [name])
        with at.reading_text():
            return parse_query(raw)

    def _sql_of(self, name: str, trail: list[str]) -> tuple[str, Position]:
        """The SQL of a relation, its own or that of another one, and where it is written."""
        raw, at = self._written[name].raw, self._written[name].at
        if raw.sql is not None:
            return raw.sql, at / "sql"
        other, at = raw.same_sql_as or "", at / "same_sql_as"
        if other in trail:
            raise (self._written[trail[0]].at / "same_sql_as").error(
                f"relations take each other's SQL: {' → '.join([*trail, other])}",
                "write `sql:` in one of them",
            )
        if other not in self._written or self._written[other].raw.rollup:
            with_sql = [name for name, w in self._written.items() if not w.raw.rollup]
            raise at.error(f"no relation {other!r} with sql", suggest(other, with_sql))
        return self._sql_of(other, [*trail, other])

    def _in_order(self) -> list[str]:
        graph = {name: self._own_tables(name) for name in self._queries}
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            cycle = list(reversed(error.args[1]))
            raise self._written[cycle[0]].at.error(
                f"relations read each other: {' → '.join(cycle)}",
                "let one of them read facts instead",
            ) from None

    def _own_tables(self, name: str) -> list[str]:
        """Written relations that a relation reads."""
        query = self._queries[name]
        return [table for table in query.tables if table in self._written] if query else []

    def _is_sound(self, name: str) -> bool:
        return name in self._queries and all(t in self._done for t in self._own_tables(name))

    def _build(self, name: str) -> Relation:
        raw, at = self._written[name].raw, self._written[name].at
        query = self._queries[name]
        shape = self._from_sql(name, query, raw, at) if query else self._from_rollup(raw, at)
        if shape.time not in shape.columns:
            raise (at / "time").error(
                f"relation {name!r} has no column {shape.time!r}",
                suggest(shape.time, list(shape.columns)),
            )
        stored = _stored_columns(raw.materialize, shape, name, at / "materialize")
        readable = (stored or frozenset(shape.columns)) - shape.hidden
        scopes = _scopes({str(kind): rule for kind, rule in raw.scopes.items()}, shape.columns)
        known = {column: shape.columns.get(column, types.UNKNOWN) for column in readable}
        _check_scopes(scopes, name, known, at / "scopes")
        _check_condition(raw.where, name, known, at / "where")
        return Relation(
            name=name,
            desc=raw.desc,
            sql=shape.sql,
            rollup=raw.rollup,
            where=raw.where,
            time=shape.time,
            over=raw.over,
            scopes=scopes,
            reads=shape.reads,
            materialize=None if self._is_local(shape.uses) else raw.materialize,
            columns=frozenset(shape.columns),
            readable=readable,
            types=shape.columns,
            uses=shape.uses,
            place=str(at),
            looks_back=shape.looks_back,
        )

    def _is_local(self, uses: tuple[str, ...]) -> bool:
        """Whether rows depend on where the days of the reporting time zone begin."""
        if self._time_zone == "UTC":
            return False
        return any(
            name == "day" or (name in self._written and self._is_local(self._done[name].uses))
            for name in uses
        )

    def _from_rollup(self, raw: RawRelation, at: Position) -> _Shape:
        fact = raw.rollup or ""
        if fact not in self._shapes:
            raise (at / "rollup").error(f"unknown fact {fact!r}", suggest(fact, list(self._shapes)))
        shape = self._shapes[fact]
        if not shape.rollup_dimensions:
            with_rollup = [name for name, s in self._shapes.items() if s.rollup_dimensions]
            raise (at / "rollup").error(
                f"fact {fact} has no rollup", f"write `sql:`; facts with one: {with_rollup}"
            )
        columns = (
            dict.fromkeys(shape.rollup_dimensions, "VARCHAR")
            | ROLLUP_MEASURES
            | ORIGIN
            | {"at": _TIME, shape.rollup_value: "DOUBLE"}
        )
        hidden = frozenset({shape.rollup_value})
        return _Shape(columns, "at", {fact: _ONE_DAY}, hidden=hidden)

    def _from_sql(self, name: str, query: Query, raw: RawRelation, at: Position) -> _Shape:
        text_at = self._sql_of(name, [name])[1]
        self._check_parameters(query, raw, at)
        known = {**{n: _typed(r) for n, r in self._done.items()}, **PARAMETERS}
        with text_at.reading_text():
            columns = columns_of_query(query, known)
        time = raw.time or ("i" if raw.over == "moment" and "i" in columns else "at")
        back = self._looks_back(query, raw, at / "reads")
        return _Shape(
            columns, time, self._reads(query, raw, at / "reads"), query.tables, query.text,
            looks_back=back,
        )  # fmt: skip

    def _check_parameters(self, query: Query, raw: RawRelation, at: Position) -> None:
        """Moments are known only to a relation over moments, instants also to one over minutes."""
        if raw.over == "moment":
            return
        moments = [t for t in query.tables if t == "moment" or self._over(t) == "moment"]
        if moments:
            raise at.error(
                f"{moments[0]!r} is there only for the moments measured", "write `over: moment`"
            )
        if raw.over == "rows" and "instant" in query.tables:
            raise at.error(
                "'instant' is there only for minutes and moments", "write `over: minute`"
            )

    def _over(self, name: str) -> str:
        return self._done[name].over if name in self._done else "rows"

    def _reads(self, query: Query, raw: RawRelation, at: Position) -> dict[str, timedelta | None]:
        reads: dict[str, timedelta | None] = {}
        for name in query.tables:
            relation = self._done.get(name)
            for fact, reach in relation.reads.items() if relation else ():
                reads[fact] = _longer(reads.get(fact, timedelta(0)), reach)
        for fact, text in raw.reads.items():
            if self._is_stored(fact, query):
                continue
            if fact not in reads:
                raise (at / fact).error(
                    f"the relation does not read {fact!r}", suggest(fact, list(reads))
                )
            reads[fact] = _reach(text, at / fact)
        return reads

    def _looks_back(
        self, query: Query, raw: RawRelation, at: Position
    ) -> dict[str, timedelta | None]:
        return {
            name: _reach(text, at / name)
            for name, text in raw.reads.items()
            if self._is_stored(name, query)
        }

    def _is_stored(self, name: str, query: Query) -> bool:
        """Whether a relation that the query reads is stored by day."""
        return (
            name in query.tables
            and name in self._written
            and (self._written[name].raw.materialize is not None)
        )


def _fact_relation(name: str, shape: FactShape) -> Relation:
    own = types.of_facts(shape.columns) | ORIGIN | {"_seq": "BIGINT", "_item": "BIGINT"}
    columns = frozenset(own)
    return Relation(
        name=name,
        desc=f"rows of fact {name}",
        sql=None,
        rollup=None,
        where=None,
        time=shape.event_time,
        over="rows",
        scopes=_scopes({}, columns),
        reads={name: _ONE_DAY},
        materialize=None,
        columns=columns,
        readable=columns,
        types=own,
        uses=(),
        place="facts",
    )


def _check_keys(raw: RawRelation, at: Position) -> None:
    """Keys that would be ignored where they stand are refused."""
    if raw.rollup is None and raw.where is not None:
        raise (at / "where").error("`where` belongs to a rollup", "write it into the SQL")
    for key in ("time", "reads", "materialize"):
        if raw.rollup is not None and getattr(raw, key):
            raise (at / key).error(f"a rollup has no `{key}`", "remove it, or write `sql:`")
    if raw.rollup is not None and raw.over != "rows":
        raise (at / "over").error("a rollup is over rows", "remove `over:`, or write `sql:`")
    if raw.materialize and raw.over == "moment":
        raise (at / "materialize").error(
            "a relation over moments cannot be stored by day", "remove it, or write `over: minute`"
        )


def _stored_columns(
    materialize: RawMaterialize | None, shape: _Shape, name: str, at: Position
) -> frozenset[str]:
    if materialize is None:
        return frozenset()
    for key in ("dimensions", "measures"):
        for column in getattr(materialize, key):
            if column not in shape.columns:
                raise (at / key).error(
                    f"relation {name!r} has no column {column!r}",
                    suggest(column, list(shape.columns)),
                )
    return frozenset({*materialize.dimensions, *materialize.measures, *ORIGIN, shape.time})


def _scopes(written: Mapping[str, RawScope], columns: Collection[str]) -> dict[str, ScopeRule]:
    """The scopes as written, else the usual ones that the columns allow."""
    return {kind: ScopeRule(rule.key, rule.where) for kind, rule in written.items()} or {
        kind: ScopeRule(column, None)
        for kind, column in _SCOPE_COLUMNS.items()
        if column is None or column in columns
    }


def _check_scopes(
    scopes: Mapping[str, ScopeRule], name: str, readable: types.Columns, at: Position
) -> None:
    for kind, rule in scopes.items():
        _check_condition(rule.where, name, readable, at / kind / "where")
        if rule.key and rule.key not in readable:
            raise (at / kind / "key").error(
                f"relation {name!r} has no column {rule.key!r}", suggest(rule.key, list(readable))
            )


def _check_condition(text: str | None, name: str, columns: types.Columns, at: Position) -> None:
    if text is not None:
        with at.reading_text():
            condition = parse_value(text)
            check_columns(condition, f"relation {name!r}", columns)
            types.check_condition(condition, columns)


def _typed(relation: Relation) -> dict[str, str]:
    """What others may read of a relation."""
    return {name: type_ for name, type_ in relation.types.items() if name in relation.readable}


def _reach(text: str, at: Position) -> timedelta | None:
    if text == "for ever":
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise at.error(str(error), "write P1D, or `for ever`") from None


def _longer(a: timedelta | None, b: timedelta | None) -> timedelta | None:
    return None if a is None or b is None else max(a, b)
