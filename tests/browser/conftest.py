"""A demonstration that is measured once, and Debian's Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from browser.house import House, demonstration, given
from browser.judges import launched, missing


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The demonstration. Not for longer than these tests: it lives on, and takes the processor."""
    if lacks := missing():
        pytest.skip(f"no {lacks} here")
    with given() or demonstration(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """The browser. Not for longer than a module: Playwright's loop stays the running one of the
    main thread until it is stopped, and no test after it could serve there."""
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()
