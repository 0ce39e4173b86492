"""Resolves metrics, and hangs each place of the framework on its metric."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from meterstone.catalogue import checks
from meterstone.catalogue.formula import Formula, parse_formula
from meterstone.catalogue.model import (
    RULE_KINDS,
    FactShape,
    GateCondition,
    Metric,
    Place,
    RawMetric,
    RawPlace,
    Relation,
    StateLevel,
    Term,
    looks_back,
)
from meterstone.catalogue.problems import Problems
from meterstone.catalogue.reading import Sources, Written
from meterstone.catalogue.source import Position
from meterstone.catalogue.terms import BOUNDS, build_terms, check_window, names_of, quantile_terms
from meterstone.errors import suggest

RESULTS = "metric_result"
"""The fact that rules and schedules read."""


class MetricResolver:
    """Resolves the metrics of a catalogue.

    Args:
        sources: everything as written.
        relations: the checked relations.
        shapes: the facts.
        hooks: names that ``hook:`` may have; None when they are not known.
        problems: takes every error; a metric with one is left out.
    """

    def __init__(
        self,
        sources: Sources,
        relations: Mapping[str, Relation],
        shapes: Mapping[str, FactShape],
        hooks: Collection[str] | None,
        problems: Problems,
    ) -> None:
        self._sources = sources
        self._relations = relations
        self._shapes = shapes
        self._hooks = hooks
        self._problems = problems

    def resolve(self) -> dict[str, Metric]:
        """Metrics by id; incomplete when ``problems`` has any."""
        self._check_inputs()
        places = self._places()
        metrics = {}
        for id_, written in self._sources.metrics.items():
            builder = _Builder(written, self._relations, self._problems)
            metrics[id_] = builder.build(self._shapes, self._hooks, places.get(id_, []))
        return metrics

    def _check_inputs(self) -> None:
        metrics = self._sources.metrics
        for written in metrics.values():
            for index, name in enumerate(written.raw.inputs):
                if name not in metrics:
                    error = (written.at / "inputs" / index).error(
                        f"unknown input {name!r}", suggest(name, list(metrics))
                    )
                    self._problems.add(error)
        graph = {id_: written.raw.inputs for id_, written in metrics.items()}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            cycle = list(reversed(error.args[1]))
            self._problems.add(
                (metrics[cycle[0]].at / "inputs").error(
                    f"metrics are inputs of each other: {' → '.join(cycle)}",
                    "compute one of them from facts",
                )
            )

    def _places(self) -> dict[str, list[Place]]:
        found: dict[str, list[Place]] = {}
        for ref in self._sources.order:
            written = self._sources.places.get(ref)
            if written:
                with self._problems.caught():
                    found.setdefault(written.raw.same_as, []).append(self._place(written))
        return found

    def _place(self, written: Written[RawPlace]) -> Place:
        raw, at = written.raw, written.at
        if raw.same_as not in self._sources.metrics:
            raise (at / "same_as").error(
                f"unknown metric {raw.same_as!r}",
                suggest(raw.same_as, list(self._sources.metrics)),
            )
        metric = self._sources.metrics[raw.same_as].raw
        checks.check_target(raw.target, checks.Judging.of(metric), at / "target")
        checks.check_at(metric, raw.at, at / "at")
        least = metric.min_sample if raw.min_sample is None else raw.min_sample
        return replace(
            _place(raw, least),
            value=_formula_of(metric, raw.value, at / "value"),
            sample=_formula_of(metric, raw.sample, at / "sample"),
        )


class _Builder:
    """Builds one metric; everything that is wrong with it goes to the problems."""

    def __init__(
        self, written: Written[RawMetric], relations: Mapping[str, Relation], problems: Problems
    ) -> None:
        self._raw = written.raw
        self._at = written.at
        self._relations = relations
        self._problems = problems
        self._known = names_of(written.raw)
        #: Names that the formulas under each key read.
        self._read_by: dict[str, frozenset[str]] = {}

    def build(
        self,
        shapes: Mapping[str, FactShape],
        hooks: Collection[str] | None,
        places: Iterable[Place],
    ) -> Metric:
        raw, at = self._raw, self._at
        terms = build_terms(raw, at, self._relations, self._problems)
        metric = Metric(
            raw=raw,
            place=str(at),
            terms=terms,
            numerator=self._measured(raw.numerator, "numerator"),
            denominator=self._formula(raw.denominator, "denominator"),
            value=self._value(),
            sample=self._sample(),
            heartbeat=self._formula(raw.heartbeat, "heartbeat"),
            population=self._formula(raw.population, "population"),
            censored=self._formula(raw.censored, "censored"),
            met_only_if=self._formula(raw.met_only_if, "met_only_if"),
            unknown=self._formula(raw.unknown, "unknown"),
            gates=tuple(self._gates()),
            scale=tuple(self._scale()),
            shown=dict(self._shown()),
            places=(_place(raw, raw.min_sample), *places),
            facts=self._facts(terms.values()),
            named_facts=tuple(sorted(raw.facts)) or self._named_facts(terms),
            population_size=self._formula(raw.population_size, "population_size"),
            log_variance=self._formula(raw.log_variance, "log_variance"),
            lower=self._formula(raw.lower, "lower"),
            upper=self._formula(raw.upper, "upper"),
            estimates=dict(self._estimates()),
        )
        self._check(metric, hooks)
        self._check_words(metric)
        self._check_facts(shapes)
        return metric

    def _check(self, metric: Metric, hooks: Collection[str] | None) -> None:
        raw, at = self._raw, self._at
        caught = self._problems.caught
        with caught():
            _check_id(raw.id, at / "id")
        with caught():
            check_window(raw.window, at / "window")
        with caught():
            checks.check_kind(raw, raw.value or usual_value(raw), at)
        with caught():
            checks.check_hook(raw, hooks, at)
        with caught():
            checks.check_scale(raw.scale, at / "scale")
        with caught():
            checks.check_target(raw.target, checks.Judging.of(raw), at / "target")
        with caught():
            checks.check_gates(raw, at / "gates")
        with caught():
            checks.check_uncertainty(raw, at)
        with caught():
            checks.check_resample_by(raw, metric.terms, self._relations, at)
        with caught():
            checks.check_measured_at(raw, at)
        with caught():
            checks.check_at(raw, raw.at, at / "at")
        with caught():
            checks.check_scopes(metric, self._value_terms(), self._relations, at)

    def _check_words(self, metric: Metric) -> None:
        """A term that is a text is shown as it is; nothing can be counted with it."""
        words = {name for name, term in metric.terms.items() if term.is_text}
        shown = [f.names for f in metric.shown.values() if f.text.strip() not in words]
        counted = [names for key, names in self._read_by.items() if key != "shown"]
        for name in sorted(words & frozenset[str]().union(*shown, *counted)):
            error = (self._at / "terms" / name).error(
                f"term {name!r} is text, and a formula counts with numbers",
                f"show it as it is (`shown: {{{name}: {name}}}`), or count what it says",
            )
            self._problems.add(error)

    def _check_facts(self, shapes: Mapping[str, FactShape]) -> None:
        for index, name in enumerate(self._raw.facts):
            if name not in shapes:
                error = (self._at / "facts" / index).error(
                    f"unknown fact {name!r}", suggest(name, list(shapes))
                )
                self._problems.add(error)

    def _formula(self, text: str | None, *path: str | int) -> Formula | None:
        """A formula over the terms; None where none is written, or a wrong one."""
        if text is None:
            return None
        at = self._at
        for key in path:
            at = at / key
        with self._problems.caught(), at.reading_text():
            formula = parse_formula(text, self._known)
            key = str(path[0])
            self._read_by[key] = self._read_by.get(key, frozenset()) | formula.names
            return formula
        return None

    def _value(self) -> Formula | None:
        raw = self._raw
        if raw.value is None and {"numerator", "denominator"} - set(self._read_by):
            return self._measured(_only_quantile(raw), "terms")
        return self._measured(raw.value or usual_value(raw), "value")

    def _sample(self) -> Formula | None:
        raw = self._raw
        if raw.sample is None and raw.kind in ("ratio", "mean"):
            return self._measured(raw.denominator, "denominator")
        return self._measured(raw.sample, "sample")

    def _measured(self, text: str | None, key: str) -> Formula | None:
        """A formula that must read a term: a constant is no measurement."""
        formula = self._formula(text, key)
        if formula and not formula.names:
            error = (self._at / key).error(
                f"{text!r} is the same whatever is recorded", "write a formula over the terms"
            )
            self._problems.add(error)
        return formula

    def _gates(self) -> Iterable[GateCondition]:
        for index, gate in enumerate(self._raw.gates):
            holds = self._formula(gate.holds, "gates", index, "holds")
            if holds:
                yield GateCondition(gate.title, holds)

    def _scale(self) -> Iterable[StateLevel]:
        for index, level in enumerate(self._raw.scale):
            is_rest = level.when == "otherwise"
            when = None if is_rest else self._formula(level.when, "scale", index, "when")
            yield StateLevel(level.level, when)

    def _shown(self) -> Iterable[tuple[str, Formula]]:
        for name, text in self._raw.shown.items():
            formula = self._formula(text, "shown", name)
            if formula:
                yield name, formula

    def _estimates(self) -> Iterable[tuple[str, Formula]]:
        for name, text in self._raw.estimates.items():
            formula = self._formula(text, "estimates", name)
            if formula:
                yield name, formula

    def _facts(self, terms: Iterable[Term]) -> tuple[str, ...]:
        return tuple(sorted({f for term in terms for f in self._relations[term.relation].facts}))

    def _named_facts(self, terms: Mapping[str, Term]) -> tuple[str, ...]:
        if looks_back(self._raw) and not terms:
            return (RESULTS,)
        others = [names for key, names in self._read_by.items() if key != "heartbeat"]
        beside = self._read_by.get("heartbeat", frozenset()).difference(*others)
        return self._facts(term for name, term in terms.items() if name not in beside)

    def _value_terms(self) -> list[str]:
        """Terms that the value is made of."""
        keys = ("value", "terms", "numerator", "denominator", "scale", "estimates")
        names = frozenset[str]().union(*(self._read_by.get(key, ()) for key in keys))
        return [
            name
            for name in self._raw.terms
            if names & {name, *(f"{name}_{bound}" for bound in BOUNDS)}
        ]


def _place(raw: RawMetric | RawPlace, min_sample: int) -> Place:
    at = {str(kind): key for kind, key in raw.at.items()}
    return Place(raw.ref, raw.literal, raw.target, at, min_sample, raw.note)


def _formula_of(metric: RawMetric, text: str | None, at: Position) -> Formula | None:
    """A formula that a place writes over the terms of its metric."""
    if text is None:
        return None
    if metric.kind in ("state", *RULE_KINDS):
        raise at.error(f"a {metric.kind} has one value at all places", "define a metric of its own")
    with at.reading_text():
        return parse_formula(text, names_of(metric))


def _check_id(id_: str, at: Position) -> None:
    if not (id_.isidentifier() and id_.isascii()):
        raise at.error(f"{id_!r} is no id", "write letters, digits and _ only")


def usual_value(raw: RawMetric) -> str | None:
    """The value where none is written: the one quantile term, or numerator over denominator, in
    percent where the unit is, and as growth for the kind growth."""
    if not (raw.numerator and raw.denominator):
        return _only_quantile(raw)
    fraction = f"({raw.numerator}) / ({raw.denominator})"
    if raw.kind == "growth":
        # not 100 * (a / b - 1): growth from 100 to 140 would be 39.99999999999999 %
        return f"100 * (({raw.numerator}) - ({raw.denominator})) / ({raw.denominator})"
    return f"100 * {fraction}" if raw.unit.startswith("%") else fraction


def _only_quantile(raw: RawMetric) -> str | None:
    quantiles = quantile_terms(raw)
    names = quantiles if quantiles else list(raw.terms)
    return names[0] if raw.kind == "quantile" and len(names) == 1 else None
