"""The own account: password, the browsers that are signed in, tokens of programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError, MeterstoneError
from meterstone.people.guard import PRINCIPAL, SESSION
from meterstone.people.passwords import LEAST, MOST
from meterstone.people.principals import can_give
from meterstone.people.rights import Principal, Right
from meterstone.people.service import House
from meterstone.people.tokens import MOST_DAYS, Made
from meterstone.people.words import RIGHTS, ROLES, said
from meterstone.publish.web.forms import NO_STORE, Sent, answer_to, form
from meterstone.publish.web.site import Site

_DAYS = 90
_DONE: Mapping[str, str] = {
    "password": "The new password holds. Every other browser was signed out.",
    "sessions": "Signed out there.",
    "token": "The token was revoked; it opens nothing any more.",
}


def routes(site: Site, house: House) -> list[BaseRoute]:
    """The routes of the own account."""
    page = _Account(site, house)
    again = page.again
    return [
        Route("/account", page.page, methods=["GET"]),
        Route("/account/password", form(page.password, again, house.desk.do), methods=["POST"]),
        Route("/account/sessions", form(page.end_sessions, again), methods=["POST"]),
        Route("/account/tokens", form(page.make_token, again), methods=["POST"]),
        Route("/account/tokens/revoke", form(page.revoke_token, again), methods=["POST"]),
    ]


@dataclass(frozen=True)
class _Account:
    site: Site
    house: House

    def page(self, request: Request) -> Response:
        """Everything of the own account."""
        return self._render(request, done=_DONE.get(request.query_params.get("done", ""), ""))

    def again(self, request: Request, given: Sent, error: MeterstoneError) -> Response:
        """The page with what was refused."""
        return self._render(request, error=error, token_name=given.one("name")[:100])

    def password(self, request: Request, given: Sent) -> Response:
        """Change the own password."""
        if given.one("new") != given.one("again"):
            raise InputError("the two new passwords differ", place="again", mend="type both again")
        self.house.directory.change_password(
            _who(request).id,
            request.scope[SESSION],
            given.one("old"),
            given.one("new"),
            request.client.host if request.client else "",
        )
        return _back("password")

    def end_sessions(self, request: Request, given: Sent) -> Response:
        """Sign one other browser out, or all others."""
        here, session = request.scope[SESSION], given.one("session")
        self.house.sessions.end(_who(request).id, session or None, but=None if session else here)
        return _back("sessions")

    def make_token(self, request: Request, given: Sent) -> Response:
        """Make a token; its secret stands on this answer alone."""
        days = given.one("days")
        made = self.house.tokens.make(
            _who(request).id,
            given.one("name"),
            [Right(each) for each in given.all("right") if each in RIGHTS],
            int(days) if days.isdecimal() and len(days) < 5 else 0,
        )
        return self._render(request, made=made)

    def revoke_token(self, request: Request, given: Sent) -> Response:
        """Revoke an own token."""
        person = _who(request).id
        self.house.tokens.revoke(given.one("token"), person, person=person)
        return _back("token")

    def _render(
        self,
        request: Request,
        *,
        done: str = "",
        error: MeterstoneError | None = None,
        made: Made | None = None,
        token_name: str = "",
    ) -> Response:
        who = _who(request)
        context: dict[str, Any] = {
            "person": self.house.directory.get(who.id),
            "role_says": ROLES[who.role],
            "sessions": self.house.sessions.all(who.id),
            "here": request.scope[SESSION],
            "tokens": self.house.tokens.live(who.id),
            "said": said,
            "can_give": [(right, RIGHTS[right]) for right in can_give(who)],
            "token_days": _DAYS,
            "most_days": MOST_DAYS,
            "least": LEAST,
            "most": MOST,
        }
        return self.site.render(
            request, "account.html", present=True,
            done=done, error=error, made=made, token_name=token_name,
            **context, **answer_to(error),
        )  # fmt: skip


def _who(request: Request) -> Principal:
    who: Principal = request.scope[PRINCIPAL]
    return who


def _back(done: str) -> Response:
    return RedirectResponse(f"/account?done={done}", 303, NO_STORE)
