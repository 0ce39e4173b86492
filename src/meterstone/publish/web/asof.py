"""As of: which day is shown, and what was known then (``?day=`` and ``?known_at=``).

``?known=then`` stands for the moment at which the day was first known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.datastructures import QueryParams

from meterstone.measure.days import day_end
from meterstone.measure.results import read_day, read_moment, rfc3339


@dataclass(frozen=True, slots=True)
class AsOf:
    """What a reader wants to see; both None: the newest day, as known now.

    Attributes:
        day: in the reporting time zone.
        known_at: records after this moment (UTC) do not count.
    """

    day: date | None = None
    known_at: datetime | None = None

    @property
    def is_now(self) -> bool:
        """Whether the newest is shown."""
        return self == AsOf()

    def until(self, zone: ZoneInfo) -> datetime | None:
        """The moment (UTC) at which the ledger is shown: the end of the day, or what was known
        before it ended; None: now."""
        if self.day is None:
            return self.known_at
        end = day_end(self.day, zone)
        return min(end, self.known_at) if self.known_at else end

    @property
    def query(self) -> dict[str, str]:
        """As parameters of an address."""
        both = {
            "day": self.day.isoformat() if self.day else "",
            "known_at": rfc3339(self.known_at) if self.known_at else "",
        }
        return {name: text for name, text in both.items() if text}

    def link(self, path: str, **more: str) -> str:
        """A path with these parameters, so that a reader stays in the past that was chosen."""
        query = urlencode({**self.query, **{name: text for name, text in more.items() if text}})
        path, mark, fragment = path.partition("#")
        joint = "&" if "?" in path else "?"
        return (f"{path}{joint}{query}" if query else path) + mark + fragment


NAMES = ("day", "known_at", "known")
"""Of the parameters that say it."""


@dataclass(frozen=True, slots=True)
class Days:
    """The days beside one that is shown: for ‹ and ›, and the bounds of the date picker."""

    first: date | None = None
    last: date | None = None
    before: date | None = None
    after: date | None = None


def read_as_of(query: QueryParams) -> AsOf:
    """What the address of a page asks for.

    Raises:
        InputError: no day, or no moment, is written there.
    """
    day, known = query.get("day"), query.get("known_at")
    return AsOf(
        read_day(day, "?day=", "write ?day=2026-03-01") if day else None,
        # a "+" in a query means a space
        read_moment(known.replace(" ", "+"), "?known_at=", "write ?known_at=2026-03-01T00:00:00Z")
        if known
        else None,
    )


def days_beside(days: Sequence[date], shown: date | None) -> Days:
    """Days with a scorecard around the shown one.

    Args:
        days: oldest first.
        shown: None: the newest.
    """
    if not days:
        return Days()
    here = shown or days[-1]
    earlier, later = [d for d in days if d < here], [d for d in days if d > here]
    return Days(days[0], days[-1], earlier[-1] if earlier else None, later[0] if later else None)
