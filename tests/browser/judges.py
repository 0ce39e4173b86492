"""The judges from npm that this folder's lock names: axe-core and Lighthouse."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from playwright.sync_api import Browser, Playwright

from oidc.judge import available, installed

HERE = Path(__file__).parent


def missing() -> str:
    """What this machine lacks for the browser's checks; empty when nothing does."""
    lacks = []
    if chromium() is None:
        lacks.append("chromium (apt install chromium)")
    if not available():
        lacks.append("node and npm (apt install nodejs npm)")
    return " and ".join(lacks)


def chromium() -> str | None:
    """Debian's Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def launched(playwright: Playwright) -> Browser:
    """Chromium, as every test has it."""
    return playwright.chromium.launch(
        executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
    )


@cache
def axe_source() -> str:
    """The script of axe-core (MPL-2.0; used as it is, in tests alone)."""
    return (installed(HERE) / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


def lighthouse() -> Path:
    """The command line of Lighthouse."""
    return installed(HERE) / "node_modules/lighthouse/cli/index.js"
