"""Chances of runs, held against programmes that are played out day by day."""

from __future__ import annotations

import math
import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.insight.runs import PARTS, SETTLED, Chain, _grid

COMBINATIONS = (400, 611, 780)
"""Some of the grid that break so often that nine days tell."""

SURE = 1e9
"""A record so long that nothing is left open."""


def sure(combination: int, run: int) -> Chain:
    """Of a record that one combination of chances explains and no other."""
    good = _grid().good[:, combination]
    days = np.broadcast_to(SURE * np.stack([good, 1 - good], axis=1), (PARTS, 3, 2))
    return Chain(days, run)


def played(chain: Chain, combination: int, days: tuple[bool, ...]) -> float:
    """The chance that exactly these days come."""
    chance, run = 1.0, chain.run
    for good in days:
        state = 0 if run == 0 else 1 if run <= SETTLED else 2
        of = float(_grid().good[state, combination])
        chance *= of if good else 1 - of
        run = run + 1 if good else 0
    return chance


@pytest.mark.parametrize(("needed", "run"), [(1, 0), (2, 0), (3, 2), (7, 5), (4, 0)])
@pytest.mark.parametrize("combination", COMBINATIONS)
def test_the_chance_of_passing_is_that_of_all_ways_to_pass(
    combination: int, needed: int, run: int
) -> None:
    chain = sure(combination, run)
    for ahead in (1, 2, 5, 9):
        expected = 0.0
        for days in product((True, False), repeat=ahead):
            length, there = run, False
            for good in days:
                length = length + 1 if good else 0
                there = there or length >= needed
            expected += there * played(chain, combination, days)
        assert chain.passes(needed, ahead)[-1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_the_chance_of_holding_is_that_of_only_good_days(combination: int) -> None:
    for run in (0, 3, SETTLED, 20):
        chain = sure(combination, run)
        expected = played(chain, combination, (True,) * 9)
        assert chain.holds(9) == pytest.approx(expected, abs=1e-6)
        assert chain.holds(0) == pytest.approx(1.0)


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 40))
def test_chances_are_chances_and_never_fall(record: list[bool], needed: int) -> None:
    chain = Chain.of(record)
    found = chain.passes(needed, 50)
    assert ((found >= -1e-12) & (found <= 1 + 1e-12)).all()
    assert (np.diff(found) >= -1e-12).all()
    assert found[-1] == pytest.approx(1.0) if chain.run >= needed else True
    assert chain.holds(31) <= chain.holds(30) + 1e-12


def test_newer_days_count_more_and_few_days_say_little() -> None:
    bad_first = [False, True] * 20 + [True] * 40
    bad_last = [True] * 40 + [False, True] * 20
    assert Chain.of(bad_first).holds(30) > 5 * Chain.of(bad_last).holds(30)
    assert Chain.of([True] * 10).holds(90) < 0.5 < Chain.of([True] * 300).holds(10)


def test_the_more_targets_the_less_a_record_without_a_break_says() -> None:
    chances = [Chain.of([True] * 60, targets).holds(30) for targets in (1, 5, 20)]
    assert chances[0] > chances[1] + 0.1 > chances[2] + 0.2


def test_the_same_breaks_long_ago_tell_of_a_record_that_got_better() -> None:
    young = ([True] * 12 + [False]) * 4 + [True] * 38
    old = [True] * 38 + ([False] + [True] * 12) * 4
    assert (len(young), sum(young)) == (len(old), sum(old))
    for targets in (1, 7):
        assert Chain.of(young, targets).holds(30) > 1.1 * Chain.of(old, targets).holds(30)


def test_what_is_said_comes_about() -> None:
    """Chains whose truth is drawn as the module says, read from 90 days, two thousand times."""
    dice = random.Random(5)
    said, came = [], []
    for _ in range(2_000):
        breaks = dice.betavariate(0.55, 16)
        young = min(breaks * 10.0 ** dice.random(), 0.999)
        mends, grown = dice.random(), dice.choice((0, 0, 0, 0, 0, 0, 0, 0, 1, 2))
        days, run = [True], 1
        for at in range(1, 120):
            often = math.exp(grown * max(0.0, 1 - at / 90))
            stays = (1 - (breaks if run > SETTLED else young)) ** often
            days.append(dice.random() < (stays if run else mends))
            run = run + 1 if days[-1] else 0
        said.append(Chain.of(days[:90]).holds(30))
        came.append(all(days[90:]))
    assert np.mean(said) == pytest.approx(np.mean(came), abs=0.02)
    for low in (0.2, 0.5, 0.8):
        some = (np.array(said) > low) & (np.array(said) < low + 0.3)
        assert some.sum() > 50
        assert np.array(said)[some].mean() == pytest.approx(np.array(came)[some].mean(), abs=0.07)
