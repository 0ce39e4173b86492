"""Chances of runs, held against programmes that are played out day by day."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.insight.runs import SETTLED, Chain

SURE = 1e9
"""A record so long that nothing is left open."""


def sure(settled: float, young: float, bad: float, run: int) -> Chain:
    chances = {"settled": settled, "young": young, "bad": bad}
    return Chain({name: (SURE * of, SURE * (1 - of)) for name, of in chances.items()}, run, 1)


def played(chain: Chain, days: tuple[bool, ...]) -> float:
    """The chance that exactly these days come."""
    chance, run = 1.0, chain.run
    for good in days:
        state = "bad" if run == 0 else "young" if run <= SETTLED else "settled"
        yes, no = chain.good_after[state]
        chance *= (yes if good else no) / (yes + no)
        run = run + 1 if good else 0
    return chance


@pytest.mark.parametrize(("needed", "run"), [(1, 0), (2, 0), (3, 2), (7, 5), (4, 0)])
def test_the_chance_of_passing_is_that_of_all_ways_to_pass(needed: int, run: int) -> None:
    chain = sure(0.9, 0.7, 0.4, run)
    for ahead in (1, 2, 5, 9):
        expected = 0.0
        for days in product((True, False), repeat=ahead):
            length, there = run, False
            for good in days:
                length = length + 1 if good else 0
                there = there or length >= needed
            expected += there * played(chain, days)
        assert chain.passes(needed, ahead)[-1] == pytest.approx(expected, abs=1e-4)


def test_the_chance_of_holding_is_that_of_only_good_days() -> None:
    for run in (0, 3, SETTLED, 20):
        chain = sure(0.95, 0.8, 0.5, run)
        assert chain.holds(9) == pytest.approx(played(chain, (True,) * 9), abs=1e-4)
    assert chain.holds(0) == 1.0


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


def test_what_is_said_comes_about() -> None:
    """Chains whose truth is drawn as the prior has it, read from 90 days, two thousand times."""
    dice = random.Random(5)
    said, came = [], []
    for _ in range(2_000):
        stays, mends = dice.betavariate(0.5, 0.5), dice.betavariate(0.5, 0.5)
        days = [True]
        for _ in range(119):
            days.append(dice.random() < (stays if days[-1] else mends))
        said.append(Chain.of(days[:90], half_life=1e9).holds(30))
        came.append(all(days[90:]))
    assert np.mean(said) == pytest.approx(np.mean(came), abs=0.02)
    likely = np.array(said) > 0.3
    assert np.array(said)[likely].mean() == pytest.approx(np.array(came)[likely].mean(), abs=0.06)
