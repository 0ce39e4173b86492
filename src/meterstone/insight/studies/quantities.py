"""The quantities that are forecast for the network, and what facts tell of their past.

Only production counts, and nothing that was made up: the rules of facts.yaml for every metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from meterstone.insight.series import Series
from meterstone.insight.studies.reading import ELIGIBLE, local, series_of
from meterstone.insight.study import Source
from meterstone.insight.totals import Kind

Step = Literal["day", "month", "quarter"]

PLATFORM = ("subscription", "usage", "consulting", "marketplace", "other")
"""Kinds of invoice lines that are platform revenue."""

_FRESH_DAYS = 7
"""Telemetry that ended longer ago is no ground for a forecast."""

_LEAST_SELLERS = 3
"""A quarter counts when so many companies were observed."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time ahead that a number is of.

    Attributes:
        start, end: its first day, and the day after its last.
        ahead: steps from the newest known one to its last.
        steps: how many of these it is of.
    """

    start: date
    end: date
    ahead: int
    steps: int


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that is forecast.

    Attributes:
        name: as the fact `forecast` names it.
        metric: the metric that reads it: the key of its finding.
        every: days between two issues.
        alone: days for which a forecast of somebody else keeps ours from being issued.
        settles: days until what happened is known.
    """

    name: str
    metric: str
    title: str
    unit: str
    kind: Kind
    step: Step
    season: int
    every: int
    alone: int
    settles: int
    history: Callable[[Source], Series | None]
    span: Callable[[date, date], Span]


def came(series: Series, kind: Kind, start: date, end: date) -> float | None:
    """What happened in a time; None: not all of it is known."""
    told = [
        value
        for stamp, value in zip(series.stamps, series.values, strict=True)
        if isinstance(stamp, datetime) and start <= stamp.date() < end
    ]
    first, last = series.stamps[0], series.stamps[-1]
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return None
    step = (last.date() - first.date()) / max(1, len(series.stamps) - 1)
    if not told or first.date() > start or last.date() < end - 1.5 * step:
        return None
    known = [value for value in told if not math.isnan(value)]
    if len(known) < (len(told) if kind == "sum" else 0.9 * len(told)):
        return None
    values = np.array(known)
    over = {"sum": values.sum(), "mean": values.mean(), "peak": values.max(), "end": values[-1]}
    return float(over[kind])


def months_after(first: date, months: int) -> date:
    """The first day of the month so many months after that of a day."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


def months_between(first: date, last: date) -> int:
    """Months from that of one day to that of another."""
    return (last.year - first.year) * 12 + last.month - first.month


# -- what time ahead ------------------------------------------------------------------------------


def _thirty_days(day: date, last: date) -> Span:
    start = day + timedelta(days=1)
    ahead = (day - last).days + 30
    return Span(start, start + timedelta(days=30), ahead, 30)


def _next_quarter(day: date, last: date) -> Span:
    start = months_after(date(day.year, (day.month - 1) // 3 * 3 + 1, 1), 3)
    return Span(start, months_after(start, 3), months_between(last, start) + 2, 3)


def _next_year(day: date, last: date) -> Span:
    start = months_after(day + timedelta(days=1), 0 if (day + timedelta(days=1)).day == 1 else 1)
    return Span(start, months_after(start, 12), months_between(last, start) + 11, 12)


def _in_a_year(_day: date, last: date) -> Span:
    start = months_after(last, 12)
    return Span(start, months_after(start, 1), 12, 1)


def _in_four_quarters(_day: date, last: date) -> Span:
    start = months_after(last, 12)
    return Span(start, months_after(start, 3), 4, 1)


# -- what was -------------------------------------------------------------------------------------


def _revenue(source: Source) -> Series | None:
    """Platform revenue by month, each line spread over the days of its service period; months that
    ended at least ten days ago."""
    kinds = ", ".join(f"'{kind}'" for kind in PLATFORM)
    rows = source.rows(
        "SELECT v.service_from AS since, v.service_to AS until, CAST(sum(v.net_usd) AS DOUBLE) "
        "AS usd FROM {invoice} AS v WHERE v.status <> 'void' "
        f"AND v.kind IN ({kinds}) AND {ELIGIBLE} GROUP BY v.service_from, v.service_to"
    )
    by_month: dict[date, float] = {}
    for row in rows:
        for month, share in _shares(row["since"], row["until"]):
            by_month[month] = by_month.get(month, 0.0) + share * row["usd"]
    closed = months_after(source.day - timedelta(days=9), 0)
    return _monthly("platform_revenue", {m: v for m, v in by_month.items() if m < closed})


def _shares(since: date, until: date) -> Iterator[tuple[date, float]]:
    """The share of a service period, both ends in it, that lies in each month."""
    days = (until - since).days + 1
    month = months_after(since, 0)
    while month <= until:
        following = months_after(month, 1)
        inside = (min(until + timedelta(days=1), following) - max(since, month)).days
        yield month, inside / days
        month = following


def _monthly(name: str, by_month: Mapping[date, float], every: int = 1) -> Series | None:
    if not by_month:
        return None
    first, last = min(by_month), max(by_month)
    count = months_between(first, last) // every + 1
    months = [months_after(first, every * n) for n in range(count)]
    return series_of(name, months, [by_month.get(month, math.nan) for month in months])


def _daily(source: Source, name: str, sql: str) -> Series | None:
    """Values by day of the reporting time zone up to the day, since the last long gap;
    None: nothing in the last week."""
    rows = source.rows(
        f"SELECT CAST({local(source, 'p.at')} AS DATE) AS d, {sql} GROUP BY d ORDER BY d"
    )
    by_day = {row["d"]: float(row["v"]) for row in rows if row["d"] <= source.day}
    if not by_day or max(by_day) < source.day - timedelta(days=_FRESH_DAYS):
        return None
    last = max(by_day)
    first = max(
        (b for a, b in pairwise(sorted(by_day)) if (b - a).days > _FRESH_DAYS), default=min(by_day)
    )
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return series_of(name, days, [by_day.get(day, math.nan) for day in days])


def _requests(source: Source) -> Series | None:
    return _daily(
        source, "requests",
        "sum(p.count) AS v FROM {api_request} AS p WHERE p.direction = 'inbound' "
        f"AND {ELIGIBLE}",
    )  # fmt: skip


def _users(source: Source) -> Series | None:
    return _daily(
        source, "concurrent_users",
        "max(p.users) AS v FROM (SELECT s.at, sum(s.concurrent_users) AS users FROM {load_sample} "
        f"AS s WHERE s.concurrent_users IS NOT NULL AND {ELIGIBLE} GROUP BY s.at) AS p",
    )  # fmt: skip


def _active(source: Source) -> Series | None:
    """Active franchises at the end of each month: opened, with a payment, a booking or an action of
    its people in the 30 days before."""
    of = f"{ELIGIBLE} AND e.franchise_id IS NOT NULL"
    events = (
        "SELECT DISTINCT e.franchise_id, CAST(e.at AS DATE) AS d FROM ("
        f"SELECT e.franchise_id, e.paid_at AS at FROM {{payment}} AS e WHERE {of} UNION ALL "
        f"SELECT e.franchise_id, e.created_at FROM {{booking}} AS e WHERE {of} UNION ALL "
        f"SELECT e.franchise_id, e.at FROM {{product_event}} AS e WHERE {of} "
        "AND e.user_role IN ('owner', 'manager', 'staff')) AS e"
    )
    next_day = source.day + timedelta(days=1)
    rows = source.rows(
        f"WITH activity AS ({events}), ends AS (SELECT unnest(generate_series(date_trunc('month', "
        "(SELECT min(d) FROM activity)) + INTERVAL 2 MONTH, "
        f"TIMESTAMP '{next_day}', INTERVAL 1 MONTH)) AS e), "
        "state AS (SELECT x.e, f.franchise_id, max_by(f.status, f.status_at) AS status FROM ends "
        f"AS x JOIN {{franchise}} AS f ON f.status_at < x.e WHERE {ELIGIBLE} "
        "GROUP BY x.e, f.franchise_id) "
        "SELECT s.e, count(DISTINCT s.franchise_id) AS n FROM state AS s JOIN activity AS a "
        "ON a.franchise_id = s.franchise_id AND a.d >= s.e - INTERVAL 30 DAY AND a.d < s.e "
        "WHERE s.status = 'opened' GROUP BY s.e"
    )
    told = {months_after(row["e"].date(), -1): float(row["n"]) for row in rows}
    return _monthly("active_franchises", told)


def _lead(source: Source) -> Series | None:
    """Own share of the units in the lead market less that of the largest competitor, in percentage
    points, by quarter: the newest observation of each company, where at least three were seen."""
    rows = source.rows(
        "WITH seen AS (SELECT o.company, o.value, coalesce(o.period, concat("
        "extract(year FROM o.observed_on), '-Q', extract(quarter FROM o.observed_on))) AS quarter, "
        "row_number() OVER (PARTITION BY o.company, quarter ORDER BY o.independent DESC, "
        "o.observed_on DESC, o.observation_id DESC) AS nth FROM {market_observation} AS o "
        f"WHERE o.market = 'franchise_management in US' AND {ELIGIBLE} "
        "AND o.measure IN ('units_on_platform', 'market_units') "
        "AND (o.measure = 'market_units') = (o.company = '*')) "
        "SELECT s.quarter, max(CASE WHEN s.company = 'own' THEN s.value END) AS own, "
        "max(CASE WHEN s.company NOT IN ('own', '*') THEN s.value END) AS rival, "
        "max(CASE WHEN s.company = '*' THEN s.value END) AS units, "
        "count(CASE WHEN s.company <> '*' THEN 1 END) AS companies "
        "FROM seen AS s WHERE s.nth = 1 GROUP BY s.quarter"
    )
    return _monthly("share_lead", dict(_leads(rows)), every=3)


def _leads(rows: list[dict[str, Any]]) -> Iterator[tuple[date, float]]:
    for row in rows:
        year, _, quarter = row["quarter"].partition("-Q")
        known = None not in (row["own"], row["rival"]) and row["units"]
        if known and row["companies"] >= _LEAST_SELLERS and year.isdigit() and quarter.isdigit():
            lead = 100.0 * (row["own"] - row["rival"]) / row["units"]
            yield date(int(year), 3 * int(quarter) - 2, 1), lead


QUANTITIES = (
    Quantity("platform_revenue_quarter", "next_quarter_revenue_forecast",
             "Platform revenue of the next quarter", "USD", "sum", "month", 12,
             28, 45, 10, _revenue, _next_quarter),
    Quantity("platform_revenue_12m", "annual_revenue_forecast",
             "Platform revenue of the next 12 months", "USD", "sum", "month", 12,
             28, 45, 10, _revenue, _next_year),
    Quantity("active_franchises", "franchise_network_forecast",
             "Active franchises in a year", "franchises", "end", "month", 1,
             28, 45, 1, _active, _in_a_year),
    Quantity("mean_daily_requests", "load_growth_forecast_30d",
             "Requests a day, mean of the next 30 days", "requests a day", "mean", "day", 7,
             7, 7, 1, _requests, _thirty_days),
    Quantity("peak_concurrent_users", "peak_load_forecast",
             "Highest number of users at once, next 30 days", "users", "peak", "day", 7,
             7, 7, 1, _users, _thirty_days),
    Quantity("share_lead", "competitive_lead_forecast",
             "Lead in market share in four quarters", "percentage points", "end", "quarter", 1,
             84, 100, 30, _lead, _in_four_quarters),
)  # fmt: skip
