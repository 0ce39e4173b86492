"""Kinds that look at other results over time: threshold, milestone, cadence and trend.

Rules are the grammar of the vocabulary's conventions: ``{all: […]}``, ``{any: […]}`` or a
condition, each with an optional ``hold``. Conditions: ``{metric, cmp, value}``, ``{metric,
verdict}``, ``{group, verdict}``, ``{fact, where, cmp, value}`` and ``{term, cmp, value}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from meterstone.catalogue import Catalogue, Metric, parse_window
from meterstone.catalogue.model import Schedule
from meterstone.catalogue.windows import parse_duration
from meterstone.measure.compile import literal
from meterstone.measure.gates import NEUTRAL, UNJUDGED
from meterstone.measure.history import History, day_end, last_closed_day
from meterstone.measure.intervals import mann_kendall
from meterstone.measure.results import Scope, Value
from meterstone.measure.verdict import COMPARE

_PERIODS_LOOKED_AT = 400
"""How far back a milestone looks for the first run that satisfied its rule, in days."""


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
    """Evaluates rule kinds at one moment."""

    def __init__(self, catalogue: Catalogue, history: History, at: datetime) -> None:
        self._catalogue = catalogue
        self._history = history
        self._at = at
        self._zone = ZoneInfo(catalogue.time_zone)

    def evaluate(self, metric: Metric, scope: Scope) -> RuleResult:
        """The result of one metric of a rule kind at a scope."""
        kinds: dict[str, Callable[[Metric, Scope], RuleResult]] = {
            "threshold": self._threshold,
            "milestone": self._milestone,
            "cadence": self._cadence,
            "trend": self._trend,
        }
        return kinds[metric.raw.kind](metric, scope)

    def _threshold(self, metric: Metric, scope: Scope) -> RuleResult:
        rule = metric.raw.rule or {}
        hold = rule.get("hold") or {"periods": 1, "unit": "day"}
        moments = self._period_ends(hold["unit"], hold["periods"])
        truth = self._truth(rule, moments, scope)
        decided = [t for t in truth if t is not None]
        if not decided:
            return RuleResult(None, "no_data", 0, "No result of the rule's metrics yet.")
        value = all(t is True for t in truth)
        verdict = "met" if value else "not_met"
        if len(decided) < metric.raw.min_sample:
            verdict = "insufficient_data"
        good = sum(t is True for t in truth)
        return RuleResult(
            value,
            verdict,
            len(decided),
            f"The rule held on {good} of {len(truth)} {hold['unit']}s.",
        )

    def _milestone(self, metric: Metric, scope: Scope) -> RuleResult:
        rule = metric.raw.rule or {}
        hold = rule.get("hold") or {"periods": 1, "unit": "day"}
        size = {"day": _PERIODS_LOOKED_AT, "month": 14, "quarter": 6}[hold["unit"]]
        moments = self._period_ends(hold["unit"], max(size, hold["periods"]))
        truth = self._truth(rule, moments, scope)
        decided = [t for t in truth if t is not None]
        if not decided:
            return RuleResult(None, "no_data", 0, "No record of what the milestone asks for.")
        dated = _first_run(truth, hold["periods"])
        when = (
            moments[dated].astimezone(self._zone) - timedelta(days=1) if dated is not None else None
        )
        verdict = "met" if dated is not None else "not_met"
        if len(decided) < metric.raw.min_sample:
            verdict = "insufficient_data"
        parts: dict[str, Value] = {
            "holds_now": truth[-1] is True,
            "dated_on": when.date().isoformat() if when else None,
        }
        return RuleResult(dated is not None, verdict, len(decided), parts=parts)

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
        p, slope, (low, high) = mann_kendall(series)
        middle = float(np.median(known))
        change = 100 * slope * (count - 1) / abs(middle) if middle else 0.0
        terms = {
            "falling": np.array(float(p < 0.05 and slope < 0)),
            "rising": np.array(float(p < 0.05 and slope > 0)),
            "change": np.array(change),
            "on_target": np.array(float(self._always_met(input_, scope, series))),
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
            interval=(low, high),
            parts={"change_percent": change, "slope_per_day": slope, "p_value": p},
        )  # fmt: skip

    def _always_met(self, input_: str, scope: Scope, series: Any) -> bool:
        metric = self._catalogue.metrics[input_]
        target = metric.raw.target
        compare = COMPARE.get(target.cmp)
        known = series[np.isfinite(series)]
        return (
            compare is not None and scope is not None and bool(np.all(compare(known, target.value)))
        )

    def _cadence(self, metric: Metric, scope: Scope) -> RuleResult:
        opens, closes = parse_window(metric.raw.window).bounds(self._at, self._zone)
        published = self._published(opens - timedelta(days=100))
        if scope.kind != "network" or not published:
            return RuleResult(None, "no_data", 0, "Nothing has been published yet.")
        first = min(row["period_end"] for row in published)
        due = on_time = 0
        periods: set[datetime] = set()
        for schedule in metric.raw.schedule:
            for end in self._due_periods(schedule, max(opens, first), closes):
                due += 1
                periods.add(end)
                on_time += self._was_on_time(schedule, end, published)
        if due == 0:
            return RuleResult(None, "no_data", 0, "No publication was due yet.")
        value = 100.0 * on_time / due
        enough = len(periods) >= metric.raw.min_sample
        verdict = ("met" if value >= 100 else "not_met") if enough else "insufficient_data"
        return RuleResult(
            value, verdict, len(periods), f"{on_time} of {due} publications came in time.",
            parts={"due": due, "on_time": on_time},
        )  # fmt: skip

    def _published(self, since: datetime) -> list[dict[str, Any]]:
        rows = self._history.rows(
            "SELECT ref, report, period_end, min(published_at) AS published_at "
            "FROM {metric_result} "
            f"WHERE published_at IS NOT NULL AND published_at < {literal(self._at)} "
            f"AND period_end >= {literal(since)} GROUP BY ALL"
        )
        for row in rows:
            row["period_end"] = row["period_end"].replace(tzinfo=UTC)
            row["published_at"] = row["published_at"].replace(tzinfo=UTC)
        return rows

    def _due_periods(self, schedule: Schedule, opens: datetime, closes: datetime) -> list[datetime]:
        """Ends of the periods whose time limit passed within the window."""
        unit = "day" if schedule.share_of_minutes else schedule.every
        limit = parse_duration(schedule.due_within) if schedule.due_within else timedelta(0)
        ends = self._period_ends(unit, 400 if unit == "day" else 40)
        return [end for end in ends if opens < end and end + limit <= closes]

    def _was_on_time(
        self, schedule: Schedule, end: datetime, published: Sequence[Mapping[str, Any]]
    ) -> bool:
        refs = [
            ref for ref in self._catalogue.group(schedule.group) if ref not in schedule.excluding
        ]
        if schedule.share_of_minutes:
            return self._was_live(refs, end, published, schedule.share_of_minutes)
        limit = end + (parse_duration(schedule.due_within) if schedule.due_within else timedelta(0))
        done = {
            row["ref"]
            for row in published
            if row["report"] == schedule.report
            and row["period_end"] == end
            and row["published_at"] <= limit
        }
        return done >= set(refs)

    @staticmethod
    def _was_live(
        refs: Sequence[str], end: datetime, published: Sequence[Mapping[str, Any]], share: float
    ) -> bool:
        """In how many minutes of the day every ref had a live result at most 60 s old."""
        start = end - timedelta(days=1)
        covered = np.ones(1440, dtype=bool)
        for ref in refs:
            mine = np.zeros(1440, dtype=bool)
            for row in published:
                if row["ref"] == ref and row["report"] == "live":
                    minute = int((row["published_at"] - start).total_seconds() // 60)
                    if 0 <= minute < 1440:
                        mine[minute] = True
            covered &= mine
        return bool(100 * covered.mean() >= share)

    def _truth(
        self, rule: Mapping[str, Any], moments: Sequence[datetime], scope: Scope
    ) -> list[bool | None]:
        """Whether a rule (without its own hold) is true at each moment; None: not known."""
        if "all" in rule or "any" in rule:
            parts = [self._truth(part, moments, scope) for part in rule.get("all", rule.get("any"))]
            join = _all if "all" in rule else _any
            return [join(column) for column in zip(*parts, strict=True)]
        if "group" in rule:
            return self._group_truth(rule, moments)
        if "fact" in rule:
            return [
                _compare(self._history.count(rule["fact"], rule.get("where"), at), rule, least=1)
                for at in moments
            ]
        if "metric" in rule:
            return self._metric_truth(rule, moments, scope)
        raise ValueError(f"a rule names group, fact or metric, not {sorted(rule)}")

    def _group_truth(
        self, rule: Mapping[str, Any], moments: Sequence[datetime]
    ) -> list[bool | None]:
        out = rule.get("except", [])
        judged = self._catalogue.by_ref()
        refs = [
            ref
            for ref in self._catalogue.group(rule["group"])
            if ref not in out and judged[ref][0].raw.verdict_on != "reference"
        ]
        days = [last_closed_day(at, self._zone) for at in moments]
        results = self._history.days(refs, days)
        truth: list[bool | None] = []
        for day in days:
            verdicts = [result.verdict for result in results[day].values()]
            known = [v for v in verdicts if v not in UNJUDGED]
            truth.append(all(v in NEUTRAL for v in verdicts) if known else None)
        return truth

    def _metric_truth(
        self, rule: Mapping[str, Any], moments: Sequence[datetime], scope: Scope
    ) -> list[bool | None]:
        where = next(iter(rule.get("at", {}).items()), (scope.kind, scope.key))
        if "verdict" in rule:
            ref = self._catalogue.metrics[rule["metric"]].ref
            days = [last_closed_day(at, self._zone) for at in moments]
            results = self._history.days([ref], days)
            return [
                None if results[d][ref].verdict == "no_data"
                else results[d][ref].verdict == rule["verdict"]
                for d in days
            ]  # fmt: skip
        values = self._history.series(rule["metric"], Scope(*where), moments)
        return [None if value is None else _compare(value, rule) for value in values]

    def _period_ends(self, unit: str, count: int) -> list[datetime]:
        """Ends of the newest ``count`` closed periods, oldest first."""
        window = parse_window(f"calendar {unit}")
        ends: list[datetime] = []
        at = self._at
        while len(ends) < count:
            start, end = window.bounds(at, self._zone)
            ends.append(end)
            at = start
        return ends[::-1]


def _first_run(truth: Sequence[bool | None], periods: int) -> int | None:
    """Index of the last period of the first run of ``periods`` true ones."""
    run = 0
    for index, holds in enumerate(truth):
        run = run + 1 if holds else 0
        if run >= periods:
            return index
    return None


def _compare(value: Any, rule: Mapping[str, Any], least: float | None = None) -> bool:
    if "cmp" not in rule:
        return least is not None and value >= least
    return bool(COMPARE[rule["cmp"]](value, rule["value"]))


def _all(parts: Sequence[bool | None]) -> bool | None:
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


def _any(parts: Sequence[bool | None]) -> bool | None:
    if any(part is True for part in parts):
        return True
    return None if any(part is None for part in parts) else False
