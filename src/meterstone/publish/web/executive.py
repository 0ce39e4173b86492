"""Executive: did it pay back, does it hold, and what needs a decision?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card
from meterstone.framework import systems
from meterstone.insight.findings import KeptFinding
from meterstone.publish.charts.days import days_chart
from meterstone.publish.charts.systems import Standing, standing_chart
from meterstone.publish.findings import ordered
from meterstone.publish.order import by_system
from meterstone.publish.reports import chapters
from meterstone.publish.reports.content import PROMISES, report
from meterstone.publish.reports.model import KINDS, Line
from meterstone.publish.reports.view import View, system_title
from meterstone.publish.web.numbers import Number, number
from meterstone.publish.web.sections import strip, trend
from meterstone.publish.web.site import Site
from meterstone.publish.web.told import Row, namer, row
from meterstone.scorecard.values import VERDICTS, VerdictLook, count_text, format_value

_DASHBOARD = "ExecutiveDashboard."
DAYS = KINDS["monthly"].days
_STRIP = 30
"""Days of a gate in its row."""
_TONES: Mapping[str, str] = {"met": "met", "miss": "miss", "excused": "doubt", "none": "none"}
_TOLD = ("worth", "effect", "forecasts", "outlook")
_SUMMARY, _ACHIEVEMENTS = "generate_executive_summary", "highlight_key_achievements"


def routes(site: Site) -> list[BaseRoute]:
    """``/executive``."""

    def show(request: Request) -> Response:
        card = site.card(request)
        if card is None:
            return site.render(
                request, "executive.html", title="Executive", empty=True,
                sentence="Nothing has been computed yet." if site.as_of(request).is_now
                else "Nothing was known of this day.",
            )  # fmt: skip
        site.keep(request)
        return site.render(
            request, "executive.html", card=card, title="Executive", empty=False,
            **context(card, site.board_of(request), site.found(request)),
        )  # fmt: skip

    return [Route("/executive", show)]


def context(card: Card, board: Board, findings: Sequence[KeptFinding] = ()) -> Mapping[str, Any]:
    """What the page shows, from the documents alone.

    Sentence, lede, promises, declaration, what moved and decisions are in the words of the monthly
    report of the same scorecard.
    """
    told = report("monthly", card, board, findings=findings)
    view = View(KINDS["monthly"], card, board, findings=findings)
    promised = view.some(PROMISES)
    systems = standings(card)
    return {
        "sentence": told.sentence,
        "lede": told.lead,
        "promises": [_promise(line, board, card) for line in promised],
        "health": _placed(card, _SUMMARY, {line.number.id for line in promised}),
        "achievements": _placed(card, _ACHIEVEMENTS, set()),
        "declaration": chapters.declaration(view),
        "systems": systems,
        "standing": standing_chart(systems),
        "gates": gate_rows(view),
        "told": told_of(findings, board),
        "moved": chapters.moved(view),
        "decisions": chapters.decisions(view),
    }


def told_of(findings: Sequence[KeptFinding], board: Board) -> Sequence[Row]:
    """What it brought and what comes: the first finding of each study that tells of it."""
    first: dict[str, KeptFinding] = {}
    for each in ordered(findings):
        first.setdefault(each.finding.study, each)
    return [row(first[study], namer(board)) for study in _TOLD if study in first]


def _promise(line: Line, board: Board, card: Card) -> Mapping[str, Any]:
    """A promise with its days: as a chart, in words, and as rows, the newest first."""
    unit, days = line.metric["unit"], board.history(line.number.id, card.scope, DAYS, card.day)
    return {
        "number": line.number,
        "chart": days_chart(days, line.metric["target"], unit, tall=90),
        "trend": trend(line.history, unit) if line.history else "",
        "days": [
            (each.day, format_value(each.value, unit), VERDICTS[each.verdict])
            for each in reversed(days)
        ],
    }


def standings(card: Card) -> list[Standing]:
    """How the targets of each system of the framework stand."""
    found = []
    for system, metrics in by_system(card.document["metrics"]).items():
        tones = Counter(VERDICTS[metric["verdict"]].tone for metric in metrics)
        met, missed, doubt = tones["met"], tones["miss"], tones["doubt"]
        rest = len(metrics) - met - missed - doubt
        title, link = system_title(system), f"/catalogue#{system}"
        found.append(Standing(title, met, missed, doubt, rest, link))
    return found


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate in a row: its last days, how far it is, and what holds it back."""

    title: str
    link: str
    strip: Sequence[tuple[str, str]]
    strip_says: str
    run: str
    chance: str
    held_by: str
    look: VerdictLook


def gate_rows(view: View) -> Sequence[Gate]:
    """Every gate but the declaration, phases first, in the order of the definitions."""
    order = list(view.board.catalogue.gates)

    def place(gate: Mapping[str, Any]) -> tuple[bool, int]:
        id_ = gate["id"]
        is_phase = id_.startswith("phase") or id_ == "final_validation"
        return not is_phase, order.index(id_) if id_ in order else len(order)

    rest = [gate for gate in view.document["gates"] if gate["id"] != chapters.SUCCESS]
    return [_gate(view, gate) for gate in sorted(rest, key=place)]


def _gate(view: View, gate: Mapping[str, Any]) -> Gate:
    days = chapters.gate_marks(gate)[-_STRIP:]
    met = sum(1 for day in days if day.tone == "met")
    chance = gate["chance_all"]
    look = (
        VerdictLook("●", "Passed", "met")
        if gate["passed"]
        else VerdictLook("◐", "Under way", "doubt")
        if gate["run"]
        else VerdictLook("▲", "Not begun", "miss")
    )
    return Gate(
        title=gate["title"],
        link=f"/gates/{gate['id']}",
        strip=strip([_TONES[day.tone] for day in days]),
        strip_says=f"met on {met} of the last {count_text(len(days), 'days')}",
        run=f"{gate['run']} of {count_text(gate['needed'], 'days')}",
        chance="" if chance is None or gate["passed"] else chapters.chance_text(chance),
        held_by=chapters.held_by(view, gate),
        look=look,
    )


def _placed(card: Card, method: str, without: set[str]) -> Sequence[Number]:
    """The metrics of a method of the framework's dashboard, in its order, by its targets."""
    found = []
    for metric in card.document["metrics"]:
        for place in metric["places"]:
            system, _, rest = place["ref"].partition(".")
            if f"{system}." == _DASHBOARD and rest.startswith(f"{method}."):
                found.append((metric, place))
    order = {ref: at for at, ref in enumerate(_refs())}
    found.sort(key=lambda pair: order.get(pair[1]["ref"], 0))
    return [
        number(metric, place["target"]) for metric, place in found if metric["id"] not in without
    ]


@cache
def _refs() -> tuple[str, ...]:
    return tuple(systems()["ExecutiveDashboard"].refs)
