"""Evaluates a catalogue at one or many moments, as known at one.

Plan: terms of all metrics that share relation, window and kind of scope become one scan. Evaluate:
values, intervals and verdicts on arrays of (moments, scope keys). Results of one moment become
`MetricResult`; a year of days stays in arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterstone.catalogue import Catalogue, Metric, Place, Term, parse_window
from meterstone.facts import Vocabulary
from meterstone.measure import intervals
from meterstone.measure.compile import Compiler, Moment
from meterstone.measure.hooks import HOOKS
from meterstone.measure.results import Scope, ScopeKind, rfc3339
from meterstone.measure.rollups import Rollups
from meterstone.measure.scan import ScanKey, ScanResult, grain_of, run_scan, spread
from meterstone.measure.verdict import Judged, judge, missing
from meterstone.warehouse.base import Warehouse

Array = NDArray[Any]

RULE_KINDS = ("threshold", "milestone", "cadence", "trend")
"""Kinds that are computed from the results of other metrics over time (see `rules`)."""


@dataclass(slots=True)
class Column:
    """One metric for one kind of scope: arrays of shape (moments, keys).

    ``verdicts`` has one array a place, in the order of ``metric.places``.
    """

    metric: Metric
    scope: ScopeKind
    keys: list[str]
    value: Array
    lower: Array
    upper: Array
    sample: Array
    newest: Array
    evidence: Array
    verdicts: list[Array]
    terms: Mapping[str, Array] = field(default_factory=dict)
    shown: Mapping[str, Array] = field(default_factory=dict)
    failed_gates: Mapping[str, Array] = field(default_factory=dict)

    def places(self, key: str) -> list[int]:
        """Indexes of the places that set a target at this scope key."""
        return [
            i
            for i, place in enumerate(self.metric.places)
            if is_at(place, self.metric, Scope(self.scope, key))
        ]


def is_at(place: Place, metric: Metric, scope: Scope) -> bool:
    """Whether a place sets its target at a scope: the one it names, else the network (else the
    first scope of the metric)."""
    if place.at:
        return place.at.get(scope.kind) == scope.key
    if "network" in metric.raw.scopes:
        return scope.kind == "network"
    return scope.kind == metric.raw.scopes[0]


@dataclass(slots=True)
class Evaluation:
    """Columns by (metric id, scope kind), for the moments in order."""

    moments: list[datetime]
    known_at: datetime | None
    columns: dict[tuple[str, ScopeKind], Column]
    windows: dict[str, list[tuple[datetime, datetime]]]


class Evaluator:
    """Evaluates metrics of one catalogue on one warehouse.

    Args:
        warehouse, vocabulary, catalogue: what to measure, and on what.
        known_at: only rows recorded by then; None for everything known now. With None, stored
            rollups are used and kept true; with a moment in the past, rows are read.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        vocabulary: Vocabulary,
        catalogue: Catalogue,
        known_at: datetime | None = None,
    ) -> None:
        self._warehouse = warehouse
        self._catalogue = catalogue
        self._zone = ZoneInfo(catalogue.time_zone)
        self._known_at = known_at
        self._compiler = Compiler(warehouse, vocabulary, catalogue.relations, known_at, self._zone)
        self._rollups = Rollups(warehouse, vocabulary, catalogue) if known_at is None else None

    def evaluate(
        self, moments: Sequence[datetime], metrics: Iterable[str] | None = None
    ) -> Evaluation:
        """Values and verdicts at each moment.

        Args:
            moments: UTC moments to measure at.
            metrics: ids to evaluate (with their inputs); None for all that need no history.
        """
        if self._rollups:
            self._rollups.refresh()
        chosen = self._chosen(metrics)
        scans = self._scan(chosen, moments)
        evaluation = Evaluation(list(moments), self._known_at, {}, {})
        for metric in chosen:
            window = parse_window(metric.raw.window)
            evaluation.windows[metric.id] = [window.bounds(at, self._zone) for at in moments]
            for scope in metric.scopes:
                column = _Cell(metric, scope, moments, scans, evaluation, self._zone).column()
                evaluation.columns[metric.id, scope] = column
        return evaluation

    def cached_days(
        self, days: Sequence[date]
    ) -> dict[date, dict[str, tuple[str, float | str | None]]]:
        """Verdict and value by day and ref that were evaluated before and still hold."""
        if self._rollups is None:
            return {}
        self._rollups.refresh()
        return self._rollups.day_verdicts(days)

    def cache_days(
        self, results: Mapping[date, Mapping[str, tuple[str, float | str | None]]]
    ) -> None:
        """Keep verdicts by day; only where all that is known counts."""
        if self._rollups is not None:
            self._rollups.keep_day_verdicts(results)

    def _chosen(self, metrics: Iterable[str] | None) -> list[Metric]:
        """Metrics with their inputs first."""
        found: dict[str, Metric] = {}

        def take(id_: str) -> None:
            metric = self._catalogue.metrics[id_]
            for name in metric.raw.inputs:
                take(name)
            if metric.raw.kind not in RULE_KINDS:
                found[id_] = metric

        for id_ in metrics if metrics is not None else self._catalogue.metrics:
            take(id_)
        return list(found.values())

    def _scan(self, chosen: Sequence[Metric], moments: Sequence[datetime]) -> Scans:
        scans = Scans()
        wanted: dict[ScanKey, dict[str, Term]] = {}
        for metric in chosen:
            for term in metric.terms.values():
                for scope in metric.scopes:
                    key = ScanKey(term.relation, term.window, term.shift, scope)
                    wanted.setdefault(key, {})[scans.alias(term)] = term
        for key, terms in wanted.items():
            scans.results[key] = self._run(key, terms, moments)
        return scans

    def _run(
        self, key: ScanKey, terms: Mapping[str, Term], moments: Sequence[datetime]
    ) -> ScanResult | None:
        relation = self._catalogue.relations[key.relation]
        bounds = self._moments(key, moments)
        level = grain_of(bounds) if self._rollups else None
        if self._rollups and level == "day":
            start, end = min(m.opens for m in bounds), max(m.closes for m in bounds)
            self._rollups.ensure(relation, start, end)
        return run_scan(self._warehouse, self._compiler, relation, key.scope, terms, bounds, level)

    def _moments(self, key: ScanKey, moments: Sequence[datetime]) -> list[Moment]:
        window = parse_window(key.window)
        found = []
        for index, at in enumerate(moments):
            opens, closes = window.bounds(at, self._zone)
            if key.shift:
                opens, closes = window.before(opens, closes, key.shift, self._zone)
            found.append(Moment(index, at, opens, closes))
        return found


@dataclass(slots=True)
class Scans:
    """Results of all scans; equal terms of several metrics share one alias."""

    results: dict[ScanKey, ScanResult | None] = field(default_factory=dict)
    _aliases: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def alias(self, term: Term) -> str:
        """Name of a term in its scan."""
        same = (
            term.agg,
            term.quantile_of,
            term.q if term.quantile_of else None,
            term.weight,
            term.where,
        )
        return self._aliases.setdefault(same, f"t{len(self._aliases)}")


class _Cell:
    """Computes one metric for one kind of scope."""

    def __init__(
        self,
        metric: Metric,
        scope: ScopeKind,
        moments: Sequence[datetime],
        scans: Scans,
        evaluation: Evaluation,
        zone: ZoneInfo,
    ) -> None:
        self._metric = metric
        self._scope = scope
        self._moments = moments
        self._scans = scans
        self._evaluation = evaluation
        self._zone = zone
        self._sources = {
            name: scans.results.get(ScanKey(term.relation, term.window, term.shift, scope))
            for name, term in metric.terms.items()
        }
        self._keys = self._all_keys()
        self._terms = self._term_arrays()

    def column(self) -> Column:
        """Value, interval, sample and verdicts."""
        metric = self._metric
        value = self._value()
        lower, upper = self._interval(value)
        gates = {gate.title: ~self._truth(gate.holds) for gate in metric.gates}
        judged = Judged(
            value=value,
            lower=lower,
            upper=upper,
            sample=self._sample(),
            present=self._combined("rows", 0.0, np.add) > 0,
            alive=None if metric.heartbeat is None else self._truth(metric.heartbeat),
            populated=self._truth(metric.population),
            expired=self._combined("expires", np.inf, np.fmin) <= self._instants(),
            enough=~np.logical_or.reduce([*gates.values(), self._truth(metric.unknown)]),
            censored=self._truth(metric.censored),
            doubted=~self._truth(metric.met_only_if) if metric.met_only_if else None,
        )
        void = missing(metric, judged)
        if value.dtype == object:
            value = value.copy()
            value[void] = None
        else:
            value = np.where(void, np.nan, value)
        return Column(
            metric=metric,
            scope=self._scope,
            keys=self._keys,
            value=value,
            lower=np.where(void, np.nan, lower),
            upper=np.where(void, np.nan, upper),
            sample=judged.sample,
            newest=self._combined("newest", np.nan, np.fmax),
            evidence=self._combined("evidence", -1.0, np.fmax),
            verdicts=[judge(metric, place, judged) for place in metric.places],
            terms=self._terms,
            shown={name: np.asarray(f(self._terms)) for name, f in metric.shown.items()},
            failed_gates=gates,
        )

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self._moments), len(self._keys)

    def _all_keys(self) -> list[str]:
        if self._scope == "network":
            return ["*"]
        found = {key for source in self._sources.values() if source for key in source.keys}
        found |= {p.at[self._scope] for p in self._metric.places if self._scope in p.at}
        for name in self._metric.raw.inputs:
            column = self._evaluation.columns.get((name, self._scope))
            found |= set(column.keys if column else [])
        return sorted(found)

    def _term_arrays(self) -> dict[str, Array]:
        arrays: dict[str, Array] = {}
        for name, term in self._metric.terms.items():
            source = self._sources[name]
            alias = self._scans.alias(term)
            if source is None:
                arrays[name] = np.zeros(self._shape)
                continue
            for suffix in ("", "_lower", "_upper", "_weight"):
                if alias + suffix in source.terms:
                    arrays[name + suffix] = self._spread(
                        source.terms[alias + suffix], source.keys, _fill(term, suffix)
                    )
        for name in self._metric.raw.inputs:
            column = self._evaluation.columns.get((name, self._scope))
            arrays[name] = (
                self._spread(column.value, column.keys, np.nan)
                if column
                else np.full(self._shape, np.nan)
            )
        return arrays

    def _spread(self, array: Array, keys: list[str], fill: float) -> Array:
        return spread(array, keys, self._keys, fill, len(self._moments))

    def _combined(self, name: str, fill: float, how: Any) -> Array:
        """One figure over all sources of the metric: rows added, newest and weakest taken."""
        total = np.full(self._shape, fill)
        seen = set()
        for source in self._sources.values():
            if source is None or id(source) in seen:
                continue
            seen.add(id(source))
            total = how(total, self._spread(getattr(source, name), source.keys, fill))
        return total

    def _instants(self) -> Array:
        return np.array([[at.timestamp()] for at in self._moments])

    def _truth(self, formula: Any) -> Array:
        if formula is None:
            return np.zeros(self._shape, dtype=bool)
        value = np.asarray(formula(self._terms))
        if value.dtype.kind == "f":
            value = np.nan_to_num(value, nan=0.0) > 0
        return np.broadcast_to(value.astype(bool), self._shape).copy()

    def _value(self) -> Array:
        metric = self._metric
        if metric.scale:
            return self._state()
        if metric.raw.hook:
            return np.asarray(HOOKS[metric.raw.hook](self._terms), dtype=float)
        if metric.value is None:
            return np.full(self._shape, np.nan)
        value = np.asarray(metric.value(self._terms), dtype=float)
        return np.broadcast_to(value, self._shape).copy()

    def _state(self) -> Array:
        """The first word of the scale whose condition holds; None without a sample (or rows,
        where an empty sample has a value)."""
        state: Array = np.full(self._shape, None, dtype=object)
        unknown = self._truth(self._metric.unknown)
        state[unknown] = "unknown"
        sample = self._sample()
        if self._metric.raw.empty == "zero":
            sample = self._combined("rows", 0.0, np.add)
        decided = (sample <= 0) | unknown
        for level in self._metric.scale:
            holds = np.ones(self._shape, bool) if level.when is None else self._truth(level.when)
            state[holds & ~decided] = level.level
            decided = decided | holds
        return state

    def _sample(self) -> Array:
        formula = self._metric.sample
        if formula is None:
            return self._combined("rows", 0.0, np.add)
        sample = np.asarray(formula(self._terms), dtype=float)
        return np.broadcast_to(np.nan_to_num(sample, nan=0.0), self._shape).copy()

    def _interval(self, value: Array) -> tuple[Array, Array]:
        method = _METHODS.get(self._metric.raw.uncertainty)
        none = np.full(self._shape, np.nan)
        if method is None or value.dtype == object:
            return none, none.copy()
        return method(self, value)

    def _share(self) -> tuple[Array, Array]:
        numerator, denominator = self._metric.numerator, self._metric.denominator
        if numerator is None or denominator is None:
            nan = np.full(self._shape, np.nan)
            return nan, nan
        return (
            np.broadcast_to(numerator(self._terms), self._shape).astype(float),
            np.broadcast_to(denominator(self._terms), self._shape).astype(float),
        )

    def wilson(self, _value: Array) -> tuple[Array, Array]:
        """Bounds of a share, in the unit of the metric."""
        lower, upper = intervals.wilson(*self._share())
        scale = 100.0 if self._metric.raw.unit.startswith("%") else 1.0
        return lower * scale, upper * scale

    def order_statistic(self, _value: Array) -> tuple[Array, Array]:
        """Bounds of a quantile term, from its histogram."""
        for name, term in self._metric.terms.items():
            if term.quantile_of and f"{name}_lower" in self._terms:
                return self._terms[f"{name}_lower"], self._terms[f"{name}_upper"]
        return np.full(self._shape, np.nan), np.full(self._shape, np.nan)

    def poisson(self, value: Array) -> tuple[Array, Array]:
        """Bounds of a count."""
        return intervals.exact_poisson(value)

    def log_ratio(self, _value: Array) -> tuple[Array, Array]:
        """Bounds of the growth of a count."""
        return intervals.log_ratio(*self._share())

    def rows_bootstrap(self, _value: Array) -> tuple[Array, Array]:
        """Bounds of a mean, resampling its rows."""
        lists = self._terms.get("_resample")
        if lists is None or lists.dtype != object:
            return np.full(self._shape, np.nan), np.full(self._shape, np.nan)
        return self._resampled(
            lambda m, k, seed: (
                intervals.bootstrap_mean(_sorted(lists[m, k]), seed) if lists[m, k] else None
            )
        )

    def block_bootstrap(self, _value: Array) -> tuple[Array, Array]:
        """Bounds of a ratio, resampling whole days."""
        blocks = self._blocks()
        numerator, denominator = self._metric.numerator, self._metric.denominator
        if blocks is None or numerator is None or denominator is None:
            return np.full(self._shape, np.nan), np.full(self._shape, np.nan)
        arrays, spans, keys = blocks
        tops, bottoms = numerator(arrays), denominator(arrays)
        scale = 100.0 if self._metric.raw.unit.startswith("%") else 1.0

        def one(m: int, k: int, seed: int) -> tuple[float, float] | None:
            if self._keys[k] not in keys:
                return None
            column = keys.index(self._keys[k])
            top, bottom = tops[spans[m], column], bottoms[spans[m], column]
            filled = bottom > 0
            low, high = intervals.bootstrap_ratio(top[filled], bottom[filled], seed)
            return scale * low, scale * high

        return self._resampled(one)

    def _blocks(self) -> tuple[dict[str, Array], list[slice], list[str]] | None:
        """The terms by day, where all of the ratio's terms come from one scan."""
        names = [
            name
            for formula in (self._metric.numerator, self._metric.denominator)
            if formula
            for name in formula.names
        ]
        sources = {id(self._sources.get(name)): self._sources.get(name) for name in names}
        source = next(iter(sources.values()), None)
        if len(sources) != 1 or source is None or not source.blocks:
            return None
        arrays = {
            name: source.blocks[self._scans.alias(self._metric.terms[name])] for name in names
        }
        return arrays, source.spans, source.keys

    def _resampled(self, one: Any) -> tuple[Array, Array]:
        lower, upper = np.full(self._shape, np.nan), np.full(self._shape, np.nan)
        window = parse_window(self._metric.raw.window)
        for m, at in enumerate(self._moments):
            end = window.bounds(at, self._zone)[1]
            seed = intervals.seed_of(self._metric.ref, rfc3339(end.astimezone(UTC)))
            for k in range(len(self._keys)):
                bounds = one(m, k, seed)
                if bounds is not None:
                    lower[m, k], upper[m, k] = bounds
        return lower, upper


_METHODS = {
    "wilson": _Cell.wilson,
    "histogram_order_statistic": _Cell.order_statistic,
    "exact_poisson": _Cell.poisson,
    "log_ratio": _Cell.log_ratio,
    "bootstrap": _Cell.rows_bootstrap,
    "cluster_bootstrap": _Cell.rows_bootstrap,
    "block_bootstrap": _Cell.block_bootstrap,
    "prediction_interval": _Cell.order_statistic,
}


def _sorted(values: Any) -> Array:
    """Rows in one order, so that the engine's order of rows changes no interval."""
    return np.sort(np.array([value for value in values if value is not None], dtype=float))


def _fill(term: Term, suffix: str) -> float:
    if suffix == "_weight" or (term.agg and term.merge == "sum"):
        return 0.0
    return np.nan
