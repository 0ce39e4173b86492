"""How the API says no: RFC 9457 problem details, with the cause and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from meterstone.connect.auth.base import AuthError, CredentialUnavailable
from meterstone.errors import InputError, MeterstoneError
from meterstone.record.answers import EncodingError, problem, status_of

PROBLEM = "application/problem+json"
_MENDS = {
    HTTPStatus.NOT_FOUND: "see /api/v1/openapi.json for the addresses that there are",
    HTTPStatus.METHOD_NOT_ALLOWED: "use a method that the header Allow names",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "send less at once",
}


class Problem(BaseModel):
    """Problem details (RFC 9457): what is wrong, and what to do next."""

    type: str = Field(description="`about:blank`: the status says all that the kind of problem is.")
    title: str
    status: int
    detail: str = Field(description="What is wrong, in a sentence.")
    mend: str = Field(description="What to do next.")
    error: str = Field(description="The kind of error, as in the command line's `--json`.")


class Unfit(InputError):
    """The request does not have the form that its operation asks for."""


def answers(*more: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The problems that an operation may answer with, for its documentation.

    Args:
        more: beside those that any operation has.
    """
    every = (
        HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.TOO_MANY_REQUESTS,
    )  # fmt: skip
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        int(status): {"description": _SAID.get(status, status.phrase), "content": content}
        for status in (*every, *more)
    }


_SAID = {
    HTTPStatus.BAD_REQUEST: "Something that was sent cannot be: the detail names it.",
    HTTPStatus.UNAUTHORIZED: "Nobody is signed in, or the token does not hold (any more).",
    HTTPStatus.FORBIDDEN: "The role or the token does not have the right.",
    HTTPStatus.NOT_FOUND: "There is no such thing, or none that you may see.",
    HTTPStatus.CONFLICT: "Somebody else changed it meanwhile: read it again.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON, or says that it is something else.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request does not have the form that is asked for.",
    HTTPStatus.FAILED_DEPENDENCY: "The vendor did not answer.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests: `Retry-After` says how long to wait.",
}

WRITES = (
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
"""What an operation may answer with beside, where it takes a body."""


def add_handlers(app: FastAPI) -> None:
    """Let an application answer each error with a problem."""
    app.add_exception_handler(MeterstoneError, _refused)
    app.add_exception_handler(AuthError, _not_signed_in)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(HTTPException, _not_served)
    app.add_exception_handler(Exception, _failed)


async def json_alone(request: Request) -> None:
    """Refuse a body of another media type, which a form of another site could send.

    Raises:
        EncodingError: it is not JSON.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise EncodingError(
            f"media type {media_type[:60]!r} is not JSON", mend="send application/json"
        )


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, MeterstoneError)  # noqa: S101  # registered for nothing else
    return problem(error, status_of(error))


async def _not_signed_in(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AuthError)  # noqa: S101  # registered for nothing else
    down = isinstance(error, CredentialUnavailable)
    return problem(error, HTTPStatus.FAILED_DEPENDENCY if down else HTTPStatus.UNPROCESSABLE_ENTITY)


async def _unfit(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for nothing else
    first = error.errors()[0]
    said = Unfit(
        f"{_place(first['loc'])}: {first['msg']}", mend="see docs/api.md for what is asked for"
    )
    broken = first["type"] == "json_invalid"
    return problem(said, HTTPStatus.BAD_REQUEST if broken else HTTPStatus.UNPROCESSABLE_ENTITY)


def _place(location: Sequence[int | str]) -> str:
    """Where in a request something is wrong, such as ``query.limit``; never what was sent."""
    return ".".join(str(part)[:40] for part in location)


async def _not_served(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
    status = HTTPStatus(error.status_code)
    said = InputError(error.detail, mend=_MENDS.get(status, "see docs/api.md"))
    return problem(said, status, error.headers)


async def _failed(_request: Request, _error: Exception) -> Response:
    """A defect of ours: the client hears that, the log has the rest."""
    return problem(MeterstoneError("a defect of the API", mend="report it"))
