"""The page of a shop: few numbers in plain sentences, and others only where none can be guessed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

from meterstone.board.model import Board, Card, Named
from meterstone.detect.state import Now
from meterstone.insight.findings import Figure, Finding
from meterstone.measure.results import Scope, ScopeKind
from meterstone.publish.web.owner import MOST, owner_context, trouble
from meterstone.publish.web.owner_words import PLAIN, plain_value, said
from meterstone.publish.web.owners import owners_context
from meterstone.publish.web.peers import LEAST, Cohorts, Peers, beside
from publish.found import kept

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
    document = {"metrics": metrics}
    moment = datetime(2026, 4, 1, tzinfo=UTC)
    return Card(Scope("franchise", key), DAY, moment, "hash", document, b"")


class Shops:
    """A board of shops, each of which saves as many hours as its number."""

    version = 1

    def __init__(self, shops: int) -> None:
        self.cards = {
            f"F{n}": card(
                f"F{n}",
                metric("time_savings", f"F{n}", n, verdict="not_met" if n == 3 else "met"),
            )
            for n in range(1, shops + 1)
        }

    def scopes(self, _kind: ScopeKind) -> Sequence[Named]:
        return [Named(Scope("franchise", key), f"Shop {key}") for key in self.cards]

    def card(self, scope: Scope, _day: date | None = None, _known: object = None) -> Card | None:
        return self.cards.get(scope.key)


def test_others_are_told_of_only_where_none_can_be_guessed() -> None:
    few = Cohorts(cast("Board", Shops(LEAST)))
    assert few.of({"F1"}, "time_savings", DAY) is None, "with the own shop they are one too few"
    enough = Cohorts(cast("Board", Shops(LEAST + 1)))
    peers = enough.of({"F1"}, "time_savings", DAY)
    assert peers is not None
    assert (peers.count, peers.low, peers.middle, peers.high) == (8, 3.75, 5.5, 7.25)
    assert enough.of({"F1"}, "owner_revenue_increase", DAY) is None
    assert enough.of({"F1", "F2"}, "time_savings", DAY) is None, "who owns two knows both"
    stranger = enough.of({"F99"}, "time_savings", DAY)
    assert stranger is not None
    assert stranger.count == LEAST + 1


def test_what_others_have_more_of_comes_first_with_its_worth() -> None:
    shops = Shops(9)
    peers = {"time_savings": Cohorts(cast("Board", shops)).of({"F1"}, "time_savings", DAY)}
    shown = owner_context("Shop F1", shops.cards["F1"], peers)
    assert shown["steps"][0]["do"].startswith("Let more be done for you: worth about 4")
    assert "4.5" in shown["steps"][0]["do"]
    assert "compared with 8 other shops" in shown["lede"]
    best = owner_context("Shop F9", shops.cards["F9"], peers)
    assert all("worth" not in step["do"] for step in best["steps"])


def test_a_page_has_a_dozen_numbers_at_most_and_a_sentence_for_each() -> None:
    every = card("F1", *(metric(id_, "F1", 3.0) for id_ in PLAIN))
    shown = owner_context("<b>", every, {})
    assert len(shown["known"]) == MOST
    assert all(told.sentence and told.sentence[-1] == "." for told in shown["known"])
    assert "fewer than 8" in shown["lede"]
    own = Scope("franchise", "F1")
    figures = tuple(Figure(f"f{n}", "Hours", 1.0, "h") for n in range(3))
    found = [
        kept(Finding("owners", f"k{n}", own, f"T{n}", "Said.", "So.", figures=figures))
        for n in range(4)
    ]
    with_findings = owner_context("Shop", every, {}, findings=found)
    told = sum(len(each.figures) for each in with_findings["found"])
    assert len(with_findings["known"]) + told == MOST
    assert len(with_findings["found"]) == len(found), "each keeps its sentence"
    nothing = owner_context("Shop", card("F1"), {})
    assert len(nothing["unknown"]) == 2, "hours and money are asked for"
    assert [step["do"] for step in nothing["steps"]] == ["Write down a usual week of work."], (
        "what comes with time is nothing to do"
    )


def test_the_list_begins_with_the_shops_that_miss_most() -> None:
    shown = owners_context(cast("Board", Shops(4)), None)
    assert shown["rows"][0]["name"] == "Shop F3"
    assert shown["sentence"] == "1 of 4 shops miss a target."
    assert owners_context(cast("Board", Shops(0)), None)["sentence"] == "No shop is known yet."


def test_a_value_is_said_as_an_owner_says_it() -> None:
    assert plain_value(11.5, "h per franchise-week") == "11.5 h a week"
    assert plain_value(60.0, "% of criteria") == "60 %"
    assert plain_value("weekly", "state") == "weekly"
    ratings = PLAIN["end_customer_satisfaction_improvement"]
    assert said(ratings, 20.0, "%") == "Your customers' ratings changed by +20 %."
    assert "-20 %" in said(ratings, -20.0, "%").replace("−", "-")


def test_the_sentence_names_what_the_others_are_ahead_in() -> None:
    shops = Shops(9)
    peers = {"time_savings": Cohorts(cast("Board", shops)).of({"F1"}, "time_savings", DAY)}
    behind = owner_context("Shop F1", shops.cards["F1"], peers)["sentence"]
    assert "behind the other shops in hours you get back each week" in behind
    ahead = owner_context("Shop F9", shops.cards["F9"], peers)["sentence"]
    assert "level with the other shops or ahead" in ahead
    assert "1 number known" in owner_context("F1", shops.cards["F1"], {})["sentence"]


def test_a_shop_reads_of_trouble_that_is_its_own_alone_once_a_system() -> None:
    def incident(integration: str, day: int, *franchises: str, who: str = "") -> SimpleNamespace:
        began = datetime(2026, 3, day, tzinfo=UTC)
        return SimpleNamespace(
            integration=integration, franchises=franchises, started_at=began, acknowledged_by=who
        )

    now = SimpleNamespace(
        incidents=(
            incident("square", 3, "F1"), incident("square", 2, "F1", "F2", who="ops"),
            incident("clover", 1, "F2"),
        )
    )  # fmt: skip
    (told,) = trouble(cast("Now", now), "F1", {"square": "Square"})
    assert told["title"] == "Square does not work as it should"
    assert told["since"] == datetime(2026, 3, 2, tzinfo=UTC)
    assert told["says"] == "Somebody is on it."
    assert trouble(None, "F1", {}) == []


def test_a_picture_beside_others_keeps_their_order_and_its_frame() -> None:
    for value in (0.0, 5.0, 100.0):
        drawn = beside(value, Peers(8, 4.0, 5.0, 6.0))
        assert 0 < drawn.low < drawn.middle < drawn.high < 160
        assert 0 < drawn.dot < 160
        assert (drawn.dot < drawn.low) == (value < 4.0)
    same = beside(3.0, Peers(8, 3.0, 3.0, 3.0))
    assert same.dot == same.middle == 80
