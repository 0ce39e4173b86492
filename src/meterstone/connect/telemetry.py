"""What the hub tells of its own work: calls, waits, runs, lags, incidents, as facts.

Rows are collected and landed together as JSON lines, so that a call costs no write to the disk.
Calls and waits of one minute that are alike in all but their duration are one row with a count, one
a bucket of the duration (`BUCKETS` to the doubling, as the warehouse keeps latencies). After a
crash the rows of the last seconds are missing: they count work, they are not the work.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

from meterstone.connect.clock import Clock
from meterstone.record.model import Incoming, Receipt, facts_of_ours

BUCKETS = 32
FLUSH_S = 5.0
FLUSH_ROWS = 2_000
ONCE = 20_000
"""So many keys are remembered."""

Land = Callable[[Incoming], Future[Receipt]]
Dimensions = tuple[tuple[str, Any], ...]


@dataclass(slots=True)
class _Total:
    count: int = 0
    first: datetime | None = None
    value: float = 0.0
    low: float = math.inf
    high: float = 0.0


class Telemetry:
    """Collects rows of facts of our own and lands them in batches. Thread-safe.

    Args:
        land: lands a record (`LandingLog.land_soon`).
        clock: the time.
    """

    def __init__(self, land: Land, clock: Clock) -> None:
        self._land = land
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: list[dict[str, Any]] = []
        self._totals: dict[tuple[str, datetime, int, Dimensions], _Total] = {}
        self._once: dict[tuple[str, str], None] = {}
        self._last = clock.monotonic()
        self._run = secrets.token_hex(8)
        self._flushes = 0

    def add(self, fact: str, row: Mapping[str, Any]) -> None:
        """A row as it is."""
        with self._lock:
            self._rows.append({"fact": fact, **row})
        self.flush_if_due()

    def add_once(self, fact: str, key: str, row: Mapping[str, Any]) -> bool:
        """A row of a key that this process has not told yet; whether it is new. What was collected
        is not in the warehouse at once, where others would find it."""
        with self._lock:
            if (fact, key) in self._once:
                return False
            self._once[fact, key] = None
            if len(self._once) > ONCE:
                del self._once[next(iter(self._once))]
        self.add(fact, row)
        return True

    def count(
        self, fact: str, at: datetime, value_ms: float, dimensions: Mapping[str, Any]
    ) -> None:
        """One event among many that are alike."""
        bucket = math.floor(math.log2(max(value_ms, 1e-3)) * BUCKETS)
        minute = at.replace(second=0, microsecond=0)
        key = fact, minute, bucket, tuple(sorted(dimensions.items()))
        with self._lock:
            total = self._totals.setdefault(key, _Total())
            total.count += 1
            total.first = min(total.first or at, at)
            total.value += value_ms
        self.flush_if_due()

    def flush(self) -> None:
        """Land what was collected; on its way to the disk when this returns."""
        with self._lock:
            rows, self._rows = self._rows, []
            totals, self._totals = self._totals, {}
            self._flushes += 1
            flush = f"{self._run}-{self._flushes}"
            self._last = self._clock.monotonic()
        rows += [_row(key, total, flush) for key, total in totals.items()]
        if rows:
            body = b"\n".join(map(_encode, rows)) + b"\n"
            self._land(facts_of_ours(body, f"telemetry {flush}", "hub"))

    def flush_if_due(self) -> None:
        """Land what was collected, where that is much or old."""
        with self._lock:
            rows = len(self._rows) + len(self._totals)
            due = rows >= FLUSH_ROWS or self._clock.monotonic() - self._last >= FLUSH_S
        if due:
            self.flush()


def _encode(row: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(row)


def _row(key: tuple[str, datetime, int, Dimensions], total: _Total, flush: str) -> dict[str, Any]:
    """A total as a row; its id is of this flush, so that a later one of the minute adds to it."""
    fact, minute, bucket, dimensions = key
    text = repr((minute, bucket, dimensions, flush)).encode()
    number = blake2b(text, digest_size=16).hexdigest()
    mean = total.value / total.count
    row = {"fact": fact, "at": total.first, "count": total.count, **dict(dimensions)}
    if fact == "throttle_event":
        return {"throttle_id": number, "wait_ms": mean, **row}
    row |= {"request_id": number, "duration_ms": mean}
    if total.count > 1:
        low, high = 2 ** (bucket / BUCKETS), 2 ** ((bucket + 1) / BUCKETS)
        row |= {"bucket_lo_ms": low, "bucket_hi_ms": high}
    return row
