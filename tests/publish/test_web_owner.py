"""The page of a shop: few numbers in plain sentences, and others only where none can be guessed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, cast

from meterstone.board.model import Board, Card, Named
from meterstone.measure.results import Scope, ScopeKind
from meterstone.publish.web.owner import MOST, PLAIN, owner_context, owners_context
from meterstone.publish.web.peers import LEAST, Cohorts

DAY = date(2026, 3, 31)


def metric(id_: str, key: str, value: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": id_, "title": id_, "value": value, "unit": "h per franchise-week", "interval": None,
        "target": {"cmp": ">=", "value": 15, "unit": "h", "period": "", "baseline": None},
        "verdict": "met", "places": [], "n": 1, "sample_unit": "franchises",
        "evidence": "reported", "freshness_s": None, "run": None, "reason": "", "revision": 0,
        "scope": {"kind": "franchise", "key": key}, **more,
    }  # fmt: skip


def card(key: str, *metrics: dict[str, Any]) -> Card:
    counts = {"met": 1, "not_met": int(key == "F3"), "no_data": 0}
    document = {"metrics": metrics, "summary": {"counts": counts}}
    moment = datetime(2026, 4, 1, tzinfo=UTC)
    return Card(Scope("franchise", key), DAY, moment, "hash", document, b"")


class Shops:
    """A board of shops, each of which saves as many hours as its number."""

    version = 1

    def __init__(self, shops: int) -> None:
        self.cards = {
            f"F{n}": card(f"F{n}", metric("time_savings", f"F{n}", n)) for n in range(1, shops + 1)
        }

    def scopes(self, _kind: ScopeKind) -> Sequence[Named]:
        return [Named(Scope("franchise", key), f"Shop {key}") for key in self.cards]

    def card(self, scope: Scope, _day: date | None = None, _known: object = None) -> Card | None:
        return self.cards.get(scope.key)


def test_others_are_told_of_only_where_none_can_be_guessed() -> None:
    few = Cohorts(cast("Board", Shops(LEAST)))
    assert few.of("F1", "time_savings", DAY) is None, "with the own shop they are one too few"
    enough = Cohorts(cast("Board", Shops(LEAST + 1)))
    peers = enough.of("F1", "time_savings", DAY)
    assert peers is not None
    assert (peers.count, peers.low, peers.middle, peers.high) == (8, 3.75, 5.5, 7.25)
    assert enough.of("F1", "owner_revenue_increase", DAY) is None
    stranger = enough.of("F99", "time_savings", DAY)
    assert stranger is not None
    assert stranger.count == LEAST + 1


def test_what_others_have_more_of_comes_first_with_its_worth() -> None:
    shops = Shops(9)
    peers = {"time_savings": Cohorts(cast("Board", shops)).of("F1", "time_savings", DAY)}
    shown = owner_context("Shop F1", shops.cards["F1"], peers)
    assert shown["steps"][0]["do"].startswith("Catch up on: hours you get back each week, worth")
    assert "4.5" in shown["steps"][0]["do"]
    assert "compared with 8 other shops" in shown["lede"]
    best = owner_context("Shop F9", shops.cards["F9"], peers)
    assert all("Catch up" not in step["do"] for step in best["steps"])


def test_a_page_has_a_dozen_numbers_at_most_and_a_sentence_for_each() -> None:
    every = card("F1", *(metric(id_, "F1", 3.0) for id_ in PLAIN))
    shown = owner_context("<b>", every, {})
    assert len(shown["told"]) == MOST
    assert all(told.sentence and told.sentence[-1] == "." for told in shown["told"])
    assert "fewer than 8" in shown["lede"]
    nothing = owner_context("Shop", card("F1"), {})
    assert [told.number for told in nothing["told"]] == [None, None], (
        "hours and money are asked for"
    )
    assert len(nothing["steps"]) == 2


def test_the_list_begins_with_the_shops_that_miss_most() -> None:
    shown = owners_context(cast("Board", Shops(4)), None)
    assert shown["rows"][0]["name"] == "Shop F3"
    assert shown["sentence"] == "1 of 4 shops miss a target."
    assert owners_context(cast("Board", Shops(0)), None)["sentence"] == "No shop is known yet."
