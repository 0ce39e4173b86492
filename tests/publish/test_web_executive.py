"""Executive: the sentence says how the promises stand; systems and gates say what is left."""

from __future__ import annotations

from datetime import UTC, date, datetime
from importlib.resources import files
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from meterstone.board.model import Board, Card
from meterstone.measure.results import Scope
from meterstone.publish.reports.content import PROMISES, promise_sentence
from meterstone.publish.reports.model import KINDS
from meterstone.publish.reports.view import View
from meterstone.publish.web.executive import gate_rows, routes, standings
from meterstone.publish.web.sections import strip, trend
from meterstone.publish.web.site import Site, figure
from publish.web.boards import MemoryBoard

DAY = date(2026, 3, 31)


def card(**document: Any) -> Card:
    return Card(
        Scope("network"), DAY, datetime(2026, 4, 1, tzinfo=UTC), "hash", document, b""
    )  # fmt: skip


def gate(id_: str, *verdicts: str, **more: Any) -> dict[str, Any]:
    days = [
        {"day": f"2026-03-{at:02}", "verdict": verdict, "kind": "published", "held_back_by": []}
        for at, verdict in enumerate(verdicts, 1)
    ]
    return {
        "id": id_, "title": id_, "run": 0, "needed": 30, "passed": False, "days": days,
        "chance_all": None, "since": None, "broken_on": None, "broken_by": [], **more,
    }  # fmt: skip


def test_promises_that_are_judged_are_said_one_by_one_and_the_others_together() -> None:
    roi, growth, work, owners = PROMISES
    opened = "insufficient_data"
    assert promise_sentence(dict.fromkeys(PROMISES, opened)) == (
        "None of the four promises is proven yet."
    )
    assert promise_sentence(
        {roi: opened, growth: "met", work: "inconclusive", owners: "not_met"}
    ) == (
        "Growth holds. Owners are not satisfied yet. The return and saved work are not proven yet."
    )
    assert promise_sentence({growth: "met", roi: "no_data"}) == (
        "Growth holds. The return is not proven yet."
    )
    assert promise_sentence(dict.fromkeys(PROMISES, "met")).endswith("Owners are satisfied.")
    assert promise_sentence({roi: opened}) == "The return is not proven yet."


def test_systems_count_every_target_once_by_its_verdict() -> None:
    def metric(verdict: str, system: str) -> dict[str, Any]:
        return {"id": verdict, "verdict": verdict, "refs": [f"{system}.target_metrics.x"]}

    shown = standings(
        card(
            metrics=[
                metric("met", "IntegrationPerformanceMetrics"),
                metric("not_met", "IntegrationPerformanceMetrics"),
                metric("inconclusive", "IntegrationPerformanceMetrics"),
                metric("no_data", "IntegrationPerformanceMetrics"),
                metric("met", "CustomerSatisfactionMetrics"),
            ]
        )
    )
    by_title = {each.title: each for each in shown}
    integration = by_title["Integration performance metrics"]
    assert (integration.met, integration.missed, integration.doubt, integration.none) == (
        1,
        1,
        1,
        1,
    )
    assert integration.link == "/catalogue#IntegrationPerformanceMetrics"
    assert sum(each.count for each in shown) == 5


def test_gates_come_phases_first_with_their_run_and_chance() -> None:
    board = SimpleNamespace(
        catalogue=SimpleNamespace(
            gates={"ops": 0, "phase_1": 0, "success_declaration": 0}, by_ref=dict
        )
    )
    document = {
        "gates": [
            gate("ops", "met", "broken", "met", run=1, chance_all=0.25),
            gate("phase_1", "met", run=30, passed=True, chance_all=1.0),
            gate("success_declaration"),
        ]
    }
    phase, ops = gate_rows(View(KINDS["monthly"], card(**document), cast("Board", board)))
    assert (phase.title, phase.look.word, phase.chance) == ("phase_1", "Passed", "")
    assert (ops.look.word, ops.run, ops.chance) == ("Under way", "1 of 30 days", "25 %")
    assert ops.strip_says == "met on 2 of the last 3 days"
    assert {tone for tone, _ in ops.strip} == {"met", "miss"}


@pytest.mark.parametrize("name", ["executive.html", "gates.html", "gate.html"])
def test_a_chance_is_marked_as_modelled(name: str) -> None:
    template = files("meterstone.publish.web").joinpath("templates", name).read_text("utf-8")
    told = template.partition("Chance to pass")[2] or template.partition("with a chance of")[2]
    assert "{{ p.modelled() }}" in told.partition("\n")[0]


def test_a_strip_has_a_mark_for_every_day_and_shape_tells_as_colour_does() -> None:
    drawn = dict(strip(["met", "miss", "none", "met", "doubt"]))
    assert drawn["met"].count("M") == 2
    assert drawn["met"].startswith("M0 0.0h8.6")
    assert "M20 10.0" in drawn["none"], "low"
    assert "M40 4.7" in drawn["doubt"], "shorter"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0], ""),
        ([None, None], ""),
        ([50.0, None, 60.0], "50 % 2 days earlier"),
        ([60.0] * 90, "steady for 30 days"),
        ([10.0] * 50 + [20.0] * 20 + [30.0], "10 % 30 days earlier"),
        ([0.0, 5.0, None], "0 % 1 day earlier"),
    ],
)
def test_a_trend_is_the_newest_value_beside_that_of_a_month_before(
    values: list[float | None], said: str
) -> None:
    assert trend(values, "%") == said


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("59.2 % reduction", ("59.2 %", "reduction")),
        ("99.95 %", ("99.95 %", "")),
        ("$1,998 per franchise-month", ("$1,998", "per franchise-month")),
        ("+27.4 %", ("+27.4 %", "")),
        ("rank 2", ("rank 2", "")),
        ("—", ("—", "")),
        ("182 ms", ("182", "ms")),
    ],
)
def test_a_value_is_its_figure_and_what_follows(text: str, parts: tuple[str, str]) -> None:
    assert figure(text) == parts


@pytest.mark.parametrize(
    ("query", "said"),
    [("", "Connect a system or load files"), ("?day=2026-03-01", "Choose another")],
)
def test_where_nothing_is_known_the_page_says_what_to_do_next(query: str, said: str) -> None:
    site = Site(cast("Board", MemoryBoard()), lambda: None)
    page = TestClient(Starlette(routes=routes(site))).get(f"/executive{query}").text
    assert said in page
