"""Intervals against scipy, published figures and arithmetic by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from meterstone.measure import intervals, resample

QUICK = settings(max_examples=25, deadline=None, derandomize=True)


def one(*numbers: float) -> list[np.ndarray]:
    return [np.array([[number]], dtype=float) for number in numbers]


def bounds(pair: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    return float(pair[0][0, 0]), float(pair[1][0, 0])


# shares


@given(st.integers(1, 10**6), st.data())
@QUICK
def test_wilson_is_that_of_scipy(n: int, data: st.DataObject) -> None:
    good = data.draw(st.integers(0, n))
    expected = stats.binomtest(good, n).proportion_ci(method="wilson")
    low, high = bounds(intervals.wilson(*one(good, n)))
    assert low == pytest.approx(expected.low, abs=1e-12)
    assert high == pytest.approx(expected.high, abs=1e-12)


def test_wilson_published_example() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I: 81/263, 15/148, 0/20, 1/29
    for good, n, low, high in (
        (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):  # fmt: skip
        assert bounds(intervals.wilson(*one(good, n))) == pytest.approx((low, high), abs=5e-5)


def test_wilson_at_the_ends_and_without_a_sample() -> None:
    assert bounds(intervals.wilson(*one(0, 50)))[0] == 0.0
    assert bounds(intervals.wilson(*one(50, 50)))[1] == 1.0
    assert bounds(intervals.wilson(*one(53, 50))) == bounds(intervals.wilson(*one(50, 50)))
    assert all(np.isnan(bounds(intervals.wilson(*one(0, 0)))))


def test_finite_population() -> None:
    # n (N − 1) / (N − n) = 100 × 199 / 100 = 199
    low, high = bounds(intervals.wilson_fpc(*one(80, 100, 200)))
    assert (low, high) == pytest.approx(bounds(intervals.wilson(*one(0.8 * 199, 199))))
    assert bounds(intervals.wilson_fpc(*one(80, 100, 100))) == (0.8, 0.8), "a census is exact"
    wide = bounds(intervals.wilson_fpc(*one(80, 100, 10**9)))
    assert wide == pytest.approx(bounds(intervals.wilson(*one(80, 100))), abs=1e-8)


# counts


def test_garwood() -> None:
    # Garwood (1936), Biometrika 28: 95 % limits of a Poisson mean
    for count, low, high in ((0, 0, 3.6889), (1, 0.0253, 5.5716), (5, 1.6235, 11.6683),
                             (10, 4.7954, 18.3904), (50, 37.1110, 65.9188)):  # fmt: skip
        assert bounds(intervals.exact_poisson(*one(count))) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 500))
@QUICK
def test_garwood_leaves_two_and_a_half_percent_on_each_side(count: int) -> None:
    low, high = bounds(intervals.exact_poisson(*one(count)))
    assert stats.poisson.sf(count - 1, low) == pytest.approx(0.025)
    assert stats.poisson.cdf(count, high) == pytest.approx(0.025)


def test_growth_of_a_count() -> None:
    # log(140/100) ± 1.96 √(1/140 + 1/100) = 0.33647 ± 0.25662
    low, high = bounds(intervals.log_ratio(*one(140, 100)))
    assert (low, high) == pytest.approx(
        (100 * math.exp(0.336472 - 0.256616) - 100, 100 * math.exp(0.336472 + 0.256616) - 100),
        abs=1e-3,
    )
    assert all(np.isnan(bounds(intervals.log_ratio(*one(0, 100)))))
    assert all(np.isnan(bounds(intervals.log_ratio(*one(5, 0)))))


# quantiles


@pytest.mark.parametrize(
    ("n", "q", "ranks"),
    [
        (1000, 0.95, (936, 950, 964)),
        (100, 0.5, (40, 50, 61)),
        (20, 0.95, (17, 19, 20)),
        (1, 0.95, (1, 1, 1)),
        (7, 1.0, (7, 7, 7)),
        (10, 0.05, (1, 1, 3)),
        (0, 0.5, (1, 1, 1)),
        (40, 0.95, (35, 38, 40)),
    ],
)
def test_ranks_of_a_quantile(n: int, q: float, ranks: tuple[int, int, int]) -> None:
    assert intervals.order_statistic_ranks(n, q) == ranks


@given(st.integers(200, 5000), st.sampled_from([0.5, 0.9, 0.95]))
@QUICK
def test_ranks_cover_95_percent(n: int, q: float) -> None:
    low, middle, high = intervals.order_statistic_ranks(n, q)
    assert low <= middle <= high
    # P(low ≤ number of values up to the quantile < high)
    covered = stats.binom.cdf(high - 1, n, q) - stats.binom.cdf(low - 1, n, q)
    assert 0.945 < covered < 0.985
    assert middle == math.ceil(round(q * n, 6))


# resampling


def test_seed_is_fixed_by_ref_and_period() -> None:
    seed = intervals.seed_of("a.b", "2026-03-31T00:00:00Z")
    assert seed == intervals.seed_of("a.b", "2026-03-31T00:00:00Z")
    assert seed != intervals.seed_of("a.b", "2026-04-01T00:00:00Z")
    assert seed != intervals.seed_of("a.c", "2026-03-31T00:00:00Z")
    assert 0 <= seed < 2**64


@pytest.mark.parametrize("kind", ["normal", "lognormal", "exponential"])
def test_bca_of_a_mean_is_that_of_scipy(kind: str) -> None:
    random = np.random.default_rng(7)
    values = getattr(random, kind)(size=60)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    low, high = intervals.bootstrap_mean(values, 42)
    width = expected.high - expected.low
    assert low == pytest.approx(expected.low, abs=0.06 * width)
    assert high == pytest.approx(expected.high, abs=0.06 * width)
    assert low < values.mean() < high


def test_quantiles_of_resamples_are_those_of_numpy_to_the_last_digit() -> None:
    random = np.random.default_rng(3)
    for size in (1, 2, 7, 2_000):
        values = np.sort(random.lognormal(size=size))
        for q in (0.0, 1e-9, 0.025, 0.5, 0.975, 1 - 1e-16, 1.0, *random.random(50).tolist()):
            assert intervals._quantile(values, q) == np.quantile(values, q), (size, q)


def test_bca_of_a_ratio_is_that_of_scipy() -> None:
    random = np.random.default_rng(3)
    below = random.integers(1_000, 1_500, 30).astype(float)
    above = below - random.poisson(3, 30)

    def ratio(index: np.ndarray) -> float:
        return float(above[index].sum() / below[index].sum())

    expected = stats.bootstrap(
        (np.arange(30),), ratio, n_resamples=5_000, method="BCa", vectorized=False,
        rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    low, high = intervals.bootstrap_ratio(above, below, 42)
    width = expected.high - expected.low
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.08 * width)


def test_bca_covers_the_mean() -> None:
    random = np.random.default_rng(11)
    hits = 0
    for n in range(120):
        low, high = intervals.bootstrap_mean(random.exponential(size=40), n)
        hits += low <= 1 <= high
    assert hits / 120 > 0.88


def test_bootstrap_of_little() -> None:
    assert all(np.isnan(intervals.bootstrap_mean(np.array([5.0]), 1)))
    assert all(np.isnan(intervals.bootstrap_mean(np.array([]), 1)))
    assert all(np.isnan(intervals.bootstrap_ratio(np.zeros(3), np.zeros(3), 1)))
    assert intervals.bootstrap_mean(np.array([5.0, 5.0, 5.0]), 1) == (5.0, 5.0)
    low, high = intervals.bootstrap_ratio(np.array([1.0, 0.0]), np.array([1.0, 0.0]), 1)
    assert (low, high) == (1.0, 1.0), "resamples without any denominator are left out"


def test_bootstrap_does_not_depend_on_what_was_resampled_before() -> None:
    values = np.arange(20.0)
    first = intervals.bootstrap_mean(values, 5)
    intervals.bootstrap_mean(np.arange(33.0), 5)
    assert intervals.bootstrap_mean(values, 5) == first
    assert intervals.bootstrap_mean(values, 6) != first


# trend


def test_trend_of_a_straight_line() -> None:
    # S = 45 of 10 values, variance 10 × 9 × 25 / 18 = 125, z = 44 / √125 = 3.9355
    p, slope, interval = intervals.mann_kendall(np.arange(10.0) * 2 + 7)
    assert p == pytest.approx(stats.norm.sf(44 / math.sqrt(125)))
    assert (slope, interval) == (2.0, (2.0, 2.0))
    falling, slope, _ = intervals.mann_kendall(-np.arange(10.0))
    assert (falling, slope) == (p, -1.0)


def inflation(values: np.ndarray) -> float:
    """Hamed and Rao (1998), equation 10: over the significant autocorrelations of the ranks."""
    n = len(values)
    ranks = stats.rankdata(values - stats.theilslopes(values, np.arange(n)).slope * np.arange(n))
    ranks = ranks - ranks.mean()
    total = 0.0
    for lag in range(1, n):
        r = float((ranks[lag:] * ranks[:-lag]).sum() / (ranks**2).sum())
        if abs(r) > 1.959964 / math.sqrt(n):
            total += (n - lag) * (n - lag - 1) * (n - lag - 2) * r
    return 1 + 2 * total / (n * (n - 1) * (n - 2))


def test_trend_with_ties_and_gaps() -> None:
    series = np.array([1, 2, 2, 3, 3, 3, 5, 4, np.nan, 6, 7.0])
    values = series[np.isfinite(series)]
    # 45 pairs: 4 are ties, one falls, so S = 40 − 1; (10·9·25 − 2·1·9 − 3·2·11) / 18 = 120.33
    z = 38 / math.sqrt(2166 / 18 * inflation(values))
    p, slope, (low, high) = intervals.mann_kendall(series)
    assert p == pytest.approx(stats.norm.sf(z))
    expected = stats.theilslopes(values, np.arange(10), 0.95)
    assert (slope, low, high) == pytest.approx(
        (expected.slope, expected.low_slope, expected.high_slope)
    )


@pytest.mark.parametrize("seed", range(4))
def test_trend_corrects_for_autocorrelation(seed: int) -> None:
    random = np.random.default_rng(seed)
    walk = np.zeros(80)
    for n in range(1, 80):
        walk[n] = 0.8 * walk[n - 1] + random.normal()
    s = sum(np.sign(walk[j] - walk[i]) for i in range(80) for j in range(i + 1, 80))
    z = (abs(s) - 1) / math.sqrt(80 * 79 * 165 / 18 * inflation(walk))
    assert inflation(walk) != 1
    assert intervals.mann_kendall(walk)[0] == pytest.approx(stats.norm.sf(z))


def test_no_trend_of_few_or_equal_values() -> None:
    assert np.isnan(intervals.mann_kendall(np.arange(3.0))[0])
    p, slope, _ = intervals.mann_kendall(np.ones(12))
    assert (p, slope) == (0.5, 0.0)


def test_a_median_over_units_without_a_value() -> None:
    # two windows have other days: each value belongs to some of the drawn units only
    values = np.array([1.0, 2.0, 9.0])
    median = resample.Quantiles(values, np.array([0, 1, 2]), 0.5, units=5)
    assert median.left_out().tolist() == [2.0, 1.0, 1.0, 2.0, 2.0]
    sums = resample.Sums(np.array([1.0, 1, 1, 4, 6]))
    low, high = resample.bounds(
        lambda terms: terms["median"] / terms["sums"],
        {}, [(5, {"median": median, "sums": sums})], {}, 7,
    )  # fmt: skip
    assert 0 < low <= 0.2 <= high
