"""Catalogue: every target of the framework, measured; by system, verdict, evidence and owner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card
from meterstone.errors import InputError, suggest
from meterstone.measure.results import Scope
from meterstone.people.rights import Right
from meterstone.publish.order import by_system
from meterstone.publish.reports.view import system_title
from meterstone.publish.web.numbers import EVIDENCE, number
from meterstone.publish.web.site import Site
from meterstone.scorecard.values import VERDICTS, count_text

_HERE = "/catalogue"
_NONE_YET = "none"
_MOST_TYPED = 100


@dataclass(frozen=True, slots=True)
class Choice:
    """What a reader wants to see; an empty text stands for everything.

    Attributes:
        verdict: one of `VERDICTS`.
        system: of the framework, such as ``FranchiseGrowthAnalytics``.
        evidence: one of `EVIDENCE`, or ``none``.
        words: a part of the title, the name or a place in the framework.
    """

    verdict: str = ""
    system: str = ""
    evidence: str = ""
    words: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Choice:
        """Of the address."""
        return cls(
            query.get("verdict", ""), query.get("system", ""), query.get("evidence", ""),
            query.get("words", "").strip()[:_MOST_TYPED],
        )  # fmt: skip

    def has(self, metric: Mapping[str, Any]) -> bool:
        """Whether a metric of a scorecard is wanted."""
        looked_in = " ".join([metric["id"], metric["title"], *metric["refs"]]).lower()
        return (
            self.verdict in ("", metric["verdict"])
            and self.system in ("", _system(metric))
            and self.evidence in ("", metric["evidence"] or _NONE_YET)
            and all(word in looked_in for word in self.words.lower().split())
        )

    def query(self) -> Mapping[str, str]:
        """What is chosen beside the verdict, for an address."""
        kept = {"system": self.system, "evidence": self.evidence, "words": self.words}
        return {name: text for name, text in kept.items() if text}


def routes(site: Site) -> list[BaseRoute]:
    """``/catalogue``; ``?verdict=not_met`` shows only those (see `Choice`). The metrics of a shop
    alone are below its owner's page, where owners come too; ``?owner=`` leads there."""

    def show(request: Request) -> Response:
        if owner := request.query_params.get("owner", ""):
            return _elsewhere(request, owner)
        site.keep(request)
        card = site.card(request)
        return site.render(
            request, "catalogue.html", card=card, title="Metrics", here=_HERE, owner="",
            owners=_owners(site, request),
            **catalogue_context(card, site.board, Choice.of(request.query_params)),
        )  # fmt: skip

    def of_owner(request: Request) -> Response:
        key = request.path_params["franchise"]
        names = {named.scope.key: named.name for named in site.board.scopes("franchise")}
        if key not in names:
            return site.error(request, HTTPStatus.NOT_FOUND)
        site.keep(request)
        card = site.card(request, Scope("franchise", key))
        told = dict(catalogue_context(card, site.board, Choice.of(request.query_params)))
        told["sentence"] = f"{names[key]}: {told['sentence']}"
        told["lede"] = "What is measured of this shop alone; the targets are the network's."
        return site.render(
            request, "catalogue.html", card=card, title=names[key], here=request.url.path,
            owner=key, owners=_owners(site, request), **told,
        )  # fmt: skip

    return [Route(_HERE, show), Route("/owners/{franchise}/metrics", of_owner)]


def _owners(site: Site, request: Request) -> Sequence[tuple[str, str]]:
    """Shops that may be chosen: key and name; none for who may see own ones alone."""
    asks = site.principal(request)
    if asks is None or not asks.may(Right.OWNERS):
        return ()
    found = [(named.scope.key, named.name) for named in site.board.scopes("franchise")]
    return sorted(found, key=lambda each: each[1])


def _elsewhere(request: Request, owner: str) -> Response:
    """To the metrics of a shop, with all else that is chosen. Whether there is one is told there,
    to those who may know."""
    rest = urlencode(
        [(key, text) for key, text in request.query_params.multi_items() if key != "owner" and text]
    )
    path = f"/owners/{quote(owner, safe='')}/metrics"
    return RedirectResponse(f"{path}?{rest}" if rest else path, HTTPStatus.SEE_OTHER)


def catalogue_context(
    card: Card | None, board: Board, choice: Choice | None = None
) -> Mapping[str, Any]:
    """What the page shows.

    Args:
        card: the network's scorecard; None: definitions alone.
        board: gives the definitions.
        choice: None: everything.

    Raises:
        InputError: there is no such verdict, system or kind of evidence.
    """
    choice = choice or Choice()
    metrics: Sequence[Mapping[str, Any]] = [] if card is None else card.document["metrics"]
    systems = by_system(metrics)
    _check("verdict", choice.verdict, VERDICTS)
    _check("system", choice.system, systems or [choice.system])
    _check("evidence", choice.evidence, [*EVIDENCE, _NONE_YET])
    beside = Choice(system=choice.system, evidence=choice.evidence, words=choice.words)
    counted = Counter(metric["verdict"] for metric in metrics if beside.has(metric))
    shown = [metric for metric in metrics if choice.has(metric)]
    return {
        "sentence": _sentence(metrics),
        "lede": f"{len(board.catalogue.metrics)} metrics measure "
        f"{len(board.catalogue.by_ref())} targets of the framework; "
        "some of them only at single integrations or shops.",
        "choice": choice,
        "all": sum(counted.values()),
        "filters": [
            (verdict, look, counted[verdict])
            for verdict, look in VERDICTS.items() if counted[verdict]
        ],
        "system_names": [(system, system_title(system)) for system in systems],
        "evidence_names": [*EVIDENCE, _NONE_YET],
        "shown": count_text(len(shown), "metrics"),
        "measured": bool(metrics),
        "systems": [
            (system, system_title(system), _met(systems[system]), [number(one) for one in found])
            for system, found in by_system(shown).items()
        ],
    }  # fmt: skip


def _sentence(metrics: Iterable[Mapping[str, Any]]) -> str:
    """Targets, not metrics: one metric may be judged at several places of the framework."""
    verdicts = [place["verdict"] for metric in metrics for place in metric["places"]]
    if not verdicts:
        return "Nothing is measured yet."
    return f"{verdicts.count('met')} of {count_text(len(verdicts), 'targets')} met."


def _met(metrics: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(metric['verdict'] == 'met' for metric in metrics)} of {len(metrics)} met"


def _system(metric: Mapping[str, Any]) -> str:
    system: str = metric["refs"][0].partition(".")[0]
    return system


def _check(name: str, chosen: str, known: Iterable[str]) -> None:
    known = list(known)
    if chosen and chosen not in known:
        raise InputError(
            f"no {name} is called {chosen[:_MOST_TYPED]!r}", place=f"?{name}=",
            mend=suggest(chosen, known),
        )  # fmt: skip
