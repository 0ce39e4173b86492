"""Anomalies: what never happened is flagged once, what always happens never."""

from __future__ import annotations

import numpy as np

from meterstone.insight.anomalies import LEAST, Detector, anomalies, probation


def noise(seed: int, size: int = 1200) -> np.ndarray:
    time = np.arange(size)
    return 50 + 10 * np.sin(2 * np.pi * time / 48) + np.random.default_rng(seed).normal(0, 1, size)


def test_a_disturbance_is_flagged_soon_and_once() -> None:
    values = noise(1)
    values[800:830] += 40
    flagged = [at for at, found in enumerate(anomalies(values)) if found.flagged]
    near = [at for at in flagged if 800 <= at < 870]
    assert 1 <= len(near) <= 2, "once, and once more when it is over"
    assert near[0] <= 806
    assert len(flagged) <= 4


def test_a_season_that_stops_is_seen_although_no_value_is_odd() -> None:
    values = noise(2)
    values[900:1000] = 50 + np.random.default_rng(9).normal(0, 1, 100)
    assert any(found.flagged for found in anomalies(values)[900:1000])


def test_calm_series_alarm_seldom() -> None:
    false = sum(f.flagged for seed in range(5) for f in anomalies(noise(seed + 10)))
    assert false <= 10, "of 5,100 values that are judged"


def test_scores_are_of_the_past_alone() -> None:
    values = noise(3)
    whole = anomalies(values)
    assert anomalies(values[:700]) == whole[:700][: len(values[:700])] or probation(700) != (
        probation(len(values))
    )
    later = values.copy()
    later[1000:] = 0
    assert anomalies(later)[:1000] == whole[:1000]


def test_nothing_is_known_of_short_constant_or_empty_series() -> None:
    assert not any(found.score for found in anomalies(np.array([1.0, 99.0, 1.0])))
    assert not any(found.flagged for found in anomalies(np.full(400, 7.0)))
    assert anomalies(np.array([])) == []
    gaps = noise(4)
    gaps[::7] = np.nan
    assert len(anomalies(gaps)) == len(gaps)


def test_a_missing_value_is_never_flagged() -> None:
    """Read as a repeat, a gap was a stretch that never was; what comes after it may be one."""
    values = noise(1)
    values[800:830] = np.nan
    found = anomalies(values)
    assert not any(each.score or each.flagged or each.judged for each in found[800:830])


def test_what_is_not_judged_says_so() -> None:
    values = noise(1)
    values[800:830] += 40
    found = anomalies(values)
    assert not any(each.judged for each in found[: probation(len(values))])
    first = next(at for at, each in enumerate(found) if each.flagged)
    assert not any(each.judged for each in found[first + 1 : first + 30]), "quiet"


def test_value_by_value_is_the_same_as_all_at_once() -> None:
    values = noise(5, 2000)
    values[1500:1520] += 40
    detector = Detector(probation(len(values)))
    assert [detector.push(float(value)) for value in values] == anomalies(values)
    small = Detector(LEAST)  # what it remembers is moved many times over
    flagged = [at for at, value in enumerate(values) if small.push(float(value)).flagged]
    assert any(1500 <= at <= 1525 for at in flagged)


def test_nothing_is_judged_before_the_first_known_value() -> None:
    detector = Detector(LEAST)
    assert not any(detector.push(float("nan")).score for _ in range(300))
