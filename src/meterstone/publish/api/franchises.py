"""Single franchises: what owners read of their own, and readers of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from meterstone.board.model import DayValue, Revision
from meterstone.measure.results import Scope, Verdict
from meterstone.publish.api.caching import BOARD
from meterstone.publish.api.documents import shown
from meterstone.publish.api.metrics import (
    HistoryDays,
    MetricAt,
    MetricId,
    history_of,
    listed,
    metric_at,
)
from meterstone.publish.api.paging import Pages
from meterstone.publish.api.past import Day, Known, Past
from meterstone.publish.api.ports import Given
from meterstone.publish.api.scorecards import revisions_of, signed
from meterstone.scorecard.model import Metric, Scorecard

router = APIRouter(tags=["franchises"], dependencies=[BOARD])

Franchise = Annotated[str, Path(max_length=200, description="Id of the franchise.")]


@dataclass(frozen=True, slots=True)
class FranchiseName:
    """A franchise that has a scorecard."""

    id: str
    name: str


@router.get("/franchises")
def franchises(given: Given, pages: Pages) -> list[FranchiseName]:
    """All franchises that have a scorecard, by id."""
    found = [
        FranchiseName(named.scope.key, named.name) for named in given.board.scopes("franchise")
    ]
    return pages.of(found, lambda row: (row.id,), tuple[str])


@router.get("/franchises/{franchise}/scorecard", responses=shown(Scorecard))
def franchise_scorecard(franchise: Franchise, given: Given, past: Past) -> Response:
    """The scorecard of a franchise as it was signed; ``ETag`` is its content hash."""
    return signed(past.card(given.board, _scope(franchise)))


@router.get("/franchises/{franchise}/revisions")
def franchise_revisions(
    franchise: Franchise, given: Given, day: Day | None = None
) -> Sequence[Revision]:
    """All scorecards of a franchise and a day, oldest first."""
    return revisions_of(given.board, _scope(franchise), day)


@router.get("/franchises/{franchise}/metrics", responses=shown(Metric, many=True))
def franchise_metrics(  # each is a parameter of the query
    franchise: Franchise,
    given: Given,
    past: Past,
    pages: Pages,
    verdict: Verdict | None = None,
    system: Annotated[
        str | None, Query(max_length=100, description="Of this system of the framework.")
    ] = None,
) -> Response:
    """The metrics of a franchise as its scorecard has them, by id."""
    return listed(past.card(given.board, _scope(franchise)), pages, verdict, system)


@router.get("/franchises/{franchise}/metrics/{metric}")
def franchise_metric(franchise: Franchise, metric: MetricId, given: Given, past: Past) -> MetricAt:
    """A metric of a franchise: its definition and its result."""
    return metric_at(given.board, metric, _scope(franchise), past)


@router.get("/franchises/{franchise}/metrics/{metric}/history")
def franchise_history(
    franchise: Franchise,
    metric: MetricId,
    given: Given,
    known_at: Known,
    days: HistoryDays = 90,
    until: Day | None = None,
) -> Sequence[DayValue]:
    """A metric of a franchise by day, oldest first; as the metric's own history."""
    return history_of(given.board, metric, _scope(franchise), days, until, known_at)


def _scope(franchise: str) -> Scope:
    return Scope("franchise", franchise)
