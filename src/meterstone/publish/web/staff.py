"""Settings: people, what they may, and the links by which they choose a password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError, MeterstoneError
from meterstone.ledger import Person, PersonStatus
from meterstone.people.guard import PRINCIPAL
from meterstone.people.links import Link
from meterstone.people.rights import Principal
from meterstone.people.service import House
from meterstone.people.words import ROLES, said
from meterstone.publish.web.forms import NO_STORE, Sent, answer_to, form
from meterstone.publish.web.site import Site

_STATUSES = ("active", "disabled")
_DONE: Mapping[str, str] = {
    "changed": "Changed; it holds from the next request on.",
    "sessions": "Signed out everywhere.",
    "token": "The token was revoked.",
}


def routes(site: Site, house: House, url: str) -> list[BaseRoute]:
    """The routes under ``/settings/people``.

    Args:
        site: renders.
        house: the people.
        url: how people call us: links begin with it.
    """
    page, one = _People(site, house, url), "/settings/people/{person}"
    return [
        Route("/settings/people", page.list, methods=["GET"]),
        Route("/settings/people", form(page.invite, page.list_again), methods=["POST"]),
        Route(one, page.person, methods=["GET"]),
        Route(one, form(page.change, page.person_again), methods=["POST"]),
        Route(f"{one}/link", form(page.link, page.person_again), methods=["POST"]),
        Route(f"{one}/sessions", form(page.end_sessions, page.person_again), methods=["POST"]),
        Route(f"{one}/tokens", form(page.revoke_token, page.person_again), methods=["POST"]),
    ]


@dataclass(frozen=True)
class _People:
    site: Site
    house: House
    url: str

    def list(self, request: Request) -> Response:
        """Everybody, and the form to invite somebody."""
        return self._list(request, Sent({}))

    def list_again(self, request: Request, given: Sent, error: MeterstoneError) -> Response:
        """The list with what was refused."""
        return self._list(request, given, error)

    def invite(self, request: Request, given: Sent) -> Response:
        """Add somebody; the answer shows the link to hand over, once."""
        made = self.house.directory.add(
            _who(request),
            name=given.one("name"),
            called=given.one("called"),
            role=given.one("role"),
            email=given.one("email"),
            franchises=_listed(given.one("franchises")),
        )
        link = self.house.links.for_password(made.id, _who(request))
        return self._person(request, made, link=link)

    def person(self, request: Request) -> Response:
        """One person."""
        found = self._found(request)
        if found is None:
            return self.site.error(request, HTTPStatus.NOT_FOUND)
        done = _DONE.get(request.query_params.get("done", ""), "")
        return self._person(request, found, done=done)

    def person_again(self, request: Request, _given: Sent, error: MeterstoneError) -> Response:
        """The person with what was refused."""
        found = self._found(request)
        if found is None:
            return self.site.error(request, HTTPStatus.NOT_FOUND)
        return self._person(request, found, error=error)

    def change(self, request: Request, given: Sent) -> Response:
        """Change role, shops and whether the person may come in."""
        status = given.one("status")
        if status not in _STATUSES:
            raise InputError("unknown status", place="status", mend="active or disabled")
        person = request.path_params["person"]
        self.house.directory.change(
            _who(request),
            person,
            role=given.one("role"),
            status=cast(PersonStatus, status),
            franchises=_listed(given.one("franchises")),
        )
        return _back(person, "changed")

    def link(self, request: Request, _given: Sent) -> Response:
        """A new link to choose a password; it is shown on this answer alone."""
        person = request.path_params["person"]
        link = self.house.links.for_password(person, _who(request))
        return self._person(request, self.house.directory.get(person), link=link)

    def end_sessions(self, request: Request, _given: Sent) -> Response:
        """Sign the person out everywhere."""
        person = self.house.directory.get(request.path_params["person"])
        self.house.sessions.end(person.id, actor=_who(request))
        return _back(person.id, "sessions")

    def revoke_token(self, request: Request, given: Sent) -> Response:
        """Revoke a token of the person."""
        person = request.path_params["person"]
        self.house.tokens.revoke(given.one("token"), _who(request), person=person)
        return _back(person, "token")

    def _found(self, request: Request) -> Person | None:
        people = self.house.directory.all(self.site.until(request))
        return next((p for p in people if p.id == request.path_params["person"]), None)

    def _list(
        self, request: Request, given: Sent, error: MeterstoneError | None = None
    ) -> Response:
        names, at = ("name", "called", "email", "role", "franchises"), self.site.until(request)
        return self.site.render(
            request, "people.html", at=at,
            people=self.house.directory.all(at), roles=ROLES, error=error,
            typed={name: given.one(name)[:1000] for name in names}, **answer_to(error),
        )  # fmt: skip

    def _person(
        self,
        request: Request,
        person: Person,
        *,
        link: Link | None = None,
        error: MeterstoneError | None = None,
        done: str = "",
    ) -> Response:
        context: dict[str, Any] = {
            "person": person,
            "sessions": self.house.sessions.all(person.id),
            "tokens": self.house.tokens.live(person.id),
            "said": said,
            "roles": ROLES,
            "shops": {n.scope.key: n.name for n in self.site.board.scopes("franchise")},
            "link_url": f"{self.url}{link.path}" if link else "",
            "link_ends": link.expires_at if link else None,
        }
        return self.site.render(
            request,
            "person.html",
            at=self.site.until(request),
            error=error,
            done=done,
            **context,
            **answer_to(error),
        )


def _who(request: Request) -> str:
    who: Principal = request.scope[PRINCIPAL]
    return who.id


def _listed(text: str) -> list[str]:
    """Ids, separated by commas or lines."""
    return [each.strip() for each in re.split(r"[,\n]", text) if each.strip()]


def _back(person: str, done: str) -> Response:
    return RedirectResponse(f"/settings/people/{person}?done={done}", 303, NO_STORE)
