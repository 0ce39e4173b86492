"""Return on investment against worked figures, and its intervals against what is known of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterstone.errors import InputError
from meterstone.insight.roi import (
    Inputs,
    Spread,
    fixed,
    measured,
    needed,
    returns,
    roi,
    swings,
    triangle,
)

FRAMEWORK = Inputs(
    {"revenue": fixed(1_200_000), "savings": fixed(350_000)}, fixed(315_000), fixed(138_000)
)


def test_framework_inputs_give_its_figure() -> None:
    found = returns(FRAMEWORK)
    assert round(found.roi.value or 0, 2) == 242.16
    assert found.roi.low == found.roi.high == pytest.approx(found.roi.value)
    assert found.chance(242) == 1
    assert found.chance(243) == 0


def test_present_value_and_payback_by_hand() -> None:
    """Without a flow: the investment now, an even year after it. −315 + 1412 / 1.1 + 1412 / 1.21 +
    1412 / 1.331, thousands."""
    by_hand = -315_000 + 1_412_000 * (1 / 1.1 + 1 / 1.21 + 1 / 1.331)
    found = returns(FRAMEWORK)
    assert found.npv.value == pytest.approx(by_hand)
    assert found.payback.value == pytest.approx(12 * 315 / 1412)
    # At 10 % a year a month costs 0.797414 %: n months of 1412 / 12 are worth 315 where
    # n = −ln(1 − 315 × 0.00797414 / 117.667) / ln(1.00797414) = 2.7168
    assert found.discounted.value == pytest.approx(2.7168, abs=1e-4)
    never = returns(Inputs({"a": fixed(100)}, fixed(315_000), fixed(138_000)))
    assert (never.payback.value, never.discounted.value, never.pays_back) == (None, None, 0)
    assert returns(Inputs({"a": fixed(100)}, fixed(0), fixed(50))).payback.value == 0
    slow = Inputs({"a": fixed(105)}, fixed(1_000), fixed(50), rate=0.1)
    found = returns(slow)  # 55 a year on 1,000: paid in 18 years, and at 10 % never
    assert found.payback.value == pytest.approx(12 * 1_000 / 55)
    assert found.discounted.value is None


def test_interval_of_a_normal_benefit_is_the_known_one() -> None:
    inputs = Inputs({"a": measured(200, 100, 300)}, fixed(60), fixed(40))
    found = returns(inputs).roi
    assert found.value == pytest.approx(100)
    assert found.low == pytest.approx(0, abs=4)
    assert found.high == pytest.approx(200, abs=4)
    assert found.middle == pytest.approx(100, abs=2)


def test_a_triangle_is_drawn_and_adjusted_by_its_mean() -> None:
    spread = triangle(300, 0.0, 1.0, 1.1)
    assert (spread.low, spread.likely, spread.high) == pytest.approx((0, 300, 330))
    assert spread.mean == pytest.approx(210)
    drawn = spread.draw(np.random.default_rng(1), 100_000)
    assert drawn.mean() == pytest.approx(210, rel=0.01)
    assert drawn.min() >= 0
    assert drawn.max() <= 330


def test_payback_that_may_never_come_has_no_upper_bound() -> None:
    inputs = Inputs({"a": measured(100, 0, 200)}, fixed(50), fixed(80))
    found = returns(inputs)
    assert found.payback.value == pytest.approx(30)
    assert found.payback.high is None
    assert 0.5 < found.pays_back < 0.8
    assert found.pays_back == pytest.approx(0.652, abs=0.02)  # P(normal(100, 51) > 80)


def test_same_seed_same_return_and_one_exchanged_input_leaves_the_draws_of_others() -> None:
    inputs = Inputs({"a": measured(200, 100, 300), "b": fixed(0)}, fixed(60), fixed(40))
    first, again = returns(inputs), returns(inputs)
    assert np.array_equal(first.draws, again.draws)
    assert not np.array_equal(first.draws, returns(inputs, seed=8).draws)
    shifted = returns(inputs.with_part("b", fixed(50)))
    assert np.allclose(shifted.draws - first.draws, 50)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(1, 1e7), st.floats(1, 1e7), st.floats(1, 1e6), st.floats(1, 1e6), st.floats(-90, 900)
)
def test_what_is_needed_gives_the_target(
    a: float, b: float, investment: float, operating: float, target: float
) -> None:
    inputs = Inputs({"a": fixed(a), "b": fixed(b)}, fixed(investment), fixed(operating))
    for each in needed(inputs, target):
        if each.value is None:
            assert each.name in ("investment", "operating")
            continue
        values = {name: spread.likely for name, spread in inputs.parts().items()}
        values[each.name] = each.value
        got = roi(values["a"] + values["b"], values["investment"], values["operating"])
        assert math.isclose(got, target, rel_tol=1e-6, abs_tol=1e-5)


def test_a_cost_that_would_have_to_be_negative_cannot_do_it() -> None:
    inputs = Inputs({"a": fixed(100)}, fixed(60), fixed(60))
    found = {each.name: each for each in needed(inputs, 242)}
    assert found["investment"].value is None
    assert found["operating"].value is None
    assert found["a"].value == pytest.approx(3.42 * 120)
    assert found["a"].times == pytest.approx(3.42 * 1.2)


def test_what_is_most_uncertain_swings_most() -> None:
    inputs = Inputs(
        {"sure": fixed(1000), "wide": measured(200, 0, 400), "narrow": measured(200, 190, 210)},
        fixed(100), triangle(100, 0.9, 1, 1.3),
    )  # fmt: skip
    found = swings(inputs)
    assert found[0].name == "wide"
    assert found[-1].width == 0
    assert (found[0].low, found[0].high) == pytest.approx((500, 700), abs=8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Spread("triangle", 1, 2, 3),
        lambda: fixed(math.nan),
        lambda: fixed(math.inf),
        lambda: Inputs({}, fixed(0), fixed(0)),
        lambda: Inputs({}, fixed(-1), fixed(5)),
        lambda: Inputs({}, fixed(1), fixed(5), rate=-0.5),
        lambda: Inputs({}, fixed(1), fixed(5), years=0),
    ],
)
def test_what_is_no_input_is_refused(make: object) -> None:
    with pytest.raises(InputError):
        make()  # type: ignore[operator]  # one of the lambdas above


def test_nothing_gained_is_everything_lost() -> None:
    found = returns(Inputs({}, fixed(10), fixed(5)))
    assert found.roi.value == found.roi.low == -100
    assert found.payback.value is None
    assert found.pays_back == 0
