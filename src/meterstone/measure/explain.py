"""Where a number comes from: definition, inputs, the rows behind them, the landed records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from meterstone.catalogue import Metric
from meterstone.errors import InputError, suggest
from meterstone.measure.compile import Compiler, literal
from meterstone.measure.results import MetricResult, Scope
from meterstone.measure.service import Measuring, Subject

SAMPLE_ROWS = 5


@dataclass(frozen=True, slots=True)
class FactRows:
    """Rows of one fact in the window and scope: how many, from which landed records, the newest."""

    fact: str
    rows: int
    records: int
    sample: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A result with what it rests on. ``terms`` are the named aggregates of the definition."""

    metric: Metric
    result: MetricResult
    terms: Mapping[str, float | str | None]
    facts: tuple[FactRows, ...]
    notes: tuple[str, ...] = field(default=())


def explain(
    subject: Subject, metric_id: str, scope: Scope, at: datetime, known_at: datetime | None = None
) -> Explanation:
    """The lineage of one number.

    Raises:
        InputError: an unknown metric, or one that has no such scope.
    """
    metric = _metric(subject, metric_id, scope)
    measuring = Measuring(subject, at, known_at)
    result, terms = measuring.one(metric, scope)
    compiler = Compiler(
        subject.warehouse, subject.vocabulary, subject.catalogue.relations, known_at
    )
    reader = _Rows(subject, compiler, result.window, scope)
    notes = tuple(
        note
        for note in (
            metric.raw.note,
            *(subject.catalogue.relations[t.relation].desc for t in metric.terms.values()),
        )
        if note
    )
    return Explanation(
        metric, result, terms, tuple(reader.of(fact) for fact in metric.facts),
        tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _metric(subject: Subject, metric_id: str, scope: Scope) -> Metric:
    metrics = subject.catalogue.metrics
    by_ref = subject.catalogue.by_ref()
    if metric_id in by_ref:
        metric_id = by_ref[metric_id][0].id
    if metric_id not in metrics:
        raise InputError(f"unknown metric {metric_id!r}", mend=suggest(metric_id, list(metrics)))
    metric = metrics[metric_id]
    if scope.kind not in metric.scopes:
        raise InputError(
            f"{metric_id} is not measured by {scope.kind}",
            mend=f"--scope {metric.raw.scopes[0]}"
            + ("" if metric.raw.scopes[0] == "network" else ":KEY"),
        )
    return metric


class _Rows:
    """Finds the rows of a fact that lie in a window and belong to a scope."""

    def __init__(
        self,
        subject: Subject,
        compiler: Compiler,
        window: tuple[datetime, datetime],
        scope: Scope,
    ) -> None:
        self._subject = subject
        self._compiler = compiler
        self._window = window
        self._scope = scope

    def of(self, fact: str) -> FactRows:
        """Counts, and the newest rows with their key, source and landed record."""
        schema = self._subject.vocabulary[fact]
        source = f"FROM {self._compiler.fact(fact)} WHERE {self._condition(fact)}"
        count = self._subject.warehouse.query(
            f"SELECT count(*) AS n, count(DISTINCT _seq) AS records {source}"
        ).to_pylist()[0]
        columns = dict.fromkeys(
            [*schema.key, schema.event_time, "source", "source_ref", "revision", "_seq", "_item"]
        )
        listed = ", ".join(f'"{name}"' for name in columns)
        rows = self._subject.warehouse.query(
            f"SELECT {listed} {source} ORDER BY newest DESC, _seq, _item LIMIT {SAMPLE_ROWS}"
        ).to_pylist()
        return FactRows(fact, count["n"], count["records"], tuple(rows))

    def _condition(self, fact: str) -> str:
        opens, closes = self._window
        condition = f"newest < {literal(closes)}"
        if closes > opens and not self._is_register(fact):
            condition += f" AND newest >= {literal(opens)}"
        column = {
            "franchise": "franchise_id",
            "integration": "integration",
            "endpoint_group": "endpoint_group",
            "party": "party",
        }.get(self._scope.kind)
        if column and column in self._subject.vocabulary[fact].columns:
            key = self._scope.key.replace("'", "''")
            condition += f" AND {column} = '{key}'"
        return condition

    def _is_register(self, fact: str) -> bool:
        """Facts whose older rows still hold (a status stands until the next one)."""
        return any(
            fact in relation.reads and relation.reads[fact] is None
            for relation in self._subject.catalogue.relations.values()
        )
