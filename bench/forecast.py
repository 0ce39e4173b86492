"""Forecasts: how good they are, and what the honesty around them costs.

Quality (``m4``): the weekly series of the M4 competition (359, 13 weeks ahead), scored by its rules
beside its published results. Speed (``forecast``): 200 series of two years daily, 28 days ahead
with intervals; the other side is statsforecast itself with the same candidates at the same rolling
origins (``cross_validation`` without refitting, and ``forecast`` with all that is known), which
chooses nothing, makes no interval of its errors and withholds nothing.
"""

from __future__ import annotations

import csv
import os
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.report import Figure, Outcome
from meterstone.insight.cache import Cache, key_of
from meterstone.insight.forecasts import LEVEL, VERSION, Forecast, forecast, forecast_all
from meterstone.insight.rolling import ORIGINS, candidates
from meterstone.insight.scores import coverage, mase, msis, smape
from meterstone.insight.series import Floats, Series
from meterstone.insight.shape import NO_LIMITS

DATA = Path(__file__).parents[2] / "shared" / "data" / "forecast"
SERIES = 200
M4_SERIES = 359
KEPT = "BENCH_FORECASTS"
"""A folder that keeps the forecasts of M4, so that a run that was ended can go on."""

_AHEAD, _SEASON = 13, 52
_NAIVE2 = (9.161, 2.777)
"""sMAPE and MASE of Naive2 on the weekly series, by which OWA is scaled (M4 evaluation tables)."""

PUBLISHED = {
    "best entry (235; its sMAPE is the best of all)": (6.582, 2.107, 0.739),
    "entry 024": (8.035, 2.259, 0.845),
    "AutoARIMA of statsforecast, its own table": (None, 2.34, None),
    "AutoETS of statsforecast, its own table": (None, 2.55, None),
    "theta": (None, 2.637, 0.971),
    "SES": (9.012, 2.685, 0.975),
    "naive": (9.161, 2.777, 1.0),
}
"""sMAPE, MASE and OWA of M4 weekly as published; None: not at hand."""

_DAYS, _DAYS_AHEAD, _WEEK = 730, 28, 7
_START = 20_000


def run(rows: int, step: Callable[[str], None], **_: Any) -> Outcome:
    """Measure speed on so many series."""
    return Outcome("forecast", *_speed(rows, step))


def run_m4(rows: int, step: Callable[[str], None], **_: Any) -> Outcome:
    """Measure quality on so many series of M4 weekly, in an order that is always the same."""
    if not DATA.exists():
        return Outcome("m4", [], ["not measured: the M4 series are not at hand"])
    return Outcome("m4", *_quality(rows, step))


# -- quality --------------------------------------------------------------------------------------


def _quality(rows: int, step: Callable[[str], None]) -> tuple[list[Figure], list[str]]:
    pasts, futures = _read("Weekly-train.csv"), _read("Weekly-test.csv")
    whole = [Series(name, tuple(range(len(past))), past) for name, past in pasts.items()]
    random.Random(1).shuffle(whole)
    series = whole[:rows]
    kept = os.environ.get(KEPT)
    found = forecast_all(
        series, _AHEAD, _SEASON, cache=Cache(Path(kept)) if kept else None,
        progress=lambda n: step(f"M4 weekly, series {n} of {len(series)}") if n % 20 == 0 else None,
    )  # fmt: skip
    withheld = sum(each.withheld is not None for each in found)
    scores = [_scored(each, pasts[each.name], futures[each.name]) for each in found]
    error, percent, held, width = np.mean(scores, axis=0)
    same = [_naive(pasts[each.name], futures[each.name]) for each in found]
    naive_error, naive_percent = np.mean(same, axis=0)
    owa = (percent / _NAIVE2[0] + error / _NAIVE2[1]) / 2
    figures = [
        _beside("MASE over AutoARIMA's, M4 weekly", error, 2.34),
        _beside("OWA over theta's, M4 weekly", owa, 0.971),
        _beside("MASE over the best entry's, M4 weekly", error, 2.107),
        _beside("OWA over the best entry's, M4 weekly", owa, 0.739),
    ]
    table = "; ".join(f"{name} {', '.join(_named(told))}" for name, told in PUBLISHED.items())
    notes = [
        f"M4 weekly, {len(series)} of {len(pasts)} series: sMAPE {percent:.3f}, MASE {error:.3f}, "
        f"OWA {owa:.3f}, MSIS {width:.1f} (best entry 16.2, ARIMA 19.6, ETS 20.4)",
        f"naive on the same series: sMAPE {naive_percent:.3f}, MASE {naive_error:.3f}",
        f"published, of all {len(pasts)}: {table}",
        f"the 95 % interval held {held:.1%} (goal 93 to 97 %: "
        f"{'met' if 0.93 <= held <= 0.97 else 'missed'}); {withheld} forecasts were withheld, "
        f"naive's stand in their place",
    ]  # fmt: skip
    return figures, notes


def _scored(found: Forecast, past: Floats, future: Floats) -> tuple[float, float, float, float]:
    mean, low, high = found.mean, found.low, found.high
    if mean is None or low is None or high is None:
        mean = low = high = (float(past[-1]),) * len(future)
    return (
        mase(future, mean, past), smape(future, mean), coverage(future, low, high),
        msis(future, low, high, past, LEVEL),
    )  # fmt: skip


def _naive(past: Floats, future: Floats) -> tuple[float, float]:
    said = np.full(len(future), past[-1])
    return mase(future, said, past), smape(future, said)


def _named(told: tuple[float | None, ...]) -> list[str]:
    names = ("sMAPE", "MASE", "OWA")
    return [f"{name} {value:g}" for name, value in zip(names, told, strict=True) if value]


def _beside(title: str, ours: float, theirs: float) -> Figure:
    return Figure(title, f"{ours:.3f}", f"{theirs:g}", ours / theirs, 1.0)


def _read(name: str) -> dict[str, Floats]:
    with (DATA / name).open(encoding="utf-8") as lines:
        rows = list(csv.reader(lines))[1:]
    return {row[0]: np.array([float(x) for x in row[1:] if x]) for row in rows}


# -- speed ----------------------------------------------------------------------------------------


def _speed(rows: int, step: Callable[[str], None]) -> tuple[list[Figure], list[str]]:
    """Both sides in turn, so that what else runs slows both alike; an interrupt ends it early."""
    made = [_daily(seed) for seed in range(rows)]
    step("compiling")
    forecast(_daily(rows), _DAYS_AHEAD, _WEEK)
    _library(_daily(rows))
    times: list[tuple[float, float]] = []
    found: list[Forecast] = []
    try:
        for each in made:
            began = time.process_time()
            told = forecast(each, _DAYS_AHEAD, _WEEK)
            between = time.process_time()
            _library(each)
            times.append((between - began, time.process_time() - between))
            found.append(told)
            ours, theirs = np.sum(times, axis=0)
            step(f"{len(times)} of {rows} series: {ours:.0f} s over {theirs:.0f} s")
    except KeyboardInterrupt:
        step("interrupted")
    done = len(times)
    if not done:
        return [], ["nothing was measured: it was interrupted before the first series was done"]
    ours, theirs = np.sum(times, axis=0)
    again = _cached(made[:done], found)
    withheld = sum(each.withheld is not None for each in found)
    title = f"{done} series of two years daily, {_DAYS_AHEAD} days ahead with intervals"
    figures = [Figure(title, f"{ours:.0f} s", f"{theirs:.0f} s", float(ours / theirs), 1.3)]
    notes = [
        f"{done} of {SERIES} series of {_DAYS} days with a week's season: {ours / done:.2f} s a "
        f"series, statsforecast {theirs / done:.2f} s; processor time of one core, in turn",
        f"the other side: cross_validation(refit=False) of the same {len(_models())} candidates at "
        f"{ORIGINS} origins, and forecast; it neither chooses nor withholds",
        f"asked again, a series comes from the cache in {1000 * again:.1f} ms; {withheld} withheld",
    ]
    return figures, notes


def _daily(seed: int) -> Series:
    """A simulated shop: level, trend, week, and noise that remembers; some grow in proportion."""
    rng = np.random.default_rng(seed)
    time_ = np.arange(_DAYS)
    noise = np.zeros(_DAYS)
    for at in range(1, _DAYS):
        noise[at] = 0.5 * noise[at - 1] + rng.normal(0, 0.05)
    week = np.tile(rng.normal(0, 0.15, _WEEK), _DAYS // _WEEK + 1)[:_DAYS]
    values = 400 * np.exp(rng.normal(0.0003, 0.0006) * time_ + week + noise)
    return Series(f"shop{seed}", tuple(range(_DAYS)), values)


def _models() -> list[Any]:
    return [make() for make in candidates(600, _WEEK).values()]


def _library(series: Series) -> None:
    """The same candidates at the same origins by the library's own means."""
    import pandas as pd  # noqa: PLC0415 - comes with statsforecast
    from statsforecast import StatsForecast  # noqa: PLC0415

    newest = series.values[-700:]
    span = min(max(2 * _DAYS_AHEAD, _WEEK), len(newest) // 3)
    frame = pd.DataFrame({"unique_id": series.name, "ds": np.arange(len(newest)), "y": newest})
    models = _models()
    for at, model in enumerate(models):
        model.alias = f"{type(model).__name__}{at}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = StatsForecast(models=models, freq=1, n_jobs=1)
        every = max(1, round(span / (ORIGINS - 1)))
        library.cross_validation(
            df=frame, h=_DAYS_AHEAD, n_windows=ORIGINS, step_size=every, refit=False
        )
        library.forecast(df=frame, h=_DAYS_AHEAD)


def _cached(made: list[Series], found: list[Forecast]) -> float:
    """Seconds a series that was forecast before."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder))
        for each, told in zip(made, found, strict=True):
            cache.put(key_of(VERSION, each, _DAYS_AHEAD, _WEEK, NO_LIMITS, None), told)
        began = time.perf_counter()
        if forecast_all(made, _DAYS_AHEAD, _WEEK, cache=cache) != found:
            raise RuntimeError("what was kept is not what was found")
        return (time.perf_counter() - began) / len(made)
