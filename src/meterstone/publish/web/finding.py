"""A finding whole: figures, pictures with the numbers behind them, tables and checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from meterstone.insight.findings import Finding, KeptFinding, Picture, Table
from meterstone.measure.results import Scope
from meterstone.publish.charts.curves import curves_chart, dash_of
from meterstone.publish.charts.drawn import Chart
from meterstone.publish.findings import WITHHELD, cell_text, reason, unbroken, value_text
from meterstone.publish.web.told import known, step
from meterstone.scorecard.values import VerdictLook, format_interval, format_value

_ROWS = 25
"""Of a table before the rest is folded."""
_MOST_ROWS = 400
_NARROW = 5
"""Columns that a table beside something else has room for."""
_LONG_WORD = 32
_CHECKED: Mapping[bool | None, VerdictLook] = {
    True: VerdictLook("●", "Holds", "met"),
    False: VerdictLook("▲", "Does not hold", "miss"),
    None: VerdictLook("○", "Not tried", "none"),
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as a page shows it: chart, key, and the table behind it."""

    title: str
    x: str
    unit: str
    chart: Chart
    key: Sequence[tuple[str, str, int]]
    """Title, kind and dash of each curve."""
    line: str
    banded: bool
    worded: bool
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def finding_context(kept: KeptFinding, name: Callable[[Scope], str]) -> Mapping[str, Any]:
    """What the page of a finding shows."""
    finding = kept.finding
    about = name(finding.scope)
    tables = [table_of(each) for each in finding.tables]
    return {
        "sentence": unbroken(finding.sentence),
        "lede": f"{finding.title}{f' · {about}' if about else ''}, "
        f"as of {kept.day:%-d %B %Y}.",
        "kept": kept,
        "finding": finding,
        "withheld": reason(finding.withheld),
        "method": unbroken(finding.method),
        "look": WITHHELD,
        "failed": [
            (check.name, reason(check.says, finding.withheld or ""))
            for check in finding.checks
            if check.passed is False
        ],
        "figures": known(finding.figures),
        "unknown": [each.title for each in finding.figures if each.value is None],
        "pictures": [drawn for each in finding.pictures if (drawn := drawn_of(each))],
        "tables": [table for table in tables if not _is_wide(table)],
        "wide_tables": [table for table in tables if _is_wide(table)],
        "checks": [
            (_CHECKED[check.passed], check.name, reason(check.says))
            for check in finding.checks
        ],
        "steps": [step(kept, advice, name) for advice in finding.advice],
        "api": _api(finding),
    }  # fmt: skip


def _api(finding: Finding) -> str:
    """Where programs read it."""
    scope, path = finding.scope, f"findings/{quote(finding.study)}/{quote(finding.key)}"
    if scope.kind == "franchise":
        return f"/api/v1/franchises/{quote(scope.key)}/{path}"
    return f"/api/v1/{path}?scope={quote(str(scope))}"


def drawn_of(picture: Picture) -> Drawn | None:
    """A picture with the table behind it."""
    chart = curves_chart(picture)
    if chart is None:
        return None
    curves = [curve for curve in picture.curves if any(p.y is not None for p in curve.points)]
    banded = any(p.low is not None for curve in curves for p in curve.points)
    return Drawn(
        title=picture.title,
        x=picture.x,
        unit=picture.unit,
        chart=chart,
        key=[(curve.title, curve.kind, dash_of(curves, at)) for at, curve in enumerate(curves)],
        line="" if picture.line is None else format_value(picture.line, picture.unit),
        banded=banded,
        worded=any(_is_word(p.x) for curve in curves for p in curve.points),
        head=[picture.x, *(curve.title for curve in curves)],
        rows=_points(picture),
    )


def _is_word(x: str | float) -> bool:
    return isinstance(x, str) and not x[:4].isdigit()


def _points(picture: Picture) -> list[list[str]]:
    """Every place at the foot once, with what each curve has there."""
    curves = [curve for curve in picture.curves if any(p.y is not None for p in curve.points)]
    places: dict[str | float, list[str]] = {}
    for at, curve in enumerate(curves):
        for point in curve.points:
            cells = places.setdefault(point.x, [""] * len(curves))
            text = "" if point.y is None else format_value(point.y, picture.unit)
            if point.low is not None and point.high is not None:
                text += f" ({format_interval((point.low, point.high), picture.unit)})"
            cells[at] = text
    try:
        order = sorted(places)
    except TypeError:
        order = list(places)
    return [[value_text(x), *places[x]] for x in order[-_MOST_ROWS:]]


def table_of(table: Table) -> Mapping[str, Any]:
    """A table in words; what is beyond the first rows is folded."""
    rows = [
        [cell_text(cell, column) for cell, column in zip(cells, table.columns, strict=True)]
        for cells in table.rows[:_MOST_ROWS]
    ]
    figures = {
        at
        for at, column in enumerate(table.columns)
        if column.unit or any(_is_number(cells[at]) for cells in table.rows)
    }
    return {
        "title": table.title,
        "head": [column.title for column in table.columns],
        "figures": figures - {0},
        "rows": rows[:_ROWS],
        "folded": rows[_ROWS:],
        "left_out": len(table.rows) - len(rows),
    }


def _is_wide(table: Mapping[str, Any]) -> bool:
    """Whether it takes the width of the page: many columns, or names of one long word."""
    words = (word for cells in table["rows"] for cell in cells for word in cell.split())
    return len(table["head"]) > _NARROW or max(map(len, words), default=0) > _LONG_WORD


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)
