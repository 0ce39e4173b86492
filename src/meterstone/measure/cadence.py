"""Cadences: was what was due published in time.

Due is one publication a group and period, or one a leaf and period, from the moment its time limit
has passed. A live stream is due once a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from meterstone.catalogue import Catalogue, Metric, parse_window
from meterstone.catalogue.groups import group_of_rule
from meterstone.catalogue.model import Schedule
from meterstone.catalogue.windows import parse_duration
from meterstone.measure.compile import literal
from meterstone.measure.days import day_end, last_closed_day
from meterstone.measure.history import History
from meterstone.measure.periods import period_ends

_LOOKED_AT = {"day": 400}
"""How many periods back a schedule is followed; 40 of the longer ones."""


@dataclass(slots=True)
class Published:
    """What was due of a cadence, how much of it came in time, and in how many periods."""

    due: int
    on_time: int
    periods: int


def published(
    metric: Metric, catalogue: Catalogue, history: History, at: datetime
) -> Published | None:
    """What was due and done at a moment; None where nothing was ever published."""
    first = _first_published(history, at)
    if first is None:
        return None
    return _Cadence(metric, catalogue, history, at).counted(first)


def _first_published(history: History, at: datetime) -> datetime | None:
    key = ("first published", at)
    if key not in history.memo:
        rows = history.publications("min(period_end) AS first", f"published_at <= {literal(at)}")
        history.memo[key] = rows[0]["first"] and rows[0]["first"].replace(tzinfo=UTC)
    first: datetime | None = history.memo[key]
    return first


class _Cadence:
    def __init__(
        self, metric: Metric, catalogue: Catalogue, history: History, at: datetime
    ) -> None:
        self._metric = metric
        self._catalogue = catalogue
        self._history = history
        self._at = at
        self._zone = ZoneInfo(catalogue.time_zone)

    def counted(self, first: datetime) -> Published:
        """Due and on time. Periods are counted in the unit that the sample is counted in: days,
        months or quarters; publications where it is none of them."""
        total = Published(0, 0, 0)
        counted = next(
            (u for u in ("day", "month", "quarter") if u in self._metric.raw.sample_unit), None
        )
        periods: set[datetime] = set()
        for schedule in self._metric.raw.schedule:
            unit = _unit(schedule)
            ends = [end for end in self._due(schedule, unit) if end >= first]
            refs = group_of_rule(self._catalogue, schedule.group, schedule.excluding)
            done = self._done(schedule, refs, ends)
            if schedule.per == "leaf":
                total.due += len(ends) * len(refs)
                total.on_time += sum(len(found & set(refs)) for found in done)
            else:
                total.due += len(ends)
                total.on_time += sum(found >= set(refs) for found in done)
            if counted in (None, unit):
                periods.update(ends)
        total.periods = len(periods) if counted else total.due
        return total

    def _due(self, schedule: Schedule, unit: str) -> list[datetime]:
        """Ends of the periods whose time limit has passed: of the metric's window, or the newest
        ``last``."""
        ends = period_ends(unit, _LOOKED_AT.get(unit, 40), self._at, self._zone)
        passed = [end for end in ends if end + limit(schedule) <= self._at]
        if schedule.last is not None:
            return passed[-schedule.last :]
        opens, closes = parse_window(self._metric.raw.window).bounds(self._at, self._zone)
        return [end for end in passed if opens < end <= closes]

    def _done(
        self, schedule: Schedule, refs: Sequence[str], ends: Sequence[datetime]
    ) -> list[set[str]]:
        """The refs that were published in time, one set a period. Once its limit has passed, that
        stays as it is, whatever moment asks."""
        memo: dict[datetime, set[str]] = self._history.memo.setdefault(("done", id(schedule)), {})
        missing = [end for end in ends if end not in memo]
        memo |= dict(zip(missing, self._found(schedule, refs, missing), strict=True))
        return [memo[end] for end in ends]

    def _found(
        self, schedule: Schedule, refs: Sequence[str], ends: Sequence[datetime]
    ) -> list[set[str]]:
        if not ends:
            return []
        if _is_stream(schedule):
            return self._streamed(schedule, refs, ends)
        rows = self._history.publications(
            "ref, period_end, min(published_at) AS published_at",
            f"report = '{schedule.report}' AND period_end >= {literal(ends[0])} GROUP BY ALL",
        )
        done: dict[datetime, set[str]] = {end: set() for end in ends}
        for row in rows:
            end = row["period_end"].replace(tzinfo=UTC)
            if end in done and row["published_at"].replace(tzinfo=UTC) <= end + limit(schedule):
                done[end].add(row["ref"])
        return [done[end] for end in ends]

    def _streamed(
        self, schedule: Schedule, refs: Sequence[str], ends: Sequence[datetime]
    ) -> list[set[str]]:
        """All refs on the days whose slots (minutes, hours) had a live result of each of them, or
        as many as the schedule asks for."""
        slot = min(parse_duration(schedule.every), timedelta(hours=1))
        size = int(slot.total_seconds())
        starts = [
            day_end(last_closed_day(end, self._zone) - timedelta(days=1), self._zone)
            for end in ends
        ]
        rows = self._history.publications(
            f"ref, CAST(floor(epoch(published_at) / {size}) AS BIGINT) AS slot",
            f"report = 'live' AND published_at >= {literal(starts[0])} "
            f"AND published_at < {literal(ends[-1])} GROUP BY ALL",
        )
        live: dict[int, set[str]] = {}
        for row in rows:
            live.setdefault(row["slot"], set()).add(row["ref"])
        full = sorted(number for number, found in live.items() if found >= set(refs))
        share = schedule.share_of_minutes or 100.0
        done = []
        for start, end in zip(starts, ends, strict=True):
            first, last = start.timestamp() / size, end.timestamp() / size
            covered = sum(first <= number < last for number in full)
            done.append(set(refs) if 100 * covered >= share * ((end - start) // slot) else set())
        return done


def limit(schedule: Schedule) -> timedelta:
    """How long after the end of a period a publication is in time."""
    return parse_duration(schedule.due_within) if schedule.due_within else timedelta(0)


def _is_stream(schedule: Schedule) -> bool:
    return schedule.share_of_minutes is not None or schedule.every.startswith("PT")


def _unit(schedule: Schedule) -> str:
    return "day" if _is_stream(schedule) else schedule.every
