"""What is read of the warehouse every ten seconds: golden signals, failures, delays and waits.
Rows of the last hour alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meterstone.detect.feed import utc
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


def read(warehouse: Warehouse, now: datetime) -> Vitals:
    """As it is now.

    Raises:
        StorageError: the engine could not answer.
    """
    signals, errors = _signals(warehouse, now)
    lags = _last_hour(warehouse, "sync_lag", "applied_at", now)
    calls = _last_hour(warehouse, "api_request", '"at"', now)
    waits = _last_hour(warehouse, "throttle_event", '"at"', now)
    [waited] = warehouse.query(
        f"SELECT coalesce(sum(wait_ms * count), 0) / 1000 AS s FROM {waits}"
    ).to_pylist()
    return Vitals(
        signals=signals, errors=errors,
        lag_p99_s=_by_integration(
            warehouse, f"quantile_cont(epoch(applied_at) - epoch(source_changed_at), 0.99) "
            f"FILTER (WHERE status = 'applied') AS v FROM {lags}",
        ),
        p95_ms=_by_integration(
            warehouse, "quantile_cont(duration_ms, 0.95) FILTER (WHERE direction = 'outbound') "
            f"AS v FROM {calls}",
        ),
        throttled_wait_s=float(waited["s"]),
    )  # fmt: skip


def _by_integration(warehouse: Warehouse, what: str) -> dict[str, float]:
    rows = warehouse.query(f"SELECT integration AS i, {what} GROUP BY integration").to_pylist()
    return {row["i"]: float(row["v"]) for row in rows if row["i"] and row["v"] is not None}


def _last_hour(warehouse: Warehouse, fact: str, time: str, now: datetime) -> str:
    return (
        f"(SELECT * FROM {warehouse.relation(fact, None)} AS k "
        f"WHERE {time} >= {literal(now - _HOUR)} AND {time} <= {literal(now)} "
        "AND environment = 'production' AND NOT synthetic)"
    )


def _signals(
    warehouse: Warehouse, now: datetime
) -> tuple[tuple[SignalNow, ...], tuple[ErrorsNow, ...]]:
    """Golden signals by endpoint group, and failures by class."""
    source = _last_hour(warehouse, "api_request", '"at"', now)
    groups = warehouse.query(
        "SELECT endpoint_group AS g, sum(count) AS n, "
        "sum(count) FILTER (WHERE outcome = 'success') AS good, "
        f"quantile_cont(duration_ms, 0.95) AS p95 FROM {source} GROUP BY ALL ORDER BY g"
    ).to_pylist()
    minutes = warehouse.query(
        "SELECT endpoint_group AS g, date_trunc('minute', \"at\") AS m, "
        f"quantile_cont(duration_ms, 0.95) AS p95 FROM {source} GROUP BY ALL"
    ).to_pylist()
    by_minute = {(row["g"], utc(row["m"])): row["p95"] for row in minutes}
    newest = now.replace(second=0, microsecond=0)
    slots = [newest - timedelta(minutes=59 - n) for n in range(60)]
    made = tuple(
        SignalNow(
            group=row["g"], title=row["g"].replace("_", " "), requests=int(row["n"]),
            per_minute=float(row["n"]) / 60, success=float(row["good"] or 0) / float(row["n"]),
            p95_ms=row["p95"], target_ms=None,
            p95_by_minute=tuple(by_minute.get((row["g"], slot)) for slot in slots),
        )
        for row in groups
    )  # fmt: skip
    errors = warehouse.query(
        "SELECT error_class AS c, fault AS f, CAST(sum(count) AS BIGINT) AS n "
        f"FROM {source} WHERE outcome <> 'success' GROUP BY ALL ORDER BY n DESC, c, f"
    ).to_pylist()
    return made, tuple(
        ErrorsNow(
            error_class=row["c"], fault="unknown" if row["f"] == "none" else row["f"],
            count=row["n"],
        )
        for row in errors
    )  # fmt: skip
