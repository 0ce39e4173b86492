"""Executive: did it pay back, does it hold, and what needs a decision?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card
from meterstone.framework import systems
from meterstone.publish.reports import chapters
from meterstone.publish.reports.content import PROMISES, report
from meterstone.publish.reports.model import KINDS
from meterstone.publish.reports.view import View
from meterstone.publish.web.numbers import Number, number
from meterstone.publish.web.sections import spark
from meterstone.publish.web.site import Site

_DASHBOARD = "ExecutiveDashboard."
_SUMMARY, _ACHIEVEMENTS = "generate_executive_summary", "highlight_key_achievements"


def routes(site: Site) -> list[BaseRoute]:
    """``/executive``."""

    def show(request: Request) -> Response:
        card = site.card(request)
        if card is None:
            return site.render(
                request, "executive.html", title="Executive", empty=True,
                sentence="Nothing has been computed yet.",
            )  # fmt: skip
        site.keep(request)
        return site.render(
            request, "executive.html", card=card, title="Executive", empty=False,
            **context(card, site.board),
        )  # fmt: skip

    return [Route("/executive", show)]


def context(card: Card, board: Board) -> Mapping[str, Any]:
    """What the page shows, from the documents alone.

    Sentence, lede, promises (number, trend), health, achievements, declaration, phases, what moved
    and decisions are those of the monthly report of the same scorecard.
    """
    told = report("monthly", card, board)
    view = View(KINDS["monthly"], card, board)
    promised = view.some(PROMISES)
    return {
        "sentence": told.sentence,
        "lede": told.lead,
        "promises": [(line.number, spark(line)) for line in promised],
        "health": _placed(card, _SUMMARY, {line.number.id for line in promised}),
        "achievements": _placed(card, _ACHIEVEMENTS, set()),
        "declaration": chapters.declaration(view),
        "phases": chapters.phases(view),
        "moved": chapters.moved(view),
        "decisions": chapters.decisions(view),
    }


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
