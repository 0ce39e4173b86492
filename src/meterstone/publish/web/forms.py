"""Forms of people: what was sent, and how a refusal is answered on the page of the form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from meterstone.errors import ConflictError, InputError, MeterstoneError
from meterstone.people.desk import RETRY_AFTER_S
from meterstone.people.errors import Busy, SignInRefused, TooManyAttempts

_MOST_FIELDS = 200
_STATUS: Mapping[type[MeterstoneError], HTTPStatus] = {
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    SignInRefused: HTTPStatus.FORBIDDEN,
    Busy: HTTPStatus.SERVICE_UNAVAILABLE,
    ConflictError: HTTPStatus.CONFLICT,
    InputError: HTTPStatus.UNPROCESSABLE_ENTITY,
}
REFUSALS = tuple(_STATUS)
"""What a form shows beside what was typed; everything else is a page of its own."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The fields of a form."""

    fields: Mapping[str, tuple[str, ...]]

    def one(self, name: str) -> str:
        """A field; empty where it was not sent, or not once."""
        given = self.fields.get(name, ())
        return given[0] if len(given) == 1 else ""

    def all(self, name: str) -> tuple[str, ...]:
        """A field that may be chosen several times."""
        return self.fields.get(name, ())


Work = Callable[[Request, Sent], Response]
Refused = Callable[[Request, Sent, MeterstoneError], Response]
Endpoint = Callable[[Request], Awaitable[Response]]
Run = Callable[[Work, Request, Sent], Awaitable[Response]]


async def in_thread(work: Work, request: Request, given: Sent) -> Response:
    """Run it in a thread: the ledger may be asked."""
    return await to_thread.run_sync(work, request, given)


def form(work: Work, refused: Refused, run: Run = in_thread) -> Endpoint:
    """The endpoint of a form.

    Args:
        work: does what was asked and answers; raises what is refused.
        refused: the page of the form again, with what was typed and the error.
        run: where it is done.
    """

    async def endpoint(request: Request) -> Response:
        given = await _sent(request)
        try:
            return await run(work, request, given)
        except REFUSALS as error:
            return await to_thread.run_sync(refused, request, given, error)

    return endpoint


async def _sent(request: Request) -> Sent:
    """The form of a request; files are no part of it."""
    found: dict[str, tuple[str, ...]] = {}
    async with request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
        for name, value in form.multi_items():
            if isinstance(value, str):
                found[name] = (*found.get(name, ()), value)
    return Sent(found)


NO_STORE = {"Cache-Control": "no-store"}


def answer_to(error: MeterstoneError | None) -> dict[str, Any]:
    """Status and headers of the page of a form: nothing of it is kept anywhere.

    Args:
        error: what was refused; None: nothing.
    """
    if error is None:
        return {"headers": NO_STORE}
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    return {"status": status, "headers": {**NO_STORE, **_headers_of(error)}}


def _headers_of(error: MeterstoneError) -> Mapping[str, str]:
    if isinstance(error, TooManyAttempts):
        return {"Retry-After": str(error.retry_after_s)}
    return {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, Busy) else {}
