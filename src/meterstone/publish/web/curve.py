"""A metric by day as a drawing: points, interval, target; 720 × 160 units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from meterstone.board.model import DayValue
from meterstone.scorecard.values import format_value

WIDTH, HEIGHT, EDGE = 720.0, 160.0, 8.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Paths of a line and of the band around it, and the heights of the lines across.

    Attributes:
        line, band: paths; the band is empty where no day has an interval.
        target: height of the target; None where it is no number, or far from every value.
        low, high: what the lowest and the highest point stand for.
        says: the same in words.
    """

    line: str
    band: str
    target: float | None
    low: str
    high: str
    first: str
    last: str
    says: str


def curve(days: Sequence[DayValue], target: Mapping[str, Any], unit: str) -> Curve | None:
    """The drawing; None for fewer than two days with a number."""
    known = [(at, day, day.value) for at, day in enumerate(days) if _is_number(day.value)]
    if len(known) < 2:
        return None
    values = [value for _, _, value in known]
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    wanted = target["value"]
    near = _is_number(wanted) and low - 2 * spread <= wanted <= high + 2 * spread
    if near:
        low, high = min(low, wanted), max(high, wanted)
    spread = (high - low) or 1.0
    step = (WIDTH - 2 * EDGE) / max(len(days) - 1, 1)

    def x(at: int) -> float:
        return EDGE + at * step

    def y(value: float) -> float:
        level = (min(max(value, low), high) - low) / spread
        return EDGE + (HEIGHT - 2 * EDGE) * (1 - level)

    line, before = [], None
    for at, _, value in known:
        pen = "L" if before is not None and at == before + 1 else "M"
        line.append(f"{pen}{x(at):.1f} {y(value):.1f}")
        before = at
    bounds = [(at, day.interval) for at, day, _ in known if day.interval]
    band = [f"{x(at):.1f} {y(each[1]):.1f}" for at, each in bounds]
    band += [f"{x(at):.1f} {y(each[0]):.1f}" for at, each in reversed(bounds)]
    return Curve(
        "".join(line),
        "M" + "L".join(band) + "Z" if len(bounds) > 1 else "",
        y(wanted) if near else None,
        format_value(low, unit),
        format_value(high, unit),
        days[0].day.isoformat(),
        days[-1].day.isoformat(),
        f"from {format_value(values[0], unit)} on {known[0][1].day} to "
        f"{format_value(values[-1], unit)} on {known[-1][1].day}",
    )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
