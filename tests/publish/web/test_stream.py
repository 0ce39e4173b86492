"""The live stream: who is admitted, what each is sent, who is dropped, and how it ends."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message

from meterstone.errors import InputError
from meterstone.people.rights import RIGHTS, Principal, Role
from meterstone.publish.web.parts import UNSEEN, Parts
from meterstone.publish.web.stream import Hub, Limits

ADMIN = Principal("person:1", "", Role.ADMIN, RIGHTS[Role.ADMIN])
OPERATOR = Principal("person:2", "", Role.OPERATOR, RIGHTS[Role.OPERATOR])
OWNER = Principal("person:3", "", Role.OWNER, RIGHTS[Role.OWNER], frozenset({"F1"}))


@dataclass
class Viewer:
    """A browser that looks at a hub."""

    hub: Hub
    principal: Principal | None = ADMIN
    query: str = "topics=operations"
    headers: Mapping[str, str] = field(default_factory=dict)
    got: list[Message] = field(default_factory=list)
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    blocked: asyncio.Event | None = None
    broken: bool = False
    task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Viewer:
        self.task = asyncio.create_task(self.hub(self._scope(), self._receive, self._send))
        await settled()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave.set()
        assert self.task is not None
        await asyncio.wait_for(self.task, 5)

    def _scope(self) -> dict[str, Any]:
        return {
            "type": "http", "method": "GET", "path": "/live", "principal": self.principal,
            "query_string": self.query.encode(),
            "headers": [(name.encode(), text.encode()) for name, text in self.headers.items()],
        }  # fmt: skip

    async def _receive(self) -> Message:
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self.broken:
            raise OSError("gone")
        if self.blocked is not None and message.get("body", b"").startswith(b"id:"):
            await self.blocked.wait()
        self.got.append(message)

    @property
    def status(self) -> int:
        return int(self.got[0]["status"])

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.got).decode()

    @property
    def events(self) -> list[dict[str, str]]:
        return [
            json.loads(line[6:]) for line in self.text.splitlines() if line.startswith("data: {")
        ]

    @property
    def last_id(self) -> str:
        return [line[4:] for line in self.text.splitlines() if line.startswith("id: ")][-1]


async def settled() -> None:
    """Everything that can go on has gone on."""
    for _ in range(12):
        await asyncio.sleep(0)


def live(test: Callable[[], Any]) -> None:
    asyncio.run(test())


def test_a_viewer_is_sent_what_is_known_and_then_what_changes() -> None:
    async def run() -> None:
        hub = Hub()
        hub.publish("operations", {"a": "<p>1</p>", "b": "line\nend"})
        async with Viewer(hub) as viewer:
            assert viewer.status == 200
            assert viewer.events == [{"a": "<p>1</p>", "b": "line\nend"}]
            hub.publish("operations", {"a": "<p>2</p>", "b": "line\nend"})
            await settled()
            assert viewer.events[1:] == [{"a": "<p>2</p>"}]
            hub.publish("operations", {"a": "<p>2</p>"})
            await settled()
            assert len(viewer.events) == 2
            assert hub.viewers == 1
        assert hub.viewers == 0

    live(run)


@pytest.mark.parametrize("how", ["header", "query"])
def test_who_comes_back_is_sent_only_what_was_missed(how: str) -> None:
    async def run() -> None:
        hub = Hub()
        hub.publish("operations", {"a": "1", "b": "1"})
        async with Viewer(hub) as viewer:
            seen = viewer.last_id
        hub.publish("operations", {"b": "2"})
        hub.publish("operations", {"c": "1"})
        again = (
            Viewer(hub, headers={"last-event-id": seen})
            if how == "header"
            else Viewer(hub, query=f"topics=operations&since={seen}")
        )
        async with again as viewer:
            assert viewer.events == [{"b": "2", "c": "1"}]
        async with Viewer(hub, query=f"topics=operations&since={hub.mark()}") as viewer:
            assert viewer.events == []

    live(run)


@pytest.mark.parametrize(
    "seen", ["", "0", "other-1", "LIFE-99", "LIFE--1", "LIFE-²", "LIFE-" + "9" * 30]
)
def test_a_mark_of_another_run_or_of_nobody_is_sent_everything(seen: str) -> None:
    parts = Parts("LIFE")
    parts.put("operations", {"a": "1"})
    assert parts.read(seen) == UNSEEN
    assert parts.read("LIFE-1") == 1


def test_each_is_sent_only_what_the_own_rights_allow() -> None:
    async def run() -> None:
        hub = Hub()
        hub.publish("operations", {"ops": "network"})
        hub.publish("executive", {"exec": "money"})
        hub.publish("board", {"board": "7"})
        everything = "topics=operations,executive,metrics,board"
        async with (
            Viewer(hub, ADMIN, everything) as admin,
            Viewer(hub, OPERATOR, everything) as operator,
            Viewer(hub, OWNER, everything) as owner,
        ):
            assert admin.events == [{"board": "7", "exec": "money", "ops": "network"}]
            assert operator.events == [{"board": "7", "ops": "network"}]
            assert owner.events == [{"board": "7"}]
            hub.publish("operations", {"ops": "worse"})
            await settled()
            assert operator.events[1:] == [{"ops": "worse"}]
            assert owner.events[1:] == []
            assert "worse" not in owner.text

    live(run)


@pytest.mark.parametrize(
    ("principal", "query", "status"),
    [
        (None, "topics=board", 401),
        (OWNER, "topics=operations", 403),
        (ADMIN, "topics=everything", 400),
        (ADMIN, "", 400),
        (OWNER, "topics=operations,nothing", 400),
    ],
)
def test_who_may_not_is_told_why(principal: Principal | None, query: str, status: int) -> None:
    async def run() -> None:
        hub = Hub()
        hub.publish("operations", {"ops": "network"})
        async with Viewer(hub, principal, query) as viewer:
            assert viewer.status == status
            answer = json.loads(viewer.text)
            assert answer["detail"]
            assert answer["mend"]
            assert "network" not in viewer.text

    live(run)


def test_no_more_than_can_be_served_and_none_at_the_end() -> None:
    async def run() -> None:
        hub = Hub(limits=Limits(viewers=1))
        async with Viewer(hub) as first:
            async with Viewer(hub) as second:
                assert second.status == 503
                assert (b"retry-after", b"5") in second.got[0]["headers"]
            hub.end()
            assert first.task is not None
            await asyncio.wait_for(first.task, 5)
            assert first.got[-1] == {
                "type": "http.response.body", "body": b"", "more_body": False
            }  # fmt: skip
        async with Viewer(hub) as late:
            assert late.status == 503

    live(run)


def test_silence_is_broken_by_a_beat_and_who_is_slow_is_dropped() -> None:
    async def run() -> None:
        time = [0.0]
        hub = Hub(limits=Limits(beat_s=15, slow_s=10), clock=lambda: time[0])
        stuck = asyncio.Event()
        async with Viewer(hub) as well, Viewer(hub, blocked=stuck) as slow:
            assert well.text.count("event: beat\ndata: 15\n\n") == 1  # before any silence
            time[0] = 14.0
            hub.tick()
            await settled()
            assert well.text.count("beat") == 1
            hub.publish("operations", {"a": "1"})
            await settled()
            assert well.events == [{"a": "1"}]
            time[0] = 24.0
            hub.tick()
            assert slow.task is not None
            await asyncio.wait_for(slow.task, 5)
            assert hub.viewers == 1
            time[0] = 29.0
            hub.tick()
            await settled()
            assert well.text.endswith("event: beat\ndata: 15\n\n")

    live(run)


def test_who_was_slow_for_a_moment_is_sent_the_newest_alone() -> None:
    async def run() -> None:
        hub = Hub()
        stuck = asyncio.Event()
        async with Viewer(hub, blocked=stuck) as viewer:
            for text in "123456":
                hub.publish("operations", {"a": text})
                await settled()
            stuck.set()
            await settled()
            assert viewer.events == [{"a": "1"}, {"a": "6"}]

    live(run)


def test_a_line_that_broke_takes_nobody_else_along() -> None:
    async def run() -> None:
        hub = Hub()
        async with Viewer(hub) as well, Viewer(hub) as gone:
            gone.broken = True
            hub.publish("operations", {"a": "1"})
            await settled()
            assert gone.task is not None
            await asyncio.wait_for(gone.task, 5)
            assert well.events == [{"a": "1"}]
            assert hub.viewers == 1

    live(run)


def test_a_stream_ends_by_itself_so_that_rights_are_asked_again() -> None:
    async def run() -> None:
        hub = Hub(limits=Limits(life_s=0.01))
        async with Viewer(hub) as viewer:
            assert viewer.task is not None
            await asyncio.wait_for(viewer.task, 5)
            assert viewer.got[-1]["more_body"] is False

    live(run)


def test_it_looks_while_anybody_looks_and_survives_an_error_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 1:
            raise InputError("the ledger is away", place="ledger", mend="wait")
        hub.publish("operations", {"a": str(len(looks))})

    hub = Hub(limits=Limits(look_s=0.01), look=look)

    async def run() -> None:
        async with Viewer(hub) as viewer:
            while len(looks) < 2:
                await asyncio.sleep(0.01)
            await settled()
            assert viewer.events[0] == {"a": "2"}

    assert looks == []
    live(run)
    assert "the ledger is away" in caplog.text


def test_a_browser_that_can_is_sent_it_packed_from_wherever_it_begins() -> None:
    async def run() -> None:
        hub = Hub(limits=Limits(beat_s=1), clock=lambda: time[0])
        hub.publish("operations", {"a": "<p>one</p>" * 200})
        gzip = {"accept-encoding": "gzip, br"}
        async with Viewer(hub, headers=gzip) as early, Viewer(hub) as plain:
            hub.publish("operations", {"b": "<p>two</p>" * 200})
            await settled()
            async with Viewer(hub, headers=gzip) as late:
                time[0] = 2.0
                hub.tick()
                hub.publish("operations", {"a": "three"})
                await settled()
                for viewer in (early, late):
                    assert (b"content-encoding", b"gzip") in viewer.got[0]["headers"]
                    body = b"".join(part.get("body", b"") for part in viewer.got)
                    unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body).decode()
                    assert unpacked.endswith('data: {"a": "three"}\n\n')
                    assert "event: beat" in unpacked
                    assert len(body) < len(plain.text) / 5
        assert (b"content-encoding", b"gzip") not in plain.got[0]["headers"]
        assert plain.events[-1] == {"a": "three"}

    time = [0.0]
    live(run)


def test_what_is_no_topic_cannot_be_told() -> None:
    with pytest.raises(KeyError):
        Hub().publish("secrets", {"a": "1"})
