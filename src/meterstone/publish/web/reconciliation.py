"""Reconciliation: where source and copy differ and no rule explains it; somebody is given it, and
takes it off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError, MeterstoneError
from meterstone.ledger import Discrepancy
from meterstone.people.rights import Right
from meterstone.publish.web.forms import Sent, answer_to, form
from meterstone.publish.web.site import Site
from meterstone.publish.web.work import item
from meterstone.scorecard.values import count_text, format_value

MOST = 100
_REASON = 500
_NOBODY = "nobody"


class WorkList(Protocol):
    """What a person may do with the work list."""

    def work(self, at: datetime | None = ...) -> Sequence[Discrepancy]:
        """What is open, the largest amount first; what was at a moment."""

    def accept(self, discrepancy: int, reason: str, actor: str) -> Discrepancy:
        """Take something off, with the reason.

        Raises:
            InputError: it is not open.
        """

    def called(self, actor: str, /) -> str:
        """How a person is called."""

    def helpers(self) -> Sequence[tuple[str, str]]:
        """Who may be given something: id and name."""

    def assign(self, discrepancy: int, person: str, actor: str) -> Discrepancy:
        """Give something to a person; empty: to nobody.

        Raises:
            InputError: it is not open, or that person may not work on it.
        """


def headline(found: Sequence[Discrepancy]) -> tuple[str, str]:
    """The sentence of the page and the line below."""
    if not found:
        return (
            "Source and copy agree.",
            "Every difference that was found was mended by itself, or is explained by a rule.",
        )
    money = sum(abs(each.amount or 0.0) for each in found)
    worth = f"{format_value(money, 'USD')} are at stake. " if money else ""
    places = len({each.connection for each in found})
    return (
        f"{count_text(len(found), 'differences')} {'waits' if len(found) == 1 else 'wait'} "
        "for a person.",
        f"{worth}They are of {count_text(places, 'connections')}. Look at one, mend it in the "
        "system that is wrong, or accept it with the reason: the next comparison closes what "
        "was mended.",
    )


def on_it(found: Sequence[Discrepancy]) -> set[str]:
    """Ids of people who are on something of the list."""
    return {each.assigned_to for each in found if each.assigned_to}


def routes(
    site: Site, work: WorkList, time: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> list[BaseRoute]:
    """``/reconciliation``, giving a difference to somebody, and accepting it."""
    pages = _Pages(site, work, time)
    one = "/reconciliation/{discrepancy:int}"
    return [
        Route("/reconciliation", pages.show),
        Route(f"{one}/accept", form(pages.accept, pages.refused), methods=["POST"]),
        Route(f"{one}/assign", form(pages.assign, pages.refused), methods=["POST"]),
    ]  # fmt: skip


@dataclass(frozen=True)
class _Pages:
    site: Site
    work: WorkList
    time: Callable[[], datetime]

    def show(self, request: Request) -> Response:
        """The work list."""
        return self._page(request)

    def accept(self, request: Request, given: Sent) -> Response:
        """A person takes a difference off the list."""
        reason = given.one("reason").strip()
        if not reason or len(reason) > _REASON:
            mend = f"say why in at most {_REASON} characters"
            raise InputError("why is it accepted?", place="reason", mend=mend)
        actor = self.site.actor(request)
        self.work.accept(request.path_params["discrepancy"], reason, actor)
        return RedirectResponse("/reconciliation", HTTPStatus.SEE_OTHER)

    def assign(self, request: Request, given: Sent) -> Response:
        """A difference is given to a person, or to nobody."""
        number: int = request.path_params["discrepancy"]
        self.work.assign(number, given.one("person"), self.site.actor(request))
        return RedirectResponse(f"/reconciliation#d{number}", HTTPStatus.SEE_OTHER)

    def refused(self, request: Request, _given: Sent, error: MeterstoneError) -> Response:
        """The list with what was refused."""
        return self._page(request, error)

    def _page(self, request: Request, error: MeterstoneError | None = None) -> Response:
        at = self.site.until(request)
        found = self.work.work(at)
        connection = request.query_params.get("connection", "")
        person = request.query_params.get("person", "")
        shown = [
            each for each in found
            if connection in ("", each.connection)
            and person in ("", each.assigned_to or _NOBODY)
        ]  # fmt: skip
        sentence, lede = headline(found)
        principal = self.site.principal(request)
        may = at is None and principal is not None and principal.may(Right.RESPOND)
        now, zone = at or self.time(), self.site.board.zone
        return self.site.render(
            request, "reconciliation.html", at=at, title="Reconciliation",
            sentence=sentence, lede=lede,
            items=[item(each, now, zone, self.work.called) for each in shown[:MOST]],
            count=len(shown), connection=connection, person=person, nobody=_NOBODY,
            connections=sorted({each.connection for each in found}),
            people=sorted((self.work.called(who), who) for who in on_it(found)),
            helpers=self.work.helpers() if may else (), may=may, error=error,
            **answer_to(error),
        )  # fmt: skip
