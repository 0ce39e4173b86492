"""How alerts say things: shares, times and speeds in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from meterstone.detect.windows import exhausted_in

_STEPS = ((86400, "days", "day"), (3600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


def span(seconds: float) -> str:
    """A length of time: ``45 s``, ``12 min``, ``3 h``, ``2 days``."""
    for width, many, one in _STEPS:
        if seconds >= width * (1 if width == 1 else 1.5) or width == 1:
            number = round(seconds / width)
            return f"{number} {one if number == 1 else many}"
    return "0 s"  # pragma: no cover  # the last step takes everything


def percent(share: float) -> str:
    """A share: ``12 %``, ``0.5 %``."""
    value = share * 100
    digits = 0 if value >= 10 or value == 0 else 1 if value >= 1 else 2
    return f"{value:.{digits}f} %"


def budget(left: float | None, burn: float | None, period: timedelta) -> str:
    """How long an error budget lasts."""
    if left is None:
        return ""
    if left <= 0:
        return f"The error budget of {span(period.total_seconds())} is spent."
    lasts = exhausted_in(left, burn, period)
    head = f"{percent(left)} of the error budget is left"
    if lasts is None:
        return f"{head}."
    return f"{head}; at this speed it lasts {span(lasts.total_seconds())}."


def fill(text: str, words: Mapping[str, str]) -> str:
    """A text of a definition with its words; an unknown one stays as it is written."""
    for name, word in words.items():
        text = text.replace("{" + name + "}", word)
    return text
