"""Every branch of every comparator, on arrays of one row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from meterstone.catalogue import Metric, Target
from meterstone.measure.verdict import Judged, judge, missing, nothing

from .build import framework

NAN = float("nan")
RATIO, STATE = "api_error_rate", "data_sync_status"


def metric(name: str = RATIO, **raw: Any) -> Metric:
    """A metric of the framework with other fields."""
    base = framework().metrics[name]
    return replace(base, raw=msgspec.structs.replace(base.raw, **raw))


def row(*values: Any) -> np.ndarray:
    kind = object if any(isinstance(v, str) or v is None for v in values) else None
    return np.array([values], dtype=kind)


def judged(*values: Any, **fields: Any) -> Judged:
    """All is well but for the fields given."""
    value = row(*values)
    size = value.shape
    usual: dict[str, Any] = {
        "lower": np.full(size, NAN),
        "upper": np.full(size, NAN),
        "sample": np.full(size, 100.0),
        "present": np.ones(size, bool),
        "alive": None,
        "populated": np.zeros(size, bool),
        "expired": np.zeros(size, bool),
        "enough": np.ones(size, bool),
        "censored": np.zeros(size, bool),
    }
    return Judged(value, **usual | {name: row(*given) for name, given in fields.items()})


def verdicts(m: Metric, j: Judged, cmp: str, value: Any, unit: str = "%", **more: Any) -> list[str]:
    target = Target(cmp=cmp, value=value, unit=unit, **more)
    place = replace(m.places[0], target=target, min_sample=50)
    return list(judge(m, place, j)[0])


@pytest.mark.parametrize(
    ("cmp", "expected"),
    [
        (">=", ["not_met", "met", "met"]),
        (">", ["not_met", "not_met", "met"]),
        ("<", ["met", "not_met", "not_met"]),
        ("<=", ["met", "met", "not_met"]),
        ("==", ["not_met", "met", "not_met"]),
    ],
)
def test_point(cmp: str, expected: list[str]) -> None:
    assert verdicts(metric(), judged(1.0, 2.0, 3.0), cmp, 2) == expected


@pytest.mark.parametrize(
    ("cmp", "expected"),
    [
        # intervals [1, 2], [1, 3], [2, 3], [3, 4] and none, target 2.5 and the edge itself
        (">=", ["not_met", "inconclusive", "inconclusive", "met", "inconclusive"]),
        (">", ["not_met", "inconclusive", "inconclusive", "met", "inconclusive"]),
        ("<", ["met", "inconclusive", "inconclusive", "not_met", "inconclusive"]),
        ("<=", ["met", "inconclusive", "inconclusive", "not_met", "inconclusive"]),
    ],
)
def test_bound(cmp: str, expected: list[str]) -> None:
    j = judged(1.5, 2.0, 2.5, 3.5, 2.0, lower=(1, 1, 2, 3, NAN), upper=(2, 3, 3, 4, NAN))
    assert verdicts(metric(verdict_on="bound"), j, cmp, 2.5) == expected


@pytest.mark.parametrize(
    ("cmp", "expected"),
    [
        (">=", ["inconclusive", "met"]),
        (">", ["not_met", "inconclusive"]),
        ("<", ["inconclusive", "not_met"]),
        ("<=", ["met", "inconclusive"]),
    ],
)
def test_bound_that_lies_on_the_target(cmp: str, expected: list[str]) -> None:
    j = judged(1.5, 2.5, lower=(1, 2), upper=(2, 3))
    assert verdicts(metric(verdict_on="bound"), j, cmp, 2) == expected


@pytest.mark.parametrize(
    ("cmp", "value", "expected"),
    [
        ("at_least", "synchronized", ["met", "not_met", "not_met", "not_met"]),
        ("at_least", "behind", ["met", "met", "met", "not_met"]),
        ("at_least", "out_of_sync", ["met", "met", "met", "met"]),
        ("==", "catching_up", ["not_met", "met", "not_met", "not_met"]),
    ],
)
def test_state(cmp: str, value: str, expected: list[str]) -> None:
    j = judged("synchronized", "catching_up", "behind", "out_of_sync")
    assert verdicts(metric(STATE), j, cmp, value, "state") == expected


def test_range_holds_the_whole_interval() -> None:
    j = judged(100.0, 100.0, 100.0, 100.0, lower=(90, 89.9, 95, NAN), upper=(110, 105, 110.1, 110))
    expected = ["met", "not_met", "not_met", "inconclusive"]
    assert verdicts(metric(), j, "within", [90, 110]) == expected


def test_interval_holds_the_literal() -> None:
    j = judged(95.0, 80.0, 95.0, 95.0, lower=(90, 70, 95, NAN), upper=(99, 94.9, 200, NAN))
    expected = ["met", "not_met", "met", "inconclusive"]
    assert verdicts(metric(), j, "within_interval", 95) == expected


def test_a_blunt_forecast_agrees_with_nothing() -> None:
    forecast = metric(kind="forecast", unit="users", verdict_on="point")
    j = judged(8000.0, 8000.0, 8000.0, lower=(6000, 5999, 9000), upper=(10_000, 10_001, 9100))
    expected = ["met", "inconclusive", "not_met"]
    assert verdicts(forecast, j, "within_interval", 8000, "users") == expected
    # growth by 15 % is a quantity of 115: a half-width of 28.75 is a quarter of it
    growth = metric(kind="forecast", unit="%")
    j = judged(15.0, 15.0, lower=(-13.75, -14), upper=(43.75, 44))
    given = verdicts(growth, j, "within_interval", 15, baseline="previous_period")
    assert given == ["met", "inconclusive"]


def test_a_place_is_judged_in_its_own_unit() -> None:
    rate = metric("api_request_rate", verdict_on="point")
    assert verdicts(rate, judged(8.0, 9.0), ">=", 500, "requests/min") == ["not_met", "met"]
    bound = metric("sync_lag_p95")
    j = judged(1.0, 1.0, lower=(0.9, 0.9), upper=(1.9, 2.1))
    assert verdicts(bound, j, "<", 2000, "ms") == ["met", "inconclusive"]
    in_range = judged(1.0, lower=(0.9,), upper=(1.9,))
    assert verdicts(bound, in_range, "within", [900, 1900], "ms") == ["met"]


def test_what_cannot_be_met_yet() -> None:
    j = judged(1.0, 3.0, censored=(True, True))
    assert verdicts(metric(), j, "<", 2) == ["inconclusive", "not_met"], "a lower bound"


def test_order_of_the_questions() -> None:
    j = judged(
        1.0, 1.0, 1.0, 1.0, NAN, 1.0,
        sample=(50, 49, 100, 49, 100, 0),
        enough=(True, True, False, False, True, True),
        expired=(False, False, False, True, True, True),
    )  # fmt: skip
    expected = ["met", "insufficient_data", "insufficient_data", "expired", "no_data", "no_data"]
    assert verdicts(metric(), j, "<=", 2) == expected


def test_reference_asks_for_no_sample() -> None:
    j = judged(9.0, 9.0, NAN, sample=(1, 100, 100), expired=(False, True, False))
    m = metric("api_request_rate")
    assert verdicts(m, j, ">=", 500, "requests/min") == ["reference", "expired", "no_data"]


def test_zero_needs_a_heartbeat() -> None:
    j = judged(0.0, 0.0, 1.0, alive=(True, False, False))
    assert verdicts(metric(), j, "<=", 2) == ["met", "no_data", "met"]
    without = judged(0.0)
    assert verdicts(metric(), without, "<=", 2) == ["met"], "where none is named, rows are it"
    words = judged("behind", alive=(False,))
    assert verdicts(metric(STATE), words, "at_least", "behind", "state") == ["met"]


@pytest.mark.parametrize(
    ("empty", "alive", "present", "populated", "expected"),
    [
        ("no_data", True, True, False, "no_data"),
        ("no_data", None, True, False, "no_data"),
        ("not_applicable", True, True, False, "not_applicable"),
        ("not_applicable", True, False, False, "not_applicable"),
        ("not_applicable", False, True, False, "no_data"),
        ("not_applicable", None, True, False, "not_applicable"),
        ("not_applicable", None, False, False, "no_data"),
        ("not_applicable", True, True, True, "insufficient_data"),
        ("not_applicable", False, True, True, "insufficient_data"),
    ],
)
def test_empty_sample(
    empty: str, alive: bool | None, present: bool, populated: bool, expected: str
) -> None:
    m = metric(empty=empty)
    j = judged(5.0, sample=(0,), present=(present,), populated=(populated,))
    j.alive = None if alive is None else row(alive)
    assert missing(m, j).tolist() == [[True]]
    assert verdicts(m, j, "<=", 9) == [expected]
    assert nothing(m, j).tolist() == [[expected]]


def test_empty_sample_with_a_value() -> None:
    m = metric(empty="zero")
    assert verdicts(m, judged(0.0, NAN, sample=(0, 0)), "<=", 9) == ["insufficient_data", "no_data"]
    states = judged("behind", None, sample=(0, 0))
    given = verdicts(metric(STATE, empty="zero"), states, "at_least", "behind", "state")
    assert given == ["insufficient_data", "no_data"]


def test_unknown_word_of_a_state_is_never_good() -> None:
    j = judged("unknown", None)
    assert verdicts(metric(STATE), j, "at_least", "out_of_sync", "state") == ["not_met", "no_data"]


def test_integers_and_booleans_are_values() -> None:
    assert verdicts(metric(), judged(1, 3), "<=", 2) == ["met", "not_met"]
    assert verdicts(metric(), judged(True, False), "==", 1) == ["met", "not_met"]
