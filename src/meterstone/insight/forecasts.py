"""Forecasts with the record that allows them.

A series is forecast by the mean of those candidates that did best at its own rolling origins, as
far as they beat naive and seasonal naive there; the errors at the same origins make the interval
(split conformal prediction, scaled by how far ahead). Where no candidate beats naive, what is given
is naive's forecast, by that name, and a sentence says that a forecast is withheld.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from meterstone.insight.cache import Cache, key_of
from meterstone.insight.rolling import Candidates, Rolled, ahead, candidates, half_widths, roll
from meterstone.insight.series import Floats, Series
from meterstone.insight.shape import NO_LIMITS, Holidays, Limits, Shape, is_wild_end, shape

VERSION = "4"
"""Changes when the same series would be forecast differently."""

LEVEL = 0.95
"""The share of outcomes that an interval is to hold."""

_UNEVEN = "its steps are uneven: values are taken as they follow each other"

LEAST = 12
"""Observations below which nothing is forecast."""

_NO_WIDTH = 1e-9
"""An interval that is no wider, as a share of the largest value, is none."""

_LEAST_NUMBER, _MOST_NUMBER = 1e-15, 1e15

_NEWEST = 700
"""So many of the newest observations are learnt from: older ones cost time and add little."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of a series.

    Attributes:
        mean, low, high: by step ahead; None where there is a refusal. `low` and `high` hold the
            outcome with probability `LEVEL`.
        model: the candidates behind it, joined by ``+``; "naive" or "seasonal naive" where no
            better one was found; empty with a refusal.
        withheld: why no forecast is given, or why only naive's is; None: it is a forecast.
        skill: by what share its error at the rolling origins was below the better naive one's.
        origins: at how many origins that was found out.
        notes: what was found in the series, such as a new level, a sentence each.
    """

    name: str
    ds: tuple[str, ...]
    mean: tuple[float, ...] | None
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    model: str
    withheld: str | None
    skill: float | None = None
    origins: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Learnt:
    """What rolling origins told of a series.

    Attributes:
        names: the candidates that are averaged.
        naive: the better naive one.
        path: what is expected, as learnt; `Shape.given_back` makes it what people read.
    """

    shape: Shape
    rolled: Rolled
    names: tuple[str, ...]
    naive: str
    skill: float
    path: Floats

    @property
    def withheld(self) -> str | None:
        """Why only naive's forecast is given."""
        if self.names != (self.naive,):
            return None
        return f"no model was better than {self.naive} at {len(self.rolled.origins)} origins"

    @property
    def model(self) -> str:
        """The candidates behind it."""
        return "+".join(self.names)


def forecast(
    series: Series,
    horizon: int,
    season: int = 1,
    *,
    limits: Limits = NO_LIMITS,
    holidays: Holidays | None = None,
) -> Forecast:
    """What is expected of a series over the next steps; a refusal where that cannot be said.

    Args:
        horizon: steps ahead, at least 1.
        season: steps after which it repeats itself; 1: never.
        limits: what values cannot be below or above. Where no value was ever negative, no
            forecast is.
        holidays: days that are unlike others of their weekday; for daily series.
    """
    ds = tuple(series.after(horizon))
    found = learn(series, horizon, season, holidays)
    if isinstance(found, str):
        return Forecast(series.name, ds, None, None, None, "", found)
    known = found.shape.actual[~np.isnan(found.shape.actual)]
    kept = limits if limits.least is not None or known.min() < 0 else Limits(0.0, limits.most)
    mean, low, high = _interval(found, known[-1], kept)
    if not (high - low).min() > _NO_WIDTH * np.abs(known).max():
        tried = len(found.rolled.origins)
        why = f"it was not wrong at any of {tried} origins: how wrong it may be is not known"
        return Forecast(series.name, ds, None, None, None, "", why, notes=found.shape.notes)
    return Forecast(
        series.name, ds, tuple(mean.tolist()), tuple(low.tolist()), tuple(high.tolist()),
        found.model, found.withheld, None if found.withheld else round(found.skill, 4),
        len(found.rolled.origins), (*found.shape.notes, *((_UNEVEN,) if series.uneven else ())),
    )  # fmt: skip


def _interval(found: Learnt, last: float, limits: Limits) -> tuple[Floats, Floats, Floats]:
    """Mean and interval on the scale that people use, within limits."""
    half = half_widths(found.rolled.came - found.rolled.mean(found.names), LEVEL)
    back = found.shape.given_back
    mean, low, high = (back(found.path + side * half) for side in (0, -1, 1))
    down, up = mean - low, high - mean
    before, end = back(found.shape.filled[-2:])
    wild = is_wild_end(back(found.shape.filled))
    if wild or not np.isclose(last, end):
        # A new level or an outlier: both are possible.
        ends = (last, before) if wild else (last,)
        low, high = np.minimum(low, min(ends) - down), np.maximum(high, max(ends) + up)
    kept = limits.kept(mean)
    beyond = kept != mean  # as uncertain at a limit as it was beyond it
    low, high = np.where(beyond, kept - down, low), np.where(beyond, kept + up, high)
    return kept, limits.kept(low), limits.kept(high)


def learn(
    series: Series, horizon: int, season: int, holidays: Holidays | None = None,
    *, longest: bool = False,
) -> Learnt | str:  # fmt: skip
    """What rolling origins tell of a series; or, in words, why they cannot.

    Args:
        longest: origins as far back as can be, for sums over the whole horizon: each origin tells
            but one of them.
    """
    actual = series.values[-_NEWEST:]
    known = int((~np.isnan(actual)).sum())
    if known < LEAST:
        where = f" in the newest {len(actual)} steps" if len(series.values) > _NEWEST else ""
        seen = f"{known} observation{'' if known == 1 else 's'}{where}"
        return f"{seen}; a forecast takes at least {LEAST}"
    if known < 0.5 * len(actual):
        return f"{len(actual) - known} of {len(actual)} steps have no value"
    if np.nanmax(actual) == np.nanmin(actual):
        return "the series is constant: nothing can be learnt from it"
    if not _LEAST_NUMBER < np.nanmax(np.abs(actual)) < _MOST_NUMBER:
        return "values beyond 1e15, or none beyond 1e-15, cannot be told apart: take another unit"
    size = len(actual)
    span = min(max(2 * horizon, season), size // 3)
    if longest:
        span = _longest(size, horizon, season, span)
    if size - span - horizon < LEAST // 2:
        return f"{known} observations are too few to try {horizon} steps ahead on them"
    models = candidates(size - span - horizon, season)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits that did not settle; their errors tell
        return _learnt(models, shape(series, actual, season, horizon, holidays), span)


def _longest(size: int, horizon: int, season: int, span: int) -> int:
    """As far back as three seasons are left to learn from; two, where that leaves few origins."""
    for seasons in (3, 2):
        room = size - horizon - max(seasons * season, size // 3)
        if room >= 2 * horizon:
            return min(6 * horizon, room)
    return max(span, min(6 * horizon, room))


def _learnt(models: Candidates, found: Shape, span: int) -> Learnt | str:
    if found.wild and np.ptp(found.filled) == 0:
        return f"the series is constant but for {found.left_out}: nothing can be learnt from it"
    rolled = roll(models, found, span)
    if not rolled.said or np.isnan(rolled.came).all():
        return "nothing could be tried on it: the newest steps have no value"
    names, naive, skill = rolled.chosen()
    return Learnt(found, rolled, names, naive, skill, ahead(models, names, found))


def forecast_all(
    series: Sequence[Series], horizon: int, season: int = 1, *, processes: int = 1,
    progress: Callable[[int], None] = lambda _: None, cache: Cache | None = None,
    limits: Limits = NO_LIMITS, holidays: Holidays | None = None,
) -> list[Forecast]:  # fmt: skip
    """Forecasts of many series, in their order.

    Args:
        progress: told after each how many are done.
        cache: where forecasts of the same content are found, and kept.
    """
    one = partial(forecast, horizon=horizon, season=season, limits=limits, holidays=holidays)
    found: dict[int, Forecast] = {}
    keys: dict[int, str] = {}
    if cache is not None:
        for at, each in enumerate(series):
            keys[at] = key_of(VERSION, each, horizon, season, limits, holidays)
            kept = cache.get(keys[at], Forecast)
            if kept is not None:
                found[at] = kept
        progress(len(found))
    due = [at for at in range(len(series)) if at not in found]

    def done(at: int, made: Forecast) -> None:
        found[at] = made
        if cache is not None:
            cache.put(keys[at], made)
        progress(len(found))

    if processes == 1 or len(due) < 8:
        for at in due:
            done(at, one(series[at]))
    else:
        with ProcessPoolExecutor(processes) as pool:
            made = pool.map(one, [series[at] for at in due], chunksize=4)
            for at, each_made in zip(due, made, strict=True):
                done(at, each_made)
    return [found[at] for at in range(len(series))]
