"""Maintenance: windows that were agreed before they began; what falls into one is excused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError, MeterstoneError, suggest
from meterstone.people.rights import Right
from meterstone.publish.web.forms import NO_STORE, Sent, answer_to, form
from meterstone.publish.web.site import Site
from meterstone.scorecard.values import count_text, format_duration

_EVERYTHING = "network"
_LONGEST_REASON = 500


class Window(Protocol):
    """An agreed window."""

    @property
    def scope(self) -> str:
        """What it is for: ``network`` or ``integration:square``."""

    @property
    def start(self) -> datetime:
        """UTC."""

    @property
    def end(self) -> datetime:
        """UTC."""

    @property
    def reason(self) -> str:
        """Why."""

    @property
    def person(self) -> str:
        """Who agreed to it."""


class Maintains(Protocol):
    """An opened home, as far as windows need it."""

    def maintenance(
        self, at: datetime | None = ..., known_at: datetime | None = ...
    ) -> Sequence[Window]:
        """All windows that were agreed; by a moment, as known at one."""

    def approve_maintenance(
        self, scope: str, start: datetime, end: datetime, reason: str, person: str, role: str
    ) -> object:
        """Put a window on record."""


def routes(site: Site, home: Maintains) -> list[BaseRoute]:
    """``/maintenance``."""
    page = _Maintenance(site, home)
    return [
        Route("/maintenance", page.all, methods=["GET"]),
        Route("/maintenance", form(page.agree, page.again), methods=["POST"]),
    ]


@dataclass(frozen=True)
class _Maintenance:
    site: Site
    home: Maintains

    def all(self, request: Request) -> Response:
        """The windows, and the form of a new one."""
        return self._page(request, Sent({}))

    def again(self, request: Request, given: Sent, error: MeterstoneError) -> Response:
        """The form again, with what was typed."""
        return self._page(request, given, error)

    def agree(self, request: Request, given: Sent) -> Response:
        """Agree to a window."""
        principal = self.site.principal(request)
        reason = " ".join(given.one("reason").split())
        if not reason or len(reason) > _LONGEST_REASON:
            raise InputError("no reason", place="reason", mend="say in a sentence why")
        zone = self.site.board.zone
        self.home.approve_maintenance(
            self._scope(given.one("scope")),
            moment(given.one("start"), zone, "start"),
            moment(given.one("end"), zone, "end"),
            reason,
            principal.name if principal else "",
            principal.role if principal else "",
        )
        return RedirectResponse("/maintenance?done=1", HTTPStatus.SEE_OTHER, NO_STORE)

    def _scope(self, text: str) -> str:
        known = [_EVERYTHING, *(str(each.scope) for each in self._integrations())]
        if text not in known:
            raise InputError(
                f"nothing is called {text[:100]!r}", place="scope", mend=suggest(text, known)
            )
        return text

    def _integrations(self) -> Sequence[Any]:
        return self.site.board.scopes("integration")

    def _page(
        self, request: Request, given: Sent, error: MeterstoneError | None = None
    ) -> Response:
        principal, at = self.site.principal(request), self.site.until(request)
        windows = self.home.maintenance(at, self.site.as_of(request).known_at)
        choices = [(_EVERYTHING, "The whole network")]
        choices += [(str(each.scope), each.name) for each in self._integrations()]
        return self.site.render(
            request, "maintenance.html", at=at,
            title="Maintenance", error=error, choices=choices,
            typed={name: given.one(name) for name in ("scope", "start", "end", "reason")},
            done="done" in request.query_params and error is None,
            may=at is None and principal is not None and principal.may(Right.MAINTAIN),
            **windows_context(windows, at or datetime.now(UTC), dict(choices)),
            **answer_to(error),
        )  # fmt: skip


def windows_context(
    windows: Sequence[Window], now: datetime, names: Mapping[str, str]
) -> Mapping[str, Any]:
    """What the page shows: what runs, what comes, what was; the newest first."""
    ordered = sorted(windows, key=lambda each: each.start, reverse=True)
    told = [
        {
            "name": names.get(each.scope, each.scope), "start": each.start, "end": each.end,
            "lasts": format_duration((each.end - each.start).total_seconds()),
            "reason": each.reason, "person": each.person, "state": _state(each, now),
        }
        for each in ordered
    ]  # fmt: skip
    states = [(_state(each, now)[1], names.get(each.scope, each.scope)) for each in ordered]
    running = [name for state, name in states if state == "Now"]
    coming = [name for state, name in states if state == "Planned"]
    said = count_text(len(coming), "windows")
    return {
        "windows": told,
        "sentence": f"Maintained now: {', '.join(running)}."
        if running
        else f"{said} planned."
        if coming
        else "No maintenance is planned.",
    }


def _state(window: Window, now: datetime) -> tuple[str, str]:
    if now < window.start:
        return "reference", "Planned"
    return ("doubt", "Now") if now < window.end else ("none", "Over")


def moment(text: str, zone: ZoneInfo, place: str) -> datetime:
    """A time as a form sends it, in the reporting time zone.

    Raises:
        InputError: it is none.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M").replace(tzinfo=zone).astimezone(UTC)
    except ValueError:
        raise InputError(
            f"no time: {text[:40]!r}", place=place, mend="write 2026-03-01T09:30"
        ) from None
