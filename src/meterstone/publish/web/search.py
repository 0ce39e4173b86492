"""Search: pages, shops, integrations, gates and metrics by the words in them (``/search?q=``).

Each person finds what that person may open. ⌘K shows the same page's results below the field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card
from meterstone.insight.findings import KeptFinding
from meterstone.measure.results import Scope
from meterstone.people.rights import Principal, Right
from meterstone.publish.findings import WITHHELD, finding_link
from meterstone.publish.web.nav import entries_for
from meterstone.publish.web.numbers import metric_link, value_text
from meterstone.publish.web.site import Site
from meterstone.publish.web.told import namer
from meterstone.scorecard.values import VERDICTS, VerdictLook, count_text

MOST = 12
"""Results of a kind that are shown."""
MOST_CHARACTERS = 100
"""Of what is searched for; the rest is cut off."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that can be opened.

    Attributes:
        title: what it is called; its words count most.
        says: a line about it.
        path: its page, without as-of.
        also: words that find it but are not shown.
        value, look: of a metric on the day that is shown.
    """

    title: str
    says: str
    path: str
    also: str = ""
    value: str = ""
    look: VerdictLook | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Results of one kind, the best first; ``more`` were left out."""

    title: str
    found: Sequence[Found]
    more: int = 0


def routes(site: Site) -> list[BaseRoute]:
    """``/search``."""

    def show(request: Request) -> Response:
        wanted = request.query_params.get("q", "")[:MOST_CHARACTERS].strip()
        groups = search(wanted, *everything(site, request)) if wanted else []
        return site.render(
            request, "search.html", title="Search", wanted=wanted, groups=groups,
            **said(wanted, groups),
        )  # fmt: skip

    return [Route("/search", show)]


def everything(site: Site, request: Request) -> Iterator[tuple[str, Iterable[Found]]]:
    """What the person who asks may open, by kind."""
    principal = site.principal(request)
    if principal is None:
        return
    own = sorted(principal.franchises)
    yield "Pages", (Found(e.title, e.says, e.path) for e in entries_for(principal))
    yield "Shops", shops(site.board, principal)
    if principal.may(Right.OPERATIONS):
        yield "Integrations", integrations(site.board)
    if principal.may(Right.METRICS):
        yield "Gates", gates(site.board)
        yield "Metrics", metrics(site.board, site.card(request))
        yield "Findings", findings(site.found(request), namer(site.board))
    for key in own:
        card = site.card(request, Scope("franchise", key))
        if card:
            yield f"Numbers of {_name(site.board, key)}", of_shop(card)
        told = site.found(request, Scope("franchise", key))
        if told:
            name = _name(site.board, key)
            yield f"What was found of {name}", findings(told, lambda _: "")


def shops(board: Board, principal: Principal) -> Iterator[Found]:
    """Franchises that the person may open."""
    for named in board.scopes("franchise"):
        key = named.scope.key
        if principal.may(Right.OWNERS, key):
            yield Found(named.name, "Its numbers, and what to do next", f"/owners/{key}", key)


def integrations(board: Board) -> Iterator[Found]:
    """Each connected system."""
    for named in board.scopes("integration"):
        key = named.scope.key
        yield Found(named.name, "Connection, health, syncs", f"/integrations/{key}", key)


def gates(board: Board) -> Iterator[Found]:
    """Runs of days."""
    for id_, gate in board.catalogue.gates.items():
        says = f"A run of {count_text(gate.hold.periods, 'days')}"
        yield Found(gate.title, says, f"/gates/{id_}", id_.replace("_", " "))


def metrics(board: Board, card: Card | None) -> Iterator[Found]:
    """Every metric of the catalogue, with its value on the day."""
    values = {metric["id"]: metric for metric in card.document["metrics"]} if card else {}
    for id_, metric in board.catalogue.metrics.items():
        refs = " ".join(place.ref for place in metric.places)
        yield _metric(
            Found(
                metric.raw.title or id_, _first_sentence(metric.raw.definition), metric_link(id_),
                f"{id_} {refs}",
            ),
            values.get(id_),
        )  # fmt: skip


def findings(found: Iterable[KeptFinding], name: Callable[[Scope], str]) -> Iterator[Found]:
    """What studies found."""
    for each in found:
        of = each.finding
        about = name(of.scope)
        title = f"{of.title}: {about}" if about else of.title
        also = f"{of.study} {of.key} {of.scope.key}"
        yield Found(
            title, of.sentence, finding_link(of), also, look=WITHHELD if of.withheld else None
        )


def of_shop(card: Card) -> Iterator[Found]:
    """The numbers of a shop."""
    for metric in card.document["metrics"]:
        link = metric_link(metric["id"], metric["scope"])
        yield _metric(Found(metric["title"] or metric["id"], "", link, metric["id"]), metric)


def _metric(found: Found, metric: Mapping[str, Any] | None) -> Found:
    if metric is None:
        return found
    look = VERDICTS[metric["verdict"]]
    return Found(found.title, found.says, found.path, found.also, value_text(metric), look)


def search(wanted: str, *kinds: tuple[str, Iterable[Found]]) -> list[Group]:
    """What has every word that was asked for, kind by kind.

    A word is found where one begins with it: in the title first, then in what is said about it.
    """
    words = _words(wanted)
    groups = []
    for title, things in kinds:
        ranked = [(_rank(words, thing), thing) for thing in things]
        best = sorted((r, t.title, t.path, t) for r, t in ranked if r is not None)
        if best:
            shown = [thing for *_, thing in best[:MOST]]
            groups.append(Group(title, shown, len(best) - len(shown)))
    return groups


def _rank(words: Sequence[str], thing: Found) -> int | None:
    """The lower the better; None where a word is missing."""
    title, rest = _words(thing.title), [*_words(thing.says), *_words(thing.also)]
    rank = 0
    for word in words:
        if title and title[0].startswith(word):
            continue
        if any(each.startswith(word) for each in title):
            rank += 1
        elif any(each.startswith(word) for each in rest):
            rank += 4
        else:
            return None
    return rank if words else None


def _words(text: str) -> list[str]:
    """``OAuthFlow.token_refresh`` → oauth, flow, token, refresh, and oauthflow."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    joined = re.findall(r"\w+", text.lower().replace("_", " "))
    return list(dict.fromkeys([*re.findall(r"\w+", apart.lower().replace("_", " ")), *joined]))


def said(wanted: str, groups: Sequence[Group]) -> Mapping[str, Any]:
    """The sentence of the page, and the line below it."""
    if not wanted:
        return {
            "sentence": "What do you look for?",
            "lede": "Metrics, shops, integrations, gates and pages, by any word in them. "
            "⌘K or Ctrl+K works on every page.",
        }
    count = sum(len(group.found) + group.more for group in groups)
    if not count:
        return {
            "sentence": f"Nothing here is called “{wanted}”.",
            "lede": "Fewer letters find more: the beginning of each word is enough.",
        }
    return {"sentence": f"{count_text(count, 'results')} for “{wanted}”.", "lede": ""}


def _name(board: Board, key: str) -> str:
    return next((n.name for n in board.scopes("franchise") if n.scope.key == key), key)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.;:])\s", " ".join(text.split()), maxsplit=1)[0]
