"""The live stream: server-sent events that carry the changed parts of a page to all who look at it.

``/live?topics=operations,board`` answers with one event at once (what the reader lacks) and one at
every change: ``{"element id": "its HTML"}``. Text is rendered, encoded and packed once,
however many look.
A browser that comes back says by ``Last-Event-ID`` (or ``?since=``) what it saw last.

A ``beat``, at the beginning and in every silence, tells that the line is alive. Who does not take
what is sent is dropped, and comes back when able to. Every stream ends after some minutes, so that
the guard asks again who it is.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Protocol

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from meterstone.errors import MeterstoneError
from meterstone.people.rights import Principal, Right
from meterstone.publish.web.parts import PACKED_BEGIN, Chunk, Parts, chunk

TOPICS: Mapping[str, Right] = MappingProxyType(
    {
        "operations": Right.OPERATIONS,
        "executive": Right.EXECUTIVE,
        "metrics": Right.METRICS,
        "board": Right.SIGNED_IN,
    }
)
"""What can be followed, and the right it takes. ``board`` tells everybody that scorecards changed
and must carry nothing of what is in them: a page then fetches itself anew."""

BATCH = 250
"""Viewers that are sent to in one go; requests of others are answered in between."""
_log = logging.getLogger(__name__)
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"vary", b"Accept-Encoding"),
]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds, and how many may look.

    Attributes:
        beat_s: of silence, until a beat.
        slow_s: that one message may take until its viewer is dropped.
        life_s: of a stream at most; each ends at a moment of its own in the last third.
        look_s: between two looks for what is new, and for who is slow or has heard nothing.
        viewers: at the same time; more are asked to come back.
    """

    beat_s: float = 15.0
    slow_s: float = 10.0
    life_s: float = 900.0
    look_s: float = 1.0
    viewers: int = 15_000


class Publisher(Protocol):
    """Where what changed is told. Thread-safe."""

    def publish(self, topic: str, parts: Mapping[str, str]) -> None:
        """Tell all who follow a topic of its newest parts, HTML by element id."""


@dataclass(eq=False, slots=True)
class _Viewer:
    topics: frozenset[str]
    send: Send
    mark: int
    stay: asyncio.Timeout
    moved_at: float
    packed: bool = False
    sending: asyncio.Task[None] | None = field(default=None)


class Hub:
    """ASGI application of the stream, served by one event loop.

    Args:
        topics: what can be followed, and the right it takes.
        limits: of time and number.
        clock: seconds, for beats and slowness.
        look: called every ``look_s`` in a thread while anybody looks; publishes what is new.
    """

    def __init__(
        self,
        topics: Mapping[str, Right] = TOPICS,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self.limits = limits or Limits()
        self.parts = Parts()
        self._beat = _beat(self.limits.beat_s)
        self._topics = topics
        self._clock = clock
        self.look = look
        self._viewers: set[_Viewer] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._ended = False
        self._woken = asyncio.Event()

    @property
    def viewers(self) -> int:
        """How many look."""
        return len(self._viewers)

    def mark(self) -> str:
        """What has been told so far, for a page to begin at."""
        return self.parts.name(self.parts.mark)

    def publish(self, topic: str, parts: Mapping[str, str]) -> None:
        """See `Publisher.publish`.

        Raises:
            KeyError: there is no such topic.
        """
        _ = self._topics[topic]
        if self.parts.put(topic, parts):
            self._call(self._broadcast_soon)

    def wake(self) -> None:
        """Look at once for what is new, not only when the time has come. Thread-safe."""
        self._call(self._woken.set)

    def end(self) -> None:
        """End all streams, and begin no more. Thread-safe; returns at once."""
        self._ended = True
        self._call(self._end_all)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one viewer, until one of both leaves."""
        refused, topics = self._admit(scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        self._loop = asyncio.get_running_loop()
        request = Request(scope)
        seen = request.headers.get("last-event-id") or request.query_params.get("since", "")
        life = self.limits.life_s * random.uniform(2 / 3, 1)  # noqa: S311  # spreads reconnections
        packed = "gzip" in request.headers.get("accept-encoding", "")
        encoding = [(b"content-encoding", b"gzip")] if packed else []
        headers = [*_HEADERS, *encoding]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # the beat at once: a stream may end before its first silence, and a page must know by then
        # how long a silence may last
        retry = f"retry: {random.randint(1000, 4000)}\n\n".encode()  # noqa: S311
        hello = chunk(retry + self._beat.plain)
        await send(_body(PACKED_BEGIN + hello.packed if packed else hello.plain))
        taken = True
        try:
            async with asyncio.timeout(life) as stay:
                taken = False
                viewer = _Viewer(topics, send, self.parts.read(seen), stay, self._clock(), packed)
                self._viewers.add(viewer)
                try:
                    self._keep_ticking()
                    self._push(viewer)
                    while (await receive())["type"] != "http.disconnect":
                        pass
                finally:
                    self._viewers.discard(viewer)
                    taken = viewer.sending is None
                    if viewer.sending is not None:
                        viewer.sending.cancel()
        except TimeoutError:
            if taken:
                with suppress(OSError):  # gone before we were told
                    await send({"type": "http.response.body", "body": b"", "more_body": False})

    def tick(self) -> None:
        """Drop who is slow, and tell the others that the line is alive. In the event loop."""
        now = self._clock()
        for viewer in self._viewers:
            silent = now - viewer.moved_at
            if viewer.sending is not None and silent >= self.limits.slow_s:
                viewer.stay.reschedule(0)
            elif viewer.sending is None and silent >= self.limits.beat_s:
                self._push(viewer, beat=True)

    def _admit(self, scope: Scope) -> tuple[Response | None, frozenset[str]]:
        """An answer that says no, or the topics that a viewer may follow."""
        principal: Principal | None = scope.get("principal")
        asked = frozenset(Request(scope).query_params.get("topics", "").split(","))
        unknown = asked - set(self._topics)
        if principal is None:
            return _problem(HTTPStatus.UNAUTHORIZED, "sign in first", "sign in at /login"), asked
        if unknown:
            mend = f"ask for ?topics= with one or several of {', '.join(sorted(self._topics))}"
            return _problem(HTTPStatus.BAD_REQUEST, "that is no topic", mend), asked
        allowed = frozenset(topic for topic in asked if principal.may(self._topics[topic]))
        if not allowed:
            mend = "ask an administrator of Meterstone, who gives roles under Settings"
            return _problem(HTTPStatus.FORBIDDEN, "your role does not see this", mend), allowed
        if self._ended or len(self._viewers) >= self.limits.viewers:
            cause = "as many look as can be served, or this server is about to end"
            busy = _problem(HTTPStatus.SERVICE_UNAVAILABLE, cause, "try again in some seconds")
            busy.headers["Retry-After"] = "5"
            return busy, allowed
        return None, allowed

    def _call(self, what: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(what)

    def _spawn(self, name: str, work: Callable[[], asyncio.Task[None]]) -> None:
        task = work()
        task.set_name(name)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def _broadcast_soon(self) -> None:
        self._spawn("broadcast", lambda: asyncio.create_task(self._broadcast()))

    async def _broadcast(self) -> None:
        for place, viewer in enumerate(list(self._viewers), 1):
            self._push(viewer)
            if place % BATCH == 0:
                await asyncio.sleep(0)

    def _push(self, viewer: _Viewer, *, beat: bool = False) -> None:
        """Send what a viewer lacks, unless that is being done."""
        if viewer.sending is None:
            viewer.moved_at = self._clock()
            viewer.sending = asyncio.create_task(self._send(viewer, beat=beat))

    async def _send(self, viewer: _Viewer, *, beat: bool) -> None:
        try:
            if beat:
                await viewer.send(_part(self._beat, viewer))
            while viewer.mark != self.parts.mark:  # more may have changed while it was sent
                mark, event = self.parts.event(viewer.topics, viewer.mark)
                if event.plain:
                    await viewer.send(_part(event, viewer))
                    viewer.moved_at = self._clock()
                viewer.mark = mark
        except OSError:  # gone before we were told
            viewer.stay.reschedule(0)
        finally:
            viewer.sending = None

    def _keep_ticking(self) -> None:
        if not any(task.get_name() == "tick" for task in self._work):
            self._spawn("tick", lambda: asyncio.create_task(self._ticking()))

    async def _ticking(self) -> None:
        while self._viewers:
            try:
                await to_thread.run_sync(self.look)
            except MeterstoneError as error:  # the next look may find it mended
                _log.warning("live: %s", error)
            self.tick()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self.limits.look_s)
            self._woken.clear()

    def _end_all(self) -> None:
        for viewer in self._viewers:
            viewer.stay.reschedule(0)


def stream_routes(hub: Hub) -> list[BaseRoute]:
    """The address of the stream."""
    return [Route("/live", hub, methods=["GET"])]


def _body(chunk: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": chunk, "more_body": True}


def _part(of_stream: Chunk, viewer: _Viewer) -> dict[str, object]:
    return _body(of_stream.packed if viewer.packed else of_stream.plain)


def _beat(seconds: float) -> Chunk:
    """Tells a page when to expect the next one: a comment would be invisible to it."""
    return chunk(f"event: beat\ndata: {seconds:g}\n\n".encode())


def _problem(status: HTTPStatus, cause: str, mend: str) -> Response:
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status,
        "detail": cause,
        "mend": mend,
    }
    return JSONResponse(body, status, media_type="application/problem+json")
