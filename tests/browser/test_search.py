"""⌘K in a browser: what is typed is found below the field, and the keyboard alone goes there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from playwright.sync_api import Browser, expect

from browser.judges import missing
from browser.test_live import Served, looking, served
from meterstone.board.model import Board
from meterstone.publish.web import search
from meterstone.publish.web.site import Site
from publish.web.boards import MemoryBoard

pytestmark = pytest.mark.skipif(bool(missing()), reason="no browser here")


class Searched(Served):
    """The operations page with the search."""

    def __post_init__(self) -> None:
        super().__post_init__()
        board = MemoryBoard(catalogue=SimpleNamespace(gates={}, metrics={}))
        self._app.routes.extend(search.routes(Site(cast("Board", board), lambda: self.now)))


def test_a_word_is_found_while_it_is_typed_and_the_keyboard_goes_there(chrome: Browser) -> None:
    with served(Searched()) as made, looking(chrome, made) as page:
        page.keyboard.press("Control+k")
        field = page.locator(".top input[type=search]")
        expect(field).to_be_focused()
        page.keyboard.type("old")
        found = page.locator(".drop a")
        expect(found).to_have_count(1)
        expect(found.locator("b")).to_have_text("Old <Mill>")
        expect(page.locator(".drop [role=status]")).to_have_text("1 result for “old”.")
        page.keyboard.press("ArrowDown")
        expect(found).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator(".drop")).to_have_count(0)
        expect(field).to_be_focused()

        field.fill("operat")
        expect(found.first).to_have_attribute("href", "/operations")
        page.keyboard.press("ArrowDown")
        with page.expect_navigation(url="**/operations"):
            page.keyboard.press("Enter")
        assert page.evaluate("window.before === undefined"), "the page was opened anew"


def test_without_the_list_enter_opens_the_page_of_results(chrome: Browser) -> None:
    with served(Searched()) as made, looking(chrome, made) as page:
        page.locator(".top input[type=search]").fill("harbour")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search?q=harbour*")
        expect(page.locator("h1")).to_have_text("1 result for “harbour”.")
        expect(page.locator("#found a")).to_have_attribute("href", "/owners/F1")
