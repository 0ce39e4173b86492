"""One attempt: a POST through the guard, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Literal

import httpx2

from meterstone.connect.egress import EgressRefused

Outcome = Literal[
    "delivered", "throttled", "gone", "redirected", "refused", "timeout", "unreachable", "forbidden"
]
MOST_READ = 16_384
"""Bytes of an answer that are read; the rest stays with the receiver."""

_THROTTLED = frozenset(
    (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt.

    Attributes:
        outcome: ``delivered`` (2xx and nothing else), ``throttled`` (429, 502, 504), ``gone``
            (410), ``redirected`` (3xx: it is not followed), ``refused`` (any other status),
            ``timeout``, ``unreachable``, ``forbidden`` (our guard refuses the address).
        status: of HTTP; None: no answer.
        sha256: of what was read of the body; empty: nothing was. The body itself is not kept.
        retry_after_s: what the receiver asked for.
        error: for people, without anything that the receiver wrote.
    """

    outcome: Outcome
    took_ms: float
    status: int | None = None
    sha256: str = ""
    retry_after_s: float | None = None
    error: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the receiver has it."""
        return self.outcome == "delivered"


def post(
    client: httpx2.Client, url: str, headers: Mapping[str, str], payload: bytes, now: datetime
) -> Answer:
    """Send a message once. Whatever the receiver does comes back as an :class:`Answer`.

    Args:
        client: of :meth:`Egress.client`, with ``within_s``.
        now: to read a ``Retry-After`` that is a date.
    """
    begun = time.perf_counter()

    def failed(outcome: Outcome, error: str) -> Answer:
        return Answer(outcome, _since(begun), error=error)

    try:
        with client.stream("POST", url, headers=dict(headers), content=payload) as response:
            digest = _digest(response)
            outcome = outcome_of(response.status_code)
            return Answer(
                outcome,
                _since(begun),
                status=response.status_code,
                sha256=digest,
                retry_after_s=retry_after_s(response.headers.get("retry-after", ""), now),
                error="" if outcome == "delivered" else f"HTTP {response.status_code}",
            )
    except EgressRefused as error:
        return failed("forbidden", error.cause)
    except httpx2.TimeoutException as error:
        return failed("timeout", f"no answer in time ({type(error).__name__})")
    except httpx2.HTTPError as error:
        return failed("unreachable", type(error).__name__)


def outcome_of(status: int) -> Outcome:
    """What a status of HTTP means for a delivery."""
    if HTTPStatus(200) <= status < HTTPStatus(300):
        return "delivered"
    if status == HTTPStatus.GONE:
        return "gone"
    if status in _THROTTLED:
        return "throttled"
    return "redirected" if 300 <= status < 400 else "refused"


def retry_after_s(value: str, now: datetime) -> float | None:
    """Seconds of a ``Retry-After`` (RFC 9110, 10.2.3): a number or a date; None: neither."""
    text = value.strip()
    if text.isdecimal() and text.isascii():
        return min(float(text[:12]), 1e9)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())


def _digest(response: httpx2.Response) -> str:
    """Hash of the first bytes of the answer, as sent: nothing is unpacked. The status stands
    already, so an answer that breaks off here changes nothing."""
    digest, read = sha256(), 0
    try:
        for chunk in response.iter_raw(4096):
            digest.update(chunk[: MOST_READ - read])
            read += len(chunk)
            if read >= MOST_READ:
                break
    except httpx2.HTTPError:
        pass
    return digest.hexdigest() if read else ""


def _since(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 3)
