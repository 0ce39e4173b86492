"""Receives the body of a request within its limits; a gzip bomb stops at the same limit."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from starlette.requests import Request

from meterstone.errors import FormatError
from meterstone.record.answers import (
    BodyTimeoutError,
    BodyTooLargeError,
    EncodingError,
    OverloadError,
)

_MIB = 1 << 20
_CODINGS = ("", "identity", "gzip", "x-gzip")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one receiver takes on.

    Attributes:
        body: bytes of one body, as sent and after decompression.
        in_flight: bytes of all bodies that are being received or prepared, as sent.
        backlog: records that are landed and not mapped yet.
        body_s: how long a client may take to send a body.
        listed: rejects that an answer lists; all are counted.
    """

    body: int = 64 * _MIB
    in_flight: int = 256 * _MIB
    backlog: int = 200_000
    body_s: float = 60.0
    listed: int = 1000


class Intake:
    """All bodies that are being received; refuses more of them than memory is meant for."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """The body as sent; it counts as held until the context ends.

        Raises:
            BodyTooLargeError: beyond the limit as sent.
            BodyTimeoutError: the client did not send it in time.
            OverloadError: the bodies being received fill the memory meant for them.
        """
        if int(request.headers.get("content-length", 0)) > self._limits.body:
            raise too_large(self._limits.body)
        parts: list[bytes] = []
        try:
            await self._receive(request, parts)
            yield b"".join(parts)
        finally:
            self._held -= sum(map(len, parts))

    async def _receive(self, request: Request, parts: list[bytes]) -> None:
        size = 0
        try:
            with anyio.fail_after(self._limits.body_s):
                async for chunk in request.stream():
                    parts.append(chunk)
                    size += len(chunk)
                    self._held += len(chunk)
                    self._refuse(size)
        except TimeoutError as error:
            raise BodyTimeoutError(
                f"the body did not arrive within {self._limits.body_s:g} s",
                mend="send it in smaller parts",
            ) from error

    def _refuse(self, size: int) -> None:
        if size > self._limits.body:
            raise too_large(self._limits.body)
        if self._held > self._limits.in_flight:
            raise OverloadError(
                "too many bodies are being received at once", mend="send the request again later"
            )


def coding_of(request: Request) -> str:
    """The content coding of a request.

    Raises:
        EncodingError: it is not one of those that are read here.
    """
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in _CODINGS:
        raise EncodingError(
            f"content coding {coding!r} is not read here", mend="send gzip, or no Content-Encoding"
        )
    return coding


def decoded(raw: bytes, coding: str, limit: int) -> bytes:
    """The body without its content coding.

    Raises:
        BodyTooLargeError: more than ``limit`` bytes; no more than that is ever held.
        FormatError: it is not gzip, damaged or cut off.
    """
    return gunzip(raw, limit) if coding.endswith("gzip") else raw


def gunzip(raw: bytes, limit: int) -> bytes:
    """The content of a gzip body of one or several members; see `decoded`."""
    parts: list[bytes] = []
    left = limit
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            while chunk := stream.read(_MIB):
                parts.append(chunk)
                left -= len(chunk)
                if left < 0:
                    raise too_large(limit)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(
            f"the gzip body is damaged or cut off: {error}",
            mend="send it again, complete, or without Content-Encoding",
        ) from error
    return b"".join(parts)


def too_large(limit: int) -> BodyTooLargeError:
    """The refusal of a body beyond the limit."""
    return BodyTooLargeError(
        f"the body is larger than {limit:,} bytes", mend="send it in several requests"
    )
