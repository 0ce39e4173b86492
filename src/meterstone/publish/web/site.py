"""What all pages share: what they read, how they are rendered, and how errors look.

A page module has ``def routes(site: Site) -> list[BaseRoute]`` (with a small Protocol as second
parameter where it acts); its view model is a pure function from documents to the context of its
template. See docs/live.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from meterstone.board.model import Board, Card
from meterstone.board.then import KnownThen
from meterstone.detect.state import Now
from meterstone.errors import InputError, MeterstoneError
from meterstone.insight.findings import KeptFinding
from meterstone.measure.results import Scope, rfc3339
from meterstone.people.rights import Principal, Right
from meterstone.publish.cache import Source, depends_on
from meterstone.publish.findings import Findings, NoFindings, found_of
from meterstone.publish.web.asof import NAMES, AsOf, days_beside, read_as_of
from meterstone.publish.web.headers import PAGE_HEADERS
from meterstone.publish.web.nav import Entry, entries_for
from meterstone.publish.web.static_files import static_file
from meterstone.scorecard.values import (
    VERDICTS,
    format_day,
    format_duration,
    format_interval,
    format_moment,
    format_target,
    format_value,
    unbroken,
)

NETWORK = Scope("network")

_LOOKS_AGAIN_S = 3
"""After so long a page that has nothing to show yet is asked for again by the browser."""


def _no_token(_request: Request) -> str:
    return ""


@dataclass(frozen=True)
class Site:
    """What pages read and are rendered with.

    Attributes:
        board: what was computed and kept.
        now: the state of this moment; gives None until the watch has looked once.
        csrf: the token of a form, of the session that the request belongs to.
        busy: what a reader waits for at this moment, a sentence each.
        findings: what studies found.
    """

    board: Board
    now: Callable[[], Now | None]
    csrf: Callable[[Request], str] = _no_token
    busy: Callable[[], Sequence[str]] = tuple
    findings: Findings = field(default_factory=NoFindings)

    def as_of(self, request: Request) -> AsOf:
        """The past that the reader chose.

        Raises:
            InputError: the address names none.
        """
        as_of = read_as_of(request.query_params)
        if as_of.day is None or as_of.known_at or request.query_params.get("known") != "then":
            return as_of
        known = self.board.revisions(NETWORK, as_of.day)
        return AsOf(as_of.day, known[0].known_at if known else None)

    def board_of(self, request: Request) -> Board:
        """The board as the reader wants it: as known now, or then."""
        known_at = self.as_of(request).known_at
        return self.board if known_at is None else KnownThen(self.board, known_at)

    def until(self, request: Request) -> datetime | None:
        """The moment (UTC) of the past that the reader chose, for pages of the ledger; None: now.
        Such a page gives it to `render` as ``at``, and has no form then."""
        return self.as_of(request).until(self.board.zone)

    def card(self, request: Request, scope: Scope = NETWORK) -> Card | None:
        """The scorecard of a scope as the reader wants it."""
        as_of = self.as_of(request)
        return self.board.card(scope, as_of.day, as_of.known_at)

    def found(self, request: Request, scope: Scope = NETWORK) -> list[KeptFinding]:
        """What studies found that concerns a reader of a scope, as the reader wants it."""
        as_of = self.as_of(request)
        return found_of(self.findings, scope, as_of.day, as_of.known_at)

    def found_at(self, request: Request, scope: Scope) -> Sequence[KeptFinding]:
        """What studies found at exactly this scope, as the reader wants it."""
        as_of = self.as_of(request)
        return self.findings.of(scope, None, as_of.day, as_of.known_at)

    def keep(self, request: Request, *beside: Source) -> None:
        """Let the answer be kept until the board changes, of which every page shows the days, or a
        source beside it. It has no form, and nothing of the person but what follows from role,
        rights and shops. While something is in progress nothing is kept: the page says how far."""
        if self.busy():
            return
        depends_on(request.scope, "board")
        for source in beside:
            depends_on(request.scope, source)

    def principal(self, request: Request) -> Principal | None:
        """Who asks, as the guard found; None for a stranger."""
        found: Principal | None = request.scope.get("principal")
        return found

    def actor(self, request: Request) -> str:
        """Who does something, as the audit log names them.

        Raises:
            InputError: nobody is signed in; the guard lets such a request through nowhere.
        """
        principal = self.principal(request)
        if principal is None:
            raise InputError("nobody is signed in", place="session", mend="sign in at /login")
        return principal.id

    def render(
        self,
        request: Request,
        template: str,
        *,
        card: Card | None = None,
        status: int = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> Response:
        """A page.

        Args:
            request: gives the reader, the address and the past that was chosen.
            template: in ``templates/``; extends ``base.html``, and imports ``pieces.html`` as
                ``p`` with context.
            card: the scorecard that it shows: named in its foot, with hash and signature.
            status: of the answer.
            headers: beside `PAGE_HEADERS`.
            context: what the template shows.
        """
        html = self.html(request, template, card=card, **context)
        style, script = static_file("meterstone.css"), static_file("live.js")
        preload = {
            "Link": f"<{style.address}>; rel=preload; as=style, "
            f"<{script.address}>; rel=modulepreload"
        }
        again = {"Refresh": str(_LOOKS_AGAIN_S)} if self._fills(request) else {}
        return HTMLResponse(html, status, {**PAGE_HEADERS, **preload, **again, **(headers or {})})

    def _fills(self, request: Request) -> bool:
        """Whether there is nothing to see on the page yet, but soon will be."""
        principal = self.principal(request)
        shown = any(
            entry.first and entry.is_at(request.url.path) for entry in entries_for(principal, [])
        )
        return shown and bool(self.busy()) and not self.board.days(NETWORK)

    def html(
        self, request: Request, template: str, *, card: Card | None = None, **context: Any
    ) -> str:
        """The text of a page (see `render`)."""
        return self.templates.get_template(template).render(
            {**self._frame(request, card), **context}
        )

    def fragment(self, template: str, macro: str, *args: Any, **kwargs: Any) -> str:
        """A part of a page alone, for the live stream: a macro of a template."""
        module = self.templates.get_template(template).make_module({"link": AsOf().link})
        return str(getattr(module, macro)(*args, **kwargs))

    def error(
        self, request: Request, status: HTTPStatus, cause: str = "", mend: str = ""
    ) -> Response:
        """A page that says what went wrong and what to do next.

        Args:
            status: of the answer; its words are said when ``cause`` is empty.
            cause: what is wrong, in one sentence.
            mend: what to do next.
        """
        said = _SAID.get(status, (status.phrase, status.description))
        return self.render(
            request, "error.html", status=status, code=int(status), headline=said[0],
            cause=cause or said[1], mend=mend, as_of=AsOf(),
        )  # fmt: skip

    def failure(self, request: Request, error: MeterstoneError, status: HTTPStatus) -> Response:
        """The page of an error of ours."""
        return self.error(request, status, error.cause, error.mend)

    def _frame(self, request: Request, card: Card | None) -> dict[str, Any]:
        principal = self.principal(request)
        try:
            as_of = self.as_of(request)
        except MeterstoneError:  # the page of this very error is being made
            as_of = AsOf()
        rest = {name: text for name, text in request.query_params.items() if name not in NAMES}

        def turn(day: date | None = None, known: str = "then" if as_of.known_at else "") -> str:
            """This page on another day; of now without one."""
            asked = {**rest, **({"day": day.isoformat(), "known": known} if day else {})}
            query = urlencode({name: text for name, text in asked.items() if text})
            return f"{request.url.path}?{query}" if query else request.url.path

        return {
            "request": request,
            "path": request.url.path,
            "principal": principal,
            "nav": entries_for(principal, self._own(principal)),
            "as_of": as_of,
            "link": as_of.link,
            "rest": rest,
            "turn": turn,
            "restated": not as_of.is_now
            and as_of.day is not None
            and len(self.board.revisions(NETWORK, as_of.day)) > 1,
            "days": days_beside(self.board.days(NETWORK), card.day if card else as_of.day),
            "card": card,
            "label": self.board.label,
            "busy": self.busy(),
            "at": None,  # of a page of the ledger: the moment that it shows; None: now
            "present": False,  # whether a page shows what holds now, whatever day was chosen
            "csrf": self.csrf,
            "style": static_file("meterstone.css").address,
            "script": static_file("live.js").address,
            "icon": static_file("icon.svg").address,
        }

    def _own(self, principal: Principal | None) -> list[Entry]:
        if principal is None or not principal.franchises:
            return []
        names = {named.scope.key: named.name for named in self.board.scopes("franchise")}
        return [
            Entry(names.get(key, key), f"/owners/{key}", Right.SIGNED_IN, "Your shop", first=True)
            for key in sorted(principal.franchises)
        ]

    @cached_property
    def templates(self) -> Environment:
        """The templates, with the texts that `scorecard.values` makes as filters."""
        made = Environment(
            loader=PackageLoader("meterstone.publish.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.filters |= {
            "value": format_value, "interval": format_interval, "target": format_target,
            "duration": format_duration, "day": format_day, "moment": self.moment,
            "day_mark": _day_mark, "figure": figure, "unbroken": unbroken,
        }  # fmt: skip
        made.globals |= {"VERDICTS": VERDICTS, "zone": self.board.zone.key, "board": self.board}
        return made

    def moment(self, moment: datetime | str | None) -> Markup:
        """A moment as people say it, in the reporting time zone; a script makes it the reader's."""
        if moment is None:
            return Markup("—")
        text = moment if isinstance(moment, str) else rfc3339(moment)
        zone = self.board.zone.key
        return Markup('<time datetime="{}" title="{} ({})">{}</time>').format(
            text, text, zone, format_moment(text, zone)
        )


def figure(text: str) -> tuple[str, str]:
    """A value as its figure, to be shown large, and what follows: ``81 %``, ``reduction``.

    A word has no rest: ``sustainable differentiation``.
    """
    parts = re.match(r"([+\-−]?[$€£]?\d[\d.,]*(?: %)?)(?: (.+))?$", text)
    return (parts[1], parts[2] or "") if parts else (text, "")


def _day_mark(day: date | str) -> Markup:
    """A calendar day as people say it."""
    return Markup('<time datetime="{}">{}</time>').format(str(day), format_day(day))


_SAID: Mapping[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.NOT_FOUND: (
        "There is nothing here.",
        "Nothing at this address is yours to see, or it never was.",
    ),
    HTTPStatus.FORBIDDEN: (
        "This page is not for your role.",
        "Whoever manages people here can give you the right to it.",
    ),
    HTTPStatus.BAD_REQUEST: ("That could not be read.", "Nothing was changed."),
    HTTPStatus.CONFLICT: (
        "Somebody was faster.",
        "It was changed since you read it; nothing of yours was saved.",
    ),
    HTTPStatus.TOO_MANY_REQUESTS: ("Too many requests.", "Wait a moment, then try again."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("That is too much at once.", "Nothing was kept of it."),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "Back in a moment.",
        "More is coming in than can be answered right now; nothing is lost.",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "Something broke on our side.",
        "What you sent before is safe. The log of the server says what happened.",
    ),
}
