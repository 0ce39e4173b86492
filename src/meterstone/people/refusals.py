"""How the guard says no. The same words whatever is behind the address."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let through.

    Attributes:
        cause: one sentence.
        mend: what to do.
        headers: to send with it.
    """

    status: HTTPStatus
    cause: str
    mend: str
    headers: Mapping[str, str] | None = None


Refuse = Callable[[Request, Refusal], Response]
"""Makes the answer to a refused request; the site has designed pages for people."""


def as_problem(_request: Request, refusal: Refusal) -> Response:
    """A refusal as RFC 9457 problem details."""
    body = {
        "type": "about:blank",
        "title": refusal.status.phrase,
        "status": refusal.status,
        "detail": refusal.cause,
        "mend": refusal.mend,
        "error": "Refused",
    }
    return Response(
        json.dumps(body), refusal.status, dict(refusal.headers or {}), "application/problem+json"
    )


UNKNOWN = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "sign in first",
    "sign in at /login, or send Authorization: Bearer mst_…",
    {"WWW-Authenticate": "Bearer"},
)
BAD_TOKEN = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "this token does not hold: it is unknown, expired or revoked",
    "make a new one at /account",
    {"WWW-Authenticate": 'Bearer error="invalid_token"'},
)
NOT_FOUND = Refusal(HTTPStatus.NOT_FOUND, "there is nothing here", "begin at /")
FORBIDDEN = Refusal(
    HTTPStatus.FORBIDDEN,
    "your role does not see this",
    "ask an administrator of Meterstone, who gives roles under Settings",
)
NO_SUCH_REQUEST = Refusal(
    HTTPStatus.METHOD_NOT_ALLOWED, "nothing can be sent to this address", "open it instead"
)
ELSEWHERE = Refusal(
    HTTPStatus.FORBIDDEN,
    "this form was not sent from a page of ours, or the page was open for too long",
    "go back, load the page again and send the form once more",
)
TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "this is more than is taken here",
    "send less; nothing of it was kept",
    {"Connection": "close"},
)
