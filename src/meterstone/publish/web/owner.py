"""Owners: what it did for each shop, and the page of one: a few numbers, a sentence each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card
from meterstone.measure.results import Scope
from meterstone.publish.web.numbers import Number, number
from meterstone.publish.web.peers import LEAST, Cohorts, Peers
from meterstone.publish.web.site import Site
from meterstone.scorecard.values import count_text, format_value

MOST = 12
"""Numbers on the page of a shop."""


@dataclass(frozen=True, slots=True)
class Plain:
    """How a metric is said to an owner.

    Attributes:
        title: as an owner would say it.
        says: the sentence, with the value as ``{}``.
        missing: what makes it known, where it is not.
        worth: what catching up with the others is worth, with the difference as ``{}``; empty
            where a difference has no worth of its own.
    """

    title: str
    says: str
    missing: str
    worth: str = ""


PLAIN: Mapping[str, Plain] = MappingProxyType(
    {
        "time_savings": Plain(
            "Hours you get back each week", "Your shop works {} less by hand than before.",
            "Write down a usual week of work: then the hours you get back can be counted.",
            "worth about {} each week",
        ),
        "owner_revenue_increase": Plain(
            "Sales from being connected", "Being connected brought {}.",
            "A year of closed months before and after makes the gain provable.",
            "worth about {}",
        ),
        "average_revenue_per_franchise": Plain(
            "What your shop pays for it", "Fees and services of your shop come to {}.",
            "It is known after the first closed month.",
        ),
        "network_revenue_growth": Plain(
            "Your sales, year over year", "Your sales changed by {} in a year.",
            "It is known after 24 closed months of payments.",
        ),
        "owner_operational_efficiency": Plain(
            "Work done per hour", "Your shop gets {} more done in an hour.",
            "Write down a usual week of work, before and after.",
        ),
        "manual_data_entry_reduction": Plain(
            "Typing that went away", "Typing in data went down by {}.",
            "Write down a usual week of work, before and after.",
        ),
        "administrative_overhead": Plain(
            "Office hours", "Your office hours changed by {}.",
            "Write down a usual week of work, before and after.",
        ),
        "decision_making_speed": Plain(
            "How fast you decide", "Decisions come faster by {}.",
            "Note when you ask for a number and when you act on it.",
        ),
        "end_customer_satisfaction_improvement": Plain(
            "Your customers' ratings", "Your customers' ratings changed by {}.",
            "Ratings before and after going live make it known.",
        ),
        "franchise_owner_satisfaction": Plain(
            "Your own answers", "{} of your answers say that you are satisfied.",
            "Answer the next survey: it is five questions.",
        ),
        "user_engagement_increase": Plain(
            "How much you use it", "Your team uses the system {} more than before.",
            "It is known after two whole quarters.",
        ),
        "customer_success_score": Plain(
            "What runs as it should", "{} of what a shop needs is in place.",
            "It is known once your shop is live.", "that much more in place",
        ),
        "reporting_usage": Plain(
            "Looking at your numbers", "Your team looks at its numbers {}.",
            "Open a report once: then it is counted.",
        ),
    }
)  # fmt: skip
"""The metrics of a shop, in the order of its page."""


_ALWAYS = ("time_savings", "owner_revenue_increase")
"""What owners ask first; where it is not known, the page says how it becomes known."""


@dataclass(frozen=True, slots=True)
class Told:
    """A number as an owner reads it."""

    number: Number | None
    title: str
    sentence: str
    others: str


def routes(site: Site) -> list[BaseRoute]:
    """``/owners`` and ``/owners/{franchise}``."""
    cohorts = Cohorts(site.board)

    def every(request: Request) -> Response:
        card = site.card(request)
        site.keep(request)
        return site.render(
            request, "owners.html", card=card, title="Owners",
            **owners_context(site.board, card),
        )  # fmt: skip

    def one(request: Request) -> Response:
        key = request.path_params["franchise"]
        names = {named.scope.key: named.name for named in site.board.scopes("franchise")}
        if key not in names:
            return site.error(request, HTTPStatus.NOT_FOUND)
        card = site.card(request, Scope("franchise", key))
        if card is None:
            return site.render(
                request, "owner.html", title=names[key], empty=True,
                sentence=f"{names[key]}: nothing was computed for this day.",
            )  # fmt: skip
        site.keep(request)
        as_of = site.as_of(request)
        peers = {id_: cohorts.of(key, id_, card.day, as_of.known_at) for id_ in PLAIN}
        return site.render(
            request, "owner.html", card=card, title=names[key], empty=False,
            **owner_context(names[key], card, peers),
        )  # fmt: skip

    return [Route("/owners", every), Route("/owners/{franchise}", one)]


def owner_context(name: str, card: Card, peers: Mapping[str, Peers | None]) -> Mapping[str, Any]:
    """What the page of a shop shows.

    Args:
        name: of the shop.
        card: its own scorecard.
        peers: the others by metric; None where they are too few.
    """
    metrics = {metric["id"]: metric for metric in card.document["metrics"]}
    shown = [
        id_ for id_ in PLAIN if id_ in metrics or id_ in ("time_savings", "owner_revenue_increase")
    ]
    told = [_told(PLAIN[id_], metrics.get(id_), peers.get(id_)) for id_ in shown[:MOST]]
    told.sort(key=lambda each: each.number is None)
    steps = _next(metrics, peers)
    known = sum(1 for each in told if each.number is not None)
    most = max((p.count for p in peers.values() if p), default=0)
    compared = (
        f"compared with {most} other shops of the network, none of which can be recognised"
        if most
        else f"not compared: fewer than {LEAST} other shops have numbers"
    )
    things = {0: "nothing to fix", 1: "one thing to do"}.get(
        len(steps), f"{len(steps)} things to do"
    )
    return {
        "sentence": f"{name}: {count_text(known, 'numbers')} known, {things}.",
        "lede": f"The day of {card.day:%-d %B %Y}, {compared}.",
        "told": told,
        "steps": steps,
    }


def _told(plain: Plain, metric: Mapping[str, Any] | None, peers: Peers | None) -> Told:
    if metric is None or metric["value"] is None:
        return Told(None, plain.title, plain.missing, "")
    value = number(metric)
    others = ""
    if peers is not None:
        low, high = (format_value(each, metric["unit"]) for each in (peers.low, peers.high))
        others = f"shops beside yours: {low} to {high}"
    return Told(value, plain.title, plain.says.format(value.value), others)


def _next(
    metrics: Mapping[str, Mapping[str, Any]], peers: Mapping[str, Peers | None]
) -> Sequence[Mapping[str, str]]:
    """What to do: first what others have more of, by what it is worth; then what is not known."""
    behind: list[Mapping[str, str]] = []
    unknown: list[Mapping[str, str]] = []
    for id_, plain in PLAIN.items():
        metric, others = metrics.get(id_), peers.get(id_)
        value = metric["value"] if metric else None
        if value is None and len(unknown) < 2 and plain.missing not in {u["do"] for u in unknown}:
            unknown.append(
                {"do": plain.missing, "says": f"It makes known: {_lower(plain.title)}.", "href": ""}
            )
        if metric is None or others is None or isinstance(value, str | bool | None):
            continue
        gap = (
            others.middle - value
            if metric["target"]["cmp"] in (">", ">=")
            else value - others.middle
        )
        if gap > 0 and plain.worth:
            worth = plain.worth.format(format_value(gap, metric["unit"]))
            behind.append(
                {
                    "do": f"Catch up on: {_lower(plain.title)}, {worth}",
                    "says": f"Half of the shops beside yours have "
                    f"{format_value(others.middle, metric['unit'])} or better.",
                    "href": number(metric).link,
                }
            )
    return [*behind, *unknown][:5]


def owners_context(board: Board, card: Card | None) -> Mapping[str, Any]:
    """What the list of shops shows: each in one row, as of its own scorecard."""
    rows = []
    for named in board.scopes("franchise"):
        own = board.card(named.scope, card.day if card else None, card.known_at if card else None)
        counts = own.document["summary"]["counts"] if own else {}
        values = {m["id"]: m for m in own.document["metrics"]} if own else {}
        rows.append(
            {
                "name": named.name,
                "href": f"/owners/{named.scope.key}",
                "met": counts.get("met", 0),
                "missed": counts.get("not_met", 0),
                "open": sum(counts.values()) - counts.get("met", 0) - counts.get("not_met", 0),
                "hours": _value(values.get("time_savings")),
                "money": _value(values.get("owner_revenue_increase")),
                "score": _value(values.get("customer_success_score")),
            }
        )
    rows.sort(key=lambda row: (-row["missed"], row["name"]))
    missing = sum(1 for row in rows if row["missed"])
    said = (
        "No shop is known yet."
        if not rows
        else f"{missing} of {count_text(len(rows), 'shops')} miss a target."
        if missing
        else f"No target of {count_text(len(rows), 'shops')} is missed."
    )
    return {
        "sentence": said,
        "lede": "Those with most to mend first; each by its own scorecard." if rows else "",
        "rows": rows,
    }


def _value(metric: Mapping[str, Any] | None) -> str:
    return "—" if metric is None else number(metric).value


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]
