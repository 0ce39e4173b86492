"""Windows and durations: from words to exact bounds, across clock changes and month ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.catalogue import parse_window
from meterstone.catalogue.windows import BEGINNING, parse_duration

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # year, month, day …


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("instant", NOON, NOON),
        ("all time", BEGINNING, NOON),
        ("trailing 15 minutes", utc(2026, 5, 20, 11, 45), NOON),
        ("trailing 24 hours", utc(2026, 5, 19, 12), NOON),
        ("trailing 30 days", utc(2026, 4, 20, 12), NOON),
        ("last 2 weeks", utc(2026, 5, 6, 12), NOON),
        ("trailing 1 day", utc(2026, 5, 19, 12), NOON),
        ("calendar day", utc(2026, 5, 19), utc(2026, 5, 20)),
        ("calendar week", utc(2026, 5, 11), utc(2026, 5, 18)),
        ("closed calendar month", utc(2026, 4, 1), utc(2026, 5, 1)),
        ("calendar quarter", utc(2026, 1, 1), utc(2026, 4, 1)),
        ("calendar year", utc(2025, 1, 1), utc(2026, 1, 1)),
        ("trailing 12 months", utc(2025, 5, 1), utc(2026, 5, 1)),
        ("last 3 closed months", utc(2026, 2, 1), utc(2026, 5, 1)),
    ],
)
def test_bounds_in_utc(text: str, start: datetime, end: datetime) -> None:
    assert parse_window(text).bounds(NOON, ZoneInfo("UTC")) == (start, end)


def test_a_calendar_day_is_that_of_the_reporting_zone() -> None:
    spring = parse_window("calendar day").bounds(utc(2026, 3, 30), BERLIN)
    assert spring == (utc(2026, 3, 28, 23), utc(2026, 3, 29, 22))  # 23 hours
    autumn = parse_window("calendar day").bounds(utc(2026, 10, 26), BERLIN)
    assert autumn == (utc(2026, 10, 24, 22), utc(2026, 10, 25, 23))  # 25 hours


def test_trailing_days_have_24_hours() -> None:
    assert parse_window("trailing 7 days").fixed == timedelta(days=7)
    assert parse_window("trailing 2 months").fixed is None
    assert parse_window("calendar day").fixed is None


@pytest.mark.parametrize(
    ("text", "shift", "start", "end"),
    [
        ("trailing 30 days", "previous_period", utc(2026, 3, 21, 12), utc(2026, 4, 20, 12)),
        ("calendar month", "previous_period", utc(2026, 3, 1), utc(2026, 4, 1)),
        ("trailing 12 months", "year_earlier", utc(2024, 5, 1), utc(2025, 5, 1)),
        ("trailing 30 days", "year_earlier", utc(2025, 4, 20, 12), utc(2025, 5, 20, 12)),
    ],
)
def test_the_window_to_compare_with(text: str, shift: str, start: datetime, end: datetime) -> None:
    window = parse_window(text)
    zone = ZoneInfo("UTC")
    assert window.before(*window.bounds(NOON, zone), shift, zone) == (start, end)


def test_a_year_before_the_leap_day_is_clamped_and_keeps_its_length() -> None:
    window = parse_window("trailing 30 days")
    zone = ZoneInfo("UTC")
    earlier = window.before(*window.bounds(utc(2028, 2, 29), zone), "year_earlier", zone)
    assert earlier == (utc(2027, 1, 29), utc(2027, 2, 28))


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "trailing days", "trailing 3 years", "trailing -1 days", "trailing 1.5 days",
        "calendar decade", "Calendar day", " instant", "trailing 3 days ",
        "trailing 9999999999 days",
    ],
)  # fmt: skip
def test_unknown_words(text: str) -> None:
    with pytest.raises(ValueError, match="unknown window"):
        parse_window(text)


@pytest.mark.parametrize(
    "text", ["trailing 0 days", "trailing 36526 days", "trailing 1300 months", "last 0 months"]
)
def test_a_window_has_a_length_that_can_be_meant(text: str) -> None:
    with pytest.raises(ValueError, match="is empty or longer than a century"):
        parse_window(text)


@given(
    st.sampled_from(["minutes", "hours", "days", "weeks"]),
    st.integers(1, 5000),
    st.datetimes(datetime(2091, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
)
def test_a_trailing_window_ends_at_the_moment(unit: str, count: int, at: datetime) -> None:
    start, end = parse_window(f"trailing {count} {unit}").bounds(at.replace(tzinfo=UTC), BERLIN)
    assert end == at.replace(tzinfo=UTC)
    assert start < end


@given(
    st.sampled_from(["day", "week", "month", "quarter", "year"]),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
)
def test_a_calendar_period_is_closed_and_the_newest(unit: str, at: datetime) -> None:
    window = parse_window(f"calendar {unit}")
    moment = at.replace(tzinfo=UTC)
    start, end = window.bounds(moment, BERLIN)
    assert start < end <= moment
    assert window.bounds(end, BERLIN) == (start, end)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("P30D", timedelta(days=30)),
        ("PT8H", timedelta(hours=8)),
        ("PT60S", timedelta(seconds=60)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("PT0S", timedelta(0)),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "P", "PT", "30D", "P1M", "P1W", "P-1D", "P999999D", "P1.5D"])
def test_unknown_durations(text: str) -> None:
    with pytest.raises(ValueError, match="unknown duration"):
        parse_duration(text)
