"""A picture of a finding: what happened, what is expected with its band, what it is compared with.

Few points over numbers with intervals, such as effects by month, are dots with whiskers. Points
over words are such dots in rows, one a word and curve. All else is lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import altair as alt

from meterstone.insight.findings import Curve, Picture, Point
from meterstone.publish.charts.drawn import BAND, INK, NARROW, RULE, SOFT, Chart, Specified, draw
from meterstone.publish.findings import value_text

_TALL = 230
_FEW = 40
_ROW, _ROW_NARROW = 26, 40
_ROOM = 260
"""For the words of rows."""
_MEASURED = 1.6 * _ROOM
"""The same as letters of an unknown font are measured."""
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(T.*)?")
_BLUE = "var(--reference)"
_STROKES = {"observed": INK, "expected": _BLUE, "compared": SOFT}
_DASHES: tuple[list[int], ...] = ([], [6, 3], [2, 3], [8, 3, 2, 3])


def curves_chart(picture: Picture, tall: int = _TALL) -> Chart | None:
    """The chart; None where no curve has a point."""
    shown = [curve for curve in picture.curves if any(p.y is not None for p in curve.points)]
    if not shown:
        return None
    kind = _kind(shown)
    layers = [(curve, dash_of(shown, at)) for at, curve in enumerate(shown)]

    def specify(width: int) -> Specified:
        if kind == "O":
            return _rows_of_dots(shown, picture.line, width)
        return _layers(layers, picture.line, kind, width, tall)

    content = [
        picture.line, tall,
        [[c.id, c.kind, [[p.x, p.y, p.low, p.high] for p in c.points]] for c in shown],
    ]  # fmt: skip
    return draw("curves", content, specify, _says(picture, shown))


def dash_of(curves: Sequence[Curve], at: int) -> int:
    """Which dash tells a curve from others of its kind: 0 is a whole line."""
    kind = curves[at].kind
    before = sum(1 for curve in curves[:at] if curve.kind == kind)
    return (before + (kind == "compared")) % len(_DASHES)


def _kind(curves: Sequence[Curve]) -> str:
    """What runs along the foot: time, numbers, or words in their order."""
    places = [point.x for curve in curves for point in curve.points]
    if all(isinstance(x, int | float) for x in places):
        return "Q"
    return "T" if all(isinstance(x, str) and _is_moment(x) for x in places) else "O"


def _is_moment(text: str) -> bool:
    if not _ISO.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _layers(
    curves: Sequence[tuple[Curve, int]], line: float | None, kind: str, width: int, tall: int
) -> Specified:
    across = _across([point.x for curve, _ in curves for point in curve.points], kind, width)
    up = alt.Axis(tickCount=5, domain=False, ticks=False, format="~s")
    y = alt.Y("y:Q", scale=alt.Scale(zero=False, nice=True), axis=up)
    under: list[Any] = []
    over: list[Any] = []
    for curve, dash in curves:
        known = [_row(point) for point in curve.points if point.y is not None]
        bounded = [row for row in known if row["low"] is not None and row["high"] is not None]
        colour = _STROKES[curve.kind]
        if bounded and kind != "T" and len(known) <= _FEW:
            whisker = alt.Chart(alt.InlineData(values=bounded)).mark_rule(color=colour, opacity=0.6)
            under.append(whisker.encode(x=across, y=alt.Y("low:Q", axis=up), y2="high:Q"))
            over.append(_dots(known, colour, 42).encode(x=across, y=y))
            continue
        if bounded:
            band = alt.Chart(alt.InlineData(values=bounded)).mark_area(color=BAND, opacity=0.85)
            under.insert(0, band.encode(x=across, y=alt.Y("low:Q", axis=up), y2="high:Q"))
        if len(known) == 1:
            over.append(_dots(known, colour, 42).encode(x=across, y=y))
            continue
        rows = [_row(point) for point in curve.points]  # one that is missing breaks the line
        drawn = alt.Chart(alt.InlineData(values=rows)).mark_line(
            color=colour, strokeWidth=1.7, strokeJoin="round", strokeDash=_DASHES[dash]
        )
        over.append(drawn.encode(x=across, y=y))
    if line is not None:
        at = alt.Chart(alt.InlineData(values=[{"level": line}]))
        under.append(
            at.mark_rule(color=SOFT, strokeDash=[4, 4]).encode(y=alt.Y("level:Q", axis=up))
        )
    return alt.layer(*under, *over).properties(width=width - 60, height=tall)


def _rows_of_dots(curves: Sequence[Curve], line: float | None, width: int) -> Specified:
    """A row a word and curve: its name at the left, where there is room, else above the dot."""
    words = {str(point.x) for curve in curves for point in curve.points}
    many = len(curves) > 1

    def named(point: Point, curve: Curve) -> str:
        if not many:
            return str(point.x)
        return curve.title if len(words) == 1 else f"{point.x}: {curve.title}"

    rows = [
        {**_row(point), "name": named(point, curve),
         "colour": _STROKES[curve.kind]}
        for x in dict.fromkeys(str(point.x) for curve in curves for point in curve.points)
        for curve in curves
        for point in curve.points
        if str(point.x) == x and point.y is not None
    ]  # fmt: skip
    is_wide = width > NARROW
    axis = alt.Axis(
        labelLimit=_MEASURED, domain=False, ticks=False, labelColor=INK, minExtent=_ROOM,
        grid=False,
    )  # fmt: skip
    down = alt.Y("name:N", sort=[row["name"] for row in rows], axis=axis if is_wide else None)
    foot = alt.Axis(tickCount=5 if is_wide else 3, format="~s", grid=True)
    across = alt.X("y:Q", scale=alt.Scale(zero=False, nice=True), axis=foot)
    ink = alt.Color("colour:N", scale=None)
    layers: list[Any] = []
    if line is not None:
        at = alt.Chart(alt.InlineData(values=[{"level": line}]))
        rule = at.mark_rule(color=SOFT, strokeDash=[4, 4])
        layers.append(rule.encode(x=alt.X("level:Q", axis=foot)))
    bounded = [row for row in rows if row["low"] is not None and row["high"] is not None]
    if bounded:
        bars = alt.Chart(alt.InlineData(values=bounded)).mark_rule(strokeWidth=4, opacity=0.35)
        layers.append(bars.encode(y=down, x=alt.X("low:Q", axis=foot), x2="high:Q", color=ink))
    data = alt.Chart(alt.InlineData(values=rows))
    layers.append(data.mark_circle(size=54, opacity=1).encode(y=down, x=across, color=ink))
    if not is_wide:
        above = data.mark_text(align="left", dy=-13, color=INK, font="inherit", fontSize=12)
        layers.append(above.encode(y=down, x=alt.value(0), text="name:N"))
    tall = (_ROW if is_wide else _ROW_NARROW) * len(rows)
    room = _ROOM if is_wide else 0
    return alt.layer(*layers).properties(width=width - room - 40, height=tall)


def _dots(rows: list[dict[str, Any]], colour: str, size: int) -> Any:
    return alt.Chart(alt.InlineData(values=rows)).mark_circle(color=colour, size=size, opacity=1)


def _across(places: Sequence[str | float], kind: str, width: int) -> alt.X:
    ticks = 6 if width > NARROW else 3
    if kind == "T":
        days = sorted(str(x)[:10] for x in places)
        long = (date.fromisoformat(days[-1]) - date.fromisoformat(days[0])).days
        form = "%b %Y" if long > 300 else "%-d %b" if long > 3 else "%H:%M"
        axis = alt.Axis(format=form, grid=False, tickCount=ticks, labelOverlap=True)
        return alt.X("x:T", scale=alt.Scale(type="utc"), axis=axis)
    axis = alt.Axis(grid=False, tickCount=ticks, domainColor=RULE, format="~s")
    return alt.X("x:Q", scale=alt.Scale(zero=False, nice=False, padding=6), axis=axis)


def _row(point: Point) -> dict[str, Any]:
    return {"x": point.x, "y": point.y, "low": point.low, "high": point.high}


def _says(picture: Picture, curves: Sequence[Curve]) -> str:
    parts = []
    for curve in curves:
        known = [point for point in curve.points if point.y is not None]
        begin, end = known[0], known[-1]
        parts.append(
            f"{curve.title}: {value_text(begin.y, picture.unit)} at {value_text(begin.x)}"
            if begin is end
            else f"{curve.title}: from {value_text(begin.y, picture.unit)} at "
            f"{value_text(begin.x)} to {value_text(end.y, picture.unit)} at {value_text(end.x)}"
        )
    return f"{picture.title}. {'; '.join(parts)}"
