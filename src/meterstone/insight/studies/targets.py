"""Which targets can be held, and what level could?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from meterstone.insight.findings import Column, Curve, Figure, Finding, Found, Picture, Point, Table
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.study import Say, Source
from meterstone.insight.targets import HELD, LEAST_DAYS, Direction, Replay, replay
from meterstone.insight.words import percent
from meterstone.scorecard.values import count_text, format_value

DAYS = 90
_DIRECTIONS: Mapping[str, Direction] = {
    ">=": "at least", ">": "at least", "<=": "at most", "<": "at most",
}  # fmt: skip
"""Comparators that a laboratory has something to say on; ``==`` and intervals have no stricter."""
METHOD = (
    "The target is held against the value of each day on record. Whether it will hold comes from "
    "how often a day that met it was followed by one that did too, in a record that may have got "
    "better."
)


class Targets:
    """The study of targets."""

    name = "targets"
    title = "Target laboratory"
    version = "3"
    facts = ()

    def run(self, source: Source, say: Say) -> Found:
        """See `meterstone.insight.study.Study.run`."""
        card = source.board.card(NETWORK, source.day, source.known_at)
        if card is None:
            return Found(())
        found: list[tuple[tuple[int, float], Finding]] = []
        too_few = []
        for metric in card.document["metrics"]:
            direction, value = _DIRECTIONS.get(metric["target"].get("cmp")), _number(metric)
            if direction is None or value is None:
                continue
            say(metric["title"])
            days = daily(source, metric["id"])
            if len(days) < LEAST_DAYS:
                too_few.append((metric["title"], float(len(days))))
                continue
            replayed = replay([each for _, each in days], direction, value)
            found.append((_order(replayed), finding(metric, days, replayed)))
        ordered = [each for _, each in sorted(found, key=lambda pair: pair[0])]
        return Found((*ordered, *_unsaid(too_few)))


def _order(replayed: Replay) -> tuple[int, float]:
    """What is met on some days leads: there the level is in question. Then what never was."""
    place = 1 if replayed.met == 0 else 2 if replayed.met == replayed.days else 0
    return place, replayed.holds[DAYS]


def daily(source: Source, metric: str) -> list[tuple[str, float]]:
    """Days with a number, oldest first, as ISO dates."""
    return [
        (each.day.isoformat(), float(each.value))
        for each in source.board.history(metric, NETWORK, DAYS, source.day)
        if isinstance(each.value, int | float) and not isinstance(each.value, bool)
    ]


def _number(metric: Mapping[str, Any]) -> float | None:
    value = metric["target"].get("value")
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    beyond = {">": math.inf, "<": -math.inf}.get(metric["target"]["cmp"])
    return float(value) if beyond is None else math.nextafter(value, beyond)


def finding(metric: Mapping[str, Any], days: list[tuple[str, float]], replayed: Replay) -> Finding:
    """What a replay says, in words and figures.

    Args:
        metric: its member of a scorecard.
    """
    unit, title = metric["unit"], metric["title"]
    target = f"{replayed.direction} {format_value(replayed.value, unit)}"
    return Finding(
        study="targets", key=metric["id"], scope=NETWORK, title=title, method=METHOD,
        sentence=(
            f"{title}, {target}: met on {replayed.met} of {count_text(replayed.days, 'days')}; "
            f"every day of the next {DAYS} with {percent(replayed.holds[DAYS])}. "
            f"{_level(replayed, unit)}"
        ),
        figures=(
            Figure("met", "Days met", 100 * replayed.met / replayed.days, "%"),
            *(
                Figure(f"holds_{ahead}", f"Met on each of the next {ahead} days", 100 * of, "%")
                for ahead, of in replayed.holds.items()
            ),
            *(
                Figure(f"tenable_{ahead}", f"Level that holds {ahead} days", level, unit)
                for ahead, level in replayed.tenable.items()
            ),
            Figure("usual", "Level that 95 % of the days reached", replayed.usual, unit),
            Figure("alarms", "Alarms a month, at the first missed day", replayed.alarms, "alarms"),
            Figure(
                "alarms_twice", "Alarms a month, at the second in a row", replayed.alarms_twice,
                "alarms",
            ),
        ),
        pictures=(
            Picture(
                f"{title} by day", "day", unit,
                (Curve("value", title, "observed", tuple(Point(on, of) for on, of in days)),),
                replayed.value,
            ),
        ),
    )  # fmt: skip


def _level(replayed: Replay, unit: str) -> str:
    level = replayed.tenable[DAYS]
    if level is None:
        return f"No level that was reached would hold so long with {percent(HELD)}."
    held = f"{replayed.direction} {format_value(level, unit)}"
    return f"What would hold with {percent(HELD)} is {held}."


def _unsaid(too_few: list[tuple[str, float]]) -> tuple[Finding, ...]:
    if not too_few:
        return ()
    ordered = sorted(too_few, key=lambda row: -row[1])
    why = f"fewer than {LEAST_DAYS} days have a value"
    return (
        Finding(
            study="targets", key="too_few_days", scope=NETWORK, title="Targets not replayed",
            sentence=f"{count_text(len(too_few), 'targets')} cannot be replayed yet: {why}.",
            method=METHOD, withheld=why,
            tables=(
                Table(
                    "too_few", "Days with a value",
                    (Column("metric", "Metric"), Column("days", "Days", "days")),
                    tuple(ordered),
                ),
            ),
        ),
    )  # fmt: skip
