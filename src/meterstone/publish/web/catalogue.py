"""Catalogue: every target of the framework, measured, by system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card
from meterstone.errors import InputError, suggest
from meterstone.publish.order import by_system
from meterstone.publish.reports.view import system_title
from meterstone.publish.web.numbers import number
from meterstone.publish.web.site import Site
from meterstone.scorecard.values import VERDICTS, count_text


def routes(site: Site) -> list[BaseRoute]:
    """``/catalogue``; ``?verdict=not_met`` shows only those."""

    def show(request: Request) -> Response:
        card = site.card(request)
        chosen = request.query_params.get("verdict", "")
        return site.render(
            request, "catalogue.html", card=card, title="Metrics",
            **catalogue_context(card, site.board, chosen),
        )  # fmt: skip

    return [Route("/catalogue", show)]


def catalogue_context(card: Card | None, board: Board, chosen: str = "") -> Mapping[str, Any]:
    """What the page shows.

    Args:
        card: the network's scorecard; None: definitions alone.
        chosen: a verdict; empty: all.

    Raises:
        InputError: there is no such verdict.
    """
    if chosen and chosen not in VERDICTS:
        raise InputError(
            f"no verdict is called {chosen!r}", place="?verdict=",
            mend=suggest(chosen, list(VERDICTS)),
        )  # fmt: skip
    metrics = [] if card is None else card.document["metrics"]
    counted = Counter(metric["verdict"] for metric in metrics)
    shown = [metric for metric in metrics if chosen in ("", metric["verdict"])]
    met = count_text(counted["met"], "targets")
    return {
        "sentence": f"{met} of {len(metrics)} met." if metrics else "Nothing is measured yet.",
        "lede": f"{len(board.catalogue.metrics)} metrics measure "
        f"{len(board.catalogue.by_ref())} targets of the framework.",
        "chosen": chosen,
        "filters": [
            (verdict, look, counted[verdict])
            for verdict, look in VERDICTS.items() if counted[verdict]
        ],
        "systems": [
            (system, system_title(system), [number(metric) for metric in found])
            for system, found in by_system(shown).items()
        ],
    }  # fmt: skip
