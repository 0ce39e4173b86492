"""Functions for kinds that need more than a formula: forecast, finance, a regression. Each is named
in the catalogue (``hook: finance.roi``) and works on the arrays of the metric's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meterstone.measure.intervals import Z95

Terms = Mapping[str, NDArray[Any]]


def roi(terms: Terms) -> NDArray[Any]:
    """Return on investment of the first year in %.

    100 × (benefits − operating costs − investment) / (investment + operating costs), from the terms
    ``benefits``, ``operating`` and ``investment`` in one currency. With the framework's own figures
    (1,550,000; 138,000; 315,000) that is 242.16 %.
    """
    cost = terms["investment"] + terms["operating"]
    with np.errstate(divide="ignore", invalid="ignore"):
        result = 100 * (terms["benefits"] - cost) / cost
    return np.where(cost > 0, result, np.nan)


def payback_months(terms: Terms) -> NDArray[Any]:
    """Months until the yearly net benefit has paid for the investment; NaN when it never does."""
    net = terms["benefits"] - terms["operating"]
    with np.errstate(divide="ignore", invalid="ignore"):
        months = 12 * terms["investment"] / net
    return np.where(net > 0, months, np.nan)


def forecast_growth(terms: Terms) -> NDArray[Any]:
    """Growth in % of the newest issued forecast (``point``) over what is ``observed``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = 100 * (terms["point"] / terms["observed"] - 1)
    return np.where(terms["observed"] > 0, growth, np.nan)


def forecast_point(terms: Terms) -> NDArray[Any]:
    """The newest issued forecast itself (term ``point``)."""
    return np.asarray(terms["point"], dtype=float)


def poisson_slope(terms: Terms) -> NDArray[Any]:
    """Growth in % a month, 100 × (exp(b) − 1), of monthly counts.

    b is the slope of a Poisson log-linear regression over the terms ``month_1`` (the oldest),
    ``month_2`` …; NaN without any count.
    """
    slope, _ = _poisson_fit(terms)
    return np.asarray(100 * np.expm1(slope))


def poisson_slope_bounds(terms: Terms) -> tuple[NDArray[Any], NDArray[Any]]:
    """The 95 % interval of `poisson_slope`, by the Fisher information of b; NaN for a bound that is
    beyond all numbers: counts so few say nothing."""
    slope, error = _poisson_fit(terms)
    with np.errstate(over="ignore"):
        bounds = [100 * np.expm1(slope + side * Z95 * error) for side in (-1, 1)]
    lower, upper = (np.where(np.isfinite(bound), bound, np.nan) for bound in bounds)
    return lower, upper


def _poisson_fit(terms: Terms) -> tuple[NDArray[Any], NDArray[Any]]:
    """Slope and its standard error, by Newton's method on the slope alone: given it, the level that
    makes the expected total the observed one is known."""
    names = sorted((n for n in terms if n.startswith("month_")), key=lambda n: int(n[6:]))
    counts = np.stack([np.asarray(terms[name], dtype=float) for name in names], axis=-1)
    steps = np.arange(len(names)) - (len(names) - 1) / 2
    total = counts.sum(axis=-1)
    slope = np.zeros_like(total)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(50):
            weights = np.exp(np.clip(slope[..., None] * steps, -50, 50))
            shares = weights / weights.sum(axis=-1, keepdims=True)
            middle = (shares * steps).sum(axis=-1)
            spread = (shares * steps**2).sum(axis=-1) - middle**2
            slope = slope + ((counts * steps).sum(axis=-1) / total - middle) / spread
            slope = np.clip(slope, -20, 20)
        error = 1 / np.sqrt(total * spread)
    known = total > 0
    return np.where(known, slope, np.nan), np.where(known, error, np.nan)


HOOKS: Mapping[str, Callable[[Terms], NDArray[Any]]] = {
    "finance.roi": roi,
    "finance.payback_months": payback_months,
    "forecast.growth": forecast_growth,
    "forecast.point": forecast_point,
    "growth.poisson_slope": poisson_slope,
}

HOOK_BOUNDS: Mapping[str, Callable[[Terms], tuple[NDArray[Any], NDArray[Any]]]] = {
    "growth.poisson_slope": poisson_slope_bounds,
}
"""The 95 % interval of a hook that has one of its own; others follow their `uncertainty`."""
