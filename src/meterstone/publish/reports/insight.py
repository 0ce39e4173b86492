"""Chapters of what studies found: each finding's sentence, its picture, its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from meterstone.insight.findings import KeptFinding, Picture
from meterstone.publish.charts.curves import curves_chart
from meterstone.publish.findings import (
    WITHHELD,
    advised,
    figure_text,
    finding_link,
    ordered,
    reason,
)
from meterstone.publish.reports.model import Block, Drawing, Point, Points, Section, Table
from meterstone.publish.reports.view import View
from meterstone.scorecard.values import count_text, format_day

_MOST = 8
"""Findings of a chapter; all of them are in the spreadsheet."""
_FIGURES = 4
_PICTURES = 2
_STEPS = 3
_DECIDED = ("worth", "effect", "outlook", "capacity", "forecasts", "targets")
"""Studies whose advice is for whoever decides; what fails tonight is for operations."""


def brought(view: View) -> Section:
    """What it is worth, and what going live did."""
    return _chapter(view, "brought", "What it brought", ("worth", "effect", "owners"))


def ahead(view: View) -> Section:
    """What is expected, and when gates are passed."""
    return _chapter(view, "ahead", "What comes", ("forecasts", "outlook", "capacity"))


def breaks(view: View) -> Section:
    """What fails next, and what is out of line."""
    return _chapter(view, "breaks", "What may break next", ("risk", "anomalies", "capacity"))


def held(view: View) -> Section:
    """Which targets can be held."""
    return _chapter(view, "held", "Which targets can be held", ("targets",))


def steps(view: View) -> list[Point]:
    """What to decide, with what it is worth."""
    chosen = [each for each in view.findings if each.finding.study in _DECIDED]
    return [
        Point(
            advice.title,
            " ".join(
                part for part in (advice.says, f"Worth: {advice.worth}." if advice.worth else "")
                if part
            ),
            link=advice.link or finding_link(each.finding),
        )
        for each, advice in islice(advised(chosen), _STEPS)
    ]  # fmt: skip


def _chapter(view: View, id_: str, title: str, studies: Sequence[str]) -> Section:
    found = [each for each in ordered(view.findings) if each.finding.study in studies]
    if not found:
        return Section(id_, title, "", ())
    withheld = sum(1 for each in found if each.finding.withheld)
    day = max(each.day for each in found)
    lead = count_text(len(found), "findings") + (f", {withheld} withheld" if withheld else "")
    blocks: list[Block] = [
        Points(tuple(_point(view, each) for each in found[:_MOST])),
        *_drawings(found),
        *_figures(view, found[:_MOST]),
    ]
    known = f", as of {format_day(day, near=view.card.day)}." if day != view.card.day else "."
    return Section(id_, title, lead + known, tuple(blocks))


def _point(view: View, kept: KeptFinding) -> Point:
    of = kept.finding
    text = f"{of.sentence} {reason(of.withheld, of.sentence)}".rstrip()
    look = WITHHELD if of.withheld else None
    return Point(_title(view, kept), text, look, finding_link(of))


def _title(view: View, kept: KeptFinding) -> str:
    scope = kept.finding.scope
    if scope in (view.card.scope, view.network):
        return kept.finding.title
    return f"{kept.finding.title}: {view.name(scope)}"


def _drawings(found: Sequence[KeptFinding]) -> list[Drawing]:
    """The first picture of each claimed finding that has one."""
    made = (
        Drawing(
            f"{picture.title}{f', {picture.unit}' if picture.unit else ''}", chart, _key(picture)
        )
        for each in found
        if not each.finding.withheld
        for picture in each.finding.pictures[:1]
        if (chart := curves_chart(picture))
    )
    return list(islice(made, _PICTURES))


def _key(picture: Picture) -> str:
    parts = [f"{_MARKS[curve.kind]}: {curve.title}" for curve in picture.curves]
    return "; ".join([*parts, "bands and whiskers: 95 % intervals"])


_MARKS: Mapping[str, str] = {"observed": "black", "expected": "blue", "compared": "dashed"}


def _figures(view: View, found: Sequence[KeptFinding]) -> list[Table]:
    rows = tuple(
        (_title(view, each), told.title, told.value, told.between)
        for each in found
        if not each.finding.withheld
        for told in map(figure_text, each.finding.figures[:_FIGURES])
    )
    head = ("Finding", "Figure", "Value", "95 % interval")
    return [Table(head, rows, figures=frozenset({2}))] if rows else []
