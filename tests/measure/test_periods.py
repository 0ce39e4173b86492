"""Windows against the calendar of the time zone, and units against each other."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterstone.catalogue.units import factor
from meterstone.catalogue.windows import parse_window

QUICK = settings(max_examples=25, deadline=None, derandomize=True)
HOUR = timedelta(hours=1)

moments = st.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]
).map(ZoneInfo)


def utc(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type,misc]


@given(moments, zones, st.sampled_from(["day", "week", "month", "quarter", "year"]))
@QUICK
def test_calendar_periods_are_closed_and_local(at: datetime, zone: ZoneInfo, unit: str) -> None:
    start, end = parse_window(f"calendar {unit}").bounds(at, zone)
    first, after = start.astimezone(zone), end.astimezone(zone)
    assert (first.hour, first.minute, after.hour, after.minute) == (0, 0, 0, 0)
    assert end <= at
    today = at.astimezone(zone).date()
    days = (after.date() - first.date()).days
    following = {
        "day": after.date() + timedelta(days=1),
        "week": after.date() + timedelta(days=7),
        "month": _months_on(after.date(), 1),
        "quarter": _months_on(after.date(), 3),
        "year": _months_on(after.date(), 12),
    }[unit]
    assert after.date() <= today < following, "it is the newest one that is over"
    if unit == "week":
        assert (first.weekday(), days) == (0, 7), "ISO weeks begin on Monday"
    if unit == "month":
        assert (first.day, days) == (1, calendar.monthrange(first.year, first.month)[1])
    if unit == "quarter":
        assert first.month in (1, 4, 7, 10)
        assert after.date() == _months_on(first.date(), 3)


def _months_on(day: date, count: int) -> date:
    month = day.month - 1 + count
    return date(day.year + month // 12, month % 12 + 1, 1)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("Europe/Berlin", (2026, 6, 1), 24),
        ("America/New_York", (2026, 3, 8), 23),
        ("America/New_York", (2026, 11, 1), 25),
    ],
)
def test_days_of_23_and_25_hours(zone: str, day: tuple[int, int, int], hours: int) -> None:
    local = datetime(*day, tzinfo=ZoneInfo(zone))
    after = (local + timedelta(days=1)).astimezone(UTC)
    start, end = parse_window("calendar day").bounds(after, ZoneInfo(zone))
    assert (start, end) == (local.astimezone(UTC), after)
    assert end - start == hours * HOUR
    assert parse_window("trailing 24 hours").bounds(after, ZoneInfo(zone)) == (
        after - 24 * HOUR,
        after,
    )


@given(moments, zones, st.integers(1, 24))
@QUICK
def test_trailing_months_are_the_last_closed_months(
    at: datetime, zone: ZoneInfo, count: int
) -> None:
    start, end = parse_window(f"trailing {count} months").bounds(at, zone)
    assert end == parse_window("calendar month").bounds(at, zone)[1]
    assert _months_on(start.astimezone(zone).date(), count) == end.astimezone(zone).date()


@given(
    moments, zones, st.sampled_from(["trailing 90 minutes", "trailing 7 days", "trailing 2 weeks"])
)
@QUICK
def test_what_comes_before_a_trailing_window(at: datetime, zone: ZoneInfo, text: str) -> None:
    window = parse_window(text)
    start, end = window.bounds(at, zone)
    assert window.before(start, end, "previous_period", zone) == (start - (end - start), start)
    earlier = window.before(start, end, "year_earlier", zone)
    assert earlier[1] - earlier[0] == end - start, "it keeps its length"
    local, moved = end.astimezone(zone), earlier[1].astimezone(zone)
    last = calendar.monthrange(local.year - 1, local.month)[1]
    assert (moved.year, moved.month, moved.day) == (
        local.year - 1,
        local.month,
        min(local.day, last),
    )


@pytest.mark.parametrize(
    ("text", "at", "shift", "start", "end"),
    [
        (
            "trailing 3 months",
            utc(2026, 4, 10),
            "previous_period",
            utc(2025, 10, 1),
            utc(2026, 1, 1),
        ),
        ("calendar month", utc(2026, 4, 10), "previous_period", utc(2026, 2, 1), utc(2026, 3, 1)),
        ("calendar quarter", utc(2026, 4, 1), "previous_period", utc(2025, 10, 1), utc(2026, 1, 1)),
        ("calendar day", utc(2028, 3, 1), "year_earlier", utc(2027, 2, 28), utc(2027, 3, 1)),
        ("calendar day", utc(2028, 2, 29), "year_earlier", utc(2027, 2, 27), utc(2027, 2, 28)),
        ("calendar month", utc(2028, 3, 1), "year_earlier", utc(2027, 1, 31), utc(2027, 3, 1)),
        ("trailing 12 months", utc(2026, 4, 10), "year_earlier", utc(2024, 4, 1), utc(2025, 4, 1)),
    ],
)
def test_windows_to_compare_with(
    text: str, at: datetime, shift: str, start: datetime, end: datetime
) -> None:
    zone = ZoneInfo("UTC")
    window = parse_window(text)
    assert window.before(*window.bounds(at, zone), shift, zone) == (start, end)


def test_a_year_earlier_is_local() -> None:
    zone = ZoneInfo("Europe/Berlin")
    window = parse_window("calendar day")
    start, end = window.bounds(utc(2026, 3, 29, 22), zone)
    assert end - start == 23 * HOUR
    earlier = window.before(start, end, "year_earlier", zone)
    assert earlier == (utc(2025, 3, 28, 23), utc(2025, 3, 29, 23)), "29 March 2025 had 24 hours"
    # in 2025 the change was on 30 March
    zone = ZoneInfo("America/New_York")
    earlier = window.before(*window.bounds(utc(2026, 3, 10, 4), zone), "year_earlier", zone)
    assert earlier == (utc(2025, 3, 9, 5), utc(2025, 3, 10, 4)), "9 March 2025 had 23"


@pytest.mark.parametrize(
    ("unit", "other", "expected"),
    [
        ("s", "ms", 1000.0), ("ms", "s", 0.001), ("min", "s", 60.0), ("h", "min", 60.0),
        ("days", "h", 24.0), ("requests/s", "requests/min", 60.0), ("%", "%", 1.0),
        ("requests/min", "requests/s", 1 / 60), ("calls/day", "calls/s", 1 / 86_400),
        ("requests/s", "calls/s", None), ("s", "requests/s", None), ("%", "s", None),
        ("requests/month", "requests/s", None), ("USD", "EUR", None),
    ],
)  # fmt: skip
def test_factor_between_units(unit: str, other: str, expected: float | None) -> None:
    assert factor(unit, other) == (expected and pytest.approx(expected))
