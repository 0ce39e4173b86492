"""Reports are due once a period, after its end, in the reporting time zone; missed ones follow."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from meterstone.ledger.reports import ReportPlan
from meterstone.publish.reports.schedule import due

LA = ZoneInfo("America/Los_Angeles")
DAILY = ReportPlan(kind="daily", active=True, at="06:00", channels=(), since=date(2026, 1, 1))


def test_a_day_is_due_at_its_hour_and_not_before() -> None:
    before = datetime(2026, 3, 3, 13, 59, tzinfo=UTC)  # 05:59 there
    made = {date(2026, 2, day) for day in range(22, 29)} | {date(2026, 3, 1)}
    assert due(DAILY, before, LA, made) == []
    assert due(DAILY, before.replace(hour=14, minute=0), LA, made) == [date(2026, 3, 2)]


def test_missed_days_follow_and_old_ones_do_not() -> None:
    now = datetime(2026, 3, 20, 20, 0, tzinfo=UTC)
    assert due(DAILY, now, LA, set()) == [date(2026, 3, day) for day in range(13, 20)]
    assert due(replace(DAILY, since=date(2026, 3, 18)), now, LA, set()) == [
        date(2026, 3, 18), date(2026, 3, 19)
    ]  # fmt: skip


def test_months_and_quarters_end_with_their_last_day() -> None:
    now = datetime(2026, 4, 1, 20, 0, tzinfo=UTC)
    monthly = due(replace(DAILY, kind="monthly"), now, LA, {date(2026, 1, 31)})
    assert monthly == [date(2026, 2, 28), date(2026, 3, 31)]
    assert due(replace(DAILY, kind="quarterly"), now, LA, set()) == [date(2026, 3, 31)]


def test_the_hour_stays_the_same_when_clocks_change() -> None:
    made: set[date] = {date(2026, 3, day) for day in range(1, 8)}
    assert due(DAILY, datetime(2026, 3, 9, 12, 59, tzinfo=UTC), LA, made) == []
    assert due(DAILY, datetime(2026, 3, 9, 13, 0, tzinfo=UTC), LA, made) == [date(2026, 3, 8)]


def test_a_plan_that_is_off_is_never_due() -> None:
    off = replace(DAILY, active=False)
    assert due(off, datetime(2026, 3, 20, 20, 0, tzinfo=UTC), LA, set()) == []
