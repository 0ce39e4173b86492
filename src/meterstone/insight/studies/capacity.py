"""How long does it hold, and what is needed then?

For each resource: its peaks, forecast until they reach the limit. For users the limit is what the
newest load test proved, and the scalability law of that test says what more users would take.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from meterstone.insight.actions import action_link
from meterstone.insight.capacity import Reach, fit, reach
from meterstone.insight.findings import (
    Advice,
    Check,
    Curve,
    Figure,
    Finding,
    Found,
    Picture,
    Point,
)
from meterstone.insight.forecasts import Forecast, forecast
from meterstone.insight.studies.demand import (
    RESOURCES,
    Peaks,
    Resource,
    expected_peak,
    newest_test,
    peaks,
    proven,
    was_recommended,
)
from meterstone.insight.studies.reading import NETWORK, newest_points
from meterstone.insight.studies.scalability import Asked, no_limit, number, scalability
from meterstone.insight.study import Say, Source

_SOON_DAYS = 90
_MOST_DAYS = 180
_SHARE = 4
"""A forecast reaches a quarter of the history ahead: models need the rest to learn from."""
_SHOWN = 120


class Capacity:
    """The study of capacity."""

    name = "capacity"
    title = "Capacity"
    version = "2"
    facts = ("load_sample", "load_test", "forecast", "release", "prevention_action")

    def run(self, source: Source, say: Say) -> Found:
        """See `meterstone.insight.study.Study.run`."""
        say("reading load tests")
        test = newest_test(source)
        asked = Asked(
            proven(source), test, fit(test.levels) if test else "no load test is on record",
            expected_peak(source),
        )  # fmt: skip
        findings, actions = [], []
        for resource in RESOURCES:
            seen = peaks(source, resource)
            if seen is None and resource.limit is not None:
                continue
            say(f"forecasting {resource.title.lower()}")
            finding, due = _resource(source, resource, seen, asked)
            findings.append((math.inf if due is None else due, finding))
            if due is not None and due <= _SOON_DAYS and not was_recommended(source, resource.key):
                actions.append(_action(source, resource, due))
        ordered = [finding for _, finding in sorted(findings, key=lambda each: each[0])]
        return Found((*ordered, scalability(source, asked)), tuple(actions))


def _resource(
    source: Source, resource: Resource, seen: Peaks | None, asked: Asked
) -> tuple[Finding, float | None]:
    """What is found of a resource, and in how many days at the earliest it is full."""
    limit = asked.held if resource.limit is None else resource.limit
    if seen is None:
        return _nobody_looked(resource), None
    made = _Made(source, resource, seen, limit, asked)
    steps = max(2, min(_MOST_DAYS // seen.days, len(seen.series.values) // _SHARE))
    found = forecast(seen.series, steps, 7 if seen.days == 1 else 1)
    if limit is None:
        why = no_limit(asked.age_days(source))
        return made.withheld(why, found), None
    if found.mean is None or found.low is None or found.high is None:
        return made.withheld(f"no forecast: {found.withheld}", found), None
    until = reach(seen.newest, found.mean, found.low, found.high, limit)
    if found.withheld and until.expected != 0:
        return made.withheld(f"how it grows is not known: {found.withheld}", found, until), None
    days = None if until.earliest is None else until.earliest * seen.days
    return made.claimed(found, until), days


def _nobody_looked(resource: Resource) -> Finding:
    why = "nobody recorded in the last week how many there were"
    return Finding(
        study="capacity", key=resource.key, scope=NETWORK, title=resource.title, withheld=why,
        sentence=f"{resource.title}: when the limit is reached is not claimed: {why}.",
        method="Takes load_sample facts, such as OpenTelemetry sends.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Made:
    """Makes the finding of one resource."""

    source: Source
    resource: Resource
    seen: Peaks
    limit: float | None
    asked: Asked

    def withheld(
        self, why: str, found: Forecast | None = None, until: Reach | None = None
    ) -> Finding:
        """It is not known when it is full; how full it is now is."""
        sentence = f"{self.resource.title}: when the limit is reached is not claimed: {why}."
        if self.limit:
            sentence += f" {self._now}"
        return self._finding(sentence, found, until, why)

    def claimed(self, found: Forecast, until: Reach) -> Finding:
        """When it is full, with the interval."""
        what = f"{self.resource.title}: the limit of {number(self.limit)} {self.resource.unit}"
        if until.expected == 0:
            sentence = f"{what} is reached already."
        elif until.earliest is None:
            sentence = f"{what} is not reached within {self._days(until.horizon)} days (95 %)."
        else:
            beyond = f"more than {self._days(until.horizon)}"
            about = beyond if until.expected is None else f"about {self._days(until.expected)}"
            latest = beyond if until.latest is None else self._days(until.latest)
            sentence = (
                f"{what} is reached in {about} days "
                f"(95 %: {self._days(until.earliest)} to {latest})."
            )
        return self._finding(f"{sentence} {self._now}", found, until, None)

    @property
    def _name(self) -> str:
        return self.resource.title.lower()

    @property
    def _now(self) -> str:
        if not self.limit:
            return ""
        share = self.seen.newest / self.limit
        step = "day" if self.seen.days == 1 else "week"
        return f"The highest of the last {step} is {share:.0%} of it."

    def _days(self, steps: float) -> str:
        return f"{steps * self.seen.days:,.0f}"

    def _finding(
        self, sentence: str, found: Forecast | None, until: Reach | None, why: str | None
    ) -> Finding:
        figures = list(self._figures(until))
        users = self.resource.limit is None
        return Finding(
            study="capacity", key=self.resource.key, scope=NETWORK, title=self.resource.title,
            sentence=sentence.strip(), withheld=why,
            method=(
                "The highest value of each day (of each week where there are more than 30) is "
                "forecast by the candidates that beat naive at rolling origins; bounds are "
                "conformal. The limit is "
                + ("what the newest valid load test held." if users else "90 % of what there is.")
            ),
            figures=tuple(figures), pictures=tuple(self._pictures(found)),
            checks=tuple(self._checks(found)), advice=tuple(self._advice(until)),
        )  # fmt: skip

    def _figures(self, until: Reach | None) -> Iterator[Figure]:
        unit = self.resource.unit
        if until is not None:
            expected, earliest, latest = (
                None if each is None else each * self.seen.days
                for each in (until.expected, until.earliest, until.latest)
            )
            title = "Days until the limit is reached"
            yield Figure("days", title, expected, "days", earliest, latest)
        yield Figure("limit", "Limit", self.limit, unit)
        step = "day" if self.seen.days == 1 else "week"
        yield Figure("newest", f"Highest of the last {step}", self.seen.newest, unit)
        if until is not None:
            yield Figure("horizon", "Days looked ahead", until.horizon * self.seen.days, "days")
        if self.resource.limit is None and self.asked.peak is not None:
            peak = self.asked.peak
            title = "Highest of the next 30 days"
            yield Figure("peak_30d", title, peak.point, unit, peak.low, peak.high)

    def _pictures(self, found: Forecast | None) -> Iterator[Picture]:
        series = self.seen.series
        curves = [Curve("peaks", "What it was", "observed", newest_points(series, _SHOWN))]
        if found and found.mean and found.low and found.high and not found.withheld:
            rows = zip(found.ds, found.mean, found.low, found.high, strict=True)
            points = tuple(Point(ds[:10], mean, low, high) for ds, mean, low, high in rows)
            curves.append(Curve("forecast", "What is expected", "expected", points))
        title = f"{self.resource.title}, highest of each {'day' if self.seen.days == 1 else 'week'}"
        yield Picture(title, "day", self.resource.unit, tuple(curves), self.limit)

    def _checks(self, found: Forecast | None) -> Iterator[Check]:
        if found is not None:
            good = found.withheld is None
            says = (
                f"{found.skill:.0%} smaller errors at {found.origins} origins, by {found.model}"
                if good and found.skill is not None else str(found.withheld)
            )  # fmt: skip
            yield Check("The forecast beats naive", good, says)
        if self.resource.limit is None:
            yield self.asked.fresh(self.source)

    def _advice(self, until: Reach | None) -> Iterator[Advice]:
        if self.resource.limit is None and self.limit is None:
            yield Advice(
                "test_load", "Run a load test",
                "Hold each level for 15 minutes, to beyond the point where answers slow down: "
                "meterstone loadtest URL --hold 900 --production-like --users 100 --users 200 …",
            )  # fmt: skip
        if until is not None and until.earliest is not None:
            days = until.earliest * self.seen.days
            if days <= _SOON_DAYS:
                yield Advice(
                    f"extend_{self.resource.key}", f"Extend {self._name} within {days:,.0f} days",
                    f"{self._now} The upper bound of the forecast reaches the limit of "
                    f"{number(self.limit)} in {days:,.0f} days.",
                    link=action_link(None, "capacity", self.resource.key),
                )  # fmt: skip


def _action(source: Source, resource: Resource, days: float) -> dict[str, Any]:
    return {
        "fact": "prevention_action", "action_id": f"capacity-{resource.key}-{source.day}",
        "recommended_at": source.at.isoformat(), "origin": "capacity_forecast",
        "cause_key": resource.key, "status": "recommended", "source": "hub",
        "due_at": (source.at + timedelta(days=days)).isoformat(),
    }  # fmt: skip
