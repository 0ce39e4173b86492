"""The gauge: value as a dot, 95 % interval as a bar, target as a tick, the good side shaded.

The one picture that stands wherever a number is judged. Drawn as SVG without script or style
attributes, so that it holds under a strict content policy and in print.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WIDTH = 160
HEIGHT = 16
_PAD = 6


@dataclass(frozen=True, slots=True)
class Gauge:
    """Positions in pixels; None where there is nothing to draw."""

    dot: float
    tick: float
    bar: tuple[float, float] | None
    good: tuple[float, float]


def gauge(result: Mapping[str, Any]) -> Gauge | None:
    """The gauge of a result in the scorecard's shape; None for words and for missing values."""
    value, target = result["value"], result["target"]["value"]
    if isinstance(value, str | bool | None) or not isinstance(target, int | float):
        return None
    bounds = result["interval"] or [value, value]
    low, high = min(value, target, bounds[0]), max(value, target, bounds[1])
    spread = (high - low) or abs(high) or 1.0
    margin = 0.25 * spread or 1.0  # a quarter of the smallest number is none
    low, high = low - margin, high + margin

    def x(number: float) -> float:
        return float(round(_PAD + (WIDTH - 2 * _PAD) * (number - low) / (high - low), 1))

    upwards = result["target"]["cmp"] in (">=", ">", "==")
    good = (x(target), WIDTH - x(target)) if upwards else (0.0, x(target))
    bar = (x(bounds[0]), round(x(bounds[1]) - x(bounds[0]), 1)) if result["interval"] else None
    return Gauge(x(value), x(target), bar, good)
