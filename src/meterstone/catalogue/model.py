"""What is measured: definitions as they are written, and as they are resolved.

A ``Raw…`` type is the YAML of a catalogue file; `Metric`, `Relation` and `Gate` are checked and
ready to be planned. Nothing here knows an engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec

from meterstone.catalogue.formula import Formula
from meterstone.catalogue.sql import Merge

Kind = Literal[
    "ratio", "mean", "quantile", "sum", "count", "distinct", "growth", "latest", "compare", "score",
    "state", "trend", "forecast", "finance", "milestone", "cadence", "threshold",
]  # fmt: skip
Better = Literal["higher", "lower", "target"]
ScopeKind = Literal["network", "franchise", "integration", "endpoint_group", "party"]
Comparator = Literal[">=", ">", "<", "<=", "==", "at_least", "within", "within_interval"]
VerdictWord = Literal[
    "met", "not_met", "inconclusive", "insufficient_data", "no_data", "expired", "not_applicable",
    "reference",
]  # fmt: skip
VerdictOn = Literal["point", "bound", "state", "rule", "reference"]
Uncertainty = Literal[
    "none", "wilson", "wilson_fpc", "bootstrap", "cluster_bootstrap", "block_bootstrap",
    "histogram_order_statistic", "exact_poisson", "log_ratio", "mann_kendall",
    "prediction_interval",
]  # fmt: skip
EvidenceLevel = Literal["measured", "reported", "attested", "modelled"]
Cadence = Literal["realtime", "day", "week", "month", "quarter", "year"]
Count = Annotated[int, msgspec.Meta(ge=0)]

RULE_KINDS = ("threshold", "milestone", "cadence", "trend")
"""Kinds that are computed from results of other metrics over time, unless they have estimates of
their own (see `Metric.looks_back`)."""

PARTS: tuple[ScopeKind, ...] = ("party",)
"""Scopes that are a part of the network: measured only where a place asks for them."""


class _Raw(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As written in YAML; an unknown key is an error."""


class Target(_Raw, frozen=True, kw_only=True):
    """What the framework asks for: ``value`` compared by ``cmp`` in ``unit``."""

    cmp: Comparator
    value: float | bool | str | list[float]
    unit: str
    period: str | None = None
    baseline: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {
            "cmp": self.cmp,
            "value": self.value,
            "unit": self.unit,
            "period": self.period,
            "baseline": self.baseline,
        }


class RawScope(_Raw, frozen=True, kw_only=True):
    """How a relation is read for one kind of scope: the column of its key, and a filter."""

    key: str | None = None
    where: str | None = None


class RawMaterialize(_Raw, frozen=True, kw_only=True):
    """What is kept of a relation by UTC day: dimensions, and measures with how each merges."""

    dimensions: list[str] = []
    measures: dict[str, Merge]


class RawRelation(_Raw, frozen=True, kw_only=True):
    """Rows that metrics aggregate, made from facts (see docs/metric-language.md)."""

    desc: str = ""
    sql: str | None = None
    same_sql_as: str | None = None
    rollup: str | None = None
    where: str | None = None
    time: str | None = None
    over: Literal["rows", "minute", "moment"] = "rows"
    scopes: dict[ScopeKind, RawScope] = {}
    reads: dict[str, str] = {}
    materialize: RawMaterialize | None = None


class RawTerm(_Raw, frozen=True, kw_only=True):
    """A named aggregate: ``agg`` over a relation, or the histogram of ``quantile_of``."""

    agg: str | None = None
    quantile_of: str | None = None
    q: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    weight: str | None = None
    where: str | None = None
    source: str | None = msgspec.field(name="from", default=None)
    window: str | None = None
    shift: Literal["year_earlier", "previous_period"] | None = None


class RawGate(_Raw, frozen=True, kw_only=True):
    """A condition of a verdict: where ``holds`` is false, the verdict is insufficient_data."""

    title: str
    holds: str


class RawLevel(_Raw, frozen=True, kw_only=True):
    """One word of an ordinal scale, best first; the first whose ``when`` holds is the state."""

    level: str
    when: str


class Hold(_Raw, frozen=True, kw_only=True):
    """A rule must hold on ``periods`` units, in a row where ``consecutive``."""

    periods: Annotated[int, msgspec.Meta(ge=1)]
    unit: Literal["day", "month", "quarter"] = "day"
    consecutive: bool = True


class RawRule(_Raw, frozen=True, kw_only=True):
    """The grammar of ``rule:``. A rule is about one subject: other rules (``all``, ``any``), a
    group of refs, a metric, rows of a fact, or an amount that the definition names."""

    all: list[RawRule] | None = None
    any: list[RawRule] | None = None
    group: str | None = None
    metric: str | None = None
    fact: str | None = None
    share: str | None = None
    sum: str | None = None
    count: str | None = None
    distinct: str | None = None
    term: str | None = None
    hold: Hold | None = None
    verdict: VerdictWord | None = None
    strict: bool = False
    strict_except_100: bool = False
    no_regression: bool = False
    excluding: list[str] = msgspec.field(name="except", default=[])
    at: dict[ScopeKind, str] = {}
    period: str | None = None
    field: str | None = None
    change: str | None = None
    test: str | None = None
    where: str | None = None
    per: str | None = None
    cmp: Comparator | None = None
    value: float | bool | str | list[float] | None = None


AMOUNTS = ("share", "sum", "count", "distinct", "term")
"""Subjects of a rule that are a formula over the terms of its own metric."""

RULE_SUBJECTS = ("all", "any", "group", "metric", "fact", *AMOUNTS)


class Schedule(_Raw, frozen=True, kw_only=True):
    """What a cadence metric expects to be published, how often, and how soon after the period.

    ``per``: one publication is due for the group, or for each of its leaves. ``last``: the newest
    periods that are due, whatever the metric's window.
    """

    group: str
    report: str
    every: str
    due_within: str | None = None
    share_of_minutes: Annotated[float, msgspec.Meta(gt=0, le=100)] | None = None
    per: Literal["group", "leaf"] = "group"
    last: Annotated[int, msgspec.Meta(ge=1)] | None = None
    excluding: list[str] = msgspec.field(name="except", default=[])


class RawSteps(_Raw, frozen=True, kw_only=True):
    """The moments of a trend: event times of the newest rows of a fact (such as survey waves).

    ``same``: only rows that share this column with the newest one.
    """

    fact: str
    where: str | None = None
    same: str | None = None
    last: Annotated[int, msgspec.Meta(ge=4)]


class RawMetric(_Raw, frozen=True, kw_only=True):
    """A full entry of a catalogue. ``facts`` are the facts that the definition names, where its
    terms read other ones as well (for a gate, for a schedule)."""

    ref: str
    literal: str | None = None
    id: str
    title: str
    kind: Kind
    unit: str
    target: Target
    better: Better = "higher"
    scopes: list[ScopeKind]
    at: dict[ScopeKind, str] = {}
    window: str
    definition: str
    evidence: EvidenceLevel = "measured"
    cadence: Cadence = "day"
    min_sample: Count = 0
    sample_unit: str = "rows"
    uncertainty: Uncertainty = "none"
    verdict_on: VerdictOn = "point"
    note: str | None = None
    source: str | None = msgspec.field(name="from", default=None)
    terms: dict[str, str | RawTerm] = {}
    value: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    q: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    sample: str | None = None
    heartbeat: str | None = None
    empty: Literal["no_data", "not_applicable", "zero"] = "no_data"
    population: str | None = None
    gates: list[RawGate] = []
    scale: list[RawLevel] = []
    unknown: str | None = None
    censored: str | None = None
    met_only_if: str | None = None
    resample: str | None = None
    resample_by: str | None = None
    population_size: str | None = None
    events: str | None = None
    log_variance: str | None = None
    lower: str | None = None
    upper: str | None = None
    estimates: dict[str, str] = {}
    counted: dict[str, dict[str, Any]] = {}
    steps: RawSteps | None = None
    measured_at: str | None = None
    shown: dict[str, str] = {}
    inputs: list[str] = []
    rule: dict[str, Any] | None = None
    schedule: list[Schedule] = []
    hook: str | None = None
    facts: list[str] = []


def looks_back(raw: RawMetric) -> bool:
    """Whether a metric is computed from results over time. A trend that has estimates of its own is
    computed from its terms, a state that counts periods is not."""
    return bool(raw.counted) or (raw.kind in RULE_KINDS and not raw.estimates)


class RawPlace(_Raw, frozen=True, kw_only=True):
    """Another place of the framework that sets a target for a metric defined elsewhere.

    ``value`` and ``sample`` are formulas over the terms of that metric, where the place asks for
    another period.
    """

    ref: str
    literal: str | None = None
    same_as: str
    target: Target
    at: dict[ScopeKind, str] = {}
    min_sample: Count | None = None
    value: str | None = None
    sample: str | None = None
    note: str | None = None


class RawHoldGate(_Raw, frozen=True, kw_only=True):
    """A gate over time: every leaf of ``group`` met on ``hold.periods`` days in a row.

    ``missing_day``, ``late_facts``, ``restatement`` and ``maintenance`` declare what each does to
    the run.
    """

    id: str
    title: str
    group: str | list[str]
    hold: Hold
    excluding: list[str] = msgspec.field(name="except", default=[])
    missing_day: Literal["breaks", "skips"] = "breaks"
    late_facts: Literal["published_stands", "newest_counts"] = "newest_counts"
    restatement: Literal["breaks_from_that_day", "published_stands"] = "breaks_from_that_day"
    maintenance: Literal["excuses_the_day", "counts"] = "excuses_the_day"
    note: str | None = None


class RawPart(_Raw, frozen=True, kw_only=True):
    """A file of a catalogue; each entry is read by itself, so that one error hides no other."""

    system: str = ""
    note: str | None = None
    relations: dict[str, Any] | None = None
    metrics: list[Any] | None = None
    gates: list[Any] | None = None


class RawHead(RawPart, frozen=True, kw_only=True):
    """The first file of a catalogue: it may have a name, extend the framework and list parts."""

    name: str | None = None
    version: str | int | float | None = None
    time_zone: str | None = None
    extends: Literal["framework"] | None = None
    files: list[str] = []


@dataclass(frozen=True, slots=True)
class FactShape:
    """What the catalogue needs to know of a fact: columns with their types, time, rollup."""

    columns: Mapping[str, str]
    event_time: str
    rollup_dimensions: tuple[str, ...] = ()
    rollup_value: str = ""


@dataclass(frozen=True, slots=True)
class ScopeRule:
    """Key column (None for network) and filter of a relation for one kind of scope. ``unit``: rows
    are told apart by this column as well (for resampling)."""

    key: str | None
    where: str | None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A checked relation.

    ``reads`` maps each fact to how long a row of it matters (None: for ever). ``looks_back`` maps
    relations that are stored by day to how far before the range their days are read. ``columns``
    are those of its rows, ``readable`` the ones that a term may read: of a relation that is stored
    by day only what is stored. ``types`` are the SQL types of the columns, ``UNKNOWN`` where not
    known.
    """

    name: str
    desc: str
    sql: str | None
    rollup: str | None
    where: str | None
    time: str
    over: Literal["rows", "minute", "moment"]
    scopes: Mapping[str, ScopeRule]
    reads: Mapping[str, timedelta | None]
    materialize: RawMaterialize | None
    columns: frozenset[str]
    readable: frozenset[str]
    types: Mapping[str, str]
    uses: tuple[str, ...]
    place: str
    looks_back: Mapping[str, timedelta | None] = field(default_factory=dict)

    @property
    def facts(self) -> tuple[str, ...]:
        """Facts read, directly or through other relations."""
        return tuple(self.reads)


@dataclass(frozen=True, slots=True)
class Term:
    """A named aggregate over a relation and a window. ``mergeable``: it may be summed over days;
    ``is_text``: it gives a word, which can be shown and not counted with."""

    name: str
    relation: str
    agg: str | None
    quantile_of: str | None
    q: float
    weight: str | None
    where: str | None
    window: str
    shift: str | None
    mergeable: bool
    merge: Merge = "sum"
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A ref of the framework with its own target; a metric's defining ref is its first place.

    ``value`` and ``sample``: what is judged here, where it is not the metric's own.
    """

    ref: str
    literal: str | None
    target: Target
    at: Mapping[str, str]
    min_sample: int
    note: str | None
    value: Formula | None = None
    sample: Formula | None = None


@dataclass(frozen=True, slots=True)
class StateLevel:
    """One word of a scale and its condition; None is 'otherwise'."""

    level: str
    when: Formula | None


@dataclass(frozen=True, slots=True)
class GateCondition:
    """A condition of a verdict, checked."""

    title: str
    holds: Formula


@dataclass(frozen=True, slots=True)
class Metric:
    """A checked metric: what to compute, where it is judged, and how sure the answer is.

    ``facts`` are all that are read to compute it, ``named_facts`` those of its definition: without
    the ones that only show that a zero is a zero (heartbeat).
    """

    raw: RawMetric
    place: str
    terms: Mapping[str, Term]
    value: Formula | None
    numerator: Formula | None
    denominator: Formula | None
    sample: Formula | None
    heartbeat: Formula | None
    population: Formula | None
    censored: Formula | None
    met_only_if: Formula | None
    unknown: Formula | None
    gates: tuple[GateCondition, ...]
    scale: tuple[StateLevel, ...]
    shown: Mapping[str, Formula]
    places: tuple[Place, ...]
    facts: tuple[str, ...]
    named_facts: tuple[str, ...]
    population_size: Formula | None = None
    log_variance: Formula | None = None
    lower: Formula | None = None
    upper: Formula | None = None
    estimates: Mapping[str, Formula] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The metric's id."""
        return self.raw.id

    @property
    def ref(self) -> str:
        """The defining ref."""
        return self.raw.ref

    @property
    def scopes(self) -> tuple[ScopeKind, ...]:
        """What it is measured for: the scopes of the definition, and parts that places ask for."""
        asked = {kind for place in self.places for kind in PARTS if kind in place.at}
        return (*self.raw.scopes, *sorted(asked.difference(self.raw.scopes)))

    @property
    def looks_back(self) -> bool:
        """Whether it is computed from results over time, and not from facts alone."""
        return looks_back(self.raw)

    def formula_names(self) -> frozenset[str]:
        """All names that its formulas read."""
        formulas = [
            self.value, self.numerator, self.denominator, self.sample, self.heartbeat,
            self.population, self.censored, self.unknown, self.population_size, self.log_variance,
            self.met_only_if,
            self.lower, self.upper, *(gate.holds for gate in self.gates),
            *(level.when for level in self.scale), *self.estimates.values(), *self.shown.values(),
        ]  # fmt: skip
        return frozenset().union(*(f.names for f in formulas if f is not None))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All checked definitions, and the hash of their content."""

    name: str
    version: str
    hash: str
    metrics: Mapping[str, Metric]
    relations: Mapping[str, Relation]
    gates: Mapping[str, RawHoldGate]
    time_zone: str = "UTC"
    order: tuple[str, ...] = field(default=())

    def by_ref(self) -> dict[str, tuple[Metric, Place]]:
        """Every ref of the framework with its metric and place, in the order of the files."""
        found = {
            place.ref: (metric, place)
            for metric in self.metrics.values()
            for place in metric.places
        }
        return {ref: found[ref] for ref in self.order}

    def group(self, prefix: str) -> tuple[str, ...]:
        """Refs under a prefix (``IntegrationPerformanceMetrics.target_metrics``), in order."""
        return tuple(ref for ref in self.order if ref == prefix or ref.startswith(prefix + "."))
