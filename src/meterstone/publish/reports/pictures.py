"""The pictures of a report as small SVG texts: gauge, ribbon, line. In print colours, on white.

They are images with a text of their own, so that a reader who cannot see them is told the same.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from meterstone.publish.charts.drawn import Chart
from meterstone.publish.gauge import HEIGHT, WIDTH
from meterstone.publish.reports.model import Line, Mark
from meterstone.publish.web.numbers import Number

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "met": "#1f7a4d", "miss": "#b3261e", "doubt": "#8a5f00", "none": "#6d7277",
        "reference": "#6d7277", "excused": "#b9b4a8",
    }
)  # fmt: skip
"""The tones of verdicts on paper; each has a contrast of 4.5 or more to it."""

_INK, _RULE, _WASH, _SOFT = "#1b1d1f", "#e0dcd3", "#efece4", "#5c6166"


def gauge_svg(number: Number) -> str:
    """The gauge of a number; empty where there is nothing to draw."""
    drawn = number.gauge
    if drawn is None:
        return ""
    colour, middle = COLOURS[number.look.tone], HEIGHT / 2
    bar = (
        f'<rect x="{drawn.bar[0]}" y="{middle - 2.5}" width="{max(drawn.bar[1], 0.5)}" height="5" '
        f'rx="2.5" fill="{colour}" opacity=".35"/>'
        if drawn.bar
        else ""
    )
    return _svg(
        WIDTH,
        HEIGHT,
        f'<rect x="{drawn.good[0]}" y="1" width="{max(drawn.good[1], 0)}" height="{HEIGHT - 2}" '
        f'fill="{_WASH}"/><path d="M6 {middle}H{WIDTH - 6}" stroke="{_RULE}"/>{bar}'
        f'<circle cx="{drawn.dot}" cy="{middle}" r="4" fill="{colour}"/>'
        f'<path d="M{drawn.tick} 0V{HEIGHT}" stroke="{_INK}" stroke-width="1.4"/>',
    )


def gauge_says(number: Number) -> str:
    """The gauge in words."""
    between = f", 95 % interval {number.interval}" if number.interval else ""
    return f"{number.value}{between}; target {number.target}; {number.look.word}"


def ribbon_svg(marks: Sequence[Mark], width: int = 640) -> str:
    """One mark a day, oldest left. Shape and height tell too, not colour alone."""
    step = width / max(len(marks), 1)
    drawn = "".join(
        f'<rect x="{round(i * step, 2)}" y="{_TOPS[mark.tone]}" width="{round(step * 0.82, 2)}" '
        f'height="{22 - _TOPS[mark.tone]}" rx="1" fill="{_RIBBON[mark.tone]}"/>'
        for i, mark in enumerate(marks)
    )
    return _svg(width, 22, drawn)


_TOPS: Mapping[str, int] = {"met": 0, "miss": 7, "excused": 3, "none": 17}
_RIBBON: Mapping[str, str] = {**COLOURS, "none": "#cfcac0"}


def ribbon_says(marks: Sequence[Mark]) -> str:
    """The ribbon in words."""
    counted = {tone: sum(mark.tone == tone for mark in marks) for tone in _TOPS}
    words = {"met": "met", "miss": "not met", "excused": "in maintenance", "none": "without data"}
    parts = [f"{counted[tone]} {word}" for tone, word in words.items() if counted[tone]]
    return f"The last {len(marks)} days: {', '.join(parts)}" if marks else ""


def spark_svg(line: Line, width: int = 88, height: int = 22) -> str:
    """The values of the days as a line, with a dot at the last; empty for fewer than two."""
    values = line.history
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    spread = (high - low) or 1.0
    step = (width - 6) / (len(values) - 1)

    def place(index: int, value: float) -> tuple[float, float]:
        level = (value - low) / spread if high > low else 0.5
        return round(2 + index * step, 1), round(height - 3 - (height - 6) * level, 1)

    runs: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(place(index, value))
    drawn = "".join(
        '<polyline points="{}" fill="none" stroke="{}" stroke-width="1.3"/>'.format(
            " ".join(f"{x},{y}" for x, y in run), _SOFT
        )
        for run in runs
        if len(run) > 1
    )
    last = next(run for run in reversed(runs) if run)[-1]
    dot = f'<circle cx="{last[0]}" cy="{last[1]}" r="2" fill="{COLOURS[line.number.look.tone]}"/>'
    return _svg(width, height, drawn + dot)


def on_paper(chart: Chart) -> str:
    """A chart of the pages, in print colours."""
    text = str(chart.wide).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    for token, colour in _TOKENS.items():
        text = text.replace(f"var(--{token})", colour)
    return text.replace("inherit", "sans-serif")


_TOKENS: Mapping[str, str] = {
    "ink": _INK, "soft": _SOFT, "rule": _RULE, "band": "#d9e4f7", "reference": "#2753c4",
    "met": COLOURS["met"], "miss": COLOURS["miss"], "doubt": COLOURS["doubt"], "card": "#ffffff",
}  # fmt: skip


def data_uri(svg: str) -> str:
    """An SVG as the address of an image."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _svg(width: float, height: float, inner: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{inner}</svg>'
    )
