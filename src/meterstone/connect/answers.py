"""What a vendor answered: read in bounded memory, and told apart from an error.

An answer is an error by its status, by a rule of the connector file (also within a 200), or because
it is a web page where data was asked for.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import httpx2

from meterstone.connect.columns import condition
from meterstone.connect.mapping import decoded
from meterstone.connect.paths import at_path
from meterstone.connect.problems import VendorError
from meterstone.connect.spec import Connector, ErrorKind, Throttled
from meterstone.errors import FormatError

_BY_STATUS: dict[int, ErrorKind] = {
    400: "validation", 401: "authentication", 403: "permission", 404: "not_found",
    405: "validation", 408: "timeout", 409: "conflict", 410: "not_found", 412: "conflict",
    422: "validation", 423: "conflict", 429: "rate_limit", 504: "timeout",
}  # fmt: skip
_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,200})", re.IGNORECASE)
_MOST_TEXT = 300
_SHORTEST_SECRET = 6


@dataclass(frozen=True)
class Answer:
    """A whole answer. ``media_type`` is without parameters."""

    status: int
    headers: httpx2.Headers
    body: bytes

    @property
    def media_type(self) -> str:
        """As the vendor says, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def content(self) -> Any:
        """The JSON of the answer; None where it is none."""
        try:
            return decoded(self.body)
        except FormatError:
            return None

    @property
    def is_page(self) -> bool:
        """Whether it is a web page."""
        head = self.body[:200].lstrip().lower()
        return self.media_type == "text/html" or head.startswith((b"<!doctype html", b"<html"))


def read_answer(
    response: httpx2.Response, most_bytes: int, deadline: float, monotonic: Callable[[], float]
) -> Answer:
    """The answer with its body, stopped as soon as it is too large or too slow.

    Raises:
        VendorError: too large; the rest of it is never read.
        httpx2.ReadTimeout: too slow.
    """
    stated = response.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > most_bytes:
        raise _too_large(most_bytes, int(stated))
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > most_bytes:
            raise _too_large(most_bytes, None)
        if monotonic() > deadline:
            raise httpx2.ReadTimeout("answer too slow", request=response.request)
        parts.append(part)
    return Answer(response.status_code, response.headers, b"".join(parts))


def _too_large(most: int, stated: int | None) -> VendorError:
    size = f"{stated / 1e6:,.0f} MB" if stated else f"more than {most / 1e6:,.0f} MB"
    return VendorError(
        f"the answer is {size}; at most {most / 1e6:,.0f} MB are read",
        kind="other",
        mend="ask for smaller pages, or raise `most_bytes` of the connector",
    )


class Judge:
    """Tells which answers of a vendor are errors, and which kind."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._rules = [
            (rule.statuses, condition(rule.where) if rule.where else None, rule.kind)
            for rule in connector.errors
        ]

    def kind(self, answer: Answer, *, data: bool) -> ErrorKind | None:
        """The kind of error; None: it is none. ``data``: a web page is no answer."""
        if answer.status in self._connector.throttled.status:
            return "rate_limit"
        for statuses, holds, kind in self._rules:
            if statuses and answer.status not in statuses:
                continue
            if holds is None or holds(answer.content, answer.content, answer.headers):
                return kind
        if 200 <= answer.status < 300:
            return "other" if data and answer.is_page else None
        if 300 <= answer.status < 400:
            return "other"
        if answer.status >= 500:
            return "timeout" if answer.status == 504 else "server"
        return _BY_STATUS.get(answer.status, "other")

    def error(
        self, answer: Answer, kind: ErrorKind, place: str, secrets: Iterable[str]
    ) -> VendorError:
        """The error that a person reads; nothing of ``secrets`` is in it."""
        name, status = self._connector.name, answer.status
        if answer.is_page:
            title = _TITLE.search(answer.body[:20_000])
            said = title[1].decode("utf-8", "replace").strip() if title else ""
            cause = f"{name} answered a web page instead of data ({status})"
            mend = "the vendor may be in maintenance, or `base_url` is not that of its API"
        elif 300 <= status < 400:
            said, mend = "", "correct `base_url`: redirects are not followed"
            cause = f"{name} answered with a redirect ({status})"
        else:
            said, mend = self._said(answer), ""
            cause = f"{name} answered {status}" + (", which is an error" if status < 300 else "")
        said = hidden(said, secrets)
        return VendorError(
            f"{cause}: {said}" if said else cause,
            kind=kind, place=place, mend=mend, status=status,
            retry_after_s=retry_after_s(answer, self._connector.throttled),
        )  # fmt: skip

    def _said(self, answer: Answer) -> str:
        path = self._connector.error_text
        told = at_path(answer.content, path) if path else None
        if told is None and isinstance(answer.content, dict):
            told = next((answer.content[k] for k in ("message", "error_description", "error")
                         if isinstance(answer.content.get(k), str)), None)  # fmt: skip
        return " ".join(str(told).split())[:_MOST_TEXT] if told is not None else ""


def hidden(text: str, secrets: Iterable[str]) -> str:
    """A text of the vendor without what we sent as proof, in case the vendor repeats it."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "…")
    return text


def retry_after_s(answer: Answer, spec: Throttled) -> float | None:
    """How long the vendor asks to wait: by seconds, or by a date (RFC 9110)."""
    name = "retry-after" if spec.retry_after == "header" else spec.retry_after
    text = answer.headers.get(name, "").strip() if name else ""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def left(answer: Answer, spec: Throttled) -> tuple[float, float] | None:
    """What the headers say is left, and the seconds until the window begins anew; None: nothing."""
    if spec.use:
        match = next(filter(None, (re.search(spec.use, v) for v in answer.headers.values())), None)
        return (float(match["allowed"]) - float(match["used"]), 0.0) if match else None
    try:
        remaining = float(answer.headers[spec.remaining]) if spec.remaining else None
    except (KeyError, ValueError):
        remaining = None
    if remaining is None:
        return None
    return remaining, _reset_s(answer, spec)


def _reset_s(answer: Answer, spec: Throttled) -> float:
    try:
        stated = float(answer.headers.get(spec.reset, "0") if spec.reset else 0)
    except ValueError:
        return 0.0
    if spec.reset_as == "seconds":
        return stated
    return max(0.0, stated / (1000 if spec.reset_as == "epoch_ms" else 1) - time.time())
