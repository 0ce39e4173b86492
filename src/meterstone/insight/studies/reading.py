"""What the queries of studies have in common.

Only production counts, and nothing that was made up: the rules of facts.yaml for every metric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np

from meterstone.insight.findings import Point
from meterstone.insight.series import Series
from meterstone.insight.study import Source
from meterstone.measure.results import Scope

NETWORK = Scope("network")


def eligible(alias: str = "") -> str:
    """The rows of a fact that count, as a condition of SQL.

    Args:
        alias: of the fact in the query, where it reads several.
    """
    of = f"{alias}." if alias else ""
    return f"{of}environment = 'production' AND NOT {of}synthetic"


ELIGIBLE = eligible()


def local(source: Source, column: str) -> str:
    """A moment in UTC by the clock of the reporting time zone, as SQL."""
    return f"timezone('{source.zone.key}', timezone('UTC', {column}))"


def utc(moment: datetime) -> datetime:
    """A moment as engines give it: with UTC, where they leave it out."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def series_of(name: str, days: Sequence[date], values: Sequence[float]) -> Series:
    """A series by day, or by the first day of each month or quarter."""
    stamps = tuple(datetime(d.year, d.month, d.day) for d in days)  # noqa: DTZ001 - days, no moments
    return Series(name, stamps, np.array(values, dtype=float), whole_days=True)


def newest_points(series: Series, most: int) -> tuple[Point, ...]:
    """The newest values of a series that are known, for a picture."""
    known = [
        Point(series.written(stamp), float(value))
        for stamp, value in zip(series.stamps, series.values, strict=True)
        if not math.isnan(value)
    ]
    return tuple(known[-most:])
