"""One number over a time ahead, its record, and how forecasts are scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from meterstone.insight.cache import Cache, key_of
from meterstone.insight.forecasts import VERSION, Forecast, forecast_all
from meterstone.insight.scores import coverage, mase, msis, pinball, smape
from meterstone.insight.series import Floats, Series
from meterstone.insight.shape import NO_LIMITS, Limits
from meterstone.insight.totals import scored, total


def series(values: object, name: str = "s") -> Series:
    told = np.asarray(values, dtype=float)
    return Series(name, tuple(range(1, len(told) + 1)), told)


def monthly(seed: int, size: int) -> Floats:
    rng, months = np.random.default_rng(seed), np.arange(size)
    wave = 1 + 0.2 * np.sin(2 * np.pi * months / 12)
    return np.asarray((1000 + 12 * months) * wave + rng.normal(0, 25, size))


def test_a_quarter_is_forecast_with_the_record_of_quarters() -> None:
    values = monthly(1, 51)
    found = total(series(values[:48]), 3, 12, kind="sum")
    assert (found.starts, found.ends) == ("49", "51")
    assert found.withheld is None
    assert found.low is not None
    assert found.high is not None
    assert found.point is not None
    assert found.low < found.point < found.high
    assert values[48:].sum() == pytest.approx(found.point, rel=0.04)
    assert sum(mean for mean, _, _ in found.path) == pytest.approx(found.point)
    assert all(low < mean < high for mean, low, high in found.path)
    last = found.replays[-1]
    assert last.came == pytest.approx(values[45:48].sum())
    record = scored(found.replays)
    assert record is not None
    assert record.ratio < 1
    assert record.mase is None
    known = scored(found.replays, found.usual)
    assert known is not None
    assert known.mase is not None
    whole = np.convolve(values[:48], np.ones(3), "valid")
    usual = np.abs(whole[3:] - whole[:-3]).mean()
    errors = [abs(each.came - each.point) for each in found.replays]
    assert known.mase == pytest.approx(np.mean(errors) / usual)
    assert 0.9 <= record.coverage <= 1
    assert scored([]) is None


def test_a_peak_lies_above_what_is_expected_of_each_day() -> None:
    rng = np.random.default_rng(2)
    values = 500 + 60 * np.sin(2 * np.pi * np.arange(200) / 7) + rng.normal(0, 30, 200)
    found = total(series(values[:170]), 30, 7, kind="peak")
    assert found.point is not None
    assert found.high is not None
    assert found.point > max(mean for mean, _, _ in found.path)
    assert found.point == pytest.approx(values[170:].max(), rel=0.1)
    assert found.high >= values[170:].max()


def test_what_cannot_be_told_is_refused_and_limits_are_those_of_the_number() -> None:
    assert total(series([1.0, 2, 3]), 3, kind="sum").withheld == (
        "3 observations; a forecast takes at least 12"
    )
    short = total(series(monthly(1, 20)), 12, 12, kind="sum")
    assert short.point is None
    assert short.withheld is not None
    assert "too few" in short.withheld
    share = 0.97 + 0.02 * np.sin(np.arange(90)) + np.random.default_rng(1).normal(0, 0.01, 90)
    found = total(series(np.clip(share, 0, 1)), 10, kind="sum", limits=Limits(0, 1))
    assert found.high is not None
    assert found.high <= 10


def test_scores_are_those_of_worked_numbers() -> None:
    assert mase([4.0, 6], [5.0, 5], [1.0, 2, 4, 5]) == pytest.approx(1 / (4 / 3))
    assert np.isnan(mase([1.0], [2.0], [3.0, 3, 3]))
    assert smape([100.0], [110.0]) == pytest.approx(200 * 10 / 210)
    assert coverage([1.0, 5, np.nan], [0.0, 0, 0], [2.0, 2, 2]) == 0.5
    assert pinball([5.0], [0.0], [2.0], 0.95) == pytest.approx((0.025 * 5 + 0.975 * 3) / 2)
    assert msis([5.0], [0.0], [2.0], [1.0, 2, 3], 0.95) == pytest.approx(2 + 40 * 3)


def test_what_was_forecast_of_the_same_content_comes_from_the_cache(tmp_path: Path) -> None:
    made = [series(monthly(n, 30), f"s{n}") for n in range(2)]
    cache = Cache(tmp_path / "cache")
    told: list[int] = []
    first = forecast_all(made, 3, cache=cache)
    assert forecast_all(made, 3, cache=cache, progress=told.append) == first
    assert told == [2], "all at once"
    key = key_of(VERSION, made[0], 3, 1, NO_LIMITS, None)
    assert cache.get(key, Forecast) == first[0]
    (tmp_path / "cache" / key).write_bytes(b"{")
    assert cache.get(key, Forecast) is None, "broken: made again"
    assert forecast_all(made, 3, cache=cache) == first
    others = {
        key,
        key_of("another", made[0], 3, 1, NO_LIMITS, None),
        key_of(VERSION, made[0], 4, 1, NO_LIMITS, None),
        key_of(VERSION, made[0], 3, 12, NO_LIMITS, None),
        key_of(VERSION, made[0], 3, 1, Limits(0), None),
        key_of(VERSION, series([*made[0].values[:-1], 1], "s0"), 3, 1, NO_LIMITS, None),
    }
    assert len(others) == 6
    blocked = tmp_path / "file"
    blocked.write_text("")
    Cache(blocked).put(key, first[0])  # no folder: no cache, and no failure
    assert Cache(blocked).get(key, Forecast) is None
