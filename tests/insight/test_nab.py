"""The benchmark's scoring rules on series whose score is known by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench import nab

STANDARD = nab.Profile("standard", 1.0, 1.0, 0.11)
SERIES = nab.Labelled("s", np.zeros(1000), ((400, 499), (700, 799)))


def scores(*at: int) -> list[float]:
    return [float(n in at) for n in range(1000)]


def test_silence_is_nothing_and_the_first_value_of_each_window_is_all() -> None:
    assert nab.score([SERIES], [scores()], STANDARD, 0.5).score == 0
    perfect = nab.score([SERIES], [scores(400, 700)], STANDARD)
    assert perfect.score == pytest.approx(100)
    assert (perfect.found, perfect.windows, perfect.false) == (2, 2, 0)


def test_late_is_less_and_outside_costs() -> None:
    early, late = (nab.score([SERIES], [scores(at)], STANDARD).score for at in (400, 480))
    assert pytest.approx(early) == 50
    assert late < early
    far = nab.score([SERIES], [scores(400, 600)], STANDARD, 0.5).score
    near = nab.score([SERIES], [scores(400, 503)], STANDARD, 0.5).score
    assert far == pytest.approx(early - 100 * 0.11 * 0.9866 / 4, abs=0.1)
    assert far < near < early


def test_the_beginning_is_not_scored() -> None:
    assert SERIES.probation == 150
    assert nab.score([SERIES], [scores(20, 400, 700)], STANDARD, 0.5).score == pytest.approx(100)


def test_the_baseline_looks_at_the_tail_of_what_came_before() -> None:
    values = np.random.default_rng(1).normal(0, 1, 500)
    values[300] = 12.0
    told = nab.windowed_gaussian(values)
    assert int(np.argmax(told[50:])) == 250
    assert told[:1] == [0.0]
    assert all(0 <= each <= 1 for each in told)


def test_the_benchmark_is_read_as_it_lies(shared_data) -> None:  # type: ignore[no-untyped-def]  # a fixture
    folder = shared_data("anomaly")
    series = nab.labelled(folder)
    assert sum(len(one.windows) for one in series) == 30
    assert {p.name for p in nab.profiles(folder)} >= {"standard", "reward_low_FP_rate"}
