"""One stand-in: what it is made of, and the application that all of it gives."""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime
from functools import cached_property
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import meterstone.sandbox as stand_ins
from meterstone.errors import InputError, suggest
from meterstone.sandbox.kit.accounts import Accounts, Client
from meterstone.sandbox.kit.books import Books
from meterstone.sandbox.kit.clock import Clock
from meterstone.sandbox.kit.control import control
from meterstone.sandbox.kit.entity import Entity
from meterstone.sandbox.kit.faults import Faults, Trouble
from meterstone.sandbox.kit.limits import Limits
from meterstone.sandbox.kit.webhooks import Sender


@dataclass(frozen=True, slots=True)
class Account:
    """An account at the vendor: merchant, company, tenant, site.

    Attributes:
        token: an access token of it, for a client that does no sign-in.
        franchise_id: where the whole account belongs to one franchise.
        more: what else a client of it needs to know.
    """

    id: str
    title: str
    token: str = field(repr=False)
    franchise_id: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Live:
    """What happens at the vendor while it runs.

    Attributes:
        per_minute: events, on average.
        happen: makes one, in the entities.
    """

    per_minute: float
    happen: Callable[[random.Random], None]


def plain_trouble(status: int, after_s: float | None) -> Response:
    """An answer of trouble for a vendor that has no form of its own for it."""
    headers = {} if after_s is None else {"retry-after": f"{after_s:.0f}"}
    return JSONResponse({"error": f"status {status}"}, status, headers)


@dataclass
class Vendor:
    """One stand-in.

    Attributes:
        name: the connector's key.
        routes: the vendor's API.
        entities: its records by kind.
        listed: the accounts; the first is the one that is printed.
        client: the application that is registered; None for a vendor without.
        settings: settings of the connector that are the address of the stand-in; the hosts of a
            real vendor may differ (sign-in, API).
        middleware: what the vendor does with every answer, such as a header of its version.
    """

    name: str
    title: str
    clock: Clock
    faults: Faults
    routes: Sequence[BaseRoute]
    entities: Mapping[str, Entity]
    listed: Sequence[Account]
    client: Client | None = None
    accounts: Accounts | None = None
    limits: Limits | None = None
    sender: Sender | None = None
    trouble: Trouble = plain_trouble
    live: Live | None = None
    settings: Sequence[str] = ("base_url",)
    middleware: Sequence[Middleware] = ()
    exception_handlers: Mapping[Any, Any] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)

    def credentials(self, base_url: str) -> dict[str, Any]:
        """What a client of this vendor needs."""
        first = self.listed[0]
        told: dict[str, Any] = {
            "base_url": base_url,
            "client_id": self.client.id if self.client else None,
            "client_secret": self.client.secret if self.client else None,
            "token": first.token,
            "account": first.id,
            "settings": dict.fromkeys(self.settings, base_url),
            **first.more,
        }
        if len(self.listed) > 1 or first.franchise_id:
            told["accounts"] = [
                {"account": a.id, "token": a.token, "franchise_id": a.franchise_id, **a.more}
                for a in self.listed
            ]
        return told

    @cached_property
    def app(self) -> ASGIApp:
        """The ASGI application: the API behind its limits behind its faults."""
        inner: ASGIApp = Starlette(
            routes=[*control(self), *self.routes],
            middleware=list(self.middleware),
            exception_handlers=dict(self.exception_handlers),
        )
        if self.limits is not None:
            inner = self.limits.layer(inner, self.trouble)
        return self._counted(self.faults.layer(inner, self.trouble))

    def _counted(self, app: ASGIApp) -> ASGIApp:
        """Counts what is answered, and dates it by the vendor's clock."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    if not scope["path"].startswith("/_sandbox/"):
                        self.requests[str(message["status"])] += 1
                    date = format_datetime(self.clock.now(), usegmt=True).encode()
                    message = {**message, "headers": [*message["headers"], (b"date", date)]}
                await send(message)

            await app(scope, receive, noting)

        return counted


def known_vendors() -> list[str]:
    """Vendors that have a stand-in, by name: the packages of ``sandbox/`` with a ``vendor``."""
    return [
        info.name
        for info in pkgutil.iter_modules(stand_ins.__path__)
        if info.ispkg and info.name not in ("kit", "network")
    ]


def make(name: str, books: Books, seed: int) -> Vendor:
    """The stand-in of a vendor.

    Raises:
        InputError: nobody stands in for it.
    """
    if name not in known_vendors():
        raise InputError(f"nobody stands in for {name!r}", mend=suggest(name, known_vendors()))
    module = importlib.import_module(f"{stand_ins.__name__}.{name}")
    made: Vendor = module.vendor(books, seed)
    return made
