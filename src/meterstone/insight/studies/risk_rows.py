"""Telemetry of integrations by the hour, read of facts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import numpy as np

from meterstone.insight.signals import SIGNALS, Panel
from meterstone.insight.studies.reading import eligible, utc
from meterstone.insight.study import Source
from meterstone.measure.compile import literal

READ = ("api_request", "probe", "sync_run", "throttle_event", "oauth_check", "incident")
HISTORY = timedelta(days=400)
"""How far back is looked."""
_HOUR = timedelta(hours=1)

_COUNTS = f"{eligible('f')} AND f.integration IS NOT NULL"
_VALUES: Mapping[str, tuple[str, str, str, str]] = {
    # fact, its time, the value of an hour, which rows
    "latency": ("api_request", "at",
                "exp(sum(ln(greatest(f.duration_ms, 0.001)) * f.count) / sum(f.count))",
                "f.direction = 'outbound' AND f.outcome = 'success'"),
    "probe_latency": ("probe", "at", "exp(avg(ln(greatest(f.latency_ms, 0.001))))",
                      "f.ok AND f.component = 'integration' AND f.latency_ms IS NOT NULL"),
    "errors": ("api_request", "at",
               "sum(CASE WHEN f.outcome = 'error' THEN f.count ELSE 0 END) * 1.0 / sum(f.count)",
               "f.direction = 'outbound' AND f.fault <> 'caller'"),
    "backlog": ("sync_run", "finished_at", "max(f.backlog)", "TRUE"),
    "throttling": ("throttle_event", "at", "sum(f.count)",
                   "f.limiter = 'provider' AND f.decision <> 'admitted'"),
    "credential": ("oauth_check", "at",
                   "avg(CASE WHEN f.result = 'failed' THEN 1.0 ELSE 0.0 END)",
                   "f.result <> 'not_applicable'"),
}  # fmt: skip
_SPARSE = frozenset({"throttling"})
"""Recorded only when something happened: silence within the recorded time is a zero."""


def read_panel(source: Source) -> Panel | None:
    """The hours up to `Source.at` since telemetry of integrations began; None: there is none."""
    since = source.at - HISTORY
    hours = {signal.id: list(_hourly(source, signal.id, since)) for signal in SIGNALS}
    incidents = list(_incidents(source, since))
    keys = tuple(sorted({key for rows in hours.values() for key, _, _ in rows}))
    first = min((at for rows in hours.values() for _, at, _ in rows), default=None)
    if first is None:
        return None
    first = first.replace(minute=0, second=0, microsecond=0)
    size = math.ceil((source.at - first) / _HOUR)  # a day may end within an hour of UTC
    values = np.full((len(keys), size, len(SIGNALS)), np.nan)
    place = {key: k for k, key in enumerate(keys)}
    for s, signal in enumerate(SIGNALS):
        if signal.id in _SPARSE:
            for key in {key for key, _, _ in hours[signal.id]}:
                values[place[key], :, s] = 0.0
        for key, at, value in hours[signal.id]:
            values[place[key], int((at - first) / _HOUR), s] = value
    starts, ends = [], []
    for key in keys:
        mine = [(at, over) for of, at, over in incidents if of == key and at >= first]
        starts.append(np.array([(at - first) / _HOUR for at, _ in mine], float))
        ends.append(
            np.array([(over - first) / _HOUR if over else np.inf for _, over in mine], float)
        )
    return Panel(keys, values, tuple(starts), tuple(ends))


def _hourly(source: Source, signal: str, since: datetime) -> Iterator[tuple[str, datetime, float]]:
    fact, column, value, which = _VALUES[signal]
    time = f'f."{column}"'
    for row in source.rows(
        f"SELECT f.integration AS key, date_trunc('hour', {time}) AS hour, {value} AS value "
        f"FROM {{{fact}}} AS f WHERE {_COUNTS} AND {which} AND {between(time, since, source.at)} "
        "GROUP BY 1, 2"
    ):
        if row["value"] is not None:
            yield str(row["key"]), utc(row["hour"]), float(row["value"])


def _incidents(source: Source, since: datetime) -> Iterator[tuple[str, datetime, datetime | None]]:
    for row in source.rows(
        "SELECT f.integration AS key, f.started_at AS at, f.resolved_at AS over "
        f"FROM {{incident}} AS f WHERE {_COUNTS} AND f.kind <> 'security' "
        f"AND f.severity <> 'sev4' AND {between('f.started_at', since, source.at)} "
        "ORDER BY 2, 1"
    ):
        over = None if row["over"] is None else utc(row["over"])
        yield str(row["key"]), utc(row["at"]), over if over and over < source.at else None


def felt_share(source: Source) -> float:
    """Share of incidents that customers feel, of those whose impact is known (Laplace: one of each
    is assumed beside them)."""
    [found] = source.rows(
        "SELECT count(*) AS n, sum(CASE WHEN f.customer_impact_s > 0 THEN 1 ELSE 0 END) AS felt "
        f"FROM {{incident}} AS f WHERE {_COUNTS} AND f.kind <> 'security' AND f.severity <> 'sev4' "
        f"AND f.customer_impact_s IS NOT NULL "
        f"AND {between('f.started_at', source.at - HISTORY, source.at)}"
    )
    return (float(found["felt"] or 0) + 1) / (float(found["n"]) + 2)


def between(time: str, since: datetime, until: datetime) -> str:
    """A condition of SQL: a column of moments lies in [since, until)."""
    return f"{time} >= {literal(since)} AND {time} < {literal(until)}"
