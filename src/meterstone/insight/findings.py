"""Findings: what studies found, in the one shape that pages, API and reports show.

A finding always has a plain sentence. Where the evidence does not carry it, `withheld` says why,
and no figure of it is a claim.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import msgspec

from meterstone.ledger.findings import FindingBody, Round
from meterstone.measure.results import Scope

Cell = float | str | bool | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a finding.

    Attributes:
        id: its name for programs, such as ``att`` or ``expected``.
        value: None where it is not known.
        unit: of value and bounds, in the terms of `meterstone.catalogue.units`; empty: none.
        low, high: the 95 % interval; None where there is none.
    """

    id: str
    title: str
    value: float | str | None
    unit: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One place of a curve: ``x`` is an ISO date or a number."""

    x: str | float
    y: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A line with its band.

    Attributes:
        id: its name for programs.
        kind: what happened, what is expected, or what it is compared with.
    """

    id: str
    title: str
    kind: Literal["observed", "expected", "compared"]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Curves over one pair of axes."""

    title: str
    x: str
    """What runs along the foot, such as ``day`` or ``months since going live``."""
    unit: str
    curves: tuple[Curve, ...]
    line: float | None = None
    """A level to compare with, such as a limit or a target."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; ``unit`` as in `Figure`, empty for words."""

    id: str
    title: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, the most important one first."""

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Check:
    """What has to hold before a finding is claimed, whether it does, and how that is known.

    Attributes:
        passed: None: it could not be tried, which ``says`` tells.
    """

    name: str
    passed: bool | None
    says: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do next, why, and what it is worth.

    Attributes:
        id: stays the same while the advice does, so that following it can be told.
        says: with the number behind it.
        worth: in words, such as ``$1,200 a month``; empty where that is not known.
        link: where it is done, a path of the pages; empty: nowhere here.
    """

    id: str
    title: str
    says: str
    worth: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one study found about one thing at one scope.

    Attributes:
        study: its name, such as ``forecasts``.
        key: what it is about, such as ``platform_revenue_quarter``; with study and scope it is
            what the finding is found by.
        scope: whom it concerns.
        sentence: the finding in plain words, with interval and sample; what a reader takes home.
        withheld: why nothing is claimed; None: it is claimed.
        method: how it was found out, a sentence or two.
    """

    study: str
    key: str
    scope: Scope
    title: str
    sentence: str
    method: str
    withheld: str | None = None
    figures: tuple[Figure, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    checks: tuple[Check, ...] = ()
    advice: tuple[Advice, ...] = ()

    def figure(self, id_: str) -> Figure | None:
        """The figure of a name, if it has it."""
        return next((figure for figure in self.figures if figure.id == id_), None)


@dataclass(frozen=True, slots=True)
class KeptFinding:
    """A finding as it is kept: of which day, and as known when.

    Attributes:
        hash: sha256 of its canonical bytes, what faces name.
    """

    finding: Finding
    day: date
    known_at: datetime
    hash: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a study returns.

    Attributes:
        facts: rows to put on record, each with its ``fact``, such as issued forecasts.
    """

    findings: tuple[Finding, ...]
    facts: tuple[dict[str, Any], ...] = field(default=())


def as_dict(finding: Finding) -> dict[str, Any]:
    """JSON-ready members."""
    document: dict[str, Any] = msgspec.to_builtins(finding)
    return document


def read_kept(round_: Round, kept: FindingBody) -> KeptFinding:
    """A finding as the ledger keeps it."""
    finding = msgspec.json.decode(kept.body, type=Finding)
    return KeptFinding(finding, round_.day, round_.known_at, kept.hash)
