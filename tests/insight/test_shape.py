"""What a series is stripped of and gets back: holidays, growth, new levels; and bad input, which
makes a refusal or a wider interval, never a confident wrong number."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterstone.insight.calendars import of_united_states
from meterstone.insight.forecasts import Forecast, forecast
from meterstone.insight.series import Floats, Series
from meterstone.insight.shape import Limits, shape

rng = np.random.default_rng


def series(values: object) -> Series:
    told = np.asarray(values, dtype=float)
    return Series("s", tuple(range(1, len(told) + 1)), told)


def daily(values: Floats, first: date) -> Series:
    start = datetime(first.year, first.month, first.day)  # noqa: DTZ001 - as files write days
    return Series(
        "s", tuple(start + timedelta(days=n) for n in range(len(values))), values, whole_days=True
    )


def weekly(seed: int, size: int) -> Floats:
    wave = 20 * np.sin(2 * np.pi * np.arange(size) / 7)
    return np.asarray(200 + wave + rng(seed).normal(0, 4, size))


def told(found: Forecast) -> tuple[Floats, Floats, Floats]:
    assert found.mean is not None
    assert found.low is not None
    assert found.high is not None
    return np.array(found.mean), np.array(found.low), np.array(found.high)


@pytest.mark.parametrize("ago", [12, 40])
def test_a_new_level_is_found_and_neither_withholds_nor_widens(ago: int) -> None:
    values = weekly(1, 140)
    values[-7 - ago :] -= 80
    mean, low, high = told(found := forecast(series(values[:-7]), 7, 7))
    assert found.withheld is None
    assert found.notes
    assert found.notes[0].startswith("a new level (-")
    assert np.abs(mean - values[-7:]).mean() < 8
    assert (high - low).mean() < 45, "of the noise and not of the step"


def test_a_random_walk_and_a_trend_have_no_new_level() -> None:
    steps = 0
    for seed in range(40):
        walk = np.cumsum(rng(seed).normal(0, 1, 150))
        steps += len(shape(series(walk), walk, 1, 5).steps)
    assert steps <= 1
    line = 3.0 * np.arange(150) + rng(1).normal(0, 1, 150)
    assert shape(series(line), line, 7, 5).steps == ()


def test_growth_in_proportion_is_learnt_as_such() -> None:
    months = np.arange(72)
    noise = rng(3).normal(0, 0.03, 72)
    values = 1000 * 1.03**months * (1 + 0.15 * np.sin(2 * np.pi * months / 12)) * np.exp(noise)
    mean, low, high = told(found := forecast(series(values[:60]), 12, 12))
    assert any("growth in proportion" in note for note in found.notes)
    assert np.abs(mean / values[60:] - 1).mean() < 0.15
    assert ((low <= values[60:]) & (values[60:] <= high)).mean() > 0.9
    assert (high - mean)[-1] > (mean - low)[-1], "more room above than below"


def test_a_day_off_that_comes_again_is_expected() -> None:
    first = date(2025, 1, 6)
    values = weekly(2, 205)
    off = {date(2025, month, 1): "closed on the first" for month in range(2, 10)}
    for day in off:
        if (day - first).days < 205:
            values[(day - first).days] = 20.0
    past = daily(values[: (date(2025, 7, 29) - first).days], first)
    plain, known = forecast(past, 7, 7), forecast(past, 7, 7, holidays=off)
    mean, low, _ = told(known)
    at = known.ds.index("2025-08-01")
    assert mean[at] < 60
    assert told(plain)[0][at] > 150
    assert low[at] >= 0
    assert np.allclose(np.delete(mean, at), np.delete(told(plain)[0], at), rtol=0.15)


def test_federal_holidays_of_the_united_states_are_known() -> None:
    days = of_united_states(date(2026, 11, 1), date(2027, 1, 2))
    assert days[date(2026, 11, 26)] == "Thanksgiving Day"
    assert sorted(days)[0] == date(2026, 11, 11)
    assert date(2027, 1, 1) in days


def test_limits_are_kept() -> None:
    share = np.clip(99 + rng(4).normal(0, 1, 90), None, 100)
    mean, low, high = told(forecast(series(share), 14, limits=Limits(98.9, 100)))
    assert max(mean.max(), low.max(), high.max()) <= 100
    assert min(mean.min(), low.min(), high.min()) >= 98.9


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_bad_input_is_refused_or_answered_with_room(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 40))
    values = data.draw(
        st.lists(
            st.one_of(
                st.floats(-1e12, 1e12), st.just(0.0), st.just(np.nan), st.integers(-3, 3).map(float)
            ),
            min_size=max(size, 1), max_size=max(size, 1),
        )
    )  # fmt: skip
    horizon, season = data.draw(st.integers(1, 5)), data.draw(st.sampled_from([1, 4, 7]))
    found = forecast(series(values), horizon, season)
    if found.mean is None:
        assert found.withheld
        assert found.low is found.high is None
        return
    mean, low, high = told(found)
    assert np.isfinite([mean, low, high]).all()
    assert (low <= mean).all()
    assert (mean <= high).all()
    assert (high > low).any(), "never certain"
    assert found.withheld or found.skill


@pytest.mark.parametrize("seed", range(2))
def test_one_wild_value_anywhere_moves_little_or_widens(seed: int) -> None:
    calm = weekly(seed, 90)
    at = int(rng(seed).integers(20, 90))
    wild = calm.copy()
    wild[at] = 1e6
    mean, low, high = told(forecast(series(wild), 7, 7))
    truth = told(forecast(series(calm), 7, 7))[0]
    assert ((low <= truth) & (truth <= high)).all()
    assert np.allclose(mean, truth, rtol=0.15) or (high - low).min() > 1000


def but(values: object, **other: float) -> Floats:
    """Values but for some, by their running number."""
    changed = np.array(values, dtype=float)
    for number, value in other.items():
        changed[int(number[1:]) - 1] = value
    return changed


FEW_OTHERS: dict[str, tuple[Floats, str]] = {
    "one in the middle": (but([5] * 60, n31=1000), "constant but for 1 value (31 1000)"),
    "one early, and near": (but([5] * 60, n6=6), "constant but for 1 value (6 6)"),
    "the last": (but([5] * 60, n60=1000), "constant but for 1 value (60 1000)"),
    "the first": (but([5] * 60, n1=6), "not wrong at any"),
    "noise, then nothing": (np.r_[100 + rng(1).normal(0, 3, 60), np.zeros(30)], "not wrong at any"),
    "a line": (np.arange(60.0), "not wrong at any"),
    "a step": (np.repeat([5.0, 7.0], 30), "not wrong at any"),
}


@pytest.mark.parametrize("case", FEW_OTHERS)
def test_an_interval_without_width_is_never_given(case: str) -> None:
    values, said = FEW_OTHERS[case]
    found = forecast(series(values), 3)
    assert found.mean is found.low is found.high is None
    assert found.withheld is not None
    assert said in found.withheld


def test_a_forecast_at_a_limit_is_as_uncertain_as_before_it() -> None:
    falls = np.arange(60, 0, -1) + rng(1).normal(0, 0.5, 60)
    mean, low, high = told(forecast(series(falls), 12))
    assert mean[-1] == low[-1] == 0
    assert (high > 0.5).all()


@pytest.mark.parametrize("gap", [0, 2])
def test_a_wild_last_value_is_no_middle_and_is_named(gap: int) -> None:
    calm = 5 + rng(1).normal(0, 0.1, 60)
    values = np.r_[but(calm, n60=1000), [np.nan] * gap]
    mean, low, high = told(found := forecast(series(values), 3))
    assert np.abs(mean - 5).max() < 1
    assert (low < 5).all()
    assert (high > 1000).all()
    assert found.notes == ("1 value (60 1000) not learnt from",)


def test_values_that_are_not_learnt_from_are_named() -> None:
    found = forecast(daily(but(weekly(1, 90), n64=1e9), date(2024, 1, 1)), 7, 7)
    assert "1 value (2024-03-04 1e+09) not learnt from" in found.notes


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_gaps_cost_certainty_and_not_truth(share: float) -> None:
    whole = weekly(7, 120)
    gappy = whole[:-7].copy()
    gappy[rng(1).choice(100, int(share * 113), replace=False)] = np.nan
    mean, low, high = told(forecast(series(gappy), 7, 7))
    assert np.abs(mean - whole[-7:]).mean() < 10
    assert ((low <= whole[-7:]) & (whole[-7:] <= high)).mean() > 0.8
