"""Operations: what is wrong now, since when, whose fault, who is affected, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from meterstone.board.model import Board, Card
from meterstone.detect.state import Now
from meterstone.insight.findings import KeptFinding
from meterstone.ledger import Discrepancy, Incident
from meterstone.measure.days import day_end
from meterstone.measure.results import Scope
from meterstone.publish.findings import ordered
from meterstone.publish.web import signals as shown
from meterstone.publish.web.numbers import Number, number
from meterstone.publish.web.site import NETWORK, Site
from meterstone.publish.web.strips import DAYS, Strip, strip
from meterstone.publish.web.tiles import Tile, tiles
from meterstone.publish.web.told import Row, namer, row
from meterstone.publish.web.trouble import Moment, Trouble, clock, kept_trouble, open_trouble
from meterstone.publish.web.work import Item, item
from meterstone.scorecard.values import count_text

STALE = timedelta(seconds=30)
"""From so old on, the state of now is told as old."""
PARTS = (
    "heading", "state", "open", "signals", "flows", "errors", "work", "budgets", "queue", "drills",
)  # fmt: skip
"""Macros of ``operations_parts.html``; each fills the element ``ops-NAME``."""
_MOST_WORK = 5
_SOON = ("risk", "anomalies", "capacity")
"""Studies of what may break next."""
_MOST_SOON = 4
_MOST_INCIDENTS = 1_000


class Kept(Protocol):
    """What the page reads beside board and `Now`: a query each, of few rows."""

    def incidents(self, *, limit: int = 100) -> Sequence[Incident]:
        """Incidents, newest first."""

    def called(self, actor: str, /) -> str:
        """How a person is called."""

    def work(self) -> Sequence[Discrepancy]:
        """The work list of reconciliation, the largest amount first."""


@dataclass(frozen=True, slots=True)
class Operations:
    """What the page shows.

    Attributes:
        at: when this was so; None: nothing is known of now.
        stale: whether that is too long ago.
        past: whether a day of the past is shown.
        wrong, well: integrations.
        open: incidents.
        work, work_count: differences between systems, the largest first.
        missed: targets of operations that the scorecard of the day says were missed.
    """

    sentence: str
    lede: str
    at: Moment | None
    stale: bool
    past: bool
    wrong: Sequence[Tile]
    well: Sequence[Tile]
    open: Sequence[Trouble]
    signals: Sequence[shown.Signal] = ()
    flows: Sequence[shown.Flow] = ()
    errors: Sequence[shown.Errors] = ()
    queue: Sequence[tuple[str, str, str]] = ()
    budgets: Sequence[shown.Budget] = ()
    drills: str = ""
    work: Sequence[Item] = ()
    work_count: int = 0
    missed: Sequence[Number] = ()

    @property
    def spent(self) -> Sequence[shown.Budget]:
        """Budgets that somebody should look at: all but those that hold."""
        return [each for each in self.budgets if each.tone != "met"]

    @property
    def holding(self) -> Sequence[shown.Budget]:
        """Those that hold, the one with the least left first."""
        return sorted(
            (each for each in self.budgets if each.tone == "met"), key=lambda each: each.width
        )

    @property
    def holding_says(self) -> str:
        """What is left of the one with the least; empty where none holds."""
        found = self.holding
        if len(found) > 1:
            return f"the least has {found[0].left}"
        return f"{found[0].title}, {found[0].left}" if found else ""


def current(now: Now | None, board: Board, kept: Kept, clock_: datetime) -> Operations:
    """The page of this moment.

    Args:
        now: None: nothing has been looked at yet.
        board, kept: what is kept.
        clock_: the time, UTC.
    """
    zone, names = board.zone, shops(board)
    known = board.scopes("integration")
    card = board.card(NETWORK)
    keys = {named.scope.key for named in known}
    keys |= {each.integration for each in now.integrations} if now else set()
    until = (now.at if now else clock_).astimezone(zone).date()
    history = kept.incidents(limit=_MOST_INCIDENTS)
    strips = {key: strip(board, key, until, history) for key in sorted(keys)}
    made, work = tiles(now, known, strips, zone, names), kept.work()
    return Operations(
        sentence=now.sentence if now else "Nothing has been looked at yet.",
        lede=now.lead if now else "The watch looks every few seconds; this page fills by itself.",
        at=clock(now.at, now.at, zone) if now else None,
        stale=is_stale(now, clock_),
        past=False,
        wrong=[each for each in made if each.wrong],
        well=[each for each in made if not each.wrong],
        open=[open_trouble(each, now.at, zone, names).named(kept.called) for each in now.incidents]
        if now
        else [],
        signals=[shown.signal(each) for each in now.signals] if now else [],
        flows=shown.flows(now) if now else [],
        errors=shown.errors(now.errors) if now else [],
        queue=shown.queue(now.queue) if now else [],
        budgets=shown.budgets(now.budgets) if now else [],
        drills=shown.drills(now.drills) if now else "",
        work=[item(each, clock_, zone, kept.called) for each in work[:_MOST_WORK]],
        work_count=len(work),
        missed=missed(card) if card else [],
    )


def past(card: Card, board: Board, kept: Kept, strips: Mapping[str, Strip]) -> Operations:
    """The page of the end of a day, as far as it is kept."""
    zone, names = board.zone, shops(board)
    at = day_end(card.day, zone)
    then = [
        each
        for each in kept.incidents(limit=_MOST_INCIDENTS)
        if each.started_at < at and (each.resolved_at is None or each.resolved_at >= at)
    ]
    found = missed(card)
    return Operations(
        sentence=f"At the end of the day {count_text(len(then), 'incidents')} "
        f"{'was' if len(then) == 1 else 'were'} open.",
        lede=f"{count_text(len(found), 'targets of operations')} missed on this day. "
        "Signals by the minute are shown of now alone.",
        at=None, stale=False, past=True,
        wrong=[],
        well=tiles(None, board.scopes("integration"), strips, zone, names, past=True),
        open=[kept_trouble(each, at, zone, names).named(kept.called) for each in then],
        missed=found,
    )  # fmt: skip


def missed(card: Card) -> list[Number]:
    """Targets of the framework's ``OperationalDashboard`` that were missed."""
    return [
        number(metric, place["target"])
        for metric in card.document["metrics"]
        for place in metric["places"]
        if place["ref"].startswith("OperationalDashboard.") and place["verdict"] == "not_met"
    ]


def is_stale(now: Now | None, time: datetime) -> bool:
    """Whether the state of now is too old to be believed."""
    return now is not None and time - now.at > STALE


def shops(board: Board) -> dict[str, str]:
    """Names of franchises by key."""
    return {named.scope.key: named.name for named in board.scopes("franchise")}


def routes(
    site: Site, kept: Kept, mark: Callable[[], str] = str,
    time: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[BaseRoute]:  # fmt: skip
    """``/operations``.

    Args:
        site: what pages read.
        kept: incidents and the work list.
        mark: what the live stream has told so far: the page lacks nothing before it.
        time: the time, UTC.
    """

    def show(request: Request) -> Response:
        since = mark()
        site.keep(request, "board")
        site.keep(request, "now")
        if site.as_of(request).is_now:
            card = site.card(request)
            page = current(site.now(), site.board, kept, time())
        else:
            card = site.card(request)
            page = _past(site.board_of(request), card, kept)
        return site.render(
            request, "operations.html", card=card, title="Operations", ops=page, since=since,
            strip_days=DAYS, soon=soon(site.found(request), namer(site.board)),
        )  # fmt: skip

    return [Route("/operations", show)]


def soon(found: Sequence[KeptFinding], name: Callable[[Scope], str]) -> list[Row]:
    """What may break next, and can be prevented: claimed findings with advice."""
    told = [
        each
        for each in ordered(found)
        if each.finding.study in _SOON and each.finding.advice and not each.finding.withheld
    ]
    return [row(each, name) for each in told[:_MOST_SOON]]


def _past(board: Board, card: Card | None, kept: Kept) -> Operations:
    if card is None:
        return Operations("Nothing is kept of this day.", "Choose another day, or go back to now.",
                          None, stale=False, past=True, wrong=[], well=[], open=[])  # fmt: skip
    history = kept.incidents(limit=_MOST_INCIDENTS)
    strips = {
        named.scope.key: strip(board, named.scope.key, card.day, history)
        for named in board.scopes("integration")
    }
    return past(card, board, kept, strips)


def parts(site: Site, kept: Kept, time: datetime) -> dict[str, str]:
    """The parts of the page as they are now, HTML by element id, for the live stream."""
    page = current(site.now(), site.board, kept, time)
    return {f"ops-{name}": site.fragment("operations_parts.html", name, page) for name in PARTS}
