"""Trends: does a series of results rise or fall (Mann-Kendall).

The steps are those of the window (days, months, quarters), or the times of a fact's newest rows
(waves). The series is the first input, or the trend's own value.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import scipy

from meterstone.catalogue import Catalogue, Metric, parse_window
from meterstone.catalogue.units import factor
from meterstone.measure.days import day_end, last_closed_day
from meterstone.measure.history import History
from meterstone.measure.intervals import mann_kendall
from meterstone.measure.periods import period_ends
from meterstone.measure.results import Scope, Value
from meterstone.measure.truth import Truth
from meterstone.measure.verdict import COMPARE


class Trends:
    """Tests the trends of a catalogue at one moment."""

    def __init__(self, catalogue: Catalogue, history: History, at: datetime) -> None:
        self._catalogue = catalogue
        self._history = history
        self._at = at
        self._zone = ZoneInfo(catalogue.time_zone)

    def state(
        self, metric: Metric, scope: Scope
    ) -> tuple[Value, int, tuple[float, float] | None, dict[str, Value]]:
        """State, steps with a value, interval of the slope, and what stands behind it; no state
        without any value."""
        moments = self._moments(metric)
        series = self._series(metric, scope, moments)
        known = series[np.isfinite(series)]
        if len(known) == 0:
            return None, 0, None, {}
        p, slope, interval = _trend_of(series)
        middle = float(np.median(known))
        moved = (slope or 0.0) * (len(moments) - 1)
        change = 100 * moved / abs(middle) if middle else 0.0
        clear = p is not None and p < 0.05
        terms = {
            "falling": float(clear and (slope or 0) < 0),
            "rising": float(clear and (slope or 0) > 0),
            "change": change,
            "difference": moved,
            "on_target": float(self._always_met(metric, scope, moments, known)),
        }
        arrays = {name: np.array(value) for name, value in terms.items()}
        state = next(
            (lv.level for lv in metric.scale if lv.when is None or bool(lv.when(arrays) > 0)), None
        )
        unit = self._step(metric)
        parts: dict[str, Value] = {
            "change_percent": change, f"slope_per_{unit}": slope, "p_value": p,
        }  # fmt: skip
        return state, len(known), interval, parts

    def _step(self, metric: Metric) -> str:
        if metric.raw.steps:
            return "step"
        window = parse_window(metric.raw.window)
        return window.unit if window.unit in ("month", "quarter") else "day"

    def _moments(self, metric: Metric) -> list[datetime]:
        steps = metric.raw.steps
        if steps:
            return self._history.times(steps.fact, steps.where, steps.same, steps.last, self._at)
        window = parse_window(metric.raw.window)
        if window.unit in ("month", "quarter"):
            return list(period_ends(window.unit, window.count, self._at, self._zone))
        opens, closes = window.bounds(self._at, self._zone)
        newest = last_closed_day(self._at, self._zone)
        count = (closes - opens).days
        return [day_end(newest - timedelta(days=n), self._zone) for n in reversed(range(count))]

    def _series(self, metric: Metric, scope: Scope, moments: Sequence[datetime]) -> Any:
        if metric.value is not None:
            found = self._history.terms(metric, scope, moments)
            return np.array([terms["value"][0] for terms in found], dtype=float)
        values = self._history.series(metric.raw.inputs[0], scope, moments)
        return np.array([np.nan if v is None else v for v in values], dtype=float)

    def _always_met(
        self, metric: Metric, scope: Scope, moments: Sequence[datetime], known: Any
    ) -> bool:
        """Whether the input was on the right side of its target at every step that has a value."""
        if not metric.raw.inputs:
            return False
        input_ = metric.raw.inputs[0]
        if metric.value is not None:
            values = self._history.series(input_, scope, moments)
            known = np.array([v for v in values if v is not None], dtype=float)
        raw = self._catalogue.metrics[input_].raw
        compare = COMPARE.get(raw.target.cmp)
        if compare is None or not len(known):
            return False
        scale = factor(raw.unit, raw.target.unit) or 1.0
        return bool(np.all(compare(known * scale, raw.target.value)))


def counted(words: Sequence[Truth]) -> dict[str, float]:
    """In how many periods a rule held, whether in the newest, and in how many it was decided."""
    good = [word in ("yes", "restart") for word in words]
    known = sum(word in ("yes", "no", "restart") for word in words)
    return {"": float(sum(good)), "_now": float(good[-1]), "_known": float(known)}


def _trend_of(
    series: Any,
) -> tuple[float | None, float | None, tuple[float, float] | None]:
    """One-sided p value, Theil-Sen slope a step and its interval; None for too few steps.

    The slope counts the steps without a value, which the test leaves out.
    """
    p, _, _ = mann_kendall(series)
    if np.isnan(p):
        return None, None, None
    steps = np.flatnonzero(np.isfinite(series))
    slope, _, low, high = scipy.stats.theilslopes(series[steps], steps, 0.95)
    return p, float(slope), (float(low), float(high))
