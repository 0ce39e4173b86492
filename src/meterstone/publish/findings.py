"""Findings as faces show them: the port they are read through, their order, and their words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import zip_longest
from typing import Protocol
from urllib.parse import quote

import msgspec

from meterstone.insight.findings import Advice, Cell, Column, Figure, Finding, KeptFinding
from meterstone.measure.results import Scope
from meterstone.scorecard.values import (
    NOTHING,
    VerdictLook,
    format_day,
    format_interval,
    format_value,
)

WITHHELD = VerdictLook("◐", "Withheld", "doubt")
"""How a finding looks that is not claimed: the evidence does not carry it yet."""

_URGENCY = (
    "risk", "anomalies", "capacity", "outlook", "worth", "effect", "forecasts", "targets", "owners",
)  # fmt: skip
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NO_BREAK = "\u00a0"
_DATE = re.compile(r"(?<![\w-])\d{4}-\d{2}-\d{2}(?![\w-])")
_PERCENT = re.compile(r"(?<=\d)%")
_QUANTITY = re.compile(r"(?<=\d) (?=[%×a-zA-Z])")
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")


class Asked(Protocol):
    """A study, as far as a face names it."""

    @property
    def name(self) -> str:
        """For programs."""

    @property
    def title(self) -> str:
        """For people."""


class Findings(Protocol):
    """What studies found, as kept. Thread-safe; every call answers within milliseconds."""

    @property
    def studies(self) -> Sequence[Asked]:
        """The studies that are asked."""

    def of(
        self, scope: Scope | None = None, study: str | None = None, day: date | None = None,
        known_at: datetime | None = None,
    ) -> Sequence[KeptFinding]:  # fmt: skip
        """Findings, by study, each study's most important first.

        Args:
            scope: whom they concern; None: anybody.
            study: of this one; None: of all.
            day: of no later day; None: of any.
            known_at: as known then; None: now.
        """

    def one(
        self, study: str, key: str, scope: Scope, day: date | None = None,
        known_at: datetime | None = None,
    ) -> KeptFinding | None:  # fmt: skip
        """One finding; see `of`."""


class NoFindings:
    """Where no study is asked."""

    studies: Sequence[Asked] = ()

    def of(
        self, scope: Scope | None = None, study: str | None = None, day: date | None = None,
        known_at: datetime | None = None,
    ) -> Sequence[KeptFinding]:  # fmt: skip
        """None."""
        del scope, study, day, known_at
        return ()

    def one(
        self, study: str, key: str, scope: Scope, day: date | None = None,
        known_at: datetime | None = None,
    ) -> KeptFinding | None:  # fmt: skip
        """None."""
        del study, key, scope, day, known_at
        return None


def ordered(found: Sequence[KeptFinding]) -> list[KeptFinding]:
    """The most important first: what asks for something to be done before what holds, and that
    before what is withheld; then what is urgent before what can wait, as each study has it."""

    def place(at: int) -> tuple[int, int, int]:
        finding = found[at].finding
        kind = 2 if finding.withheld else 1 if not finding.advice else 0
        return kind, urgency(finding.study), at

    return [found[at] for at in sorted(range(len(found)), key=place)]


def urgency(study: str) -> int:
    """The place of a study: what breaks tonight before what pays next year."""
    return _URGENCY.index(study) if study in _URGENCY else len(_URGENCY)


def finding_link(finding: Finding) -> str:
    """Its page, without as-of; that of a franchise lies below the franchise."""
    path = f"{quote(finding.study)}/{quote(finding.key)}"
    scope = finding.scope
    if scope.kind == "franchise":
        return f"/owners/{quote(scope.key)}/insight/{path}"
    return f"/insight/{path}" + ("" if scope.kind == "network" else f"?scope={quote(str(scope))}")


@dataclass(frozen=True, slots=True)
class FigureText:
    """A figure in words; ``between`` is its 95 % interval, empty where there is none."""

    title: str
    value: str
    words: bool
    between: str


def figure_text(figure: Figure) -> FigureText:
    """A figure with its unit and its interval."""
    value = figure.value
    words = isinstance(value, str)
    return FigureText(
        unbroken(figure.title), value_text(value, figure.unit), words, between(figure)
    )


def value_text(value: Cell, unit: str = "") -> str:
    """A value of a figure, a point or a row: numbers with unit, days as people say them."""
    if isinstance(value, str):
        return _in_words(value) if _DAY.fullmatch(value) else value
    return format_value(value, unit)


def between(figure: Figure) -> str:
    """Its interval; one-sided where one bound is known, nothing where it has no width."""
    low, high, unit = figure.low, figure.high, figure.unit
    if low == high:
        return ""
    if low is not None and high is not None:
        return format_interval((low, high), unit)
    if low is not None:
        return f"at least {format_value(low, unit)}"
    return "" if high is None else f"at most {format_value(high, unit)}"


def cell_text(cell: Cell, column: Column) -> str:
    """A cell of a table."""
    return NOTHING if cell in (None, "") else value_text(cell, column.unit)


def unbroken(text: str) -> str:
    """A sentence as people read it: days in words, and no number on another line than what it
    counts."""
    text = _MINUS.sub("−", _DATE.sub(lambda found: _in_words(found[0]), text))
    return _QUANTITY.sub(_NO_BREAK, _PERCENT.sub(" %", text))


def _in_words(text: str) -> str:
    try:
        return format_day(date.fromisoformat(text))
    except ValueError:  # looks like a day and is none
        return text


def reason(withheld: str | None, said: str = "") -> str:
    """Why nothing is claimed, or what a check says, as a sentence; empty where that was said
    already."""
    if not withheld or withheld.rstrip(".") in said:
        return ""
    text = unbroken(withheld)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def found_of(
    findings: Findings, scope: Scope, day: date | None = None, known_at: datetime | None = None
) -> list[KeptFinding]:
    """What concerns a reader of a scope: of the network everything but single shops, of whose
    pages each has its own."""
    of = None if scope.kind == "network" else scope
    found = findings.of(of, None, day, known_at)
    return [each for each in found if of or each.finding.scope.kind != "franchise"]


def advised(found: Sequence[KeptFinding]) -> list[tuple[KeptFinding, Advice]]:
    """What to do, one advice of each study after the other, the most important first; what would
    let a withheld finding be claimed comes last."""
    result: list[tuple[KeptFinding, Advice]] = []
    for withheld in (False, True):
        queues: dict[str, list[tuple[KeptFinding, Advice]]] = {}
        for each in ordered(found):
            if bool(each.finding.withheld) is withheld:
                queue = queues.setdefault(each.finding.study, [])
                queue += [(each, advice) for advice in each.finding.advice]
        for turn in zip_longest(*queues.values()):
            result += [each for each in turn if each is not None]
    once: dict[tuple[Scope, str], tuple[KeptFinding, Advice]] = {}
    for kept, advice in result:
        once.setdefault((kept.finding.scope, advice.title), (kept, advice))
    return list(once.values())


class FindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A finding in a list; pictures, tables and checks stand with the finding alone.

    ``rank``: 1 is the most important of all that were asked for. ``hash``: sha256 of the canonical
    bytes of the finding.
    """

    rank: int
    study: str
    key: str
    scope: Scope
    title: str
    sentence: str
    withheld: str | None
    figures: tuple[Figure, ...]
    advice: tuple[Advice, ...]
    day: date
    known_at: datetime
    hash: str


def rows(found: Sequence[KeptFinding]) -> list[FindingRow]:
    """Findings as a list has them, the most important first."""
    return [
        FindingRow(
            rank=rank, study=of.study, key=of.key, scope=of.scope, title=of.title,
            sentence=of.sentence, withheld=of.withheld, figures=of.figures, advice=of.advice,
            day=each.day, known_at=each.known_at, hash=each.hash,
        )
        for rank, each in enumerate(ordered(found), 1)
        for of in (each.finding,)
    ]  # fmt: skip
