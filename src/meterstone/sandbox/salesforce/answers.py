"""The answers of Salesforce: plain JSON, and errors as an array of codes and sentences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from meterstone.sandbox.kit import Refused
from meterstone.sandbox.kit.query import QueryProblem
from meterstone.sandbox.salesforce.soql import InvalidField, InvalidType


class ApiError(Exception):  # rendered by `error`
    """A request that Salesforce refuses.

    Attributes:
        code: such as REQUIRED_FIELD_MISSING.
        status: HTTP status.
        fields: which are wrong.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, fields: Sequence[str] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.fields = code, message, status, fields


def not_found() -> ApiError:
    """There is no such resource."""
    return ApiError("NOT_FOUND", "The requested resource does not exist", 404)


def answer(content: Any, status: int = 200) -> Response:
    """JSON."""
    return Response(json.dumps(content), status, media_type="application/json;charset=UTF-8")


def error(_request: Request | None, problem: Exception) -> Response:
    """A refusal in the vendor's form."""
    if isinstance(problem, Refused):
        problem = ApiError("INVALID_SESSION_ID", "Session expired or invalid", 401)
    if isinstance(problem, QueryProblem):
        code = "MALFORMED_QUERY"
        if isinstance(problem, InvalidField | InvalidType):
            code = "INVALID_FIELD" if isinstance(problem, InvalidField) else "INVALID_TYPE"
        place = f"ERROR at Row:1:Column:{problem.position + 1}"
        problem = ApiError(code, f"{place}\n{problem.why}")
    if not isinstance(problem, ApiError):
        raise problem
    told: dict[str, Any] = {"message": problem.message, "errorCode": problem.code}
    if problem.fields is not None:
        told["fields"] = list(problem.fields)
    return answer([told], problem.status)


def trouble(status: int, _after_s: float | None) -> Response:
    """5xx; and too many requests, which Salesforce says with 403 and no Retry-After."""
    if status == 429:
        return error(None, ApiError(
            "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", 403
        ))  # fmt: skip
    code = "SERVER_UNAVAILABLE" if status == 503 else "UNKNOWN_EXCEPTION"
    return error(None, ApiError(code, "An unexpected error occurred", status))
