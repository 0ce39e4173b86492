"""Stored aggregates, and how they follow the facts: only the days that were touched are made anew.

For a fact with a rollup: counts and sums by minute, hour and day, and histograms beside them. For a
materialized relation: its measures by UTC day, made when a day is first asked for. Everything
here is derived: dropping it costs time and no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from meterstone.catalogue import Catalogue, Relation
from meterstone.facts import FactSchema, Vocabulary
from meterstone.measure.compile import Compiler, bin_of, exact_value, literal, stored
from meterstone.warehouse.base import DirtyDay, Warehouse

_LEVELS = ("minute", "hour", "day")
_GRAINS = (*_LEVELS, *(f"hist_{level}" for level in _LEVELS))
_OWN_TABLES = (
    "CREATE TABLE IF NOT EXISTS rollup.version (text VARCHAR)",
    "CREATE TABLE IF NOT EXISTS rollup.made (relation VARCHAR, day DATE)",
    "CREATE TABLE IF NOT EXISTS rollup.day_verdict "
    "(day DATE, ref VARCHAR, verdict VARCHAR, value DOUBLE, state VARCHAR)",
)
_DAYS_AT_ONCE = 31
_VERSION = 1
"""Raise it when the shape of a stored table changes: the tables are then made anew."""


class Rollups:
    """Keeps stored aggregates of one catalogue true to the facts of one warehouse."""

    def __init__(self, warehouse: Warehouse, vocabulary: Vocabulary, catalogue: Catalogue) -> None:
        self._warehouse = warehouse
        self._vocabulary = vocabulary
        self._catalogue = catalogue
        zone = ZoneInfo(catalogue.time_zone)
        self._compiler = Compiler(warehouse, vocabulary, catalogue.relations, None, zone)
        # in time zones behind UTC a day of facts reaches into the day before
        self._reaches_back = int(_is_behind_utc(zone))
        self._facts = [schema for schema in vocabulary.values() if schema.rollup]
        self._relations = [r for r in catalogue.relations.values() if r.materialize]
        self._made: dict[str, set[date]] = {}
        self._first: dict[str, date | None] = {}
        self._create()

    def refresh(self) -> list[DirtyDay]:
        """Take in what was touched since the last call; the days that were made anew."""
        self._made.clear()
        self._first.clear()
        dirty = self._warehouse.dirty_days()
        if not dirty:
            return []
        statements: list[str] = []
        by_fact: dict[str, list[date]] = {}
        for entry in dirty:
            by_fact.setdefault(entry.fact, []).append(entry.day)
        for schema in self._facts:
            for first, last in _runs(by_fact.get(schema.name, [])):
                statements += self._refresh_fact(schema, first, last)
        for relation in self._relations:
            statements += self._forget(relation, by_fact)
        first = min(entry.day for entry in dirty) - timedelta(days=self._reaches_back)
        statements.append(f"DELETE FROM rollup.day_verdict WHERE day >= DATE '{first}'")
        self._warehouse.derive(statements, dirty)
        return dirty

    def day_verdicts(self, days: Sequence[date]) -> dict[date, dict[str, tuple[str, Value]]]:
        """Kept verdict and value by day and ref."""
        listed = ", ".join(f"DATE '{day}'" for day in days)
        rows = self._warehouse.query(
            "SELECT day, ref, verdict, value, state FROM rollup.day_verdict "
            f"WHERE day IN ({listed})"
        ).to_pylist()
        found: dict[date, dict[str, tuple[str, Value]]] = {}
        for row in rows:
            value = row["state"] if row["value"] is None else row["value"]
            found.setdefault(row["day"], {})[row["ref"]] = (row["verdict"], value)
        return found

    def keep_day_verdicts(self, results: Mapping[date, Mapping[str, tuple[str, Value]]]) -> None:
        """Keep what was evaluated, until a fact of the day or an earlier one is touched."""
        rows = ", ".join(
            f"(DATE '{day}', '{ref}', '{verdict}', {_number(value)}, {_word(value)})"
            for day, by_ref in results.items()
            for ref, (verdict, value) in by_ref.items()
        )
        days = ", ".join(f"DATE '{day}'" for day in results)
        refs = ", ".join(f"'{ref}'" for ref in {ref for by in results.values() for ref in by})
        if rows:
            self._warehouse.derive(
                [
                    f"DELETE FROM rollup.day_verdict WHERE day IN ({days}) AND ref IN ({refs})",
                    f"INSERT INTO rollup.day_verdict VALUES {rows}",
                ]
            )

    def ensure(self, relation: Relation, start: datetime, end: datetime) -> None:
        """Make the stored days that a relation reads for [start, end) and nobody made yet: its own,
        or those of the relations it uses.

        Days before the first fact are left out: they have no rows.
        """
        if not relation.materialize:
            for name in relation.uses:
                if name in self._catalogue.relations:
                    self.ensure(self._catalogue.relations[name], _back(relation, name, start), end)
            return
        first = self._first_day(relation)
        if first is None:
            return
        wanted = _days(max(start.date(), first), end.date())
        missing = sorted(set(wanted) - self._days_made(relation))
        if missing:
            self._ensure_looked_back(
                relation, _midnight(missing[0]), _midnight(missing[-1] + timedelta(days=1))
            )
        statements = []
        for run_start, run_end in _runs(missing):
            statements += self._make(relation, run_start, run_end)
        if statements:
            self._warehouse.derive(statements)
            self._made.pop(relation.name, None)

    def _days_made(self, relation: Relation) -> set[date]:
        if relation.name not in self._made:
            table = self._warehouse.query(
                f"SELECT day FROM rollup.made WHERE relation = '{relation.name}'"
            )
            self._made[relation.name] = set(table.column("day").to_pylist())
        return self._made[relation.name]

    def _ensure_looked_back(self, relation: Relation, start: datetime, end: datetime) -> None:
        """Make the stored days from which days of a relation are made."""
        for name in relation.uses:
            used = self._catalogue.relations.get(name)
            if used is None:
                continue
            if name in relation.looks_back:
                self.ensure(used, _back(relation, name, start), end)
            else:
                self._ensure_looked_back(used, start, end)

    def _create(self) -> None:
        """Make the tables that are not there, and those of another catalogue anew."""
        version = f"{_VERSION}:{self._catalogue.hash}"
        there = self._tables()
        if not {"version", "made", "day_verdict"} <= there:  # defining costs a checkpoint
            self._warehouse.define(_OWN_TABLES)
        known = self._warehouse.query("SELECT text FROM rollup.version").column("text").to_pylist()
        facts = [f for f in self._facts if not {f"{f.name}_{level}" for level in _GRAINS} <= there]
        relations = [
            r for r in self._relations if known != [version] or f"relation_{r.name}" not in there
        ]
        for schema in facts:
            self._warehouse.define([_create_counts(schema, level) for level in _LEVELS])
            self._warehouse.define([_create_histogram(schema, level) for level in _LEVELS])
            self._warehouse.derive(self._refill(schema))
        for relation in relations:
            self._warehouse.define(
                [f"DROP TABLE IF EXISTS {stored(relation)}", self._create_relation(relation)]
            )
        if relations or known != [version]:
            self._warehouse.derive(
                [
                    "DELETE FROM rollup.made",
                    *(f"DELETE FROM {stored(r)}" for r in self._relations),
                    "DELETE FROM rollup.day_verdict",
                    "DELETE FROM rollup.version",
                    f"INSERT INTO rollup.version VALUES ('{version}')",
                ]
            )

    def _tables(self) -> set[str]:
        names = self._warehouse.query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'rollup'"
        ).column("table_name")
        return set(names.to_pylist())

    def _refill(self, schema: FactSchema) -> list[str]:
        """Statements that make the aggregates of all rows of a fact."""
        edges = self._warehouse.query(
            f'SELECT CAST(min("{schema.event_time}") AS DATE) AS first, '
            f'CAST(max("{schema.event_time}") AS DATE) AS last FROM facts.{schema.name}'
        ).to_pylist()[0]
        if edges["first"] is None:
            return []
        days = _days(edges["first"], edges["last"] + timedelta(days=1))
        return [sql for part in _runs(days) for sql in self._refresh_fact(schema, *part)]

    def _create_relation(self, relation: Relation) -> str:
        shape = relation.materialize
        if shape is None:
            raise ValueError(f"relation {relation.name} is not materialized")
        start = datetime(2000, 1, 1, tzinfo=UTC)
        select = self._daily(relation, start, start)
        return f"CREATE TABLE IF NOT EXISTS {stored(relation)} AS SELECT * FROM ({select}) LIMIT 0"

    def _daily(self, relation: Relation, start: datetime, end: datetime) -> str:
        """The relation of a range of days, aggregated by day and dimensions."""
        shape = relation.materialize
        if shape is None:
            raise ValueError(f"relation {relation.name} is not materialized")
        source = self._compiler.made(relation.name, start, end)
        measures = ", ".join(f"{how}({name}) AS {name}" for name, how in shape.measures.items())
        dimensions = "".join(f", {name}" for name in shape.dimensions)
        rank = "max(evidence_rank)" if "evidence_rank" in relation.columns else "0"
        newest = "newest" if "newest" in relation.columns else f'"{relation.time}"'
        return (
            f"SELECT CAST(date_trunc('day', \"{relation.time}\") AS TIMESTAMP) AS day{dimensions}, "
            f"{measures}, max({newest}) AS newest, {rank} AS evidence_rank FROM {source} "
            f'WHERE "{relation.time}" >= {literal(start)} AND "{relation.time}" < {literal(end)} '
            "GROUP BY ALL"
        )

    def _make(self, relation: Relation, first: date, last: date) -> list[str]:
        start, end = _midnight(first), _midnight(last) + timedelta(days=1)
        days = ", ".join(f"('{relation.name}', DATE '{day}')" for day in _days(first, end.date()))
        return [
            f"DELETE FROM {stored(relation)} "
            f"WHERE day >= {literal(start)} AND day < {literal(end)}",
            f"INSERT INTO {stored(relation)} {self._daily(relation, start, end)}",
            f"INSERT INTO rollup.made VALUES {days}",
        ]

    def _forget(self, relation: Relation, by_fact: Mapping[str, Sequence[date]]) -> list[str]:
        """Statements that drop the days of a relation which touched facts reach."""
        conditions = []
        for fact, reach in relation.reads.items():
            for first, last in _runs(by_fact.get(fact, [])):
                upper = "" if reach is None else f" AND day <= DATE '{last + reach}'"
                conditions.append(f"(day >= DATE '{first}'{upper})")
        if not conditions:
            return []
        where = " OR ".join(conditions)
        return [
            f"DELETE FROM {stored(relation)} WHERE {where}",
            f"DELETE FROM rollup.made WHERE relation = '{relation.name}' AND ({where})",
        ]

    def _refresh_fact(self, schema: FactSchema, first: date, last: date) -> list[str]:
        start, end = _midnight(first), _midnight(last) + timedelta(days=1)
        statements = []
        source = (
            f"(SELECT * FROM ({self._compiler.raw_rollup(schema.name)}) "
            f'WHERE "at" >= {literal(start)} AND "at" < {literal(end)})'
        )
        for finer, level in zip((None, *_LEVELS), _LEVELS, strict=False):
            target = f"rollup.{schema.name}_{level}"
            histogram = f"rollup.{schema.name}_hist_{level}"
            span = f'WHERE "at" >= {literal(start)} AND "at" < {literal(end)}'
            statements += [f"DELETE FROM {target} {span}", f"DELETE FROM {histogram} {span}"]
            counts = (
                source if finer is None else f"(SELECT * FROM rollup.{schema.name}_{finer} {span})"
            )
            statements.append(f"INSERT INTO {target} {_counts(schema, level, counts)}")
            bins = source
            if finer is not None:
                bins = f"(SELECT * FROM rollup.{schema.name}_hist_{finer} {span})"
            statements.append(
                f"INSERT INTO {histogram} {_histogram(schema, level, bins, raw=finer is None)}"
            )
        return statements

    def _first_day(self, relation: Relation) -> date | None:
        days = [day for fact in relation.reads if (day := self._first_day_of(fact))]
        return min(days, default=None)

    def _first_day_of(self, fact: str) -> date | None:
        if fact not in self._first:
            column = self._vocabulary[fact].event_time
            table = self._warehouse.query(
                f'SELECT CAST(min("{column}") AS DATE) AS day FROM facts.{fact}'
            )
            self._first[fact] = table.column("day")[0].as_py()
        return self._first[fact]


Value = float | str | None


def _is_behind_utc(zone: ZoneInfo) -> bool:
    """Whether days of the zone end after those of UTC, in winter or in summer."""
    offsets = (datetime(2026, month, 1, tzinfo=zone).utcoffset() for month in (1, 7))
    return any(offset is not None and offset < timedelta() for offset in offsets)


def _number(value: Value) -> str:
    return repr(value) if isinstance(value, float) else "NULL"


def _word(value: Value) -> str:
    return f"'{value}'" if isinstance(value, str) else "NULL"


def _create_counts(schema: FactSchema, level: str) -> str:
    dimensions = "".join(f"{name} VARCHAR, " for name in _dimensions(schema))
    return (
        f'CREATE TABLE IF NOT EXISTS rollup.{schema.name}_{level} ("at" TIMESTAMP, {dimensions}'
        "requests BIGINT, timed_requests BIGINT, value_total DECIMAL(38, 6), newest TIMESTAMP, "
        "evidence_rank INTEGER)"
    )


def _create_histogram(schema: FactSchema, level: str) -> str:
    dimensions = "".join(f"{name} VARCHAR, " for name in _dimensions(schema))
    return (
        f'CREATE TABLE IF NOT EXISTS rollup.{schema.name}_hist_{level} ("at" TIMESTAMP, '
        f"{dimensions}bin BIGINT, requests BIGINT)"
    )


def _dimensions(schema: FactSchema) -> tuple[str, ...]:
    if schema.rollup is None:
        raise ValueError(f"fact {schema.name} has no rollup")
    return schema.rollup.dimensions


def _counts(schema: FactSchema, level: str, source: str) -> str:
    dimensions = ", ".join(_dimensions(schema))
    return (
        f'SELECT date_trunc(\'{level}\', "at") AS "at", {dimensions}, sum(requests) AS requests, '
        f"sum(timed_requests) AS timed_requests, sum({exact_value('value_total')}) "
        f"AS value_total, max(newest) AS newest, max(evidence_rank) AS evidence_rank "
        f'FROM {source} GROUP BY ALL ORDER BY "at"'
    )


def _histogram(schema: FactSchema, level: str, source: str, *, raw: bool) -> str:
    value = schema.rollup.value if schema.rollup else ""
    bin_ = bin_of(value) if raw else "bin"
    where = f"WHERE {value} IS NOT NULL" if raw else ""
    return (
        f'SELECT date_trunc(\'{level}\', "at") AS "at", {", ".join(_dimensions(schema))}, '
        f"{bin_} AS bin, sum(requests) AS requests FROM {source} {where} GROUP BY ALL "
        'ORDER BY "at"'
    )


def _runs(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days as runs of neighbours: (first, last) of each; a long one in parts, so that the memory of
    a statement is bounded, and what it writes lies in the order of time."""
    ordered = sorted(set(days))
    runs = []
    for _, group in groupby(enumerate(ordered), lambda pair: pair[1] - timedelta(days=pair[0])):
        members = [day for _, day in group]
        parts = range(0, len(members), _DAYS_AT_ONCE)
        runs += [(members[n], members[n : n + _DAYS_AT_ONCE][-1]) for n in parts]
    return runs


def _back(relation: Relation, name: str, start: datetime) -> datetime:
    """From when on a relation, asked for a range from ``start``, reads days of another one."""
    reach = relation.looks_back.get(name, timedelta(0))
    return datetime.min.replace(tzinfo=UTC) if reach is None else start - reach


def _days(first: date, end: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((end - first).days)]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
