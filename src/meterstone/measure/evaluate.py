"""Evaluates a catalogue at one or many moments, as known at one.

Plan: terms of all metrics that share relation, window and kind of scope become one scan. Evaluate:
values, intervals and verdicts on arrays of (moments, scope keys). Results of one moment become
`MetricResult`; a year of days stays in arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from graphlib import TopologicalSorter
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from meterstone.catalogue import Catalogue, Metric, Place, Term, parse_window
from meterstone.catalogue.terms import OF_INPUTS
from meterstone.catalogue.windows import parse_anchor
from meterstone.facts import EVIDENCE_LEVELS, Vocabulary
from meterstone.measure.bounds import (
    BOOTSTRAPS,
    Scans,
    Subject,
    by_unit,
    interval,
    interval_of,
    scan_key,
    unit_terms,
)
from meterstone.measure.compile import Compiler, Moment
from meterstone.measure.hooks import HOOKS
from meterstone.measure.results import Scope, ScopeKind
from meterstone.measure.rollups import Rollups
from meterstone.measure.scan import (
    ScanKey,
    ScanResult,
    Shared,
    grain_of,
    run_scan,
    shared,
    spread,
)
from meterstone.measure.verdict import Judged, judge, missing
from meterstone.warehouse.base import Warehouse

Array = NDArray[Any]

DECIDED = ("met", "not_met", "inconclusive")
"""Verdicts that rest on enough evidence."""


@dataclass(slots=True)
class Column:
    """One metric for one kind of scope: arrays of shape (moments, keys).

    ``verdicts`` has one array a place, in the order of ``metric.places``; ``rows`` says how many
    rows each term read; ``own_values`` are those of places that have one, by the index of the
    place.
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
    rows: Mapping[str, Array] = field(default_factory=dict)
    own_values: Mapping[int, Array] = field(default_factory=dict)

    def part(self, index: int, keys: Sequence[int]) -> Column:
        """One of the moments, with some of the scope keys."""

        def cut(array: Array) -> Array:
            whole = np.broadcast_to(array, self.value.shape)
            return whole[index : index + 1, list(keys)]

        return replace(
            self,
            keys=[self.keys[k] for k in keys],
            verdicts=[cut(verdict) for verdict in self.verdicts],
            terms={name: cut(array) for name, array in self.terms.items()},
            shown={name: cut(array) for name, array in self.shown.items()},
            failed_gates={name: cut(array) for name, array in self.failed_gates.items()},
            rows={name: cut(array) for name, array in self.rows.items()},
            own_values={place: cut(array) for place, array in self.own_values.items()},
            value=cut(self.value),
            lower=cut(self.lower),
            upper=cut(self.upper),
            sample=cut(self.sample),
            newest=cut(self.newest),
            evidence=cut(self.evidence),
        )

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

    def alone(self, index: int) -> Evaluation:
        """One of the moments as if it had been evaluated by itself: without the scope keys of which
        only the windows of others have rows."""
        if len(self.moments) == 1:
            return self
        columns: dict[tuple[str, ScopeKind], Column] = {}
        for (id_, scope), column in self.columns.items():
            inputs = (columns.get((name, scope)) for name in column.metric.raw.inputs)
            named = {key for c in inputs if c for key in c.keys}
            named |= {p.at[scope] for p in column.metric.places if scope in p.at}
            fixed = scope == "network" or column.metric.raw.measured_at is not None
            kept = [
                k
                for k, key in enumerate(column.keys)
                if fixed or key in named or column.evidence[index, k] >= 0
            ]
            columns[id_, scope] = column.part(index, kept)
        windows = {id_: [bounds[index]] for id_, bounds in self.windows.items()}
        return Evaluation([self.moments[index]], self.known_at, columns, windows)


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
        self._bounded = with_bounds(catalogue)

    def evaluate(
        self,
        moments: Sequence[datetime],
        metrics: Iterable[str] | None = None,
        *,
        all_bounds: bool = True,
    ) -> Evaluation:
        """Values and verdicts at each moment.

        Args:
            moments: UTC moments to measure at.
            metrics: ids to evaluate (with their inputs); None for all that need no history.
            all_bounds: also draw the intervals that no verdict asks for.
        """
        if self._rollups:
            self._rollups.refresh()
        return self._evaluated(self._chosen(metrics), moments, all_bounds=all_bounds)

    def terms(self, metric: Metric, moments: Sequence[datetime]) -> dict[ScopeKind, Column]:
        """The terms of a metric that looks back (a rule, a trend of its own value) at each moment,
        by kind of scope."""
        if self._rollups:
            self._rollups.refresh()
        chosen = [*self._chosen(metric.raw.inputs), metric]
        evaluation = self._evaluated(chosen, moments, all_bounds=False)
        return {scope: evaluation.columns[metric.id, scope] for scope in metric.scopes}

    def anchor(self, words: str) -> tuple[datetime, datetime] | None:
        """When a claim was attested first, as known, and the end of the month after it that the
        words name (``month 12 after programme_start``); None for no such claim."""
        anchor = parse_anchor(words)
        claim = anchor.claim.replace("'", "''")
        row = self._warehouse.query(
            f"SELECT min(attested_at) AS at FROM {self._compiler.fact('attestation')} "
            f"WHERE claim_key = '{claim}'"
        ).to_pylist()[0]
        if row["at"] is None:
            return None
        since = row["at"].replace(tzinfo=UTC)
        return since, anchor.ends(since, self._zone)

    def _evaluated(
        self, chosen: Sequence[Metric], moments: Sequence[datetime], *, all_bounds: bool
    ) -> Evaluation:
        anchored = {metric.id for metric in chosen if metric.raw.measured_at}
        bounded = [m for m in chosen if all_bounds or m.id in self._bounded]
        here = [metric for metric in chosen if metric.id not in anchored]
        scans = self._scan(here, [m for m in bounded if m.id not in anchored], moments)
        evaluation = Evaluation(list(moments), self._known_at, {}, {})
        names = {metric.id for metric in bounded}
        for metric in chosen:
            if metric.id in anchored:
                self._add_anchored(evaluation, metric, all_bounds=all_bounds)
                continue
            window = parse_window(metric.raw.window)
            evaluation.windows[metric.id] = [window.bounds(at, self._zone) for at in moments]
            for scope in metric.scopes:
                cell = _Cell(
                    metric, scope, moments, scans, evaluation, self._zone, metric.id in names
                )
                evaluation.columns[metric.id, scope] = cell.column()
        return evaluation

    def _add_anchored(self, evaluation: Evaluation, metric: Metric, *, all_bounds: bool) -> None:
        """A metric that is measured at a moment of its own, from which on it stays as it is."""
        found = self.anchor(metric.raw.measured_at or "")
        since, end = found or (None, None)
        plain = replace(metric, raw=msgspec.structs.replace(metric.raw, measured_at=None))
        at = end or evaluation.moments[-1]
        inner = self._evaluated(
            [*self._chosen(metric.raw.inputs), plain], [at], all_bounds=all_bounds
        )
        reached = [end is not None and end <= moment for moment in evaluation.moments]
        begun = [since is not None and since <= moment for moment in evaluation.moments]
        evaluation.windows[metric.id] = inner.windows[metric.id] * len(reached)
        for scope in metric.scopes:
            column = inner.columns[metric.id, scope]
            evaluation.columns[metric.id, scope] = _held(column, metric, reached, begun)

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
            if not metric.looks_back:
                found[id_] = metric

        for id_ in metrics if metrics is not None else self._catalogue.metrics:
            take(id_)
        return list(found.values())

    def _scan(
        self, chosen: Sequence[Metric], bounded: Sequence[Metric], moments: Sequence[datetime]
    ) -> Scans:
        scans = Scans()
        wanted: dict[ScanKey, dict[str, Term]] = {}
        for metric in chosen:
            for term in metric.terms.values():
                for scope in metric.scopes:
                    wanted.setdefault(scan_key(term, scope), {})[scans.alias(term)] = term
        for metric in bounded:
            for term in unit_terms(metric).values():
                for scope in metric.scopes:
                    key = scan_key(term, scope, metric.raw.resample_by)
                    wanted.setdefault(key, {})[scans.alias(term)] = term
        bounds: dict[tuple[str, str | None], list[Moment]] = {}
        together = self._together(wanted)
        for key, terms in wanted.items():
            window = key.window, key.shift
            if window not in bounds:
                bounds[window] = self._moments(key, moments)
            scans.results[key] = self._run(key, terms, bounds[window], together.pop(key, None))
        return scans

    def _together(self, wanted: Mapping[ScanKey, Mapping[str, Term]]) -> dict[ScanKey, Shared]:
        """Scans that share their queries with another one."""
        by_rows: dict[tuple[str, str, str | None], dict[str, Mapping[str, Term]]] = {}
        for key, terms in wanted.items():
            by_rows.setdefault((key.relation, key.window, key.shift), {})[key.scope] = terms
        found: dict[ScanKey, Shared] = {}
        for rows, scopes in by_rows.items():
            pair = shared(self._catalogue.relations[rows[0]], scopes)
            if pair:
                found |= {ScanKey(*rows, scope): pair[1] for scope in ("network", pair[0])}
        return found

    def _run(
        self,
        key: ScanKey,
        terms: Mapping[str, Term],
        bounds: Sequence[Moment],
        together: Shared | None,
    ) -> ScanResult | None:
        relation = self._catalogue.relations[key.relation]
        if "/" in key.scope:
            relation = by_unit(relation, key.scope)
        level = grain_of(bounds) if self._rollups else None
        if self._rollups and level == "day":
            start, end = min(m.opens for m in bounds), max(m.closes for m in bounds)
            self._rollups.ensure(relation, start, end)
        return run_scan(
            self._warehouse, self._compiler, relation, key.scope, terms, bounds, level, together
        )

    def _moments(self, key: ScanKey, moments: Sequence[datetime]) -> list[Moment]:
        window = parse_window(key.window)
        found = []
        for index, at in enumerate(moments):
            opens, closes = window.bounds(at, self._zone)
            if key.shift:
                opens, closes = window.before(opens, closes, key.shift, self._zone)
            found.append(Moment(index, at, opens, closes))
        return found


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
        wants_bounds: bool,
    ) -> None:
        self._metric = metric
        self._scope = scope
        self._moments = moments
        self._scans = scans
        self._evaluation = evaluation
        self._wants_bounds = wants_bounds
        self._sources = {
            name: scans.results.get(scan_key(term, scope)) for name, term in metric.terms.items()
        }
        self._keys = self._all_keys()
        self._terms = self._term_arrays()
        self._subject = Subject(metric, scope, moments, self._keys, self._terms, scans, zone)
        self._add_estimates()

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
        at_place = [(place, self._judged_at(place, judged)) for place in metric.places]
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
            evidence=self._evidence(),
            verdicts=[judge(metric, place, at) for place, at in at_place],
            own_values={n: at.value for n, (place, at) in enumerate(at_place) if place.value},
            terms=self._terms,
            shown={name: np.asarray(f(self._terms)) for name, f in metric.shown.items()},
            failed_gates=gates,
            rows={
                name: self._spread(source.rows, source.keys, 0.0)
                for name, source in self._sources.items()
                if source
            },
        )

    def _judged_at(self, place: Place, judged: Judged) -> Judged:
        """What is judged at a place: its own value where it has one, which has no interval."""
        none = np.full(self._shape, np.nan)
        if place.value is not None:
            value = np.broadcast_to(np.asarray(place.value(self._terms), float), self._shape).copy()
            judged = replace(judged, value=value, lower=none, upper=none)
        if place.sample is not None:
            sample = np.broadcast_to(np.asarray(place.sample(self._terms), float), self._shape)
            judged = replace(judged, sample=np.nan_to_num(sample))
        return judged

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
            arrays |= self._input_arrays(name)
        return arrays

    def _input_arrays(self, name: str) -> dict[str, Array]:
        """An input and what it gives beside its value."""
        column = self._evaluation.columns.get((name, self._scope))
        if column is None:
            missing_ = [name, *(f"{name}_{part}" for part in OF_INPUTS)]
            return {key: np.full(self._shape, np.nan) for key in missing_}
        verdict = column.verdicts[0]
        given: dict[str, tuple[Array, float]] = {
            "": (column.value, np.nan),
            "_lower": (column.lower, np.nan),
            "_upper": (column.upper, np.nan),
            "_n": (column.sample, 0.0),
            "_decided": (np.isin(verdict.astype(str), DECIDED).astype(float), 0.0),
            "_met": ((verdict.astype(str) == "met").astype(float), 0.0),
        }
        return {
            name + part: self._spread(array, column.keys, fill)
            for part, (array, fill) in given.items()
        }

    def _spread(self, array: Array, keys: list[str], fill: float) -> Array:
        return spread(array, keys, self._keys, fill, len(self._moments))

    def _combined(self, name: str, fill: float, how: Any) -> Array:
        """One figure over all sources and inputs of the metric: rows added, newest and weakest
        taken."""
        total = np.full(self._shape, fill)
        if name in ("newest", "evidence"):
            for input_ in self._metric.raw.inputs:
                column = self._evaluation.columns.get((input_, self._scope))
                if column is not None:
                    total = how(total, self._spread(getattr(column, name), column.keys, fill))
        seen = set()
        for source in self._sources.values():
            if source is None or id(source) in seen:
                continue
            seen.add(id(source))
            total = how(total, self._spread(getattr(source, name), source.keys, fill))
        return total

    def _evidence(self) -> Array:
        """The weakest rank among the rows, and none better than the definition can have."""
        best = EVIDENCE_LEVELS.index(self._metric.raw.evidence)
        rank = self._combined("evidence", -1.0, np.fmax)
        return np.where(rank < 0, rank, np.maximum(rank, float(best)))

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
        if metric.scale and not metric.looks_back:
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
        if self._metric.estimates:
            first = next(iter(self._metric.estimates))
            return self._terms[f"{first}_lower"], self._terms[f"{first}_upper"]
        if not self._wants_bounds and self._metric.raw.uncertainty in BOOTSTRAPS:
            return np.full(self._shape, np.nan), np.full(self._shape, np.nan)
        return interval(self._subject, value)

    def _add_estimates(self) -> None:
        """The estimates of a state or trend become terms, with their bounds."""
        for name, formula in self._metric.estimates.items():
            value = self._subject.filled(formula(self._terms))
            lower, upper = interval_of(self._subject, formula, value)
            self._terms |= {name: value, f"{name}_lower": lower, f"{name}_upper": upper}


def with_bounds(catalogue: Catalogue) -> frozenset[str]:
    """Ids of metrics whose interval a verdict rests on: their own, or that of a metric which reads
    it (``x_lower``, or draws it in a bootstrap)."""
    found = {m.id for m in catalogue.metrics.values() if _is_judged_by_bounds(m)}
    for metric in _consumers_first(catalogue):
        reads_by_name = {
            name
            for name in metric.raw.inputs
            if {f"{name}_lower", f"{name}_upper"} & metric.formula_names()
        }
        found |= reads_by_name
        if metric.id in found and metric.raw.uncertainty in BOOTSTRAPS:
            found |= set(metric.raw.inputs)
    return frozenset(found)


def _consumers_first(catalogue: Catalogue) -> list[Metric]:
    """Metrics with their inputs after them."""
    order = TopologicalSorter({m.id: m.raw.inputs for m in catalogue.metrics.values()})
    return [catalogue.metrics[id_] for id_ in reversed(list(order.static_order()))]


def _is_judged_by_bounds(metric: Metric) -> bool:
    ranges = ("within", "within_interval")
    return (
        metric.raw.verdict_on == "bound"
        or bool(metric.estimates)
        or any(place.target.cmp in ranges for place in metric.places)
    )


def _held(column: Column, metric: Metric, reached: Sequence[bool], begun: Sequence[bool]) -> Column:
    """One moment's column for many: nothing before it was reached."""
    there = np.array(reached)[:, None]
    started = np.array(begun)[:, None]

    def held(array: Array, nothing: Any) -> Array:
        return np.where(there, np.broadcast_to(array, (1, len(column.keys))), nothing)

    before = np.where(started, "insufficient_data", "no_data").astype(object)
    is_word = column.value.dtype == object
    return replace(
        column,
        metric=metric,
        value=held(column.value, None if is_word else np.nan),
        lower=held(column.lower, np.nan),
        upper=held(column.upper, np.nan),
        sample=held(column.sample, 0.0),
        newest=held(column.newest, np.nan),
        evidence=held(column.evidence, -1.0),
        verdicts=[held(verdict, before) for verdict in column.verdicts],
        terms={
            name: held(array, None if array.dtype == object else np.nan)
            for name, array in column.terms.items()
        },
        shown={
            name: held(array, None if array.dtype == object else np.nan)
            for name, array in column.shown.items()
        },
        failed_gates={name: held(array, False) for name, array in column.failed_gates.items()},
        rows={name: held(array, 0.0) for name, array in column.rows.items()},
    )


def _fill(term: Term, suffix: str) -> float:
    if suffix == "_weight" or (term.agg and term.merge == "sum"):
        return 0.0
    return np.nan
