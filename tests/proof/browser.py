"""Every page × light and dark × three widths × every role, in Debian's Chromium, as a page.

    ./run proof browser

Each is opened once a role and then shown in all its forms, and on paper. Checked: no console error
or warning, no breach of the content policy, no request to another host, one round of requests after
the HTML, at most 300 kB, nothing wider than the window, axe-core without a violation (WCAG 2.2 AA),
and (once a page and role) everything reached by the keyboard with a visible focus. Besides what
links lead to: a search, a past day as known then, and a page that there is none of.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from browser.house import NETWORK, House, demonstration, given
from browser.judges import launched, missing
from browser.walk import SCHEMES, WIDTHS, crawl, kind_of, visiting
from meterstone.people.rights import Role

ROLES: tuple[Role | None, ...] = (None, *Role)
_BESIDE = {"/search?q=sales": 200, "/{}?day={}&known=then": 200, "/no-such-page": 404}
_KEYBOARD_AT = (1280, "light")


@dataclass
class Walked:
    """What was seen.

    Attributes:
        kinds: which roles saw which pages.
        views: pages opened, each in one form.
        wrong: what was wrong, a line each.
        heaviest: bytes, and the page.
    """

    kinds: dict[str, set[str]] = field(default_factory=dict)
    views: int = 0
    tabbed: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    heaviest: tuple[int, str] = (0, "")

    def __iadd__(self, other: Walked) -> Walked:
        """With what another saw."""
        for kind, roles in other.kinds.items():
            self.kinds.setdefault(kind, set()).update(roles)
        self.views += other.views
        self.tabbed += other.tabbed
        self.wrong += other.wrong
        self.heaviest = max(self.heaviest, other.heaviest)
        return self


def walked_as(address: str, home: Path, role: Role | None) -> tuple[Role | None, Walked, str]:
    """Walk as a role, in a process and a browser of its own; the browser's version besides."""
    walked = Walked()
    with sync_playwright() as playwright:
        browser = launched(playwright)
        walk(House(address, home), browser, role, walked)
        version = browser.version
        browser.close()
    return role, walked, version


def walk(house: House, browser: Browser, role: Role | None, walked: Walked) -> None:
    """All pages of a role in all forms."""
    with house.as_(browser, role) as context:
        for path, status in pages_of(house, context, role):
            kind = name_of(path, status)
            with visiting(context, house.address, path, status) as visit:
                for width, scheme in product(WIDTHS, SCHEMES):
                    visit.look(width, scheme)
                    visit.judge()
                    walked.views += 1
                    if (width, scheme) == _KEYBOARD_AT:
                        visit.tab_through()
                        walked.tabbed += 1
                visit.on_paper()
            walked.kinds.setdefault(kind, set()).add(str(role or "stranger"))
            walked.heaviest = max(walked.heaviest, (visit.bytes, kind))
            for each in visit.wrong:
                walked.wrong[f"`{kind}`: {each}"] += 1


def pages_of(house: House, context: BrowserContext, role: Role | None) -> Iterator[tuple[str, int]]:
    """One page of each kind that a role comes to, and what it answers with."""
    if role is None:
        yield "/login", 200
        return
    reached = crawl(context, house.address)
    yield from ((path, 200) for path, *_ in reached.values())
    begin, day = next(iter(reached)), house.board.days(NETWORK)[0]
    first = reached[begin][0].lstrip("/")
    yield from ((path.format(first, day), status) for path, status in _BESIDE.items())


def name_of(path: str, status: int) -> str:
    """What the page of an address is called."""
    parts = urlsplit(path)
    past = " of a past day" if "known=then" in parts.query else ""
    return "a page that is not there" if status != 200 else kind_of(parts.path) + past


def page(walked: Walked, version: str, took_s: float) -> str:
    """The result as a page of the docs."""
    weight, heavy = walked.heaviest
    lines = [
        "# Every page in the browser",
        "",
        f"`./run proof browser`, {datetime.now(UTC):%Y-%m-%d}, Debian's Chromium {version}, "
        "`meterstone demo` (simulated data, and examples of what studies find):",
        "",
        f"- {len(walked.kinds)} pages, found by following links from the first page of each role, "
        "and a search, a past day as known then, a page that is not there; "
        f"{walked.views:,} views: light and dark, 390, 1280 and 2560 px, each role and a stranger "
        f"({took_s / 60:.0f} minutes);",
        "- on paper: each once a role, nothing wider than the sheet;",
        f"- by the keyboard alone: {walked.tabbed} pages, everything on them reached, with a focus "
        "that can be seen;",
        f"- heaviest: `{heavy}`, {weight / 1000:.0f} kB with all that it asks for;",
        f"- wrong: {sum(walked.wrong.values())} (console errors and warnings, breaches of the "
        "content policy, requests to other hosts, more than one round of requests after the HTML, "
        "pages above 300 kB or wider than the window, "
        "violations that axe-core finds of WCAG 2.2 A and AA, what the keyboard does not reach).",
        "",
    ]
    lines += [f"  - {count} × {what}" for what, count in walked.wrong.most_common(40)]
    lines += ["", "| page | seen as |", "|---|---|"]
    lines += [
        f"| `{kind}` | {', '.join(sorted(roles))} |" for kind, roles in sorted(walked.kinds.items())
    ]
    return "\n".join([*lines, ""])


def main() -> int:
    """Exit code 0 when nothing was wrong."""
    options = argparse.ArgumentParser()
    options.add_argument("--out", type=Path, required=True)
    out = options.parse_args().out
    if lacks := missing():
        raise SystemExit(f"browser: needs {lacks}")
    walked, began, version = Walked(), time.monotonic(), ""
    with (
        tempfile.TemporaryDirectory() as folder,
        given() or demonstration(Path(folder)) as house,
        ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool,
    ):
        for role in ROLES[1:]:
            house.cookie(role)  # people are made one after the other
        walks = [pool.submit(walked_as, house.address, house.home, role) for role in ROLES]
        for ended in as_completed(walks):
            role, seen, version = ended.result()
            walked += seen
            print(
                f"{role or 'stranger'}: {seen.views} views, {sum(seen.wrong.values())} wrong, "
                f"{(time.monotonic() - began) / 60:.0f} min",
                *(f"  {what}" for what in seen.wrong),
                sep="\n", flush=True,
            )  # fmt: skip
    text = page(walked, version, time.monotonic() - began)
    out.write_text(text, encoding="utf-8")
    print(text)
    return 1 if walked.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
