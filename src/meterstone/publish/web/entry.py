"""The door: sign in, follow a one-time link, sign out."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.errors import InputError, MeterstoneError
from meterstone.people.csrf import KEY
from meterstone.people.errors import SignInRefused
from meterstone.people.guard import PRINCIPAL, SESSION, Cookies
from meterstone.people.links import SETUP
from meterstone.people.oidc import ProviderSignIn
from meterstone.people.passwords import LEAST, MOST
from meterstone.people.rights import Principal
from meterstone.people.service import CALLBACK, House
from meterstone.people.sessions import Begun, Browser
from meterstone.publish.web.forms import NO_STORE, Sent, answer_to, form
from meterstone.publish.web.site import Site

_NEVER_NEXT = ("/login", "/logout", "/setup")


def routes(site: Site, house: House, cookies: Cookies, url: str) -> list[BaseRoute]:
    """The routes of the door.

    Args:
        site: renders.
        house: who may come in.
        cookies: of the guard in front.
        url: how people call us.
    """
    provider = house.at_provider(url)
    door = _Door(site, house, cookies, provider.name if provider else "")
    at_desk = house.desk.do
    return [
        Route("/login", door.ask, methods=["GET"]),
        Route("/login", form(door.sign_in, door.ask_again, at_desk), methods=["POST"]),
        Route("/setup", door.link, methods=["GET"]),
        Route("/setup", form(door.follow, door.choose_again, at_desk), methods=["POST"]),
        Route("/logout", door.sign_out, methods=["POST"]),
        *(_AtProvider(door, provider).routes() if provider else ()),
    ]


@dataclass(frozen=True)
class _Door:
    site: Site
    house: House
    cookies: Cookies
    provider: str

    def ask(self, request: Request) -> Response:
        """The form to sign in."""
        given = Sent({"next": (request.query_params.get("next", ""),)})
        return self.ask_again(request, given, None)

    def ask_again(self, request: Request, given: Sent, error: MeterstoneError | None) -> Response:
        """The form, with what did not hold."""
        return self.site.render(
            request, "login.html", error=error, name=given.one("name")[:100],
            next=own_path(given.one("next")), nobody=not self.house.directory.all(),
            provider=self.provider, **answer_to(error),
        )  # fmt: skip

    def sign_in(self, request: Request, given: Sent) -> Response:
        """Check a name and a password."""
        begun = self.house.entrance.sign_in(
            given.one("name"), given.one("password"), browser_of(request, self.cookies)
        )
        return self.into(begun, own_path(given.one("next")))

    def link(self, request: Request) -> Response:
        """The form behind a one-time link."""
        given = Sent({"link": (request.query_params.get("link", ""),)})
        return self.choose_again(request, given, None)

    def choose_again(
        self, request: Request, given: Sent, error: MeterstoneError | None
    ) -> Response:
        """The form, with what will not do; or that the link does not hold."""
        try:
            link = self.house.links.look(given.one("link"))
        except SignInRefused as gone:
            return self.site.error(request, HTTPStatus.NOT_FOUND, gone.cause, gone.mend)
        who = None if link.person is None else self.house.directory.get(link.person)
        return self.site.render(
            request, "setup.html", error=error, secret=given.one("link"), who=who, least=LEAST,
            most=MOST, name=given.one("name")[:100], called=given.one("called")[:100],
            **answer_to(error),
        )  # fmt: skip

    def follow(self, request: Request, given: Sent) -> Response:
        """Take the password that was chosen, or make the first administrator."""
        secret, password, links = given.one("link"), given.one("password"), self.house.links
        purpose = links.look(secret).purpose
        if password != given.one("again"):
            raise InputError("the two passwords differ", place="again", mend="type both again")
        browser = browser_of(request, self.cookies)
        if purpose != SETUP:
            return self.into(links.choose(secret, password=password, browser=browser), "/")
        name, called = given.one("name"), given.one("called")
        made = links.set_up(secret, name=name, called=called, password=password, browser=browser)
        return self.into(made, "/")

    def sign_out(self, request: Request) -> Response:
        """End this session."""
        principal: Principal = request.scope[PRINCIPAL]
        self.house.sessions.end(principal.id, request.scope[SESSION])
        answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER, NO_STORE)
        self.cookies.clear_session(answer)
        answer.headers["Clear-Site-Data"] = '"cache"'
        return answer

    def into(self, begun: Begun, path: str) -> Response:
        """Signed in."""
        answer = RedirectResponse(path, HTTPStatus.SEE_OTHER, NO_STORE)
        self.cookies.set_session(answer, begun.secret)
        return answer


@dataclass(frozen=True)
class _AtProvider:
    """To the identity provider and back; what is refused is told at the door."""

    door: _Door
    provider: ProviderSignIn

    def routes(self) -> list[BaseRoute]:
        run, again = self.door.house.desk.do, self.door.ask_again
        return [
            Route("/login/provider", form(self.leave, again, run), methods=["GET"]),
            Route(CALLBACK, form(self.come_back, again, run), methods=["GET"]),
        ]

    def leave(self, request: Request, _given: Sent) -> Response:
        path = own_path(request.query_params.get("next", ""))
        url = self.provider.begin(request.scope[KEY], path)
        return RedirectResponse(url, HTTPStatus.SEE_OTHER, NO_STORE)

    def come_back(self, request: Request, _given: Sent) -> Response:
        query, browser = dict(request.query_params), browser_of(request, self.door.cookies)
        come = self.provider.finish(request.scope[KEY], query, browser)
        return self.door.into(come.begun, own_path(come.path))


def browser_of(request: Request, cookies: Cookies) -> Browser:
    """Where a request comes from, for the list of sessions."""
    return Browser(
        agent=request.headers.get("user-agent", ""),
        address=request.client.host if request.client else "",
        former=request.cookies.get(cookies.session, ""),
    )


def own_path(text: str) -> str:
    """Where to go after sign-in: an address of ours, or the start.

    A browser reads ``//host`` and ``/\\host`` as another host, and skips control characters.
    """
    ours = text.startswith("/") and not text.startswith("//") and "\\" not in text
    if not ours or not text.isprintable() or text.startswith(_NEVER_NEXT):
        return "/"
    return quote(text, safe="/?&=:%+,;@.~-_")
