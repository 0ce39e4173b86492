"""A caller who asks too much is told when to come back; others are not bothered."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from apis import As
from meterstone.people.rights import RIGHTS, Principal, Role
from meterstone.publish.api.limits import Limited
from meterstone.publish.cache import Cached, depends_on

OTHER = Principal("token:9", "", Role.ANALYST, RIGHTS[Role.ANALYST])


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_evenly() -> None:
    clock = Clock()
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("ok"))])
    house = As(Limited(app, "/", quota=6, clock=clock))
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


def test_addresses_elsewhere_are_not_counted() -> None:
    app = Starlette(routes=[Route("/page", lambda _: PlainTextResponse("ok"))])
    client = TestClient(As(Limited(app, "/api/v1", quota=1)))
    answers = [client.get("/page") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert "ratelimit" not in answers[0].headers


def test_what_is_kept_counts_for_each_caller() -> None:
    def kept(request: Request) -> PlainTextResponse:
        depends_on(request.scope, "board")
        return PlainTextResponse("same")

    app = Starlette(routes=[Route("/api/v1/a", kept)])
    house = As(Limited(Cached(app, {"board": lambda: 1}), "/api/v1", quota=2, clock=Clock()))
    client = TestClient(house)
    told = [client.get("/api/v1/a") for _ in range(3)]
    assert [answer.status_code for answer in told] == [200, 200, 429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in told] == ["r=1", "r=0", "r=0"]
    assert len(told[1].headers.get_list("ratelimit")) == 1
    house.principal = replace(house.principal, id="person:7")
    assert client.get("/api/v1/a").headers["ratelimit"].startswith('"caller";r=1;')
