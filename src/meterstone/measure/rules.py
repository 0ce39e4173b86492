"""Kinds that look at other results over time: threshold, milestone, cadence and trend.

Rules are the grammar of the vocabulary's conventions: ``{all: […]}``, ``{any: […]}`` or a
condition, each with an optional ``hold``. Conditions: ``{metric, field, cmp, value}``, ``{metric,
verdict}``, ``{group, verdict}`` and ``{fact, where, cmp, value}``. A rule that asks for anything
else is not judged, and says so.

A period is ``yes``, ``no``, ``unknown`` (no result: it breaks a run) or ``neutral`` (nothing
to judge: it neither counts nor breaks).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from scipy import stats

from meterstone.catalogue import Catalogue, Metric, Place, parse_window
from meterstone.catalogue.model import Hold, Schedule
from meterstone.catalogue.units import factor
from meterstone.catalogue.windows import parse_duration
from meterstone.errors import InputError
from meterstone.measure.compile import literal
from meterstone.measure.gates import UNJUDGED
from meterstone.measure.history import DayResult, History, day_end, last_closed_day
from meterstone.measure.intervals import mann_kendall
from meterstone.measure.results import Scope, Value
from meterstone.measure.verdict import COMPARE

Truth = Literal["yes", "no", "unknown", "neutral"]

_LOOKED_AT = {"day": 400, "month": 14, "quarter": 6}
"""How many periods back a rule is followed: for a milestone, the first run among them counts."""

_EVALUATED = frozenset({
    "all", "any", "hold", "group", "metric", "fact", "verdict", "strict", "strict_except_100",
    "except", "at", "field", "where", "cmp", "value",
})  # fmt: skip
_FIELDS = ("value", "lower95", "upper95")


@dataclass(slots=True)
class RuleResult:
    """Value and verdict of a rule kind, before it becomes a `MetricResult`."""

    value: Value
    verdict: str
    n: int
    reason: str = ""
    interval: tuple[float, float] | None = None
    parts: dict[str, Value] = field(default_factory=dict)


class Rules:
    """Evaluates rule kinds at one moment.

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
        """The result of one metric of a rule kind at a scope.

        Raises:
            InputError: its rule leads back to itself.
        """
        if metric.id in self._inside:
            raise InputError(
                f"rules ask each other: {' → '.join((*self._inside, metric.id))}",
                place=metric.place,
                mend="let one of them ask for a metric that is computed from facts",
            )
        kinds: dict[str, Callable[[Metric, Scope], RuleResult]] = {
            "threshold": self._threshold,
            "milestone": self._milestone,
            "cadence": self._cadence,
            "trend": self._trend,
        }
        return kinds[metric.raw.kind](metric, scope)

    def _threshold(self, metric: Metric, scope: Scope) -> RuleResult:
        rule, hold = _rule(metric)
        if refused := _refused(rule):
            return refused
        truth = self._newest_periods(metric, hold, scope)
        decided = _decided(truth)
        if not decided:
            return _nothing(truth, "No result of the rule's metrics yet.")
        value = _first_run(truth[::-1], hold, broken_ends=True) is not None
        good = truth.count("yes")
        return RuleResult(
            value,
            _enough(metric, value, decided),
            decided,
            f"The rule held on {good} of {len(truth)} {hold.unit}s.",
        )

    def _newest_periods(self, metric: Metric, hold: Hold, scope: Scope) -> list[Truth]:
        """The newest periods, as many as it takes to have ``hold.periods`` that count."""
        rule = metric.raw.rule or {}
        most = max(_LOOKED_AT[hold.unit], hold.periods)
        size = hold.periods if hold.consecutive else most
        while True:
            ends = self._period_ends(hold.unit, size)
            truth = self._truth(rule, ends, scope, (*self._inside, metric.id))
            missing = hold.periods - (len(truth) - truth.count("neutral"))
            if missing <= 0 or size >= most:
                return truth
            size = min(size + missing, most)

    def _milestone(self, metric: Metric, scope: Scope) -> RuleResult:
        rule, hold = _rule(metric)
        if refused := _refused(rule):
            return refused
        ends = self._period_ends(hold.unit, max(_LOOKED_AT[hold.unit], hold.periods))
        truth = self._truth(rule, ends, scope, (*self._inside, metric.id))
        decided = _decided(truth)
        if not decided:
            return _nothing(truth, "No record of what the milestone asks for.")
        dated = _first_run(truth, hold)
        parts: dict[str, Value] = {"holds_now": truth[-1] == "yes", "dated_on": None}
        reason = "Not reached yet."
        if dated is not None:
            day = last_closed_day(ends[dated], self._zone)
            parts["dated_on"] = day.isoformat()
            reason = f"Reached on {day:%-d %B %Y}."
        verdict = _enough(metric, dated is not None, decided)
        if verdict == "insufficient_data":
            reason = ""
        return RuleResult(dated is not None, verdict, decided, reason, parts=parts)

    def _trend(self, metric: Metric, scope: Scope) -> RuleResult:
        window = parse_window(metric.raw.window)
        opens, closes = window.bounds(self._at, self._zone)
        count = (closes - opens).days
        newest = last_closed_day(self._at, self._zone)
        days = [newest - timedelta(days=back) for back in reversed(range(count))]
        input_ = metric.raw.inputs[0]
        moments = [day_end(day, self._zone) for day in days]
        series = np.array(
            [np.nan if v is None else v for v in self._history.series(input_, scope, moments)],
            dtype=float,
        )
        known = series[np.isfinite(series)]
        if len(known) == 0:
            return RuleResult(None, "no_data", 0)
        p, slope, interval = _trend_of(series)
        middle = float(np.median(known))
        change = 100 * (slope or 0.0) * (count - 1) / abs(middle) if middle else 0.0
        terms = {
            "falling": np.array(float(p is not None and p < 0.05 and (slope or 0) < 0)),
            "rising": np.array(float(p is not None and p < 0.05 and (slope or 0) > 0)),
            "change": np.array(change),
            "on_target": np.array(float(self._always_met(input_, known))),
        }
        state = next(
            (lv.level for lv in metric.scale if lv.when is None or bool(lv.when(terms) > 0)), None
        )
        good = state == metric.raw.target.value
        verdict = "met" if good else "not_met"
        if len(known) < metric.raw.min_sample:
            verdict = "insufficient_data"
        return RuleResult(
            state, verdict, len(known),
            interval=interval,
            parts={"change_percent": change, "slope_per_day": slope, "p_value": p},
        )  # fmt: skip

    def _always_met(self, input_: str, known: Any) -> bool:
        raw = self._catalogue.metrics[input_].raw
        compare = COMPARE.get(raw.target.cmp)
        scale = factor(raw.unit, raw.target.unit) or 1.0
        return compare is not None and bool(np.all(compare(known * scale, raw.target.value)))

    def _cadence(self, metric: Metric, scope: Scope) -> RuleResult:
        opens, closes = parse_window(metric.raw.window).bounds(self._at, self._zone)
        first = self._first_published()
        if scope.kind != "network" or first is None:
            return RuleResult(None, "no_data", 0, "Nothing has been published yet.")
        due = on_time = 0
        periods: set[datetime] = set()
        for schedule in metric.raw.schedule:
            ends = [e for e in self._due_periods(schedule, opens, closes) if e >= first]
            due += len(ends)
            periods.update(ends)
            on_time += self._on_time(schedule, ends)
        if due == 0:
            return RuleResult(None, "no_data", 0, "No publication was due yet.")
        value = 100.0 * on_time / due
        enough = len(periods) >= metric.raw.min_sample
        verdict = ("met" if value >= 100 else "not_met") if enough else "insufficient_data"
        return RuleResult(
            value, verdict, len(periods), f"{on_time} of {due} publications came in time.",
            parts={"due": due, "on_time": on_time},
        )  # fmt: skip

    def _first_published(self) -> datetime | None:
        rows = self._history.publications(
            "min(period_end) AS first", f"published_at <= {literal(self._at)}"
        )
        first: datetime | None = rows[0]["first"]
        return first and first.replace(tzinfo=UTC)

    def _due_periods(self, schedule: Schedule, opens: datetime, closes: datetime) -> list[datetime]:
        """Ends of the periods of a window whose time limit has passed."""
        unit = "day" if schedule.share_of_minutes else schedule.every
        ends = self._period_ends(unit, 400 if unit == "day" else 40)
        return [e for e in ends if opens < e <= closes and e + _limit(schedule) <= self._at]

    def _on_time(self, schedule: Schedule, ends: Sequence[datetime]) -> int:
        """How many of the periods were published in time, by their first publication."""
        refs = [r for r in self._catalogue.group(schedule.group) if r not in schedule.excluding]
        if not ends:
            return 0
        if schedule.share_of_minutes:
            return self._live_days(refs, ends, schedule.share_of_minutes)
        rows = self._history.publications(
            "ref, period_end, min(published_at) AS published_at",
            f"report = '{schedule.report}' AND period_end >= {literal(ends[0])} GROUP BY ALL",
        )
        done: dict[datetime, set[str]] = {end: set() for end in ends}
        for row in rows:
            end = row["period_end"].replace(tzinfo=UTC)
            if end in done and row["published_at"].replace(tzinfo=UTC) <= end + _limit(schedule):
                done[end].add(row["ref"])
        return sum(done[end] >= set(refs) for end in ends)

    def _live_days(self, refs: Sequence[str], ends: Sequence[datetime], share: float) -> int:
        """Days on which enough minutes had a live result of every ref."""
        days = [
            (day_end(last_closed_day(e, self._zone) - timedelta(days=1), self._zone), e)
            for e in ends
        ]
        rows = self._history.publications(
            "ref, date_trunc('minute', published_at) AS minute",
            f"report = 'live' AND published_at >= {literal(days[0][0])} GROUP BY ALL",
        )
        live: dict[datetime, set[str]] = {}
        for row in rows:
            live.setdefault(row["minute"].replace(tzinfo=UTC), set()).add(row["ref"])
        full = sorted(minute for minute, found in live.items() if found >= set(refs))
        good = 0
        for start, end in days:
            covered = sum(start <= minute < end for minute in full)
            good += 100 * covered >= share * ((end - start) // timedelta(minutes=1))
        return good

    def _truth(
        self,
        rule: Mapping[str, Any],
        moments: Sequence[datetime],
        scope: Scope,
        inside: tuple[str, ...],
    ) -> list[Truth]:
        """Whether a rule (without its own hold) is true at each moment."""
        if "all" in rule or "any" in rule:
            parts = [
                self._held(part, moments, scope, inside)
                for part in rule.get("all", rule.get("any"))
            ]
            join = _all if "all" in rule else _any
            return [join(column) for column in zip(*parts, strict=True)]
        if "group" in rule:
            return self._group_truth(rule, moments)
        if "fact" in rule:
            return [self._fact_truth(rule, at) for at in moments]
        return self._metric_truth(rule, moments, scope, inside)

    def _held(
        self,
        rule: Mapping[str, Any],
        moments: Sequence[datetime],
        scope: Scope,
        inside: tuple[str, ...],
    ) -> list[Truth]:
        """Whether a part of a rule is true at each moment, with its own hold up to then."""
        if "hold" not in rule:
            return self._truth(rule, moments, scope, inside)
        hold = _hold(rule)
        spans = [self._period_ends(hold.unit, 2 * hold.periods, at) for at in moments]
        ends = sorted({end for span in spans for end in span})
        truth = dict(zip(ends, self._truth(rule, ends, scope, inside), strict=True))
        return [_held_at([truth[end] for end in span], hold) for span in spans]

    def _fact_truth(self, rule: Mapping[str, Any], at: datetime) -> Truth:
        """A fact without any row says nothing: nobody kept the register."""
        if self._history.count(rule["fact"], None, at) == 0:
            return "unknown"
        count = self._history.count(rule["fact"], rule.get("where"), at)
        return _word(COMPARE[rule["cmp"]](count, rule["value"]) if "cmp" in rule else count >= 1)

    def _group_truth(self, rule: Mapping[str, Any], moments: Sequence[datetime]) -> list[Truth]:
        out = rule.get("except", [])
        judged = self._catalogue.by_ref()
        refs = [
            ref
            for ref in self._catalogue.group(rule["group"])
            if ref not in out and judged[ref][0].raw.verdict_on != "reference"
        ]
        days = [last_closed_day(at, self._zone) for at in moments]
        results = self._history.days(refs, days)
        return [
            _group([_leaf(rule, *judged[ref], result) for ref, result in results[day].items()])
            for day in days
        ]

    def _metric_truth(
        self,
        rule: Mapping[str, Any],
        moments: Sequence[datetime],
        scope: Scope,
        inside: tuple[str, ...],
    ) -> list[Truth]:
        metric = self._catalogue.metrics[rule["metric"]]
        for kind, key in rule.get("at", {}).items():
            scope = Scope(kind, key)
        if metric.looks_back:
            found = [
                Rules(self._catalogue, self._history, at, inside).evaluate(metric, scope)
                for at in moments
            ]
            if "verdict" in rule:
                return [_verdict_word(result.verdict, rule) for result in found]
            return [_compared(result.value, rule, metric) for result in found]
        if "verdict" in rule:
            return [_verdict_word(v, rule) for v in self._verdicts(metric, scope, moments)]
        values = self._history.series(metric.id, scope, moments, rule.get("field") or "value")
        return [_compared(value, rule, metric) for value in values]

    def _verdicts(self, metric: Metric, scope: Scope, moments: Sequence[datetime]) -> list[str]:
        """Verdicts of the place that judges a scope: as they were published; else computed."""
        place = next((p for p in metric.places if p.at.get(scope.kind) == scope.key), None)
        if place is None and scope.kind != "network":
            return self._history.verdicts(metric, scope, moments)
        ref = (place or metric.places[0]).ref
        days = [last_closed_day(at, self._zone) for at in moments]
        results = self._history.days([ref], days)
        return [results[day][ref].verdict for day in days]

    def _period_ends(self, unit: str, count: int, at: datetime | None = None) -> list[datetime]:
        """Ends of the newest ``count`` closed periods, oldest first."""
        window = parse_window(f"calendar {unit}")
        ends: list[datetime] = []
        at = at or self._at
        while len(ends) < count:
            start, end = window.bounds(at, self._zone)
            ends.append(end)
            at = start
        return ends[::-1]


def _rule(metric: Metric) -> tuple[Mapping[str, Any], Hold]:
    rule = metric.raw.rule or {}
    return rule, _hold(rule)


def _hold(rule: Mapping[str, Any]) -> Hold:
    return Hold(**(rule.get("hold") or {"periods": 1}))


def _refused(rule: Mapping[str, Any]) -> RuleResult | None:
    """The result of a rule that asks for what is not evaluated here."""
    unknown = sorted(set(_keys(rule)) - _EVALUATED)
    if not unknown:
        return None
    return RuleResult(
        None,
        "no_data",
        0,
        f"Not judged: the rule asks for {', '.join(unknown)}, not evaluated yet.",
    )


def _keys(rule: Mapping[str, Any]) -> Iterator[str]:
    for key, value in rule.items():
        yield key
        for part in value if key in ("all", "any") else ():
            yield from _keys(part)
    if rule.get("field", "value") not in _FIELDS:
        yield f"field {rule['field']}"


def _decided(truth: Sequence[Truth]) -> int:
    return truth.count("yes") + truth.count("no")


def _nothing(truth: Sequence[Truth], reason: str) -> RuleResult:
    """Of a rule that was not decided once."""
    if truth[-1] == "neutral":
        return RuleResult(None, "not_applicable", 0, "There was nothing to judge.")
    return RuleResult(None, "no_data", 0, reason)


def _enough(metric: Metric, value: bool, decided: int) -> str:
    if decided < metric.raw.min_sample:
        return "insufficient_data"
    return "met" if value else "not_met"


def _first_run(truth: Sequence[Truth], hold: Hold, *, broken_ends: bool = False) -> int | None:
    """Index of the last period of the first run that is long enough.

    ``broken_ends``: a run that breaks ends the search, as for the run up to now.
    """
    run = 0
    for index, word in enumerate(truth):
        if word == "neutral":
            continue
        if word == "yes":
            run += 1
        elif hold.consecutive:
            if broken_ends:
                return None
            run = 0
        if run >= hold.periods and word == "yes":
            return index
    return None


def _held_at(truth: Sequence[Truth], hold: Hold) -> Truth:
    if _first_run(truth[::-1], hold, broken_ends=True) is not None:
        return "yes"
    if "no" not in truth and "yes" not in truth:
        return truth[-1]
    return "no"


def _leaf(rule: Mapping[str, Any], metric: Metric, place: Place, result: DayResult) -> Truth:
    """One result of a group. Words have no 'above': they are met, or not."""
    word = _verdict_word(result.verdict, {"verdict": "met", **rule})
    value, target = result.value, place.target
    if word != "yes" or not isinstance(value, float) or not isinstance(target.value, int | float):
        return word
    measured = value * (factor(metric.raw.unit, target.unit) or 1.0)
    can_be_exceeded = not (target.value == 100 and target.unit.startswith("%"))
    if rule.get("strict") or (rule.get("strict_except_100") and can_be_exceeded):
        better = operator.gt if target.cmp in (">=", ">", "==") else operator.lt
        word = _word(better(measured, target.value))
    return word


def _group(leaves: Sequence[Truth]) -> Truth:
    """All of a group; a leaf without a result breaks where others have one."""
    if "yes" not in leaves and "no" not in leaves:
        return "unknown" if "unknown" in leaves else "neutral"
    return _word("no" not in leaves and "unknown" not in leaves)


def _verdict_word(verdict: str, rule: Mapping[str, Any]) -> Truth:
    if verdict == rule["verdict"]:
        return "yes"
    if verdict == "not_applicable":
        return "neutral"
    return "unknown" if verdict in UNJUDGED else "no"


def _compared(value: Any, rule: Mapping[str, Any], metric: Metric) -> Truth:
    if value is None:
        return "unknown"
    if rule["cmp"] == "at_least":
        words = [level.level for level in metric.scale]
        return _word(value in words[: words.index(rule["value"]) + 1])
    return _word(bool(COMPARE[rule["cmp"]](value, rule["value"])))


def _word(holds: bool) -> Truth:
    return "yes" if holds else "no"


def _all(parts: Sequence[Truth]) -> Truth:
    for word in ("no", "unknown", "yes"):
        if word in parts:
            return word
    return "neutral"


def _any(parts: Sequence[Truth]) -> Truth:
    for word in ("yes", "unknown", "no"):
        if word in parts:
            return word
    return "neutral"


def _limit(schedule: Schedule) -> timedelta:
    return parse_duration(schedule.due_within) if schedule.due_within else timedelta(0)


def _trend_of(
    series: Any,
) -> tuple[float | None, float | None, tuple[float, float] | None]:
    """One-sided p value, Theil-Sen slope a day and its interval; None for too few days.

    The slope counts the days without a value, which the test leaves out.
    """
    p, _, _ = mann_kendall(series)
    if np.isnan(p):
        return None, None, None
    days = np.flatnonzero(np.isfinite(series))
    slope, _, low, high = stats.theilslopes(series[days], days, 0.95)
    return p, float(slope), (float(low), float(high))
