"""Bootstraps of any formula over terms: whole units (franchises, respondents, days) are drawn.

Each term that varies is known by unit. A resample counts how often every unit is drawn; sums become
weighted sums, medians weighted order statistics, and the formula is computed on all resamples at
once. Terms without units stay as they are; inputs that have an interval vary within it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlglot import exp

from meterstone.catalogue import Term
from meterstone.catalogue.sql import mergeable, parse_aggregate
from meterstone.measure import intervals
from meterstone.measure.intervals import RESAMPLES, Z95

Array = NDArray[Any]
Compute = Callable[[Mapping[str, Array]], Array]

_CELLS = 2_000_000
"""Resamples are made in tables of at most so many numbers."""

SEPARATOR = "\x1f"
"""Between the key of a scope and the unit, where rows are read by both."""


@dataclass(frozen=True, slots=True)
class UnitTerm:
    """How a term is read by unit: as the sum of the units' parts, or as the list of their values,
    of which the quantile ``q`` is taken."""

    term: Term
    q: float | None = None


def unit_term(term: Term, unit: str) -> UnitTerm | None:
    """How a term is made of units; None where it is not (a maximum, a histogram)."""
    if term.agg is None:
        return None
    tree = parse_aggregate(term.agg)
    call = tree.this if isinstance(tree, exp.Filter) else tree
    if mergeable(tree) == "sum" or _counts_units(call, unit):
        return UnitTerm(term)
    if isinstance(call, exp.Median):
        return UnitTerm(_listed(term, tree, call), 0.5)
    if isinstance(call, exp.PercentileDisc):
        return UnitTerm(_listed(term, tree, call), float(call.expression.name))
    return None


def _counts_units(call: exp.Expr, unit: str) -> bool:
    if not isinstance(call, exp.Count) or not isinstance(call.this, exp.Distinct):
        return False
    counted = call.this.expressions
    return len(counted) == 1 and isinstance(counted[0], exp.Column) and counted[0].name == unit


def _listed(term: Term, tree: exp.Expr, call: exp.Expr) -> Term:
    """The term as the list of its values; its filters stay, as one."""
    value = call.this.sql(dialect="duckdb")
    where = tree.expression.this.sql(dialect="duckdb") if isinstance(tree, exp.Filter) else "true"
    kept = f"({where}) AND ({term.where or 'true'}) AND ({value}) IS NOT NULL"
    return replace(term, agg=f"list({value}) FILTER (WHERE {kept})", where=None, mergeable=False)


@dataclass(slots=True)
class Sums:
    """A term as the sum of its units' parts, shape (units,), and what belongs to no unit."""

    parts: Array
    rest: float = 0.0

    def drawn(self, counts: Array) -> Array:
        """The term in each resample."""
        drawn: Array = counts @ self.parts + self.rest
        return drawn

    def left_out(self) -> Array:
        """The term without each unit in turn."""
        left: Array = self.parts.sum() - self.parts + self.rest
        return left

    def key(self) -> bytes:
        """What tells this term from another one."""
        return self.parts.tobytes()


@dataclass(slots=True)
class Quantiles:
    """A quantile of the values of all ``units``; ``owner`` has the index of the unit of each. Units
    without a value (days of another window) are drawn as well."""

    values: Array
    owner: Array
    q: float
    units: int
    _order: Array = field(init=False)

    def __post_init__(self) -> None:
        self._order = np.argsort(self.values, kind="stable")

    def drawn(self, counts: Array) -> Array:
        """The smallest value whose cumulated count reaches q, in each resample."""
        return self._quantile(counts[:, self.owner[self._order]])

    def left_out(self) -> Array:
        """The quantile without each unit in turn; one without a value changes nothing."""
        owner = self.owner[self._order]
        found = np.full(self.units, self._quantile(np.ones((1, len(owner))))[0])
        owners = np.unique(owner)
        # in parts: of many units and values a whole table has no room
        for part in np.array_split(owners, max(len(owners) * len(owner) // _CELLS, 1)):
            found[part] = self._quantile((owner[None, :] != part[:, None]).astype(float))
        return found

    def _quantile(self, counts: Array) -> Array:
        """The quantile where the values in order count so often, shape (cases, values)."""
        if not len(self.values):
            return np.full(len(counts), np.nan)
        cumulated = np.cumsum(counts, axis=1)
        total = cumulated[:, -1:]
        place = np.argmax(cumulated >= self.q * total - 1e-9, axis=1)
        found: Array = np.where(total[:, 0] > 0, self.values[self._order][place], np.nan)
        return found

    def key(self) -> bytes:
        """What tells this term from another one."""
        return self.values.tobytes() + self.owner.tobytes()


Varying = Sums | Quantiles


def bounds(
    compute: Compute,
    fixed: Mapping[str, Any],
    strata: Sequence[tuple[int, Mapping[str, Varying]]],
    inputs: Mapping[str, tuple[float, float, float, int]],
    seed: int,
) -> tuple[float, float]:
    """The 95 % interval of a computed value.

    Args:
        compute: the value from the terms.
        fixed: terms that do not vary, one number each.
        strata: groups of units that are drawn by themselves, with their number: the terms by name.
        inputs: value, lower and upper bound of each input that varies, and its seed.
        seed: of the resampling.

    Returns:
        Bounds: BCa over the units; percentiles where only inputs vary. NaN for fewer than two
        units.
    """
    if not strata and not inputs:
        return float("nan"), float("nan")
    if any(size < 2 for size, _ in strata):
        return float("nan"), float("nan")
    drawn: dict[str, Array] = dict(fixed)
    for number, (size, terms) in enumerate(strata):
        parts: dict[str, list[Array]] = {name: [] for name in terms}
        for counts in _counts(seed + number, size):
            for name, term in terms.items():
                parts[name].append(term.drawn(counts))
        drawn |= {name: np.concatenate(chunks) for name, chunks in parts.items()}
    for name, (value, lower, upper, own) in inputs.items():
        drawn[name] = _within(value, lower, upper, own)
    replicates = np.broadcast_to(compute(drawn), (RESAMPLES,)).astype(float)
    whole = dict(fixed) | {name: np.array(value) for name, (value, *_) in inputs.items()}
    estimate = float(compute(whole | _all_of(strata)))
    if not np.isfinite(estimate):
        return float("nan"), float("nan")
    if not strata:
        known = replicates[np.isfinite(replicates)]
        if not len(known):
            return float("nan"), float("nan")
        return float(np.quantile(known, 0.025)), float(np.quantile(known, 0.975))
    left_out = [
        np.broadcast_to(compute(whole | _all_of(strata) | _left_out(terms)), (size,))
        for size, terms in strata
    ]
    return intervals.bca(replicates, left_out, estimate)


def _all_of(strata: Sequence[tuple[int, Mapping[str, Varying]]]) -> dict[str, Array]:
    return {
        name: term.drawn(np.ones((1, size)))[0]
        for size, terms in strata
        for name, term in terms.items()
    }


def _left_out(terms: Mapping[str, Varying]) -> dict[str, Array]:
    return {name: term.left_out() for name, term in terms.items()}


def _within(value: float, lower: float, upper: float, seed: int) -> Array:
    """Draws of an input: normal on each side of its value, as far as its bounds say."""
    z = np.random.default_rng(seed).standard_normal(RESAMPLES)
    drawn: Array = value + z / Z95 * np.where(z > 0, upper - value, value - lower)
    return drawn


def _counts(seed: int, size: int) -> Iterator[Array]:
    """How often each unit is drawn in each resample, in chunks of shape (resamples, size)."""
    generator = np.random.default_rng(seed)
    most = max(_CELLS // size, 1)
    for start in range(0, RESAMPLES, most):
        rows = min(most, RESAMPLES - start)
        draws = generator.integers(0, size, (rows, size)) + np.arange(rows)[:, None] * size
        counts = np.bincount(draws.ravel(), minlength=rows * size)
        yield counts.reshape(rows, size).astype(float)
