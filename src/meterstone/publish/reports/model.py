"""What a report is: its kinds, and its content as data, the same for PDF, mail and page.

A section is made of blocks; each block is one of a few shapes, and a face knows how to draw each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Literal

from meterstone.insight.findings import KeptFinding
from meterstone.publish.charts.drawn import Chart
from meterstone.publish.web.numbers import Number
from meterstone.scorecard.values import VerdictLook

Kind = Literal["daily", "monthly", "quarterly"]
Unit = Literal["day", "month", "quarter"]


@dataclass(frozen=True, slots=True)
class KindOf:
    """A kind of report.

    Attributes:
        title: on the cover.
        every: how long its period is.
        shows: metrics of these cadences; a metric that is judged more often than the period is in
            the reports of the shorter ones.
        days: how far back its strips and lines reach.
        for_: who reads it, in words.
    """

    key: Kind
    title: str
    every: Unit
    shows: frozenset[str]
    days: int
    for_: str

    @property
    def report_key(self) -> str:
        """What ``report_run`` facts call it."""
        return f"meterstone:{self.key}"


KINDS: Mapping[Kind, KindOf] = MappingProxyType(
    {
        "daily": KindOf(
            "daily", "Daily operations", "day", frozenset({"realtime", "day"}), 30,
            "operations: what is broken, since when, and what next",
        ),
        "monthly": KindOf(
            "monthly", "Monthly executive report", "month",
            frozenset({"realtime", "day", "week", "month"}), 90,
            "executives and the board: did it pay, and what needs a decision",
        ),
        "quarterly": KindOf(
            "quarterly", "Quarterly deep dive", "quarter",
            frozenset({"realtime", "day", "week", "month", "quarter"}), 90,
            "the programme: every target with its definition, its trend and its evidence",
        ),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """One day of a ribbon."""

    day: str
    tone: Literal["met", "miss", "excused", "none"]
    says: str


@dataclass(frozen=True, slots=True)
class Line:
    """A metric as a report shows it; ``history`` are its values by day, None where unknown."""

    number: Number
    metric: Mapping[str, Any]
    history: tuple[float | None, ...] = ()
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Promises:
    """A few numbers, large."""

    lines: tuple[Line, ...]
    shape: Literal["promises"] = "promises"


@dataclass(frozen=True, slots=True)
class Lines:
    """A table of metrics; ``detail``: with definition, sample and reason below each."""

    lines: tuple[Line, ...]
    title: str = ""
    detail: bool = False
    shape: Literal["lines"] = "lines"


@dataclass(frozen=True, slots=True)
class Ribbon:
    """One mark a day, and the sentence about it."""

    title: str
    marks: tuple[Mark, ...]
    says: str
    shape: Literal["ribbon"] = "ribbon"


@dataclass(frozen=True, slots=True)
class Point:
    """A thing to know or to do; ``link``: where a page leads on, without as-of."""

    title: str
    text: str = ""
    look: VerdictLook | None = None
    link: str = ""


@dataclass(frozen=True, slots=True)
class Points:
    """A short list."""

    points: tuple[Point, ...]
    title: str = ""
    shape: Literal["points"] = "points"


@dataclass(frozen=True, slots=True)
class Table:
    """Words and figures in columns; ``figures`` are the columns that stand to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str | VerdictLook, ...], ...]
    title: str = ""
    figures: frozenset[int] = frozenset()
    shape: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart; ``key`` says in words which mark is what."""

    title: str
    chart: Chart
    key: str = ""
    shape: Literal["drawing"] = "drawing"


Block = Promises | Lines | Ribbon | Points | Table | Drawing


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter; ``lead`` is its first sentence."""

    id: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """By what a reader can tell that nobody edited it."""

    hash: str
    key_id: str
    signature: str
    known_at: str
    catalogue: str
    catalogue_hash: str
    landed: int
    digest: str
    revision: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a report of a kind says about a scope and a day, from its scorecard.

    Attributes:
        sentence: answers the reader's question; ``lead``: one line of fact.
        about: the network, or the name of a franchise or an integration.
        period: in words.
        simulated: whether it says so on every page.
        body: the signed scorecard, canonical bytes: what is embedded.
        document: the same, as the faces read it.
        findings: what studies found of its scope.
    """

    kind: KindOf
    about: str
    day: date
    period: str
    zone: str
    known_at: datetime
    simulated: bool
    sentence: str
    lead: str
    sections: Sequence[Section]
    provenance: Provenance
    body: bytes
    document: Mapping[str, Any]
    findings: Sequence[KeptFinding] = ()

    @property
    def title(self) -> str:
        """On the cover, in the metadata and as a subject."""
        return f"{self.kind.title}: {self.about}, {self.period}"

    @property
    def stem(self) -> str:
        """The first part of its files' names."""
        scope = self.document["scope"]
        kind, key = scope["kind"], scope["key"]
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in key)
        about = "network" if kind == "network" else f"{kind}-{safe}"
        return f"meterstone-{self.kind.key}-{about}-{self.day.isoformat()}"


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A finished file of a report."""

    name: str
    media_type: str
    data: bytes
