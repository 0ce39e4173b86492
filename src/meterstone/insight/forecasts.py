"""Forecasts with the record that allows them.

A series is forecast by the mean of those candidates that did best at its own rolling origins, as
far as they beat naive and seasonal naive there; the errors at the same origins make the interval
(split conformal prediction, scaled by how far ahead). Where no candidate beats naive, what is given
is naive's forecast, by that name, and a sentence says that a forecast is withheld.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from meterstone.insight.series import Floats, Series

LEVEL = 0.95
"""The share of outcomes that an interval is to hold."""

LEAST = 12
"""Observations below which nothing is forecast."""

_NEWEST = 700
"""So many of the newest observations are learnt from: older ones cost time and add little."""

_ORIGINS = 24
_NEAR_BEST = 1.15
"""Candidates whose error is within this factor of the best one's are averaged."""

_WILD = 12.0
"""A lone value this many usual steps away from both neighbours is not learnt from."""


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


@dataclass(frozen=True, slots=True)
class _Origins:
    """Errors at rolling origins: of each candidate, origins × steps ahead."""

    errors: dict[str, Floats]
    count: int


_NO_FIT = (ValueError, ArithmeticError, LookupError, RuntimeError, np.linalg.LinAlgError)
"""What libraries raise when a series is not one for a model."""

Model = Any
"""A model of statsforecast: `fit(y)`, `predict(h)`, and `forward(y, h)` with what it learnt."""


def candidates(size: int, season: int) -> dict[str, Callable[[], Model]]:
    """Those that a series of a size can be asked of, by name; naive ones first."""
    from statsforecast import models as sf  # noqa: PLC0415 - a second to load; few commands need it

    found: dict[str, Callable[[], Model]] = {"naive": sf.Naive}
    short = season if 1 < season <= 24 and size >= 3 * season else 1
    if season > 1 and size > 2 * season:
        found["seasonal naive"] = partial(sf.SeasonalNaive, season)
    found["ARIMA"] = partial(sf.AutoARIMA, season_length=short)
    found["ETS"] = partial(sf.AutoETS, season_length=short)
    found["CES"] = partial(sf.AutoCES, season_length=short)
    if season > 1 and size >= 3 * season:
        found["theta"] = partial(sf.DynamicOptimizedTheta, season_length=season)
        found["STL+ETS"] = lambda: sf.MSTL(season, trend_forecaster=sf.AutoETS(model="ZZN"))
        found["STL+ARIMA"] = lambda: sf.MSTL(season, trend_forecaster=sf.AutoARIMA())
    else:
        found["theta"] = partial(sf.DynamicOptimizedTheta, season_length=1)
    return found


def forecast(series: Series, horizon: int, season: int = 1) -> Forecast:
    """What is expected of a series over the next steps; a refusal where that cannot be said.

    Args:
        horizon: steps ahead, at least 1.
        season: steps after which it repeats itself; 1: never.
    """
    raw = series.values[-_NEWEST:]
    ds = tuple(series.after(horizon))
    known = int((~np.isnan(raw)).sum())
    refused = partial(Forecast, series.name, ds, None, None, None, "")
    if known < LEAST:
        return refused(f"{known} observations; a forecast takes at least {LEAST}")
    if known < 0.5 * len(raw):
        return refused(f"{len(raw) - known} of {len(raw)} steps have no value")
    if np.nanmax(raw) == np.nanmin(raw):
        return refused("the series is constant: nothing can be learnt from it")
    actual = raw
    learnt = _without_wild(_filled(raw, season))
    span = min(max(2 * horizon, season), len(learnt) // 3)
    if len(learnt) - span - horizon < LEAST // 2:
        return refused(f"{known} observations are too few to try {horizon} steps ahead on them")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits that did not settle; their errors tell
        return _forecast(series.name, ds, actual, learnt, horizon, season, span)


def _forecast(
    name: str, ds: tuple[str, ...], actual: Floats, learnt: Floats, horizon: int, season: int,
    span: int,
) -> Forecast:  # fmt: skip
    models = candidates(len(learnt) - span - horizon, season)
    record = _rolled(models, actual, learnt, horizon, span)
    error = {key: _mean_error(value) for key, value in record.errors.items()}
    naive = min((key for key in ("naive", "seasonal naive") if key in error), key=error.__getitem__)
    best = min(error.values())
    chosen = [
        key for key, value in error.items()
        if value <= _NEAR_BEST * best and value < error[naive]
    ]  # fmt: skip
    errors = np.mean([record.errors[key] for key in chosen], axis=0) if chosen else None
    withheld = None
    if errors is None or _mean_error(errors) >= error[naive]:
        chosen, errors = [naive], record.errors[naive]
        withheld = f"no model was better than {naive} at {record.count} origins"
    means = []
    for key in chosen:
        model = models[key]().fit(learnt)
        means.append(np.asarray(model.predict(h=horizon)["mean"], dtype=float))
    mean = np.mean(means, axis=0)
    half = _half_widths(errors, horizon)
    low, high = mean - half, mean + half
    last = actual[~np.isnan(actual)][-1]
    if last != learnt[-1] or _is_wild_end(learnt):  # a shift or an outlier: both are possible
        low, high = np.minimum(low, last - half), np.maximum(high, last + half)
    if np.nanmin(actual) >= 0:
        mean, low, high = (np.maximum(each, 0.0) for each in (mean, low, high))
    skill = 1 - _mean_error(errors) / error[naive] if error[naive] > 0 else 0.0
    return Forecast(
        name, ds, tuple(mean.tolist()), tuple(low.tolist()), tuple(high.tolist()),
        "+".join(chosen), withheld, None if withheld else round(skill, 4), record.count,
    )  # fmt: skip


def _rolled(
    models: Mapping[str, Callable[[], Model]],
    actual: Floats,
    learnt: Floats,
    horizon: int,
    span: int,
) -> _Origins:
    """Each candidate at origins over the newest `span` steps: it learns once, before the first of
    them, and looks at what it has seen up to each."""
    first = len(learnt) - span - horizon
    origins = sorted({first + round(at) for at in np.linspace(0, span, min(_ORIGINS, span + 1))})
    errors = {}
    for name, make in models.items():
        found = []
        try:
            model = make().fit(learnt[:first])
            for origin in origins:
                said = model.forward(y=learnt[:origin], h=horizon)["mean"]
                found.append(actual[origin : origin + horizon] - np.asarray(said, dtype=float))
        except _NO_FIT:
            continue  # a candidate that cannot be fitted is none
        table = np.array(found)
        if np.isfinite(table[~np.isnan(_outcomes(actual, origins, horizon))]).all():
            errors[name] = table
    return _Origins(errors, len(origins))


def _outcomes(actual: Floats, origins: Sequence[int], horizon: int) -> Floats:
    return np.stack([actual[origin : origin + horizon] for origin in origins])


def _mean_error(errors: Floats) -> float:
    return float(np.nanmean(np.abs(errors)))


def _half_widths(errors: Floats, horizon: int) -> Floats:
    """Half of each interval: errors are scaled by how far ahead they were made, and the quantile
    of all together is that of their number, less what origins that overlap tell twice."""
    by_step = np.sqrt(np.nanmean(errors**2, axis=0))
    steps = np.arange(1.0, horizon + 1)
    power = _growth(by_step, steps)
    scale = steps**power
    scores = np.abs(errors / scale)
    scores = np.sort(scores[~np.isnan(scores)])
    independent = max(len(errors) / max(1.0, horizon / 2), 2.0) * math.sqrt(horizon)
    rank = min(1.0, LEVEL * (1 + 0.5 / independent))
    return np.asarray(np.quantile(scores, rank) * scale)


def _growth(by_step: Floats, steps: Floats) -> float:
    """The power by which errors grow with the steps ahead, between not at all and linearly."""
    usable = np.isfinite(by_step) & (by_step > 0)
    if usable.sum() < 3:
        return 0.5
    slope = np.polyfit(np.log(steps[usable]), np.log(by_step[usable]), 1)[0]
    return float(np.clip(slope, 0.0, 1.0))


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


def _usual_step(values: Floats) -> float:
    return float(np.median(np.abs(np.diff(values)))) or float(np.std(np.diff(values)))


def _without_wild(values: Floats) -> Floats:
    """Without lone values that lie far off while both neighbours agree; steps to a new level and
    values that come again stay."""
    kept = values.copy()
    usual = _usual_step(values)
    jumps = np.abs(np.diff(values))
    for at in np.flatnonzero((jumps[:-1] > _WILD * usual) & (jumps[1:] > _WILD * usual)) + 1:
        level = (values[at - 1] + values[at + 1]) / 2
        agree = abs(values[at - 1] - values[at + 1]) < 0.2 * abs(values[at] - level)
        others = np.delete(np.abs(values - np.median(values)), at)
        if agree and abs(values[at] - np.median(values)) > 1.5 * others.max():
            kept[at] = level
    return kept


def _is_wild_end(values: Floats) -> bool:
    return bool(abs(values[-1] - values[-2]) > _WILD * _usual_step(values))


def forecast_all(
    series: Sequence[Series], horizon: int, season: int = 1, *, processes: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Forecast]:  # fmt: skip
    """Forecasts of many series, in their order.

    Args:
        progress: told after each how many are done.
    """
    one = partial(forecast, horizon=horizon, season=season)
    found = []
    if processes == 1 or len(series) < 8:
        for each in series:
            found.append(one(each))
            progress(len(found))
        return found
    with ProcessPoolExecutor(processes) as pool:
        for each_found in pool.map(one, series, chunksize=4):
            found.append(each_found)
            progress(len(found))
    return found
