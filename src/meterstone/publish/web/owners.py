"""Owners: what it did for each shop, one in a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card
from meterstone.publish.web.owner_words import plain_value
from meterstone.publish.web.site import Site
from meterstone.scorecard.values import VERDICTS, count_text


def routes(site: Site) -> list[BaseRoute]:
    """``/owners``."""

    def show(request: Request) -> Response:
        card = site.card(request)
        site.keep(request)
        return site.render(
            request, "owners.html", card=card, title="Owners",
            **owners_context(site.board, card),
        )  # fmt: skip

    return [Route("/owners", show)]


def owners_context(board: Board, card: Card | None) -> Mapping[str, Any]:
    """What the list of shops shows: each in one row, as of its own scorecard."""
    rows: list[dict[str, Any]] = []
    for named in board.scopes("franchise"):
        own = board.card(named.scope, card.day if card else None, card.known_at if card else None)
        metrics = own.document["metrics"] if own else ()
        tones = Counter(VERDICTS[metric["verdict"]].tone for metric in metrics)
        values = {metric["id"]: metric for metric in metrics}
        score = values.get("customer_success_score")
        rows.append(
            {
                "name": named.name,
                "href": f"/owners/{named.scope.key}",
                "met": tones["met"],
                "missed": tones["miss"],
                "open": tones["doubt"],
                "unknown": tones["none"],
                "hours": _value(values.get("time_savings")),
                "money": _value(values.get("owner_revenue_increase")),
                "in_place": _value(score),
                "share": score["value"] if score else None,
            }
        )
    rows.sort(key=lambda row: (-row["missed"], _or_all(row["share"]), row["name"]))
    return {**_said(rows), "rows": rows}


def _said(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    missing = sum(1 for row in rows if row["missed"])
    judged = any(row["met"] for row in rows)
    short = sum(1 for row in rows if _or_all(row["share"]) < _ALL)
    count = count_text(len(rows), "shops")
    if not rows:
        return {"sentence": "No shop is known yet.", "lede": ""}
    if missing:
        said = f"{missing} of {count} miss a target."
    elif judged:
        said = f"No target of {count} is missed."
    elif short:
        said = f"{short} of {count} lack something that a shop needs."
    else:
        said = f"{count} have what a shop needs."
    return {
        "sentence": said,
        "lede": "Those with most to mend first; each by its own scorecard. Targets are the "
        "network's: few of them can be proven for one shop alone.",
    }


_ALL = 100.0


def _or_all(share: float | None) -> float:
    return _ALL if share is None else share


def _value(metric: Mapping[str, Any] | None) -> str:
    return "—" if metric is None else plain_value(metric["value"], metric["unit"])
