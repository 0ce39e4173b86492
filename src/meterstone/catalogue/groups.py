"""Checks what speaks of other metrics by ref or id: gates over time, schedules, rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import get_args

from meterstone.catalogue import types
from meterstone.catalogue.convert import convert
from meterstone.catalogue.formula import parse_formula
from meterstone.catalogue.model import (
    AMOUNTS,
    RULE_SUBJECTS,
    Cadence,
    Catalogue,
    RawHoldGate,
    RawMetric,
    RawRule,
    Relation,
    Schedule,
)
from meterstone.catalogue.problems import Problems
from meterstone.catalogue.reading import Sources
from meterstone.catalogue.source import Position
from meterstone.catalogue.sql import check_columns, parse_value
from meterstone.catalogue.terms import check_window, names_of
from meterstone.catalogue.windows import parse_anchor, parse_duration
from meterstone.errors import suggest

FIELDS = ("value", "lower95", "upper95", "n")
"""What a rule may compare of a metric, beside the names that are shown with it."""

PER = ("day", "month", "quarter")
CHANGES = ("previous_period", "year_earlier")
TESTS = ("one_sided_5pct",)


def group_of_rule(catalogue: Catalogue, prefix: str, excluding: Iterable[str]) -> list[str]:
    """The refs under a prefix without those that are excluded: by ref, by the last part of it, or
    by the id of its metric."""
    out = set(excluding)
    judged = catalogue.by_ref()
    return [
        ref
        for ref in catalogue.group(prefix)
        if not {ref, ref.rsplit(".", 1)[-1], judged[ref][0].id} & out
    ]


class GroupChecker:
    """Checks that every group, ref, id and fact that a definition speaks of is there.

    Args:
        refs: all refs.
        ids: all ids of metrics.
        relations: all relations, of which rules may read those of facts.
        problems: takes every error.
    """

    def __init__(
        self,
        refs: Iterable[str],
        ids: Iterable[str],
        relations: Mapping[str, Relation],
        problems: Problems,
    ) -> None:
        self._refs = list(refs)
        self._ids = list(ids)
        self._metrics: Mapping[str, RawMetric] = {}
        self._facts = {name: r for name, r in relations.items() if r.place == "facts"}
        self._problems = problems

    def check(self, sources: Sources) -> None:
        """Check gates, schedules, rules and the steps of trends."""
        self._metrics = {id_: written.raw for id_, written in sources.metrics.items()}
        for gate in sources.gates.values():
            self._check_gate(gate.raw, gate.at)
        for metric in sources.metrics.values():
            self._check_metric(metric.raw, metric.at)

    def _check_gate(self, raw: RawHoldGate, at: Position) -> None:
        if isinstance(raw.group, str):
            self._check_group(raw.group, at / "group")
        elif not raw.group:
            self._problems.add((at / "group").error("the group is empty", "add a ref"))
        else:
            for index, group in enumerate(raw.group):
                self._check_group(group, at / "group" / index)
        for index, group in enumerate(raw.excluding):
            self._check_group(group, at / "except" / index)

    def _check_metric(self, raw: RawMetric, at: Position) -> None:
        for index, schedule in enumerate(raw.schedule):
            self._check_schedule(schedule, at / "schedule" / index)
        rules = {("rule",): raw.rule} | {("counted", k): r for k, r in raw.counted.items()}
        for path, rule in rules.items():
            if rule is None:
                continue
            place = at
            for key in path:
                place = place / key
            with self._problems.caught():
                self._check_rule(convert(rule, RawRule, place), raw, place)
        if raw.steps is not None:
            with self._problems.caught():
                self._check_fact(raw.steps.fact, raw.steps.where, at / "steps")

    def _check_schedule(self, raw: Schedule, at: Position) -> None:
        self._check_group(raw.group, at / "group")
        self._check_refs(raw.excluding, raw.group, at / "except")
        with self._problems.caught():
            _check_every(raw.every, at / "every")
        with self._problems.caught():
            if raw.due_within is not None:
                _check_duration(raw.due_within, at / "due_within")

    def _check_rule(self, raw: RawRule, owner: RawMetric, at: Position) -> None:
        subjects = [key for key in RULE_SUBJECTS if getattr(raw, key) is not None]
        if len(subjects) != 1:
            raise at.error(
                f"a rule is about one subject, not {', '.join(subjects) or 'none'}",
                f"write one of: {', '.join(RULE_SUBJECTS)}",
            )
        for key in ("all", "any"):
            for index, part in enumerate(getattr(raw, key) or []):
                with self._problems.caught():
                    self._check_rule(part, owner, at / key / index)
        _check_comparison(raw, at)
        self._check_subject(raw, owner, at)

    def _check_subject(self, raw: RawRule, owner: RawMetric, at: Position) -> None:
        if raw.group is not None:
            self._check_group(raw.group, at / "group")
            self._check_refs(raw.excluding, raw.group, at / "except")
        if raw.metric is not None and raw.metric not in self._ids:
            raise (at / "metric").error(
                f"unknown metric {raw.metric!r}", suggest(raw.metric, self._ids)
            )
        if raw.metric is not None:
            self._check_asked(raw, at)
        if raw.fact is not None:
            self._check_fact(raw.fact, raw.where, at)
            _check_word(raw.per, PER, at / "per")
            if raw.period is not None:
                check_window(raw.period, at / "period")
        for key in AMOUNTS:
            text = getattr(raw, key)
            if text is not None:
                with (at / key).reading_text():
                    parse_formula(text, names_of(owner))

    def _check_asked(self, raw: RawRule, at: Position) -> None:
        """What is asked of a metric is there: its field, its period, its change."""
        asked = self._metrics[raw.metric or ""]
        _check_word(raw.field, (*FIELDS, *asked.shown), at / "field")
        _check_word(raw.change, CHANGES, at / "change")
        _check_word(raw.test, TESTS, at / "test")
        if raw.change is not None:
            _check_word(raw.period or "", PER, at / "period")
        elif raw.period is not None:
            try:
                parse_anchor(raw.period)
            except ValueError as error:
                raise (at / "period").error(
                    str(error), "write `months 1-12 after programme_start`"
                ) from None

    def _check_fact(self, fact: str, where: str | None, at: Position) -> None:
        if fact not in self._facts:
            raise (at / "fact").error(f"unknown fact {fact!r}", suggest(fact, list(self._facts)))
        if where is not None:
            with (at / "where").reading_text():
                condition = parse_value(where)
                check_columns(condition, fact, self._facts[fact].readable)
                types.check_condition(condition, self._facts[fact].types)

    def _check_group(self, group: str, at: Position) -> None:
        if not any(ref == group or ref.startswith(group + ".") for ref in self._refs):
            error = at.error(
                f"no ref of the catalogue lies under {group!r}", suggest(group, self._groups())
            )
            self._problems.add(error)

    def _groups(self) -> list[str]:
        """Every prefix of a ref and the ref itself, the short ones first."""
        parts = [ref.split(".") for ref in self._refs]
        sizes = range(1, max(map(len, parts), default=0) + 1)
        return list(dict.fromkeys(".".join(p[:n]) for n in sizes for p in parts))

    def _check_refs(self, refs: list[str], group: str, at: Position) -> None:
        last = {ref.rsplit(".", 1)[-1] for ref in self._refs if ref.startswith(group + ".")}
        known = {*self._refs, *self._ids, *last}
        for index, ref in enumerate(refs):
            if ref not in known:
                error = (at / index).error(f"unknown ref {ref!r}", suggest(ref, self._refs))
                self._problems.add(error)


def _check_comparison(raw: RawRule, at: Position) -> None:
    if (raw.cmp is None) != (raw.value is None):
        raise at.error("`cmp` and `value` come together", "write both, as {cmp: '>=', value: 1}")
    if raw.metric is not None and raw.cmp is None and raw.verdict is None:
        raise at.error(
            "nothing is asked of the metric", "add `verdict: met`, or `cmp:` and `value:`"
        )


def _check_word(word: str | None, known: Collection[str], at: Position) -> None:
    if word is not None and word not in known:
        raise at.error(f"unknown word {word!r}", suggest(word, list(known)))


def _check_every(text: str, at: Position) -> None:
    if text not in get_args(Cadence):
        _check_duration(text, at)


def _check_duration(text: str, at: Position) -> None:
    mend = "write day, week, month, quarter, PT8H or P10D"
    try:
        length = parse_duration(text)
    except ValueError:
        raise at.error(f"unknown duration {text!r}", mend) from None
    if not length:
        raise at.error(f"{text!r} has no length", mend)
