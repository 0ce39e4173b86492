"""Connections: which systems are connected, and the buttons to connect, mend and disconnect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError, MeterstoneError, NotFound, suggest
from meterstone.ledger import Connection, Ledger
from meterstone.people.rights import Right
from meterstone.publish.web.forms import NO_STORE, Sent, answer_to, form
from meterstone.publish.web.site import Site
from meterstone.scorecard.values import count_text

_STATES: Mapping[str, tuple[str, str]] = {
    "new": ("doubt", "Not signed in yet"),
    "active": ("met", "Connected"),
    "broken": ("miss", "Broken"),
    "paused": ("doubt", "Paused"),
    "disconnected": ("none", "Disconnected"),
}
_CREDENTIAL, _SETTING = "credential.", "setting."
_DONE = {
    "connected": "Connected. The first sync runs now.",
    "sync": "Every stream is synced now, before everything else.",
    "disconnected": "Disconnected. What was read stays; nothing more is read.",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A field of a form: its name, and what a person calls it."""

    name: str
    title: str
    required: bool = True
    secret: bool = False


@dataclass(frozen=True, slots=True)
class System:
    """A system that can be connected.

    Attributes:
        sign_in: how, in a few words.
        by_browser: a person signs in at the vendor; else with ``credentials``.
        streams: what is read of it.
    """

    key: str
    name: str
    sign_in: str
    by_browser: bool
    credentials: Sequence[Asked]
    settings: Sequence[Asked]
    streams: Sequence[str]


@dataclass(frozen=True, slots=True)
class Check:
    """A control of a sign-in (RFC 9700), as it was found."""

    control: str
    result: str
    reason: str


class Doors(Protocol):
    """What can be done with connections; every refusal is an `InputError`."""

    def systems(self) -> Sequence[System]:
        """All systems that can be connected, by name."""

    def connect(
        self, system: str, credentials: Mapping[str, str], settings: Mapping[str, str], actor: str
    ) -> Connection:
        """Connect a system that has no sign-in by browser."""

    def sync(self, connection: str, actor: str) -> None:
        """Read every stream now."""

    def disconnect(self, connection: str, actor: str) -> None:
        """Give the access back and forget its secrets."""

    def checks(self, connection: str) -> Sequence[Check]:
        """Look at the controls of the sign-in now."""


def routes(site: Site, ledger: Ledger, doors: Doors) -> list[BaseRoute]:
    """``/connections`` and what is below it."""
    page = _Connections(site, ledger, doors)
    new, one = "/connections/new/{system}", "/connections/{connection}"
    return [
        Route("/connections", page.all, methods=["GET"]),
        Route(new, page.new, methods=["GET"]),
        Route(new, form(page.connect, page.new_again), methods=["POST"]),
        Route(one, page.one, methods=["GET"]),
        Route(f"{one}/checks", form(page.check, page.one_again), methods=["POST"]),
        Route(f"{one}/sync", form(page.sync, page.one_again), methods=["POST"]),
        Route(f"{one}/disconnect", form(page.disconnect, page.one_again), methods=["POST"]),
    ]


class _Connections:
    def __init__(self, site: Site, ledger: Ledger, doors: Doors) -> None:
        self._site, self._ledger, self._doors = site, ledger, doors

    def all(self, request: Request) -> Response:
        """Everything that is connected, and can be."""
        at = self._site.until(request)
        with self._ledger.read() as seen:
            found = seen.past(at).connections() if at else seen.connections.all()
        return self._site.render(
            request, "connections.html", at=at,
            title="Connections", may=self._may(request),
            **list_context(self._doors.systems(), found, past=at is not None),
        )  # fmt: skip

    def new(self, request: Request) -> Response:
        """The form of a system that is connected by a credential."""
        return self._new(request, Sent({}))

    def new_again(self, request: Request, given: Sent, error: MeterstoneError) -> Response:
        """The form again, without the secrets that were typed."""
        return self._new(request, given, error)

    def connect(self, request: Request, given: Sent) -> Response:
        """Connect."""
        system = self._system(request)
        made = self._doors.connect(
            system.key,
            {each.name: given.one(_CREDENTIAL + each.name) for each in system.credentials},
            {
                each.name: given.one(_SETTING + each.name)
                for each in system.settings
                if given.one(_SETTING + each.name)
            },
            self._actor(request),
        )
        return _to(made.id, "connected")

    def one(self, request: Request) -> Response:
        """A connection."""
        return self._one(request)

    def one_again(self, request: Request, _given: Sent, error: MeterstoneError) -> Response:
        """The connection, and what was refused."""
        return self._one(request, error)

    def check(self, request: Request, _given: Sent) -> Response:
        """The connection, with the controls of its sign-in as they are now."""
        return self._one(request, checks=self._doors.checks(request.path_params["connection"]))

    def sync(self, request: Request, _given: Sent) -> Response:
        """Read every stream now."""
        connection = request.path_params["connection"]
        self._doors.sync(connection, self._actor(request))
        return _to(connection, "sync")

    def disconnect(self, request: Request, _given: Sent) -> Response:
        """Give the access back."""
        connection = request.path_params["connection"]
        self._doors.disconnect(connection, self._actor(request))
        return _to(connection, "disconnected")

    def _new(self, request: Request, given: Sent, error: MeterstoneError | None = None) -> Response:
        try:
            system = self._system(request)
        except InputError:
            return self._site.error(request, HTTPStatus.NOT_FOUND)
        return self._site.render(
            request, "connect.html", present=True,
            title=f"Connect {system.name}", system=system, error=error,
            typed={each.name: given.one(_SETTING + each.name) for each in system.settings},
            credential=_CREDENTIAL, setting=_SETTING, may=self._may(request), **answer_to(error),
        )  # fmt: skip

    def _one(
        self,
        request: Request,
        error: MeterstoneError | None = None,
        checks: Sequence[Check] = (),
    ) -> Response:
        wanted, at = request.path_params["connection"], self._site.until(request)
        try:
            with self._ledger.read() as seen:
                found = seen.past(at).connection(wanted) if at else seen.connections.get(wanted)
        except NotFound:
            then = "It was not connected then." if at else ""
            return self._site.error(request, HTTPStatus.NOT_FOUND, then)
        systems = {system.key: system for system in self._doors.systems()}
        return self._site.render(
            request, "connection.html", at=at,
            title=found.name or found.id, may=self._may(request),
            done=_DONE.get(request.query_params.get("done", ""), ""), error=error,
            **connection_context(found, systems.get(found.connector), checks), **answer_to(error),
        )  # fmt: skip

    def _system(self, request: Request) -> System:
        known = {system.key: system for system in self._doors.systems() if not system.by_browser}
        wanted = request.path_params["system"]
        if wanted not in known:
            raise InputError(f"no system {wanted[:100]!r}", mend=suggest(wanted, list(known)))
        return known[wanted]

    def _may(self, request: Request) -> bool:
        principal = self._site.principal(request)
        now = self._site.until(request) is None
        return now and principal is not None and principal.may(Right.CONNECT)

    def _actor(self, request: Request) -> str:
        principal = self._site.principal(request)
        return principal.id if principal else "page"


def list_context(
    systems: Sequence[System], found: Sequence[Connection], *, past: bool = False
) -> Mapping[str, Any]:
    """What the list shows: every system, with what is connected of it.

    Args:
        past: it is of a moment that is over.
    """
    by_system: dict[str, list[Connection]] = {}
    for each in found:
        if each.status != "disconnected":
            by_system.setdefault(each.connector, []).append(each)
    broken = sum(each.status == "broken" for some in by_system.values() for each in some)
    said = count_text(len(by_system), "systems")
    needs = "needed" if past else "needs" if broken == 1 else "need"
    return {
        "sentence": f"{broken} of {count_text(sum(map(len, by_system.values())), 'connections')} "
        f"{needs} somebody to sign in again."
        if broken
        else f"{said} connected, nothing {'needed anybody' if past else 'needs you'}."
        if by_system
        else f"Nothing {'was connected then' if past else 'is connected yet'}.",
        "systems": [
            {
                "system": system,
                "href": _begin(system),
                "connections": [_shown(each, system) for each in by_system.get(system.key, ())],
            }
            for system in systems
        ],
    }


def connection_context(
    found: Connection, system: System | None, checks: Sequence[Check]
) -> Mapping[str, Any]:
    """What the page of a connection shows."""
    failed = sum(check.result != "pass" for check in checks)
    return {
        "sentence": f"{found.name or found.account or found.id}: "
        f"{_STATES[found.status][1].lower()}.",
        "shown": _shown(found, system),
        "streams": [] if system is None else system.streams,
        "checks": [(_tone(check.result), check) for check in checks],
        "checked": f"{len(checks) - failed} of {len(checks)} controls hold." if checks else "",
    }


def _shown(found: Connection, system: System | None) -> Mapping[str, Any]:
    tone, word = _STATES[found.status]
    by_browser = system is not None and system.by_browser
    return {
        "id": found.id, "name": found.name or found.account or found.id, "tone": tone,
        "word": word, "account": found.account, "franchise": found.franchise_id or "",
        "system": system.name if system else found.connector,
        "sign_in": system.sign_in if system else "", "environment": found.environment,
        "reason": found.reason, "mend": found.mend, "since": found.changed_at,
        "created": found.created_at, "status": found.status,
        "again": f"/oauth/start/{found.connector}?{urlencode({'connection': found.id})}"
        if found.status == "broken" and by_browser
        else "",
    }  # fmt: skip


def _begin(system: System) -> str:
    return f"/oauth/start/{system.key}" if system.by_browser else f"/connections/new/{system.key}"


def _tone(result: str) -> str:
    return {"pass": "met", "fail": "miss"}.get(result, "none")


def _to(connection: str, done: str) -> Response:
    address = f"/connections/{connection}?done={done}"
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, NO_STORE)
