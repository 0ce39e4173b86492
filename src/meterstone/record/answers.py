"""How the receiver says no: one table of status codes, one shape of body a kind of client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from meterstone.errors import ConflictError, InputError, MeterstoneError, NotFound, StorageError

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
PROBLEM = "application/problem+json"


class BodyTooLargeError(InputError):
    """A body beyond the limit, as sent or after decompression."""


class BodyTimeoutError(InputError):
    """A body that did not come in time."""


class EncodingError(InputError):
    """A media type or content coding that is not read here."""


class NoUsableLineError(InputError):
    """Not one line of the body can be a fact; ``rejected`` says why."""

    def __init__(self, cause: str, *, mend: str, rejected: list[dict[str, Any]]) -> None:
        super().__init__(cause, mend=mend)
        self.rejected = rejected


class OverloadError(MeterstoneError):
    """More is coming in than can be held; the same request is welcome a little later."""


STATUS: Mapping[type[MeterstoneError], HTTPStatus] = {
    BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    BodyTimeoutError: HTTPStatus.REQUEST_TIMEOUT,
    EncodingError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    OverloadError: HTTPStatus.SERVICE_UNAVAILABLE,
    StorageError: HTTPStatus.SERVICE_UNAVAILABLE,
    ConflictError: HTTPStatus.CONFLICT,
    NotFound: HTTPStatus.NOT_FOUND,
    InputError: HTTPStatus.BAD_REQUEST,
    MeterstoneError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Kind of error to status; the nearest class counts."""

_RETRY_AFTER_S: Mapping[type[MeterstoneError], int] = {OverloadError: 2, StorageError: 10}

_GRPC_CODE: Mapping[HTTPStatus, int] = {
    HTTPStatus.BAD_REQUEST: 3,  # INVALID_ARGUMENT
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: 3,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: 8,  # RESOURCE_EXHAUSTED
    HTTPStatus.REQUEST_TIMEOUT: 4,  # DEADLINE_EXCEEDED
    HTTPStatus.SERVICE_UNAVAILABLE: 14,  # UNAVAILABLE
}
_INTERNAL = 13


def status_of(error: MeterstoneError) -> HTTPStatus:
    """The HTTP status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(
    error: MeterstoneError,
    status: HTTPStatus | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The error as RFC 9457 problem details, with ``mend`` and, for facts, ``rejected``.

    Args:
        error: what to say.
        status: where it is not the one of the error's kind.
        headers: to send beside those of the error's kind.
    """
    status = status or status_of(error)
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status,
        "detail": _cause(error),
        "mend": error.mend,
        "error": type(error).__name__,
    }
    if isinstance(error, NoUsableLineError):
        body["rejected"] = error.rejected
    return Response(json.dumps(body), status, {**_headers(error), **(headers or {})}, PROBLEM)


def rpc_status(error: MeterstoneError, media_type: str) -> Response:
    """The error as ``google.rpc.Status``: protobuf where the request is, else JSON."""
    status = status_of(error)
    code = _GRPC_CODE.get(status, _INTERNAL)
    message = f"{_cause(error)}; {error.mend}" if error.mend else _cause(error)
    if media_type == PROTOBUF:
        return Response(encode_status(code, message), status, _headers(error), PROTOBUF)
    body = json.dumps({"code": code, "message": message})
    return Response(body, status, _headers(error), JSON)


def encode_status(code: int, message: str) -> bytes:
    """``google.rpc.Status {int32 code = 1; string message = 2}`` on the wire.

    Written by hand because the message is in a package of its own that nothing else here needs.
    """
    text = message.encode()
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _cause(error: MeterstoneError) -> str:
    """What the client may know: paths and system messages of this machine are not its business."""
    if isinstance(error, StorageError):
        return "the disk refused; nothing of this request was kept"
    return error.cause


def _headers(error: MeterstoneError) -> dict[str, str]:
    if isinstance(error, EncodingError):
        return {"Accept-Encoding": "gzip"}  # RFC 7694: what a client may choose instead
    wait = _RETRY_AFTER_S.get(type(error))
    return {} if wait is None else {"Retry-After": str(wait)}
