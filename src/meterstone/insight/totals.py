"""One number over a time ahead: the sum of a quarter, the mean or the peak of 30 days, the state at
the end of a year. It has its own record: the same number over times of the past."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy

from meterstone.insight.cache import Cache, key_of
from meterstone.insight.forecasts import LEVEL, VERSION, Learnt, learn
from meterstone.insight.rolling import BETTER, half_widths
from meterstone.insight.scores import coverage, mean_error, pinball
from meterstone.insight.series import Floats, Series
from meterstone.insight.shape import NO_LIMITS, Holidays, Limits

Kind = Literal["sum", "mean", "peak", "end"]

_OVER: Mapping[Kind, Callable[[Floats], Floats]] = {
    "sum": lambda paths: np.asarray(paths.sum(axis=-1)),
    "mean": lambda paths: np.asarray(paths.mean(axis=-1)),
    "peak": lambda paths: np.asarray(paths.max(axis=-1)),
    "end": lambda paths: np.asarray(paths[..., -1]),
}

_TRIED = 4
"""Origins at which the number has to have come, before anything is said of it."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What would have been said in the past, and what came.

    Attributes:
        ends: the stamp of the last step that it is of, as the file writes it.
        low, high: as the errors at all other origins make them.
    """

    ends: str
    point: float
    low: float
    high: float
    naive: float
    came: float


@dataclass(frozen=True, slots=True)
class Record:
    """How good forecasts of one number were.

    Attributes:
        ratio: mean absolute error over that of naive for the same times.
        mase: mean absolute error over the usual change of the number from one such time to the next
            in the history; None where it never changed.
        pinball: mean quantile loss of both bounds, in the unit of the number.
        coverage: the share of outcomes within the interval.
    """

    count: int
    ratio: float
    mase: float | None
    pinball: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Total:
    """What is expected of one number over the time ahead.

    Attributes:
        starts, ends: the first and the last stamp of that time.
        point, low, high: None where there is a refusal.
        naive: what the season before, or the newest value, says.
        model, withheld, notes: as those of `Forecast`.
        usual: how much the number usually changes from one such time to the next.
        replays: oldest first.
        path: mean, lower and upper bound by step ahead.
    """

    starts: str
    ends: str
    point: float | None = None
    low: float | None = None
    high: float | None = None
    naive: float | None = None
    model: str = ""
    withheld: str | None = None
    notes: tuple[str, ...] = ()
    replays: tuple[Replay, ...] = ()
    path: tuple[tuple[float, float, float], ...] = ()
    usual: float = 0.0


def total(
    series: Series,
    horizon: int,
    season: int = 1,
    *,
    kind: Kind,
    steps: int | None = None,
    limits: Limits = NO_LIMITS,
    holidays: Holidays | None = None,
    cache: Cache | None = None,
) -> Total:
    """What is expected of one number over the next steps.

    The interval is Student's, of the errors of the same number at origins that do not overlap:
    these are few, and a quantile of few would be too narrow.

    Args:
        kind: the sum, the mean, the peak, or the value at the end of the steps.
        steps: of the last so many of them; None: of all.
        limits: of each value; not below zero where no value ever was.
        cache: where what follows from the same content is found, and kept.
    """
    if cache is None:
        return _asked(series, horizon, season, kind, steps or horizon, limits, holidays)
    key = key_of(f"{VERSION} total 3 {kind} {steps}", series, horizon, season, limits, holidays)
    kept = cache.get(key, Total)
    if kept is None:
        kept = _asked(series, horizon, season, kind, steps or horizon, limits, holidays)
        cache.put(key, kept)
    return kept


def _asked(
    series: Series, horizon: int, season: int, kind: Kind, steps: int, limits: Limits,
    holidays: Holidays | None,
) -> Total:  # fmt: skip
    ds = series.after(horizon)[-steps:]
    found = learn(series, horizon, season, holidays, longest=True)
    if isinstance(found, str):
        return Total(ds[0], ds[-1], withheld=found)
    known = found.shape.actual[~np.isnan(found.shape.actual)]
    if limits.least is None and known.min() >= 0:
        limits = Limits(0.0, limits.most)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of gaps
        return _total(found, ds, kind, limits)


def _total(found: Learnt, ds: list[str], kind: Kind, limits: Limits) -> Total:
    rolled, back = found.rolled, found.shape.given_back

    def over(paths: Floats) -> Floats:
        return _OVER[kind](paths[..., -len(ds) :])

    came = over(back(rolled.came))
    seen = ~np.isnan(came)
    if seen.sum() < _TRIED:
        return Total(ds[0], ds[-1], withheld=f"the past tells of {seen.sum()} such times only")
    said = over(limits.kept(back(rolled.mean(found.names))))
    naive = over(limits.kept(back(rolled.said[found.naive])))
    peak = kind == "peak"
    said = said + (_left_out(came - said) if peak else 0.0)
    naive = naive + (_left_out(came - naive) if peak else 0.0)
    errors = came - said
    apart = max(1.0, (rolled.origins[-1] - rolled.origins[0]) / found.shape.horizon) + 1
    half = _half(errors[seen], apart)
    path = limits.kept(back(found.path))
    point = float(over(path))
    if peak:  # the peak of what is expected lies below what peaks come to
        point += float(np.nanmedian(came - over(limits.kept(back(rolled.mean(found.names))))))
    within = _of_total(limits, kind, len(ds))
    low, high, point = within.kept(np.array([point - half, point + half, point])).tolist()
    withheld = found.withheld
    usual, error = mean_error(came, naive), mean_error(came, said)
    if withheld is None and not error < BETTER * usual:
        withheld = f"no better than {found.naive} for such times at {seen.sum()} origins"
    replays = []
    for at in np.flatnonzero(seen):
        others = seen & (np.arange(len(came)) != at)
        one = _half(errors[others], apart)
        told = within.kept(np.array([said[at], said[at] - one, said[at] + one]))
        stamp = _stamp(found, rolled.origins[at])
        middle, lower, upper = (float(each) for each in told)
        replays.append(Replay(stamp, middle, lower, upper, float(naive[at]), float(came[at])))
    return Total(
        ds[0], ds[-1], point, low, high, float(over(_naive(found, limits))), found.model, withheld,
        found.shape.notes, tuple(replays), _path(found, limits), _usual(found, kind, len(ds)),
    )  # fmt: skip


def _of_total(limits: Limits, kind: Kind, steps: int) -> Limits:
    """The limits of the number, of those of each value."""
    times = steps if kind == "sum" else 1
    return Limits(*(None if x is None else times * x for x in (limits.least, limits.most)))


def _half(errors: Floats, apart: float) -> float:
    """Half of the interval of a next error like these, of which so many do not overlap."""
    spread = float(np.sqrt(np.mean(errors**2)))
    quantile = float(scipy.stats.t.ppf((1 + LEVEL) / 2, df=1.5 * apart))
    return max(
        quantile * spread * math.sqrt(1 + 1 / apart), float(np.quantile(np.abs(errors), LEVEL))
    )


def _left_out(errors: Floats) -> Floats:
    """For each origin the median error at all others."""
    others = [np.nanmedian(np.delete(errors, at)) for at in range(len(errors))]
    return np.array(others)


def _naive(found: Learnt, limits: Limits) -> Floats:
    """What the better naive one says of each step ahead."""
    horizon, filled = found.shape.horizon, found.shape.filled
    if found.naive == "naive":
        path = np.full(horizon, filled[-1])
    else:
        path = np.resize(filled[-found.shape.season :], horizon)
    return limits.kept(found.shape.given_back(path))


def _path(found: Learnt, limits: Limits) -> tuple[tuple[float, float, float], ...]:
    half = half_widths(found.rolled.came - found.rolled.mean(found.names), LEVEL)
    steps = [limits.kept(found.shape.given_back(found.path + side * half)) for side in (0, -1, 1)]
    mean, low, high = (each.tolist() for each in steps)
    return tuple(zip(mean, low, high, strict=True))


def _usual(found: Learnt, kind: Kind, steps: int) -> float:
    """The mean absolute change of the number between times that follow each other: what an error is
    scaled by (MASE, Hyndman and Koehler 2006)."""
    values = found.shape.given_back(found.shape.filled)
    lag = found.shape.horizon if kind == "end" else steps
    wide = 1 if kind == "end" else steps
    if len(values) <= wide + lag:
        return 0.0
    numbers = _OVER[kind](np.lib.stride_tricks.sliding_window_view(values, wide))
    return float(np.mean(np.abs(numbers[lag:] - numbers[:-lag])))


def _stamp(found: Learnt, origin: int) -> str:
    series, size = found.shape.series, len(found.shape.actual)
    return series.written(series.stamps[-size:][origin + found.shape.horizon - 1])


def scored(told: Sequence[Replay], usual: float = 0.0) -> Record | None:
    """How good these were; None: nothing came yet.

    Args:
        usual: see `Total.usual`.
    """
    if not told:
        return None
    came = [each.came for each in told]
    low, high = [each.low for each in told], [each.high for each in told]
    naive = mean_error(came, [each.naive for each in told])
    error = mean_error(came, [each.point for each in told])
    ratio = error / naive if naive > 0 else float("inf") if error > 0 else 1.0
    return Record(
        len(told), ratio, error / usual if usual > 0 else None, pinball(came, low, high, LEVEL),
        coverage(came, low, high),
    )  # fmt: skip
