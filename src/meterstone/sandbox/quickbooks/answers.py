"""The answers of QuickBooks: envelopes, and faults with their codes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from meterstone.sandbox.kit import Clock, Refused
from meterstone.sandbox.kit.query import QueryProblem
from meterstone.sandbox.quickbooks.records import stamp_text


class Fault(Exception):  # rendered by `fault`
    """A request that QuickBooks refuses.

    Attributes:
        status: HTTP status.
        code: QuickBooks' number for the error.
        type: such as ValidationFault.
    """

    def __init__(
        self, message: str, detail: str, code: str, status: int = 400,
        type_: str = "ValidationFault",
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.message, self.detail, self.code = message, detail, code
        self.status, self.type = status, type_


def not_found(what: str) -> Fault:
    """There is no such record, or it was deleted."""
    return Fault("Object Not Found", f"Object Not Found : {what}", "610")


def missing(name: str) -> Fault:
    """A field that a record needs."""
    return Fault(
        "Required param missing, need to supply the required value for the API",
        f"Required parameter {name} is missing in the request",
        "2020",
    )


class Answers:
    """Renders answers with the time of the stand-in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def ok(self, content: Mapping[str, Any], *, time: bool = True) -> Response:
        """An answer, with the time that all but reports carry."""
        stamped = {**content, "time": self._time()} if time else content
        return _json(stamped, 200)

    def fault(self, _request: Request | None, error: Exception) -> Response:
        """A refusal in the vendor's form."""
        if isinstance(error, QueryProblem):
            error = Fault("Error parsing query", f"QueryParserError: {error.why}", "4000")
        if isinstance(error, Refused):
            error = Fault(
                "message=AuthenticationFailed; errorCode=003200; statusCode=401",
                f"Token {error.why}: {error.detail}", "3200", 401, "AUTHENTICATION",
            )  # fmt: skip
        if not isinstance(error, Fault):
            raise error
        content = {
            "Fault": {
                "Error": [{"Message": error.message, "Detail": error.detail, "code": error.code}],
                "type": error.type,
            },
            "time": self._time(),
        }
        return _json(content, error.status)

    def trouble(self, status: int, after_s: float | None) -> Response:
        """429 and 5xx. QuickBooks promises no Retry-After: it says "wait 60 seconds" in its docs;
        source: developer.intuit.com, limits and throttles."""
        if status == 429:
            return self.fault(None, Fault(
                "message=ThrottleExceeded; errorCode=003001; statusCode=429",
                "You have exceeded the limit of requests; wait 60 seconds", "3001", 429, "SERVICE",
            ))  # fmt: skip
        answer = self.fault(
            None, Fault("An application error has occurred", "", "10000", status, "SystemFault")
        )
        if after_s is not None:
            answer.headers["retry-after"] = f"{after_s:.0f}"
        return answer

    def _time(self) -> str:
        return stamp_text(self._clock.now())


def _json(content: Any, status: int) -> Response:
    return Response(json.dumps(content), status, media_type="application/json")
