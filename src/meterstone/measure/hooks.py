"""Functions for kinds that need more than a formula: forecast and finance. Each is named in the
catalogue (``hook: finance.roi``) and works on the arrays of the metric's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


HOOKS: Mapping[str, Callable[[Terms], NDArray[Any]]] = {
    "finance.roi": roi,
    "finance.payback_months": payback_months,
    "forecast.growth": forecast_growth,
    "forecast.point": forecast_point,
}
