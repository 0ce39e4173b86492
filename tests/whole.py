"""The whole house as it is served, behind its guard, with a client for each who comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from homes import own_catalogue
from meterstone.app import Home
from meterstone.cli.site import Said, fast, inside, site_of
from meterstone.people.rights import Role
from visitors import sign_in

URL = "http://testserver"
OWN = "F1"
STRANGER = "stranger"


@dataclass
class Reached:
    """What stands behind the guard; notes whether a request came through."""

    app: ASGIApp
    came: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.came.append(scope["path"])
        await self.app(scope, receive, send)


@dataclass
class House:
    """The house as it is served, and a client for each who comes."""

    home: Home
    app: ASGIApp
    routes: list[tuple[str, str]]
    reached: Reached
    clients: dict[str, TestClient]

    def ask(self, who: str, method: str, path: str, **more: Any) -> Any:
        """The answer, and whether it came from behind the guard."""
        self.reached.came.clear()
        answer = self.clients[who].request(method, path, follow_redirects=False, **more)
        return answer, bool(self.reached.came)


def served(routes: list[BaseRoute], base: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route."""
    for route in routes:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            yield "GET", f"{base}{route.path}/openapi.json"
            for path, operations in route.app.openapi()["paths"].items():
                yield from ((method.upper(), base + route.path + path) for method in operations)
        elif isinstance(route, Mount):
            yield from served(list(route.routes), base + route.path)
        elif isinstance(route, Route):
            for method in sorted((route.methods or {"GET"}) - {"HEAD", "OPTIONS"}):
                yield method, base + route.path
        else:
            path = base + str(getattr(route, "path", route))
            for method in sorted(getattr(route, "methods", None) or {"GET"}):
                yield method, path


@contextmanager
def whole_house(folder: Path, more_metrics: str = "") -> Iterator[House]:
    """The house of a small home, with one person of each role; the owner owns `OWN`.

    Args:
        more_metrics: YAML, before the gates of the small catalogue.
    """
    own_catalogue(folder)
    file = folder / "catalogue" / "catalogue.yaml"
    file.write_text(file.read_text().replace("gates:", f"{more_metrics.strip(chr(10))}\ngates:"))
    with Home(folder) as home:
        yield house_of(home)


def house_of(home: Home) -> House:
    """The house of an open home, with one person of each role; the owner owns `OWN`."""
    site = site_of(home)
    said = Said(site)
    behind = inside(home, URL, site, said)
    reached = Reached(fast(home, behind))
    guarded = home.people.guard(reached, URL, said.refused)
    clients = {STRANGER: TestClient(guarded, raise_server_exceptions=False)}
    for role in Role:
        client = TestClient(guarded, raise_server_exceptions=False)
        owned = [OWN] if role is Role.OWNER else []
        clients[str(role)] = sign_in(client, home, role, owned)
    return House(home, guarded, sorted(set(served(list(behind.routes)))), reached, clients)
