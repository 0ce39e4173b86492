"""Search: the beginning of each word finds a thing, and each person finds own things alone."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from starlette.requests import Request

from meterstone.board.model import Board, Card, Named
from meterstone.measure.results import Scope, ScopeKind
from meterstone.people.rights import RIGHTS, Principal, Role
from meterstone.publish.web.search import MOST, Found, everything, said, search
from meterstone.publish.web.site import Site
from publish.test_web_owner import DAY, card, metric

THINGS = [
    Found("Integration uptime", "Share of minutes up.", "/a", "IntegrationMetrics.uptime_99"),
    Found("Uptime of the API", "", "/b"),
    Found("OAuth control compliance", "Tokens are renewed in time.", "/c", "oauth"),
]


def paths(wanted: str) -> list[str]:
    return [found.path for group in search(wanted, ("All", THINGS)) for found in group.found]


def test_the_beginning_of_every_word_is_enough_and_titles_come_first() -> None:
    assert paths("upt") == ["/b", "/a"]
    assert paths("UPTIME integr") == ["/a"]
    assert paths("renew") == ["/c"], "what is said about it counts too"
    assert paths("metrics") == ["/a"], "a part of a name of the framework"
    assert paths("ptime") == []
    assert paths("uptime tokens") == [], "every word has to be there"
    assert paths("?!") == []


def test_many_results_say_how_many_were_left_out() -> None:
    many = [Found(f"Uptime {n}", "", f"/{n}") for n in range(MOST + 3)]
    (group,) = search("uptime", ("All", many))
    assert (len(group.found), group.more) == (MOST, 3)
    assert said("uptime", [group])["sentence"].startswith(f"{MOST + 3} results")
    assert "Nothing" in said("<b>", [])["sentence"]
    assert said("", [])["lede"]


class Shops:
    """Two shops and one integration."""

    version = 1
    catalogue: Any = SimpleNamespace(
        gates={"hold": SimpleNamespace(title="Thirty days", hold=SimpleNamespace(periods=30))},
        metrics={
            "roi": SimpleNamespace(
                raw=SimpleNamespace(title="Return", definition="What came\nback. More."), places=()
            )
        },
    )

    def scopes(self, kind: ScopeKind) -> Sequence[Named]:
        keys = {"franchise": ["F1", "F2"], "integration": ["square"]}.get(kind, [])
        return [Named(Scope(kind, key), f"Name of {key}") for key in keys]

    def card(self, scope: Scope, _day: object = DAY, _known: object = None) -> Card | None:
        return card(scope.key, metric("time_savings", scope.key, 3)) if scope.key == "F1" else None


def found_by(role: Role, *franchises: str) -> dict[str, list[str]]:
    asking = Principal("person:1", "N", role, RIGHTS[role], frozenset(franchises))
    request = Request({"type": "http", "query_string": b"", "headers": [], "principal": asking})
    site = Site(cast("Board", Shops()), lambda: None)
    return {title: [f.path for f in things] for title, things in everything(site, request)}


def test_an_owner_finds_own_shops_and_their_numbers_alone() -> None:
    found = found_by(Role.OWNER, "F1")
    assert found["Shops"] == ["/owners/F1"]
    assert found["Numbers of Name of F1"] == ["/owners/F1/metrics/time_savings"]
    assert found["Pages"] == ["/account"]
    assert not found.keys() & {"Metrics", "Gates", "Integrations"}


def test_an_analyst_finds_what_the_network_has() -> None:
    found = found_by(Role.ANALYST)
    assert found["Shops"] == ["/owners/F1", "/owners/F2"]
    assert found["Metrics"] == ["/catalogue/roi"]
    assert found["Gates"] == ["/gates/hold"]
    assert found["Integrations"] == ["/integrations/square"]
    assert "/audit" not in found["Pages"]


def test_a_stranger_finds_nothing() -> None:
    request = Request({"type": "http", "query_string": b"", "headers": []})
    assert list(everything(Site(cast("Board", Shops()), lambda: None), request)) == []
