"""How good forecasts were, once what they were of has come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meterstone.insight.series import Floats

Numbers = Sequence[float] | Floats


def mase(came: Numbers, said: Numbers, history: Numbers, season: int = 1) -> float:
    """Mean absolute scaled error (Hyndman and Koehler 2006): in errors of (seasonal) naive one step
    ahead over the history; NaN where these are all zero."""
    past = np.asarray(history, dtype=float)
    usual = float(np.nanmean(np.abs(past[season:] - past[:-season])))
    return mean_error(came, said) / usual if usual > 0 else float("nan")


def mean_error(came: Numbers, said: Numbers) -> float:
    """Mean absolute error."""
    return float(np.nanmean(np.abs(np.asarray(came) - np.asarray(said))))


def smape(came: Numbers, said: Numbers) -> float:
    """Symmetric mean absolute percentage error as in M4, 0 to 200."""
    a, f = np.asarray(came, dtype=float), np.asarray(said, dtype=float)
    return float(np.nanmean(200 * np.abs(a - f) / (np.abs(a) + np.abs(f))))


def pinball(came: Numbers, low: Numbers, high: Numbers, level: float) -> float:
    """Mean quantile loss of both bounds of an interval (Koenker and Bassett 1978): what is outside
    costs, and so does width. In the unit of the values; lower is better."""
    a = np.asarray(came, dtype=float)
    tail = (1 - level) / 2
    losses = [_loss(a, np.asarray(low), tail), _loss(a, np.asarray(high), 1 - tail)]
    return float(np.nanmean(losses))


def _loss(came: Floats, bound: Floats, quantile: float) -> Floats:
    off = came - bound
    return np.asarray(np.maximum(quantile * off, (quantile - 1) * off))


def coverage(came: Numbers, low: Numbers, high: Numbers) -> float:
    """The share of outcomes that an interval held; those that are not known do not count."""
    a = np.asarray(came, dtype=float)
    seen = ~np.isnan(a)
    inside = (np.asarray(low)[seen] <= a[seen]) & (a[seen] <= np.asarray(high)[seen])
    return float(np.mean(inside))


def msis(
    came: Numbers, low: Numbers, high: Numbers, history: Numbers, level: float, season: int = 1
) -> float:
    """Mean scaled interval score of M4 (Gneiting and Raftery 2007): width, and what lies outside
    weighed by 2 / (1 - level), in errors of naive."""
    a, lo, hi = (np.asarray(each, dtype=float) for each in (came, low, high))
    outside = np.maximum(lo - a, 0) + np.maximum(a - hi, 0)
    past = np.asarray(history, dtype=float)
    usual = float(np.nanmean(np.abs(past[season:] - past[:-season])))
    return float(np.nanmean(hi - lo + 2 / (1 - level) * outside)) / usual
