"""Gates: runs of days, what breaks them, and when they can pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card
from meterstone.publish.reports.chapters import chance_text
from meterstone.publish.web.numbers import Number, number
from meterstone.publish.web.site import NETWORK, Site
from meterstone.publish.web.told import about, namer, row
from meterstone.scorecard.values import count_text, format_day

_TONES = {"met": "met", "broken": "miss", "excused": "doubt"}
_WORDS = {"met": "held", "broken": "broken", "excused": "excused by agreed maintenance",
    "missing": "not measured",
}  # fmt: skip
_MOST_HELD = 8


def routes(site: Site) -> list[BaseRoute]:
    """``/gates`` and ``/gates/{gate}``."""

    def every(request: Request) -> Response:
        site.keep(request)
        card = site.card(request)
        return site.render(
            request, "gates.html", card=card, title="Gates", **gates_context(card, site.board)
        )

    def one(request: Request) -> Response:
        site.keep(request)
        card = site.card(request)
        name = request.path_params["gate"]
        found = None if card is None else _gate(card, name)
        if card is None or found is None:
            return site.error(request, HTTPStatus.NOT_FOUND)
        return site.render(
            request, "gate.html", card=card, title=found["title"],
            **gate_context(found, card, site.board),
            found=[
                row(each, namer(site.board))
                for each in about(site.found_at(request, NETWORK), name)
            ],
        )  # fmt: skip

    return [Route("/gates", every), Route("/gates/{gate}", one)]


def gates_context(card: Card | None, board: Board) -> Mapping[str, Any]:
    """What the list shows: every gate with its run, in the order of the catalogue."""
    gates = [] if card is None else card.document["gates"]
    passed = sum(gate["passed"] for gate in gates)
    return {
        "sentence": f"{passed} of {count_text(len(gates), 'gates')} passed."
        if gates
        else "No run of days has begun yet.",
        "gates": [] if card is None else [_summary(gate, card, board) for gate in gates],
    }


def gate_context(gate: Mapping[str, Any], card: Card, board: Board) -> Mapping[str, Any]:
    """What the page of a gate shows: its days, what held each back, and what is likeliest to."""
    told = _summary(gate, card, board)
    return {
        **told,
        "sentence": f"{gate['title']}: {told['state']}.",
        "rule": board.catalogue.gates[gate["id"]].title if gate["id"] in board.catalogue.gates
        else gate["title"],
        "by_day": _alike(gate["days"], board),
        "risks": _risks(gate, card, board),
        "reconstructed": gate["reconstructed"],
        "restated": [format_day(day, near=card.day) for day in gate["restated"]],
        "windows": gate["maintenance"],
    }  # fmt: skip


def _gate(card: Card, name: str) -> Mapping[str, Any] | None:
    return next((gate for gate in card.document["gates"] if gate["id"] == name), None)


def _summary(gate: Mapping[str, Any], card: Card, board: Board) -> Mapping[str, Any]:
    left = gate["needed"] - gate["run"]
    soonest = card.day + timedelta(days=left)
    newest = gate["days"][-1]["held_back_by"] if gate["days"] else []
    return {
        "id": gate["id"],
        "gate": gate["title"],
        "passed": gate["passed"],
        "state": _state(gate),
        "tone": "met" if gate["passed"] else "doubt" if gate["run"] else "miss",
        "first": gate["days"][0]["day"] if gate["days"] else "",
        "last": gate["days"][-1]["day"] if gate["days"] else "",
        "marks": [_mark(day) for day in gate["days"]],
        "soonest": "" if gate["passed"] else format_day(soonest, near=card.day),
        "chance": "" if gate["chance_all"] is None else chance_text(gate["chance_all"]),
        "since": gate["since"],
        "broken_on": gate["broken_on"],
        "broken_by": _named(gate["broken_by"], board),
        "held": [] if gate["passed"] else _named(newest, board),
    }


def _state(gate: Mapping[str, Any]) -> str:
    if gate["passed"]:
        return "passed"
    if gate["needed"] == 1:
        return "not passed on this day"
    return f"day {gate['run']} of {gate['needed']} in a row"


def _mark(day: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        "tone": _TONES.get(day["verdict"], "none"),
        "says": f"{day['day']}: {_WORDS.get(day['verdict'], day['verdict'])}",
    }


def _alike(days: Sequence[Mapping[str, Any]], board: Board) -> list[dict[str, Any]]:
    """Days, newest first; those that follow each other and are alike in one row."""
    rows: list[dict[str, Any]] = []
    for day in reversed(days):
        told = _day(day, board)
        if rows and all(rows[-1][name] == text for name, text in told.items()):
            rows[-1] |= {"first": day["day"], "days": rows[-1]["days"] + 1}
        else:
            rows.append({**told, "first": day["day"], "last": day["day"], "days": 1})
    return rows


def _day(day: Mapping[str, Any], board: Board) -> Mapping[str, Any]:
    held = _named(day["held_back_by"], board)
    return {
        "tone": _TONES.get(day["verdict"], "none"),
        "word": _WORDS.get(day["verdict"], day["verdict"]).capitalize(), "kind": day["kind"],
        "held": held[:_MOST_HELD], "more": len(held) - _MOST_HELD,
    }  # fmt: skip


def _named(refs: Sequence[str], board: Board) -> list[tuple[str, str]]:
    """Titles and pages of what refs stand for, each once."""
    known = board.catalogue.by_ref()
    found = {}
    for ref in refs:
        metric = known[ref][0].raw if ref in known else None
        found[metric.title if metric else ref] = f"/catalogue/{metric.id}" if metric else ""
    return list(found.items())


def _risks(gate: Mapping[str, Any], card: Card, board: Board) -> list[tuple[Number, str]]:
    """What is likeliest to break the run first: the least chance to hold it through."""
    known = board.catalogue.by_ref()
    metrics = {metric["id"]: metric for metric in card.document["metrics"]}
    ranked = sorted(
        ((share, ref) for ref, share in gate["chance"].items() if share is not None),
        key=lambda pair: pair[0],
    )
    risks = []
    for share, ref in ranked:
        metric = metrics.get(known[ref][0].raw.id) if ref in known else None
        if metric is not None:
            risks.append((number(metric), chance_text(share)))
    return risks
