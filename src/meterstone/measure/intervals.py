"""Intervals: how sure a number is, always two-sided at 95 %.

All functions work on arrays (one element a moment and scope) unless they say otherwise, and return
lower and upper bound in the unit of the estimate; NaN where the method gives none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bounds = tuple[Array, Array]

Z95 = 1.959963984540054
RESAMPLES = 2_000
_FEW = 64
"""Of up to so many units the draws are kept (128 kB of them a seed)."""


def wilson(good: Array, n: Array) -> Bounds:
    """Wilson score interval of a share (0..1).

    Source: E. B. Wilson (1927), Probable inference, J. Am. Stat. Assoc. 22.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(good / n, 0.0, 1.0)
        z2 = Z95**2
        middle = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = Z95 / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
        lower = np.where(share <= 0, 0.0, middle - half)
        upper = np.where(share >= 1, 1.0, middle + half)
    empty = ~(n > 0)
    return np.where(empty, np.nan, lower), np.where(empty, np.nan, upper)


def wilson_fpc(good: Array, n: Array, population: Array) -> Bounds:
    """Wilson with the sample size corrected for a finite population: n (N-1)/(N-n)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = n * (population - 1) / (population - n)
        census = population <= n
        share = good / n
    lower, upper = wilson(share * effective, effective)
    return np.where(census, share, lower), np.where(census, share, upper)


def exact_poisson(count: Array) -> Bounds:
    """Garwood interval of a count."""
    lower = np.where(count > 0, scipy.stats.chi2.ppf(0.025, 2 * count) / 2, 0.0)
    return lower, np.asarray(scipy.stats.chi2.ppf(0.975, 2 * (count + 1)) / 2, dtype=np.float64)


def log_ratio(current: Array, base: Array, variance: Array | None = None) -> Bounds:
    """Interval of the growth in % of one quantity over another, by the delta method on the
    logarithm of their ratio.

    Args:
        variance: of that logarithm; None for two Poisson counts, where it is 1/a + 1/b.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = current / base
        spread = np.exp(Z95 * np.sqrt(1 / current + 1 / base if variance is None else variance))
        lower, upper = 100 * (ratio / spread - 1), 100 * (ratio * spread - 1)
    bad = ~((current > 0) & (base > 0))
    return np.where(bad, np.nan, lower), np.where(bad, np.nan, upper)


def order_statistic_ranks(n: float, q: float) -> tuple[int, int, int]:
    """Ranks (1-based) of the quantile q of n values, and of its 95 % bounds.

    The number of values below the quantile is binomial; the bounds are its 2.5 % and 97.5 % points.
    """
    size = max(round(n), 1)
    middle = min(max(int(np.ceil(q * size - 1e-9)), 1), size)
    lower = int(scipy.stats.binom.ppf(0.025, size, q))
    upper = int(scipy.stats.binom.ppf(0.975, size, q)) + 1
    return min(max(lower, 1), size), middle, min(max(upper, 1), size)


def seed_of(ref: str, period_end: str) -> int:
    """The fixed seed of a resampling: the same ref and period give the same interval."""
    digest = hashlib.sha256(f"{ref}|{period_end}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


@lru_cache(maxsize=16)
def _resample_counts(seed: int, size: int) -> NDArray[Any]:
    """How often each of ``size`` units is drawn in each resample, shape (RESAMPLES, size)."""
    draw = _counts_of_few if size <= _FEW else _counts
    return draw(seed, size).astype(np.float64)


@lru_cache(maxsize=512)
def _counts_of_few(seed: int, size: int) -> NDArray[Any]:
    """Kept in small: a year of days draws the same again for every kind of scope."""
    return _counts(seed, size).astype(np.uint8)


def _counts(seed: int, size: int) -> NDArray[Any]:
    draws = np.random.default_rng(seed).integers(0, size, (RESAMPLES, size))
    draws += np.arange(RESAMPLES)[:, None] * size
    return np.bincount(draws.ravel(), minlength=RESAMPLES * size).reshape(RESAMPLES, size)


def bootstrap_ratio(numerator: Array, denominator: Array, seed: int) -> tuple[float, float]:
    """BCa interval of sum(numerator) / sum(denominator), resampling units (rows, days, franchises).

    Args:
        numerator, denominator: one element a unit, shape (units,).

    Returns:
        Lower and upper bound; NaN for fewer than two units.

    Source: B. Efron (1987), Better bootstrap confidence intervals, J. Am. Stat. Assoc. 82.
    """
    size = len(numerator)
    if size < 2 or denominator.sum() <= 0:
        return float("nan"), float("nan")
    if np.array_equal(numerator, denominator):
        return 1.0, 1.0  # every resample is the same: nothing has to be drawn to know that
    counts = _resample_counts(seed, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        replicates = (counts @ numerator) / (counts @ denominator)
        left_out = (numerator.sum() - numerator) / (denominator.sum() - denominator)
    return bca(replicates, [left_out], float(numerator.sum() / denominator.sum()))


def bootstrap_mean(values: Array, seed: int) -> tuple[float, float]:
    """BCa interval of a mean over rows."""
    return bootstrap_ratio(values, np.ones_like(values), seed)


def bca(replicates: Array, left_out: Sequence[Array], estimate: float) -> tuple[float, float]:
    """Bias-corrected and accelerated 95 % interval.

    Args:
        replicates: the value in each resample.
        left_out: per stratum, the value without each of its units in turn.
        estimate: the value of all units.

    Source: B. Efron (1987), Better bootstrap confidence intervals, J. Am. Stat. Assoc. 82.
    """
    replicates = replicates[np.isfinite(replicates)]
    if len(replicates) == 0 or np.ptp(replicates) == 0:
        return estimate, estimate
    smaller, equal = (
        np.count_nonzero(replicates < estimate),
        np.count_nonzero(replicates == estimate),
    )
    below = smaller / len(replicates) + equal / len(replicates) / 2
    bias = scipy.special.ndtri(min(max(below, 1 / RESAMPLES), 1 - 1 / RESAMPLES))
    centred = np.concatenate([_centred(values) for values in left_out] or [np.zeros(1)])
    spread = float(np.sum(centred**2)) ** 1.5
    acceleration = float(np.sum(centred**3)) / (6 * spread) if spread > 0 else 0.0
    shifted = [bias + (bias + z) / (1 - acceleration * (bias + z)) for z in (-Z95, Z95)]
    ordered = np.sort(replicates)
    lower, upper = (_quantile(ordered, float(scipy.special.ndtr(place))) for place in shifted)
    return lower, upper


def _quantile(ordered: Array, q: float) -> float:
    """The quantile of sorted values, to the last digit as `numpy.quantile` has it."""
    place = q * (len(ordered) - 1)
    before = int(place)
    if before + 1 >= len(ordered):
        return float(ordered[-1])
    low, high, share = float(ordered[before]), float(ordered[before + 1]), place - before
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share


def _centred(left_out: Array) -> Array:
    known = left_out[np.isfinite(left_out)]
    return np.asarray(known.mean() - known if len(known) else np.zeros(1))


def mann_kendall(series: Array) -> tuple[float, float, tuple[float, float]]:
    """Trend of a series: one-sided p value, Theil-Sen slope a step, and its 95 % interval.

    The variance is corrected for autocorrelation after Hamed and Rao (1998), J. Hydrology 204.
    The p value is of the direction of the slope found; NaN in the series are left out.
    """
    values = series[np.isfinite(series)]
    size = len(values)
    if size < 4:
        return float("nan"), float("nan"), (float("nan"), float("nan"))
    steps = np.arange(size, dtype=np.float64)
    pairs = np.triu_indices(size, 1)
    s = float(np.sign(values[pairs[1]] - values[pairs[0]]).sum())
    _, ties = np.unique(values, return_counts=True)
    variance = (
        size * (size - 1) * (2 * size + 5) - np.sum(ties * (ties - 1) * (2 * ties + 5))
    ) / 18
    variance *= _hamed_rao(values, steps)
    slope, _, low, high = scipy.stats.theilslopes(values, steps, 0.95)
    z = (s - np.sign(s)) / np.sqrt(variance) if variance > 0 else 0.0
    return float(scipy.stats.norm.sf(abs(z))), float(slope), (float(low), float(high))


def _hamed_rao(values: Array, steps: Array) -> float:
    """Factor of the variance for the significant autocorrelations of the detrended ranks."""
    size = len(values)
    slope = scipy.stats.theilslopes(values, steps)[0]
    ranks = scipy.stats.rankdata(values - slope * steps)
    centred = ranks - ranks.mean()
    total = float(np.sum(centred**2))
    if total == 0:
        return 1.0
    factor = 1.0
    for lag in range(1, size - 2):
        r = float(np.sum(centred[lag:] * centred[:-lag])) / total
        if abs(r) > Z95 / np.sqrt(size):
            factor += (
                2 / (size * (size - 1) * (size - 2))
                * (size - lag) * (size - lag - 1) * (size - lag - 2) * r
            )  # fmt: skip
    return max(factor, 1e-6)
