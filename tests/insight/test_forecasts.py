"""Forecasts: better than naive or withheld, with intervals that hold; bad input is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from meterstone.errors import InputError
from meterstone.insight.forecasts import LEAST, forecast, forecast_all
from meterstone.insight.series import Floats, Series, read_series

rng = np.random.default_rng


def series(values: object, name: str = "s") -> Series:
    told = np.asarray(values, dtype=float)
    return Series(name, tuple(range(1, len(told) + 1)), told)


def seasonal(seed: int, size: int = 140) -> Floats:
    time = np.arange(size)
    wave = 20 * np.sin(2 * np.pi * time / 7)
    return np.asarray(200 + 0.3 * time + wave + rng(seed).normal(0, 4, size))


def test_a_season_and_a_trend_are_found_and_the_interval_holds() -> None:
    inside = []
    for seed in range(5):
        whole = seasonal(seed)
        found = forecast(series(whole[:-14]), 14, 7)
        assert found.withheld is None
        assert found.skill is not None
        assert found.skill > 0.2
        assert found.mean is not None
        assert found.low is not None
        assert found.high is not None
        truth = whole[-14:]
        assert np.abs(np.array(found.mean) - truth).mean() < 8
        inside.append((np.array(found.low) <= truth) & (truth <= np.array(found.high)))
    assert 0.9 <= np.mean(inside) <= 1.0


def test_the_same_series_has_the_same_forecast() -> None:
    one = series(seasonal(3))
    assert forecast(one, 7, 7) == forecast(one, 7, 7)


def test_what_moves_at_random_is_withheld_and_naive_is_named() -> None:
    withheld = 0
    for seed in range(6):
        walk = 100 + np.cumsum(rng(seed).normal(0, 1, 120))
        found = forecast(series(walk), 5)
        if found.withheld:
            withheld += 1
            assert found.model == "naive"
            assert found.mean == pytest.approx([walk[-1]] * 5)
            assert found.skill is None
    assert withheld >= 3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, 2, 3], f"at least {LEAST}"),
        ([5.0] * 40, "constant"),
        ([1.0, *[np.nan] * 30, *range(14)], "have no value"),
        (list(range(15)), "too few to try"),
    ],
)
def test_what_cannot_be_known_is_refused_with_the_reason(values: list[float], said: str) -> None:
    found = forecast(series(values), 10)
    assert found.mean is found.low is found.high is None
    assert found.withheld is not None
    assert said in found.withheld
    assert len(found.ds) == 10


def test_a_wild_value_does_not_move_a_forecast_and_a_wild_end_widens_it() -> None:
    calm = seasonal(5)
    wild = calm.copy()
    wild[60] = 90_000.0
    plain, other = forecast(series(calm), 7, 7), forecast(series(wild), 7, 7)
    assert plain.mean is not None
    assert other.mean is not None
    assert np.allclose(plain.mean, other.mean, rtol=0.1)
    end = calm.copy()
    end[-1] = 2_000.0
    found = forecast(series(end), 7, 7)
    assert found.high is not None
    assert max(found.high) >= 2_000, "it may be a new level"


def test_sales_are_never_below_zero_but_losses_may_be() -> None:
    few = np.abs(rng(1).poisson(0.4, 120)).astype(float)
    found = forecast(series(few), 6)
    assert found.low is not None
    assert min(found.low) >= 0
    losses = forecast(series(seasonal(2) - 400), 6, 7)
    assert losses.mean is not None
    assert max(losses.mean) < 0


def test_files_are_read_with_gaps_and_their_dates_go_on(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    lines = ["unique_id,ds,y", "m,2026-01-31,1", "m,2026-02-28,2", "m,2026-03-31,3"]
    lines += ["d,2026-01-01,1", "d,2026-01-02,2", "d,2026-01-04,4", "n,7,1", "n,8,", "n,9,3"]
    file.write_bytes("\r".join(lines).encode())  # as old Macs write
    months, days, numbers = read_series(file)
    assert days.gaps == 1
    assert days.after(2) == ["2026-01-05", "2026-01-06"]
    assert numbers.after(2) == ["10", "11"]
    assert np.isnan(numbers.values[1])
    assert len(months.after(3)) == 3
    first = tmp_path / "b.csv"
    first.write_text("unique_id,ds,y\n" + "\n".join(f"s,2026-{m:02}-01,{m}" for m in range(1, 13)))
    assert read_series(first)[0].after(2) == ["2027-01-01", "2027-02-01"]


@pytest.mark.parametrize(
    ("dates", "then"),
    [
        (("2023-10-31", "2023-11-30", "2023-12-31"), ("2024-01-31", "2024-02-29", "2024-03-31")),
        (("2023-06-30", "2023-09-30", "2023-12-31"), ("2024-03-31", "2024-06-30", "2024-09-30")),
        (("2021-02-28", "2022-02-28", "2023-02-28"), ("2024-02-29", "2025-02-28", "2026-02-28")),
        (("2023-10-30", "2023-11-30", "2023-12-30"), ("2024-01-30", "2024-02-29", "2024-03-30")),
        (("2023-10", "2023-11", "2023-12"), ("2024-01", "2024-02", "2024-03")),
        (("2023-06", "2023-09", "2023-12"), ("2024-03", "2024-06", "2024-09")),
        (("2023-08", "2023-10", "2023-12"), ("2024-02", "2024-04", "2024-06")),
        (("2023-12",), ("2024-01", "2024-02", "2024-03")),
    ],
)
def test_months_go_on_as_they_are_written(
    tmp_path: Path, dates: tuple[str, ...], then: tuple[str, ...]
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("unique_id,ds,y\n" + "".join(f"s,{ds},1\n" for ds in dates))
    [read] = read_series(file)
    assert tuple(read.after(3)) == then
    assert not read.uneven


def test_a_month_without_its_end_is_a_gap(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    dates = ("2023-01-31", "2023-02-28", "2023-03-31", "2023-05-31")
    file.write_text("unique_id,ds,y\n" + "".join(f"s,{ds},1\n" for ds in dates))
    [read] = read_series(file)
    assert (read.gaps, read.uneven) == (1, False)
    assert read.written(read.stamps[3]) == "2023-04-30"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,ds,y\n", "no column 'unique_id'"),
        ("unique_id,ds,y\n", "has no rows"),
        ("unique_id,ds,y\na,soon,1\n", "no date"),
        ("unique_id,ds,y\na,1,x\n", "is no number"),
        ("unique_id,ds,y\na,1,1\na,1,2\n", "two values"),
        ("unique_id,ds,y\na,1,1\na,2026-01-01,2\n", "mixed"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        read_series(file)


def test_many_series_come_in_their_order_and_progress_is_told() -> None:
    told: list[int] = []
    many = [series(seasonal(n, 60), f"s{n}") for n in range(3)]
    assert [f.name for f in forecast_all(many, 3, 7, progress=told.append)] == ["s0", "s1", "s2"]
    assert told == [1, 2, 3]
