"""How requests of Square's API are read: bodies, moments, limits, cursors."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request

from meterstone.sandbox.square.errors import invalid


async def body_of(request: Request) -> dict[str, Any]:
    raw = await request.body()
    try:
        asked = await request.json() if raw else {}
    except ValueError as error:
        raise invalid("EXPECTED_JSON_BODY", "The body is no JSON.") from error
    if not isinstance(asked, dict):
        raise invalid("EXPECTED_JSON_BODY", "The body is no JSON object.")
    return asked


def moment_of(asked: Mapping[str, Any], name: str) -> datetime | None:
    text = asked.get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise invalid("INVALID_TIME", f"{text!r} is no time of RFC 3339", name) from error
    if at.tzinfo is None:
        raise invalid("INVALID_TIME", f"{text!r} has no offset", name)
    return at


def limit_of(given: Any, most: int, usual: int) -> int:
    if given in (None, ""):
        return usual
    try:
        limit = int(given)
    except ValueError as error:
        raise invalid("EXPECTED_INTEGER", "limit is no number", "limit") from error
    if limit < 1:
        raise invalid("VALUE_TOO_LOW", "limit is less than 1", "limit")
    return min(limit, most)


Span = tuple[datetime | None, datetime | None]


def sealed(mark: str, name: str, same: Mapping[str, str], span: Span) -> str:
    times = "|".join("" if t is None else t.isoformat() for t in span)
    return base64.urlsafe_b64encode(f"{_fingerprint(name, same)}|{mark}|{times}".encode()).decode()


def opened(cursor: Any, name: str, same: Mapping[str, str]) -> tuple[str, Span | None]:
    """Mark and span of a cursor; the span is kept, so that `now` does not move between pages."""
    if not cursor:
        return "", None
    try:
        parts = base64.urlsafe_b64decode(str(cursor).encode()).decode().split("|")
        of, mark, since, until = parts
        span = tuple(datetime.fromisoformat(t) if t else None for t in (since, until))
    except (binascii.Error, ValueError) as error:
        raise invalid("INVALID_CURSOR", "The cursor is not valid.", "cursor") from error
    if of != _fingerprint(name, same):
        raise invalid("INVALID_CURSOR", "The cursor belongs to another query.", "cursor")
    return mark, (span[0], span[1])


def _fingerprint(name: str, same: Mapping[str, str]) -> str:
    return hashlib.sha256(f"{name}:{sorted(same.items())}".encode()).hexdigest()[:12]
