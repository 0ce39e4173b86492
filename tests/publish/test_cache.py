"""What is kept follows its source, belongs to its readers, and is tagged by coding."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from apis import ADMIN, As
from meterstone.board.model import Board
from meterstone.people.rights import RIGHTS, Principal, Role
from meterstone.publish.cache import Cached, depends_on
from meterstone.publish.web.site import Site

OWNER = Principal("person:2", "", Role.OWNER, RIGHTS[Role.OWNER], frozenset({"F1"}))


@dataclass
class World:
    """Versions that tests turn on, and how often something was made."""

    versions: dict[str, int] = field(default_factory=lambda: {"board": 1, "now": 1})
    made: int = 0
    moves: bool = False


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def house(world: World) -> As:
    def board(request: Request) -> Response:
        depends_on(request.scope, "board")
        world.made += 1
        if world.moves:  # something came while the answer was made
            world.versions["board"] += 1
        return PlainTextResponse(f"answer {world.made} " + "x" * 2000)

    def own(request: Request) -> Response:
        world.made += 1
        return PlainTextResponse(f"yours {world.made}")

    def personal(request: Request) -> Response:
        depends_on(request.scope, "board")
        answer = board(request)
        answer.set_cookie("a", "b")
        return answer

    def missing(request: Request) -> Response:
        depends_on(request.scope, "now")
        world.made += 1
        return PlainTextResponse("none", 404)

    async def stream(_request: Request) -> Response:
        def parts() -> Iterator[str]:
            yield "a"
            yield "b"

        return StreamingResponse(parts())

    routes = [
        Route("/board", board, methods=["GET", "POST"]), Route("/own", own),
        Route("/personal", personal), Route("/missing", missing), Route("/stream", stream),
    ]  # fmt: skip
    inner = Cached(
        Starlette(routes=routes),
        {"board": lambda: world.versions["board"], "now": lambda: world.versions["now"]},
    )
    return As(inner)


@pytest.fixture
def client(house: As) -> TestClient:
    return TestClient(house)


def test_the_same_is_made_once_until_its_source_changes(client: TestClient, world: World) -> None:
    first = client.get("/board")
    assert client.get("/board").text == first.text
    world.versions["now"] += 1
    assert client.get("/board").text == first.text, "it does not depend on now"
    world.versions["board"] += 1
    assert client.get("/board").text.startswith("answer 2 ")
    assert client.get("/board?day=2026-03-01").text.startswith("answer 3 ")
    assert client.post("/board").text.startswith("answer 4 ")


def test_what_comes_while_an_answer_is_made_makes_it_old(client: TestClient, world: World) -> None:
    world.moves = True
    client.get("/board")
    world.moves = False
    assert client.get("/board").text.startswith("answer 2 ")


def test_other_readers_have_answers_of_their_own(
    house: As, client: TestClient, world: World
) -> None:
    client.get("/board")
    house.principal = OWNER
    assert client.get("/board").text.startswith("answer 2 ")
    house.principal = ADMIN
    client.get("/board")
    assert world.made == 2


def test_what_is_personal_refused_or_undeclared_is_not_kept(
    client: TestClient, world: World
) -> None:
    for path in ("/own", "/own", "/personal", "/personal", "/missing", "/missing"):
        answer = client.get(path)
        assert "etag" not in answer.headers
    assert world.made == 6
    assert client.get("/stream").text == "ab"


def test_an_answer_is_packed_tagged_and_not_sent_twice(client: TestClient) -> None:
    packed = client.get("/board", headers={"Accept-Encoding": "gzip"})
    plain = client.get("/board", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 200 < len(plain.content)
    assert packed.text == plain.text
    assert packed.headers["etag"] != plain.headers["etag"]
    assert "Accept-Encoding" in plain.headers["vary"]
    for answer in (packed, plain):
        coding = answer.headers.get("content-encoding", "identity")
        known = {"If-None-Match": f'"other", W/{answer.headers["etag"]}'}
        again = client.get("/board", headers={"Accept-Encoding": coding} | known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == answer.headers["etag"]
    head = client.head("/board", headers={"Accept-Encoding": "gzip"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == packed.headers["content-length"]


def test_the_oldest_go_first_when_there_is_no_room(world: World) -> None:
    def big(request: Request) -> Response:
        depends_on(request.scope, "board")
        world.made += 1
        return PlainTextResponse("x" * 500)

    app = Starlette(routes=[Route("/{n}", big)])
    client = TestClient(As(Cached(app, {"board": lambda: 1}, most=3400)))
    for path in ("/1", "/2", "/1", "/3", "/1", "/2"):
        client.get(path)
    assert world.made == 4, "/2 was used longest ago when /3 came"


def test_a_long_question_counts_with_its_answer(world: World) -> None:
    def small(request: Request) -> Response:
        depends_on(request.scope, "board")
        world.made += 1
        return PlainTextResponse("x")

    app = Starlette(routes=[Route("/", small)])
    client = TestClient(As(Cached(app, {"board": lambda: 1}, most=6000)))
    for path in ("/?" + "a" * 4000, "/?" + "b" * 4000, "/?" + "a" * 4000):
        client.get(path)
    assert world.made == 3


def test_what_varies_with_more_than_the_key_is_not_kept(world: World) -> None:
    def spoken(request: Request) -> Response:
        depends_on(request.scope, "board")
        world.made += 1
        return PlainTextResponse("hello", headers={"Vary": "Accept-Language"})

    client = TestClient(As(Cached(Starlette(routes=[Route("/", spoken)]), {"board": lambda: 1})))
    answers = [client.get("/") for _ in range(2)]
    assert world.made == 2
    assert answers[1].headers["vary"] == "Accept-Language"


@pytest.mark.parametrize(
    ("asked", "packed"),
    [
        ("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("identity", False),
        ("gzip;q=0", False), ("*, gzip; q=0.0", False), ("x-gzipped", False), ("", False),
    ],
)  # fmt: skip
def test_gzip_goes_to_those_who_take_it(client: TestClient, asked: str, *, packed: bool) -> None:
    answer = client.get("/board", headers={"Accept-Encoding": asked})
    assert (answer.headers.get("content-encoding") == "gzip") is packed


def test_an_answer_that_became_old_is_made_once_for_all_who_wait(world: World) -> None:
    async def asked() -> list[int]:
        gate = asyncio.Event()

        async def board(request: Request) -> Response:
            depends_on(request.scope, "board")
            world.made += 1
            await gate.wait()
            if world.moves:
                raise RuntimeError
            return PlainTextResponse(f"answer {world.made}")

        cached = Cached(Starlette(routes=[Route("/", board)]), {"board": lambda: world.versions})
        transport = httpx2.ASGITransport(app=As(cached), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            gate.set()
            await client.get("/")
            made = [world.made]
            for fails in (False, True):
                world.versions = {"board": world.versions["board"] + 1}
                world.moves = fails
                gate.clear()
                asking = [asyncio.create_task(client.get("/")) for _ in range(20)]
                while world.made == made[-1]:
                    await asyncio.sleep(0)
                gate.set()
                answers = await asyncio.gather(*asking)
                made.append(world.made)
                assert {answer.status_code for answer in answers} == {500 if fails else 200}
            return made

    first, second, third = asyncio.run(asked())
    assert (first, second) == (1, 2)
    assert third > 3, "who waits for one that fails asks for himself"


def test_every_page_that_is_kept_follows_the_board(world: World) -> None:
    busy: list[str] = []
    site = Site(cast("Board", None), lambda: None, busy=lambda: busy)

    def shop(request: Request) -> Response:
        site.keep(request, "now")
        world.made += 1
        return PlainTextResponse("page")

    app = Cached(
        Starlette(routes=[Route("/", shop)]),
        {"board": lambda: world.versions["board"], "now": lambda: world.versions["now"]},
    )
    client = TestClient(As(app))
    for changed in ("board", "now"):
        client.get("/")
        client.get("/")
        world.versions[changed] += 1
    client.get("/")
    assert world.made == 3, "made anew for each change, and only then"
    world.versions["board"] += 1
    busy.append("being measured")
    client.get("/")
    client.get("/")
    assert world.made == 5, "a page that says how far it is is not kept"
