"""Daily values of metrics, for rules and objectives over them: read from the board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from meterstone.board.model import Board, DayValue
from meterstone.detect.feed import Feed
from meterstone.detect.slo import Slo
from meterstone.measure.days import day_end
from meterstone.measure.results import Scope, ScopeKind

_KINDS: tuple[ScopeKind, ...] = ("network", "integration", "franchise")


class Days(Protocol):
    """What the watch asks about past days."""

    @property
    def version(self) -> int:
        """Counts up when any of them changed."""

    def of(self, metric: str) -> Mapping[str, Sequence[tuple[date, float]]]:
        """The daily numbers of a metric by key of its scope (the network's is empty), oldest
        first."""

    def ends(self, metric: str) -> Mapping[str, Sequence[tuple[datetime, bool]]]:
        """Ends of days on which the target of a metric was met, or was not, by key."""


class _NoDays:
    """Nothing is known of past days."""

    version = 0

    def of(self, metric: str) -> Mapping[str, Sequence[tuple[date, float]]]:
        """None."""
        del metric
        return {}

    def ends(self, metric: str) -> Mapping[str, Sequence[tuple[datetime, bool]]]:
        """None."""
        del metric
        return {}


class BoardDays:
    """Those that the board keeps, as they are known now.

    Args:
        board: of the home.
    """

    def __init__(self, board: Board) -> None:
        self._board = board

    @property
    def version(self) -> int:
        """That of the board."""
        return self._board.version

    def of(self, metric: str) -> Mapping[str, Sequence[tuple[date, float]]]:
        """See `Days.of`; days whose value is a word or unknown are left out."""
        found = {}
        for key, days in self._by_key(metric):
            numbers = [
                (day.day, float(day.value))
                for day in days
                if isinstance(day.value, int | float) and not isinstance(day.value, bool)
            ]
            if numbers:
                found[key] = numbers
        return found

    def ends(self, metric: str) -> Mapping[str, Sequence[tuple[datetime, bool]]]:
        """See `Days.ends`; days that cannot be judged are left out."""
        return {
            key: judged
            for key, days in self._by_key(metric)
            if (judged := [(_end(d.day, self._board.zone), d.verdict == "met")
                           for d in days if d.verdict in ("met", "not_met")])
        }  # fmt: skip

    def _by_key(self, metric: str) -> Sequence[tuple[str, Sequence[DayValue]]]:
        if not self._board.days(Scope("network")):
            return []  # nothing is kept yet; the catalogue, which takes seconds, is not read for it
        known = self._board.catalogue.metrics.get(metric)
        if known is None:
            return []
        scopes = [Scope("network")] + [
            named.scope
            for kind in _KINDS[1:]
            if kind in known.raw.scopes
            for named in self._board.scopes(kind)
        ]
        return [
            ("" if scope.kind == "network" else scope.key, self._board.history(metric, scope))
            for scope in scopes
        ]


NO_DAYS: Days = _NoDays()
"""Nothing is known of past days."""


def count_days(slos: Sequence[Slo], days: Days, feed: Feed) -> None:
    """Count days as events of the objectives over metrics: good where the target was met. What a
    day counts is said anew each time, since a day may be restated."""
    for slo in slos:
        if slo.raw.metric is None:
            continue
        for key, ends in days.ends(slo.raw.metric).items():
            counts = feed.of(slo.counter, key).counts
            for end, good in ends:
                for ring in (counts.minutes, counts.hours):
                    ring.put(end.timestamp(), float(good), 1.0)


def _end(day: date, zone: ZoneInfo) -> datetime:
    """The last moment of a day, so that a window of so many days holds it."""
    return day_end(day, zone) - timedelta(seconds=1)
