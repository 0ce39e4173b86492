"""Kinds that look at other results over time: threshold, milestone, cadence, trend, and states that
count periods.

Rules are the grammar of the vocabulary's conventions (see `conditions`): ``{all: […]}``, ``{any:
[…]}`` or a condition, each with an optional ``hold``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from meterstone.catalogue import Catalogue, Metric
from meterstone.catalogue.formula import Formula
from meterstone.catalogue.model import Hold
from meterstone.catalogue.windows import parse_anchor
from meterstone.errors import InputError
from meterstone.measure import truth as words
from meterstone.measure.cadence import published
from meterstone.measure.conditions import Asking, Conditions, scope_of, since_start, value_of
from meterstone.measure.days import last_closed_day
from meterstone.measure.history import History
from meterstone.measure.periods import period_ends
from meterstone.measure.results import Scope, Value
from meterstone.measure.trends import Trends, counted
from meterstone.measure.truth import Truth

_LOOKED_AT = {"day": 400, "month": 14, "quarter": 6}
"""How many periods back a rule is followed at least: for a milestone, the first run counts."""

_MANY = 3
"""From so many moments on, what a metric looks at is judged for all of them first."""

_GAP = {"day": 100, "month": 24, "quarter": 12}
"""So many periods without any result are the beginning of the record."""


@dataclass(slots=True)
class RuleResult:
    """Value and verdict of a metric that looks back, before it becomes a `MetricResult`."""

    value: Value
    verdict: str
    n: int
    reason: str = ""
    interval: tuple[float, float] | None = None
    parts: dict[str, Value] = field(default_factory=dict)


class Rules:
    """Evaluates metrics that look back, at one moment.

    Args:
        inside: ids of the metrics whose rules led here.
    """

    def __init__(
        self, catalogue: Catalogue, history: History, at: datetime, inside: tuple[str, ...] = ()
    ) -> None:
        self._catalogue = catalogue
        self._history = history
        self._at = at
        self._zone = ZoneInfo(catalogue.time_zone)
        self._inside = inside

    def evaluate(self, metric: Metric, scope: Scope) -> RuleResult:
        """The result of one metric at a scope; found once a moment.

        Raises:
            InputError: its rule leads back to itself.
        """
        if metric.id in self._inside:
            raise InputError(
                f"rules ask each other: {' → '.join((*self._inside, metric.id))}",
                place=metric.place,
                mend="let one of them ask for a metric that is computed from facts",
            )
        key = ("result", metric.id, scope, self._at)
        if key not in self._history.memo:
            kinds: dict[str, Callable[[Metric, Scope], RuleResult]] = {
                "threshold": self._threshold,
                "milestone": self._milestone,
                "cadence": self._cadence,
                "trend": self._trend,
                "state": self._counted,
            }
            self._history.memo[key] = kinds[metric.raw.kind](metric, scope)
        found: RuleResult = self._history.memo[key]
        return found

    def look_at(self, metric: Metric, scope: Scope, moments: Sequence[datetime]) -> None:
        """Judge the conditions of a metric at all periods that it will look at from these moments:
        together they cost little more than one."""
        rules = dict(metric.raw.counted) or ({"": metric.raw.rule} if metric.raw.rule else {})
        if metric.id in self._inside or len(moments) < _MANY:
            return
        for rule in rules.values():
            hold = words.hold_of(rule)
            asking = Asking(metric, scope, hold.unit)
            records = [self._periods(metric, hold, at) for at in moments]
            size = _part(metric, hold)
            for back in range(0, max(map(len, records)), size):
                parts = [record[: len(record) - back][-size:] for record in records]
                ends = sorted({end for part in parts for end in part})
                found = self._conditions(metric).truth(rule, ends, asking)
                if _is_gap(rule, found):
                    break

    def _periods(self, metric: Metric, hold: Hold, at: datetime) -> Sequence[datetime]:
        """All periods that a rule may look at, at a moment: of a milestone back to the programme's
        start."""
        if metric.raw.kind == "milestone":
            least = max(_LOOKED_AT[hold.unit], hold.periods)
            return since_start(self._history, hold.unit, least, at, self._zone)
        return period_ends(hold.unit, _part(metric, hold), at, self._zone)

    def _conditions(self, metric: Metric) -> Conditions:
        inside = (*self._inside, metric.id)

        def ask(other: Metric, scope: Scope, moments: Sequence[datetime]) -> list[RuleResult]:
            newest = Rules(self._catalogue, self._history, max(moments), inside)
            newest.look_at(other, scope, moments)
            return [
                Rules(self._catalogue, self._history, at, inside).evaluate(other, scope)
                for at in moments
            ]

        return Conditions(self._catalogue, self._history, ask)

    def _threshold(self, metric: Metric, scope: Scope) -> RuleResult:
        _, hold = _rule(metric)
        truth = self._newest_periods(metric, hold, scope)
        sample = self._sample(metric, scope, truth)
        if not words.decided(truth):
            return _nothing(metric, truth, sample)
        value = words.held_now(truth, hold)
        good = sum(found in words.GOOD for found in truth)
        return RuleResult(
            value,
            _enough(metric, value, sample),
            sample,
            f"The rule held on {good} of {len(truth)} {hold.unit}s.",
            parts=self._shown(metric, scope),
        )

    def _newest_periods(self, metric: Metric, hold: Hold, scope: Scope) -> list[Truth]:
        """The newest periods, as many as it takes to have ``hold.periods`` that count."""
        rule = metric.raw.rule or {}
        conditions = self._conditions(metric)
        asking = Asking(metric, scope, hold.unit)
        most = max(_LOOKED_AT[hold.unit], hold.periods)
        size = _part(metric, hold)
        while True:
            ends = period_ends(hold.unit, size, self._at, self._zone)
            truth = conditions.truth(rule, ends, asking)
            missing = hold.periods - (len(truth) - truth.count("neutral"))
            if missing <= 0 or size >= most:
                return truth
            size = min(size + missing, most)

    def _milestone(self, metric: Metric, scope: Scope) -> RuleResult:
        _, hold = _rule(metric)
        ends, truth = self._record(metric, scope)
        sample = self._sample(metric, scope, truth)
        if not words.decided(truth):
            return _nothing(metric, truth, sample)
        dated = words.first_run(truth, hold)
        now = truth[-1] in words.GOOD
        parts: dict[str, Value] = {"holds_now": now, "dated_on": None}
        parts |= self._shown(metric, scope)
        reason = "Not reached yet."
        if dated is not None:
            day = last_closed_day(ends[dated], self._zone)
            parts["dated_on"] = day.isoformat()
            reason = f"Reached on {day:%-d %B %Y}."
        verdict = _enough(metric, dated is not None, sample)
        if verdict == "insufficient_data":
            reason = ""
        return RuleResult(dated is not None, verdict, sample, reason, parts=parts)

    def _record(self, metric: Metric, scope: Scope) -> tuple[list[datetime], list[Truth]]:
        """The periods in which a milestone is looked for, and what the rule says of them.

        They go back to the programme's start, or to where nothing was decided for long enough; of
        a group, to where it was not met for as long: to judge all of it costs most.
        """
        rule, hold = _rule(metric)
        conditions = self._conditions(metric)
        asking = Asking(metric, scope, hold.unit)
        left = self._periods(metric, hold, self._at)
        size = _part(metric, hold)
        ends: list[datetime] = []
        truth: list[Truth] = []
        while left:
            part, left = left[-size:], left[:-size]
            found = conditions.truth(rule, part, asking)
            ends, truth = [*part, *ends], [*found, *truth]
            if _is_gap(rule, found):
                break
        return ends, truth

    def _shown(self, metric: Metric, scope: Scope) -> dict[str, Value]:
        """What a rule shows of its own terms."""
        if not metric.shown:
            return {}
        [terms] = self._history.terms(metric, scope, [self._at])
        values = {name: value_of(formula, terms) for name, formula in metric.shown.items()}
        return {name: value for name, value in values.items() if not np.isnan(value)}

    def _sample(self, metric: Metric, scope: Scope, truth: Sequence[Truth]) -> int:
        """How much a rule rests on: its own formula; the decided periods of its hold, or of the
        first part that has one; the sample of the metric that it asks for; the closed months of
        its period; the rows of its fact; decided days."""
        rule = metric.raw.rule or {}
        if metric.sample is not None:
            [terms] = self._history.terms(metric, scope, [self._at])
            return _whole(metric.sample, terms)
        if "hold" in rule:
            return words.decided(truth)
        for part in _parts(rule):
            found = self._sample_of(metric, scope, part)
            if found is not None:
                return found
        return words.decided(truth)

    def _sample_of(self, metric: Metric, scope: Scope, part: Mapping[str, Any]) -> int | None:
        if "hold" in part:
            conditions = self._conditions(metric)
            [span] = conditions.spans(part, [self._at], Asking(metric, scope, "day"))
            return words.decided(span[-words.hold_of(part).periods :])
        if part.get("period") and "metric" in part and "change" not in part:
            return self._months(part["period"])
        if "metric" in part and (asked := self._catalogue.metrics[part["metric"]]).looks_back:
            inside = (*self._inside, metric.id)
            rules = Rules(self._catalogue, self._history, self._at, inside)
            return rules.evaluate(asked, scope_of(part, scope)).n
        if "fact" in part:
            [(rows, _)] = self._history.counts(part["fact"], None, [(None, self._at)], scope)
            return rows
        return None

    def _months(self, words_: str) -> int:
        """Closed months after a claim, as many as the period has."""
        anchor = parse_anchor(words_)
        closed = [
            month
            for month in range(1, anchor.month + 1)
            if (found := self._history.anchor(f"month {month} after {anchor.claim}"))
            and found[1] <= self._at
        ]
        return len(closed)

    def _trend(self, metric: Metric, scope: Scope) -> RuleResult:
        state, n, interval, parts = Trends(self._catalogue, self._history, self._at).state(
            metric, scope
        )
        if n == 0:
            return RuleResult(None, "no_data", 0)
        verdict = "met" if state == metric.raw.target.value else "not_met"
        if n < metric.raw.min_sample:
            verdict = "insufficient_data"
        return RuleResult(state, verdict, n, interval=interval, parts=parts)

    def _counted(self, metric: Metric, scope: Scope) -> RuleResult:
        """A state by the number of periods in which rules held."""
        conditions = self._conditions(metric)
        terms: dict[str, float] = {}
        known = 0
        for name, rule in metric.raw.counted.items():
            hold = words.hold_of(rule)
            ends = period_ends(hold.unit, hold.periods, self._at, self._zone)
            truth = conditions.truth(rule, ends, Asking(metric, scope, hold.unit))
            terms |= {name + part: value for part, value in counted(truth).items()}
            known = max(known, words.decided(truth))
        if known == 0:
            return RuleResult(None, "no_data", 0, "No result of the rule's metrics yet.")
        arrays = {name: np.array(value) for name, value in terms.items()}
        state = next(
            (lv.level for lv in metric.scale if lv.when is None or bool(lv.when(arrays) > 0)), None
        )
        scale = [level.level for level in metric.scale]
        target = metric.raw.target
        good = (
            {target.value}
            if target.cmp == "=="
            else set(scale[: scale.index(str(target.value)) + 1])
        )
        verdict = "met" if state in good else "not_met"
        if known < metric.raw.min_sample:
            verdict = "insufficient_data"
        return RuleResult(state, verdict, known, parts=dict(terms))

    def _cadence(self, metric: Metric, scope: Scope) -> RuleResult:
        found = (
            published(metric, self._catalogue, self._history, self._at)
            if scope.kind == "network"
            else None
        )
        if found is None:
            return RuleResult(None, "no_data", 0, "Nothing has been published yet.")
        if found.due == 0:
            return RuleResult(None, "no_data", 0, "No publication was due yet.")
        value = 100.0 * found.on_time / found.due
        enough = found.periods >= metric.raw.min_sample
        verdict = ("met" if value >= 100 else "not_met") if enough else "insufficient_data"
        return RuleResult(
            value, verdict, found.periods,
            f"{found.on_time} of {found.due} publications came in time.",
            parts={"due": found.due, "on_time": found.on_time},
        )  # fmt: skip


def _part(metric: Metric, hold: Hold) -> int:
    """How many periods are judged together: of a milestone's record a part, of other rules as many
    as are looked at first."""
    if metric.raw.kind == "milestone":
        return max(_GAP[hold.unit], hold.periods)
    if metric.raw.kind == "threshold" and not hold.consecutive:
        return max(_LOOKED_AT[hold.unit], hold.periods)
    return hold.periods


def _is_gap(rule: Mapping[str, Any], truth: Sequence[Truth]) -> bool:
    """Whether the record of a rule begins after this part: nothing was decided in it; of a group,
    it never was met."""
    return not words.decided(truth) or (
        "group" in rule and not any(found in words.GOOD for found in truth)
    )


def _rule(metric: Metric) -> tuple[Mapping[str, Any], Hold]:
    rule = metric.raw.rule or {}
    return rule, words.hold_of(rule)


def _parts(rule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The conditions of a rule, in their order."""
    parts = rule.get("all", rule.get("any"))
    if parts is None or "hold" in rule:
        yield rule
        return
    for part in parts:
        yield from _parts(part)


def _whole(formula: Formula, terms: Mapping[str, tuple[float, float]]) -> int:
    value = value_of(formula, terms)
    return 0 if np.isnan(value) else round(value)


def _nothing(metric: Metric, truth: Sequence[Truth], sample: int) -> RuleResult:
    """Of a rule that was not decided once."""
    if truth[-1] == "neutral":
        return RuleResult(None, "not_applicable", 0, "There was nothing to judge.")
    rule = metric.raw.rule or {}
    if 0 < sample < metric.raw.min_sample and "hold" not in rule:
        return RuleResult(None, "insufficient_data", sample)
    if metric.raw.kind == "milestone":
        return RuleResult(None, "no_data", 0, "No record of what the milestone asks for.")
    return RuleResult(None, "no_data", 0, "No result of the rule's metrics yet.")


def _enough(metric: Metric, value: bool, sample: int) -> str:
    if sample < metric.raw.min_sample:
        return "insufficient_data"
    return "met" if value else "not_met"
