"""The guard: the one place that lets a request through.

It stands before everything else. It reads `meterstone.people.rules` and refuses what is not there;
puts who asks into ``scope["principal"]``; checks that forms come from our own pages; bounds bodies;
and gives every answer its security headers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterstone.people import csrf, refusals
from meterstone.people.bodies import HEAD_BYTES, Body, TooLarge
from meterstone.people.cache import Seen
from meterstone.people.match import Match, Matcher
from meterstone.people.refusals import Refusal, Refuse, as_problem
from meterstone.people.rights import FORM_BYTES, Right, Role, Rule
from meterstone.people.rules import RULES
from meterstone.people.secret import looks_right, new_secret
from meterstone.people.wire import (
    cookie,
    for_person,
    from_own_page,
    header,
    media_type,
    security_headers,
    set_cookie,
)

PRINCIPAL = "principal"
"""Name in the scope: a `Principal`; None where a stranger may be."""
SESSION = "meterstone.session"
"""Name in the scope: id of the session or token that lets the request in."""
_VISIT_S = 24 * 3600
_READS = ("GET", "HEAD")


class Lookup(Protocol):
    """Sessions or tokens."""

    def known(self, secret: str) -> Seen | None:
        """Who it is, where that was asked a moment ago; asks no database."""

    def of(self, secret: str) -> Seen | None:
        """Who it is; may ask the ledger."""


@dataclass(frozen=True, slots=True)
class Cookies:
    """The names of our cookies: bound to this host alone where there is https.

    Attributes:
        session: of a signed-in browser.
        visit: of a browser that has not signed in: what its form is bound to.
    """

    https: bool
    session: str = field(init=False)
    visit: str = field(init=False)

    def __post_init__(self) -> None:
        prefix = "__Host-" if self.https else ""
        object.__setattr__(self, "session", f"{prefix}meterstone")
        object.__setattr__(self, "visit", f"{prefix}meterstone_visit")

    def set_session(self, response: Response, secret: str) -> None:
        """Sign a browser in; the cookie goes when the browser is closed, or at the latest when the
        session is over."""
        made = set_cookie(self.session, secret, https=self.https)
        response.headers.append("set-cookie", made)

    def clear_session(self, response: Response) -> None:
        """Sign a browser out."""
        made = set_cookie(self.session, "", https=self.https, max_age=0)
        response.headers.append("set-cookie", made)


class Guard:
    """ASGI middleware; the first of the stack.

    Args:
        app: what answers a request that is let through.
        sessions: by the cookie of a browser.
        tokens: by ``Authorization: Bearer``.
        public_url: how people call us, such as ``https://meterstone.example``.
        refuse: makes the answer where a person is refused; machines get problem details.
        rules: the addresses.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        sessions: Lookup,
        tokens: Lookup,
        public_url: str,
        refuse: Refuse = as_problem,
        rules: Iterable[Rule] = RULES,
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._tokens = tokens
        self._refuse = refuse
        self._matcher = Matcher(rules)
        self.cookies = Cookies(https=public_url.startswith("https://"))
        self._origins = (public_url.rstrip("/"),)
        self._headers = security_headers(https=self.cookies.https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = self._matcher.match(scope["path"])
        body = Body(receive, _most_bytes(scope, match))
        answer = _Answer(send, self._headers, body)
        scope[PRINCIPAL] = None
        refused = await self._refusal(scope, match, body, answer)
        if refused is not None:
            await self._said_no(scope, refused)(scope, body, answer.anyway)
            return
        try:
            await self._app(scope, body, answer)
        except Exception:
            if not body.too_large:
                raise
        if body.too_large and not answer.started:
            await self._said_no(scope, refusals.TOO_LARGE)(scope, receive, answer.anyway)

    async def _refusal(
        self, scope: Scope, match: Match | None, body: Body, answer: _Answer
    ) -> Refusal | None:
        """Why a request is not let through; None: it is."""
        reads = scope["method"] in _READS
        rule = match.rule if match else None
        right = None if rule is None else rule.read if reads else rule.write
        if right is Right.NOBODY:
            if rule is not None and rule.write is Right.NOBODY and rule.most_bytes is not None:
                return await self._visit(scope, body, answer, reads=reads)
            return None
        bearer = header(scope["headers"], b"authorization")
        seen = await (self._of_token(bearer) if bearer else self._of_browser(scope))
        if seen is None:
            return refusals.BAD_TOKEN if bearer else refusals.UNKNOWN
        scope[PRINCIPAL], scope[SESSION] = seen.principal, seen.credential
        refused = _may_not(seen, match, right, by_token=bool(bearer))
        if refused is not None or match is None:
            return refused
        return await self._form(scope, body, bearer=bool(bearer), reads=reads)

    async def _of_browser(self, scope: Scope) -> Seen | None:
        secret = cookie(scope["headers"], self.cookies.session)
        if not secret:
            return None
        scope[csrf.KEY] = secret
        return await _looked_up(self._sessions, secret)

    async def _of_token(self, authorization: str) -> Seen | None:
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        return await _looked_up(self._tokens, secret.strip())

    async def _visit(
        self, scope: Scope, body: Body, answer: _Answer, *, reads: bool
    ) -> Refusal | None:
        """A stranger at a form: it is bound to a cookie that its page has set."""
        secret = cookie(scope["headers"], self.cookies.visit)
        if reads and not looks_right(secret):
            secret = new_secret()
            made = set_cookie(
                self.cookies.visit, secret, https=self.cookies.https, max_age=_VISIT_S
            )
            answer.more.append((b"set-cookie", made.encode()))
        scope[csrf.KEY] = secret
        return await self._form(scope, body, bearer=False, reads=reads)

    async def _form(self, scope: Scope, body: Body, *, bearer: bool, reads: bool) -> Refusal | None:
        """Whether what a browser sends comes from a page of ours, and is not too large."""
        said = header(scope["headers"], b"content-length")
        if body.most is not None and said.isdecimal() and int(said) > body.most:
            return refusals.TOO_LARGE
        if reads or bearer:
            return None
        try:
            ours = await self._is_ours(scope, body)
        except TooLarge:
            return refusals.TOO_LARGE
        return None if ours else refusals.ELSEWHERE

    async def _is_ours(self, scope: Scope, body: Body) -> bool:
        """Whether a form comes from a page that this browser got from us."""
        headers = scope["headers"]
        if not from_own_page(headers, self._origins):
            return False
        key = scope.get(csrf.KEY, "")
        given = header(headers, csrf.HEADER)
        if given:
            return csrf.holds(key, given)
        kind = media_type(headers)
        if kind not in csrf.FORMS:
            return False
        head = await body.head(HEAD_BYTES if kind == csrf.WITH_FILES else None)
        return any(csrf.holds(key, token) for token in csrf.tokens_in(head, kind))

    def _said_no(self, scope: Scope, refusal: Refusal) -> Response:
        machine = not for_person(scope)
        if refusal is refusals.UNKNOWN and not machine:
            back = scope["path"] if scope["method"] in _READS else "/"
            if scope["query_string"] and back != "/":
                back += "?" + scope["query_string"].decode("latin-1")
            return RedirectResponse(f"/login?next={quote(back, safe='/')}", HTTPStatus.SEE_OTHER)
        make: Callable[[Request, Refusal], Response] = as_problem if machine else self._refuse
        return make(Request(scope), refusal)


def _most_bytes(scope: Scope, match: Match | None) -> int | None:
    """The largest body; what a rule grants beyond a form is for files, which a plain form cannot
    carry."""
    if match is None:
        return 0
    most = match.rule.most_bytes
    plain = media_type(scope["headers"]) == csrf.PLAIN
    return most if most is None or not plain else min(most, FORM_BYTES)


def _may_not(
    seen: Seen, match: Match | None, right: Right | None, *, by_token: bool
) -> Refusal | None:
    """Why somebody who is known may not; None: they may."""
    if match is None:
        return refusals.NOT_FOUND
    if right is None:
        return refusals.NO_SUCH_REQUEST
    if by_token and match.rule.people_only:
        return refusals.FORBIDDEN
    if seen.principal.may(right, match.franchise):
        return None
    is_owner = seen.principal.role is Role.OWNER
    return refusals.NOT_FOUND if is_owner and match.franchise else refusals.FORBIDDEN


class _Answer:
    """Sends an answer with the headers that every one carries."""

    def __init__(self, send: Send, always: Iterable[tuple[bytes, bytes]], body: Body) -> None:
        self._send = send
        self._always = always
        self._body = body
        self.more: list[tuple[bytes, bytes]] = []
        self.started = False

    async def __call__(self, message: Message) -> None:
        if self._body.too_large and not self.started:
            return  # it is answered by the guard
        await self.anyway(message)

    async def anyway(self, message: Message) -> None:
        """Send it, too large or not."""
        if message["type"] == "http.response.start":
            self.started = True
            headers = list(message.get("headers", ()))
            named = {name.lower() for name, _ in headers}
            headers += [pair for pair in self._always if pair[0] not in named]
            if b"cache-control" not in named:
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers + self.more}
        await self._send(message)


async def _looked_up(lookup: Lookup, secret: str) -> Seen | None:
    return lookup.known(secret) or await to_thread.run_sync(lookup.of, secret)
