"""What is read of the warehouse every ten seconds: golden signals (`meterstone.detect.golden`),
failures, delays and waits. Rows of the last hour alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meterstone.detect.golden import p95, signals
from meterstone.detect.state import ErrorsNow, SignalNow
from meterstone.measure.compile import literal
from meterstone.warehouse.base import Warehouse

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Vitals:
    """How the last hour was.

    Attributes:
        lag_p99_s: from the change at the vendor until it was applied here, by integration.
        p95_ms: of our calls, by integration.
        throttled_wait_s: what calls waited for their turn, in all.
    """

    signals: tuple[SignalNow, ...] = ()
    errors: tuple[ErrorsNow, ...] = ()
    lag_p99_s: Mapping[str, float] = field(default_factory=dict)
    p95_ms: Mapping[str, float] = field(default_factory=dict)
    throttled_wait_s: float = 0.0


def read(warehouse: Warehouse, now: datetime, target_ms: float | None = None) -> Vitals:
    """As it is now.

    Args:
        target_ms: in which 95 % of the requests that we serve are to be answered.

    Raises:
        StorageError: the engine could not answer.
    """
    lags = _last_hour(warehouse, "sync_lag", "applied_at", now)
    calls = _last_hour(warehouse, "api_request", '"at"', now)
    waits = _last_hour(warehouse, "throttle_event", '"at"', now)
    [waited] = warehouse.query(
        f"SELECT coalesce(sum(wait_ms * count), 0) / 1000 AS s FROM {waits}"
    ).to_pylist()
    called = f"(SELECT * FROM {calls} WHERE direction = 'outbound')"
    return Vitals(
        signals=signals(warehouse, calls, waits, now, target_ms),
        errors=_errors(warehouse, calls),
        lag_p99_s={
            row["i"]: float(row["v"])
            for row in warehouse.query(
                "SELECT integration AS i, quantile_cont(epoch(applied_at) - "
                "epoch(source_changed_at), 0.99) FILTER (WHERE status = 'applied') AS v "
                f"FROM {lags} GROUP BY integration"
            ).to_pylist()
            if row["i"] and row["v"] is not None
        },
        p95_ms={
            row["i"]: row["p95"]
            for row in warehouse.query(p95(called, {"i": "integration"})).to_pylist()
            if row["i"]
        },
        throttled_wait_s=float(waited["s"]),
    )  # fmt: skip


def _last_hour(warehouse: Warehouse, fact: str, time: str, now: datetime) -> str:
    return (
        f"(SELECT * FROM {warehouse.relation(fact, None)} AS k "
        f"WHERE {time} >= {literal(now - _HOUR)} AND {time} <= {literal(now)} "
        "AND environment = 'production' AND NOT synthetic)"
    )


def _errors(warehouse: Warehouse, calls: str) -> tuple[ErrorsNow, ...]:
    """Failures by class."""
    rows = warehouse.query(
        "SELECT error_class AS c, fault AS f, CAST(sum(count) AS BIGINT) AS n "
        f"FROM {calls} WHERE outcome <> 'success' GROUP BY ALL ORDER BY n DESC, c, f"
    ).to_pylist()
    return tuple(
        ErrorsNow(
            error_class=row["c"], fault="unknown" if row["f"] == "none" else row["f"],
            count=row["n"],
        )
        for row in rows
    )  # fmt: skip
