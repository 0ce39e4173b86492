"""What goes wrong at a vendor, on command: an ASGI layer, and what the sender of webhooks asks.

| kind | what happens | its own settings |
|---|---|---|
| latency | the answer waits | ``seconds`` (2) |
| error | a 5xx in the vendor's form | ``status`` (503) |
| throttle | 429 in the vendor's form | ``seconds``: Retry-After (1) |
| half | the connection ends in the middle of the answer | |
| html | a page of HTML with status 200 instead of the answer | |
| expired | access tokens have expired | |
| revoked | all tokens are revoked | |
| drift | fields of the answer are renamed, dropped, or new | ``rename``, ``drop``, ``add`` |
| skew | the vendor's clock is off | ``seconds`` (300) |
| lost | a webhook is not sent | |
| duplicated | a webhook is sent twice | |
| reordered | a webhook is sent after the next one | ``seconds`` (5) |
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import timedelta
from typing import Any, Literal, get_args

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterstone.errors import InputError, suggest
from meterstone.sandbox.kit.accounts import Accounts
from meterstone.sandbox.kit.clock import Clock

Kind = Literal[
    "latency", "error", "throttle", "half", "html", "expired", "revoked", "drift", "skew",
    "lost", "duplicated", "reordered",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
_SECONDS = {"latency": 2.0, "throttle": 1.0, "skew": 300.0, "reordered": 5.0}
_OF_ANSWERS = frozenset({"latency", "error", "throttle", "half", "html", "drift"})

Trouble = Callable[[int, float | None], Response]
"""The vendor's answer with a status of trouble (429, 5xx), and when to come back, seconds."""


@dataclass
class Fault:
    """One fault that is switched on.

    Attributes:
        for_s: how long, seconds; None until it is switched off.
        share: of the requests or webhooks it meets.
        count: of requests or webhooks, at most; None: no bound.
        paths: a regular expression: only requests whose path has it.
    """

    kind: str
    for_s: float | None = None
    share: float = 1.0
    count: int | None = None
    seconds: float = 0.0
    status: int = 503
    paths: str = ""
    rename: dict[str, str] = field(default_factory=dict)
    drop: list[str] = field(default_factory=list)
    add: dict[str, Any] = field(default_factory=dict)
    hits: int = 0
    met: int = 0
    until: float | None = None


class Faults:
    """The faults of one stand-in. May be used from any thread.

    Attributes:
        hits: how often each kind struck: the truth of a drill.
    """

    def __init__(self, clock: Clock, *, seed: int, accounts: Accounts | None = None) -> None:
        self._clock, self._seed, self._accounts = clock, seed, accounts
        self._on: list[Fault] = []
        self._lock = threading.Lock()
        self.hits: Counter[str] = Counter()

    def switch_on(self, kind: str, **settings: Any) -> Fault:
        """Switch a fault on.

        Raises:
            InputError: there is no such kind or setting.
        """
        if kind not in KINDS:
            raise InputError(f"no fault is called {kind!r}", mend=suggest(kind, list(KINDS)))
        known = [f.name for f in fields(Fault) if f.name not in ("kind", "hits", "met", "until")]
        for name in settings:
            if name not in known:
                raise InputError(f"a fault has no {name!r}", mend=suggest(name, known))
        fault = Fault(kind, **{"seconds": _SECONDS.get(kind, 0.0), **settings})
        if kind == "drift" and not (fault.rename or fault.drop or fault.add):
            fault.add = {"added_by_the_vendor": "new"}
        if fault.for_s is not None:
            fault.until = self._clock.monotonic() + fault.for_s
        with self._lock:
            self._on.append(fault)
        if kind == "skew":
            self._clock.skew = timedelta(seconds=fault.seconds)
            self.hits[kind] += 1
        if self._accounts is not None and kind in ("expired", "revoked"):
            self._accounts.expire_all() if kind == "expired" else self._accounts.revoke_all()
            self.hits[kind] += 1
        return fault

    def switch_off(self, kind: str | None = None) -> None:
        """Switch one kind off, or all. Tokens that were revoked stay so."""
        with self._lock:
            self._on = [f for f in self._on if kind is not None and f.kind != kind]
        if kind in (None, "skew"):
            self._clock.skew = timedelta(0)

    def active(self) -> list[dict[str, Any]]:
        """What is switched on now."""
        self._expire()
        return [asdict(fault) for fault in self._on]

    def strikes(self, kind: str, path: str = "") -> Fault | None:
        """The fault of a kind, when it strikes this time."""
        self._expire()
        with self._lock:
            for fault in self._on:
                if fault.kind == kind and self._strikes(fault, path):
                    self.hits[kind] += 1
                    return fault
        return None

    def _strikes(self, fault: Fault, path: str) -> bool:
        if fault.paths and not re.search(fault.paths, path):
            return False
        fault.met += 1
        chance = random.Random(f"{self._seed}:{fault.kind}:{fault.met}")  # noqa: S311  # no secret
        if chance.random() >= fault.share:
            return False
        if fault.count is not None and fault.hits >= fault.count:
            return False
        fault.hits += 1
        return True

    def _expire(self) -> None:
        now = self._clock.monotonic()
        with self._lock:
            over = [f for f in self._on if f.until is not None and f.until <= now]
            self._on = [f for f in self._on if f not in over]
        if any(fault.kind == "skew" for fault in over):
            self._clock.skew = timedelta(0)

    def answers(self) -> bool:
        """Whether any fault of answers is switched on."""
        return any(fault.kind in _OF_ANSWERS for fault in self._on)

    def layer(self, app: ASGIApp, trouble: Trouble) -> ASGIApp:
        """The application with its faults; ``/_sandbox/`` has none."""

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope.get("path", "")
            if scope["type"] != "http" or path.startswith("/_sandbox/") or not self.answers():
                await app(scope, receive, send)
                return
            if late := self.strikes("latency", path):
                await asyncio.sleep(late.seconds)
            if broken := self.strikes("error", path):
                await trouble(broken.status, None)(scope, receive, send)
            elif throttled := self.strikes("throttle", path):
                await trouble(429, throttled.seconds)(scope, receive, send)
            elif self.strikes("html", path):
                await _HTML(scope, receive, send)
            elif self.strikes("half", path):
                await _half(app, scope, receive, send)
            elif drifted := self.strikes("drift", path):
                await _drift(app, drifted, scope, receive, send)
            else:
                await app(scope, receive, send)

        return faulty


_HTML = HTMLResponse("<html><head><title>Maintenance</title></head><body>Back soon.</body></html>")


async def _whole(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """What the application answers, collected."""
    start: MutableMapping[str, Any] = {}
    body = bytearray()

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))

    await app(scope, receive, collect)
    return start, bytes(body)


async def _half(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Half of the body under the length of the whole: the server then ends the connection."""
    start, body = await _whole(app, scope, receive)
    await send(_with_length(start, len(body)))
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})


async def _drift(app: ASGIApp, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    start, body = await _whole(app, scope, receive)
    with suppress(ValueError):  # what is no JSON does not drift
        body = json.dumps(_drifted(json.loads(body), fault)).encode()
    await send(_with_length(start, len(body)))
    await send({"type": "http.response.body", "body": body})


def _drifted(value: Any, fault: Fault, *, in_list: bool = False) -> Any:
    if isinstance(value, list):
        return [_drifted(item, fault, in_list=True) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {
        fault.rename.get(name, name): _drifted(item, fault)
        for name, item in value.items()
        if name not in fault.drop
    }
    return {**kept, **fault.add} if in_list else kept


def _with_length(start: Message, length: int) -> Message:
    headers = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
    return {**start, "headers": [*headers, (b"content-length", str(length).encode())]}
