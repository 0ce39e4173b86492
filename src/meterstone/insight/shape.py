"""What a series is stripped of before models learn from it, and gets back afterwards.

Gaps, lone wild values, growth in proportion (the logarithm is learnt), steps to a new level, and
days that are unlike others of their weekday, such as holidays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np

from meterstone.insight.series import Floats, Series

Holidays = Mapping[date, str]
"""The name of each day that is unlike others, of the past and of the time ahead."""

_WILD = 12.0
"""A lone value this many usual steps away from both neighbours is not learnt from."""

_STEP = 6.0
"""A step to a new level is at least so many times the usual change between two seasons."""

_STAYS = 6
"""So many observations have to stay at a new level before it is taken for one."""

_GROWN = 1.5
"""Growth by this factor makes the logarithm worth a look."""

_LOGARITHM = 0.25
"""Box-Cox exponents (Guerrero's) up to this one are taken for the logarithm."""

_UNLIKE = 3.0
"""A holiday counts when it is so many standard errors unlike days around it."""

_SEEN = 2
"""A holiday of a name has to have been seen this often."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What values cannot be below or above; None: there is no such limit."""

    least: float | None = None
    most: float | None = None

    def kept(self, values: Floats) -> Floats:
        """Values within the limits."""
        return np.asarray(np.clip(values, self.least, self.most))


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Shape:
    """A series, and what models learn of it in its place.

    Attributes:
        actual: as it is, with gaps.
        logarithm: whether its logarithm is learnt from.
        steps: where a new level began, and by how much it differs (in what is learnt).
        wild: where values lie that are not learnt from.
    """

    series: Series
    actual: Floats
    season: int
    horizon: int
    holidays: Holidays
    logarithm: bool
    steps: tuple[tuple[int, float], ...]
    filled: Floats = field(repr=False)
    """Without gaps and wild values, as learnt, at one level, with its holidays."""
    wild: tuple[int, ...] = ()

    @cached_property
    def target(self) -> Floats:
        """What models are held against: as observed, on the scale and level of what is learnt."""
        seen = np.log(self.actual) if self.logarithm else self.actual
        return seen + self._moved

    @cached_property
    def _moved(self) -> Floats:
        moved = np.zeros(len(self.actual))
        for at, by in self.steps:
            moved[:at] += by
        return moved

    def effects(self, until: int) -> Floats:
        """How much each step of past and horizon is unlike others for being a holiday, as known
        from the first `until` observations."""
        found = np.zeros(len(self.actual) + self.horizon)
        if not self.holidays or not self.series.whole_days:
            return found
        where = self._places
        taken = {at for places in where.values() for at in places}
        usual = [
            self.filled[at] - near
            for at in range(until)
            if at not in taken and (near := self._near(at, until, taken)) is not None
        ]
        if len(usual) < 4 * self.season:
            return found
        noise = float(np.std(usual))
        for places in where.values():
            told = [
                self.filled[at] - near
                for at in places
                if at < until and (near := self._near(at, until, taken)) is not None
            ]
            if len(told) >= _SEEN and abs(np.mean(told)) > _UNLIKE * noise / math.sqrt(len(told)):
                found[places] = float(np.median(told))
        return found

    @cached_property
    def _places(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = {}
        first = self.series.stamps[-len(self.actual)]
        if not isinstance(first, datetime):
            return found
        for at in range(len(self.actual) + self.horizon):
            name = self.holidays.get((first + timedelta(days=at)).date())
            if name:
                found.setdefault(name, []).append(at)
        return found

    def _near(self, at: int, until: int, taken: set[int]) -> float | None:
        """What the same place of the seasons around says."""
        around = [at + n * self.season for n in (-2, -1, 1, 2)]
        told = [self.filled[n] for n in around if 0 <= n < until and n not in taken]
        return sum(told) / len(told) if len(told) >= 2 else None

    def given_back(self, learnt: Floats) -> Floats:
        """Values on the scale that people use, at today's level."""
        if not self.logarithm:
            return learnt
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(learnt))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, for people."""
        found = []
        if self.logarithm:
            found.append("growth in proportion: its logarithm is learnt")
        stamps = self.series.stamps[-len(self.actual) :]
        for at, by in sorted(self.steps):
            size = f"{math.expm1(by):+.0%}" if self.logarithm else f"{by:+.4g}"
            found.append(f"a new level ({size}) since {self.series.written(stamps[at])}")
        if self.wild:
            found.append(f"{self.left_out} not learnt from")
        return tuple(found)

    @property
    def left_out(self) -> str:
        """The values that are not learnt from, in words: how many, and the first three."""
        stamps = self.series.stamps[-len(self.actual) :]
        told = [f"{self.series.written(stamps[n])} {self.actual[n]:g}" for n in self.wild[:3]]
        values = "1 value" if len(self.wild) == 1 else f"{len(self.wild)} values"
        return f"{values} ({', '.join(told)}{', …' if len(self.wild) > 3 else ''})"


def shape(
    series: Series, actual: Floats, season: int, horizon: int, holidays: Holidays | None = None
) -> Shape:
    """The shape of the newest observations of a daily, weekly, … series.

    Args:
        actual: these observations; NaN where there is none.
        season: steps after which it repeats itself.
    """
    named = holidays or {}
    first = series.stamps[-len(actual)]
    dated = isinstance(first, datetime) and series.whole_days
    safe = {
        at for at in range(len(actual))
        if dated and isinstance(first, datetime) and (first + timedelta(days=at)).date() in named
    }  # fmt: skip
    filled = _filled(actual, season)
    wild = _wild(filled, safe, int(np.flatnonzero(~np.isnan(actual))[-1]))
    if wild:
        known = actual.copy()
        known[list(wild)] = np.nan
        filled = _filled(known, season)
    logarithm = _grows_in_proportion(actual, filled, season)
    if logarithm:
        filled = np.log(filled)
    steps = _steps(filled, season)
    for at, by in steps:
        filled = filled.copy()
        filled[:at] += by
    return Shape(series, actual, season, horizon, named, logarithm, steps, filled, wild)


def _filled(values: Floats, season: int) -> Floats:
    """Gaps as the mean of the same place in the seasons around them, else on the line between."""
    filled = values.copy()
    missing = np.flatnonzero(np.isnan(values))
    at = np.flatnonzero(~np.isnan(values))
    filled[missing] = np.interp(missing, at, values[at])
    if season > 1:
        for gap in missing:
            near = [n for n in (gap - season, gap + season) if 0 <= n < len(values)]
            told = [values[n] for n in near if not math.isnan(values[n])]
            if told:
                filled[gap] = sum(told) / len(told)
    return filled


def _usual_step(values: Floats, at: int) -> float:
    """How much a series usually changes from one observation to the next, the one that is judged
    left out: far off, it would be its own measure."""
    changes = np.delete(np.diff(values), [n for n in (at - 1, at) if n < len(values) - 1])
    return float(np.median(np.abs(changes))) or float(np.std(changes))


def _wild(values: Floats, safe: set[int], last: int) -> tuple[int, ...]:
    """Where lone values lie far off while both neighbours agree; at the last known one only that
    before it can. Steps to a new level, holidays and values that come again are none."""
    found = []
    middle = np.median(values)
    away = np.abs(values - middle)
    far = away > 1.5 * np.median(away)
    for at in (int(n) + 1 for n in np.flatnonzero(far[1 : last + 1])):
        beside = [values[at - 1], values[at + 1] if at < last else values[at - 1]]
        level = sum(beside) / 2
        own = abs(values[at] - level)
        agree = abs(beside[0] - beside[1]) < 0.2 * own
        others = np.delete(away, range(at, len(away)) if at == last else at)
        if at in safe or not agree or away[at] <= 1.5 * others.max():
            continue
        if np.abs(values[at] - beside).min() > _WILD * _usual_step(values[: last + 1], at):
            found.append(at)
    return tuple(found)


def is_wild_end(values: Floats) -> bool:
    """Whether the last value lies far off the one before it."""
    usual = _usual_step(values, len(values) - 1)
    return bool(abs(values[-1] - values[-2]) > _WILD * usual)


def _grows_in_proportion(actual: Floats, filled: Floats, season: int) -> bool:
    """Whether swings grow with the level: the Box-Cox exponent of a series that grew."""
    if not np.nanmin(actual) > 0 or not filled.min() > 0:
        return False
    third = len(filled) // 3
    early, late = np.median(filled[:third]), np.median(filled[-third:])
    if max(early, late) < _GROWN * min(early, late):
        return False
    from coreforecast.scalers import boxcox_lambda  # noqa: PLC0415 - comes with the models

    length = season if 1 < season <= len(filled) // 3 else max(2, min(12, len(filled) // 4))
    exponent = boxcox_lambda(filled, method="guerrero", season_length=length, lower=-1, upper=2)
    return bool(exponent <= _LOGARITHM)


def _steps(values: Floats, season: int) -> tuple[tuple[int, float], ...]:
    """Where a new level began and stayed, and by how much it differs: at most three."""
    every = season if 1 < season <= len(values) // 6 and season <= 24 else 1
    wide = every * math.ceil(_STAYS / every)
    change = np.concatenate([np.zeros(every), values[every:] - values[:-every]])
    noise = 1.4826 * float(np.median(np.abs(change[every:] - np.median(change[every:]))))
    found: list[tuple[int, float]] = []
    if not noise > 0:
        return ()
    change = change - np.median(change[every:])  # a steady trend is no step
    for at in range(wide, len(values) - wide + 1):
        by = _difference(values, at, wide)
        sharp = change[at] * np.sign(by) > 0.6 * abs(by) > 1.5 * change[at - 1] * np.sign(by)
        if abs(by) > _STEP * noise and sharp:
            found.append((at, by))
    apart: list[tuple[int, float]] = []
    for at, by in sorted(found, key=lambda step: -abs(step[1])):
        if all(abs(at - other) >= wide for other, _ in apart) and len(apart) < 3:
            apart.append((at, by))
    return tuple(sorted(apart))


def _difference(values: Sequence[float] | Floats, at: int, wide: int) -> float:
    """The new level less the old one, each the median of what lies next to the step."""
    return float(np.median(values[at : at + wide]) - np.median(values[at - wide : at]))
