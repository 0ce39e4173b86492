"""The benefit ledger: which stage counts, and what is left of it by declared doubt."""

from __future__ import annotations

import pytest

from meterstone.errors import InputError
from meterstone.insight.benefits import (
    Assumptions,
    Benefit,
    adjusted,
    booked,
    estimated,
    missing,
    reached,
)

ASSUME = Assumptions()


def benefit(*stages: object, party: str = "operator") -> Benefit:
    return Benefit("b", "B", party, {each.stage: each for each in stages})  # type: ignore


CLAIMED = reached("claimed", 1000, ASSUME.claim(1000), "said")
OBSERVED = reached("observed", 600, ASSUME.observed(600, 500, 700), "seen")
PROVEN = estimated("proven", 300, 100, 500, "compared")


def test_the_furthest_stage_counts() -> None:
    found = benefit(CLAIMED, missing("forecast", "none"), OBSERVED, PROVEN)
    assert found.newest is PROVEN
    assert found.at("observed").likely == 600
    assert found.at("forecast").likely == 0
    assert found.upto("claimed").mean == 300
    assert benefit(CLAIMED, missing("proven", "withheld")).newest is CLAIMED
    assert benefit(missing("claimed", "nobody")).newest is None
    assert benefit(CLAIMED).upto("observed").likely == 0


def test_later_stages_lose_less_to_doubt() -> None:
    shares = [
        e.spread.mean / e.value
        for e in (CLAIMED, reached("observed", 600, ASSUME.observed(600), ""), PROVEN)
        if e.spread and e.value
    ]
    assert shares == pytest.approx([0.7, 5 / 6, 1.0])


def test_a_loss_is_not_made_smaller_by_doubt() -> None:
    spread = ASSUME.observed(-100, -150, -50)
    assert (spread.low, spread.likely, spread.high) == (-150, -100, -50)


def test_only_the_money_of_a_party_is_its_own() -> None:
    owners = benefit(booked("proven", 50, "books"), party="franchisee")
    assert adjusted([benefit(PROVEN), owners], "operator") == 300
    assert adjusted([benefit(PROVEN), owners], "franchisee") == 50


def test_assumptions_are_attested_within_bounds() -> None:
    made = Assumptions.declared({"discount_rate": 0.2, "unknown": 3.0})
    assert made.discount_rate == 0.2
    assert made.years == 3
    with pytest.raises(InputError, match="observed_low"):
        Assumptions.declared({"observed_low": 7})
