"""Load over real HTTP on a server whose capacity is known: it serves one request at a time."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from meterstone import loadtest
from meterstone.app import Home
from meterstone.cli import app
from meterstone.errors import InputError
from meterstone.loadtest import Held, Plan, Under

SERVICE_S = 0.01
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
BAD = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"


class Clerk:
    """Answers one request after the other, each in `SERVICE_S`; from `most` connections on it
    turns away."""

    def __init__(self, most: int = 10_000) -> None:
        self.most, self.open = most, 0
        self.heads: list[bytes] = []
        self._free: asyncio.Lock | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self._free = self._free or asyncio.Lock()
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                    if self.open > self.most:
                        writer.write(BAD)
                        continue
                    async with self._free:
                        await asyncio.sleep(SERVICE_S)
                    writer.write(OK)
        finally:
            self.open -= 1
            writer.close()


@contextmanager
def served(clerk: Clerk) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(clerk.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:

        async def stop() -> None:
            server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def test_a_server_gives_what_it_can_and_no_more() -> None:
    told: list[Under] = []
    done: list[Held] = []
    with served(Clerk()) as address:
        plan = Plan([f"{address}/a?token=x", f"{address}/b"], [1, 8], hold_s=1.5, think_s=0)
        found = loadtest.run(plan, done.append, told.append)
    assert found == done
    one, eight = found
    most = 1 / SERVICE_S
    assert 0 < one.throughput <= 1.05 * most
    assert 0 < eight.throughput <= 1.15 * most
    assert one.success_rate == eight.success_rate == 100
    assert eight.p50_ms > 5 * 1000 * SERVICE_S, "eight wait for each other"
    assert eight.p95_ms >= eight.p50_ms
    assert {each.users for each in told} == {1, 8}
    assert plan.scenario == "GET /a, /b; 0 s think time", "and no query"


def test_users_think() -> None:
    with served(Clerk()) as address:
        [held] = loadtest.run(Plan([address], [4], hold_s=1.0, think_s=0.1))
    expected = 4 / (0.1 + SERVICE_S)
    assert 0 < held.throughput < 1.4 * expected


def test_it_ends_where_most_answers_are_bad() -> None:
    with served(Clerk(most=0)) as address:
        found = loadtest.run(Plan([address], [2, 4, 8], hold_s=0.2, think_s=0.01))
    assert [held.users for held in found] == [2]
    assert found[0].good == 0
    [nobody] = loadtest.run(Plan([address], [2, 4], hold_s=0.2, think_s=0.05))
    assert nobody.success_rate == 0


def test_what_does_not_answer_is_given_up() -> None:
    with served(Clerk()) as address:
        plan = Plan([address], [6], hold_s=1.0, think_s=0, timeout_s=2.5 * SERVICE_S)
        [held] = loadtest.run(plan)
    assert held.success_rate < 100
    assert held.p95_ms >= 1000 * 2.5 * SERVICE_S


@pytest.mark.parametrize(
    ("urls", "permitted", "cause"),
    [
        (["https://shop.example/"], None, "attack"),
        (["https://shop.example/"], "other.example", "attack"),
        (["http://10.0.0.1/"], None, "attack"),
        (["http://localhost.shop.example/"], None, "attack"),
        (["http://127.0.0.1/", "http://127.0.0.1:81/"], None, "several systems"),
        (["ftp://127.0.0.1/"], None, "no URL"),
        (["nothing"], None, "no URL"),
        (["http://me:secret@127.0.0.1/"], None, "credentials"),
    ],
)
def test_strangers_are_left_alone(urls: list[str], permitted: str | None, cause: str) -> None:
    with pytest.raises(InputError, match=cause) as refused:
        loadtest.check(urls, permitted)
    assert "secret" not in str(refused.value)


def test_own_and_permitted_hosts_are_tested() -> None:
    loadtest.check(["http://localhost:8080/", "http://localhost:8080/b"], None)
    loadtest.check(["http://[::1]:8080/"], None)
    loadtest.check(["https://staging.shop.example/"], "staging.shop.example")


@pytest.mark.parametrize("users", [[], [0], [loadtest.MOST_USERS + 1]])
def test_levels_that_cannot_be_held(users: list[int]) -> None:
    with pytest.raises(InputError, match="users"):
        loadtest.run(Plan(["http://127.0.0.1:1/"], users))


def test_a_starved_generator_measures_nothing() -> None:
    held = Held(5, *2 * [_MOMENT], 60, 100, 100, 1.0, 2.0, "it was late")
    assert (
        loadtest.facts([held], Plan(["http://127.0.0.1/"], [5]), "t", "1", production_like=True)
        == []
    )


def test_the_command_lands_facts_that_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loadtest, "_LATE_S", 60.0)  # tests may run on a busy machine
    secret = tmp_path / "headers.json"
    secret.write_text(json.dumps({"Authorization": "Bearer hush"}))
    clerk = Clerk()
    with served(clerk) as address:
        arguments = f"loadtest {address} --users 2 --hold 1 --think 0.05 --json".split()
        arguments += ["--headers", str(secret), "--home", str(tmp_path / "home")]
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    assert "hush" not in result.output
    assert any(b"Bearer hush" in head for head in clerk.heads)
    assert "at least 4" in document["law"]["withheld"]
    with Home(tmp_path / "home") as home:
        [row] = home.warehouse.query(
            f"SELECT t.* FROM {home.warehouse.relation('load_test', None)} AS t"
        ).to_pylist()
    assert (row["concurrent_users"], row["hold_s"], row["production_like"]) == (2, 1, False)
    assert row["requests"] == document["levels"][0]["requests"] > 0
    assert row["success_rate"] == 100
