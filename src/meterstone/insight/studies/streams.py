"""Streams of telemetry that are watched: sums by hour or day, with the dimensions they come by.

A stream is a query, so that another one is another line here; what is watched of metrics is in
`meterstone.insight.studies.anomalies`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import numpy as np

from meterstone.insight.explain import Parts
from meterstone.insight.seasonal import SEASONS, newest_run
from meterstone.insight.series import Floats
from meterstone.insight.studies.reading import eligible, local
from meterstone.insight.study import Source
from meterstone.measure.compile import literal

Step = Literal["hour", "day"]

_BACK: Mapping[Step, timedelta] = {"hour": timedelta(days=57), "day": timedelta(days=400)}
_WEEK: Mapping[Step, int] = {"hour": 168, "day": 7}
_LEAST_WEEKS = 4
"""With fewer weeks on record the hours of a day are the season, not those of a week."""

NOBODY = "(none)"


@dataclass(frozen=True, slots=True)
class Stream:
    """Something that is summed by step.

    Attributes:
        key, title: of its findings; `title` also begins their sentences.
        unit: of the sums.
        step: how long each sum is.
        at: the moment of a row; ``x`` is the fact.
        amount: what is summed.
        per: what it is divided by; empty: it is a sum, not a mean.
        dimensions: what it comes by: title to expression.
        counts: sums are counts of independent things.
        owners: each franchise's own sums are watched as well.
    """

    key: str
    title: str
    unit: str
    fact: str
    step: Step
    at: str
    amount: str
    dimensions: Mapping[str, str]
    where: str = "true"
    per: str = ""
    counts: bool = True
    owners: bool = False


_REGION = "place.region"
_PLACES = (
    "LEFT JOIN (SELECT f.franchise_id, max_by(f.region, f.status_at) AS region "
    "FROM {franchise} AS f GROUP BY f.franchise_id) AS place ON place.franchise_id = x.franchise_id"
)

STREAMS = (
    Stream(
        "requests", "Requests to us", "requests", "api_request", "hour", "x.at", "sum(x.count)",
        {"endpoint group": "x.endpoint_group", "endpoint": "x.endpoint", "consumer": "x.consumer"},
        where="x.direction = 'inbound'",
    ),
    Stream(
        "failed_requests", "Failed requests", "requests", "api_request", "hour", "x.at",
        "sum(CASE WHEN x.outcome = 'error' THEN x.count ELSE 0 END)",
        {"integration": "x.integration", "endpoint group": "x.endpoint_group",
         "endpoint": "x.endpoint", "kind of error": "x.error_class"},
    ),
    Stream(
        "latency", "Mean time of requests to us", "ms", "api_request", "hour", "x.at",
        "sum(x.duration_ms * x.count)", {"endpoint group": "x.endpoint_group",
                                         "endpoint": "x.endpoint"},
        where="x.direction = 'inbound'", per="sum(x.count)", counts=False,
    ),
    Stream(
        "calls", "Calls to vendors", "requests", "api_request", "hour", "x.at", "sum(x.count)",
        {"integration": "x.integration", "endpoint": "x.endpoint"},
        where="x.direction = 'outbound'",
    ),
    Stream(
        "webhooks", "Webhooks of vendors", "events", "webhook_delivery", "day", "x.created_at",
        "count(*)", {"integration": "x.integration", "state": "x.status"},
        where="x.direction = 'in'",
    ),
    Stream(
        "failed_syncs", "Failed syncs", "runs", "sync_run", "day", "x.finished_at",
        "sum(CASE WHEN x.status = 'failed' THEN 1 ELSE 0 END)",
        {"integration": "x.integration", "franchise": "x.franchise_id"},
    ),
    Stream(
        "sales", "Net sales", "USD", "payment", "day", "x.paid_at", "sum(x.net_sales_usd)",
        {"franchise": "x.franchise_id", "region": _REGION, "integration": "x.integration"},
        counts=False, owners=True,
    ),
    Stream(
        "bookings", "Bookings", "bookings", "booking", "day", "x.created_at", "count(*)",
        {"franchise": "x.franchise_id", "region": _REGION, "origin": "x.origin"}, owners=True,
    ),
    Stream(
        "tickets", "Support contacts", "tickets", "support_ticket", "day", "x.opened_at",
        "count(*)", {"franchise": "x.franchise_id", "region": _REGION, "channel": "x.channel"},
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Flow:
    """A stream as it was recorded, at even steps.

    Attributes:
        season: steps after which it repeats itself.
        whole: all together; `by`: of each value of each dimension, as sums (of a mean: amount
            and number).
    """

    stream: Stream
    stamps: tuple[datetime, ...]
    season: int
    amount: Floats
    number: Floats | None
    by: Mapping[str, Mapping[str, tuple[Floats, Floats | None]]]

    @property
    def whole(self) -> Floats:
        """What is judged: sums, or means where it is one; NaN where nothing was to be divided."""
        return _ratio(self.amount, self.number)

    def parts(self, first: int, last: int, expected: float) -> Mapping[str, Parts]:
        """Actual and expected of each value over some steps, both ends included.

        Expected is the median of the same places of the seasons before, brought to `expected`,
        the sum that the stream as a whole was to have. Of a mean, it is the usual mean of a value
        times how often it came now.
        """
        found: dict[str, dict[str, tuple[float, float]]] = {}
        steps = range(first, last + 1)
        for dimension, values in self.by.items():
            usual = {name: self._usual(own, steps) for name, own in values.items()}
            whole = sum(usual.values())
            scale = expected / whole if whole > 0 and self.number is None else 1.0
            found[dimension] = {
                name: (float(own[0][first : last + 1].sum()), scale * usual[name])
                for name, own in values.items()
            }
        return found

    def _usual(self, own: tuple[Floats, Floats | None], steps: range) -> float:
        amount, number = own
        total = 0.0
        for at in steps:
            back = [at - n * self.season for n in range(1, SEASONS + 1)]
            places = [place for place in back if 0 <= place < steps.start]
            if not places:
                continue
            if number is None:
                total += float(np.median(amount[places]))
                continue
            many = float(number[places].sum())
            total += float(amount[places].sum()) / many * float(number[at]) if many else 0.0
        return total


def _ratio(amount: Floats, number: Floats | None) -> Floats:
    if number is None:
        return amount
    nothing = np.full(len(amount), np.nan)
    return np.asarray(np.divide(amount, number, out=nothing, where=number > 0))


def flow(source: Source, stream: Stream) -> Flow | None:
    """A stream up to the end of the day; None where nothing of it was ever recorded."""
    rows = _rows(source, stream)
    if not rows:
        return None
    first, step = min(row["t"] for row in rows), _length(stream.step)
    end = source.day + timedelta(days=1) if stream.step == "day" else _naive(source.at)
    size = int((_moment(end) - _moment(first)) / step)
    place = {first + n * step: n for n in range(size)}
    stamps = tuple(_moment(first) + n * step for n in range(size))

    def empty() -> Floats:
        return np.zeros(size)

    per = bool(stream.per)
    amount, number = empty(), empty() if per else None
    by: dict[str, dict[str, tuple[Floats, Floats | None]]] = defaultdict(dict)
    for row in rows:
        at = place.get(row["t"])
        if at is None:
            continue
        amount[at] += row["amount"]
        if number is not None:
            number[at] += row["number"]
        for nth, dimension in enumerate(stream.dimensions):
            name = str(row[f"d{nth}"] if row[f"d{nth}"] is not None else NOBODY)
            if name not in by[dimension]:
                by[dimension][name] = (empty(), empty() if per else None)
            own, many = by[dimension][name]
            own[at] += row["amount"]
            if many is not None:
                many[at] += row["number"]
    week = _WEEK[stream.step]
    since = newest_run(amount if number is None else number, week)
    season = week if stream.step == "day" or size - since >= _LEAST_WEEKS * week else 24
    return Flow(
        stream, stamps[since:], season, amount[since:],
        None if number is None else number[since:],
        {
            dimension: {
                name: (own[since:], None if many is None else many[since:])
                for name, (own, many) in values.items()
            }
            for dimension, values in by.items()
        },
    )  # fmt: skip


def _rows(source: Source, stream: Stream) -> list[dict[str, Any]]:
    at = stream.at
    if stream.step == "day":
        at = local(source, stream.at)
    dimensions = "".join(f", {sql} AS d{n}" for n, sql in enumerate(stream.dimensions.values()))
    places = _PLACES if _REGION in stream.dimensions.values() else ""
    cast = "DATE" if stream.step == "day" else "TIMESTAMP"
    return source.rows(
        f"SELECT CAST(date_trunc('{stream.step}', {at}) AS {cast}) AS t{dimensions}, "
        f"CAST({stream.amount} AS DOUBLE) AS amount, CAST({stream.per or '0'} AS DOUBLE) AS number "
        f"FROM {{{stream.fact}}} AS x {places} WHERE {stream.where} AND {eligible('x')} "
        f"AND {stream.at} >= {literal(source.at - _BACK[stream.step])} "
        f"AND {stream.at} < {literal(source.at)} GROUP BY ALL"
    )


def _length(step: Step) -> timedelta:
    return timedelta(hours=1) if step == "hour" else timedelta(days=1)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _moment(at: date | datetime) -> datetime:
    return at if isinstance(at, datetime) else datetime(at.year, at.month, at.day)  # noqa: DTZ001
