"""A franchise network made from a seed, straight into a warehouse: the data of the benchmarks.

Every day is made from (seed, day) alone, so that a day has the same rows however many others a
world has. Volumes are those of a network of 200 franchises and nine integrations: API requests
(as many as asked for), probes every 60 s of nine integrations and five components of the hub, sync
runs every ten minutes, record changes, webhook deliveries, throttle decisions, a reconciliation a
day and integration, and incidents. Now and then an integration is out for some minutes: its probes
fail, and so do some of the requests to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from meterstone.facts import FactBatch, Vocabulary, from_columns
from meterstone.warehouse.base import Recorded, Warehouse

Array = NDArray[Any]
Columns = dict[str, Any]

FIRST_DAY = date(2025, 1, 1)
DAYS = 365
INTEGRATIONS = (
    "square", "clover", "quickbooks", "salesforce", "franconnect", "fransmart", "ifpg", "tableau",
    "powerbi",
)  # fmt: skip
COMPONENTS = ("hub_api", "hub_ui", "database", "queue", "webhook_ingress")
GROUPS = ("franchise_management", "pos_integration", "analytics", "auth", "webhook", "other")
FRANCHISES = 200
CLASSES = ("timeout", "connection", "authentication", "rate_limit", "data_validation", "server")

_DAY_US = 86_400_000_000
_PROBED = (*INTEGRATIONS, *COMPONENTS)
_DAYS_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class World:
    """What is made: ``requests`` a year, whatever part of the year is asked for."""

    requests: int
    seed: int = 20260601

    def fill(
        self,
        warehouse: Warehouse,
        vocabulary: Vocabulary,
        first: int = 0,
        days: int = DAYS,
        on_days: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Append the days [first, first + days); how many rows that were."""
        rows = 0
        if first == 0:
            rows += _append(warehouse, vocabulary, 1, _registry())
        for start in range(first, first + days, _DAYS_AT_ONCE):
            chunk = range(start, min(start + _DAYS_AT_ONCE, first + days))
            rows += _append(warehouse, vocabulary, start + 2, self._days(chunk))
            on_days(len(chunk))
        return rows

    def _days(self, days: range) -> Iterator[tuple[str, pa.Table]]:
        made: dict[str, list[pa.Table]] = {}
        for day in days:
            for name, make in _FACTS.items():
                random = np.random.default_rng([self.seed, day, len(name), ord(name[0])])
                columns = make(_Day(self, day, random))
                made.setdefault(name, []).append(pa.table(columns))
        for name, tables in made.items():
            yield name, pa.concat_tables(tables)


@dataclass(frozen=True, slots=True)
class _Day:
    world: World
    number: int
    random: np.random.Generator

    @property
    def start(self) -> int:
        """Midnight in microseconds since 1970."""
        return _us(FIRST_DAY + timedelta(days=self.number))

    def times(self, offsets: Array) -> pa.Array:
        """Offsets from midnight in microseconds as timestamps."""
        return pa.array(self.start + offsets.astype(np.int64), pa.timestamp("us"))

    def ids(self, count: int, prefix: str) -> pa.Array:
        """Keys that are unique over all days."""
        numbers = pa.array(np.arange(count) + self.number * 10_000_000).cast(pa.string())
        return pc.binary_join_element_wise(prefix, numbers, "")

    def outages(self) -> list[tuple[int, int, int]]:
        """(integration, first minute, minutes) of what is out on this day."""
        random = np.random.default_rng([self.world.seed, self.number, 7])
        return [
            (int(random.integers(len(INTEGRATIONS))), int(random.integers(1400)), minutes)
            for minutes in random.integers(1, 30, random.poisson(0.7)).tolist()
        ]


def day_end(number: int) -> datetime:
    """The moment at which a day of the world is over."""
    day = FIRST_DAY + timedelta(days=number + 1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _append(warehouse: Warehouse, vocabulary: Vocabulary, seq: int, tables: Any) -> int:
    recorded = [
        Recorded(seq, day_end(seq), _batch(vocabulary, name, table)) for name, table in tables
    ]
    return warehouse.append(recorded).new


def _batch(vocabulary: Vocabulary, name: str, table: pa.Table) -> FactBatch:
    columns = {column: table.column(column) for column in table.column_names}
    return from_columns(
        vocabulary[name], columns, pa.array(np.arange(1, table.num_rows + 1)), source="hub"
    )


def _us(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _DAY_US


def _words(words: tuple[str, ...], codes: Array) -> pa.Array:
    return pa.array(words).take(pa.array(codes.astype(np.int32)))


def _when(condition: Array, yes: Any, no: Any) -> pa.Array:
    return pc.if_else(pa.array(condition), yes, no)


def _out_minutes(day: _Day) -> Array:
    """(integration, minute) that is out."""
    out = np.zeros((len(_PROBED), 1440), dtype=bool)
    for integration, minute, minutes in day.outages():
        out[integration, minute : minute + minutes] = True
    return out


def _requests(day: _Day) -> Columns:
    share = day.world.requests / DAYS
    count = int(share * (day.number + 1)) - int(share * day.number)
    random = day.random
    offsets = np.sort(random.integers(0, _DAY_US, count))
    inbound = random.random(count) < 0.7
    integration = random.integers(0, len(INTEGRATIONS), count)
    group = random.choice(len(GROUPS), count, p=(0.3, 0.3, 0.2, 0.1, 0.05, 0.05))
    out = ~inbound & _out_minutes(day)[integration, offsets // 60_000_000]
    error = (random.random(count) < 0.00009) | (out & (random.random(count) < 0.5))
    caller = ~error & (random.random(count) < 0.01)
    kind = np.where(error, random.integers(0, len(CLASSES), count), 0)
    duration = np.round(random.lognormal(5.0, 0.5, count) + 5000 * (error & (kind == 0)), 3)
    return {
        "request_id": day.ids(count, "r"),
        "at": day.times(offsets),
        "franchise_id": _words(_FRANCHISE_IDS, random.integers(0, FRANCHISES, count)),
        "integration": _when(
            ~inbound, _words(INTEGRATIONS, integration), pa.scalar(None, pa.string())
        ),
        "direction": _when(inbound, "inbound", "outbound"),
        "endpoint_group": _words(GROUPS, group),
        "endpoint": _words(_ENDPOINTS, group),
        "method": _when(random.random(count) < 0.8, "GET", "POST"),
        "status_code": pa.array(np.where(error, 500, np.where(caller, 400, 200))),
        "outcome": _when(error, "error", _when(caller, "caller_fault", "success")),
        "fault": _when(error, _when(out, "provider", "hub"), _when(caller, "caller", "none")),
        "error_class": _when(error, _words(CLASSES, kind), _when(caller, "other", "none")),
        "cause_key": _when(error, _words(_CAUSES, kind), pa.scalar(None, pa.string())),
        "attempts": pa.array(np.where(error, 3, 1)),
        "duration_ms": pa.array(duration),
        "count": pa.array(np.ones(count, dtype=np.int64)),
        "consumer": _when(inbound, "franchise", "internal"),
    }


def _probes(day: _Day) -> Columns:
    out = _out_minutes(day)
    name, minute = (a.ravel() for a in np.indices(out.shape))
    ok = ~out.ravel()
    return {
        "probe_id": day.ids(len(ok), "p"),
        "at": day.times(minute * 60_000_000 + 7_000_000 + name * 1000),
        "integration": _when(
            name < len(INTEGRATIONS), _words(_PROBED, name), pa.scalar(None, pa.string())
        ),
        "component": _when(name < len(INTEGRATIONS), "integration", _words(_PROBED, name)),
        "check_key": _words(("ping",), np.zeros(len(ok))),
        "interval_s": pa.array(np.full(len(ok), 60)),
        "ok": pa.array(ok),
        "latency_ms": pa.array(np.round(day.random.lognormal(4.0, 0.4, len(ok)), 1)),
        "location": _words(("eu",), np.zeros(len(ok))),
        "fail_reason": _when(ok, "none", "provider_down"),
        "maintenance": pa.array(np.zeros(len(ok), dtype=bool)),
        "alerting": pa.array(np.ones(len(ok), dtype=bool)),
    }


def _sync_runs(day: _Day) -> Columns:
    integration, slot = (a.ravel() for a in np.indices((len(INTEGRATIONS), 144)))
    failed = day.random.random(len(slot)) < 0.0005
    start = slot * 600_000_000 + integration * 1_000_000
    read = day.random.poisson(40, len(slot))
    return {
        "run_id": day.ids(len(slot), "s"),
        "connection_id": _words(_CONNECTIONS, integration),
        "integration": _words(INTEGRATIONS, integration),
        "started_at": day.times(start),
        "finished_at": day.times(start + 20_000_000),
        "direction": _words(("in",), np.zeros(len(slot))),
        "entity": _words(("orders",), np.zeros(len(slot))),
        "mode": _words(("incremental",), np.zeros(len(slot))),
        "interval_s": pa.array(np.full(len(slot), 600)),
        "status": _when(failed, "failed", "success"),
        "records_read": pa.array(read),
        "records_written": pa.array(np.where(failed, 0, read)),
        "records_failed": pa.array(np.where(failed, read, 0)),
        "backlog": pa.array(np.where(failed, read, 0)),
    }


def _changes(day: _Day, count: int = 3_000) -> Columns:
    random = day.random
    integration = random.integers(0, len(INTEGRATIONS), count)
    changed = np.sort(random.integers(0, _DAY_US, count))
    lag = (random.lognormal(-0.5, 0.5, count) * 1e6).astype(np.int64)
    conflict = random.random(count) < 0.02
    return {
        "change_id": day.ids(count, "c"),
        "connection_id": _words(_CONNECTIONS, integration),
        "integration": _words(INTEGRATIONS, integration),
        "entity": _words(("orders",), np.zeros(count)),
        "source_changed_at": day.times(changed),
        "received_at": day.times(changed + lag // 2),
        "applied_at": day.times(changed + lag),
        "status": _words(("applied",), np.zeros(count)),
        "conflict": pa.array(conflict),
        "conflict_resolution": _when(
            conflict, _when(random.random(count) < 0.99, "automatic", "manual"), "none"
        ),
    }


def _webhooks(day: _Day, count: int = 1_500) -> Columns:
    random = day.random
    integration = random.integers(0, 4, count)
    created = np.sort(random.integers(0, _DAY_US, count))
    return {
        "event_id": day.ids(count, "w"),
        "direction": _words(("in",), np.zeros(count)),
        "subscription_id": _words(INTEGRATIONS, integration),
        "integration": _words(INTEGRATIONS, integration),
        "created_at": day.times(created),
        "deadline_at": day.times(created + _DAY_US),
        "attempts": pa.array(np.ones(count, dtype=np.int64)),
        "delivered_at": day.times(created + random.integers(100_000, 3_000_000, count)),
        "status": _words(("delivered",), np.zeros(count)),
        "found_by_reconciliation": pa.array(random.random(count) < 0.00002),
    }


def _throttles(day: _Day, count: int = 1_440) -> Columns:
    random = day.random
    queued = random.random(count) < 0.05
    high = random.random(count) < 0.5
    wait = np.where(queued, np.where(high, 100, 400) + random.exponential(50, count), 0)
    return {
        "throttle_id": day.ids(count, "t"),
        "at": day.times(np.arange(count) * 60_000_000 + 1_000_000),
        "integration": _words(INTEGRATIONS, random.integers(0, len(INTEGRATIONS), count)),
        "limiter": _when(random.random(count) < 0.5, "hub", "provider"),
        "decision": _when(queued, "queued", "admitted"),
        "final": _words(("admitted",), np.zeros(count)),
        "over_quota": pa.array(np.zeros(count, dtype=bool)),
        "wait_ms": pa.array(np.round(wait, 1)),
        "priority": _when(high, "high", "low"),
        "count": pa.array(np.where(queued, 4, 60)),
    }


def _reconciliations(day: _Day) -> Columns:
    count = len(INTEGRATIONS)
    missing = (day.random.random(count) < 0.002).astype(np.int64)
    return {
        "recon_id": day.ids(count, "x"),
        "at": day.times(np.full(count, 3 * 3_600_000_000) + np.arange(count)),
        "integration": _words(INTEGRATIONS, np.arange(count)),
        "entity": _words(("orders",), np.zeros(count)),
        "platform_a": _words(INTEGRATIONS, np.arange(count)),
        "platform_b": _words(("hub",), np.zeros(count)),
        "window_start": day.times(np.full(count, -_DAY_US)),
        "window_end": day.times(np.zeros(count)),
        "method": _words(("full",), np.zeros(count)),
        "checked": pa.array(np.full(count, 5_000)),
        "matched": pa.array(5_000 - missing),
        "missing": pa.array(missing),
        "mismatched": pa.array(np.zeros(count, dtype=np.int64)),
        "extra": pa.array(np.zeros(count, dtype=np.int64)),
        "fields_checked": pa.array(np.full(count, 50_000)),
        "fields_matched": pa.array(50_000 - missing),
        "auto_resolved": pa.array(missing),
        "open_after_24h": pa.array(np.zeros(count, dtype=np.int64)),
    }


def _incidents(day: _Day) -> Columns:
    outages = day.outages()
    count = len(outages)
    integration, minute, minutes = np.array(outages, dtype=np.int64).reshape(count, 3).T
    start = minute * 60_000_000
    return {
        "incident_id": day.ids(count, "i"),
        "integration": _words(INTEGRATIONS, integration),
        "kind": _words(("availability",), np.zeros(count)),
        "severity": _words(("sev2",), np.zeros(count)),
        "started_at": day.times(start),
        "detected_at": day.times(start + 20_000_000),
        "resolved_at": day.times(start + minutes * 60_000_000),
        "detected_by": _words(("monitor",), np.zeros(count)),
        "auto_resolved": pa.array(np.ones(count, dtype=bool)),
        "escalated": pa.array(np.zeros(count, dtype=bool)),
        "customer_impact_s": pa.array(minutes * 30.0),
        "cause_key": _words(_CAUSES, integration % len(_CAUSES)),
        "predicted": pa.array(np.zeros(count, dtype=bool)),
    }


def _registry() -> list[tuple[str, pa.Table]]:
    """What stands before the first day: the integrations, and a connection of each."""
    count = len(INTEGRATIONS)
    before = pa.array(np.full(count, _us(FIRST_DAY) - 40 * _DAY_US), pa.timestamp("us"))
    words = {
        "name": INTEGRATIONS, "category": ("pos",) * count, "status": ("live",) * count,
        "framework": ("universal",) * count, "capabilities_required": ("orders",) * count,
    }  # fmt: skip
    yes = pa.array(np.ones(count, dtype=bool))
    integrations = pa.table(
        {
            "integration": pa.array(INTEGRATIONS),
            "status_at": before,
            **{name: pa.array(values) for name, values in words.items()},
            "certified": yes,
            "in_public_catalogue": yes,
            "probe_interval_s": pa.array(np.full(count, 60)),
            "sync_interval_s": pa.array(np.full(count, 600)),
        }
    )
    connections = pa.table(
        {
            "connection_id": pa.array(_CONNECTIONS),
            "integration": pa.array(INTEGRATIONS),
            "connected_at": before,
            "auth": pa.array(("oauth2_pkce",) * count),
        }
    )
    return [("integration", integrations), ("connection", connections)]


_FRANCHISE_IDS = tuple(f"F{number:03d}" for number in range(FRANCHISES))
_CONNECTIONS = tuple(f"connection-{name}" for name in INTEGRATIONS)
_ENDPOINTS = tuple(f"/{group}/{{id}}" for group in GROUPS)
_CAUSES = tuple(f"cause-{name}" for name in CLASSES)

_FACTS: Mapping[str, Callable[[_Day], Columns]] = {
    "api_request": _requests,
    "probe": _probes,
    "sync_run": _sync_runs,
    "sync_lag": _changes,
    "webhook_delivery": _webhooks,
    "throttle_event": _throttles,
    "reconciliation": _reconciliations,
    "incident": _incidents,
}
