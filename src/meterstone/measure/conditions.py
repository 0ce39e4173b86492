"""Whether the conditions of a rule are true at the end of each period.

``{all}``, ``{any}``; ``{metric, at?, period?, field?, cmp, value}``, ``{metric, at?, verdict}``,
``{metric, change, period, cmp, value, test}``; ``{group, verdict, strict?, strict_except_100?,
no_regression?, except?}``; ``{fact, where, per?, period?, cmp?, value?}``; ``{share|sum|count|
distinct|term, cmp, value}`` over the terms of the rule's own metric. Each may have a ``hold``.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from meterstone.catalogue import Catalogue, Metric, Place, parse_window
from meterstone.catalogue.formula import Formula, parse_formula
from meterstone.catalogue.groups import group_of_rule
from meterstone.catalogue.model import AMOUNTS
from meterstone.catalogue.units import factor
from meterstone.measure import truth as words
from meterstone.measure.days import last_closed_day
from meterstone.measure.gates import UNJUDGED
from meterstone.measure.history import DayResult, History, place_scope
from meterstone.measure.intervals import Z95
from meterstone.measure.periods import ends_within, period_ends
from meterstone.measure.results import Scope, Value
from meterstone.measure.truth import Truth, word
from meterstone.measure.verdict import COMPARE

ONE_SIDED_5PCT = 1.6448536269514722

Asked = Callable[[Metric, Scope, Sequence[datetime]], Sequence[Any]]
"""The results (value and verdict) of a metric that looks back, one a moment."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks: the metric whose rule it is, the scope it is judged for, the unit of periods."""

    metric: Metric
    scope: Scope
    unit: str


class Conditions:
    """Judges conditions; what was found at a moment is kept in the history.

    Args:
        ask: evaluates a metric whose own rule is asked for.
    """

    def __init__(self, catalogue: Catalogue, history: History, ask: Asked) -> None:
        self._catalogue = catalogue
        self._history = history
        self._ask = ask
        self._zone = ZoneInfo(catalogue.time_zone)

    def truth(
        self, rule: Mapping[str, Any], ends: Sequence[datetime], asking: Asking
    ) -> list[Truth]:
        """Whether a rule (without its own hold) is true at the end of each period."""
        memo = self._history.memo.setdefault((id(rule), asking.scope, asking.unit), {})
        missing = sorted({end for end in ends if end not in memo})
        if missing:
            memo |= dict(zip(missing, self._truth(rule, missing, asking), strict=True))
        return [memo[end] for end in ends]

    def _truth(
        self, rule: Mapping[str, Any], ends: Sequence[datetime], asking: Asking
    ) -> list[Truth]:
        if "all" in rule or "any" in rule:
            parts = [self.held(part, ends, asking) for part in rule.get("all", rule.get("any"))]
            join = words.all_of if "all" in rule else words.any_of
            return [join(column) for column in zip(*parts, strict=True)]
        if "group" in rule:
            return self._group(rule, ends, asking)
        if "fact" in rule:
            return self._fact(rule, ends, asking)
        if "metric" in rule:
            return self._metric(rule, ends, asking)
        return self._amount(rule, ends, asking)

    def held(
        self, rule: Mapping[str, Any], ends: Sequence[datetime], asking: Asking
    ) -> list[Truth]:
        """Whether a part of a rule is true at each end, with its own hold up to then."""
        if "hold" not in rule:
            return self.truth(rule, ends, asking)
        return [
            words.held_at(found, words.hold_of(rule)) for found in self.spans(rule, ends, asking)
        ]

    def spans(
        self, rule: Mapping[str, Any], ends: Sequence[datetime], asking: Asking
    ) -> list[list[Truth]]:
        """The periods that the hold of a part looks at, up to each end."""
        hold = words.hold_of(rule)
        spans = [period_ends(hold.unit, 2 * hold.periods, at, self._zone) for at in ends]
        every = sorted({end for span in spans for end in span})
        inner = Asking(asking.metric, asking.scope, hold.unit)
        found = dict(zip(every, self.truth(rule, every, inner), strict=True))
        return [[found[end] for end in span] for span in spans]

    # facts ------------------------------------------------------------------------------------

    def _fact(
        self, rule: Mapping[str, Any], ends: Sequence[datetime], asking: Asking
    ) -> list[Truth]:
        """A fact without any row says nothing: nobody kept the register."""
        window = rule.get("period") or (rule.get("per") and f"calendar {rule['per']}")
        bounds = parse_window(window).bounds if window else None
        windows = [(bounds(end, self._zone)[0] if bounds else None, end) for end in ends]
        counts = self._history.counts(rule["fact"], rule.get("where"), windows, asking.scope)
        compare, value = COMPARE[rule.get("cmp", ">=")], rule.get("value", 1)
        return [word(bool(compare(n, value))) if kept else "unknown" for n, kept in counts]

    # own terms --------------------------------------------------------------------------------

    def _amount(
        self, rule: Mapping[str, Any], ends: Sequence[datetime], asking: Asking
    ) -> list[Truth]:
        subject = next(key for key in AMOUNTS if key in rule)
        formula = own_formula(rule[subject], asking.metric)
        scale = 100.0 if subject == "share" else 1.0
        compare = COMPARE[rule["cmp"]]
        found: list[Truth] = []
        for terms in self._history.terms(asking.metric, asking.scope, ends):
            value = scale * value_of(formula, terms)
            read = any(terms[name][1] > 0 for name in formula.names if name in terms)
            known = read and not np.isnan(value)
            found.append(word(bool(compare(value, rule["value"]))) if known else "unknown")
        return found

    # metrics ----------------------------------------------------------------------------------

    def _metric(
        self, rule: Mapping[str, Any], ends: Sequence[datetime], asking: Asking
    ) -> list[Truth]:
        metric = self._catalogue.metrics[rule["metric"]]
        scope = scope_of(rule, asking.scope)
        if "change" in rule:
            return [self._changed(rule, metric, scope, end) for end in ends]
        if rule.get("period"):
            return self._anchored(rule, metric, scope, ends)
        return self._compared(rule, metric, scope, ends)

    def _compared(
        self, rule: Mapping[str, Any], metric: Metric, scope: Scope, ends: Sequence[datetime]
    ) -> list[Truth]:
        if "verdict" in rule:
            return [verdict_word(v, rule) for v in self.verdicts(metric, scope, ends)]
        if metric.looks_back:
            values = [found.value for found in self._ask(metric, scope, ends)]
        else:
            values = self._history.series(metric.id, scope, ends, rule.get("field") or "value")
        return [compared(value, rule, metric) for value in values]

    def _anchored(
        self, rule: Mapping[str, Any], metric: Metric, scope: Scope, ends: Sequence[datetime]
    ) -> list[Truth]:
        """The metric as of the end of a month after a claim; unknown until then."""
        found = self._history.anchor(rule["period"])
        if found is None or all(end < found[1] for end in ends):
            return ["unknown"] * len(ends)
        [there] = self._compared(rule, metric, scope, [found[1]])
        return [there if end >= found[1] else "unknown" for end in ends]

    def verdicts(self, metric: Metric, scope: Scope, ends: Sequence[datetime]) -> list[str]:
        """Verdicts of the place that judges a scope: as they were published; else computed."""
        if metric.looks_back:
            return [found.verdict for found in self._ask(metric, scope, ends)]
        place = next((p for p in metric.places if p.at.get(scope.kind) == scope.key), None)
        if place is None and scope.kind != "network":
            return self._history.verdicts(metric, scope, ends)
        ref = (place or metric.places[0]).ref
        days = [last_closed_day(at, self._zone) for at in ends]
        results = self._history.days([ref], days)
        return [results[day][ref].verdict for day in days]

    def _changed(
        self, rule: Mapping[str, Any], metric: Metric, scope: Scope, end: datetime
    ) -> Truth:
        """The difference between the newest closed period and an earlier one."""
        unit = rule["period"]
        back = 1
        if rule["change"] == "year_earlier":
            back = {"day": 365, "month": 12, "quarter": 4}[unit]
        before, *_, now = period_ends(unit, back + 1, end, self._zone)
        both = [before, now]
        old, new = self._history.series(metric.id, scope, both)
        if not isinstance(old, float) or not isinstance(new, float):
            return "unknown"
        difference = new - old - float(rule["value"])
        if "test" not in rule:
            return word(bool(COMPARE[rule["cmp"]](difference, 0.0)))
        error = self._error(metric, scope, both, old, new)
        if error is None:
            return "unknown"
        falls = rule["cmp"] in ("<", "<=")
        return word((-difference if falls else difference) > ONE_SIDED_5PCT * error)

    def _error(
        self, metric: Metric, scope: Scope, both: Sequence[datetime], old: float, new: float
    ) -> float | None:
        """Standard error of a difference: of two proportions by their pooled share, of others by
        their intervals."""
        if metric.raw.kind == "ratio" and metric.raw.unit.startswith("%"):
            n_old, n_new = self._history.series(metric.id, scope, both, "n")
            if not n_old or not n_new:
                return None
            pooled = (old * n_old + new * n_new) / (n_old + n_new) / 100
            return float(100 * np.sqrt(pooled * (1 - pooled) * (1 / n_old + 1 / n_new)))
        lower = self._history.series(metric.id, scope, both, "lower95")
        upper = self._history.series(metric.id, scope, both, "upper95")
        if None in (*lower, *upper):
            return None
        widths = [(high - low) / (2 * Z95) for low, high in zip(lower, upper, strict=True)]
        return float(np.hypot(*widths))

    # groups -----------------------------------------------------------------------------------

    def _group(
        self, rule: Mapping[str, Any], ends: Sequence[datetime], asking: Asking
    ) -> list[Truth]:
        judged = self._catalogue.by_ref()
        refs = [
            ref
            for ref in group_of_rule(self._catalogue, rule["group"], rule.get("except", []))
            if judged[ref][0].raw.verdict_on != "reference"
        ]
        looks = [self._looks(end, asking.unit) for end in ends]
        days = sorted({last_closed_day(at, self._zone) for look in looks for at in look})
        results = self._history.days(refs, days)
        by_day = {
            day: words.group_of(
                [leaf_word(rule, *judged[ref], result) for ref, result in results[day].items()]
            )
            for day in days
        }
        found = [
            words.group_of([by_day[last_closed_day(at, self._zone)] for at in look])
            for look in looks
        ]
        if rule.get("no_regression"):
            return [
                "restart" if held == "yes" and self._regressed(refs, end, asking.unit) else held
                for held, end in zip(found, ends, strict=True)
            ]
        return found

    def _looks(self, end: datetime, unit: str) -> tuple[datetime, ...]:
        """When a group is looked at in a period: a quarter has three monthly results."""
        return period_ends("month", 3, end, self._zone) if unit == "quarter" else (end,)

    def _regressed(self, refs: Sequence[str], end: datetime, unit: str) -> bool:
        """Whether a leaf was worse than a period earlier, beyond its interval."""
        before, now = period_ends(unit, 2, end, self._zone)
        for ref in refs:
            metric, place = self._catalogue.by_ref()[ref]
            if metric.looks_back:
                continue
            scope = place_scope(metric, place)
            old, new = self._history.series(metric.id, scope, [before, now])
            if not isinstance(old, float) or not isinstance(new, float):
                continue
            higher = metric.raw.better != "lower"
            [bound] = self._history.series(
                metric.id, scope, [now], "upper95" if higher else "lower95"
            )
            best = new if bound is None else float(bound)
            if (best < old) if higher else (best > old):
                return True
        return False


def since_start(
    history: History, unit: str, least: int, at: datetime, zone: ZoneInfo
) -> list[datetime]:
    """The periods in which a milestone is looked for: since the programme's start, as attested;
    without one, ``least`` of them."""
    started = history.anchor("month 1 after programme_start")
    if not started or started[0] >= at:
        return list(period_ends(unit, least, at, zone))
    known: list[datetime] = history.memo.get(("ends", unit), [])
    if not known or known[-1] < at:
        known = list(ends_within(unit, started[0], at, zone))
        history.memo["ends", unit] = known
    ends = known[: bisect_right(known, at)]
    return ends if len(ends) >= least else list(period_ends(unit, least, at, zone))


@lru_cache(maxsize=1024)
def _parsed(text: str, names: frozenset[str]) -> Formula:
    return parse_formula(text, names)


def own_formula(text: str, metric: Metric) -> Formula:
    """A formula over the terms of a rule's own metric."""
    return _parsed(str(text), frozenset(metric.terms))


def value_of(formula: Formula, terms: Mapping[str, tuple[float, float]]) -> float:
    """A formula of terms at one moment."""
    return float(formula({name: np.array(value) for name, (value, _) in terms.items()}))


def scope_of(rule: Mapping[str, Any], scope: Scope) -> Scope:
    """The scope that a condition asks for."""
    for kind, key in rule.get("at", {}).items():
        return Scope(kind, key)
    return scope


def leaf_word(rule: Mapping[str, Any], metric: Metric, place: Place, result: DayResult) -> Truth:
    """One result of a group. Words have no 'above': they are met, or not."""
    found = verdict_word(result.verdict, {"verdict": "met", **rule})
    value, target = result.value, place.target
    if found != "yes" or not isinstance(value, float) or not isinstance(target.value, int | float):
        return found
    measured = value * (factor(metric.raw.unit, target.unit) or 1.0)
    can_be_exceeded = not (target.value == 100 and target.unit.startswith("%"))
    if rule.get("strict") or (rule.get("strict_except_100") and can_be_exceeded):
        better = operator.gt if target.cmp in (">=", ">", "==") else operator.lt
        found = word(better(measured, target.value))
    return found


def verdict_word(verdict: str, rule: Mapping[str, Any]) -> Truth:
    """A verdict, asked for by a rule."""
    if verdict == rule["verdict"]:
        return "yes"
    if verdict == "not_applicable":
        return "neutral"
    return "unknown" if verdict in UNJUDGED else "no"


def compared(value: Value, rule: Mapping[str, Any], metric: Metric) -> Truth:
    """A value, compared by a rule."""
    if value is None:
        return "unknown"
    if rule["cmp"] == "at_least":
        scale = [level.level for level in metric.scale]
        return word(value in scale[: scale.index(rule["value"]) + 1])
    return word(bool(COMPARE[rule["cmp"]](value, rule["value"])))
