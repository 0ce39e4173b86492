"""Every page × light and dark × three widths × every role, in Debian's Chromium, as a page.

    ./run proof browser

Each is opened anew; checked: no console error or warning, no breach of the content policy, no
request to another host, at most 300 kB, nothing wider than the window, axe-core without a violation
(WCAG 2.2 AA), and (once a page and role) everything reached by the keyboard with a visible focus.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, sync_playwright

from browser.house import House, demonstration, given
from browser.judges import launched, missing
from browser.walk import HEIGHTS, SCHEMES, WIDTHS, crawl, kind_of, visiting
from meterstone.people.rights import Role

ROLES: tuple[Role | None, ...] = (None, *Role)
_STRANGERS = ("/login",)
_KEYBOARD_AT = 1280


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
        begin = "/login" if role is None else "/"
        reached = crawl(context, house.address, begin)
    pages = [path for (path, *_) in reached.values()] if role else list(_STRANGERS)
    for width in WIDTHS:
        for scheme in SCHEMES:
            size = {"width": width, "height": HEIGHTS[width]}
            with house.as_(browser, role, viewport=size, color_scheme=scheme) as context:
                for path in pages:
                    with visiting(context, house.address, path) as visit:
                        visit.judge()
                        if width == _KEYBOARD_AT and scheme == "light":
                            visit.tab_through()
                            walked.tabbed += 1
                    walked.views += 1
                    kind = kind_of(path)
                    walked.kinds.setdefault(kind, set()).add(str(role or "stranger"))
                    walked.heaviest = max(walked.heaviest, (visit.bytes, kind))
                    for each in visit.wrong:
                        walked.wrong[f"`{kind}`: {each}"] += 1


def page(walked: Walked, version: str, took_s: float) -> str:
    """The result as a page of the docs."""
    weight, heavy = walked.heaviest
    lines = [
        "# Every page in the browser",
        "",
        f"`./run proof browser`, {datetime.now(UTC):%Y-%m-%d}, Debian's Chromium {version}, "
        "`meterstone demo` (simulated data, and examples of what studies find):",
        "",
        f"- {len(walked.kinds)} pages, found by following links from the first page of each role; "
        f"{walked.views:,} views: light and dark, 390, 1280 and 2560 px, each role and a stranger "
        f"({took_s / 60:.0f} minutes);",
        f"- by the keyboard alone: {walked.tabbed} pages, everything on them reached, with a focus "
        "that can be seen;",
        f"- heaviest: `{heavy}`, {weight / 1000:.0f} kB with all that it asks for;",
        f"- wrong: {sum(walked.wrong.values())} (console errors and warnings, breaches of the "
        "content policy, requests to other hosts, pages above 300 kB or wider than the window, "
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
                flush=True,
            )
    text = page(walked, version, time.monotonic() - began)
    out.write_text(text, encoding="utf-8")
    print(text)
    return 1 if walked.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
