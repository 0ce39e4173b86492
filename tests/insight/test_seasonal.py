"""Series with a season: what is out of line is flagged, what always happens is not."""

from __future__ import annotations

import numpy as np
import pytest

from meterstone.insight.seasonal import DISTINCT, judge, least, newest_run

WEEK = np.array([0, 0, 0, 0, 2, -8, -10])


def weekly(seed: int, size: int = 180) -> np.ndarray:
    return 50 + WEEK[np.arange(size) % 7] + np.random.default_rng(seed).normal(0, 1, size)


def noises(kind: str, seed: int, size: int = 180) -> np.ndarray:
    random = np.random.default_rng(seed)
    if kind == "walk":
        return 50 + np.cumsum(random.normal(0, 1, size))
    if kind == "trailing":
        return np.convolve(random.normal(50, 1, size + 30), np.ones(30) / 30, "valid")[:size]
    if kind == "trend":
        return 50 + 0.1 * np.arange(size) + random.normal(0, 1, size)
    return weekly(seed, size)


def test_a_wild_day_is_flagged_with_what_was_to_be_expected() -> None:
    values = weekly(1)
    values[150] = 20.0
    found = judge(values, 7)
    assert [at for at, each in enumerate(found) if each.flagged] == [150]
    day = found[150]
    assert day.first
    assert day.score > 0.5
    assert day.expected == pytest.approx(50 + WEEK[150 % 7], abs=1.5)
    assert day.low is not None
    assert day.high is not None
    assert 20 < day.low < 50 + WEEK[150 % 7] < day.high


def test_a_calm_sunday_is_no_anomaly_but_a_sunday_like_a_monday_is() -> None:
    values = weekly(2)
    sunday = 153
    assert sunday % 7 == 6
    assert not judge(values, 7)[sunday].flagged
    values[sunday] = 51.0
    assert judge(values, 7)[sunday].flagged


def test_a_new_level_is_one_alarm() -> None:
    values = weekly(3)
    values[120:] += 30
    found = judge(values, 7)
    first = [at for at, each in enumerate(found) if each.first]
    assert first == [120]
    assert not any(each.flagged for each in found[140:]), "after a season it is the new level"


@pytest.mark.parametrize("kind", ["season", "walk", "trailing", "trend"])
def test_false_alarms_are_rare(kind: str) -> None:
    judged = [each for seed in range(6) for each in judge(noises(kind, seed), 7)]
    assert sum(each.first for each in judged) <= 1, f"of {len(judged)}"


def test_counts_are_compared_by_their_roots() -> None:
    random = np.random.default_rng(4)
    values = random.poisson(20 * (1 + 0.6 * np.sin(np.arange(180) / 7 * 2 * np.pi))).astype(float)
    values[160] = 150
    found = judge(values, 7, counts=True)
    assert [at for at, each in enumerate(found) if each.flagged] == [160]
    assert all(each.low is None or each.low >= 0 for each in found)


def test_each_value_is_judged_by_those_before_it() -> None:
    values = weekly(5)
    later = values.copy()
    later[130:] = 0
    assert judge(later, 7)[:130] == judge(values, 7)[:130]


def test_what_cannot_be_judged_is_not() -> None:
    assert judge(np.array([]), 7) == []
    assert all(each.expected is None for each in judge(weekly(6, least(7)), 7))
    states = np.tile(np.arange(DISTINCT - 1.0), 40)
    assert all(each.expected is None for each in judge(states, 7))
    steps = np.repeat(np.arange(20.0), 10)
    assert all(each.expected is None for each in judge(steps, 7)), "it stands still mostly"
    nothing = np.full(100, np.nan)
    assert all(each.expected is None for each in judge(nothing, 7))


def test_gaps_are_neither_judged_nor_learnt_from() -> None:
    values = weekly(7)
    values[::5] = np.nan
    values[150] = 20.0 if np.isnan(values[150]) else values[150]
    found = judge(values, 7)
    assert found[150].flagged
    assert all(found[at].expected is None for at in range(0, 150, 5))


def test_what_lies_before_a_long_silence_is_left_out() -> None:
    assert newest_run(np.array([1.0, 0, 0, 0, 5, 6, 0, 7]), 2) == 4
    assert newest_run(np.array([0.0, np.nan, 3, 4]), 2) == 2
    assert newest_run(np.zeros(4), 2) == 4
