"""Days of the reporting time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def day_end(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which a day of the reporting time zone is over, UTC."""
    after = day + timedelta(days=1)
    return datetime(after.year, after.month, after.day, tzinfo=zone).astimezone(UTC)


def last_closed_day(at: datetime, zone: ZoneInfo) -> date:
    """The newest day that is over at a moment."""
    return at.astimezone(zone).date() - timedelta(days=1)
