"""From checked definitions to SQL of one engine, as known at one moment.

Relations are nested subqueries; a fact is its current rows as known then, production only, without
synthetic rows. Sums are exact (decimals of six places), so the order of rows changes no digit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo

from sqlglot import exp, parse_one

from meterstone.catalogue import Relation
from meterstone.catalogue.windows import midnight
from meterstone.facts import EVIDENCE_LEVELS, Vocabulary
from meterstone.warehouse.base import Warehouse

Level = Literal["minute", "hour", "day"]

_UTC = ZoneInfo("UTC")

BINS_PER_OCTAVE = 32
"""Histogram bins: floor(log2(value) × 32), at most 1.1 % relative error at the middle."""

MOMENT_COLUMNS = 'moments (i, "at", opens, closes)'
"""What the moments look like as a table."""

MOST = 10**12
"""The largest weight of one row, and the root of the largest value. Beyond, they saturate: one
absurd row must not stop the measurement of all others."""

ZERO_BIN = -100_000
"""The bin of values that are zero or below."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment to be measured, with the bounds of one window."""

    index: int
    at: datetime
    opens: datetime
    closes: datetime


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of a relation and passed on to those it reads. ``stored``: the range is of
    whole UTC days, and the stored days that are looked back at have been made."""

    start: datetime
    end: datetime
    level: Level | None
    moments: Sequence[Moment]
    stored: bool


class Compiler:
    """Composes SQL for relations.

    Args:
        warehouse: gives the dialect and the SQL of a fact as known at a moment.
        vocabulary: the facts.
        relations: the checked relations of the catalogue.
        known_at: only rows recorded by then; None for all.
        zone: the reporting time zone, whose days relations may ask for.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        vocabulary: Vocabulary,
        relations: Mapping[str, Relation],
        known_at: datetime | None,
        zone: ZoneInfo = _UTC,
    ) -> None:
        self._warehouse = warehouse
        self._vocabulary = vocabulary
        self._relations = relations
        self.known_at = known_at
        self._zone = zone

    def fact(self, name: str) -> str:
        """Eligible rows of a fact, with ``evidence_rank`` and ``newest``."""
        schema = self._vocabulary[name]
        ranks = " ".join(
            f"WHEN '{level}' THEN {rank}" for rank, level in enumerate(EVIDENCE_LEVELS)
        )
        return (
            f"(SELECT *, CASE evidence {ranks} END AS evidence_rank, "
            f'CAST("{schema.event_time}" AS TIMESTAMP) AS newest '
            f"FROM {self._warehouse.relation(name, self.known_at)} "
            "WHERE environment = 'production' AND NOT synthetic)"
        )

    def relation(
        self,
        name: str,
        start: datetime,
        end: datetime,
        *,
        level: Level | None = None,
        moments: Sequence[Moment] = (),
    ) -> str:
        """A subquery with the rows of a relation in [start, end).

        Args:
            level: read rollups of this grain instead of rows, where the relation has any.
            moments: for relations over moments.
        """
        return self._rows(name, _Asked(start, end, level, moments, stored=level == "day"))

    def made(self, name: str, start: datetime, end: datetime) -> str:
        """A subquery with the rows of [start, end), whole UTC days, of which the stored days of a
        relation are made: from minutes of rollups, and from stored days that it looks back at."""
        return self._rows(name, _Asked(start, end, "minute", (), stored=True))

    def _rows(self, name: str, asked: _Asked) -> str:
        relation = self._relations[name]
        if relation.rollup:
            return self.rollup(relation, asked.level)
        if relation.sql is None:
            return self.fact(name)
        if relation.materialize and asked.level == "day":
            return f'(SELECT * EXCLUDE (day), day AS "{relation.time}" FROM {stored(relation)})'
        template = _template(relation.sql, self._warehouse.dialect)
        sources = [self._source(name, relation, asked) for name in template.tables]
        return f"({template.filled(sources, asked.start, asked.end)})"

    def _source(self, name: str, relation: Relation, asked: _Asked) -> str:
        """The subquery that stands for a table of a relation's SQL."""
        if name == "moment":
            return moment_table(asked.moments)
        if name == "instant":
            if relation.over == "moment":
                return f'(SELECT DISTINCT "at" FROM {moment_table(asked.moments)})'
            return _minutes(asked.start, asked.end)
        if name == "day":
            return day_table(asked.start, asked.end, self._zone)
        return self._rows(name, replace(asked, level=self._inner(name, relation, asked)))

    def _inner(self, name: str, relation: Relation, asked: _Asked) -> Level | None:
        """Grain at which a relation reads another one: stored days where both are by day or it
        looks back at them, minutes of a rollup otherwise."""
        by_day = asked.level == "day" or (asked.stored and name in relation.looks_back)
        if by_day and self._relations[name].materialize:
            return "day"
        return "minute" if asked.level else None

    def rollup(self, relation: Relation, level: Level | None) -> str:
        """Counts and sums of a fact by its rollup dimensions: stored ones, or made from rows."""
        schema = self._vocabulary[relation.rollup or ""]
        where = f" WHERE {relation.where}" if relation.where else ""
        if level:
            return f"(SELECT * FROM rollup.{schema.name}_{level}{where})"
        return f"(SELECT * FROM ({self.raw_rollup(schema.name)}){where})"

    def raw_rollup(self, fact: str) -> str:
        """Rows of a fact in the columns of its rollup, one a row."""
        schema = self._vocabulary[fact]
        if schema.rollup is None:
            raise ValueError(f"fact {fact} has no rollup")
        value = schema.rollup.value
        count = f'least("{schema.rollup.weight}", {MOST})'
        return (
            f'SELECT "{schema.event_time}" AS "at", {", ".join(schema.rollup.dimensions)}, '
            f'{count} AS requests, CASE WHEN "{value}" IS NULL THEN 0 ELSE {count} END '
            f'AS timed_requests, "{value}" * {count} AS value_total, newest, evidence_rank, '
            f'"{value}" AS {value} FROM {self.fact(fact)}'
        )

    def histogram_source(
        self, relation: Relation, value: str, start: datetime, end: datetime,
        level: Level | None, moments: Sequence[Moment],
    ) -> tuple[str, str, str]:  # fmt: skip
        """(subquery, bin expression, weight expression) for the histogram of ``value``."""
        if relation.rollup and level:
            where = f" WHERE {relation.where}" if relation.where else ""
            return (
                f"(SELECT * FROM rollup.{relation.rollup}_hist_{level}{where})",
                "bin",
                "requests",
            )
        source = self.relation(relation.name, start, end, level=level, moments=moments)
        return source, bin_of(value), "requests" if relation.rollup else "1"

    def exact(self, aggregate: str) -> str:
        """An aggregate with exact sums, in the engine's dialect."""
        return _exact(aggregate, self._warehouse.dialect)


@dataclass(frozen=True, slots=True)
class _Template:
    """SQL of a relation in the dialect of an engine, split where its tables are filled in."""

    texts: tuple[str, ...]
    tables: tuple[str, ...]

    def filled(self, sources: Sequence[str], start: datetime, end: datetime) -> str:
        """The SQL over these subqueries, one a table, with the range set."""
        texts = [with_range(text, start, end) for text in self.texts]
        return texts[0] + "".join(
            source + text for source, text in zip(sources, texts[1:], strict=True)
        )


@cache
def _template(sql: str, dialect: str) -> _Template:
    """Parsed once a process: parsing costs more than most of the queries."""
    tree = parse_one(sql, dialect="duckdb")
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = [t for t in tree.find_all(exp.Table) if t.name and t.name not in local]
    names = [table.name for table in tables]
    for number, table in enumerate(tables):
        table.set("alias", exp.TableAlias(this=exp.to_identifier(table.alias_or_name)))
        table.set("this", exp.to_identifier(f"§{number}", quoted=True))
    texts = re.split(r'"§(\d+)"', tree.sql(dialect=dialect, identify=True))
    return _Template(tuple(texts[::2]), tuple(names[int(number)] for number in texts[1::2]))


@cache
def _exact(aggregate: str, dialect: str) -> str:
    tree = parse_one(aggregate, dialect="duckdb")
    for node in list(tree.find_all(exp.Sum)):
        node.set("this", parse_one(exact_value(node.this.sql("duckdb")), dialect="duckdb"))
    return tree.sql(dialect=dialect)


def exact_value(value: str) -> str:
    """SQL of a value as a decimal of six places, between -10^24 and 10^24."""
    edge = f"CAST({MOST**2} AS DECIMAL(25, 0))"
    return (
        f"CAST(CASE WHEN {value} > {edge} THEN {edge} WHEN {value} < -{edge} THEN -{edge} "
        f"ELSE {value} END AS DECIMAL(38, 6))"
    )


def stored(relation: Relation) -> str:
    """Table that keeps a materialized relation by UTC day."""
    return f"rollup.relation_{relation.name}"


def bin_of(value: str) -> str:
    """SQL of the histogram bin of a value; NULL for NULL."""
    return (
        f"CASE WHEN {value} > 0 THEN CAST(floor(log2({value}) * {BINS_PER_OCTAVE}) AS BIGINT) "
        f"WHEN {value} <= 0 THEN {ZERO_BIN} END"
    )


def with_range(sql: str, start: datetime, end: datetime) -> str:
    """SQL with the parameters ``$start`` and ``$end`` filled in."""
    edges = {"start": start, "end": end}
    return re.sub(r"\$(start|end)\b", lambda m: literal(edges[m[1]]), sql)


def literal(moment: datetime) -> str:
    """A moment (UTC) as a SQL literal."""
    return f"TIMESTAMP '{moment.replace(tzinfo=None).isoformat(sep=' ')}'"


def moment_table(moments: Sequence[Moment]) -> str:
    """The moments as a table ``(i, at, opens, closes)``."""
    rows = ", ".join(
        f"({m.index}, {literal(m.at)}, {literal(m.opens)}, {literal(m.closes)})" for m in moments
    )
    return f"(SELECT * FROM (VALUES {rows}) AS {MOMENT_COLUMNS})"


def day_table(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """The days of a time zone that overlap [start, end), as a table ``(opens, closes)`` in UTC."""
    first = start.astimezone(zone).date()
    last = max((end - timedelta(microseconds=1)).astimezone(zone).date(), first)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    rows = ", ".join(
        f"({literal(midnight(day, zone))}, {literal(midnight(day + timedelta(days=1), zone))})"
        for day in days
    )
    return f"(SELECT * FROM (VALUES {rows}) AS days (opens, closes))"


def _minutes(start: datetime, end: datetime) -> str:
    return (
        f"(SELECT unnest(generate_series({literal(start)}, {literal(end)} - INTERVAL '1' MINUTE, "
        "INTERVAL '1' MINUTE)) AS \"at\")"
    )
