"""Errors in Square's form."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Wrong(Exception):  # rendered as Square does
    """An error in Square's form."""

    def __init__(self, status: int, category: str, code: str, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.error = {"category": category, "code": code, "detail": detail}
        if field:
            self.error["field"] = field


def invalid(code: str, detail: str, field: str = "") -> Wrong:
    """A request that is not as it should be."""
    return Wrong(400, "INVALID_REQUEST_ERROR", code, detail, field)


async def wrong(_request: Request, error: Exception) -> Response:
    """``{"errors": [...]}``."""
    assert isinstance(error, Wrong)  # noqa: S101  # registered for nothing else
    return JSONResponse({"errors": [error.error]}, error.status)


def trouble(status: int, after_s: float | None) -> Response:
    """429 and 5xx in Square's form. Whether Square sends Retry-After it does not say."""
    limited = status == 429
    error = {
        "category": "RATE_LIMIT_ERROR" if limited else "API_ERROR",
        "code": "RATE_LIMITED" if limited else "INTERNAL_SERVER_ERROR",
        "detail": "Too many requests" if limited else "An internal error has occurred.",
    }
    headers = {} if after_s is None else {"retry-after": f"{after_s:.0f}"}
    return JSONResponse({"errors": [error]}, status, headers)
