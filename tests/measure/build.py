"""Complete fact rows with defaults, and a small world to put them in.

A builder makes one row with every column that matters; keyword arguments replace any of them.
Times are naive UTC, as the warehouse stores them. A `World` lands rows in a fresh in-memory
warehouse at given moments and evaluates there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from meterstone.app import fact_shapes
from meterstone.catalogue import Catalogue, framework_path, load_catalogue
from meterstone.facts import build_batch, vocabulary
from meterstone.measure.evaluate import Column, Evaluation, Evaluator
from meterstone.warehouse.base import Appended, Recorded
from meterstone.warehouse.duckdb import DuckDBWarehouse

Row = dict[str, Any]


def on(*numbers: int) -> datetime:
    """A moment, naive UTC as the warehouse stores it: ``on(2026, 3, 31, 12)``."""
    return datetime(*numbers, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[arg-type,misc]


AT = on(2026, 3, 31)
"""The usual moment: a midnight (UTC) at the end of a month."""

RECORDED = on(2026, 4, 2)
"""When rows are recorded unless a test says otherwise."""

FAR = on(2090, 1, 1)

S, M, H, D = (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))

_numbers = itertools.count(1)


def _row(fact: str, defaults: Row, given: Row) -> Row:
    unknown = set(given) - set(vocabulary()[fact].columns)
    if unknown:
        raise TypeError(f"{fact} has no column {sorted(unknown)}")
    common = {
        "franchise_id": None,
        "integration": None,
        "source": "hub",
        "retracted": False,
        "environment": "production",
        "synthetic": False,
    }
    return {"fact": fact} | common | defaults | given


def _id(prefix: str) -> str:
    return f"{prefix}{next(_numbers):06d}"


def request(at: datetime, **given: Any) -> Row:
    """A successful inbound request; ``error='timeout'`` is short for one that failed at the hub."""
    error = given.pop("error", None)
    usual = {
        "request_id": _id("r"),
        "at": at,
        "direction": "outbound" if given.get("integration") else "inbound",
        "endpoint_group": "other",
        "endpoint": "/v1/{id}",
        "method": "GET",
        "status_code": 500 if error else 200,
        "outcome": "error" if error else "success",
        "fault": "hub" if error else "none",
        "error_class": error or "none",
        "cause_key": None,
        "attempts": 1,
        "duration_ms": 100.0,
        "count": 1,
        "consumer": "internal",
    }
    return _row("api_request", usual, given)


def caller_fault(at: datetime, **given: Any) -> Row:
    """A request that failed because of its caller."""
    usual = {"outcome": "caller_fault", "fault": "caller", "error_class": "authentication"}
    return request(at, **usual | {"status_code": 401} | given)


def probe(at: datetime, **given: Any) -> Row:
    """A successful probe of an integration, scheduled every 60 s."""
    ok = given.get("ok", True)
    usual = {
        "probe_id": _id("p"),
        "at": at,
        "integration": "square",
        "component": "integration",
        "check_key": "ping",
        "interval_s": 60,
        "ok": True,
        "latency_ms": 20.0,
        "location": "eu",
        "fail_reason": "none" if ok else "timeout",
        "maintenance": False,
        "alerting": True,
    }
    return _row("probe", usual, given)


def probes(start: datetime, end: datetime, every: timedelta = M, **given: Any) -> list[Row]:
    """Probes on a schedule in [start, end)."""
    given = {"interval_s": int(every.total_seconds())} | given
    return [probe(start + n * every, **given) for n in range(-((start - end) // every))]


def load_sample(at: datetime, **given: Any) -> Row:
    return _row("load_sample", {"sample_id": _id("s"), "at": at, "instance": "one"}, given)


def load_test(ended_at: datetime, **given: Any) -> Row:
    """A load level that was held: 50,000 users for 15 minutes."""
    usual = {
        "test_id": "test",
        "started_at": given.get("ended_at", ended_at) - H,
        "ended_at": ended_at,
        "release_version": "1.4.0",
        "scenario": "mix",
        "concurrent_users": 50_000,
        "hold_s": 900,
        "requests": 1_000_000,
        "p95_ms": 499.0,
        "success_rate": 99.9,
        "production_like": True,
    }
    return _row("load_test", usual, given)


def release(released_at: datetime, version: str, **given: Any) -> Row:
    usual = {
        "release_id": _id("v"),
        "version": version,
        "released_at": released_at,
        "kind": "feature",
        "customer_visible": True,
    }
    return _row("release", usual, given)


def sync_run(finished_at: datetime, **given: Any) -> Row:
    usual = {
        "run_id": _id("n"),
        "connection_id": "c-square",
        "integration": "square",
        "started_at": finished_at - 20 * S,
        "finished_at": finished_at,
        "direction": "in",
        "entity": "orders",
        "mode": "incremental",
        "interval_s": 600,
        "status": "success",
        "records_read": 5,
        "records_written": 5,
        "records_failed": 0,
        "backlog": 0,
    }
    return _row("sync_run", usual, given)


def lag(source_changed_at: datetime, seconds: float | None = 1.0, **given: Any) -> Row:
    """A change that was applied ``seconds`` later; None: still pending."""
    applied = None if seconds is None else source_changed_at + timedelta(seconds=seconds)
    usual = {
        "change_id": _id("l"),
        "connection_id": "c-square",
        "integration": "square",
        "entity": "orders",
        "source_changed_at": source_changed_at,
        "received_at": source_changed_at,
        "applied_at": applied,
        "status": "pending" if seconds is None else "applied",
        "conflict": False,
        "conflict_resolution": "none",
    }
    return _row("sync_lag", usual, given)


def conflict(source_changed_at: datetime, resolution: str = "automatic", **given: Any) -> Row:
    return lag(source_changed_at, conflict=True, conflict_resolution=resolution, **given)


def reconciliation(at: datetime, checked: int = 1000, **given: Any) -> Row:
    """A comparison without discrepancy; ``missing``, ``mismatched`` and ``extra`` make some."""
    given = {"missing": 0, "mismatched": 0, "extra": 0} | given
    usual = {
        "recon_id": _id("x"),
        "at": at,
        "integration": "square",
        "entity": "orders",
        "platform_a": "square",
        "platform_b": "hub",
        "window_start": at - D,
        "window_end": at - H,
        "method": "full",
        "checked": checked,
        "matched": checked - given["missing"] - given["mismatched"],
        "fields_checked": 5 * checked,
        "fields_matched": 5 * checked,
        "auto_resolved": 0,
        "open_after_24h": given["missing"] + given["mismatched"] + given["extra"],
    }
    return _row("reconciliation", usual, given)


def webhook(created_at: datetime, **given: Any) -> Row:
    """An event delivered after two seconds, with a retry window of 24 h."""
    usual = {
        "event_id": _id("e"),
        "direction": "in",
        "subscription_id": "sub",
        "integration": "square",
        "created_at": created_at,
        "deadline_at": created_at + D,
        "attempts": 1,
        "delivered_at": created_at + 2 * S,
        "status": "delivered",
        "found_by_reconciliation": False,
    }
    return _row("webhook_delivery", usual, given)


def incident(
    started_at: datetime, detected: float | None = 20, resolved: float | None = 90, **given: Any
) -> Row:
    """An incident detected and resolved so many seconds after its start; None: not yet."""
    usual = {
        "incident_id": _id("i"),
        "kind": "availability",
        "severity": "sev2",
        "integration": "square",
        "started_at": started_at,
        "detected_at": None if detected is None else started_at + timedelta(seconds=detected),
        "resolved_at": None if resolved is None else started_at + timedelta(seconds=resolved),
        "detected_by": "monitor",
        "auto_resolved": True,
        "escalated": False,
        "customer_impact_s": 30.0,
        "predicted": False,
    }
    return _row("incident", usual, given)


def prevention(due_at: datetime, **given: Any) -> Row:
    """An action implemented a day before it was due."""
    usual = {
        "action_id": _id("a"),
        "recommended_at": due_at - 20 * D,
        "origin": "postmortem",
        "status": "implemented",
        "due_at": due_at,
        "implemented_at": due_at - D,
    }
    return _row("prevention_action", usual, given)


def throttle(at: datetime, **given: Any) -> Row:
    """A request admitted at once; ``decision='queued'`` ends admitted after 100 ms."""
    decision = given.get("decision", "admitted")
    usual = {
        "throttle_id": _id("t"),
        "at": at,
        "limiter": "hub",
        "decision": "admitted",
        "final": "rejected" if decision == "rejected" else "admitted",
        "over_quota": False,
        "wait_ms": 100.0 if decision == "queued" else 0.0,
        "deadline_ms": None,
        "priority": "normal",
        "count": 1,
    }
    return _row("throttle_event", usual, given)


def booking(created_at: datetime, **given: Any) -> Row:
    usual = {
        "booking_id": _id("b"),
        "franchise_id": "f1",
        "created_at": created_at,
        "starts_at": created_at + D,
        "status": "confirmed",
        "origin": "hub",
    }
    return _row("booking", usual, given)


def payment(paid_at: datetime, **given: Any) -> Row:
    usual = {
        "payment_id": _id("y"),
        "franchise_id": "f1",
        "paid_at": paid_at,
        "gross": "10.00",
        "discount": "0",
        "refund": "0",
        "tax": "0",
        "tip": "0",
        "currency": "USD",
        "net_sales_usd": "10.00",
        "status": "completed",
        "origin": "hub",
    }
    return _row("payment", usual, given)


def integration(status_at: datetime, name: str = "square", **given: Any) -> Row:
    """A registry row: live, probed every 60 s."""
    usual = {
        "integration": name,
        "status_at": status_at,
        "name": name,
        "category": "pos",
        "status": "live",
        "certified": True,
        "framework": "universal",
        "capabilities_required": "a",
        "in_public_catalogue": True,
        "probe_interval_s": 60,
        "sync_interval_s": 600,
    }
    return _row("integration", usual, given)


def connection(connected_at: datetime, name: str = "square", **given: Any) -> Row:
    usual = {
        "connection_id": f"c-{name}",
        "integration": name,
        "connected_at": connected_at,
        "disconnected_at": None,
        "auth": "oauth2_pkce",
    }
    return _row("connection", usual, given)


def forecast(issued_at: datetime, **given: Any) -> Row:
    """An alarm that an incident will come within seven days."""
    usual = {
        "forecast_id": _id("f"),
        "issued_at": issued_at,
        "model": "failure",
        "model_version": "1",
        "quantity": "incident_probability_7d",
        "scope_key": None,
        "horizon_start": issued_at,
        "horizon_end": issued_at + 7 * D,
        "point": 0.9,
        "alarm": True,
    }
    return _row("forecast", usual, given)


def attestation(attested_at: datetime, claim_key: str, **given: Any) -> Row:
    usual = {
        "attestation_id": _id("z"),
        "claim_key": claim_key,
        "attested_at": attested_at,
        "statement": "reviewed",
        "source": "attestation",
        "entered_by": "ann",
        "entered_role": "operations lead",
        "evidence_uri": "https://evidence.example/1",
        "expires_at": attested_at + 365 * D,
    }
    return _row("attestation", usual, given)


def connected(
    since: datetime, name: str = "square", *, until: datetime = AT, **given: Any
) -> list[Row]:
    """A live integration with one connection that syncs successfully once a day."""
    runs = [
        sync_run(since + n * D, integration=name, connection_id=f"c-{name}")
        for n in range(-((since - until) // D))
    ]
    return [integration(since - D, name, **given), connection(since - D, name), *runs]


@cache
def framework(time_zone: str = "UTC") -> Catalogue:
    """The framework's catalogue, in a reporting time zone."""
    if time_zone == "UTC":
        return load_catalogue(framework_path(), fact_shapes())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalogue.yaml"
        path.write_text(f"extends: framework\ntime_zone: {time_zone}\n")
        return load_catalogue(path, fact_shapes())


@dataclass(frozen=True)
class Cell:
    """What was measured of one metric at one scope and moment.

    ``verdicts`` holds one word a place that sets its target at this scope; ``verdict`` is that of
    the defining place, by whatever target it has.
    """

    value: float | str | None
    n: float
    lower: float | None
    upper: float | None
    verdict: str
    verdicts: dict[str, str]
    evidence: int
    newest: datetime | None
    shown: dict[str, Any]
    failed_gates: tuple[str, ...]

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Both bounds."""
        return self.lower, self.upper


class Measured:
    """The columns of one evaluation, cell by cell."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation

    def cell(self, metric: str, scope: str = "network", *, moment: int = 0) -> Cell:
        """One cell; ``scope`` is ``network`` or ``kind:key``.

        A key that was not measured is a cell without rows.
        """
        kind, _, key = scope.partition(":")
        column = self.evaluation.columns[metric, kind]  # type: ignore[index]
        key = key or "*"
        if key not in column.keys:
            return NOTHING
        return _cell(column, moment, column.keys.index(key))


NOTHING = Cell(None, 0.0, None, None, "no_data", {}, -1, None, {}, ())


def _cell(column: Column, m: int, k: int) -> Cell:
    newest = column.newest[m, k]
    moment = datetime.fromtimestamp(float(newest), UTC) if np.isfinite(newest) else None
    here = column.places(column.keys[k])
    return Cell(
        value=_plain(column.value[m, k]),
        n=float(column.sample[m, k]),
        lower=_plain(column.lower[m, k]),  # type: ignore[arg-type]
        upper=_plain(column.upper[m, k]),  # type: ignore[arg-type]
        verdict=str(column.verdicts[0][m, k]),
        verdicts={column.metric.places[p].ref: str(column.verdicts[p][m, k]) for p in here},
        evidence=int(column.evidence[m, k]),
        newest=moment.replace(tzinfo=None) if moment else None,
        shown={
            name: _plain(array[m, k]) for name, array in column.shown.items() if array.ndim == 2
        },
        failed_gates=tuple(t for t, failed in column.failed_gates.items() if failed[m, k]),
    )


def _plain(value: Any) -> float | str | None:
    if value is None or isinstance(value, str):
        return value
    return None if np.isnan(value) else float(value)


class World:
    """A fresh in-memory warehouse, and what was put into it.

    Args:
        rows: recorded at once, at ``recorded_at``.
    """

    def __init__(self, *rows: Row | Iterable[Row], recorded_at: datetime = RECORDED) -> None:
        self.warehouse = DuckDBWarehouse(":memory:", vocabulary())
        self.recorded: list[tuple[datetime, Row]] = []
        self._seq = 0
        if rows:
            self.add(*rows, recorded_at=recorded_at)

    def add(self, *rows: Row | Iterable[Row], recorded_at: datetime = RECORDED) -> Appended:
        """Record rows, all in one append; later calls must not be recorded earlier."""
        flat = list(flatten(rows))
        self.recorded += [(recorded_at, row) for row in flat]
        self._seq += 1
        by_fact: dict[str, list[tuple[int, Row]]] = {}
        for item, row in enumerate(flat, 1):
            by_fact.setdefault(row["fact"], []).append((item, row))
        batches = []
        for fact, items in by_fact.items():
            batch = build_batch(vocabulary()[fact], items, received_at=FAR.replace(tzinfo=UTC))
            assert not batch.rejects, batch.rejects[:3]
            batches.append(Recorded(self._seq, recorded_at.replace(tzinfo=UTC), batch))
        return self.warehouse.append(batches)

    def evaluate(
        self,
        at: datetime | Sequence[datetime] = AT,
        *metrics: str,
        known_at: datetime | None = None,
        catalogue: Catalogue | None = None,
    ) -> Measured:
        """Measure at one moment or at several; all metrics unless some are named."""
        moments = [at] if isinstance(at, datetime) else list(at)
        known = known_at.replace(tzinfo=UTC) if known_at else None
        evaluator = Evaluator(self.warehouse, vocabulary(), catalogue or framework(), known)
        return Measured(
            evaluator.evaluate([m.replace(tzinfo=UTC) for m in moments], metrics or None)
        )

    def cell(self, metric: str, scope: str = "network", *, at: datetime = AT, **more: Any) -> Cell:
        """One metric at one scope and moment."""
        return self.evaluate(at, metric, **more).cell(metric, scope)

    def close(self) -> None:
        self.warehouse.close()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def flatten(rows: Iterable[Row | Iterable[Row]]) -> Iterable[Row]:
    """Rows out of rows and lists of rows."""
    for row in rows:
        if isinstance(row, dict):
            yield row
        else:
            yield from flatten(row)
