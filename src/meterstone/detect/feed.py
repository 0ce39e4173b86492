"""Reads what is new in the warehouse into counts in memory: one statement a counter, over the rows
that were recorded since the last look, so that its cost follows what is new and not the history.

A restart fills the counts from the warehouse: minutes of the last three days, hours before.
A row that is corrected later counts as it was first told until then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from meterstone.detect.ring import Counts
from meterstone.detect.slo import Counter
from meterstone.facts import Vocabulary
from meterstone.measure.compile import literal
from meterstone.warehouse.base import Warehouse

_AHEAD = timedelta(minutes=5)
"""What the clocks of senders may be ahead."""

_BADS = 400
_MINUTES_BACK = timedelta(days=3)
_RUNS_BACK = timedelta(days=2)
_REAL = "environment = 'production' AND NOT synthetic"


@dataclass(frozen=True, slots=True)
class Bad:
    """Bad events that are alike, and what is known of their cause."""

    at: datetime
    count: float
    fault: str = ""
    error_class: str = ""
    franchise: str = ""


def anew(bads: Sequence[Bad], over: datetime | None) -> list[Bad]:
    """Those that came after what was told before was over."""
    return [bad for bad in bads if over is None or bad.at > over]


@dataclass(slots=True)
class Series:
    """The counts of a counter for one key."""

    counts: Counts
    bads: deque[Bad] = field(default_factory=lambda: deque(maxlen=_BADS))
    impossible: deque[tuple[datetime, float]] = field(default_factory=lambda: deque(maxlen=_BADS))
    last_at: datetime | None = None
    last_good_at: datetime | None = None


@dataclass(slots=True)
class Run:
    """The newest run of a stream of a connection, and its schedule."""

    integration: str
    at: datetime
    every_s: float
    status: str


class Feed:
    """Counts by counter and key.

    Args:
        days: how far back the longest period of an objective reaches.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        vocabulary: Vocabulary,
        counters: Mapping[str, Counter],
        days: float = 30,
    ) -> None:
        self._warehouse, self._vocabulary, self._days = warehouse, vocabulary, days
        self._counters = dict(counters)
        self.series: dict[tuple[str, str], Series] = {}
        self.runs: dict[tuple[str, str], Run] = {}
        self.seq = 0

    def fill(self, now: datetime) -> None:
        """Fill the counts from what is recorded; once, at the start."""
        self.seq = self._warehouse.mapped_to()
        begin = now - timedelta(days=self._days)
        for name, counter in self._counters.items():
            for grain, since in (("minute", now - _MINUTES_BACK), ("hour", begin)):
                for row in self._rows(counter, f"{self._time(counter)} >= {literal(since)}", grain):
                    counts = self.of(name, row["key"]).counts
                    ring = counts.minutes if grain == "minute" else counts.hours
                    ring.add(row["at"].timestamp(), row["good"], row["total"])
        self._read_runs(f"finished_at >= {literal(now - _RUNS_BACK)}")

    def read(self) -> int:
        """Take in what was recorded since the last look; how many landed records that were."""
        upto = self._warehouse.mapped_to()
        new = upto - self.seq
        if new <= 0:
            return 0
        which = f"_seq > {self.seq} AND _seq <= {upto}"
        for name, counter in self._counters.items():
            self._take(name, counter, which)
        self._read_runs(which)
        self.seq = upto
        return new

    def of(self, counter: str, key: str) -> Series:
        """The counts of one key; new ones where there are none."""
        place = counter, key
        if place not in self.series:
            self.series[place] = Series(Counts(self._days))
        return self.series[place]

    def keys(self, counter: str) -> list[str]:
        """The keys that were seen of a counter."""
        return sorted(key for name, key in self.series if name == counter)

    def _time(self, counter: Counter) -> str:
        return f'"{self._vocabulary[counter.fact].event_time}"'

    def _take(self, name: str, counter: Counter, which: str) -> None:
        anything_bad = False
        for row in self._rows(counter, which, "second"):
            series = self.of(name, row["key"])
            series.counts.add(row["at"], row["good"], row["total"])
            series.last_at = max(series.last_at or row["at"], row["at"])
            if row["good"] > 0:
                series.last_good_at = max(series.last_good_at or row["at"], row["at"])
            if row["impossible"]:
                series.impossible.append((row["at"], row["impossible"]))
            anything_bad = anything_bad or row["good"] < row["total"]
        if anything_bad:
            self._take_bads(name, counter, which)

    def _rows(self, counter: Counter, which: str, grain: str) -> list[dict[str, Any]]:
        time, good = self._time(counter), _good(counter)
        wrong = (
            f"({counter.impossible}) OR ({counter.total}) < 0 OR ({good}) < 0 "
            f"OR {time} > recorded_at + INTERVAL '{int(_AHEAD.total_seconds())}' SECOND"
        )
        found: list[dict[str, Any]] = self._warehouse.query(
            f"SELECT coalesce(CAST({counter.by} AS VARCHAR), '') AS key, "
            f"date_trunc('{grain}', {time}) AS \"at\", "
            f"CAST(coalesce(sum({counter.total}), 0) AS DOUBLE) AS total, "
            f"CAST(coalesce(sum({good}), 0) AS DOUBLE) AS good, "
            f"CAST(count(*) FILTER (WHERE {wrong}) AS DOUBLE) AS impossible "
            f"FROM {self._warehouse.relation(counter.fact, None)} AS k "
            f"WHERE {which} AND {_REAL} AND ({counter.where}) GROUP BY ALL"
        ).to_pylist()
        for row in found:
            row["at"] = utc(row["at"])
        return found

    def _take_bads(self, name: str, counter: Counter, which: str) -> None:
        columns = self._vocabulary[counter.fact].columns
        told = {
            name: name if name in columns else "NULL"
            for name in ("fault", "error_class", "franchise_id")
        }
        rows = self._warehouse.query(
            f"SELECT coalesce(CAST({counter.by} AS VARCHAR), '') AS key, "
            f'min({self._time(counter)}) AS "at", '
            f"CAST(sum(({counter.total}) - ({_good(counter)})) AS DOUBLE) AS bad, "
            f"{told['fault']} AS fault, {told['error_class']} AS error_class, "
            f"{told['franchise_id']} AS franchise "
            f"FROM {self._warehouse.relation(counter.fact, None)} AS k "
            f"WHERE {which} AND {_REAL} AND ({counter.where}) "
            f"AND ({counter.total}) > ({_good(counter)}) "
            f'GROUP BY ALL ORDER BY "at" LIMIT {_BADS}'
        ).to_pylist()
        for row in rows:
            self.of(name, row["key"]).bads.append(
                Bad(
                    utc(row["at"]), row["bad"], row["fault"] or "", row["error_class"] or "",
                    row["franchise"] or "",
                )
            )  # fmt: skip

    def _read_runs(self, which: str) -> None:
        rows = self._warehouse.query(
            "SELECT connection_id, entity, max(integration) AS integration, "
            "max(finished_at) AS at, arg_max(interval_s, finished_at) AS every, "
            "arg_max(status, finished_at) AS status "
            f"FROM {self._warehouse.relation('sync_run', None)} AS k "
            f"WHERE {which} AND {_REAL} AND direction = 'in' GROUP BY ALL"
        ).to_pylist()
        for row in rows:
            self.runs[row["connection_id"], row["entity"]] = Run(
                row["integration"] or "", utc(row["at"]), float(row["every"]), row["status"]
            )


def _good(counter: Counter) -> str:
    if counter.good is not None:
        return f"CASE WHEN {counter.good} THEN {counter.total} ELSE 0 END"
    return f"({counter.total}) - ({counter.bad})"


def utc(moment: datetime) -> datetime:
    """A moment of the warehouse, which are all UTC, with its zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
