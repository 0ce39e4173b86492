"""A caller who asks too much is told when to come back; others are not bothered."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from apis import As
from meterstone.people.rights import RIGHTS, Principal, Role
from meterstone.publish.api.limits import Limited

OTHER = Principal("token:9", "", Role.ANALYST, RIGHTS[Role.ANALYST])


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_evenly() -> None:
    clock = Clock()
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("ok"))])
    house = As(Limited(app, quota=6, clock=clock))
    client = TestClient(house)
    assert [client.get("/").status_code for _ in range(7)] == [200] * 6 + [429]
    refused = client.get("/")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["ratelimit-policy"] == '"caller";q=6;w=60'
    assert refused.headers["ratelimit"].startswith('"caller";r=0;t=')
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 10
    assert f"wait {wait} s" in refused.json()["mend"]
    house.principal = OTHER
    assert client.get("/").status_code == 200
    house.principal = As(app).principal
    clock.now += wait
    assert client.get("/").status_code == 200
    assert client.get("/").status_code == 429
    clock.now += 3600
    assert [client.get("/").status_code for _ in range(7)] == [200] * 6 + [429]
