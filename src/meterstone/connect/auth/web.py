"""The pages of a sign-in by browser: start, callback, done.

``/oauth/start/square`` sends the browser to the vendor, which sends it to
``/oauth/callback/square``: an address of its own for each connector, so that one vendor's answer
is never taken for another's. Nothing of an answer stays in the address bar: a callback that went
well is answered by 303, and no page of these has a link, a script or a referrer.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.connect.auth.access import Access
from meterstone.connect.auth.base import AuthError, CredentialUnavailable, SignInRefused
from meterstone.connect.auth.flow import LIFETIME, Callback
from meterstone.connect.auth.wishes import Wish
from meterstone.errors import InputError, MeterstoneError
from meterstone.ledger import Connection

COOKIE = "meterstone_sign_in"
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_WISHES = ("connection", "name", "account", "franchise_id", "environment")
_SETTING = "setting."
_LONGEST = 4096


def callback_url(public_url: str, connector: str) -> str:
    """The redirect URI of a connector, exactly as it is registered at the vendor."""
    return f"{public_url.rstrip('/')}/oauth/callback/{connector}"


def oauth_routes(
    access: Access,
    public_url: str,
    ended: Callable[[Connection | SignInRefused], None] = lambda _: None,
) -> list[BaseRoute]:
    """Routes of the sign-in by browser.

    Args:
        access: does it.
        public_url: how the outside calls us, such as ``https://hub.example``. The redirect URI is
            made of this and never of what a request says of its host.
        ended: told of each sign-in that was begun here and came to its end.
    """
    pages = _Pages(access, public_url.rstrip("/"), ended)
    return [
        Route("/oauth/start/{connector}", pages.start),
        Route("/oauth/callback/{connector}", pages.callback),
        Route("/oauth/connected/{connection}", pages.connected),
    ]


class _Pages:
    def __init__(
        self,
        access: Access,
        public_url: str,
        ended: Callable[[Connection | SignInRefused], None],
    ) -> None:
        self._access = access
        self._ended = ended
        self._public = public_url
        self._host = urlsplit(public_url).netloc
        self._secure = urlsplit(public_url).scheme == "https"

    async def start(self, request: Request) -> Response:
        """Send the browser to the vendor (303)."""
        return await run_in_threadpool(self._answered, self._start, request)

    async def callback(self, request: Request) -> Response:
        """What the vendor sent the browser back with."""
        return await run_in_threadpool(self._answered, self._callback, request)

    async def connected(self, request: Request) -> Response:
        """The page at the end; says nothing that is not in the address already."""
        return _page(200, "Connected", f"{request.path_params['connection']} is connected.")

    def _start(self, request: Request) -> Response:
        self._refuse_other_hosts(request)
        if request.headers.get("sec-fetch-site") == "cross-site":
            raise InputError(
                "another site may not start a sign-in", place="sign-in", mend="start it here"
            )
        connector = request.path_params["connector"]
        started = self._access.start(
            connector,
            callback_url(self._public, connector),
            _wish(request),
            browser=request.cookies.get(COOKIE, ""),
        )
        answer = RedirectResponse(started.url, 303, headers=_HEADERS)
        answer.set_cookie(
            COOKIE,
            started.browser,
            max_age=int(LIFETIME.total_seconds()),
            path="/oauth",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    def _callback(self, request: Request) -> Response:
        self._refuse_other_hosts(request)
        if len(request.url.query) > _LONGEST:
            raise SignInRefused("the answer is too long", place="sign-in", mend="start again")
        parameters = request.query_params
        if len(parameters.multi_items()) != len(parameters):
            # RFC 6749, 3.1: no parameter twice; which one counted would be a guess
            raise SignInRefused("a parameter came twice", place="sign-in", mend="start again")
        callback = Callback(
            connector=request.path_params["connector"],
            url=self._public + request.url.path,
            browser=request.cookies.get(COOKIE, ""),
            parameters=dict(parameters),
        )
        try:
            connection = self._access.callback(callback)
        except SignInRefused as error:
            if not error.of_a_stranger:
                self._ended(error)
            raise
        self._ended(connection)
        where = f"{self._public}/oauth/connected/{connection.id}"
        return RedirectResponse(where, 303, headers=_HEADERS)

    def _refuse_other_hosts(self, request: Request) -> None:
        if request.headers.get("host", "") != self._host:
            raise SignInRefused(
                "this address is not the one that is registered at the vendors",
                place="sign-in",
                mend=f"call {self._public} (METERSTONE_PUBLIC_URL says it)",
            )

    def _answered(self, work: Callable[[Request], Response], request: Request) -> Response:
        try:
            return work(request)
        except CredentialUnavailable as error:
            return _refusal(502, error)
        except (AuthError, InputError) as error:
            return _refusal(400, error)


def _wish(request: Request) -> Wish:
    """What the start was asked for: ``name``, ``connection`` …, and ``setting.NAME``."""
    given = request.query_params
    return Wish(
        **{name: given[name] for name in _WISHES if given.get(name)},
        settings={
            name.removeprefix(_SETTING): value
            for name, value in given.items()
            if name.startswith(_SETTING)
        },
    )


def _refusal(status: int, error: MeterstoneError) -> Response:
    return _page(status, "Not connected", f"{error.cause}.", f"Mend: {error.mend}.")


def _page(status: int, title: str, *sentences: str) -> Response:
    text = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<h1>{title}</h1>{text}</html>"
    )
    return HTMLResponse(html, status, headers=_HEADERS)
