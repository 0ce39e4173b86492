"""Windows of time: from words in a definition to exact bounds at a moment.

All windows are half-open ``[start, end)``. ``trailing N days`` are N × 24 h before the moment;
calendar periods are closed periods of the reporting time zone; ``trailing N months`` (quarters)
are the N last closed ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Unit = Literal["minute", "hour", "day", "week", "month", "quarter", "year"]

BEGINNING = datetime(1990, 1, 1, tzinfo=UTC)
"""Where ``all time`` starts; nothing earlier is ever recorded."""

_FIXED = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_TRAILING = re.compile(
    r"(?:trailing|last) (\d{1,9}) (?:closed )?"
    r"(minute|hour|day|week|month|quarter)s?"
)
_CALENDAR = re.compile(r"(?:closed )?calendar (day|week|month|quarter|year)")

_PERIODS = {"month": 31 * 86400, "quarter": 92 * 86400}
CENTURY = 36_525 * 86400
"""A window is at most so many seconds long; a longer one is a slip."""

FORMS = (
    "instant",
    "all time",
    "trailing N minutes|hours|days|weeks|months|quarters",
    "calendar day|week|month|quarter|year",
)


@dataclass(frozen=True, slots=True)
class Window:
    """A window of a definition. ``count`` units back from the moment, or the closed period."""

    kind: Literal["instant", "all", "trailing", "calendar"]
    unit: Unit = "day"
    count: int = 1

    @property
    def fixed(self) -> timedelta | None:
        """Length, where every window of this kind has the same."""
        if self.kind == "trailing" and self.unit in _FIXED:
            return timedelta(seconds=_FIXED[self.unit] * self.count)
        return None

    def bounds(self, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Start and end (UTC) at a moment.

        Args:
            at: the moment that is measured, UTC.
            zone: the reporting time zone; decides calendar periods.
        """
        if self.kind == "instant":
            return at, at
        if self.kind == "all":
            return BEGINNING, at
        if fixed := self.fixed:
            return at - fixed, at
        end = _period_start(at.astimezone(zone).date(), self.unit)
        start = end
        for _ in range(self.count):
            start = _period_start(start - timedelta(days=1), self.unit)
        return midnight(start, zone), midnight(end, zone)

    def before(
        self, start: datetime, end: datetime, shift: str, zone: ZoneInfo
    ) -> tuple[datetime, datetime]:
        """The window to compare with: the one immediately before, or a year earlier (the end moves
        back 12 months, clamped to the month's last day, and the length in days is kept)."""
        if shift == "previous_period":
            return (start - self.fixed, start) if self.fixed else self.bounds(start, zone)
        local = end.astimezone(zone)
        day = local.day
        while True:
            try:
                moved = local.replace(year=local.year - 1, day=day)
                break
            except ValueError:
                day -= 1
        earlier = moved.astimezone(UTC)
        if self.fixed:
            return earlier - self.fixed, earlier
        days = (local.date() - start.astimezone(zone).date()).days
        return (moved - timedelta(days=days)).astimezone(UTC), earlier


def parse_window(text: str) -> Window:
    """A window from its words.

    Raises:
        ValueError: the words are none of `FORMS`.
    """
    if text == "instant":
        return Window("instant")
    if text == "all time":
        return Window("all")
    if match := _TRAILING.fullmatch(text):
        count = int(match[1])
        if not 0 < count * (_FIXED | _PERIODS)[match[2]] <= CENTURY:
            raise ValueError(f"window {text!r} is empty or longer than a century")
        return Window("trailing", match[2], count)  # type: ignore[arg-type]  # by the regex
    if match := _CALENDAR.fullmatch(text):
        return Window("calendar", match[1])  # type: ignore[arg-type]  # by the regex
    raise ValueError(f"unknown window {text!r}")


def _period_start(day: date, unit: Unit) -> date:
    starts: dict[str, Callable[[date], date]] = {
        "day": lambda d: d,
        "week": lambda d: d - timedelta(days=d.weekday()),
        "month": lambda d: d.replace(day=1),
        "quarter": lambda d: d.replace(month=(d.month - 1) // 3 * 3 + 1, day=1),
        "year": lambda d: d.replace(month=1, day=1),
    }
    return starts[unit](day)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which a day of a time zone begins, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


_DURATION = re.compile(r"P(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,8})S)?)?")


def parse_duration(text: str) -> timedelta:
    """An ISO 8601 duration of days, hours, minutes and seconds (``P30D``, ``PT8H``).

    Raises:
        ValueError: another form.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"unknown duration {text!r}: write P30D, PT8H or PT60S")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


_ANCHOR = re.compile(r"months? (?:1-)?(\d{1,3}) after ([\w:]+)")


@dataclass(frozen=True, slots=True)
class Anchor:
    """The end of the nth full calendar month after the attestation of a claim."""

    claim: str
    month: int

    def ends(self, since: datetime, zone: ZoneInfo) -> datetime:
        """When that month is over, UTC.

        Args:
            since: when the claim was attested; a month that begins at that moment is the first.
        """
        local = since.astimezone(zone)
        first = local.date().replace(day=1)
        if midnight(first, zone) < since:
            first = _next_month(first)
        for _ in range(self.month):
            first = _next_month(first)
        return midnight(first, zone)


def parse_anchor(text: str) -> Anchor:
    """A moment from its words: ``month 12 after programme_start``.

    Raises:
        ValueError: other words.
    """
    match = _ANCHOR.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(f"unknown moment {text!r}")
    return Anchor(match[2], int(match[1]))


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
