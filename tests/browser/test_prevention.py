"""The form of preventive actions in a browser: done, dismissed with a reason, taken back; by the
keyboard alone, and nothing wrong by axe."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from browser.judges import missing
from browser.walk import Visit
from homes import own_catalogue
from insight.test_actions import BACKLOG, LINES, keep_findings
from meterstone.app import Home
from meterstone.cli.site import site_app
from meterstone.cli.telemetry import Telemetry
from meterstone.people.rights import Role
from meterstone.record.model import facts_of_ours
from visitors import session

pytestmark = pytest.mark.skipif(bool(missing()), reason="no browser here")


@contextmanager
def looking(folder: Path, chrome: Browser, role: Role) -> Iterator[tuple[Home, Page]]:
    """A home that is served as it is to people, and a page of somebody who is signed in."""
    own_catalogue(folder)
    with Home(folder) as home, socket.create_server(("127.0.0.1", 0)) as listener:
        home.recorder.land(facts_of_ours("".join(LINES).encode(), "actions", "hub"))
        home.recorder.map_new()
        keep_findings(home)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = site_app(home, address, Telemetry({}))
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        context = chrome.new_context(base_url=address, locale="en-GB", reduced_motion="reduce")
        context.add_cookies([{"name": "meterstone", "value": session(home, role), "url": address}])
        try:
            yield home, context.new_page()
        finally:
            context.close()
            home.live.end()
            server.should_exit = True
            thread.join(10)


def state(home: Home) -> tuple[str, str]:
    [action] = [each for each in home.actions.all() if each.id == BACKLOG]
    return action.state, action.reason


def test_an_action_is_dismissed_taken_back_and_done(chrome: Browser, tmp_path: Path) -> None:
    with looking(tmp_path, chrome, Role.OPERATOR) as (home, page):
        wrong: list[str] = []
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto("/insight/risk/failure_risk?scope=integration:square")
        page.get_by_role("link", name="square: Sync it more often").click()
        expect(page).to_have_url(re.compile("/insight/risk#act-square-backlog$"))
        visit = Visit(page, "/insight/risk")
        visit.judge()
        page.set_viewport_size({"width": 390, "height": 844})
        visit.judge()
        page.set_viewport_size({"width": 1280, "height": 900})
        assert not visit.wrong
        card = page.locator("#act-square-backlog")
        card.get_by_role("button", name="Dismiss").click()
        assert state(home)[0] == "recommended", "the browser asks for the reason first"
        card.get_by_label("Why it is not done").fill("The vendor mends it <tonight>")
        page.keyboard.press("Enter")
        expect(card).to_contain_text("Dismissed")
        expect(card).to_contain_text("Not done: The vendor mends it <tonight>")
        assert state(home) == ("declined", "The vendor mends it <tonight>")
        expect(page).to_have_url(re.compile("#act-square-backlog$"))
        card.get_by_role("button", name="Take back").press("Enter")
        expect(card.get_by_role("button", name="Dismiss")).to_be_visible()
        assert state(home) == ("recommended", "")
        card.get_by_role("button", name="Implemented").press("Enter")
        expect(card).to_contain_text("said by")
        assert state(home)[0] == "implemented"
        assert not wrong


def test_a_reader_sees_what_was_done_and_no_form(chrome: Browser, tmp_path: Path) -> None:
    with looking(tmp_path, chrome, Role.ANALYST) as (_, page):
        page.goto("/insight/risk")
        expect(page.locator("#act-square-backlog")).to_contain_text("changes wait")
        assert page.get_by_role("button", name="Dismiss").count() == 0
