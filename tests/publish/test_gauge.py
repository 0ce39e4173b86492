"""The gauge: where dot, target, interval and the good side lie."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meterstone.publish.gauge import WIDTH, gauge


def drawn(value, target=99.9, interval=None, cmp=">="):
    return gauge({"value": value, "interval": interval, "target": {"cmp": cmp, "value": target}})


def test_the_dot_is_left_of_a_target_that_is_missed():
    found = drawn(99.0)
    # a quarter of the distance on each side: 98.775 to 100.125, over 148 pixels from 6
    assert (found.dot, found.tick) == (
        pytest.approx(30.7, abs=0.05),
        pytest.approx(129.3, abs=0.05),
    )
    assert found.good == (found.tick, WIDTH - found.tick)
    assert found.bar is None


def test_the_bar_spans_the_interval():
    found = drawn(50.0, 60, [40.0, 70.0])
    assert found.bar[0] < found.dot < found.tick < found.bar[0] + found.bar[1]
    assert found.bar[1] == pytest.approx(148 * 30 / 45, abs=0.11)


@pytest.mark.parametrize("cmp", ["<", "<="])
def test_the_good_side_of_less_is_the_left(cmp):
    found = drawn(300.0, 245, cmp=cmp)
    assert found.good == (0, found.tick)
    assert found.dot > found.tick


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0])
def test_a_value_on_its_target_stands_in_the_middle(value):
    found = drawn(value, value)
    assert found.dot == found.tick == WIDTH / 2


@pytest.mark.parametrize(
    ("value", "target"),
    [(None, 1), ("healthy", "healthy"), (True, True), (1.0, [0.0, 2.0]), (1.0, "good")],
)
def test_words_and_missing_values_have_no_gauge(value, target):
    assert drawn(value, target) is None


numbers = st.floats(-1e12, 1e12)


@given(numbers, numbers, numbers, numbers)
@example(5e-324, 5e-324, 5e-324, 5e-324)
def test_everything_lies_within_the_picture(value, target, low, high):
    found = drawn(value, target, [min(low, high, value), max(low, high, value)])
    assert 0 <= found.dot <= WIDTH
    assert 0 <= found.tick <= WIDTH
    assert found.bar[0] >= 0
    assert found.bar[1] >= 0
    assert found.bar[0] + found.bar[1] <= WIDTH
    assert found.good[0] >= 0
    assert found.good[1] >= 0
