"""The page of a shop: a few numbers in plain sentences, beside others, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card
from meterstone.detect.state import Now, OpenIncident
from meterstone.insight.findings import KeptFinding
from meterstone.measure.results import Scope
from meterstone.publish.findings import advised, ordered
from meterstone.publish.reports.view import filled, listed
from meterstone.publish.web.numbers import Number, number
from meterstone.publish.web.owner_words import ALWAYS, PLAIN, Plain, difference, plain_value, said
from meterstone.publish.web.peers import LEAST, Beside, Cohorts, Peers, beside
from meterstone.publish.web.sections import Spark, spark
from meterstone.publish.web.site import Site
from meterstone.publish.web.told import Row, row, step
from meterstone.scorecard.values import count_text

MOST = 12
"""Numbers on the page."""
_DAYS = 90
_STEPS = 5
_NO_STUDY = {"worth": "", "because": ""}


@dataclass(frozen=True, slots=True)
class Told:
    """A number as an owner reads it.

    Attributes:
        number: None where it is not known; ``sentence`` then says what makes it known.
        value: in an owner's words.
        others: the middle half of the other shops in words; empty where they are too few.
        beside: the same as a picture.
        trend: its days.
    """

    number: Number | None
    title: str
    sentence: str
    value: str = ""
    others: str = ""
    beside: Beside | None = None
    trend: Spark | None = None


def routes(site: Site) -> list[BaseRoute]:
    """``/owners/{franchise}``."""
    cohorts = Cohorts(site.board)

    def show(request: Request) -> Response:
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
        as_of = site.as_of(request)
        site.keep(request, "now")
        principal = site.principal(request)
        own = {key} | (principal.franchises if principal else frozenset())
        peers = {id_: cohorts.of(own, id_, card.day, as_of.known_at) for id_ in PLAIN}
        return site.render(
            request, "owner.html", card=card, title=names[key], empty=False,
            trouble=trouble(
                site.now() if as_of.is_now else None,
                key,
                {named.scope.key: named.name for named in site.board.scopes("integration")},
            ),
            **owner_context(
                names[key], card, peers, trends(site.board_of(request), card),
                site.found(request, Scope("franchise", key)),
            ),
        )  # fmt: skip

    return [Route("/owners/{franchise}", show)]


def trouble(now: Now | None, shop: str, names: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """What is broken at this moment at this shop: one line a system, since its first incident.

    Args:
        now: the state of this moment.
        shop: its key.
        names: of the integrations.
    """
    first: dict[str, OpenIncident] = {}
    for each in sorted(now.incidents if now else (), key=lambda each: each.started_at):
        if shop in each.franchises:
            first.setdefault(each.integration, each)
    return [
        {
            "title": f"{names.get(integration, integration)} does not work as it should",
            "since": each.started_at,
            "says": "Somebody is on it." if each.acknowledged_by else "",
        }
        for integration, each in first.items()
    ]


def trends(board: Board, card: Card) -> Mapping[str, Spark | None]:
    """The days of each number of a shop."""
    found = {}
    for metric in card.document["metrics"]:
        if metric["id"] in PLAIN and metric["value"] is not None:
            days = board.history(metric["id"], card.scope, _DAYS, card.day)
            values = filled({each.day: each.value for each in days})
            found[metric["id"]] = spark(values, metric["unit"], plain_value)
    return found


def owner_context(
    name: str,
    card: Card,
    peers: Mapping[str, Peers | None],
    trends: Mapping[str, Spark | None] | None = None,
    findings: Sequence[KeptFinding] = (),
) -> Mapping[str, Any]:
    """What the page shows.

    Args:
        name: of the shop.
        card: its own scorecard.
        peers: the others by metric; None where they are too few.
        trends: the days by metric.
        findings: what studies found of the shop.
    """
    found = _first_figures([row(each, lambda _: "") for each in ordered(findings)], MOST // 2)
    metrics = {metric["id"]: metric for metric in card.document["metrics"]}
    shown = [id_ for id_ in PLAIN if id_ in metrics or id_ in ALWAYS]
    shown = shown[: MOST - sum(len(each.figures) for each in found)]
    told = [
        _told(PLAIN[id_], metrics.get(id_), peers.get(id_), (trends or {}).get(id_))
        for id_ in shown
    ]
    advice = [step(kept, each, lambda _: "") for kept, each in advised(findings)]
    titles = tuple(str(each["do"]) for each in advice)
    rest = [each for each in _next(metrics, peers) if not each["do"].startswith(titles)]
    steps = [*advice, *rest][:_STEPS]
    most = max((p.count for p in peers.values() if p), default=0)
    compared = (
        f"compared with {most} other shops of the network, none of which can be recognised"
        if most
        else f"not compared: fewer than {LEAST} other shops have numbers"
    )
    known = [each for each in told if each.number is not None]
    return {
        "sentence": _sentence(name, metrics, peers, len(known), len(steps)),
        "lede": f"The day of {card.day:%-d %B %Y}, {compared}.",
        "known": known,
        "unknown": [each for each in told if each.number is None],
        "steps": steps,
        "found": found,
    }


def _first_figures(rows: Sequence[Row], most: int) -> list[Row]:
    """The same rows with no more figures than that; a row without any keeps its sentence."""
    kept, left = [], most
    for each in rows:
        kept.append(replace(each, figures=each.figures[:left]))
        left -= len(kept[-1].figures)
    return kept


def _sentence(
    name: str,
    metrics: Mapping[str, Mapping[str, Any]],
    peers: Mapping[str, Peers | None],
    known: int,
    steps: int,
) -> str:
    """How the shop stands beside the others, and how much there is to do."""
    gaps = {
        _lower(PLAIN[id_].title): gap
        for id_, metric in metrics.items()
        if id_ in PLAIN and PLAIN[id_].worth and (gap := _gap(metric, peers.get(id_))) is not None
    }
    behind = [title for title, gap in gaps.items() if gap > 0]
    todo = {0: "nothing to do", 1: "one thing to do"}.get(steps, f"{steps} things to do")
    if not gaps:
        return f"{name}: {count_text(known, 'numbers')} known, {todo}."
    if not behind:
        return f"{name}: level with the other shops or ahead, {todo}."
    return f"{name}: behind the other shops in {listed(behind)}; {todo}."


def _told(
    plain: Plain, metric: Mapping[str, Any] | None, peers: Peers | None, trend: Spark | None
) -> Told:
    if metric is None or metric["value"] is None:
        return Told(None, plain.title, plain.missing)
    value = plain_value(metric["value"], metric["unit"])
    others, picture = "", None
    if peers is not None and _is_number(metric["value"]):
        low, high = (plain_value(each, metric["unit"]) for each in (peers.low, peers.high))
        others = f"half of the other shops: {low} to {high}" if low != high else f"others: {low}"
        picture = beside(metric["value"], peers)
    return Told(
        number(metric),
        plain.title,
        said(plain, metric["value"], metric["unit"]),
        value,
        others,
        picture,
        trend,
    )


def _next(
    metrics: Mapping[str, Mapping[str, Any]], peers: Mapping[str, Peers | None]
) -> Sequence[Mapping[str, str]]:
    """What to do: first what others have more of, by what it is worth; then what is not known."""
    behind: list[Mapping[str, str]] = []
    deeds: dict[str, list[str]] = {}
    for id_, plain in PLAIN.items():
        metric, others = metrics.get(id_), peers.get(id_)
        gap = None if metric is None else _gap(metric, others)
        if (
            metric is not None
            and others is not None
            and gap is not None
            and gap > 0
            and plain.worth
        ):
            worth = plain.worth.format(difference(gap, metric["unit"]))
            middle = plain_value(others.middle, metric["unit"])
            behind.append(
                {
                    "do": f"{plain.verb}: {worth}",
                    "says": f"Half of the other shops have {middle} or better: "
                    f"{_lower(plain.title)}.",
                    "href": number(metric).link,
                    **_NO_STUDY,
                }
            )
        is_open = metric is None or metric["value"] is None
        if is_open and plain.can and (metric is not None or id_ in ALWAYS):
            deeds.setdefault(plain.missing, []).append(_unknown(plain, others, metric))
    unknown = [
        {"do": deed, "says": f"It makes known: {listed(made)}.", "href": "", **_NO_STUDY}
        for deed, made in deeds.items()
    ]
    return [*behind, *unknown][:_STEPS]


def _unknown(plain: Plain, others: Peers | None, metric: Mapping[str, Any] | None) -> str:
    """A number that is not known yet, and what it is among the others."""
    title = _lower(plain.title)
    if others is None or metric is None:
        return title
    return (
        f"{title} (half of the other shops: {plain_value(others.middle, metric['unit'])} or better)"
    )


def _gap(metric: Mapping[str, Any], others: Peers | None) -> float | None:
    """By how much the middle of the others is better; None where they cannot be compared."""
    value = metric["value"]
    if others is None or not _is_number(value):
        return None
    more_is_better = metric["target"]["cmp"] in (">", ">=")
    return float(others.middle - value if more_is_better else value - others.middle)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]
