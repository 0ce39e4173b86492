"""Rules between the parts of a metric: what its kind needs, what its target may be, how sure it is.

Each function raises the one `CatalogueError` that it is about.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from meterstone.catalogue.model import (
    PARTS,
    RULE_KINDS,
    Kind,
    Metric,
    RawLevel,
    RawMetric,
    Relation,
    ScopeKind,
    Target,
    Term,
)
from meterstone.catalogue.source import Position
from meterstone.catalogue.terms import quantile_terms
from meterstone.catalogue.units import factor
from meterstone.catalogue.windows import parse_anchor
from meterstone.errors import suggest

NEEDS: Mapping[Kind, str] = {
    "state": "scale",
    "trend": "inputs",
    "threshold": "rule",
    "milestone": "rule",
    "cadence": "schedule",
}
"""What a kind needs instead of a value."""

ONLY_FOR: Mapping[str, tuple[Kind, ...]] = {
    "scale": ("state", "trend"),
    "rule": ("threshold", "milestone"),
    "schedule": ("cadence",),
    "hook": ("forecast", "finance", "growth"),
    "estimates": ("state", "trend"),
    "counted": ("state",),
    "steps": ("trend",),
}
"""Keys that mean something to these kinds only."""

_OTHERWISE = "otherwise"
_PARTS = ("wilson", "wilson_fpc", "log_ratio")
_ROWS = ("bootstrap", "cluster_bootstrap")


@dataclass(frozen=True, slots=True)
class Judging:
    """What a target is judged against: unit and words of the metric."""

    unit: str
    is_word: bool
    is_rule: bool
    words: tuple[str, ...]

    @classmethod
    def of(cls, raw: RawMetric) -> Judging:
        """The judging of a metric."""
        words = tuple(level.level for level in raw.scale)
        is_word = raw.kind in ("state", "trend")
        return cls(raw.unit, is_word, raw.kind in ("threshold", "milestone"), words)


def check_kind(raw: RawMetric, value: str | None, at: Position) -> None:
    """A metric has what its kind needs, and nothing that its kind does not read."""
    for key, kinds in ONLY_FOR.items():
        if getattr(raw, key) and raw.kind not in kinds:
            raise (at / key).error(
                f"a {raw.kind} has no `{key}`", f"remove it, or write `kind: {kinds[0]}`"
            )
    if bool(raw.numerator) != bool(raw.denominator):
        given = "numerator" if raw.numerator else "denominator"
        raise (at / given).error(
            "numerator and denominator come together", "write both, or `value:` alone"
        )
    needed = _needed(raw)
    if needed and not getattr(raw, needed):
        raise at.error(
            f"a {raw.kind} needs `{needed}`", f"add `{needed}:` (docs/metric-language.md)"
        )
    if needed is None and value is None and raw.hook is None:
        raise at.error(f"a {raw.kind} needs {_wanted(raw.kind)}", "add it over the terms")


def _needed(raw: RawMetric) -> str | None:
    if raw.kind == "trend" and (raw.value or raw.estimates):
        return "scale"
    return NEEDS.get(raw.kind)


def _wanted(kind: Kind) -> str:
    if kind in ("ratio", "mean", "growth"):
        return "`numerator` and `denominator`"
    if kind == "quantile":
        return "a term with `quantile_of`, or `value`"
    if kind in ("forecast", "finance"):
        return "`value` or `hook`"
    return "`value`"


def check_hook(raw: RawMetric, hooks: Collection[str] | None, at: Position) -> None:
    """A hook is one of the known ones, where they are known."""
    if raw.hook is not None and hooks is not None and raw.hook not in hooks:
        raise (at / "hook").error(f"unknown hook {raw.hook!r}", suggest(raw.hook, list(hooks)))


def check_target(target: Target, judging: Judging, at: Position) -> None:
    """The value of a target fits its comparator, its unit converts from the metric's."""
    if factor(judging.unit, target.unit) is None:
        raise (at / "unit").error(
            f"the target is in {target.unit!r}, the metric in {judging.unit!r}",
            f"write `unit: {judging.unit!r}`, or a unit that converts into it",
        )
    if judging.is_word:
        _check_word(target, judging.words, at)
    elif judging.is_rule:
        _check_truth(target, at)
    elif target.cmp == "within":
        _check_range(target, at)
    else:
        _check_number(target, at)


def _check_word(target: Target, words: Sequence[str], at: Position) -> None:
    if target.cmp not in ("at_least", "=="):
        raise (at / "cmp").error(
            f"a word cannot be compared by {target.cmp}", "write at_least, or =="
        )
    if not isinstance(target.value, str):
        raise (at / "value").error(
            f"{target.value!r} is no word of the scale", f"write one of: {', '.join(words)}"
        )
    if words and target.value not in words:
        raise (at / "value").error(
            f"{target.value!r} is not on the scale", suggest(target.value, list(words))
        )


def _check_truth(target: Target, at: Position) -> None:
    if target.cmp != "==" or not isinstance(target.value, bool):
        raise (at / "value").error(
            "a rule is true or false", "write {cmp: ==, value: true, unit: boolean}"
        )


def _check_range(target: Target, at: Position) -> None:
    value = target.value
    if not isinstance(value, list) or len(value) != 2 or not all(map(math.isfinite, value)):
        raise (at / "value").error("`within` needs two numbers", "write [lowest, highest]")
    if value[0] > value[1]:
        raise (at / "value").error("the range is empty", f"write [{value[1]:g}, {value[0]:g}]")


def _check_number(target: Target, at: Position) -> None:
    if target.cmp == "at_least":
        raise (at / "cmp").error("at_least compares words of a scale", "write >= for a number")
    value = target.value
    if isinstance(value, bool | str | list) or not math.isfinite(value):
        raise (at / "value").error(
            f"{value!r} is no number to compare by {target.cmp}", "write a number"
        )


def check_scale(scale: Sequence[RawLevel], at: Position) -> None:
    """A scale has different words, and its last one takes what is left."""
    words = [level.level for level in scale]
    for index, level in enumerate(scale):
        is_last = index == len(scale) - 1
        if level.level in words[:index] or level.level == "unknown":
            raise (at / index).error(f"the word {level.level!r} is taken", "choose another word")
        if is_last != (level.when == _OTHERWISE):
            cause = "the last level takes what is left" if is_last else "a level after otherwise"
            raise (at / index).error(
                f"{cause}: {level.level!r}", "write `when: otherwise` for the last level only"
            )


def check_gates(raw: RawMetric, at: Position) -> None:
    """Titles of the conditions differ: results name a failed one by its title."""
    titles = [gate.title for gate in raw.gates]
    for index, title in enumerate(titles):
        if title in titles[:index]:
            raise (at / index).error(f"two gates are titled {title!r}", "rename one of them")


def check_uncertainty(raw: RawMetric, at: Position) -> None:
    """The interval can be made from what the metric has. Words and rules have none, unless they
    rest on estimates."""
    if bool(raw.lower) != bool(raw.upper):
        given = "lower" if raw.lower else "upper"
        raise (at / given).error("lower and upper come together", "write both bounds")
    if (raw.kind in ("state", *RULE_KINDS) and not raw.estimates) or raw.hook or raw.lower:
        return
    method = raw.uncertainty
    if method in _PARTS and not (raw.numerator or raw.denominator):
        raise (at / "uncertainty").error(
            f"{method} needs `numerator` and `denominator`", "add both, or write another method"
        )
    if method == "wilson_fpc" and not raw.population_size:
        raise (at / "uncertainty").error(
            f"{method} needs `population_size`", "add the term that has it, or write `wilson`"
        )
    if method in _ROWS and not (raw.resample or raw.resample_by or raw.inputs):
        raise (at / "uncertainty").error(
            f"{method} needs `resample_by`",
            "add the column of what is drawn, or `resample:` with the value of one row",
        )
    if method == "histogram_order_statistic" and not quantile_terms(raw):
        raise (at / "uncertainty").error(
            f"{method} needs a term with `quantile_of`", "add one, or write another method"
        )
    if method == "prediction_interval":
        raise (at / "uncertainty").error(
            f"{method} needs `lower` and `upper`", "add the bounds as they were issued"
        )
    if method == "none" and raw.verdict_on == "bound":
        raise (at / "verdict_on").error(
            "a bound needs an interval", "name a method under `uncertainty:`, or write `point`"
        )
    _check_events(raw, at)


def _check_events(raw: RawMetric, at: Position) -> None:
    if raw.events is not None and raw.events not in raw.terms:
        raise (at / "events").error(
            f"unknown term {raw.events!r}", suggest(raw.events, list(raw.terms))
        )


def check_resample_by(
    raw: RawMetric,
    terms: Mapping[str, Term],
    relations: Mapping[str, Relation],
    at: Position,
) -> None:
    """What is drawn as a whole is a column of a relation that the terms read."""
    unit = raw.resample_by
    if unit is None:
        return
    read = {term.relation: relations[term.relation] for term in terms.values()}
    if not any(unit in relation.readable for relation in read.values()):
        columns = sorted({name for relation in read.values() for name in relation.readable})
        raise (at / "resample_by").error(
            f"no relation of the terms has a column {unit!r}", suggest(unit, columns)
        )


def check_measured_at(raw: RawMetric, at: Position) -> None:
    """The moment is a closed month after an attestation."""
    if raw.measured_at is not None:
        try:
            parse_anchor(raw.measured_at)
        except ValueError as error:
            raise (at / "measured_at").error(
                str(error), "write `month 12 after programme_start`"
            ) from None


def check_scopes(
    metric: Metric, names: Collection[str], relations: Mapping[str, Relation], at: Position
) -> None:
    """For a scope all terms of the value can be read, or none: one without it would be zero there.

    Args:
        names: the terms that the value is made of.
    """
    terms = metric.terms
    read = {name: relations[terms[name].relation] for name in names if name in terms}
    for index, scope in enumerate(metric.scopes):
        without = [name for name, relation in read.items() if scope not in relation.scopes]
        is_asked = len(metric.scopes) == 1 or scope in PARTS
        if without and (len(without) < len(read) or is_asked):
            relation = read[without[0]]
            raise (at / "scopes" / index).error(
                f"{relation.name!r}, which term {without[0]!r} reads, has no scope {scope!r}",
                f"add it to the relation; it has: {', '.join(relation.scopes)}",
            )


def check_at(raw: RawMetric, where: Mapping[ScopeKind, str], at: Position) -> None:
    """A place lies in a scope that the metric is measured for."""
    for kind in where:
        if kind not in (*raw.scopes, *PARTS):
            raise (at / kind).error(
                f"metric {raw.id!r} is not measured for scope {kind!r}",
                suggest(kind, list(raw.scopes)),
            )
