"""A metric by day: the line, its 95 % interval as a band, the target as a dashed rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, TypeGuard

import altair as alt

from meterstone.board.model import DayValue
from meterstone.publish.charts.drawn import BAND, INK, SOFT, Chart, Specified, draw
from meterstone.scorecard.values import format_day, format_value

_TALL = 170
_NEAR = 2.0
"""A target farther from all values than so many times their spread is not in the picture."""


def days_chart(
    days: Sequence[DayValue], target: Mapping[str, Any], unit: str, tall: int = _TALL
) -> Chart | None:
    """The chart; None for fewer than two days with a number.

    Args:
        days: oldest first; a day that is missing breaks the line.
        target: of the metric, as documents have it.
        unit: of the values, for its words.
        tall: height in units of the drawing.
    """
    known = [(each.day, each.value, each.interval) for each in days if is_number(each.value)]
    if len(known) < 2:
        return None
    rows = _rows(known)
    wanted = (
        target["value"] if _is_near(target["value"], [value for _, value, _ in known]) else None
    )

    def specify(width: int) -> Specified:
        return _layers(rows, wanted, width, tall)

    return draw("days", [rows, wanted, tall], specify, _says(known, unit, wanted))


def is_number(value: object) -> TypeGuard[float]:
    """Whether it can be drawn: no word, no truth, not missing."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rows(known: Sequence[tuple[date, Any, Any]]) -> list[dict[str, Any]]:
    """Each day from the first to the last; None where nothing is known."""
    found = {day: (value, interval) for day, value, interval in known}
    first, last = known[0][0], known[-1][0]
    rows = []
    for back in range((last - first).days + 1):
        day = first + timedelta(days=back)
        value, interval = found.get(day, (None, None))
        low, high = interval or (value, value)
        beside = (day - timedelta(days=1) in found) or (day + timedelta(days=1) in found)
        rows.append(
            {
                "day": day.isoformat(), "value": value, "low": low, "high": high,
                "alone": value is not None and not beside,
            }
        )  # fmt: skip
    return rows


def _layers(rows: list[dict[str, Any]], wanted: float | None, width: int, tall: int) -> Specified:
    across = alt.X(
        "day:T",
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(format="%-d %b", grid=False, tickCount=6 if width > 400 else 3),
    )
    scale = alt.Scale(zero=False, nice=True)
    up = alt.Axis(tickCount=4, domain=False, ticks=False)
    data = alt.InlineData(values=rows)
    line = alt.Chart(data).mark_line(color=INK, strokeWidth=1.6, strokeJoin="round")
    layers: list[Any] = [
        alt.Chart(data)
        .mark_area(color=BAND)
        .encode(x=across, y=alt.Y("low:Q", scale=scale, axis=up), y2="high:Q"),
        line.encode(x=across, y=alt.Y("value:Q", scale=scale, axis=up)),
    ]
    if any(row["alone"] for row in rows):
        dots = alt.Chart(alt.InlineData(values=[row for row in rows if row["alone"]]))
        layers.append(dots.mark_circle(color=INK, size=18, opacity=1).encode(x=across, y="value:Q"))
    if wanted is not None:
        at = alt.Chart(alt.InlineData(values=[{"target": wanted}]))
        layers.append(at.mark_rule(color=SOFT, strokeDash=[4, 4]).encode(y="target:Q"))
    return alt.layer(*layers).properties(width=width - 60, height=tall)


def _is_near(wanted: object, values: Sequence[float]) -> bool:
    if not isinstance(wanted, int | float) or isinstance(wanted, bool):
        return False
    spread = (max(values) - min(values)) or abs(max(values)) or 1.0
    return min(values) - _NEAR * spread <= wanted <= max(values) + _NEAR * spread


def _says(known: Sequence[tuple[date, Any, Any]], unit: str, wanted: float | None) -> str:
    (first, begun, _), (last, ended, _) = known[0], known[-1]
    values = [value for _, value, _ in known]
    parts = [
        f"from {format_value(begun, unit)} on {format_day(first)} "
        f"to {format_value(ended, unit)} on {format_day(last)}",
        f"lowest {format_value(min(values), unit)}, highest {format_value(max(values), unit)}",
    ]
    if wanted is not None:
        parts.append("the dashed line is the target")
    if any(interval for *_, interval in known):
        parts.append("shaded: 95 % interval")
    return "; ".join(parts)
