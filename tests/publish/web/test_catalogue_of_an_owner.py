"""The metrics of one shop: chosen in the catalogue by who may see shops, and an owner's own."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

from starlette.applications import Starlette

from meterstone.measure.results import Scope
from meterstone.people.rights import RIGHTS, Principal, Right, Role
from meterstone.publish.web import catalogue
from publish.web.boards import MemoryBoard, card, metric
from publish.web.test_incident_pages import ANALYST, as_person, site

DAY, SHOP = date(2026, 3, 1), Scope("franchise", "F1")
OWNER = Principal("person:9", "Cy", Role.OWNER, RIGHTS[Role.OWNER], franchises=frozenset({"F1"}))
SCRIPT = Principal("token:1", "Bo", Role.ANALYST, frozenset({Right.METRICS}))


def page(who: Principal, path: str) -> tuple[int, str, str]:
    own = metric(
        "hours_saved", "met", "A.b", refs=["A.b.c"], scope={"kind": "franchise", "key": "F1"}
    )
    missed = metric(
        "no_shows", "not_met", "A.d", refs=["A.d"], scope={"kind": "franchise", "key": "F1"}
    )
    everywhere = metric("uptime", "met", "B.a", refs=["B.a"])
    board = MemoryBoard(
        cards={
            SHOP: {DAY: card(DAY, [own, missed], SHOP)},
            Scope("network"): {DAY: card(DAY, [everywhere])},
        },
        catalogue=SimpleNamespace(metrics={}, by_ref=dict),
    )
    app = Starlette(routes=catalogue.routes(site(board=board)))
    answer = as_person(app, who).get(path)
    return answer.status_code, answer.headers.get("location", ""), answer.text


def test_an_owner_is_chosen_beside_the_other_filters() -> None:
    _, _, html = page(ANALYST, "/catalogue")
    assert '<option value="F1">Harbour Street</option>' in html
    assert "Old &lt;Mill&gt;" in html
    status, place, _ = page(ANALYST, "/catalogue?owner=F1&verdict=not_met&words=")
    assert (status, place) == (303, "/owners/F1/metrics?verdict=not_met")
    _, place, _ = page(ANALYST, "/catalogue?owner=../audit%3Fa")
    assert place == "/owners/..%2Faudit%3Fa/metrics", "no other address is reached by a key"
    _, _, html = page(ANALYST, "/owners/F1/metrics?verdict=not_met")
    assert "Harbour Street: 1 of 2 targets met." in html
    assert '<option value="F1" selected>' in html
    assert 'href="/owners/F1/metrics/no_shows"' in html
    assert "hours_saved" not in html
    assert page(ANALYST, "/owners/F9/metrics")[0] == 404
    assert "nothing is measured" in page(ANALYST, "/owners/F2/metrics")[2].lower()


def test_an_owner_sees_the_own_shop_and_no_name_of_another() -> None:
    status, _, html = page(OWNER, "/owners/F1/metrics")
    assert status == 200
    assert 'href="/owners/F1/metrics/hours_saved"' in html
    assert "Mill" not in html
    assert 'action="/owners/F1/metrics"' in html


def test_who_may_see_metrics_alone_learns_of_no_shop() -> None:
    assert "Harbour" not in page(SCRIPT, "/catalogue")[2]
