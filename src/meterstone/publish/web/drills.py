"""Drills: known faults, and how soon the alarms found them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Protocol
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.ledger import Drill
from meterstone.publish.web.signals import Judged, judged, share
from meterstone.publish.web.site import Site
from meterstone.publish.web.trouble import Moment, clock
from meterstone.scorecard.values import NOTHING, Tone, count_text, format_duration

MOST = 1_000
SHOWN = 100
WANTED_S = 30.0
"""The median that is asked for: a fault is found in less."""


class Kept(Protocol):
    """Where drills are kept."""

    def drills(self, limit: int = 1_000) -> Sequence[Drill]:
        """Drills on record, newest first."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Drills of one fault."""

    fault: str
    count: int
    found: str
    median: Judged
    slowest: str


@dataclass(frozen=True, slots=True)
class Row:
    """One drill."""

    at: Moment
    vendor: str
    fault: str
    tone: Tone
    word: str
    found: str
    recovered: str
    note: str


@dataclass(frozen=True, slots=True)
class Score:
    """What all drills together show; recall and precision as shares, None where nothing tells."""

    median_s: float | None
    p95_s: float | None
    recall: float | None
    precision: float | None


def score(found: Sequence[Drill]) -> Score:
    """Time to detection of what was found, share of faults found, share of alarms with a fault."""
    harmful = [each for each in found if each.harmful]
    times = sorted(each.detected_s for each in harmful if each.detected_s is not None)
    alarms = sum(each.alarms for each in found)
    false = sum(each.false_alarms for each in found)
    return Score(
        median(times) if times else None,
        times[min(len(times) - 1, int(0.95 * len(times)))] if times else None,
        len(times) / len(harmful) if harmful else None,
        1 - false / alarms if alarms else None,
    )


def headline(found: Sequence[Drill]) -> tuple[str, str]:
    """The sentence of the page and the line below."""
    if not found:
        return "No drill has been run.", "Nobody knows yet how soon an alarm comes."
    made = score(found)
    soon = (
        f"A fault is found after {format_duration(made.median_s)}."
        if made.median_s is not None
        else "No fault was found."
    )
    slow = "" if made.p95_s is None else f"19 of 20 within {format_duration(made.p95_s)}. "
    return soon, (
        f"Median of {count_text(len(found), 'drills')}. {slow}"
        f"Recall {share(made.recall)}, precision {share(made.precision)}."
    )


def kinds(found: Sequence[Drill]) -> list[Kind]:
    """By fault, the slowest first."""
    groups: dict[str, list[Drill]] = defaultdict(list)
    for drill in found:
        groups[drill.fault].append(drill)
    made = []
    for fault, drills in groups.items():
        times = [each.detected_s for each in drills if each.detected_s is not None]
        middle = median(times) if times else None
        harmful = sum(each.harmful for each in drills)
        said = f"{len(times)} of {harmful}" if harmful else "rightly none"
        made.append((
            -(middle or 0.0), fault,
            Kind(fault.replace("_", " "), len(drills), said, judged(middle, WANTED_S, "s"),
                 format_duration(max(times)) if times else NOTHING),
        ))  # fmt: skip
    return [kind for _, _, kind in sorted(made, key=lambda each: each[:2])]


def row(drill: Drill, now: datetime, zone: ZoneInfo) -> Row:
    """One drill in words."""
    tone, word = _outcome(drill)
    return Row(
        clock(drill.started_at, now, zone),
        drill.vendor,
        drill.fault.replace("_", " "),
        tone,
        word,
        NOTHING if drill.detected_s is None else format_duration(drill.detected_s),
        NOTHING if drill.recovered_s is None else format_duration(drill.recovered_s),
        drill.note,
    )


def _outcome(drill: Drill) -> tuple[Tone, str]:
    if drill.false_alarms:
        return "miss", "False alarm"
    if drill.harmful:
        return ("met", "Found") if drill.detected_s is not None else ("miss", "Not found")
    return "met", "Rightly silent"


def routes(
    site: Site, kept: Kept, time: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> list[BaseRoute]:
    """``/drills``."""

    def show(request: Request) -> Response:
        at = site.until(request)
        found = [each for each in kept.drills(MOST) if at is None or each.ended_at <= at]
        sentence, lede = headline(found)
        now, zone = time(), site.board.zone
        return site.render(
            request, "drills.html", at=at, title="Drills", sentence=sentence, lede=lede,
            kinds=kinds(found), rows=[row(each, now, zone) for each in found[:SHOWN]],
            count=len(found),
        )  # fmt: skip

    return [Route("/drills", show)]
