"""What pages and reports have in common: the chapters of `publish.reports`, drawn in ink on paper.

Their words are made once; a page gives them its own marks and links.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meterstone.scorecard.values import count_text, format_value

Say = Callable[[float, str], str]


@dataclass(frozen=True, slots=True)
class Spark:
    """A line of values by day: an SVG path in 90 × 24, and the same in words."""

    path: str
    says: str


def spark(values: Sequence[float | None], unit: str, say: Say = format_value) -> Spark | None:
    """A metric's values by day, None where unknown; None for fewer than two that are known."""
    known = [value for value in values if value is not None]
    return Spark(path(values), trend(values, unit, say)) if len(known) > 1 else None


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


def trend(values: Sequence[float | None], unit: str, say: Say = format_value) -> str:
    """The newest value beside that of a month before it.

    Args:
        values: a day each, oldest first; None where nothing is known.
        unit: of the values.
        say: a value with its unit, in the reader's words.
    """
    known = [at for at, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return ""
    newest = known[-1]
    earlier = next((at for at in known if at >= newest - _MONTH), known[0])
    before, after = values[earlier] or 0.0, values[newest] or 0.0
    ago = count_text(newest - earlier, "days")
    if abs(after - before) < 0.005 * abs(before or 1.0):
        return f"steady for {ago}"
    return f"{say(before, unit)} {ago} earlier"


_MONTH = 30


def strip(tones: Sequence[str], tall: float = 14.0) -> Sequence[tuple[str, str]]:
    """Days as one SVG path a tone, 10 units wide each: a `ribbon` for where there are many.

    Args:
        tones: ``met``, ``miss``, ``doubt`` or ``none``, oldest first.
        tall: of a whole mark; doubt is shorter, and nothing known is a low line.
    """
    tops = {"met": 0.0, "miss": 0.0, "doubt": round(tall / 3, 1)}
    paths: dict[str, str] = {}
    for at, tone in enumerate(tones):
        top = tops.get(tone, tall - 4)
        paths[tone] = paths.get(tone, "") + f"M{at * 10} {top}h8.6V{tall}h-8.6z"
    return list(paths.items())
