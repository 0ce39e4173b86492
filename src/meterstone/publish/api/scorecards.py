"""Scorecards: the signed documents, and their revisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Response

from meterstone.board.model import Board, Card, Named, Revision
from meterstone.errors import NotFound
from meterstone.measure.results import Scope, ScopeKind
from meterstone.publish.api.caching import BOARD
from meterstone.publish.api.documents import JSON, shown
from meterstone.publish.api.paging import Pages
from meterstone.publish.api.past import Day, Past
from meterstone.publish.api.ports import Given
from meterstone.scorecard.model import Scorecard

router = APIRouter(tags=["scorecards"], dependencies=[BOARD])

Key = Annotated[str, Path(max_length=200, description="Key of the scope; `*` is the network.")]


@dataclass(frozen=True, slots=True)
class ScorecardOf:
    """A scope that has scorecards: its name, and its first and newest day."""

    kind: ScopeKind
    key: str
    name: str
    first_day: date
    last_day: date
    days: int


@router.get("/scorecards")
def scorecards(given: Given, pages: Pages, kind: ScopeKind | None = None) -> list[ScorecardOf]:
    """The scopes that have scorecards, by kind and key."""
    found = [
        row
        for named in named_scopes(given.board)
        if kind in (None, named.scope.kind) and (row := _row(given.board, named))
    ]
    return pages.of(found, lambda row: (row.kind, row.key), tuple[str, str])


def named_scopes(board: Board) -> list[Named]:
    """The network, all integrations and all franchises."""
    return [
        Named(Scope("network"), "The whole network"),
        *board.scopes("integration"),
        *board.scopes("franchise"),
    ]


def _row(board: Board, named: Named) -> ScorecardOf | None:
    days = board.days(named.scope)
    if not days:
        return None
    scope = named.scope
    return ScorecardOf(scope.kind, scope.key, named.name, days[0], days[-1], len(days))


@router.get("/scorecards/{kind}/{key}", responses=shown(Scorecard))
def scorecard(kind: ScopeKind, key: Key, given: Given, past: Past) -> Response:
    """A scorecard as it was signed; ``ETag`` is its content hash."""
    return signed(past.card(given.board, Scope(kind, key)))


def signed(card: Card) -> Response:
    """The bytes that were signed."""
    return Response(card.body, media_type=JSON, headers={"ETag": f'"{card.hash}"'})


@router.get("/scorecards/{kind}/{key}/revisions")
def revisions(
    kind: ScopeKind, key: Key, given: Given, day: Day | None = None
) -> Sequence[Revision]:
    """All scorecards of a day, oldest first: more than one when it was restated."""
    return revisions_of(given.board, Scope(kind, key), day)


def revisions_of(board: Board, scope: Scope, day: date | None) -> Sequence[Revision]:
    """All scorecards of a day; None: of the newest one.

    Raises:
        NotFound: there is none.
    """
    days = board.days(scope)
    found = board.revisions(scope, day or days[-1]) if days else ()
    if not found:
        raise NotFound(
            f"{scope} has no scorecard{f' of {day}' if day else ''}",
            place="scorecard",
            mend="/api/v1/scorecards lists those that there are",
        )
    return found
