"""The strip of an integration: one mark a day for 90 days, from the board and the incidents.

A day is marked by its incidents, and where there were none by the verdict on its uptime.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from meterstone.board.model import Board, DayValue
from meterstone.detect.state import OpenIncident
from meterstone.ledger import Incident
from meterstone.measure.results import Scope
from meterstone.scorecard.values import Tone, count_text, format_day, format_value, verdict_text

DAYS = 90
UPTIME = "integration_uptime"
_TONES: Mapping[str, Tone] = {
    "met": "met", "not_met": "miss", "inconclusive": "doubt", "insufficient_data": "doubt",
}  # fmt: skip

Span = tuple[datetime, datetime | None]
"""From the first bad event until it was over; None: not over yet."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A day; ``at``: its place in the strip, from 0 on the left."""

    at: int
    tone: Tone
    says: str


@dataclass(frozen=True, slots=True)
class Strip:
    """90 days of an integration.

    Attributes:
        marks: one a day, oldest first.
        says: the same in words.
    """

    marks: Sequence[Mark]
    says: str

    @property
    def noted(self) -> Sequence[Mark]:
        """The days that are worth a word each."""
        return [mark for mark in self.marks if mark.tone not in ("met", "none")]

    def places(self, tone: Tone) -> Sequence[int]:
        """Where the days of a tone are."""
        return [mark.at for mark in self.marks if mark.tone == tone]


def strip(
    board: Board, integration: str, until: date, incidents: Iterable[Incident | OpenIncident] = ()
) -> Strip:
    """The strip of an integration.

    Args:
        board: gives the uptime by day.
        until: the last day of the strip.
        incidents: of any integration; those of others are left out.
    """
    spans = [
        (each.started_at, getattr(each, "resolved_at", None))
        for each in incidents
        if each.integration == integration
    ]
    history = board.history(UPTIME, Scope("integration", integration), DAYS, until)
    return drawn({day.day: day for day in history}, troubled(spans, board.zone, until), until)


def troubled(spans: Iterable[Span], zone: ZoneInfo, until: date) -> dict[date, int]:
    """How many incidents each day had."""
    found: dict[date, int] = defaultdict(int)
    first = until - timedelta(days=DAYS - 1)
    for start, end in spans:
        day = max(first, start.astimezone(zone).date())
        last = until if end is None else min(until, end.astimezone(zone).date())
        while day <= last:
            found[day] += 1
            day += timedelta(days=1)
    return dict(found)


def drawn(known: Mapping[date, DayValue], bad: Mapping[date, int], until: date) -> Strip:
    """The marks of what is known of each day."""
    days = [until - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    marks = [_mark(at, day, known.get(day), bad.get(day, 0)) for at, day in enumerate(days)]
    troubles = sum(1 for day in days if bad.get(day))
    silent = sum(1 for mark in marks if mark.tone == "none")
    parts = [f"{count_text(troubles, 'days')} with incidents" if troubles else "no incident"]
    if silent:
        parts.append(f"{count_text(silent, 'days')} without data")
    return Strip(marks, f"{DAYS} days to {format_day(until)}: {', '.join(parts)}")


def _mark(at: int, day: date, value: DayValue | None, incidents: int) -> Mark:
    said = [format_day(day)]
    if value is not None:
        said.append(f"uptime {format_value(value.value, '%')}, {verdict_text(value.verdict)}")
    if incidents:
        said.append(count_text(incidents, "incidents"))
        return Mark(at, "miss", ": ".join([said[0], ", ".join(said[1:])]))
    if value is None:
        return Mark(at, "none", f"{said[0]}: no data")
    return Mark(at, _TONES.get(value.verdict, "none"), f"{said[0]}: {said[1]}")
