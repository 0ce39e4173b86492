"""Integrations: each connected system, and the page of one: connections, health, syncs, OAuth
checks, numbers, and what the vendor allows with the page that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Card
from meterstone.detect.state import Now
from meterstone.ledger import Connection, Cursor, Job
from meterstone.measure.results import Scope
from meterstone.publish.web import signals as shown
from meterstone.publish.web.numbers import Number, number
from meterstone.publish.web.operations import Kept, shops
from meterstone.publish.web.site import Site
from meterstone.publish.web.strips import strip
from meterstone.publish.web.tiles import Tile, tile, tiles
from meterstone.publish.web.told import row
from meterstone.publish.web.trouble import Moment, clock, kept_trouble, open_trouble
from meterstone.scorecard.values import Tone, count_text

_MOST_INCIDENTS = 1_000
_SHOWN_INCIDENTS = 10
_STATUS: Mapping[str, tuple[Tone, str]] = {
    "new": ("doubt", "Not signed in yet"),
    "active": ("met", "Connected"),
    "broken": ("miss", "Needs a person"),
    "paused": ("none", "Paused"),
    "disconnected": ("none", "Disconnected"),
}
_JOBS: Mapping[str, tuple[Tone, str]] = {
    "waiting": ("none", "Waits"),
    "running": ("reference", "Runs"),
    "done": ("met", "Done"),
    "dead": ("miss", "Given up"),
}
_NEVER: tuple[Tone, str] = ("none", "Not yet")
CHECKS: Mapping[str, tuple[Tone, str]] = {
    "passed": ("met", "Passed"),
    "failed": ("miss", "Failed"),
    "not_applicable": ("none", "Not applicable"),
}


@dataclass(frozen=True, slots=True)
class Capability:
    """What the vendor allows, and the page that says so (empty: none is known)."""

    name: str
    value: str
    note: str
    evidence: str


@dataclass(frozen=True, slots=True)
class About:
    """What the connector's file says of a vendor.

    Attributes:
        status: ``public``, ``gated`` or ``no_api``, in words.
        sign_in: how one signs in.
        facts: pairs of what there is and what it says.
        streams: name, and how often it is read.
    """

    key: str
    name: str
    status: str
    sign_in: str
    facts: Sequence[tuple[str, str]]
    streams: Mapping[str, str]
    capabilities: Sequence[Capability]


@dataclass(frozen=True, slots=True)
class Control:
    """A control of RFC 9700, as it was found just now."""

    name: str
    result: str
    reason: str


class Vendors(Protocol):
    """What is known of vendors and connections; drill-down: a query each."""

    def about(self, integration: str) -> About | None:
        """The connector's file; None: there is none of this name."""

    def connections(self, integration: str) -> Sequence[Connection]:
        """Connections of a vendor."""

    def cursors(self, connection: str) -> Sequence[Cursor]:
        """How far each stream has come."""

    def jobs(self, connection: str) -> Sequence[Job]:
        """Syncs of a connection that are on record, newest first."""

    def controls(self, connection: str) -> Sequence[Control]:
        """Looks at the controls now; asks the vendor's token endpoint for its version of TLS."""


@dataclass(frozen=True, slots=True)
class SyncRow:
    """A stream of a connection: how far it has come, and its last sync."""

    stream: str
    every: str
    moved: Moment | None
    tone: Tone
    word: str
    error: str


@dataclass(frozen=True, slots=True)
class Linked:
    """A connection with its syncs and, where asked for, its controls."""

    id: str
    name: str
    tone: Tone
    word: str
    since: Moment
    reason: str
    mend: str
    syncs: Sequence[SyncRow]
    controls: Sequence[tuple[Tone, str, str, str]]


def linked(
    connection: Connection, about: About, cursors: Sequence[Cursor], jobs: Sequence[Job],
    controls: Sequence[Control], moment: Callable[[datetime], Moment],
) -> Linked:  # fmt: skip
    """A connection in words."""
    tone, word = _STATUS[connection.status]
    came = {cursor.stream: cursor for cursor in cursors}
    last: dict[str, Job] = {}
    for job in jobs:
        last.setdefault(str(job.payload.get("stream", "")), job)
    rows = []
    for stream, every in about.streams.items():
        sync, cursor = last.get(stream), came.get(stream)
        done = _JOBS[sync.state] if sync else _NEVER
        rows.append(SyncRow(
            stream.replace("_", " "), every, moment(cursor.changed_at) if cursor else None,
            *done, sync.error if sync and sync.state != "done" else "",
        ))  # fmt: skip
    return Linked(
        connection.id, connection.name, tone, word, moment(connection.changed_at),
        connection.reason, connection.mend, rows,
        [(*CHECKS[each.result], each.name.replace("_", " "), each.reason) for each in controls],
    )  # fmt: skip


def numbers(card: Card | None) -> list[Number]:
    """Metrics of an integration's scorecard: what was missed first, what has no data last."""
    order = {"not_met": 0, "inconclusive": 1, "insufficient_data": 1, "met": 2, "reference": 3}
    found = [number(metric) for metric in card.document["metrics"]] if card else []
    return sorted(found, key=lambda each: (order.get(each.verdict, 4), each.title))


def headline(name: str, state: Tile, *, past: bool = False) -> str:
    """``Clover is late.``"""
    said = {
        "No traffic": "has no traffic", "Needs a person": "needs a person",
        "Not watched": "is not watched yet",
    }  # fmt: skip
    if past:
        return f"{name}, as it was then."
    return f"{name} {said.get(state.word, f'is {state.word.lower()}')}."


def routes(
    site: Site, kept: Kept, vendors: Vendors, mark: Callable[[], str] = str,
    time: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[BaseRoute]:  # fmt: skip
    """``/integrations`` and ``/integrations/{integration}``."""
    pages = _Pages(site, kept, vendors, mark, time)
    return [
        Route("/integrations", pages.list),
        Route("/integrations/{integration}", pages.show),
    ]


@dataclass(frozen=True)
class _Pages:
    site: Site
    kept: Kept
    vendors: Vendors
    mark: Callable[[], str]
    time: Callable[[], datetime]

    def list(self, request: Request) -> Response:
        """Every integration as a tile."""
        self.site.keep(request, "board")
        self.site.keep(request, "now")
        since, now = self.mark(), self._now(request)
        board = self.site.board_of(request)
        card = self.site.card(request)
        until = self._until(now, card)
        history = self.kept.incidents(limit=_MOST_INCIDENTS)
        known = board.scopes("integration")
        keys = {each.scope.key for each in known}
        keys |= {each.integration for each in now.integrations} if now else set()
        strips = {key: strip(board, key, until.date(), history) for key in sorted(keys)}
        past = not self.site.as_of(request).is_now
        made = tiles(now, known, strips, board.zone, shops(board), past=past)
        return self.site.render(
            request, "integrations.html", title="Integrations", tiles=made, since=since,
            card=card, sentence=_sentence(made, past=past),
            lede="Each has a page with its connections, syncs, checks and numbers.",
        )  # fmt: skip

    def show(self, request: Request) -> Response:
        """One integration."""
        key, since = request.path_params["integration"], self.mark()
        about, board = self.vendors.about(key), self.site.board_of(request)
        named = {each.scope.key: each.name for each in board.scopes("integration")}
        if about is None and key not in named:
            return self.site.error(request, HTTPStatus.NOT_FOUND)
        name = about.name if about else named[key]
        now, card = self._now(request), self.site.card(request, Scope("integration", key))
        until, names = self._until(now, card), shops(board)
        history = [
            each for each in self.kept.incidents(limit=_MOST_INCIDENTS) if each.integration == key
        ]
        state = {each.integration: each for each in now.integrations}.get(key) if now else None
        drawn = strip(board, key, until.date(), history)
        past = not self.site.as_of(request).is_now
        made = tile(key, name, state, now, drawn, board.zone, names, past=past)
        return self.site.render(
            request, "integration.html", title=name, card=card, about=about, tile=made,
            sentence=headline(name, made, past=past),
            lede=made.says or (about.status if about else ""),
            flow=next(iter(shown.flows(now, key)), None) if now else None,
            open=[
                open_trouble(each, now.at, board.zone, names).named(self.kept.called)
                for each in now.incidents if each.integration == key
            ] if now else [],
            before=[
                kept_trouble(each, until, board.zone, names).named(self.kept.called)
                for each in history if each.resolved_at is not None and each.started_at <= until
            ][:_SHOWN_INCIDENTS],
            found=[
                row(each, lambda _: "")
                for each in self.site.found(request, Scope("integration", key))
            ],
            connections=self._linked(request, key, about), numbers=numbers(card), since=since,
            asked=_asked(request), drawn=drawn,
        )  # fmt: skip

    def _linked(self, request: Request, key: str, about: About | None) -> Sequence[Linked]:
        if about is None:
            return []
        asked, at = _asked(request), self.time()
        return [
            linked(
                each, about, self.vendors.cursors(each.id), self.vendors.jobs(each.id),
                self.vendors.controls(each.id) if asked and each.status == "active" else [],
                lambda moment: clock(moment, at, self.site.board.zone),
            )
            for each in self.vendors.connections(key)
        ]  # fmt: skip

    def _now(self, request: Request) -> Now | None:
        return self.site.now() if self.site.as_of(request).is_now else None

    def _until(self, now: Now | None, card: Card | None) -> datetime:
        """The moment that the page is of, in the reporting time zone."""
        zone = self.site.board.zone
        if now is None and card is not None:
            return datetime.combine(card.day, datetime.max.time(), zone)
        return (now.at if now else self.time()).astimezone(zone)


def _asked(request: Request) -> bool:
    return request.query_params.get("checks") == "now"


def _sentence(made: Sequence[Tile], *, past: bool) -> str:
    count = count_text(len(made), "integrations")
    wrong = sum(each.wrong for each in made)
    watched = sum(each.watched for each in made)
    if not made:
        return "Nothing is connected yet."
    if past:
        return f"{count}, as they were then."
    if not watched:
        return f"{count}, none of them watched yet."
    if wrong:
        return f"{wrong} of {count} {'needs' if wrong == 1 else 'need'} a look."
    if watched < len(made):
        return f"All is well at {watched} of {count}; the others are not watched yet."
    return f"All {count} are well."
