"""Closed periods of the reporting time zone: days, months and quarters up to a moment."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from meterstone.catalogue import parse_window


@lru_cache(maxsize=4096)
def period_ends(unit: str, count: int, at: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Ends of the newest ``count`` closed periods at a moment, oldest first."""
    window = parse_window(f"calendar {unit}")
    ends: list[datetime] = []
    while len(ends) < count:
        start, end = window.bounds(at, zone)
        ends.append(end)
        at = start
    return tuple(ends[::-1])


def ends_within(unit: str, opens: datetime, at: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Ends of the closed periods that end in (opens, at], oldest first; at least the newest."""
    window = parse_window(f"calendar {unit}")
    ends: list[datetime] = []
    while True:
        start, end = window.bounds(at, zone)
        if ends and end <= opens:
            return tuple(ends[::-1])
        ends.append(end)
        at = start
