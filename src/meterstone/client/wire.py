"""Requests of the client: the token, pages of lists, tags, limits and errors."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx2
import msgspec

from meterstone.client.errors import ApiError, TooManyRequests

_T = TypeVar("_T")
_PREFIX = "/api/v1"
_MOST_WAIT_S = 60.0
_TRIES = 3
_REMEMBERED = 64


class Wire:
    """One connection to a server, for one thread.

    Args:
        http: sends; its base address is that of the server.
        sleep: waits, seconds.
    """

    def __init__(self, http: httpx2.Client, sleep: Callable[[float], None] = time.sleep) -> None:
        self._http = http
        self._sleep = sleep
        self._known: OrderedDict[str, tuple[str, bytes]] = OrderedDict()

    def get(self, path: str, kind: type[_T], /, **query: Any) -> _T:
        """The answer to a question, decoded.

        Raises:
            ApiError: the server refused, or cannot be reached.
        """
        return self._decoded(self._asked(path, _given(query)).content, kind, path)

    def pages(self, path: str, kind: type[_T], /, **query: Any) -> Iterator[_T]:
        """The rows of a list, page after page."""
        wanted: Mapping[str, Any] = _given(query)
        where: str | None = path
        while where is not None:
            answer = self._asked(where, wanted)
            yield from self._decoded(answer.content, list[kind], path)  # type: ignore[valid-type]  # a type at run time
            following = answer.links.get("next", {}).get("url")
            where = following.removeprefix(_PREFIX) if following else None
            wanted = {}

    def send(self, method: str, path: str, kind: type[_T], body: Any = None, **query: Any) -> _T:
        """Change something, and get what became of it."""
        answer = self._sent(
            method, path, params=_given(query) or None, **({} if body is None else {"json": body})
        )
        return self._decoded(answer.content or b"null", kind, path)

    def file(self, path: str) -> bytes:
        """The bytes of a file."""
        return self._sent("GET", path).content

    def _asked(self, path: str, query: Mapping[str, Any]) -> httpx2.Response:
        """An answer; what did not change since is not sent again."""
        key = f"{path}?{sorted(query.items())}"
        tag, body = self._known.get(key, ("", b""))
        headers = {"If-None-Match": tag} if tag else {}
        # an empty query would take the place of the one that a link has
        answer = self._sent("GET", path, params=query or None, headers=headers)
        if answer.status_code == httpx2.codes.NOT_MODIFIED:
            self._known.move_to_end(key)
            kept = [
                (n, v) for n, v in answer.headers.items()
                if n not in ("content-encoding", "content-length")
            ]  # fmt: skip
            return httpx2.Response(200, content=body, headers=kept, request=answer.request)
        if "etag" in answer.headers:
            self._known[key] = answer.headers["etag"], answer.content
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return answer

    def _sent(self, method: str, path: str, **more: Any) -> httpx2.Response:
        place = f"{method} {_PREFIX}{path}"
        for attempt in range(1, _TRIES + 1):
            try:
                answer = self._http.request(method, _PREFIX + path, **more)
            except httpx2.TransportError as error:
                raise ApiError(
                    0,
                    f"the server cannot be reached: {type(error).__name__}",
                    place=place,
                    mend="see that `meterstone up` runs at this address",
                ) from error
            if answer.status_code == httpx2.codes.TOO_MANY_REQUESTS and attempt < _TRIES:
                self._sleep(min(float(answer.headers.get("retry-after", "1")), _MOST_WAIT_S))
                continue
            break
        if answer.status_code >= httpx2.codes.BAD_REQUEST:
            raise _refusal(answer, place)
        return answer

    @staticmethod
    def _decoded(content: bytes, kind: type[_T], path: str) -> _T:
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise ApiError(
                200,
                f"the answer is not what this client knows: {error}",
                place=path,
                mend="use a client of the server's version",
            ) from error


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    def text(value: Any) -> Any:
        if isinstance(value, bool):
            return "true" if value else "false"
        return value.isoformat() if hasattr(value, "isoformat") else value

    return {name: text(value) for name, value in query.items() if value is not None}


def _refusal(answer: httpx2.Response, place: str) -> ApiError:
    try:
        said = msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.DecodeError:
        said = {}
    kind = TooManyRequests if answer.status_code == 429 else ApiError
    return kind(
        answer.status_code, str(said.get("detail", f"status {answer.status_code}")), place=place,
        mend=str(said.get("mend", "see the log of the server")), kind=str(said.get("error", "")),
    )  # fmt: skip
