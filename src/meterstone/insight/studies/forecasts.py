"""What comes, and did what was said before come?

Each quantity of the fact `forecast` has a finding, and a new issue when the last one is old; what
happened is added to an issue when its time is over. Metrics with enough days have a finding each.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from meterstone.catalogue import Metric
from meterstone.insight.cache import Cache
from meterstone.insight.calendars import of_united_states
from meterstone.insight.findings import Check, Column, Figure, Finding, Found, Table
from meterstone.insight.series import Series
from meterstone.insight.shape import NO_LIMITS, Holidays, Limits
from meterstone.insight.studies.issued import Issue, is_due, issue, issues_of
from meterstone.insight.studies.quantities import QUANTITIES, Quantity, came
from meterstone.insight.studies.reading import NETWORK, series_of
from meterstone.insight.studies.regions import YEAR, Regions, regions
from meterstone.insight.studies.said import METHOD, Told
from meterstone.insight.study import Say, Source
from meterstone.insight.totals import total

_DAYS = 400
_LEAST_DAYS = 60
"""Metrics are forecast from so many days on."""

_AHEAD = 30
_MOVES = 8
"""A metric that took fewer values in the last 30 days has steps, and no course to forecast."""

_SHARE = 100.0
_MONTHS = {"day": 0, "month": 1, "quarter": 3}


class Forecasts:
    """The study of forecasts.

    Args:
        cache: where what follows from the same content is found again.
    """

    name = "forecasts"
    title = "Forecasts"
    version = "1"
    facts = (
        "forecast", "invoice", "franchise", "payment", "booking", "product_event", "api_request",
        "load_sample", "market_observation", "deal", "territory", "metric_result",
    )  # fmt: skip

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache = cache

    def run(self, source: Source, say: Say) -> Found:
        """See `meterstone.insight.study.Study.run`."""
        findings: list[Finding] = []
        facts: list[dict[str, Any]] = []
        for quantity in QUANTITIES:
            say(f"forecasting {quantity.title.lower()}")
            finding, rows = self._quantity(source, quantity)
            findings.append(finding)
            facts += rows
        say("counting regions")
        finding, rows = _regions(source)
        findings.append(finding)
        facts += rows
        findings += self._metrics(source, say)
        claimed = [finding for finding in findings if finding.withheld is None]
        withheld = [finding for finding in findings if finding.withheld is not None]
        return Found((*claimed, *withheld), tuple(facts))

    # -- quantities -------------------------------------------------------------------------------

    def _quantity(self, source: Source, quantity: Quantity) -> tuple[Finding, list[dict[str, Any]]]:
        """The finding of a quantity, what came of earlier issues, and a new one if it is due."""
        issued = issues_of(source, quantity.name)
        series = quantity.history(source)
        if series is None:
            return _nothing(quantity.metric, quantity.title), []
        facts, issued = _settled(source, quantity, series, issued)
        last = series.stamps[-1]
        span = quantity.span(source.day, last.date())  # type: ignore[union-attr]  # all are dated
        found = total(
            series, span.ahead, quantity.season, kind=quantity.kind, steps=span.steps,
            limits=Limits(-_SHARE, _SHARE) if quantity.unit == "percentage points" else NO_LIMITS,
            holidays=_days_off(series, span.ahead) if quantity.step == "day" else None,
            cache=self._cache,
        )  # fmt: skip
        told = Told(
            quantity.metric, quantity.title, quantity.unit,
            f"{span.start} to {span.end - timedelta(days=1)}", series, found, issued,
            months=_MONTHS[quantity.step],
        )  # fmt: skip
        finding = told.finding()
        due = finding.withheld is None and is_due(source, quantity.every, quantity.alone, issued)
        if due and found.point is not None and found.low is not None and found.high is not None:
            facts.append(
                issue(source, quantity.name, span.start, span.end, found.point,
                      (found.low, found.high), found.naive, found.model)
            )  # fmt: skip
        return finding, facts

    # -- metrics ----------------------------------------------------------------------------------

    def _metrics(self, source: Source, say: Say) -> Iterator[Finding]:
        """A finding for each metric of the network that moves and is known on enough days."""
        chosen = []
        for metric in source.board.catalogue.metrics.values():
            if "network" in metric.raw.scopes:
                series = _days(source, metric)
                if series is not None:
                    chosen.append((metric, series))
        for number, (metric, series) in enumerate(chosen, 1):
            say(f"forecasting metric {number} of {len(chosen)}")
            yield self._metric(source, metric, series)

    def _metric(self, source: Source, metric: Metric, series: Series) -> Finding:
        known = series.values[~np.isnan(series.values)]
        share = metric.raw.unit in ("%", "percent") and known.max() <= _SHARE and known.min() >= 0
        found = total(
            series, _AHEAD, 7, kind="end", limits=Limits(0, _SHARE) if share else NO_LIMITS,
            holidays=_days_off(series, _AHEAD), cache=self._cache,
        )  # fmt: skip
        target = metric.raw.target.value
        line = float(target) if isinstance(target, int | float) else None
        day = source.day + timedelta(days=_AHEAD)
        now = Figure("now", f"On {source.day}", float(known[-1]), metric.raw.unit)
        return Told(
            f"{metric.id}:forecast", metric.raw.title, metric.raw.unit, f"on {day}", series, found,
            line=line, more=(now,),
        ).finding()  # fmt: skip


def _days_off(series: Series, ahead: int) -> Holidays:
    """Of the lead market, for the days of a series and those ahead."""
    first, last = series.stamps[0], series.stamps[-1]
    assert isinstance(first, datetime) and isinstance(last, datetime)  # noqa: S101, PT018 - days
    return of_united_states(first.date(), last.date() + timedelta(days=ahead))


def _days(source: Source, metric: Metric) -> Series | None:
    """The metric of the network by day; None: it does not move, or too few days are known."""
    told = source.board.history(metric.id, NETWORK, days=_DAYS, until=source.day)
    by_day = {
        each.day: float(each.value)
        for each in told
        if isinstance(each.value, int | float) and not isinstance(each.value, bool)
    }
    if len(by_day) < _LEAST_DAYS or max(by_day) != source.day:
        return None
    newest = [value for _, value in sorted(by_day.items())][-_AHEAD:]
    if len(set(newest)) < _MOVES:
        return None
    return _even(metric.id, by_day)


def _even(name: str, by_day: dict[date, float]) -> Series:
    first, last = min(by_day), max(by_day)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return series_of(name, days, [by_day.get(day, float("nan")) for day in days])


# -- on record ------------------------------------------------------------------------------------


def _settled(
    source: Source, quantity: Quantity, series: Series, issued: list[Issue]
) -> tuple[list[dict[str, Any]], list[Issue]]:
    """What came of issues whose time is over: facts, and all issues with it."""
    facts, known = [], []
    for each in issued:
        over = each.end + timedelta(days=quantity.settles) <= source.day + timedelta(days=1)
        value = came(series, quantity.kind, each.start, each.end) if over else None
        if each.ours and each.outcome is None and value is not None:
            row = each.with_outcome(value, source.at)
            facts.append(row)
            known.append(Issue({**each.row, "outcome": value}, each.zone))
        else:
            known.append(each)
    return facts, known


def _nothing(key: str, title: str) -> Finding:
    why = "nothing recent is on record of it"
    return Finding(
        study="forecasts", key=key, scope=NETWORK, title=title, withheld=why, method=METHOD,
        sentence=f"{title}: nothing is forecast: {why}.",
    )  # fmt: skip


# -- regions --------------------------------------------------------------------------------------

_REGIONS = ("new_regions", "market_expansion_forecast", "New regions within 12 months")


def _regions(source: Source) -> tuple[Finding, list[dict[str, Any]]]:
    name, key, title = _REGIONS
    issued = issues_of(source, name)
    found = regions(source)
    if found is None:
        return _nothing(key, title), []
    facts = []
    if found.withheld is None and is_due(source, 28, 45, issued):
        start = source.day + timedelta(days=1)
        facts.append(
            issue(source, name, start, start + YEAR, found.expected, (found.low, found.high),
                  0.0, "Poisson binomial")
        )  # fmt: skip
    return _told(title, key, found), facts


def _told(title: str, key: str, found: Regions) -> Finding:
    sentence = f"{title}: nothing is claimed: {found.withheld}."
    if found.withheld is None:
        bounds = f"{found.low:.0f} to {found.high:.0f}"
        sentence = (
            f"{title}: {found.expected:.1f} expected (95 %: {bounds}), of {len(found.chances)} "
            "regions that deals or awarded territories point to."
        )
    figures = []
    if found.withheld is None:
        figures.append(
            Figure("expected", "Expected", found.expected, "regions", found.low, found.high)
        )
    figures.append(Figure("candidates", "Regions with a chance", float(len(found.chances))))
    figures.append(Figure("unplaced", "Open deals that name no region", float(found.unplaced)))
    columns = (Column("region", "Region"), Column("chance", "Chance of an opening", "%"))
    rows = tuple((name, 100 * chance) for name, chance in found.chances)
    says = found.withheld or "as often won as was said (chi-squared, 5 %)"
    return Finding(
        study="forecasts", key=key, scope=NETWORK, title=title, sentence=sentence,
        withheld=found.withheld, figures=tuple(figures),
        method=(
            "For each first-level region without an active franchise: one less the product of one "
            "less the win probability over its open deals, and over its awarded territories with "
            "the share of those awarded before that opened within a year. The interval is that of "
            "the number of independent openings."
        ),
        tables=(Table("regions", "Regions, likeliest first", columns, rows),) if rows else (),
        checks=(Check("Win probabilities hold", found.withheld is None, says),),
    )  # fmt: skip
