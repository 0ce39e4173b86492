"""The 95 % interval of a value, by the method that its metric names.

`intervals` and `resample` have the methods; here each gets what it needs of one metric and kind of
scope: shares, rows, terms by unit or by day, bounds of inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterstone.catalogue import Metric, Term, parse_window
from meterstone.catalogue.formula import Formula
from meterstone.catalogue.terms import RESAMPLE
from meterstone.measure import intervals, resample
from meterstone.measure.hooks import HOOK_BOUNDS, HOOKS
from meterstone.measure.results import ScopeKind, rfc3339
from meterstone.measure.scan import ScanKey, ScanResult

Array = NDArray[Any]
Pair = tuple[Array, Array]

BOOTSTRAPS = frozenset({"bootstrap", "cluster_bootstrap", "block_bootstrap"})
"""Methods that draw resamples: they cost, and are left out where no verdict asks for them."""


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


def scan_key(term: Term, scope: str, unit: str | None = None) -> ScanKey:
    """The scan that reads a term for a kind of scope, and by a unit where one is named."""
    return ScanKey(
        term.relation, term.window, term.shift, f"{scope}/{unit}" if unit else str(scope)
    )


@dataclass(slots=True)
class Subject:
    """One metric for one kind of scope, with its terms as arrays of shape (moments, keys).

    ``bounds_of`` has lower and upper bounds of the inputs by name.
    """

    metric: Metric
    scope: ScopeKind
    moments: Sequence[datetime]
    keys: list[str]
    terms: Mapping[str, Array]
    scans: Scans
    zone: ZoneInfo

    @property
    def shape(self) -> tuple[int, int]:
        """Moments and keys."""
        return len(self.moments), len(self.keys)

    def nothing(self) -> Pair:
        """No interval."""
        return np.full(self.shape, np.nan), np.full(self.shape, np.nan)

    def filled(self, value: Any) -> Array:
        """A value for every moment and key."""
        return np.broadcast_to(np.asarray(value, dtype=float), self.shape).copy()


def interval(subject: Subject, value: Array) -> Pair:
    """Bounds of the metric's value, in its unit."""
    metric = subject.metric
    if metric.lower is not None and metric.upper is not None:
        return subject.filled(metric.lower(subject.terms)), subject.filled(
            metric.upper(subject.terms)
        )
    if metric.raw.hook is not None and metric.raw.hook in HOOK_BOUNDS:
        low, high = HOOK_BOUNDS[metric.raw.hook](subject.terms)
        return subject.filled(low), subject.filled(high)
    method = _METHODS.get(metric.raw.uncertainty)
    if method is None or value.dtype == object:
        return subject.nothing()
    return method(subject, value)


def interval_of(subject: Subject, formula: Formula, value: Array) -> Pair:
    """Bounds of an estimate of the metric, by the method of the metric."""
    method = subject.metric.raw.uncertainty
    if method in BOOTSTRAPS:
        return _drawn(subject, formula, formula.names)
    if method == "exact_poisson":
        return _poisson_of(subject, formula, value)
    return subject.nothing()


def _share(subject: Subject) -> Pair:
    numerator, denominator = subject.metric.numerator, subject.metric.denominator
    if numerator is None or denominator is None:
        return subject.nothing()
    return subject.filled(numerator(subject.terms)), subject.filled(denominator(subject.terms))


def _scaled(subject: Subject, pair: Pair) -> Pair:
    scale = 100.0 if subject.metric.raw.unit.startswith("%") else 1.0
    return pair[0] * scale, pair[1] * scale


def _wilson(subject: Subject, _value: Array) -> Pair:
    return _scaled(subject, intervals.wilson(*_share(subject)))


def _wilson_fpc(subject: Subject, _value: Array) -> Pair:
    population = subject.metric.population_size
    if population is None:
        return subject.nothing()
    size = subject.filled(population(subject.terms))
    return _scaled(subject, intervals.wilson_fpc(*_share(subject), size))


def _order_statistic(subject: Subject, _value: Array) -> Pair:
    for name, term in subject.metric.terms.items():
        if term.quantile_of and f"{name}_lower" in subject.terms:
            return subject.terms[f"{name}_lower"], subject.terms[f"{name}_upper"]
    return subject.nothing()


def _poisson(subject: Subject, value: Array) -> Pair:
    """A count; a rate by the bounds of its numerator; any formula by those of its events."""
    metric = subject.metric
    if metric.raw.events and metric.value is not None:
        return _poisson_of(subject, metric.value, value)
    if metric.numerator is None or metric.denominator is None:
        return intervals.exact_poisson(value)
    count, exposure = _share(subject)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (bound / exposure for bound in intervals.exact_poisson(count))
    empty = ~(exposure > 0)
    return _scaled(subject, (np.where(empty, np.nan, low), np.where(empty, np.nan, high)))


def _poisson_of(subject: Subject, formula: Formula, _value: Array) -> Pair:
    events = subject.metric.raw.events
    if events is None:
        return subject.nothing()
    ends = [
        subject.filled(formula({**subject.terms, events: bound}))
        for bound in intervals.exact_poisson(np.asarray(subject.terms[events], dtype=float))
    ]
    falls = ends[1] < ends[0]
    unbounded = np.isnan(ends[0]) & ~np.isnan(ends[1])
    lower = np.where(falls | unbounded, ends[1], ends[0])
    return lower, np.where(falls | unbounded, ends[0], ends[1])


def _log_ratio(subject: Subject, _value: Array) -> Pair:
    variance = subject.metric.log_variance
    top, bottom = _share(subject)
    if variance is None:
        low, high = intervals.log_ratio(top, bottom)
    else:
        low, high = intervals.log_ratio(top, bottom, subject.filled(variance(subject.terms)))
    if subject.metric.raw.kind == "growth":
        return low, high
    return _scaled(subject, (low / 100 + 1, high / 100 + 1))


def _bootstrap(subject: Subject, _value: Array) -> Pair:
    """Rows of a mean, where they are listed; units, days or inputs of any value otherwise."""
    metric = subject.metric
    lists = subject.terms.get(RESAMPLE)
    if lists is not None and metric.raw.resample_by is None:
        if lists.dtype != object:
            return subject.nothing()
        return _each(
            subject,
            lambda m, k, seed: (
                intervals.bootstrap_mean(_sorted(lists[m, k]), seed) if lists[m, k] else None
            ),
        )
    return _drawn(subject, _compute(metric), _names(metric))


def _block_bootstrap(subject: Subject, value: Array) -> Pair:
    """Whole days: of a ratio over one relation those that have any, of other values all."""
    metric = subject.metric
    if metric.raw.resample_by is None:
        found = _ratio_by_day(subject)
        if found is not None:
            return found
    return _bootstrap(subject, value)


def _compute(metric: Metric) -> resample.Compute | None:
    return HOOKS[metric.raw.hook] if metric.raw.hook else metric.value


def _names(metric: Metric) -> frozenset[str]:
    if metric.raw.hook:
        return frozenset({*metric.terms, *metric.raw.inputs})
    return metric.value.names if metric.value else frozenset()


def _ratio_by_day(subject: Subject) -> Pair | None:
    """Bounds of a numerator over a denominator of one scan, by its days; None for others."""
    metric, scans = subject.metric, subject.scans
    numerator, denominator = metric.numerator, metric.denominator
    if numerator is None or denominator is None:
        return None
    names = numerator.names | denominator.names
    if not names <= set(metric.terms):
        return None
    keys = {scan_key(metric.terms[name], subject.scope) for name in names}
    source = scans.results.get(next(iter(keys)))
    aliases = {name: scans.alias(metric.terms[name]) for name in names}
    if metric.raw.kind == "growth" or len(keys) != 1 or source is None:
        return None
    if not source.blocks or not set(aliases.values()) <= set(source.blocks):
        return None
    if all(span.stop - span.start < 2 for span in source.spans):  # one day cannot be resampled
        return subject.nothing()
    arrays = {name: source.blocks[alias] for name, alias in aliases.items()}
    tops, bottoms = numerator(arrays), denominator(arrays)
    scale = 100.0 if metric.raw.unit.startswith("%") else 1.0

    def one(m: int, k: int, seed: int) -> tuple[float, float] | None:
        if subject.keys[k] not in source.keys:
            return None
        column = source.keys.index(subject.keys[k])
        top, bottom = tops[source.spans[m], column], bottoms[source.spans[m], column]
        filled = bottom > 0
        low, high = intervals.bootstrap_ratio(top[filled], bottom[filled], seed)
        return scale * low, scale * high

    return _each(subject, one)


def _drawn(subject: Subject, compute: resample.Compute | None, names: frozenset[str]) -> Pair:
    """Bounds of any value: its terms by unit or by day are drawn, its inputs vary."""
    metric = subject.metric
    if compute is None:
        return subject.nothing()
    reader: _ByUnit | _ByDay | None = None
    if metric.raw.resample_by:
        reader = _ByUnit(subject, names)
    elif metric.raw.uncertainty == "block_bootstrap":
        reader = _ByDay(subject, names)
    inputs = [
        name for name in metric.raw.inputs if name in names and f"{name}_lower" in subject.terms
    ]
    numbers = {
        name: array
        for name, array in subject.terms.items()
        if name in names and array.dtype != object
    }
    known: dict[tuple[Any, ...], tuple[float, float]] = {}

    def one(m: int, k: int, seed: int) -> tuple[float, float]:
        fixed = {name: _at(array, m, k) for name, array in numbers.items()}
        strata = reader.strata(m, k) if reader else []
        varying = {name for _, terms in strata for name in terms}
        limits = {
            name: (
                float(fixed[name]),
                float(_at(subject.terms[f"{name}_lower"], m, k)),
                float(_at(subject.terms[f"{name}_upper"], m, k)),
                intervals.seed_of(name, str(seed)),
            )
            for name in inputs
        }
        limits = {name: of for name, of in limits.items() if np.isfinite(of[:3]).all()}
        fixed = {name: v for name, v in fixed.items() if name not in varying | set(limits)}
        same = (
            seed, *((n, float(v)) for n, v in fixed.items()), *limits.items(),
            *((n, t.key()) for _, terms in strata for n, t in terms.items()),
        )  # fmt: skip
        if same not in known:
            known[same] = resample.bounds(compute, fixed, strata, limits, seed)
        return known[same]

    return _each(subject, one)


def _at(array: Array, m: int, k: int) -> Any:
    return np.broadcast_to(array, (max(m + 1, array.shape[0]), array.shape[1]))[m, k]


class _ByUnit:
    """The terms of a metric by the units that are drawn."""

    def __init__(self, subject: Subject, names: frozenset[str]) -> None:
        self._keys = subject.keys
        self._subject = subject
        unit = subject.metric.raw.resample_by or ""
        self._terms: dict[str, tuple[resample.UnitTerm, ScanResult, str]] = {}
        for name, term in subject.metric.terms.items():
            found = resample.unit_term(term, unit) if name in names else None
            source = found and subject.scans.results.get(scan_key(term, subject.scope, unit))
            if found and source:
                self._terms[name] = (found, source, subject.scans.alias(found.term))
        sources = {id(source): source for _, source, _ in self._terms.values()}
        self._columns = {id_: _columns_by_key(source) for id_, source in sources.items()}
        self._sources = sources

    def strata(self, m: int, k: int) -> list[tuple[int, dict[str, resample.Varying]]]:
        """The units that have rows at a moment and key, as one group."""
        key = self._keys[k]
        present: dict[int, dict[str, int]] = {}
        for id_, source in self._sources.items():
            columns = self._columns[id_].get(key, {})
            present[id_] = {unit: c for unit, c in columns.items() if source.rows[m, c] > 0}
        units = sorted({unit for found in present.values() for unit in found})
        if not units:
            return []
        place = {unit: n for n, unit in enumerate(units)}
        terms: dict[str, resample.Varying] = {}
        for name, (how, source, alias) in self._terms.items():
            found = present[id(source)]
            row = source.terms[alias][m]
            if how.q is None:
                parts = np.zeros(len(units))
                for unit, column in found.items():
                    parts[place[unit]] = np.nan_to_num(row[column])
                whole = float(np.nan_to_num(_at(self._subject.terms[name], m, k)))
                terms[name] = resample.Sums(parts, _rest(whole, float(parts.sum())))
            else:
                listed = [(row[column] or [], place[unit]) for unit, column in found.items()]
                values = [value for items, _ in listed for value in sorted(items)]
                owner = [n for items, n in listed for _ in items]
                terms[name] = resample.Quantiles(
                    np.array(values, dtype=float),
                    np.array(owner, dtype=np.int64),
                    how.q,
                    len(units),
                )
        return [(len(units), terms)]


def _rest(whole: float, parts: float) -> float:
    """What belongs to no unit; a difference of rounding is none."""
    rest = whole - parts
    return 0.0 if abs(rest) <= 1e-9 * max(abs(whole), 1.0) else rest


def _columns_by_key(source: ScanResult) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for column, key in enumerate(source.keys):
        scope, _, unit = key.partition(resample.SEPARATOR)
        found.setdefault(scope, {})[unit] = column
    return found


class _ByDay:
    """The terms of a metric by day; each window is drawn by itself, since its days are others."""

    def __init__(self, subject: Subject, names: frozenset[str]) -> None:
        self._keys = subject.keys
        self._groups: dict[tuple[str, str | None], list[tuple[str, ScanResult, str]]] = {}
        for name, term in subject.metric.terms.items():
            source = subject.scans.results.get(scan_key(term, subject.scope))
            alias = subject.scans.alias(term)
            if name in names and source and alias in source.blocks and term.merge == "sum":
                group = self._groups.setdefault((term.window, term.shift), [])
                group.append((name, source, alias))

    def strata(self, m: int, k: int) -> list[tuple[int, dict[str, resample.Varying]]]:
        """The days of each window at a moment and key, one group a window."""
        found = []
        for group in self._groups.values():
            days: dict[int, dict[str, resample.Varying]] = {}
            for name, source, alias in group:
                if self._keys[k] not in source.keys:
                    continue
                column = source.keys.index(self._keys[k])
                parts = source.blocks[alias][source.spans[m], column]
                days.setdefault(len(parts), {})[name] = resample.Sums(parts)
            found += [(size, terms) for size, terms in days.items() if size > 0]
        return found


def _each(subject: Subject, one: Callable[[int, int, int], tuple[float, float] | None]) -> Pair:
    """Bounds moment by moment and key by key, with the seed of each."""
    lower, upper = subject.nothing()
    window = parse_window(subject.metric.raw.window)
    for m, at in enumerate(subject.moments):
        end = window.bounds(at, subject.zone)[1]
        seed = intervals.seed_of(subject.metric.ref, rfc3339(end.astimezone(UTC)))
        for k in range(len(subject.keys)):
            found = one(m, k, seed)
            if found is not None:
                lower[m, k], upper[m, k] = found
    return lower, upper


def _sorted(values: Any) -> Array:
    """Rows in one order, so that the engine's order of rows changes no interval."""
    return np.sort(np.array([value for value in values if value is not None], dtype=float))


def unit_terms(metric: Metric) -> dict[str, Term]:
    """The terms that a bootstrap reads by unit, by name."""
    unit = metric.raw.resample_by
    if unit is None:
        return {}
    found = {name: resample.unit_term(term, unit) for name, term in metric.terms.items()}
    return {name: how.term for name, how in found.items() if how is not None}


def by_unit(relation: Any, scope: str) -> Any:
    """A relation that is read by scope and unit, where ``scope`` names both (``network/unit``)."""
    kind, _, unit = scope.partition("/")
    if kind not in relation.scopes or unit not in relation.readable:
        return replace(relation, scopes={})
    rule = replace(relation.scopes[kind], unit=unit)
    return replace(relation, scopes={scope: rule})


_METHODS: Mapping[str, Callable[[Subject, Array], Pair]] = {
    "wilson": _wilson,
    "wilson_fpc": _wilson_fpc,
    "histogram_order_statistic": _order_statistic,
    "exact_poisson": _poisson,
    "log_ratio": _log_ratio,
    "bootstrap": _bootstrap,
    "cluster_bootstrap": _bootstrap,
    "block_bootstrap": _block_bootstrap,
    "prediction_interval": _order_statistic,
}
