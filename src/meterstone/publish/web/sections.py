"""What pages and reports have in common: the chapters of `publish.reports`, drawn in ink on paper.

Their words are made once; a page gives them its own marks and links.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meterstone.publish.reports.model import Line
from meterstone.scorecard.values import count_text, format_value


@dataclass(frozen=True, slots=True)
class Spark:
    """A line of values by day: an SVG path in 90 × 24, and the same in words."""

    path: str
    says: str


def spark(line: Line) -> Spark | None:
    """The values of a metric's days; None for fewer than two."""
    known = [value for value in line.history if value is not None]
    return Spark(path(line.history), trend(line)) if len(known) > 1 else None


def path(values: Sequence[float | None]) -> str:
    """Values as an SVG path in 90 × 24, interrupted where one is missing."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    step = 90 / max(1, len(values) - 1)
    parts: list[str] = []
    pen = "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        level = (value - low) / (high - low) if high > low else 0.5
        parts.append(f"{pen}{index * step:.1f} {21 - 18 * level:.1f}")
        pen = "L"
    return "".join(parts)


def trend(line: Line) -> str:
    """The mean of the newest quarter of the days beside the quarter before it."""
    known = [value for value in line.history if value is not None]
    part = len(known) // 4
    if part < 3:
        return f"{count_text(len(known), 'days')} on record"
    before, after = _mean(known[-2 * part : -part]), _mean(known[-part:])
    unit = line.metric["unit"]
    if abs(after - before) < 0.005 * abs(before or 1.0):
        return f"steady for {2 * part} days"
    return f"from {format_value(before, unit)} to {format_value(after, unit)} in {2 * part} days"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
