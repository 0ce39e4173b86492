"""When reports are due: after the end of each period, at a time of day of the reporting zone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from meterstone.ledger.reports import ReportPlan
from meterstone.measure.results import FIRST_DAY
from meterstone.publish.reports.model import KINDS, KindOf
from meterstone.publish.reports.view import period_start

CAUGHT_UP = {"daily": 7, "monthly": 3, "quarterly": 2}
"""How many periods that were missed (nothing ran) are made afterwards; of older ones a report can
be asked for."""


def last_days(kind: KindOf, until: date, most: int) -> list[date]:
    """The last days of the newest periods that ended on or before a day, oldest first."""
    found: list[date] = []
    day = until
    if kind.every != "day" and period_start(kind, day) == period_start(
        kind, day + timedelta(days=1)
    ):
        day = period_start(kind, day) - timedelta(days=1)
    while len(found) < most and day >= FIRST_DAY:
        found.append(day)
        day = period_start(kind, day) - timedelta(days=1)
    return found[::-1]


def due_at(plan: ReportPlan, day: date, zone: ZoneInfo) -> datetime:
    """The moment at which the report of a period is made; in an hour that a change of clocks leaves
    out, the one after it."""
    return datetime.combine(day + timedelta(days=1), time.fromisoformat(plan.at), zone)


def due(plan: ReportPlan, now: datetime, zone: ZoneInfo, made: Collection[date]) -> list[date]:
    """Days whose report is due and was not scheduled yet, oldest first.

    Args:
        made: days whose report was scheduled.
    """
    if not plan.active:
        return []
    kind = KINDS[plan.kind]  # type: ignore[index]  # a plan is of one of the kinds
    yesterday = now.astimezone(zone).date() - timedelta(days=1)
    return [
        day
        for day in last_days(kind, yesterday, CAUGHT_UP[plan.kind])
        if day >= plan.since and day not in made and due_at(plan, day, zone) <= now
    ]
