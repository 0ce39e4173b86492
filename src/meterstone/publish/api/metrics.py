"""Metrics: what is wanted, what was measured, and how it went day by day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Response

from meterstone.board.model import Board, Card, DayValue
from meterstone.catalogue import Catalogue
from meterstone.errors import InputError, NotFound, suggest
from meterstone.measure.results import Scope, ScopeKind, Verdict
from meterstone.publish.api.caching import BOARD
from meterstone.publish.api.documents import answer, shown
from meterstone.publish.api.paging import Pages
from meterstone.publish.api.past import AsOf, Day, Known, Past
from meterstone.publish.api.ports import Given
from meterstone.scorecard.model import Metric

router = APIRouter(tags=["metrics"], dependencies=[BOARD])

MetricId = Annotated[str, Path(max_length=200, description="Id of the metric.")]
ScopeText = Annotated[
    str,
    Query(
        max_length=240,
        pattern=r"^(network|(franchise|integration|endpoint_group|party):.+)$",
        description="`network`, or a kind and a key, such as `integration:square`.",
    ),
]
HistoryDays = Annotated[int, Query(ge=1, le=800, description="Days, at most.")]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a metric is: as the catalogue defines it."""

    id: str
    title: str
    definition: str
    unit: str
    kind: str
    better: str
    refs: list[str]
    target: dict[str, Any]
    window: str
    cadence: str
    evidence: str
    min_sample: int
    sample_unit: str
    scopes: list[ScopeKind]


@dataclass(frozen=True, slots=True)
class Source:
    """The scorecard that a number is read from: its hash is what every face names."""

    hash: str
    day: date
    known_at: datetime


@dataclass(frozen=True, slots=True)
class MetricAt:
    """A metric: its definition, and its result at a scope (null: it is not measured there).

    ``result`` is as in the scorecard.
    """

    definition: Definition
    scorecard: Source
    result: dict[str, Any] | None


@router.get("/metrics", responses=shown(Metric, many=True))
def metrics(  # each is a parameter of the query
    given: Given,
    past: Past,
    pages: Pages,
    scope: ScopeText = "network",
    verdict: Verdict | None = None,
    system: Annotated[
        str | None, Query(max_length=100, description="Of this system of the framework.")
    ] = None,
) -> Response:
    """The metrics of a scope as its scorecard has them, by id."""
    return listed(past.card(given.board, scope_of(scope)), pages, verdict, system)


def listed(card: Card, pages: Pages, verdict: Verdict | None, system: str | None) -> Response:
    """A page of the metrics of a scorecard, by id."""
    found = [
        metric
        for metric in card.document["metrics"]
        if verdict in (None, metric["verdict"])
        and (system is None or any(_is_of(ref, system) for ref in metric["refs"]))
    ]
    made = answer(pages.of(found, _order, tuple[str, str, str]))
    made.headers.update(pages.response.headers)
    return made


def _order(metric: dict[str, Any]) -> tuple[str, str, str]:
    return metric["id"], metric["scope"]["kind"], metric["scope"]["key"]


def _is_of(ref: str, system: str) -> bool:
    return ref.partition(".")[0] == system


@router.get("/metrics/{metric}")
def metric(metric: MetricId, given: Given, past: Past, scope: ScopeText = "network") -> MetricAt:
    """A metric: its definition, and its result at a scope."""
    return metric_at(given.board, metric, scope_of(scope), past)


def metric_at(board: Board, metric: str, scope: Scope, past: AsOf) -> MetricAt:
    """A metric at a scope.

    Raises:
        NotFound: there is no such metric, or no scorecard.
    """
    defined = definition(board.catalogue, metric)
    card = past.card(board, scope)
    result = next((each for each in _results(card, metric)), None)
    return MetricAt(defined, Source(card.hash, card.day, card.known_at), result)


def _results(card: Card, metric: str) -> Iterator[dict[str, Any]]:
    return (each for each in card.document["metrics"] if each["id"] == metric)


def definition(catalogue: Catalogue, metric: str) -> Definition:
    """What the catalogue says of a metric.

    Raises:
        NotFound: there is no such metric.
    """
    if metric not in catalogue.metrics:
        raise NotFound(
            f"there is no metric {metric[:60]!r}",
            place="metric",
            mend=suggest(metric[:60], list(catalogue.metrics)),
        )
    found = catalogue.metrics[metric]
    raw = found.raw
    return Definition(
        id=raw.id, title=raw.title, definition=raw.definition, unit=raw.unit, kind=raw.kind,
        better=raw.better, refs=[place.ref for place in found.places],
        target=raw.target.as_dict(), window=raw.window, cadence=raw.cadence,
        evidence=raw.evidence, min_sample=raw.min_sample, sample_unit=raw.sample_unit,
        scopes=list(raw.scopes),
    )  # fmt: skip


@router.get("/metrics/{metric}/history")
def history(
    metric: MetricId,
    given: Given,
    known_at: Known,
    scope: ScopeText = "network",
    days: HistoryDays = 90,
    until: Day | None = None,
) -> Sequence[DayValue]:
    """A metric by day, oldest first, without the days that nothing is known of. As known at a
    moment: as the scorecards that were kept by then have it, without the days that had none."""
    return history_of(given.board, metric, scope_of(scope), days, until, known_at)


def history_of(
    board: Board,
    metric: str,
    scope: Scope,
    days: int,
    until: date | None,
    known_at: datetime | None,
) -> Sequence[DayValue]:
    """A metric by day.

    Raises:
        NotFound: there is no such metric.
    """
    definition(board.catalogue, metric)
    return board.history(metric, scope, days, until, known_at)


def scope_of(text: str) -> Scope:
    """A scope as it is written in a query.

    Raises:
        InputError: it is none.
    """
    kind, _, key = text.partition(":")
    try:
        return Scope(msgspec.convert(kind, ScopeKind), key or "*")
    except msgspec.ValidationError as error:
        raise InputError(
            f"{text[:60]!r} is no scope", place="?scope=", mend="?scope=integration:square"
        ) from error
