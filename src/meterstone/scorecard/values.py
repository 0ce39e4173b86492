"""How a value is written for people: the same on every page, in the terminal and in a diff.

Numbers carry their unit, about three significant digits and no trailing zeros. A number never
rounds to one it is compared with: 99.996 beside a target of 100 stays 99.996.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeGuard
from zoneinfo import ZoneInfo

from meterstone.measure.results import Value, Verdict

NOTHING = "—"
MOST_DECIMALS = 12
_NOISE = 1e-9  # per cent: nearer to 100 than this is floating point, not one row among a billion
_UNITLESS = frozenset({"", "state", "boolean", "rating", "grade A+..F"})
_PLURAL = re.compile(r"\b([a-z-]{2,}?[a-rtv-z])(ies|s)\b")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_SPANS = ((86_400, "days"), (3_600, "h"), (60, "min"), (1, "s"))

Tone = Literal["met", "miss", "doubt", "none", "reference"]


@dataclass(frozen=True, slots=True)
class VerdictLook:
    """Shape first, then word, then tone: colour is never the only sign."""

    shape: str
    word: str
    tone: Tone

    def __str__(self) -> str:
        return f"{self.shape} {self.word}"


VERDICTS: Mapping[Verdict, VerdictLook] = {
    "met": VerdictLook("●", "Met", "met"),
    "not_met": VerdictLook("▲", "Not met", "miss"),
    "inconclusive": VerdictLook("◐", "Not yet provable", "doubt"),
    "insufficient_data": VerdictLook("◐", "Not yet provable", "doubt"),
    "no_data": VerdictLook(NOTHING, "No data", "none"),
    "expired": VerdictLook(NOTHING, "Expired", "none"),
    "not_applicable": VerdictLook(NOTHING, "Not applicable", "none"),
    "reference": VerdictLook("○", "Reference", "reference"),
}
"""How each verdict looks; ``str()`` of an entry is the text, like ``● Met``."""


def verdict_text(verdict: Verdict) -> str:
    """``● Met``."""
    return str(VERDICTS[verdict])


def format_value(value: Value, unit: str, *, beside: Collection[Value] = ()) -> str:
    """A value with its unit: ``99.95 %``, ``182 ms``, ``1,250 requests/s``, ``healthy``.

    Args:
        value: number in ``unit``, state word, boolean, or None.
        unit: as the catalogue writes it.
        beside: values in the same unit that stand next to it; a number that differs from one of
            them is given the decimals it takes to see that.
    """
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value.replace("_", " ")
    return _with_unit(value, unit, _decimals_beside(value, unit, beside))


_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|×|ms|s|min|h|d|pp|kB|MB|GB|USD)(?![\w/]))")


def unbroken(text: str) -> str:
    """A sentence in which no line ends between a number and its unit."""
    return _BEFORE_UNIT.sub("\u00a0", text)


def format_interval(interval: Collection[float] | None, unit: str) -> str:
    """The two bounds of an interval: ``99.93 % to 99.97 %``."""
    if interval is None:
        return NOTHING
    return " to ".join(format_value(bound, unit, beside=interval) for bound in interval)


def count_text(n: float, unit: str) -> str:
    """A count of things in words: ``1 slot``, ``12 slots``, ``1,440 slots``."""
    return f"{_digits(n, 0)} {_singular(unit) if n == 1 else unit}"


def target_value(target: Mapping[str, Any]) -> str:
    """The value of a target alone: ``99.9 %``; empty where it has none."""
    value, unit = target.get("value"), str(target.get("unit", ""))
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, (list, tuple)):
        return " to ".join(format_value(edge, unit) for edge in value)
    return format_value(value, unit)


_COMPARATORS = {
    ">=": "at least {}",
    ">": "more than {}",
    "<=": "at most {}",
    "<": "less than {}",
    "==": "{}",
    "at_least": "{} or better",
    "within": "from {}",
    "within_interval": "{} inside the interval",
}


def format_target(target: Mapping[str, Any]) -> str:
    """What is asked for, in words: ``at least 99.9 %``, ``healthy or better``, ``yes``."""
    value = target.get("value")
    if isinstance(value, bool):
        return format_value(value, "")
    pattern = _COMPARATORS.get(str(target.get("cmp")), "{}")
    return pattern.format(target_value(target)) if value is not None else NOTHING


def format_duration(seconds: float) -> str:
    """A span of time in its two largest units: ``11 s``, ``4 min``, ``2 h 5 min``, ``3 days``."""
    if seconds < 10:
        return format_value(seconds, "s")
    left = round(seconds)
    parts: list[str] = []
    for size, unit in _SPANS:
        amount, left = divmod(left, size)
        if amount or parts:
            parts.append(count_text(amount, unit) if amount else "")
    return " ".join(part for part in parts[:2] if part)


def format_day(day: date | str, *, near: date | str | None = None) -> str:
    """``2 March 2026``; without the year where ``near`` lies in the same one."""
    moment = _day(day)
    text = f"{moment.day} {_MONTHS[moment.month - 1]}"
    same_year = near is not None and _day(near).year == moment.year
    return text if same_year else f"{text} {moment.year}"


def format_moment(moment: datetime | str, zone: str, *, near: date | str | None = None) -> str:
    """``2 March 2026, 09:00`` in ``zone`` (an IANA name); the year as in `format_day`."""
    exact = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    local = exact.astimezone(ZoneInfo(zone))
    return f"{format_day(local.date(), near=near)}, {local:%H:%M}"


def _day(day: date | str) -> date:
    return date.fromisoformat(day) if isinstance(day, str) else day


def _with_unit(value: float, unit: str, decimals: int) -> str:
    if unit.startswith("USD"):
        return _money(value, unit.removeprefix("USD"), decimals)
    if unit.startswith("% change"):
        return f"{_sign(value)}{_digits(value, decimals)} %{unit.removeprefix('% change')}"
    digits = _digits(value, decimals)
    if unit in _UNITLESS:
        return digits
    if unit.startswith("points on "):
        return f"{digits} of {unit.rpartition('..')[2]}"
    if unit in _PATTERNS:
        return _PATTERNS[unit].format(_sign(value), digits)
    return f"{digits} {_singular(unit) if digits == '1' else unit}"


_PATTERNS = {"x": "{1}×", "rank": "rank {1}", "percentage points": "{0}{1} percentage points"}


def _money(value: float, rest: str, decimals: int) -> str:
    digits = _digits(abs(value), decimals, keep_zeros=decimals == 2)
    return f"{'−' if value < 0 else ''}${digits}{rest}"


def _sign(value: float) -> str:
    """The plus of a change; a minus stands with the digits."""
    return "+" if value > 0 else ""


def _digits(value: float, decimals: int, *, keep_zeros: bool = False) -> str:
    """Grouped digits with a true minus sign, without trailing zeros."""
    text = f"{value:,.{decimals}f}"
    if "." in text and not keep_zeros:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "0") else text.replace("-", "−")


def _decimals(value: float, unit: str) -> int:
    """Decimals for three significant digits; near 100 % two digits of what is missing to it."""
    size = abs(value)
    if unit.startswith("USD"):
        return 0 if size >= 1000 or value == round(value) else 2
    if unit.startswith("%") and 99 <= size < 100:
        gap = 100 - size
        return 0 if gap < _NOISE else 1 - math.floor(math.log10(gap))
    if size == 0 or size >= 100:
        return 0
    return min(MOST_DECIMALS, 2 - math.floor(math.log10(size)))


def _decimals_beside(value: float, unit: str, beside: Collection[Value]) -> int:
    """Enough decimals to tell the value from every different number beside it, and from zero."""
    decimals = _decimals(value, unit)
    others = [other for other in (*beside, 0.0) if _is_number(other) and other != value]
    while decimals < MOST_DECIMALS and any(
        _digits(other, decimals) == _digits(value, decimals) for other in others
    ):
        decimals += 1
    return decimals


def _is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _singular(unit: str) -> str:
    """``closed months`` → ``closed month``, ``stories`` → ``story``; symbols stay as they are."""
    if unit.startswith("%"):
        return unit
    return _PLURAL.sub(lambda word: f"{word[1]}y" if word[2] == "ies" else word[1], unit, count=1)
