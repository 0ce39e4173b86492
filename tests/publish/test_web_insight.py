"""Insight: what asks for action first, what is withheld never looks like a claim, and owners read
the findings of their own shops alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from browser.walk import kind_of
from meterstone.board.model import Board
from meterstone.insight.findings import (
    Advice,
    Column,
    Curve,
    Figure,
    KeptFinding,
    Picture,
    Point,
    Table,
)
from meterstone.measure.results import Scope
from meterstone.publish.charts.curves import curves_chart
from meterstone.publish.findings import (
    advised,
    cell_text,
    figure_text,
    finding_link,
    ordered,
    reason,
    unbroken,
)
from meterstone.publish.web.executive import told_of
from meterstone.publish.web.finding import drawn_of, finding_context, table_of
from meterstone.publish.web.insight import overview, routes
from meterstone.publish.web.operations import soon
from meterstone.publish.web.owner import owner_context
from meterstone.publish.web.search import findings, search
from meterstone.publish.web.site import Site
from meterstone.publish.web.told import about, namer
from publish.found import DAY, KNOWN, TITLES, MemoryFindings, effect, examples, finding, kept, risk
from publish.test_web_owner import card as owner_card
from publish.test_web_owner import metric
from publish.web.boards import MemoryBoard

BOARD = cast("Board", MemoryBoard())


def client(found: MemoryFindings | None = None) -> TestClient:
    memory = MemoryFindings(examples()) if found is None else found
    return TestClient(Starlette(routes=routes(Site(BOARD, lambda: None, findings=memory))))


def page(path: str, found: MemoryFindings | None = None) -> str:
    answer = client(found).get(path)
    assert answer.status_code == 200
    return unescape(answer.text).replace("\u00a0", " ")


def test_what_asks_for_action_comes_first_and_what_is_withheld_last() -> None:
    places = [(each.finding.study, each.finding.key) for each in ordered(examples())]
    assert places[0] == ("risk", "incident_7d")
    assert places[-1] == ("effect", "retention")
    assert [each.finding.study for each in ordered(examples())][:2] == ["risk", "risk"]


def test_advice_is_taken_from_each_study_in_turn_and_last_from_withheld_findings() -> None:
    def told(study: str, key: str, *titles: str) -> KeptFinding:
        advice = tuple(Advice(title, title, "") for title in titles)
        return kept(finding(study, key, advice=advice))

    held = kept(replace(risk("square", 9), withheld="Too few incidents."))
    found = [told("outlook", "a", "A1", "A2"), told("outlook", "b", "A1", "B1"),
             told("effect", "c", "C1"), held]  # fmt: skip
    titles = [advice.title for _, advice in advised(found)]
    assert titles == ["A1", "C1", "A2", "B1", "Renew the token"]


def test_the_same_advice_at_two_integrations_is_two_things_to_do() -> None:
    found = [kept(risk("square", 9)), kept(risk("clover", 9)), kept(risk("clover", 9))]
    assert len(advised(found)) == 2


def test_the_first_page_says_how_much_there_is_to_do() -> None:
    text = page("/insight")
    assert "3 things are worth doing; 7 findings hold, 1 withheld." in text
    assert text.index("Failure risk") < text.index("Effect of going live") < text.index("Forecasts")
    assert "Not asked yet" in text
    assert "Gate outlook: asked" in text, "it found nothing so far"
    shown = overview(examples(), TITLES, namer(BOARD))
    assert sum(group["all"] for group in shown["groups"]) == len(examples())


def test_without_findings_the_page_says_what_to_do() -> None:
    assert "Nothing was found out yet." in page("/insight", MemoryFindings())
    past = page("/insight?day=2020-01-01")
    assert "Nothing was found out by this day." in past
    assert "Choose a later day" in past


def test_a_day_shows_what_was_known_by_then() -> None:
    later = kept(replace(effect(), sentence="Later."), DAY + timedelta(days=1))
    memory = MemoryFindings([later, kept(effect())])
    assert "Later." in page("/insight/effect/sales", memory)
    assert "Later." not in page(f"/insight/effect/sales?day={DAY}", memory)
    before = f"/insight/effect/sales?known_at={(KNOWN - timedelta(1)).isoformat()}"
    assert client(memory).get(before.replace("+", "%2B")).status_code == 404


def test_a_withheld_finding_says_why_and_none_of_its_figures_is_large() -> None:
    text = page("/insight/effect/retention")
    assert "Nothing is claimed." in text
    assert "another 3 months of data would show" in text
    assert "Joint test of six months before: p = 0.003." in text
    assert '<p class="big' not in text
    assert "Figures that are not claimed" in text
    assert "Does not hold" in text
    assert '<p class="big' in page("/insight/effect/sales")


def test_a_study_tells_claims_from_what_is_withheld() -> None:
    text = page("/insight/effect")
    assert "Going live raised sales by 4.1 % (95 %: 2.6 to 5.7)" in text
    assert text.index("What holds") < text.index("Withheld: the evidence")
    none = MemoryFindings([kept(effect(withheld=True))])
    assert "Effect of going live: nothing is claimed" in page("/insight/effect", none)
    assert "nothing was found out yet" in page("/insight/outlook")


def test_what_is_withheld_for_one_reason_stands_together() -> None:
    found = [kept(finding("forecasts", key, withheld="Too few.")) for key in ("a", "b")]
    found.append(kept(finding("forecasts", "c", withheld="Too noisy.")))
    text = page("/insight/forecasts", MemoryFindings(found))
    assert text.count("Too few.") == 1
    assert text.index("Too few.") < text.index(">A<") < text.index(">B<") < text.index("Too noisy.")


def test_a_picture_has_its_numbers_behind_it() -> None:
    text = page("/insight/forecasts/platform_revenue_quarter")
    assert text.count("<svg") > 3
    assert "$201,850 ($195,300 to $208,500)" in text
    assert "The last twelve beside what happened" in text
    assert "1 December 2025" in text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/insight/never", 404),
        ("/insight/effect/never", 404),
        ("/insight/risk/incident_7d", 200),
        ("/insight/owners/value", 404),
        ("/insight/risk/incident_7d?scope=network", 404),
        ("/insight/risk/incident_7d?scope=integration:square", 200),
        ("/insight/owners/value?scope=franchise:F1", 404),
        ("/owners/F1/insight/owners/value", 200),
        ("/owners/F2/insight/owners/value", 404),
        ("/owners/F1/insight/effect/sales", 404),
    ],
)
def test_an_address_names_study_key_and_scope(path: str, status: int) -> None:
    """A shop's findings have no other address than below the shop, where owners are held to."""
    assert client().get(path).status_code == status


def test_a_key_that_the_network_has_not_lists_the_scopes_that_have_it() -> None:
    text = page("/insight/risk/incident_7d")
    assert "/insight/risk/incident_7d?scope=integration%3Asquare" in text
    assert "Failure risk: 2 findings" in text


def test_every_link_of_the_pages_leads_to_a_finding() -> None:
    for each in examples():
        assert client().get(finding_link(each.finding)).status_code == 200
    odd = finding("anomalies", "p95 ms: GET /v1/<x>?", scope=Scope("endpoint_group", "a b&c"))
    text = page(finding_link(odd), MemoryFindings([kept(odd)]))
    assert "P95 ms: get /v1/<x>?" in text


def test_what_somebody_named_is_no_markup() -> None:
    bad = "<script>alert(1)</script>"
    named = finding(
        "worth", "x", bad, title=bad, method=bad, withheld=bad,
        figures=(Figure("f", bad, bad),), advice=(Advice("a", bad, bad, bad),),
        tables=(Table("t", bad, (Column("c", bad),), ((bad,),)),),
        pictures=(Picture(bad, bad, bad, (Curve("c", bad, "observed", (Point("2026-01-01", 1.0),
                  Point("2026-01-02", 2.0))),)),),
    )  # fmt: skip
    for path in ("/insight", "/insight/worth", "/insight/worth/x"):
        assert bad not in client(MemoryFindings([kept(named)])).get(path).text


def test_figures_are_said_with_unit_and_interval() -> None:
    def told(*figure: object) -> tuple[str, str]:
        text = figure_text(Figure("x", "X", *figure))  # type: ignore[arg-type]
        return text.value, text.between

    assert told(4.1, "% change", 2.6, 5.7) == ("+4.1 %", "+2.6 % to +5.7 %")
    assert told(4.1, "days", 2.0) == ("4.1 days", "at least 2 days")
    assert told(4.1, "", None, 9.0) == ("4.1", "at most 9")
    assert told("2026-04-01") == ("1 April 2026", "")
    assert told(None, "USD") == ("—", "")
    assert cell_text(None, Column("a", "A", "%")) == "—"
    assert cell_text(True, Column("a", "A")) == "yes"
    assert cell_text(3.14159, Column("a", "A", "h")) == "3.14 h"
    assert reason("too few: 30 of 90%") == "Too few: 30\u00a0of 90\u00a0%."
    assert not reason("too few", "Not claimed: too few.")
    assert unbroken("on 2026-10-30: 1") == "on 30\u00a0October 2026: 1"
    assert unbroken("2026-02-31 v2026-01-01 2026-01-01T05:00:00Z") == (
        "2026-02-31\u00a0v2026-01-01 2026-01-01T05:00:00Z"
    )
    assert unbroken("61 shops, 4.1%") == "61\u00a0shops, 4.1\u00a0%"


def test_long_tables_are_folded_and_say_what_is_left_out() -> None:
    many = Table("t", "T", (Column("a", "A"), Column("b", "B")), tuple(("x", 1.0 * n)
                 for n in range(450)))  # fmt: skip
    told = table_of(many)
    assert (len(told["rows"]), len(told["folded"]), told["left_out"]) == (25, 375, 50)
    assert told["figures"] == {1}


def test_many_findings_of_a_study_are_folded_and_long_names_have_the_width() -> None:
    found = [kept(finding("forecasts", f"k{n}")) for n in range(23)]
    assert "3 more" in page("/insight/forecasts", MemoryFindings(found))
    refs = Table("t", "T", (Column("a", "Place"),), (("PhaseSuccessValidator.validate_final.x",),))
    told = finding_context(kept(finding("outlook", "g", tables=(refs,))), namer(BOARD))
    assert (len(told["tables"]), len(told["wide_tables"])) == (0, 1)


def test_pictures_of_any_shape_are_drawn() -> None:
    def curve(kind: str, *points: Point) -> Curve:
        return Curve(kind, kind, kind, points)  # type: ignore[arg-type]

    words = [Point("Going live", 5.0, 1.0, 9.0), Point("Prices", 2.0)]
    rows = curves_chart(Picture("P", "cause", "%", (curve("expected", *words),), line=4.0))
    assert rows is not None
    assert all(name in rows.wide for name in ("Going live", "Prices"))
    shapes = [
        (curve("observed", Point("2026-01-01", 1.0)),),
        (curve("observed", Point("a", 1.0), Point("b", None), Point("c", 2.0)),),
        (curve("observed", Point(0.1, 0.12)), curve("compared", Point(0.0, 0.0), Point(1.0, 1.0))),
        (curve("expected", *(Point(f"2026-01-01T{h:02}:00:00Z", h * 1.0, 0.0, 9.0)
                             for h in range(24))),),
        (curve("observed", Point(1.0, 5.0)), curve("expected", Point("a", 2.0))),
    ]  # fmt: skip
    for curves in shapes:
        drawn = drawn_of(Picture("P", "x", "ms", curves))
        assert drawn is not None
        assert 'd="M' in drawn.chart.wide
        assert len(drawn.rows[0]) == 1 + len(curves)
    assert drawn_of(Picture("P", "x", "ms", (curve("observed", Point(1.0, None)),))) is None


def test_pages_of_one_kind_are_known_as_such() -> None:
    assert kind_of("/insight/risk/incident_7d") == "/insight/*/*"
    assert kind_of("/owners/F1/insight/owners/value") == "/owners/*/insight/*/*"
    assert kind_of("/owners/F1/metrics/m") == "/owners/*/metrics/*"
    assert kind_of("/settings/people") == "/settings/people"


def test_a_thing_s_own_page_has_what_was_found_about_it() -> None:
    up = finding("anomalies", "uptime")
    found = [kept(each) for each in (
        up, finding("forecasts", "uptime:p95"), finding("forecasts", "uptime_days"),
    )]  # fmt: skip
    assert [each.finding.key for each in about(found, "uptime")] == ["uptime", "uptime:p95"]


def test_operations_are_told_of_what_can_be_prevented() -> None:
    told = soon([*examples(), kept(replace(risk("tableau", 50), withheld="Too little."))],
                namer(BOARD))  # fmt: skip
    assert [row.about for row in told] == ["Square", "Clover"]


def test_the_executive_page_tells_what_it_brought_and_what_comes() -> None:
    told = told_of(examples(), BOARD)
    assert [row.title for row in told] == [
        "Return on investment", "Sales", "Platform revenue, next quarter",
    ]  # fmt: skip
    assert not told_of([], BOARD)


def test_an_owner_is_told_worth_and_advice_but_led_to_own_pages_alone() -> None:
    shop = Scope("franchise", "F1")
    found = [each for each in examples() if each.finding.scope == shop]
    there = replace(found[0].finding.advice[0], link="/connections")
    found = [kept(replace(found[0].finding, advice=(there,)))]
    shown = owner_context(
        "Harbour", owner_card("F1", metric("time_savings", "F1", 3)), {}, {}, found
    )
    assert shown["found"][0].sentence.startswith("Your shop saves")
    assert shown["steps"][0]["do"] == "Take bookings online for two more chairs"
    assert shown["steps"][0]["href"] == "/owners/F1/insight/owners/value"
    known = owner_context("Harbour", owner_card("F1"), {}, {})["steps"]
    assert known, "what is not known yet can be made known"
    again = replace(there, title=known[0]["do"].rstrip("."))
    twice = kept(replace(found[0].finding, advice=(again,)))
    shown = owner_context("Harbour", owner_card("F1"), {}, {}, [twice])
    todo = [each["do"].rstrip(".") for each in shown["steps"]]
    assert len(todo) == len(set(todo)), "what a study advises is not said a second time"
    own = kept(replace(found[0].finding, advice=(replace(there, link="/owners/F1/metrics/x"),)))
    shown = owner_context("Harbour", owner_card("F1"), {}, {}, [own])
    assert shown["steps"][0]["href"] == "/owners/F1/metrics/x"


def test_search_finds_findings() -> None:
    (group,) = search("raised sales", ("Findings", findings(examples(), namer(BOARD))))
    assert [each.path for each in group.found] == ["/insight/effect/sales"]
    (group,) = search("retention", ("Findings", findings(examples(), namer(BOARD))))
    assert group.found[0].look is not None
    assert group.found[0].look.word == "Withheld"
