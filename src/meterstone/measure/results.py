"""What an evaluation yields: one result a metric and scope, and one a gate.

These types are what every later stage reads; ``as_dict`` gives the JSON of ``meterstone measure``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from meterstone.catalogue.windows import BEGINNING
from meterstone.errors import InputError
from meterstone.facts import Evidence

FIRST_DAY = BEGINNING.date() + timedelta(days=366)
"""Days before this one are not reported: a window a year back would begin before time does."""

LAST_YEAR = 2200

Verdict = Literal[
    "met",
    "not_met",
    "inconclusive",
    "insufficient_data",
    "no_data",
    "expired",
    "not_applicable",
    "reference",
]
ScopeKind = Literal["network", "franchise", "integration", "endpoint_group", "party"]
Value = float | bool | str | None


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """What a number is about: the whole network (key ``*``), one franchise, integration or endpoint
    group, or a part of the network that one place asks for (``party``)."""

    kind: ScopeKind
    key: str = "*"

    def __str__(self) -> str:
        return self.kind if self.kind == "network" else f"{self.kind}:{self.key}"

    @property
    def recorded(self) -> Scope:
        """As a published row has it: the place that asks for a part has a ref of its own."""
        return Scope("network") if self.kind == "party" else self


@dataclass(frozen=True, slots=True)
class PlaceVerdict:
    """A place where the framework sets a target for a metric, judged there by its own target.

    ``own``: the value that is judged there, where it is not the metric's.
    """

    ref: str
    target: Mapping[str, Any]
    verdict: Verdict
    own: tuple[Value] | None = None


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric for one scope.

    Attributes:
        value: number in ``unit``, state word, boolean, or None where there is none.
        interval: lower and upper 95 % bound in ``unit``; None where the method gives none.
        n: sample size, in the unit the metric names.
        evidence: weakest level among the rows used; None without rows.
        verdict, target: those of the defining ref.
        freshness_s: seconds from the newest event used to the moment measured.
        revision: 0 for the first publication, counted up by each restatement.
        places: one entry for every ref where the framework sets a target at this scope.
        reason: the verdict in words, with what would have to change.
        parts: the named terms behind the value.
    """

    id: str
    refs: tuple[str, ...]
    scope: Scope
    value: Value
    unit: str
    interval: tuple[float, float] | None
    n: int
    evidence: Evidence | None
    verdict: Verdict
    target: Mapping[str, Any]
    freshness_s: float | None
    window: tuple[datetime, datetime]
    revision: int = 0
    places: tuple[PlaceVerdict, ...] = ()
    reason: str = ""
    parts: Mapping[str, Value] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields, times as RFC 3339 in UTC."""
        return {
            "id": self.id,
            "refs": list(self.refs),
            "scope": {"kind": self.scope.kind, "key": self.scope.key},
            "value": self.value,
            "unit": self.unit,
            "interval": list(self.interval) if self.interval else None,
            "n": self.n,
            "evidence": self.evidence,
            "verdict": self.verdict,
            "target": dict(self.target),
            "freshness_s": self.freshness_s,
            "window": [rfc3339(edge) for edge in self.window],
            "revision": self.revision,
            "places": [
                {"ref": p.ref, "target": dict(p.target), "verdict": p.verdict} for p in self.places
            ],
            "reason": self.reason,
            "parts": dict(self.parts),
        }


@dataclass(frozen=True, slots=True)
class DayVerdict:
    """One mark of a gate's ribbon. ``kind``: published that day, or reconstructed as known now."""

    day: date
    verdict: Literal["met", "broken", "excused", "missing"]
    kind: Literal["published", "reconstructed"]
    held_back_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A ref that holds a gate back on its newest day: since when, by what, and what is wanted.

    ``since`` is the first day of the spell, None where it is as long as the record shown.
    """

    ref: str
    verdict: str
    since: date | None
    value: float | str | None
    unit: str
    target: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return asdict(self) | {"since": self.since.isoformat() if self.since else None}

    def __str__(self) -> str:
        began = f"since {self.since:%-d %B %Y}" if self.since else "all the time shown"
        verdict = self.verdict.replace("_", " ")
        if isinstance(self.value, float) and self.unit != "boolean":
            measured = f"{self.value:,.6g} {self.unit}"
        elif isinstance(self.value, str):
            measured = self.value
        else:
            measured = ""
        if self.verdict != "not_met" or not measured:
            measured = f"{measured}, {verdict}" if measured else verdict
        return f"{self.ref.rsplit('.', 1)[-1]} {began} ({measured}; wanted {self.target})"


@dataclass(frozen=True, slots=True)
class GateResult:
    """A rule over verdicts and time: all of a group met on ``needed`` days in a row.

    Attributes:
        run: length of the run of met days that ends on the newest day.
        since: first day of that run.
        broken_on, broken_by: the newest day that broke a run, and the refs that broke it.
        chance: probability that a system at today's level passes ``needed`` further days, by ref.
        chance_all: the same for all metrics together, from their joint record.
        reconstructed: at least one day was not published then but computed as known now.
        restated: days whose published verdict a later revision changed.
        maintenance: approved windows that excused a day (``from``, ``to``, ``reason``, ``person``).
        held_back: what holds it back on the newest day; no part of a scorecard.
    """

    id: str
    title: str
    needed: int
    run: int
    passed: bool
    since: date | None
    broken_on: date | None
    broken_by: tuple[str, ...]
    chance: Mapping[str, float]
    chance_all: float | None
    reconstructed: bool
    restated: tuple[date, ...]
    maintenance: tuple[Mapping[str, str], ...]
    days: tuple[DayVerdict, ...]
    reason: str
    held_back: tuple[HeldBack, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        raw = asdict(self)
        raw["days"] = [
            {
                "day": d.day.isoformat(),
                "verdict": d.verdict,
                "kind": d.kind,
                "held_back_by": list(d.held_back_by),
            }
            for d in self.days
        ]
        for name in ("since", "broken_on"):
            raw[name] = raw[name].isoformat() if raw[name] else None
        raw["restated"] = [day.isoformat() for day in self.restated]
        raw["broken_by"] = list(self.broken_by)
        raw["maintenance"] = [dict(window) for window in self.maintenance]
        raw["chance"] = dict(self.chance)
        del raw["held_back"]
        return raw


@dataclass(frozen=True, slots=True)
class Measurement:
    """All results at one moment, as known at another.

    ``catalogue`` is the content hash of the definitions used.
    """

    at: datetime
    known_at: datetime
    catalogue: str
    metrics: Sequence[MetricResult]
    gates: Sequence[GateResult]

    def as_dict(self) -> dict[str, Any]:
        """The document of ``meterstone measure --json``."""
        return {
            "at": rfc3339(self.at),
            "known_at": rfc3339(self.known_at),
            "catalogue": self.catalogue,
            "metrics": [metric.as_dict() for metric in self.metrics],
            "gates": [
                gate.as_dict() | {"held_back": [held.as_dict() for held in gate.held_back]}
                for gate in self.gates
            ],
        }


def rfc3339(moment: datetime) -> str:
    """A UTC moment as ``2026-03-01T09:30:00Z`` (microseconds only where there are any)."""
    text = moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def read_moment(text: str, place: str, example: str) -> datetime:
    """A moment as people and programs write it, UTC unless it says otherwise.

    Args:
        text: RFC 3339, or a day.
        place: where it was given; ``example`` shows how to give one there.

    Raises:
        InputError: it is no moment, or none that can be measured.
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{text[:40]!r} is not a time", place=place, mend=example) from error
    if not FIRST_DAY.year <= moment.year <= LAST_YEAR:
        raise InputError(
            f"{text[:40]!r} lies outside the years {FIRST_DAY.year} to {LAST_YEAR}",
            place=place,
            mend=example,
        )
    return moment


def read_day(text: str, place: str, example: str) -> date:
    """A day as people and programs write it.

    Raises:
        InputError: it is no day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text[:40]!r} is not a day", place=place, mend=example) from error
