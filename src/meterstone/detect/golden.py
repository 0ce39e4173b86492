"""Golden signals by endpoint group, of the last hour: latency, traffic, errors, saturation.

Requests that we serve and calls to vendors are rows of their own: what a vendor takes is not what
our callers wait for. Latency is weighted by count, as a row may stand for many requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from meterstone.detect.feed import utc
from meterstone.detect.state import SignalNow
from meterstone.warehouse.base import Warehouse

BORNE_PERCENT = 99.0
"""So many requests of a level of a load test succeed, in per cent, where it was borne."""


def p95(source: str, by: Mapping[str, str]) -> str:
    """A statement: the 95th percentile of ``duration_ms``, weighted by ``count``, by nearest rank.

    Args:
        source: rows of ``api_request``.
        by: what each has one of: columns by their name in the answer.
    """
    names = ", ".join(by)
    columns = ", ".join(f"{column} AS {name}" for name, column in by.items())
    return (
        f"SELECT {names}, min(ms) AS p95 FROM ("
        f"SELECT {names}, ms, sum(n) OVER (PARTITION BY {names} ORDER BY ms) AS upto, "
        f"sum(n) OVER (PARTITION BY {names}) AS whole FROM ("
        f"SELECT {columns}, duration_ms AS ms, sum(count) AS n FROM {source} AS r "
        "WHERE duration_ms IS NOT NULL GROUP BY ALL)"
        f") WHERE upto >= 0.95 * whole GROUP BY {names}"
    )


def signals(
    warehouse: Warehouse, calls: str, waits: str, now: datetime, target_ms: float | None
) -> tuple[SignalNow, ...]:
    """The signals, those of requests that we serve first.

    Args:
        calls, waits: rows of ``api_request`` and of ``throttle_event`` of the last hour.
        target_ms: in which 95 % of the requests that we serve are to be answered.
    """
    group = {"d": "direction", "g": "endpoint_group"}
    counts = warehouse.query(
        "SELECT direction AS d, endpoint_group AS g, CAST(sum(n) AS BIGINT) AS n, "
        "sum(good) AS good, max(n) AS peak FROM ("
        f"SELECT direction, endpoint_group, date_trunc('minute', \"at\") AS m, sum(count) AS n, "
        "coalesce(sum(count) FILTER (WHERE outcome = 'success'), 0) AS good "
        f"FROM {calls} GROUP BY ALL) GROUP BY direction, endpoint_group ORDER BY d, g"
    ).to_pylist()
    whole = {(r["d"], r["g"]): r["p95"] for r in warehouse.query(p95(calls, group)).to_pylist()}
    minute = {**group, "m": "date_trunc('minute', \"at\")"}
    by_minute = {
        (r["d"], r["g"], utc(r["m"])): r["p95"]
        for r in warehouse.query(p95(calls, minute)).to_pylist()
    }
    newest = now.replace(second=0, microsecond=0)
    slots = [newest - timedelta(minutes=59 - n) for n in range(60)]
    borne, late = _borne_per_s(warehouse, target_ms), _late(warehouse, calls, waits)
    made = []
    for row in counts:
        direction, key = row["d"], row["g"]
        served, title = direction == "inbound", key.replace("_", " ")
        full = float(row["peak"]) / 60 / borne if borne else None
        made.append(
            SignalNow(
                group=key, title=title if served else f"{title}, calls to vendors",
                direction=direction, requests=row["n"], per_minute=row["n"] / 60,
                success=float(row["good"]) / row["n"] if row["n"] else None,
                p95_ms=whole.get((direction, key)), target_ms=target_ms if served else None,
                saturation=full if served else late.get(key),
                p95_by_minute=tuple(by_minute.get((direction, key, slot)) for slot in slots),
            )
        )  # fmt: skip
    return tuple(made)


def _borne_per_s(warehouse: Warehouse, target_ms: float | None) -> float | None:
    """Requests a second of the highest level that the newest production-like load test bore."""
    tests = f"{warehouse.relation('load_test', None)} AS k WHERE production_like AND hold_s > 0"
    in_time = "true" if target_ms is None else f"p95_ms <= {target_ms:f}"
    [row] = warehouse.query(
        f"SELECT max(requests / hold_s) AS borne FROM {tests} "
        f"AND success_rate >= {BORNE_PERCENT} AND {in_time} "
        f"AND test_id = (SELECT arg_max(test_id, ended_at) FROM {tests})"
    ).to_pylist()
    return float(row["borne"]) if row["borne"] else None


def _late(warehouse: Warehouse, calls: str, waits: str) -> Mapping[str, float]:
    """Share of the turns of calls that had to wait, by endpoint group of the called vendors."""
    rows = warehouse.query(
        "SELECT a.g, sum(t.late) / sum(t.n) AS share FROM ("
        "SELECT DISTINCT endpoint_group AS g, integration AS i "
        f"FROM {calls} WHERE direction = 'outbound') AS a JOIN ("
        "SELECT integration AS i, sum(count) AS n, "
        "coalesce(sum(count) FILTER (WHERE decision <> 'admitted'), 0) AS late "
        f"FROM {waits} GROUP BY integration) AS t ON t.i = a.i GROUP BY a.g"
    ).to_pylist()
    return {row["g"]: float(row["share"]) for row in rows if row["share"] is not None}
