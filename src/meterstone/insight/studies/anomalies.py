"""Which metric or stream is out of line, and what moved it?

Every stream of telemetry (`streams`) and every metric's days at the network is judged by what came
before. What was out of line within the last week becomes a finding, with the dimension that moved.
Sales and bookings are watched of each franchise as well, for its owner.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np

from meterstone.board.model import DayValue
from meterstone.catalogue import Metric
from meterstone.insight.findings import Check, Figure, Finding, Found
from meterstone.insight.seasonal import Judged, judge, least
from meterstone.insight.series import Floats
from meterstone.insight.studies.outlying import (
    Episode,
    Part,
    episodes,
    metric_finding,
    stream_finding,
)
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.studies.streams import STREAMS, Flow, flow
from meterstone.insight.study import Say, Source
from meterstone.measure.results import Scope

_HISTORY = 180
_SEASON = 7
_RECENT = timedelta(days=7)
_MATTERS = 0.05
"""A stream that is off by a smaller share is left alone, however steady it is otherwise."""
_PARTS = ("integration", "franchise")


@dataclass(slots=True)
class _Watched:
    """What was looked at, and what came of it."""

    judged: int = 0
    unjudged: int = 0
    found: list[tuple[float, Finding]] = field(default_factory=list)

    def count(self, judged: Sequence[Judged]) -> None:
        """Whether the newest value could be judged."""
        if judged and judged[-1].expected is not None:
            self.judged += 1
        else:
            self.unjudged += 1


class Anomalies:
    """The study of anomalies."""

    name = "anomalies"
    title = "Anomalies"
    version = "1"
    facts = (
        "api_request", "webhook_delivery", "sync_run", "payment", "booking", "support_ticket",
        "franchise",
    )  # fmt: skip

    def run(self, source: Source, say: Say) -> Found:
        """See `meterstone.insight.study.Study.run`."""
        watched = _Watched()
        for stream in STREAMS:
            say(f"watching {stream.title.lower()}")
            seen = flow(source, stream)
            if seen is not None:
                watched.found += _stream(source, seen, watched)
        metrics = source.board.catalogue.metrics.values()
        say(f"watching {len(metrics)} metrics")
        for metric in metrics:
            watched.found += _metric(source, metric, watched)
        ordered = [each for _, each in sorted(watched.found, key=lambda each: -each[0])]
        return Found((*ordered, _summary(watched, ordered)))


def _stream(source: Source, seen: Flow, watched: _Watched) -> Iterator[tuple[float, Finding]]:
    """The newest disturbance of a stream, and of each franchise's share where owners ask."""
    judged = judge(seen.whole, seen.season, counts=seen.stream.counts)
    watched.count(judged)
    for episode in _newest(source, seen, judged):
        yield episode.size, stream_finding(seen, judged, episode, NETWORK)
    if not seen.stream.owners:
        return
    for franchise, (amount, many) in sorted(seen.by.get("franchise", {}).items()):
        own = Flow(seen.stream, seen.stamps, seen.season, amount, many, {})
        alone = judge(own.whole, own.season, counts=seen.stream.counts)
        for episode in _newest(source, own, alone):
            scope = Scope("franchise", franchise)
            yield episode.size, stream_finding(own, alone, episode, scope)


def _newest(source: Source, seen: Flow, judged: Sequence[Judged]) -> list[Episode]:
    """The newest disturbance of the last week that matters, if there is one."""
    whole = seen.whole
    return [
        each
        for each in episodes(judged, _since(source, seen.stamps))
        if any(
            abs(whole[at] - (judged[at].expected or 0.0)) >= _MATTERS * (judged[at].expected or 0.0)
            for at in range(each.first, each.last + 1)
            if judged[at].flagged
        )
    ][:1]


def _since(source: Source, stamps: Sequence[datetime]) -> int:
    """The first place that is within the last week."""
    edge = datetime(source.day.year, source.day.month, source.day.day) - _RECENT  # noqa: DTZ001
    return next((n for n, stamp in enumerate(stamps) if stamp > edge), len(stamps))


def _metric(source: Source, metric: Metric, watched: _Watched) -> Iterator[tuple[float, Finding]]:
    """The newest disturbance of a metric at the network."""
    told = source.board.history(metric.id, NETWORK, _HISTORY, source.day)
    days, values = _by_day(told)
    judged = judge(values, _SEASON) if len(values) > least(_SEASON) else []
    if not judged or days[-1] != source.day:
        watched.unjudged += bool(told)
        return
    watched.count(judged)
    stamps = [datetime(d.year, d.month, d.day) for d in days]  # noqa: DTZ001 - days, no moments
    for episode in episodes(judged, _since(source, stamps))[:1]:
        parts = list(_parts(source, metric, days[episode.first]))
        yield episode.size, metric_finding(
            metric.id, metric.raw.title, metric.raw.unit, NETWORK, stamps, values, judged, episode,
            parts,
        )  # fmt: skip


def _parts(source: Source, metric: Metric, day: date) -> Iterator[Part]:
    """Each integration and franchise of a metric on a day, beside what was to be expected."""
    for kind in _PARTS:
        if kind not in metric.scopes:
            continue
        for named in source.board.scopes(kind):
            days, values = _by_day(
                source.board.history(metric.id, named.scope, _HISTORY, source.day)
            )
            if day not in days:
                continue
            at = days.index(day)
            if math.isnan(values[at]):
                continue
            found = judge(values[: at + 1], _SEASON)[at]
            if found.expected is not None:
                yield Part(
                    named.scope, named.name, float(values[at]), found.expected, found.flagged
                )


def _by_day(told: Sequence[DayValue]) -> tuple[list[date], Floats]:
    """Values of all days since the last silence of a week; NaN where none is known."""
    known = {
        each.day: float(each.value)
        for each in told
        if isinstance(each.value, int | float) and not isinstance(each.value, bool)
    }
    if not known:
        return [], np.array([])
    ordered = sorted(known)
    breaks = [b for a, b in pairwise(ordered) if (b - a).days > _SEASON]
    first = breaks[-1] if breaks else ordered[0]
    days = [first + timedelta(days=n) for n in range((max(known) - first).days + 1)]
    return days, np.array([known.get(day, math.nan) for day in days])


def _summary(watched: _Watched, found: Sequence[Finding]) -> Finding:
    network = [each for each in found if each.scope == NETWORK]
    whole = watched.judged + watched.unjudged
    why = None
    if not watched.judged:
        why = (
            f"nothing is on record for long enough: a series takes {least(_SEASON)} days, and more "
            "than a handful of different values"
        )
        sentence = f"Whether anything is out of line is not told: {why}."
    elif network:
        names = ", ".join(each.title.removesuffix(" out of line") for each in network[:3])
        more = f" and {len(network) - 3} more" if len(network) > 3 else ""
        sentence = (
            f"{len(network)} of {watched.judged} metrics and streams were out of line within the "
            f"last week: {names}{more}."
        )
    else:
        sentence = (
            f"None of {watched.judged} metrics and streams was out of line within the last week."
        )
    return Finding(
        study="anomalies", key="watched", scope=NETWORK, title="What is watched",
        sentence=sentence, withheld=why,
        method="All numeric metrics at the network by day; streams of telemetry by hour or day.",
        figures=(
            Figure("out_of_line", "Out of line within the last week", float(len(network)), ""),
            Figure("judged", "Judged", float(watched.judged), ""),
            Figure("unjudged", "Not judged", float(watched.unjudged), ""),
        ),
        checks=(
            Check(
                "There is enough history to judge by", watched.judged > 0,
                f"{watched.unjudged} of {whole} have too short a history, too few different values "
                "or no value of the newest day",
            ),
        ),
    )  # fmt: skip
