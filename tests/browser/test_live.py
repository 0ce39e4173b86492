"""The live stream in a browser: a new state is on the page without a reload, what was missed comes
after a break, a page that lost the line says so, and new scorecards renew what is shown."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import pytest
import uvicorn
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from browser.judges import missing
from meterstone.board.model import Board
from meterstone.detect.state import Now
from meterstone.people.rights import RIGHTS, Principal, Role
from meterstone.publish.web import operations
from meterstone.publish.web.news import News
from meterstone.publish.web.site import Site
from meterstone.publish.web.static_files import static_routes
from meterstone.publish.web.stream import Hub, Limits, stream_routes
from publish.nows import made_now
from publish.web.boards import MemoryBoard
from publish.web.test_operations import Memory

pytestmark = pytest.mark.skipif(bool(missing()), reason="no browser here")
OPERATOR = Principal("person:2", "Ann", Role.OPERATOR, RIGHTS[Role.OPERATOR])


@dataclass
class Served:
    """The operations page and its stream over a state that a test changes."""

    limits: Limits = field(default_factory=lambda: Limits(beat_s=0.4, look_s=0.2))
    now: Now = field(default_factory=lambda: made_now(at=datetime.now(UTC)))
    board: MemoryBoard = field(default_factory=MemoryBoard)
    address: str = ""
    away: bool = False
    came_with: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        site = Site(cast("Board", self.board), lambda: self.now)
        self.hub = Hub(limits=self.limits)
        self.hub.look = News(site, Memory(), self.hub).look
        routes = [
            *static_routes(),
            *operations.routes(site, Memory(), self.hub.mark),
            *stream_routes(self.hub),
        ]
        self._app = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["principal"] = OPERATOR
        headers = dict(scope["headers"])
        self.came_with.append(headers.get(b"last-event-id", b"").decode())
        if self.away and scope["path"] == "/live":
            scope["principal"] = None
        await self._app(scope, receive, send)

    def change(self, sentence: str) -> None:
        """A new state, as the watch would have it."""
        self.now = replace(
            self.now, version=self.now.version + 1, sentence=sentence, at=datetime.now(UTC)
        )
        self.hub.wake()


@contextmanager
def served(made: Served) -> Iterator[Served]:
    """The application on a port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(made, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield made
        made.hub.end()
        server.should_exit = True
        thread.join(10)


@contextmanager
def looking(chrome: Browser, made: Served, path: str = "/operations") -> Iterator[Page]:
    """A page, and nothing wrong in its console."""
    page = chrome.new_page(base_url=made.address)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console", lambda message: wrong.append(message.text) if message.type == "error" else None
    )
    page.goto(path)
    page.evaluate("window.before = true")
    yield page
    page.close()
    assert [text for text in wrong if "401" not in text] == []


def test_a_new_state_is_on_the_page_without_a_reload(chrome: Browser) -> None:
    with served(Served()) as made, looking(chrome, made) as page:
        expect(page.locator("h1")).to_have_text("Clover is late. Everything else is well.")
        page.get_by_role("link", name="Clover", exact=True).first.focus()
        made.change("Clover is <down>.")
        expect(page.locator("h1")).to_have_text("Clover is <down>.")
        assert page.evaluate("window.before") is True
        assert page.locator("#ops-heading.changed").count() == 1
        assert page.locator("#ops-state.changed").count() == 0  # what is as it was stays untouched
        assert page.evaluate("document.activeElement.textContent") == "Clover"
        made.now = replace(made.now, incidents=(), integrations=made.now.integrations[:1])
        made.change("All is well.")
        expect(page.locator("#ops-open")).to_contain_text("Nothing is open")
        assert page.evaluate("window.before") is True


def test_what_was_missed_comes_when_the_line_is_back(chrome: Browser) -> None:
    short = Limits(beat_s=0.4, look_s=0.2, life_s=1.5)
    with served(Served(short)) as made, looking(chrome, made) as page:
        made.change("One.")
        expect(page.locator("h1")).to_have_text("One.")
        seen = made.hub.mark()
        with page.expect_request("**/live?**"):
            pass
        made.change("Two.")
        expect(page.locator("h1")).to_have_text("Two.")
        assert seen in made.came_with
        assert page.evaluate("window.before") is True


def test_a_page_that_lost_the_line_says_so_until_it_is_back(chrome: Browser) -> None:
    short = Limits(beat_s=1.2, look_s=0.2, life_s=1.0)  # ends before any silence had a beat
    with served(Served(short)) as made, looking(chrome, made) as page:
        made.change("Here.")
        expect(page.locator("h1")).to_have_text("Here.")
        made.away = True
        expect(page.locator("#live-lost")).to_contain_text("Not live since")
        made.away = False
        made.change("Back.")
        expect(page.locator("h1")).to_have_text("Back.")
        expect(page.locator("#live-lost")).to_have_count(0)


def test_new_scorecards_renew_the_page_with_the_readers_own_rights(chrome: Browser) -> None:
    with served(Served()) as made, looking(chrome, made) as page:
        made.change("First.")
        expect(page.locator("h1")).to_have_text("First.")
        with page.expect_request("**/operations") as fetched:
            made.board.version = 2
            made.hub.wake()
        assert fetched.value.resource_type == "fetch"
        assert page.evaluate("window.before") is True


def test_a_page_of_the_past_follows_nothing_and_all_is_there_without_a_script(
    chrome: Browser,
) -> None:
    with served(Served()) as made:
        with looking(chrome, made, "/operations?day=2026-09-30") as page:
            page.wait_for_timeout(300)
            assert made.hub.viewers == 0
        context = chrome.new_context(base_url=made.address, java_script_enabled=False)
        bare = context.new_page()
        bare.goto("/operations")
        expect(bare.locator("h1")).to_have_text("Clover is late. Everything else is well.")
        expect(bare.get_by_text("31 missed (0.34 %)").first).to_be_visible()
        context.close()
