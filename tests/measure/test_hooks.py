"""The four functions that a formula cannot express, in worked numbers."""

from __future__ import annotations

import numpy as np

from meterstone.measure.hooks import HOOK_BOUNDS, HOOKS


def call(hook: str, **terms: float) -> float:
    arrays = {name: np.array([[value]], dtype=float) for name, value in terms.items()}
    return float(HOOKS[hook](arrays)[0, 0])


def test_roi_of_the_framework() -> None:
    given = {"benefits": 1_550_000, "operating": 138_000, "investment": 315_000}
    assert round(call("finance.roi", **given), 2) == 242.16
    assert call("finance.roi", benefits=50, operating=40, investment=60) == -50.0
    assert np.isnan(call("finance.roi", benefits=5, operating=0, investment=0))


def test_payback() -> None:
    given = {"benefits": 1_550_000, "operating": 138_000, "investment": 315_000}
    assert round(call("finance.payback_months", **given), 2) == 2.68
    assert np.isnan(call("finance.payback_months", benefits=1, operating=1, investment=5))
    assert np.isnan(call("finance.payback_months", benefits=1, operating=2, investment=5))


def test_forecast() -> None:
    assert round(call("forecast.growth", point=115, observed=100), 9) == 15.0
    assert np.isnan(call("forecast.growth", point=115, observed=0))
    assert call("forecast.point", point=8_000) == 8_000.0


def test_one_count_in_six_months_has_no_upper_bound() -> None:
    counts = {f"month_{n}": np.array([[0.0 if n < 6 else 1.0]]) for n in range(1, 7)}
    lower, upper = HOOK_BOUNDS["growth.poisson_slope"](counts)
    assert lower[0, 0] < 0
    assert np.isnan(upper[0, 0])
