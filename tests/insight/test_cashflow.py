"""Payback and present value of flows that are not even, against sums by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterstone.errors import InputError
from meterstone.insight.cashflow import MOST_MONTHS, Flow, discounted_payback
from meterstone.insight.roi import Inputs, fixed, measured, returns

FOUR = Flow(gained=(0.0, 0.5, 1.0, 1.5), spent=(0.5, 0.5, 0.0, 0.0), running=(0.0, 1.0, 1.0, 1.0))
"""Half the investment in each of two months; shops go live from the second on."""


def one(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([value])


def test_a_payback_by_hand() -> None:
    # USD a month at 1,200 a year of benefit (100 a month), 120 of operating (10), 200 invested:
    #   month   in    out          held
    #     1      0    100          −100
    #     2     50    100 + 10     −160
    #     3    100    10            −70
    #     4    150    10            +70      paid after 3 + 70 / 140 = 3.5 months
    assert FOUR.payback(one(1_200), one(200), one(120)) == pytest.approx([3.5])
    # 1,200 invested: −600, −1,160, −1,070, −930, then 90 a month: 4 + 930 / 90 = 14.333 months
    assert FOUR.payback(one(1_200), one(1_200), one(120)) == pytest.approx([14 + 1 / 3])


def test_a_present_value_by_hand() -> None:
    # At 12 % a year a month is worth 1.12 ** (−m / 12) of itself: 0.9906, 0.9813, 0.9721, 0.9629.
    worth = [1.12 ** (-m / 12) for m in range(1, 17)]
    assert [round(each, 4) for each in worth[:4]] == [0.9906, 0.9813, 0.9721, 0.9629]
    flows = [-100, -60, 90, 140, *[90] * 12]  # the four months, and a year after them
    by_hand = sum(flow * each for flow, each in zip(flows, worth, strict=True))
    found = FOUR.net_present_value(one(1_200), one(200), one(120), 0.12, 1)
    assert found == pytest.approx([by_hand])
    assert FOUR.net_present_value(one(1_200), one(200), one(120), 0.0, 1) == pytest.approx([1_150])


def test_a_discounted_payback_by_hand() -> None:
    # held: −99.06, −157.94, −70.45, +64.36: paid after 3 + 70.45 / 134.81 = 3.5226 months
    found = FOUR.payback(one(1_200), one(200), one(120), 0.12)
    assert found == pytest.approx([3.5226], abs=1e-4)


def test_what_is_spent_late_is_paid_back_late() -> None:
    """In the black first, then a second wave of investment: it is over when that is paid too."""
    flow = Flow((1.0, 1.0, 1.0), (0.1, 0.0, 0.9), (0.0, 0.0, 0.0))
    # held: 100 − 40 = 60, 160, 260 − 360 = −100, then 100 a month: paid after 4
    assert flow.payback(one(1_200), one(400), one(0)) == pytest.approx([4.0])


def test_what_never_comes_is_infinite_and_what_is_never_owed_nothing() -> None:
    assert FOUR.payback(one(1_200), one(200), one(1_300)) == [math.inf]
    assert FOUR.payback(one(0), one(200), one(0)) == [math.inf]
    assert FOUR.payback(one(0), one(0), one(0)) == [0.0]
    late = 90 * (MOST_MONTHS + 40)  # it would come after the last month that is looked at
    assert FOUR.payback(one(1_200), one(late), one(120)) == [math.inf]


def test_a_return_uses_the_flow_and_its_roi_does_not() -> None:
    plain = Inputs({"a": fixed(1_550_000)}, fixed(315_000), fixed(138_000))
    slow = Inputs({"a": fixed(1_550_000)}, fixed(315_000), fixed(138_000), flow=FOUR)
    even, found = returns(plain), returns(slow)
    assert round(found.roi.value or 0, 2) == round(even.roi.value or 0, 2) == 242.16
    # thousands a month: −157.5, then 64.583 − 157.5 − 11.5 = −104.417, 117.667, 182.25:
    # held −157.5, −261.917, −144.25, +38: paid after 3 + 144.25 / 182.25 = 3.7915 months
    assert found.payback.value == pytest.approx(3.7915, abs=1e-4)
    assert found.payback.value == found.payback.middle == found.payback.low == found.payback.high
    assert even.payback.value == pytest.approx(12 * 315 / 1412)
    assert (found.discounted.value or 0) > (found.payback.value or 0)
    assert (found.npv.value or 0) < 4 * 1_412_000


def test_draws_that_never_pay_back_have_no_upper_bound() -> None:
    inputs = Inputs({"a": measured(100, 0, 200)}, fixed(50), fixed(80), flow=FOUR)
    found = returns(inputs)
    assert found.payback.high is None
    assert 0.5 < found.pays_back < 0.7


@settings(max_examples=60, deadline=None)
@given(st.floats(1, 1e6), st.floats(1, 1e6), st.floats(0, 1e6), st.floats(0, 0.9))
def test_a_flow_that_is_even_is_the_even_formula(
    benefit: float, investment: float, operating: float, rate: float
) -> None:
    """All invested before the first month of twelve even ones, within the discount of one month."""
    flow = Flow((0.0, *[1.0] * 12), (1.0, *[0.0] * 12), (0.0, *[1.0] * 12))
    money = (one(benefit), one(investment), one(operating))
    [plain] = discounted_payback(*money, rate)
    [found] = flow.payback(*money, rate)
    if plain > MOST_MONTHS:
        assert found > MOST_MONTHS
    else:
        assert found - 1 == pytest.approx(plain, rel=0.05, abs=0.05)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Flow((), (), ()),
        lambda: Flow((1.0,), (1.0, 0.0), (1.0,)),
        lambda: Flow((1.0,), (0.5,), (1.0,)),
        lambda: Flow((math.nan,), (1.0,), (1.0,)),
    ],
)
def test_what_is_no_flow_is_refused(make: object) -> None:
    with pytest.raises(InputError):
        make()  # type: ignore[operator]  # one of the lambdas above
