"""Closings of shops that are live and of those that are not, in simulated worlds whose rates are
known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest

from measure.build import Row, World
from measure.build import _row as row
from meterstone.insight.staying import Spell, staying
from meterstone.insight.studies.staying import staying_finding

from .asked import source

BEGIN, END = date(2023, 1, 1), date(2026, 1, 1)
DAY = timedelta(days=1)


def shops(
    seed: int, *, without: float = 0.2, live: float = 0.2, count: int = 300, sick: float = 0.0
) -> list[Spell]:
    """Shops that close at a rate a year of their own before and after going live.

    Args:
        sick: share of the shops that close soon, and do not go live for that.
    """
    drawn = np.random.default_rng(seed)
    made = []
    for n in range(count):
        opened = BEGIN - timedelta(days=int(drawn.integers(800, 2000)))
        go = BEGIN + timedelta(days=int(drawn.integers(100, 900))) if n % 4 else None
        closed = None
        before = drawn.exponential(1 / without) * 365.25
        if go is None or BEGIN + timedelta(days=before) <= go:
            closed, go = BEGIN + timedelta(days=int(before)), None
        else:
            closed = go + timedelta(days=1 + int(drawn.exponential(1 / live) * 365.25))
            if drawn.random() < sick:  # knows that it will close within half a year: does not go
                closed, go = go + timedelta(days=int(drawn.integers(1, 180))), None
        made.append(Spell(f"F{n}", opened, closed if closed < END else None, go))
    return made


def test_surviving_until_going_live_is_no_effect() -> None:
    """The plain comparison of those who went live with those who did not would show a large one."""
    claimed, held = 0, 0
    for seed in range(12):
        found = staying(shops(seed), BEGIN, END)
        assert found.estimate is not None, found.withheld
        held += found.estimate.low <= 0 <= found.estimate.high
        claimed += found.estimate.high < 0
    assert held >= 10
    assert claimed <= 1


def test_the_true_difference_is_found() -> None:
    found = [staying(shops(seed, without=0.3, live=0.1), BEGIN, END).estimate for seed in range(6)]
    told = [each for each in found if each is not None]
    assert len(told) >= 5
    assert all(each.high < 0 for each in told)
    assert sum(each.low <= -0.2 <= each.high for each in told) >= len(told) - 1


def test_few_closings_are_refused() -> None:
    found = staying(shops(1, without=0.01, live=0.01), BEGIN, END)
    assert found.estimate is None
    assert found.withheld is not None
    assert "it takes 5" in found.withheld


def test_nobody_to_compare_with_is_refused() -> None:
    all_live = [Spell(f"F{n}", BEGIN - 900 * DAY, None, BEGIN - 10 * DAY) for n in range(40)]
    found = staying(all_live, BEGIN, END)
    assert found.estimate is None
    assert "no live shop can be compared" in (found.withheld or "")
    assert staying([], BEGIN, END).estimate is None


def register(spells: list[Spell]) -> Iterator[Row]:
    """The rows of the register of franchises that tell of these shops."""
    for spell in spells:
        stages = [("opened", spell.opened)]
        stages += [] if spell.closed is None else [("closed", spell.closed)]
        for status, day in stages:
            yield row(
                "franchise",
                {"franchise_id": spell.shop, "status": status, "region": "US-CA", "country": "US",
                 "status_at": datetime.combine(day, time(12), UTC), "client_id": "c",
                 "client_segment": "small", "opened_on": spell.opened,
                 "closed_on": spell.closed if status == "closed" else None}, {},
            )  # fmt: skip


@pytest.mark.parametrize(
    ("live", "said"), [(0.1, "Fewer live shops close: -"), (0.3, "No effect of going live")]
)
def test_the_register_is_asked(live: float, said: str) -> None:
    spells = shops(2, without=0.3, live=live, count=200)
    days = {spell.shop: spell.live for spell in spells if spell.live is not None}
    with World(register(spells)) as world:
        found = staying_finding(source(world, END - DAY), days)
    assert found.withheld is None, found.withheld
    assert found.sentence.startswith(said), found.sentence
    direct = staying(spells, min(spell.opened for spell in spells), END)
    assert direct.estimate is not None
    figure = found.figure("att")
    assert figure is not None
    assert figure.value == pytest.approx(100 * direct.estimate.att, rel=0.1)
