"""The scalability law against published fits, and what is concluded from it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from meterstone.insight.capacity import Fitted, Law, Level, fit, reach

SDM91 = {1: 64.9, 18: 995.9, 36: 1652.4, 72: 1853.2, 108: 1828.9, 144: 1775.0, 216: 1702.2}
"""SPEC SDM benchmark of 1991: virtual users and throughput (Gunther 2007; R package usl)."""


def levels(of: dict[int, float]) -> list[Level]:
    return [Level(users, rate) for users, rate in of.items()]


def fitted(of: list[Level], seed: int = 0) -> Fitted:
    found = fit(of, seed)
    assert isinstance(found, Fitted), found
    return found


def noisy(law: Law, users: list[int], seed: int, spread: float = 0.02) -> list[Level]:
    random = np.random.default_rng(seed)
    return [Level(n, law.at(n) * (1 + random.normal(0, spread))) for n in users]


def test_the_published_fit_of_the_published_data() -> None:
    """Published: λ 89.995, σ 0.0277, κ 0.000104, most at 96.5 users, by least absolute errors of
    throughput; relative ones, as load tests have them, give the first level more weight."""
    found = fitted(levels(SDM91))
    published = Law(89.995, 0.027728, 0.00010437)
    assert published.peak == pytest.approx(96.5, abs=0.1)
    of: Callable[[Law], float]
    for of in (lambda law: law.peak, lambda law: law.most, lambda law: law.coherency):
        interval = found.interval(of)
        assert interval.low <= of(published) <= interval.high
        assert interval.value == pytest.approx(of(published), rel=0.12)
    assert found.law.peak == pytest.approx(92.5, abs=0.1), "as the linear fit has one solution"


def test_exact_levels_give_their_law() -> None:
    found = fitted(
        levels({1: 1, 2: 1.8868, 4: 3.0769, 6: 3.5294, 8: 3.5398, 10: 3.3557})
    )  # the R package's own test: 0.02, 0.02, 1
    assert (found.law.contention, found.law.coherency, found.law.rate) == pytest.approx(
        (0.02, 0.02, 1.0), abs=2e-4
    )
    assert found.law.peak == pytest.approx(7.0, abs=0.02)
    peak = found.interval(lambda law: law.peak)
    assert peak.low <= 7.0 <= peak.high
    assert peak.high - peak.low < 0.1, "levels without noise leave nothing open"


def test_the_same_levels_give_the_same_interval_and_noise_a_wider_one() -> None:
    law = Law(0.2, 0.0, 4e-8)
    users = [500, 1000, 2000, 4000, 6000, 8000]
    calm, wild = (noisy(law, users, 3, spread) for spread in (0.005, 0.05))
    assert fitted(calm).draws == fitted(list(reversed(calm))).draws
    widths = []
    for each in (calm, wild):
        found = fitted(each).interval(lambda law: law.most)
        widths.append(found.high - found.low)
    assert widths[0] < widths[1]


def test_a_straight_line_has_no_limit_and_says_so() -> None:
    found = fitted([Level(n, 0.2 * n) for n in (100, 200, 400, 800)])
    assert found.withheld is not None
    assert "not yet in sight" in found.withheld


def test_levels_that_follow_no_law_are_refused() -> None:
    found = fitted(levels({100: 20, 200: 90, 400: 15, 800: 220, 900: 30}))
    assert found.withheld is not None
    assert "off by" in found.withheld


@pytest.mark.parametrize("few", [{}, {1: 5.0}, {10: 1.0, 20: 2.0, 30: 3.0}, {0: 1.0, -5: 2.0}])
def test_too_few_levels_are_refused(few: dict[int, float]) -> None:
    found = fit(levels(few))
    assert isinstance(found, str)
    assert "at least 4" in found


def test_nothing_is_answered_at_a_level_that_collapsed() -> None:
    found = fit([*levels({100: 20, 200: 38, 400: 60, 800: 70}), Level(1600, 0.0)])
    assert isinstance(found, Fitted)
    assert len(found.levels) == 4


def test_resources_needed() -> None:
    free = Law(1.0, 0.0, 0.0)
    assert free.needed(3000, 1000) == pytest.approx(3.0), "nothing is shared: a straight line"
    assert free.needed(500, 1000) == pytest.approx(0.5)
    shared = Law(1.0, 1e-4, 1e-8)
    needed = shared.needed(2000, 1000)
    assert needed > 2.0
    # the m found gives what was wanted: m units, each with its 1,000 users, against one
    assert shared.at(needed * 1000) / shared.at(1000) == pytest.approx(2.0, rel=2e-3)
    assert math.isinf(shared.needed(20_000, 1000)), "more than the law allows with anything"
    assert shared.most == pytest.approx(shared.at(shared.peak))
    assert Law(1.0, 0.01, 0.0).most == pytest.approx(100.0)
    assert math.isinf(free.most)


def test_when_a_limit_is_reached() -> None:
    found = reach(80, [82, 86, 90, 94], [78, 80, 82, 84], [86, 92, 98, 104], 88.0)
    assert found.expected == pytest.approx(2.5)
    assert found.earliest == pytest.approx(1 + 2 / 6)
    assert found.latest is None
    assert reach(90, [1], [1], [1], 88.0).expected == 0
    assert reach(1, [1, 1], [1, 1], [1, 1], 88.0).earliest is None
