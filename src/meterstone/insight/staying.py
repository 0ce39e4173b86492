"""Whether shops that are live close less often: closings by time at risk, live beside not yet live.

A shop must be open to go live, so shops that went live have survived until then by construction
("immortal time"); difference-in-differences would take that for an effect. Here each day of each
shop counts for what the shop was on that day, and days are compared within the same calendar month
and age of the shop only (Mantel–Haenszel rate difference; S. Greenland and J. M. Robins,
*Biometrics* 41, 1985).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import scipy

from meterstone.insight.effect import Check, Estimate
from meterstone.insight.panel import counted

LEAST_EXPECTED = 5.0
"""Closings on each side that would be expected if there were no difference; fewer are refused."""

Side = Callable[["Spell", date], bool | None]

YOUNG = timedelta(days=730)
_FIRST = timedelta(days=180)
_DAY = timedelta(days=1)
_YEAR = 365.25
_P = 0.05


@dataclass(frozen=True, slots=True)
class Spell:
    """One shop: from when to when it was open, and since when it is live; None: not so far."""

    shop: str
    opened: date
    closed: date | None
    live: date | None


@dataclass(frozen=True, slots=True)
class Staying:
    """What can be said.

    Attributes:
        estimate: closings a shop and year, live less not live; None where it is withheld.
        closings, years: by live and not live, where they can be compared.
    """

    estimate: Estimate | None
    withheld: str | None
    checks: tuple[Check, ...]
    closings: tuple[int, int]
    years: tuple[float, float]


def staying(spells: Sequence[Spell], begin: date, end: date) -> Staying:
    """How going live changes the rate at which shops close.

    Args:
        begin, end: the time that is looked at, a half-open range of days.
    """
    found = _compared(_days(spells, begin, end, _is_live))
    refused = _refused(found)
    if refused:
        return Staying(None, refused, (), found.closings, found.years)
    check = _chosen(spells, begin, end)
    estimate = None if check.passed is False else found.estimate
    why = check.says if check.passed is False else None
    return Staying(estimate, why, (check,), found.closings, found.years)


def _refused(found: _Compared) -> str | None:
    first, second = found.years
    if not first or not second:
        return "no live shop can be compared with one of the same age and month that is not live"
    closings = sum(found.closings)
    least = closings * min(first, second) / (first + second)
    if least < LEAST_EXPECTED:
        return (
            f"{counted(closings, 'shop', 'shops')} closed that can be compared; without a "
            f"difference {least:.1f} would be expected on the smaller side, and it takes "
            f"{LEAST_EXPECTED:.0f}"
        )
    return None


def _chosen(spells: Sequence[Spell], begin: date, end: date) -> Check:
    """Whoever is about to close does not go live any more: closings that are rare just after going
    live, and not later, tell of that choice and not of an effect."""
    name = "no choice of the healthy"
    found = _compared(_days(spells, begin, end, _is_fresh))
    if found.estimate is None or _refused(found):
        return Check(name, None, "closings just after going live are too few to tell of a choice")
    p = float(scipy.stats.norm.cdf(found.estimate.att / found.estimate.se))
    passed = p >= _P
    said = (
        "closings are not rarer just after going live than later"
        if passed
        else f"closings are rarer just after going live than later (p = {p:.2g}): who is about to "
        "close does not go live"
    )
    return Check(name, passed, said, p)


def _is_live(spell: Spell, day: date) -> bool | None:
    return spell.live is not None and day > spell.live


def _is_fresh(spell: Spell, day: date) -> bool | None:
    if spell.live is None or day <= spell.live:
        return None
    return day <= spell.live + _FIRST


@dataclass(frozen=True, slots=True)
class _Compared:
    estimate: Estimate | None
    closings: tuple[int, int]
    years: tuple[float, float]


class _Stratum:
    """Days at risk and closings of one month and age, by side: 0 first, 1 second."""

    __slots__ = ("closings", "days")

    def __init__(self) -> None:
        self.days = [0, 0]
        self.closings = [0, 0]


def _days(spells: Iterable[Spell], begin: date, end: date, side: Side) -> list[_Stratum]:
    """Days at risk by calendar month and age; ``side`` says whether a shop counts on the first
    side on a day, and None where it counts on neither."""
    strata: dict[tuple[int, int, bool], _Stratum] = defaultdict(_Stratum)
    for spell in spells:
        until = min(end, spell.closed + _DAY) if spell.closed else end
        cuts = {spell.opened + YOUNG}
        if spell.live is not None:
            cuts |= {spell.live + _DAY, spell.live + _FIRST + _DAY}
        day = max(begin, spell.opened + _DAY)
        while day < until:  # stretches in which month, age and side stay the same
            month = (day.replace(day=1) + 32 * _DAY).replace(day=1)
            following = min([until, month, *(cut for cut in cuts if cut > day)])
            on = side(spell, day)
            if on is not None:
                stratum = strata[day.year, day.month, day < spell.opened + YOUNG]
                stratum.days[not on] += (following - day).days
                if spell.closed and following == spell.closed + _DAY:
                    stratum.closings[not on] += 1
            day = following
    return list(strata.values())


def _compared(strata: Iterable[_Stratum]) -> _Compared:
    """The rate difference a year, of the strata in which both sides are."""
    both = [each for each in strata if all(each.days)]
    years = tuple(sum(each.days[side] for each in both) / _YEAR for side in (0, 1))
    closings = tuple(sum(each.closings[side] for each in both) for side in (0, 1))
    weight = moved = variance = 0.0
    for each in both:
        first, second = each.days
        whole = first + second
        weight += first * second / whole
        moved += (each.closings[0] * second - each.closings[1] * first) / whole
        variance += (each.closings[0] * second**2 + each.closings[1] * first**2) / whole**2
    estimate = None
    if weight and variance:
        att, se = _YEAR * moved / weight, _YEAR * math.sqrt(variance) / weight
        half = float(scipy.stats.norm.ppf(0.975)) * se
        estimate = Estimate(att, se, att - half, att + half)
    return _Compared(estimate, (closings[0], closings[1]), (years[0], years[1]))
