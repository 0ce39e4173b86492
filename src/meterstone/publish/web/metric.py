"""A metric: definition, value and history, where it comes from, and how it was restated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card, DayValue
from meterstone.catalogue import Metric
from meterstone.errors import InputError
from meterstone.measure.explain import Explanation, FactRows
from meterstone.measure.results import Scope
from meterstone.people.rights import Right
from meterstone.publish.charts.days import days_chart
from meterstone.publish.web.asof import AsOf
from meterstone.publish.web.numbers import Number, metric_link, number
from meterstone.publish.web.site import NETWORK, Site
from meterstone.publish.web.told import about, namer, row
from meterstone.scorecard.values import (
    VERDICTS,
    count_text,
    format_interval,
    format_target,
    format_value,
)

Explain = Callable[[str, Scope, date, datetime], Explanation]
"""The rows behind a number of a day, as known then: this one asks the warehouse."""

DAYS = 90
_NO_BREAK = "\u00a0"
_MOST_KNOWN = 6
"""How many scorecards of a day are looked into for what the number was before."""


def routes(site: Site, explain: Explain) -> list[BaseRoute]:
    """``/catalogue/{metric}`` and its rows; those of a franchise below ``/owners/{franchise}``."""
    page = _Page(site, explain)
    shop = "/owners/{franchise}/metrics/{metric}"
    return [
        Route("/catalogue/{metric}", page.show),
        Route("/catalogue/{metric}/rows", page.rows),
        Route(shop, page.show),
        Route(f"{shop}/rows", page.rows),
    ]


class _Page:
    def __init__(self, site: Site, explain: Explain) -> None:
        self._site, self._explain = site, explain

    def show(self, request: Request) -> Response:
        """The page of a metric."""
        found = self._find(request)
        if found is None:
            return self._site.error(request, HTTPStatus.NOT_FOUND)
        metric, scope = found
        self._site.keep(request)
        card = self._site.card(request, scope)
        return self._site.render(
            request, "metric.html", card=card, title=metric.raw.title,
            **metric_context(metric, scope, card, self._site.board, self._site.board_of(request)),
            found=[
                row(each, namer(self._site.board))
                for each in about(self._site.found_at(request, scope), metric.raw.id)
            ],
        )  # fmt: skip

    def rows(self, request: Request) -> Response:
        """The rows behind its number; asked of the warehouse now."""
        found = self._find(request)
        if found is None:
            return self._site.error(request, HTTPStatus.NOT_FOUND)
        metric, scope = found
        card = self._site.card(request, scope)
        if card is None:
            return self._site.error(request, HTTPStatus.NOT_FOUND)
        told = self._explain(metric.raw.id, scope, card.day, card.known_at)
        return self._site.render(
            request, "metric_rows.html", card=card, title=f"Rows behind {metric.raw.title}",
            **rows_context(told, self._records(request, metric)),
        )  # fmt: skip

    def _records(self, request: Request, metric: Metric) -> str:
        """Below which address landed records are shown; an owner's rows lead to none."""
        who = self._site.principal(request)
        allowed = who is not None and who.may(Right.METRICS)
        return f"/catalogue/{metric.raw.id}/rows" if allowed else ""

    def _find(self, request: Request) -> tuple[Metric, Scope] | None:
        metric = self._site.board.catalogue.metrics.get(request.path_params["metric"])
        franchise = request.path_params.get("franchise")
        scope = Scope("franchise", franchise) if franchise else _scope(request)
        if metric is None or scope.kind not in metric.scopes:
            return None
        if scope.kind in ("franchise", "integration"):
            known = {named.scope for named in self._site.board.scopes(scope.kind)}
            return (metric, scope) if scope in known else None
        return (metric, scope) if scope == NETWORK else None


def _scope(request: Request) -> Scope:
    """``?scope=integration:square``.

    Raises:
        InputError: it names no scope, or a franchise, which has a page of its own.
    """
    text = request.query_params.get("scope", "network")
    kind, _, key = text.partition(":")
    if text == "network":
        return NETWORK
    if kind == "integration" and key:
        return Scope("integration", key)
    raise InputError(
        f"no scope {text[:100]!r}", place="?scope=", mend="write ?scope=integration:square"
    )


def metric_context(
    metric: Metric, scope: Scope, card: Card | None, board: Board, then: Board
) -> Mapping[str, Any]:
    """What the page shows, from the documents alone.

    Args:
        board: as known now: what came later is told on a page of the past too.
        then: as the reader wants it.
    """
    raw = metric.raw
    told = None if card is None else _of(card, raw.id)
    shown = None if told is None else number(told)
    until = None if card is None else card.day
    days = then.history(raw.id, scope, DAYS, until)
    return {
        "sentence": _sentence(raw.title, shown),
        "lede": " ".join(raw.definition.split()),
        "number": shown,
        "scope_name": _name(scope, board),
        "scope": scope,
        "here": metric_link(raw.id, {"kind": scope.kind, "key": scope.key}),
        "chart": days_chart(days, raw.target.as_dict(), raw.unit),
        "marks": [
            {
                "tone": VERDICTS[each.verdict].tone,
                "says": f"{each.day}: {format_value(each.value, raw.unit)}, "
                f"{VERDICTS[each.verdict].word.lower()}",
            }
            for each in days
        ],
        "by_day": [_day(each, raw.unit) for each in reversed(days)],
        "facts": _facts(metric),
        "places": [] if told is None else _places(metric, told),
        "parts": _parts(metric, scope, card, then),
        "lineage": [] if told is None else told["lineage"],
        "rows_link": "" if shown is None else _below(shown.link, "rows"),
        "known": [] if card is None else _known(raw.id, scope, card, board),
    }  # fmt: skip


def _of(card: Card, metric: str) -> Mapping[str, Any] | None:
    return next((found for found in card.document["metrics"] if found["id"] == metric), None)


def _sentence(title: str, shown: Number | None) -> str:
    if shown is None:
        return f"{title}: nothing was computed for this day."
    value = "no value" if shown.value == "—" else shown.value.replace(" ", _NO_BREAK)
    return f"{title}: {value}, {shown.look.word.lower()}."


def _places(metric: Metric, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where the framework sets a target: in its own words, as it is judged, and the verdict."""
    literals = {place.ref: place.literal for place in metric.places}
    return [
        {
            "ref": place["ref"],
            "literal": literals.get(place["ref"]) or "",
            "target": format_target(place["target"]),
            "look": VERDICTS[place["verdict"]],
        }
        for place in told["places"]
    ]


def _known(metric: str, scope: Scope, card: Card, board: Board) -> list[dict[str, Any]]:
    """What this number was as known at each moment since when it was different, newest first."""
    told: list[dict[str, Any]] = []
    for each in board.revisions(scope, card.day)[-_MOST_KNOWN:]:
        then = board.card(scope, card.day, each.known_at)
        found = None if then is None else _of(then, metric)
        if then is None or found is None:
            continue
        shown = number(found)
        if not told or (told[-1]["value"], told[-1]["look"]) != (shown.value, shown.look):
            told.append(
                {
                    "known_at": then.known_at, "value": shown.value, "look": shown.look,
                    "query": AsOf(card.day, then.known_at).query,
                    "shown": False,
                }
            )  # fmt: skip
        told[-1]["shown"] |= then.hash == card.hash
    return told[::-1]


def _name(scope: Scope, board: Board) -> str:
    if scope == NETWORK:
        return "the network"
    return next(
        (named.name for named in board.scopes(scope.kind) if named.scope == scope), scope.key
    )


def _day(each: DayValue, unit: str) -> tuple[Any, ...]:
    interval = format_interval(each.interval, unit) if each.interval else ""
    return each.day, format_value(each.value, unit), interval, VERDICTS[each.verdict], each.kind


def _facts(metric: Metric) -> list[tuple[str, str]]:
    raw = metric.raw
    told = [
        ("Target", format_target(raw.target.as_dict())),
        ("Window", raw.window),
        ("Computed each", raw.cadence),
        ("Least sample", f"{raw.min_sample:,} {raw.sample_unit}" if raw.min_sample else "none"),
        ("Uncertainty", raw.uncertainty.replace("_", " ")),
        ("Evidence", raw.evidence),
        ("Read from", ", ".join(metric.named_facts)),
        ("Note", raw.note or ""),
    ]
    return [(name, text) for name, text in told if text]


def _parts(
    metric: Metric, scope: Scope, card: Card | None, board: Board
) -> list[tuple[str, Number]]:
    """The same metric at each integration, beside that of the network."""
    if card is None or scope != NETWORK or "integration" not in metric.scopes:
        return []
    parts = []
    for named in board.scopes("integration"):
        other = board.card(named.scope, card.day)
        found = None if other is None else _of(other, metric.raw.id)
        if found is not None:
            parts.append((named.name, number(found)))
    return parts


def _below(link: str, part: str) -> str:
    path, mark, query = link.partition("?")
    return f"{path}/{part}{mark}{query}"


def rows_context(told: Explanation, records: str = "") -> Mapping[str, Any]:
    """What the page of the rows shows.

    Args:
        told: the rows.
        records: below which address landed records are shown; empty: nowhere.
    """
    unit = told.metric.raw.unit
    return {
        "sentence": f"{format_value(told.result.value, unit)} rests on "
        f"{count_text(sum(fact.rows for fact in told.facts), 'rows')}.",
        "lede": "Asked of the warehouse just now, as known when the scorecard was made.",
        "terms": [
            (name, "—" if value is None else f"{value:,.10g}" if _is_number(value) else str(value))
            for name, value in told.terms.items()
        ],
        "tables": [_table(fact, records) for fact in told.facts],
        "notes": told.notes,
        "metric": told.metric.raw.id,
    }  # fmt: skip


def _table(fact: FactRows, records: str) -> tuple[Any, ...]:
    """A fact: how many rows from how many records, and the newest rows."""
    return (
        fact.fact,
        count_text(fact.rows, "rows"),
        count_text(fact.records, "landed records"),
        _columns(fact.sample),
        [[_cell(row, name, records) for name in row] for row in fact.sample],
    )


def _cell(row: Mapping[str, Any], name: str, records: str) -> tuple[str, str]:
    """A cell and where it leads: the landed record that the row came with."""
    value = row[name]
    leads = f"{records}/{value}?item={row['_item']}" if records and name == "_seq" else ""
    return "" if value is None else str(value), leads


def _columns(sample: Sequence[Mapping[str, Any]]) -> list[str]:
    known = {"_seq": "landed record", "_item": "item in it"}
    return [known.get(name, name) for name in (sample[0] if sample else ())]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
