"""What capacity is asked of a home: how full each resource was, what was tested, what is expected.

Only production counts, and nothing that was made up: the rules of facts.yaml for every metric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from meterstone.insight.capacity import Level
from meterstone.insight.series import Series
from meterstone.insight.studies.reading import ELIGIBLE, NETWORK, eligible, local, series_of
from meterstone.insight.study import Source
from meterstone.measure.compile import literal

PROVEN = "concurrent_user_capacity"
"""The metric that says how many users the newest valid load test held."""

FRESH_DAYS = 90
"""Older load tests prove nothing."""

_QUIET = timedelta(days=14)
"""After an action was done or declined, before the same is recommended again."""

_LEAST_WEEKS = 30
"""From so many weeks on, weekly peaks tell more than daily ones."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that fills up.

    Attributes:
        key: of its finding: the metric that it is about, if there is one.
        title: as people call it.
        unit: of its peaks.
        sql: `at` and `v` of each sample.
        limit: fixed; None: the proven number of users.
    """

    key: str
    title: str
    unit: str
    sql: str
    limit: float | None


RESOURCES = (
    Resource(
        "concurrent_user_capacity", "Concurrent users", "users",
        "SELECT s.at, sum(s.concurrent_users) AS v FROM {load_sample} AS s "
        "WHERE s.concurrent_users IS NOT NULL AND {eligible} GROUP BY s.at",
        None,
    ),
    Resource(
        "queue_management", "Message queues", "%",
        "SELECT s.at, 100.0 * max(s.queue_depth / nullif(s.queue_capacity, 0)) AS v "
        "FROM {load_sample} AS s WHERE s.queue_depth IS NOT NULL AND {eligible} GROUP BY s.at",
        90.0,
    ),
    Resource(
        "server_utilization", "Processors", "%",
        "SELECT s.at, 100.0 * max(s.cpu) AS v FROM {load_sample} AS s "
        "WHERE s.cpu IS NOT NULL AND NOT isnan(s.cpu) AND {eligible} GROUP BY s.at",
        90.0,
    ),
    Resource(
        "memory", "Memory", "%",
        "SELECT s.at, 100.0 * max(s.memory) AS v FROM {load_sample} AS s "
        "WHERE s.memory IS NOT NULL AND NOT isnan(s.memory) AND {eligible} GROUP BY s.at",
        90.0,
    ),
)  # fmt: skip
"""90 %: where the framework calls a resource saturated."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """The highest value of each day, or of each week where there are many.

    Attributes:
        days: of each step.
        newest: the highest value of the last step.
    """

    series: Series
    days: int

    @property
    def newest(self) -> float:
        """The highest value of the last step that has one."""
        return float(self.series.values[~np.isnan(self.series.values)][-1])


def peaks(source: Source, resource: Resource) -> Peaks | None:
    """Peaks of a resource up to the day; None where nothing was recorded in the last week."""
    inner = resource.sql.replace("{eligible}", ELIGIBLE)
    rows = source.rows(
        f"SELECT CAST({local(source, 'p.at')} AS DATE) AS d, "
        f"max(p.v) AS v FROM ({inner}) AS p WHERE p.at < {literal(source.at)} "
        "GROUP BY d ORDER BY d"
    )
    by_day = {row["d"]: float(row["v"]) for row in rows}
    if not by_day or max(by_day) < source.day - timedelta(days=7):
        return None
    first, last = min(by_day), max(by_day)
    whole = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    weeks = len(whole) // 7
    if weeks < _LEAST_WEEKS:
        return Peaks(series_of(resource.key, whole, [by_day.get(d, math.nan) for d in whole]), 1)
    whole = whole[len(whole) - 7 * weeks :]
    ends = whole[6::7]
    highest = [
        max((by_day[d] for d in whole[at : at + 7] if d in by_day), default=math.nan)
        for at in range(0, len(whole), 7)
    ]
    return Peaks(series_of(resource.key, ends, highest), 7)


def proven(source: Source) -> float | None:
    """Users that the newest valid load test held, as the scorecard of the day says."""
    told = source.board.history(PROVEN, NETWORK, days=1, until=source.day)
    if not told or told[-1].day != source.day or not isinstance(told[-1].value, int | float):
        return None
    return float(told[-1].value)


@dataclass(frozen=True, slots=True)
class Test:
    """A load test of a system like production."""

    id: str
    ended: datetime
    scenario: str
    levels: tuple[Level, ...]


def newest_test(source: Source) -> Test | None:
    """The newest one there is, however old."""
    rows = source.rows(
        "WITH valid AS (SELECT t.* FROM {load_test} AS t WHERE t.production_like AND "
        f"{ELIGIBLE} AND t.ended_at < {literal(source.at)} AND t.hold_s > 0), "
        "major AS (SELECT string_split(r.version, '.')[1] AS m FROM {release} AS r WHERE "
        f"r.released_at < {literal(source.at)} AND r.rolled_back_at IS NULL "
        "ORDER BY r.released_at DESC, r.release_id DESC LIMIT 1), "
        "current AS (SELECT v.* FROM valid AS v WHERE NOT EXISTS (SELECT 1 FROM major) "
        "OR string_split(v.release_version, '.')[1] = (SELECT m FROM major)), "
        "newest AS (SELECT c.test_id FROM current AS c ORDER BY c.ended_at DESC, c.test_id DESC "
        "LIMIT 1) "
        "SELECT c.test_id, max(c.ended_at) OVER () AS ended, c.scenario, c.concurrent_users AS n, "
        "c.requests * c.success_rate / 100.0 / c.hold_s AS rate FROM current AS c "
        "WHERE c.test_id = (SELECT n.test_id FROM newest AS n) ORDER BY c.concurrent_users"
    )
    if not rows:
        return None
    levels = tuple(Level(float(row["n"]), float(row["rate"])) for row in rows)
    ended = rows[0]["ended"].replace(tzinfo=source.at.tzinfo)
    return Test(rows[0]["test_id"], ended, rows[0]["scenario"], levels)


@dataclass(frozen=True, slots=True)
class Expected:
    """The newest forecast of the highest number of users within 30 days."""

    point: float
    low: float
    high: float
    model: str
    issued: datetime


def expected_peak(source: Source) -> Expected | None:
    """The forecast of the last seven days that is on record."""
    since = source.at - timedelta(days=7)
    rows = source.rows(
        "SELECT f.point, f.lower95, f.upper95, f.model, f.issued_at FROM {forecast} AS f "
        f"WHERE f.quantity = 'peak_concurrent_users' AND {ELIGIBLE} AND f.upper95 IS NOT NULL "
        f"AND f.issued_at <= {literal(source.at)} "
        f"AND f.issued_at > {literal(since)} "
        "ORDER BY f.issued_at DESC, f.forecast_id DESC LIMIT 1"
    )
    if not rows:
        return None
    row = rows[0]
    low = row["point"] if row["lower95"] is None else row["lower95"]
    return Expected(row["point"], low, row["upper95"], row["model"], row["issued_at"])


def was_recommended(source: Source, cause: str) -> bool:
    """Whether an action for a cause is open, or was done or declined within the last fortnight."""
    since = literal(source.at - _QUIET)
    rows = source.rows(
        "SELECT 1 AS one FROM {prevention_action} AS a WHERE a.origin = 'capacity_forecast' "
        f"AND a.cause_key = '{cause}' AND {eligible('a')} "
        "AND (a.status IN ('recommended', 'accepted') "
        f"OR coalesce(a.implemented_at, a.recommended_at) >= {since}) "
        f"AND a.recommended_at <= {literal(source.at)} LIMIT 1"
    )
    return bool(rows)
