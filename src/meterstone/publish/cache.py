"""Keeps answers that follow from the board or from now alone, until those change.

A handler says what its answer depends on (`depends_on`); the next one who asks for the same with
the same role and rights gets the same bytes, compressed once, or a 304. What depends on a person,
on a form or on facts says nothing, and is made anew each time.

The versions are read before an answer is made: one that came meanwhile makes it old at once, never
the other way round. When a source changes, the first who asks has the answer made anew; who asks
for the same meanwhile waits for it.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Source = Literal["board", "now"]
_MARK = "meterstone.depends_on"
_LEAST_PACKED = 600
_MOST_OF_ALL = 64 * 2**20
_MOST_OF_ONE = 8 * 2**20
_IS_NONE = re.compile(r"q\s*=\s*0(\.0*)?")
_FRAME = 1024
"""What an answer takes besides its key and body, about: bytes."""
_OF_US = (b"content-length", b"etag", b"vary")
_VARY = b"Accept-Encoding, Cookie, Authorization"
_OUR_VARY = frozenset({"accept-encoding", "cookie", "authorization"})
"""What a key or a coding covers; an answer that varies with more is not kept."""


def depends_on(scope: MutableMapping[str, Any], source: Source) -> None:
    """Say that the answer to a request follows from its address, the reader's role and rights, and
    this source alone."""
    scope.get(_MARK, {})[source] = None


@dataclass(frozen=True, slots=True)
class _Coded:
    """An answer in one coding, with a tag of its own (RFC 9110, 8.8.3).

    Attributes:
        unchanged: headers of a 304; ``headers`` are those of the whole answer.
    """

    body: bytes
    tag: str
    unchanged: list[tuple[bytes, bytes]]
    headers: list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, plain and packed."""

    versions: tuple[object, ...]
    plain: _Coded
    packed: _Coded | None
    route: object
    """For the telemetry: an answer that is kept never comes to its route."""

    @property
    def size(self) -> int:
        packed = len(self.packed.body) if self.packed else 0
        return len(self.plain.body) + packed + _FRAME


class Cached:
    """ASGI middleware, behind the guard.

    Args:
        versions: what each source changes with.
        most: bytes of all answers together.
    """

    def __init__(
        self,
        app: ASGIApp,
        versions: Mapping[Source, Callable[[], object]],
        most: int = _MOST_OF_ALL,
    ) -> None:
        self._app, self._versions, self._most = app, versions, most
        self._kept: OrderedDict[tuple[object, ...], tuple[tuple[Source, ...], _Kept]] = (
            OrderedDict()
        )
        self._bytes = 0
        self._lock = threading.Lock()
        self._made_now: dict[tuple[object, ...], asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is kept, else keep what is answered."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        key = _key(scope)
        kept = await self._found(key)
        if kept is not None:
            scope["route"] = kept.route
            await _answer(kept, scope, send)
            return
        being_made = self._made_now.setdefault(key, asyncio.Event()) if key in self._kept else None
        try:
            await self._make(key, scope, receive, send)
        finally:
            if being_made is not None:
                self._made_now.pop(key, None)
                being_made.set()

    async def _found(self, key: tuple[object, ...]) -> _Kept | None:
        """What is kept and holds still; waits once where somebody makes it anew."""
        found = self._held(key)
        being_made = None if found is not None else self._made_now.get(key)
        if being_made is None:
            return found
        await being_made.wait()
        return self._held(key)

    def _held(self, key: tuple[object, ...]) -> _Kept | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
        sources, kept = found
        return kept if kept.versions == self._now(sources) else None

    def _now(self, sources: tuple[Source, ...]) -> tuple[object, ...]:
        return tuple(self._versions[source]() for source in sources)

    async def _make(
        self, key: tuple[object, ...], scope: Scope, receive: Receive, send: Send
    ) -> None:
        before = {source: version() for source, version in self._versions.items()}
        marks: dict[Source, None] = {}
        scope[_MARK] = marks
        start: Message = {}
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            """Hold an answer back until it is whole, where it is to be kept."""
            if message["type"] == "http.response.start":
                if not marks or message["status"] != 200 or _is_own(message["headers"]):
                    await send(message)
                else:
                    start.update(message)
                return
            if not start:
                await send(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                sources = tuple(sorted(marks))
                versions = tuple(before[source] for source in sources)
                kept = _kept(versions, start["headers"], b"".join(parts), scope.get("route"))
                if scope["method"] == "GET":
                    self._put(key, sources, kept)
                await _answer(kept, scope, send)

        await self._app(scope, receive, keep)

    def _put(self, key: tuple[object, ...], sources: tuple[Source, ...], kept: _Kept) -> None:
        with self._lock:
            old = self._kept.pop(key, None)
            if old is not None:
                self._bytes -= old[1].size + _length(key)
            if kept.size > _MOST_OF_ONE:
                return
            self._bytes += kept.size + _length(key)
            self._kept[key] = sources, kept
            while self._bytes > self._most:
                gone_key, (_, gone) = self._kept.popitem(last=False)
                self._bytes -= gone.size + _length(gone_key)


def _key(scope: Scope) -> tuple[object, ...]:
    principal = scope.get("principal")
    who = None if principal is None else (principal.role, principal.rights, principal.franchises)
    return scope["path"], scope.get("query_string", b""), who


def _length(key: tuple[object, ...]) -> int:
    """Of the address: a long question with a short answer is no way past the bound."""
    return sum(len(part) for part in key if isinstance(part, (str, bytes)))


def _is_own(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether an answer is one reader's own, coded already, or varies with what no key holds."""
    for name, value in headers:
        if name.lower() in (b"set-cookie", b"content-encoding"):
            return True
        if name.lower() == b"vary":
            named = {each.strip().lower() for each in value.decode("latin-1").split(",")}
            if not named <= _OUR_VARY:
                return True
    return False


def _kept(
    versions: tuple[object, ...], headers: list[tuple[bytes, bytes]], body: bytes, route: object
) -> _Kept:
    own = [(n, v) for n, v in headers if n.lower() not in _OF_US]
    if not any(name.lower() == b"cache-control" for name, _ in own):
        own.append((b"cache-control", b"no-cache, private"))
    given = [v.decode("latin-1") for n, v in headers if n.lower() == b"etag"]
    tag = given[0].strip('"') if given else sha256(body).hexdigest()[:32]
    packed = None
    if len(body) >= _LEAST_PACKED:
        packed = _coded(own, gzip.compress(body, 6, mtime=0), f'"{tag}-gzip"', b"gzip")
    return _Kept(versions, _coded(own, body, f'"{tag}"'), packed, route)


def _coded(
    own: list[tuple[bytes, bytes]], body: bytes, tag: str, coding: bytes | None = None
) -> _Coded:
    unchanged = [*own, (b"etag", tag.encode()), (b"vary", _VARY)]
    whole = [*unchanged, (b"content-length", str(len(body)).encode())]
    if coding is not None:
        whole.append((b"content-encoding", coding))
    return _Coded(body, tag, unchanged, whole)


async def _answer(kept: _Kept, scope: Scope, send: Send) -> None:
    asked: dict[bytes, bytes] = dict(scope["headers"])
    packed = kept.packed if _takes_gzip(asked.get(b"accept-encoding", b"")) else None
    coded = packed or kept.plain
    if knows(asked.get(b"if-none-match", b"").decode("latin-1"), coded.tag):
        await send({"type": "http.response.start", "status": 304, "headers": coded.unchanged})
        await send({"type": "http.response.body", "body": b""})
        return
    body = b"" if scope["method"] == "HEAD" else coded.body
    await send({"type": "http.response.start", "status": 200, "headers": coded.headers})
    await send({"type": "http.response.body", "body": body})


@lru_cache(maxsize=256)
def _takes_gzip(asked: bytes) -> bool:
    """Whether a client takes gzip (RFC 9110, 12.5.3): named, or by ``*``, and not with weight 0."""
    weights: dict[str, bool] = {}
    for each in asked.decode("latin-1").lower().split(","):
        coding, *parameters = (part.strip() for part in each.split(";"))
        weights[coding] = not any(_IS_NONE.fullmatch(parameter) for parameter in parameters)
    return weights.get("gzip", weights.get("*", False))


def knows(asked: str, tag: str) -> bool:
    """Whether a client has what would be sent (weak comparison, RFC 9110, 13.1.2)."""
    known = {each.strip().removeprefix("W/") for each in asked.split(",")}
    return tag in known or "*" in known
