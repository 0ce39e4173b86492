"""From a value and its interval to a verdict, by the conventions of the vocabulary.

Works on arrays of shape (moments, keys). The order of the questions is the order of honesty: is
there anything, is it still valid, is it enough, and only then: is the target met.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meterstone.catalogue import Metric, Place
from meterstone.catalogue.units import factor

Array = NDArray[Any]

COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}


@dataclass(slots=True)
class Judged:
    """What is needed to judge a metric; all arrays of shape (moments, keys).

    ``present``: rows were read. ``alive``: the collector is shown to run, or None where the metric
    names no heartbeat. ``populated``: there is something to judge, even where none of it has what
    the value needs. ``enough``: the gates of the metric hold. ``doubted``: what a met target needs
    beside the value is not so; None where it needs nothing.
    """

    value: Array
    lower: Array
    upper: Array
    sample: Array
    present: Array
    alive: Array | None
    populated: Array
    expired: Array
    enough: Array
    censored: Array
    doubted: Array | None = None


def judge(metric: Metric, place: Place, judged: Judged) -> Array:
    """Verdict words of a place, shape (moments, keys)."""
    verdict = _compare(metric, place, judged)
    if judged.doubted is not None:
        verdict = np.where(judged.doubted & (verdict == "met"), "not_met", verdict)
    enough = judged.enough & (judged.sample >= place.min_sample)
    if metric.raw.verdict_on == "reference":
        verdict = np.full(verdict.shape, "reference", dtype=object)
        enough = np.ones_like(enough)
    verdict = np.where(enough, verdict, "insufficient_data")
    verdict = np.where(judged.expired, "expired", verdict)
    return np.where(missing(metric, judged), nothing(metric, judged), verdict)


def missing(metric: Metric, judged: Judged) -> Array:
    """Where there is no value to judge: none was computed, the population is empty, or a zero has
    no heartbeat."""
    gone = _is_void(judged.value)
    if metric.raw.empty != "zero":
        gone = gone | (judged.sample <= 0)
    if judged.alive is not None and judged.value.dtype != object:
        gone = gone | ((judged.value == 0) & ~judged.alive)
    return gone


def nothing(metric: Metric, judged: Judged) -> Array:
    """The verdict where there is no value: not_applicable for an empty population that is shown to
    be empty, insufficient_data for one of which nothing can be measured, no_data otherwise."""
    shown = judged.alive if judged.alive is not None else judged.present
    known_empty = shown & (metric.raw.empty == "not_applicable")
    words = np.where(known_empty, "not_applicable", "no_data").astype(object)
    unmeasured = judged.populated & ((judged.sample <= 0) | _is_void(judged.value))
    return np.where(unmeasured, "insufficient_data", words)


def _is_void(value: Array) -> Array:
    if value.dtype == object:
        return np.array([[item is None for item in row] for row in value], dtype=bool).reshape(
            value.shape
        )
    return np.isnan(value) if value.dtype.kind == "f" else np.zeros(value.shape, dtype=bool)


def _compare(metric: Metric, place: Place, judged: Judged) -> Array:
    target = place.target
    if metric.raw.verdict_on == "state" or target.cmp == "at_least":
        return _compare_state(metric, place, judged)
    if target.cmp in ("within", "within_interval"):
        return _compare_range(metric, place, judged)
    scale = factor(metric.raw.unit, target.unit) or 1.0
    compare = COMPARE[target.cmp]
    point = compare(judged.value * scale, target.value)
    met = np.where(point, "met", "not_met").astype(object)
    if metric.raw.verdict_on != "bound":
        return np.where(judged.censored & (met == "met"), "inconclusive", met)
    worse, better = (
        (judged.upper, judged.lower) if target.cmp in ("<", "<=") else (judged.lower, judged.upper)
    )
    surely = compare(worse * scale, target.value)
    possibly = compare(better * scale, target.value)
    bounded = np.where(surely, "met", np.where(possibly, "inconclusive", "not_met"))
    unknown = np.isnan(worse) | np.isnan(better)
    return np.where(unknown, "inconclusive", bounded)


def _compare_state(metric: Metric, place: Place, judged: Judged) -> Array:
    words = [level.level for level in metric.scale]
    if place.target.cmp == "==":
        good = {place.target.value}
    else:
        good = set(words[: words.index(str(place.target.value)) + 1])
    met = np.array([[item in good for item in row] for row in judged.value], dtype=bool)
    return np.where(met.reshape(judged.value.shape), "met", "not_met").astype(object)


def _compare_range(metric: Metric, place: Place, judged: Judged) -> Array:
    """A range holds the whole interval; an interval holds the literal, and is sharp enough to."""
    target = place.target
    scale = factor(metric.raw.unit, target.unit) or 1.0
    lower, upper = judged.lower * scale, judged.upper * scale
    if target.cmp == "within":
        low, high = target.value if isinstance(target.value, list) else (np.nan, np.nan)
        verdict = np.where((lower >= low) & (upper <= high), "met", "not_met")
    else:
        wanted = float(target.value)  # type: ignore[arg-type]  # the loader checks the type
        held = np.where(_is_sharp(metric, place, judged), "met", "inconclusive")
        verdict = np.where((lower <= wanted) & (wanted <= upper), held, "not_met")
    return np.where(np.isnan(lower) | np.isnan(upper), "inconclusive", verdict).astype(object)


def _is_sharp(metric: Metric, place: Place, judged: Judged) -> Array:
    """Whether a forecast says enough to agree with anything: the half-width is at most a quarter of
    the quantity (of 1 + growth, where growth over a baseline is forecast)."""
    if metric.raw.kind != "forecast":
        return np.ones(judged.value.shape, dtype=bool)
    is_growth = place.target.baseline is not None and metric.raw.unit == "%"
    quantity = judged.value + 100 if is_growth else judged.value
    return np.asarray((judged.upper - judged.lower) / 2 <= 0.25 * np.abs(quantity))
