"""What is said of something that is out of line: since when, by how much, and what moved."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from meterstone.insight.explain import Explanation, Moved, explain
from meterstone.insight.findings import (
    Advice,
    Column,
    Curve,
    Figure,
    Finding,
    Picture,
    Point,
    Table,
)
from meterstone.insight.seasonal import SEASONS, Judged
from meterstone.insight.series import Floats
from meterstone.insight.studies.scalability import number
from meterstone.insight.studies.streams import NOBODY, Flow
from meterstone.measure.results import Scope

_SHOWN = {"hour": 168, "day": 90}
_METHOD = (
    "Each value is compared with the level of the newest season and what its place of the season "
    f"usually adds (medians of up to {SEASONS} seasons). It is flagged where it is twice as far "
    "off as any earlier value but one, and by six robust deviations. "
)
_EXPLAINED = (
    "What moved: the values of a dimension that carry two thirds of the difference, of the "
    "dimension where that is most surprising (Adtributor, Bhagwan et al. 2014)."
)


@dataclass(frozen=True, slots=True)
class Episode:
    """A disturbance.

    Attributes:
        first, last: places of its flagged values, both ends included.
        size: how many times farther off than allowed, at most.
    """

    first: int
    last: int
    size: float


def episodes(judged: Sequence[Judged], since: int) -> list[Episode]:
    """Disturbances that reach beyond a place, the newest one first."""
    found: list[Episode] = []
    for at, each in enumerate(judged):
        if not each.flagged:
            continue
        size = math.exp(math.log(each.score / max(1 - each.score, 1e-12)) / 6)
        if each.first or not found:
            found.append(Episode(at, at, size))
        else:
            found[-1] = Episode(found[-1].first, at, max(found[-1].size, size))
    return [each for each in reversed(found) if each.last >= since]


# -- streams --------------------------------------------------------------------------------------


def stream_finding(seen: Flow, judged: Sequence[Judged], episode: Episode, scope: Scope) -> Finding:
    """A stream that was out of line."""
    stream, whole = seen.stream, seen.whole
    places = range(episode.first, episode.last + 1)
    usual = [float(judged[at].expected or 0.0) for at in places]
    mean = seen.number is not None
    actual = float(np.nanmean(whole[episode.first : episode.last + 1]))
    expected = sum(usual) / len(usual)
    if not mean:
        actual, expected = actual * len(usual), sum(usual)
    made = explain(seen.parts(episode.first, episode.last, expected)) if seen.by else []
    best = made[0] if made else None
    when = _when(seen, episode)
    sentence = (
        f"{stream.title} {when}: {_amount(actual, stream.unit)} instead of about "
        f"{_amount(expected, stream.unit)}."
    )
    sentence += _moved_words(best, bool(seen.by))
    if actual == 0:
        sentence += " Either nothing happened, or nobody recorded it."
    low, high = (
        (judged[episode.first].low, judged[episode.first].high)
        if len(usual) == 1 else (None, None)
    )  # fmt: skip
    return Finding(
        study="anomalies", key=stream.key, scope=scope, title=f"{stream.title} out of line",
        sentence=sentence, method=_METHOD + _EXPLAINED,
        figures=(
            Figure("actual", "What it was", actual, stream.unit),
            Figure("expected", "What was to be expected", expected, stream.unit, low, high),
            Figure("size", "Times farther off than anything usual", episode.size, "x"),
        ),
        pictures=(_picture(stream.title, stream.unit, stream.step, seen, judged),),
        tables=tuple(_table(each, stream.unit) for each in made),
        advice=tuple(_advice(best)),
    )  # fmt: skip


def _when(seen: Flow, episode: Episode) -> str:
    first, last = seen.stamps[episode.first], seen.stamps[episode.last]
    if seen.stream.step == "day":
        one = f"on {first:%-d %B %Y}"
        return one if first == last else f"from {first:%-d} to {last:%-d %B %Y}" if (
            (first.month, first.year) == (last.month, last.year)
        ) else f"from {first:%-d %B} to {last:%-d %B %Y}"  # fmt: skip
    if first == last:
        return f"on {first:%-d %B %Y in the hour of %H:%M} UTC"
    if first.date() == last.date():
        return f"on {first:%-d %B %Y}, {first:%H:%M} to {last:%H}:59 UTC"
    return f"from {first:%-d %B %H:%M} to {last:%-d %B %Y %H}:59 UTC"


def _moved_words(best: Explanation | None, by: bool) -> str:
    if best is not None:
        names = _names([_named(best.dimension, each) for each in best.moved])
        return f" {min(best.share, 1.0):.0%} of the difference is from {names}."
    if by:
        return " No dimension stands out: it moved everywhere."
    return ""


def _named(dimension: str, moved: Moved) -> str:
    if moved.value == NOBODY:
        return f"what has no {dimension}"
    return f"{dimension} {moved.value}"


def _names(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _amount(value: float, unit: str) -> str:
    return f"${value:,.0f}" if unit == "USD" else f"{number(value)} {unit}"


def _table(found: Explanation, unit: str) -> Table:
    return Table(
        f"by_{found.dimension.replace(' ', '_')}", f"What moved, by {found.dimension}",
        (
            Column("value", found.dimension.capitalize()), Column("actual", "Was", unit),
            Column("expected", "Expected", unit), Column("share", "Share of the difference", "%"),
        ),
        tuple((m.value, m.actual, m.expected, 100 * m.share) for m in found.moved),
    )  # fmt: skip


def _advice(best: Explanation | None) -> Iterator[Advice]:
    if best is None:
        return
    first = best.moved[0]
    links = {"integration": f"/integrations/{first.value}", "franchise": f"/owners/{first.value}"}
    link = "" if first.value == NOBODY else links.get(best.dimension, "")
    yield Advice(
        f"look_{best.dimension.replace(' ', '_')}",
        f"Look at {_named(best.dimension, first)} first",
        f"It carries {first.share:.0%} of the difference: {number(first.actual)} instead of about "
        f"{number(first.expected)}.", link=link,
    )  # fmt: skip


def _picture(title: str, unit: str, step: str, seen: Flow, judged: Sequence[Judged]) -> Picture:
    begin = max(0, len(judged) - _SHOWN[step])
    return picture(title, unit, seen.stamps[begin:], seen.whole[begin:], judged[begin:], step)


def picture(
    title: str, unit: str, stamps: Sequence[datetime], values: Floats, judged: Sequence[Judged],
    step: str,
) -> Picture:  # fmt: skip
    """What it was over what was to be expected."""

    def x(stamp: datetime) -> str:
        return stamp.date().isoformat() if step == "day" else f"{stamp.isoformat()}Z"

    was = tuple(
        Point(x(stamp), float(value))
        for stamp, value in zip(stamps, values, strict=True)
        if not math.isnan(value)
    )
    usual = tuple(
        Point(x(stamp), each.expected, each.low, each.high)
        for stamp, each in zip(stamps, judged, strict=True)
        if each.expected is not None
    )
    curves = (
        Curve("was", "What it was", "observed", was),
        Curve("usual", "What was to be expected", "expected", usual),
    )
    return Picture(title, step, unit, curves)


# -- metrics --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """A scope of a metric on the day when the metric was out of line."""

    scope: Scope
    name: str
    actual: float
    expected: float
    flagged: bool


def metric_finding(
    key: str, title: str, unit: str, scope: Scope, stamps: Sequence[datetime], values: Floats,
    judged: Sequence[Judged], episode: Episode, parts: Sequence[Part],
) -> Finding:  # fmt: skip
    """A metric that was out of line, with the scopes that were so too on the day it began."""
    at = episode.first
    was, usual = float(values[at]), float(judged[at].expected or 0.0)
    towards = np.sign(was - usual)
    moved = sorted(
        (p for p in parts if p.flagged and np.sign(p.actual - p.expected) == towards),
        key=lambda p: -abs(p.actual - p.expected),
    )
    shown = _unit(unit)
    sentence = (
        f"{title} on {stamps[at]:%-d %B %Y}: {number(was)}{shown} instead of about "
        f"{number(usual)}{shown}."
    )
    if moved:
        told = [
            f"{p.scope.kind.replace('_', ' ')} {p.name} ({number(p.expected)}{shown} to "
            f"{number(p.actual)}{shown})" for p in moved[:3]
        ]  # fmt: skip
        more = f" and {len(moved) - 3} others" if len(moved) > 3 else ""
        sentence += f" With it moved {_names(told)}{more}, of {len(parts)}."
    elif parts:
        sentence += f" None of its {len(parts)} parts is out of line alone."
    return Finding(
        study="anomalies", key=f"{key}:anomaly", scope=scope, title=f"{title} out of line",
        sentence=sentence,
        method=_METHOD + "What moved: the scopes of the metric that are out of line the same day.",
        figures=(
            Figure("actual", "What it was", was, unit),
            Figure("expected", "What was to be expected", usual, unit,
                   judged[at].low, judged[at].high),
            Figure("size", "Times farther off than anything usual", episode.size, "x"),
        ),
        pictures=(picture(title, unit, stamps, values, judged, "day"),),
        tables=tuple(_parts_table(parts, unit)),
        advice=tuple(
            Advice(
                "look_scope", f"Look at {p.name} first",
                f"It went from about {number(p.expected)}{shown} to {number(p.actual)}{shown}.",
                link=f"/integrations/{p.scope.key}" if p.scope.kind == "integration"
                else f"/owners/{p.scope.key}" if p.scope.kind == "franchise" else "",
            )
            for p in moved[:1]
        ),
    )  # fmt: skip


def _parts_table(parts: Sequence[Part], unit: str) -> Iterator[Table]:
    if not parts:
        return
    ordered = sorted(parts, key=lambda p: (not p.flagged, -abs(p.actual - p.expected)))
    yield Table(
        "by_scope", "Its parts that day",
        (
            Column("name", "Part"), Column("actual", "Was", unit),
            Column("expected", "Expected", unit), Column("flagged", "Out of line"),
        ),
        tuple((p.name, p.actual, p.expected, p.flagged) for p in ordered[:20]),
    )  # fmt: skip


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""
