"""The page on which the owner of an account lets a client in: a GET shows it, a POST decides.

Programs take the same way as people: POST the address of the authorization request with
``decision=allow`` (or ``deny``), and follow the redirect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from meterstone.sandbox.kit.accounts import Accounts, Refused

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title} (simulated)</title>
<style>body{{font:16px/1.5 system-ui;max-width:34rem;margin:4rem auto;padding:0 1rem}}
button,select{{font:inherit;padding:.4rem 1rem;margin-right:.5rem}}</style>
<h1>{title}</h1><p><strong>Simulated.</strong> This page stands in for the vendor's own.</p>
<p>The application <code>{client}</code> asks for access{scopes}.</p>
<form method="post"><p><label>Account <select name="account">{options}</select></label></p>
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button></form></html>"""


@dataclass(frozen=True)
class Consent:
    """The authorization endpoint of a stand-in.

    Attributes:
        accounts: who may sign in: account → title. The first one is offered first.
        default_redirect: where the request need not name an address.
        more: query parameters of the redirect beside code and state (realmId, merchant_id).
    """

    title: str
    path: str
    signed_in: Accounts
    accounts: Mapping[str, str]
    default_redirect: str = ""
    more: Callable[[str], Mapping[str, str]] = lambda _account: {}

    def route(self) -> Route:
        """GET and POST of the endpoint."""
        return Route(self.path, self._handle, methods=["GET", "POST"])

    async def _handle(self, request: Request) -> Response:
        asked = request.query_params
        client_id = asked.get("client_id", "")
        redirect = asked.get("redirect_uri") or self.default_redirect
        try:
            client = self.signed_in.client(client_id)
        except Refused as refused:
            return HTMLResponse(escape(str(refused)), 400)
        if not redirect or (client.redirects and redirect not in client.redirects):
            # an address that nobody registered is never redirected to
            return HTMLResponse("the redirect address is missing or unknown", 400)
        if request.method == "GET":
            return self._page(client_id, asked.get("scope", ""))
        given = await form(request)
        account = given.get("account") or next(iter(self.accounts))
        state = {"state": asked["state"]} if "state" in asked else {}
        if given.get("decision") != "allow":
            return _back(redirect, {"error": "access_denied", **state})
        try:
            code = self.signed_in.authorize(
                client_id, redirect, asked.get("scope", "").replace("+", " ").split(), account,
                challenge=asked.get("code_challenge", ""),
                method=asked.get("code_challenge_method", ""),
            )  # fmt: skip
        except Refused as refused:
            return _back(redirect, {"error": refused.error, **state})
        return _back(redirect, {"code": code, **state, **self.more(account)})

    def _page(self, client: str, scopes: str) -> Response:
        options = "".join(
            f'<option value="{escape(id_)}">{escape(title)}</option>'
            for id_, title in self.accounts.items()
        )
        asked = f" to {escape(scopes)}" if scopes else ""
        return HTMLResponse(
            _PAGE.format(
                title=escape(self.title), client=escape(client), scopes=asked, options=options
            )
        )


async def form(request: Request) -> dict[str, str]:
    """Fields of a form in the body, and those of the query where the body has none of the name."""
    body = (await request.body()).decode("utf-8", "replace")
    return {**request.query_params, **dict(parse_qsl(body, keep_blank_values=True))}


def _back(redirect: str, parameters: Mapping[str, str]) -> Response:
    parts = urlsplit(redirect)
    query = urlencode([*parse_qsl(parts.query), *parameters.items()])
    return RedirectResponse(urlunsplit(parts._replace(query=query)), 302)
