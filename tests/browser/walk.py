"""Walks the pages as a person: follows their links, and collects what is wrong with each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page

from browser.judges import axe_source

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTHS = (390, 1280, 2560)
HEIGHTS = {390: 844, 1280: 900, 2560: 1440}
MOST_BYTES = 300_000
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_LITERAL_SECOND = {"settings", "account"}
_NEW = "new"
_NAMES_BELOW = "insight"
"""Every part below this one is what a page is about."""
_NO_PAGES = ("/logout", "/api/", "/oauth/", "/static/", "/metrics", "/v1/", "/hooks/", "/live")
_FILES = (".pdf", ".xlsx", ".eml", ".json", ".csv", ".yaml", ".html", ".svg", ".parquet", ".zip")


def kind_of(path: str) -> str:
    """Which page an address is, whatever it is about: ``/owners/F1/metrics/m`` is
    ``/owners/*/metrics/*``."""
    first, *rest = path.strip("/").split("/")
    kept = [first]
    if rest[:1] == [_NEW]:  # a form for each thing that there may be
        return f"/{first}/{_NEW}" + "/*" * len(rest[1:])
    for place, part in enumerate(rest):
        literal = place % 2 or (place == 0 and first in _LITERAL_SECOND)
        kept.append(part if literal and ":" not in part and _NAMES_BELOW not in kept else "*")
    return "/" + "/".join(kept)


@dataclass
class Visit:
    """A page that was opened.

    Attributes:
        wrong: one sentence for each thing that is wrong with it.
        bytes: of all that was fetched for it, as sent.
    """

    page: Page
    path: str
    wrong: list[str] = field(default_factory=list)
    bytes: int = 0

    def look(self, width: int, scheme: Scheme) -> None:
        """Show it so."""
        self.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        self.page.emulate_media(color_scheme=scheme)

    def links(self) -> list[str]:
        """Paths of our pages that it leads to, in their order, without their queries."""
        found: dict[str, None] = {}
        for address in self.page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"):
            parts = urlsplit(address)
            if parts.netloc == urlsplit(self.page.url).netloc and _is_page(parts.path):
                found[parts.path] = None
        return list(found)

    def judge(self) -> None:
        """Ask axe-core, and whether everything fits into the width."""
        self.page.evaluate(axe_source() + "; undefined")
        told = self.page.evaluate(
            "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, "
            "resultTypes: ['violations']})",
            _RULES,
        )
        self.wrong += [
            f"axe {found['id']}: {found['help']}: {node['html'][:160]}"
            for found in told["violations"]
            for node in found["nodes"][:2]
        ]
        if (over := self.page.evaluate(_OVER)) > 0:
            self.wrong.append(f"is {over} px wider than the window")

    def on_paper(self) -> None:
        """Nothing is wider than a sheet (A4 between margins of 15 mm, at 96 px an inch)."""
        self.page.set_viewport_size({"width": _SHEET, "height": 1000})
        self.page.emulate_media(media="print", color_scheme="light")
        if (over := self.page.evaluate(_OVER)) > 0:
            self.wrong.append(f"is {over} px wider than a sheet of paper")

    def tab_through(self, most: int = 10_000) -> None:
        """Reach everything by the keyboard, and see where one is.

        Args:
            most: pages with more to reach are left out.
        """
        self.page.evaluate(_MARK)
        unseen = self.page.evaluate("window.toReach")
        if unseen > most:
            return
        for _ in range(2 * unseen + 5):  # a date has several stops
            self.page.keyboard.press("Tab")
            if self.page.evaluate(_REACHED):
                break
        self.wrong += [f"keyboard: {each}" for each in self.page.evaluate(_MISSED)]


_SECOND_ROUND = (
    "performance.getEntriesByType('resource').map(e => [e.initiatorType, e.name].join(' '))"
    ".filter(said => /^(css|fetch|xmlhttprequest) /.test(said))"
)
"""What the page itself did not name: style or script had to come first to ask for it."""
_SHEET = 680
_OVER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

_MARK = """() => {
  const asked = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]';
  const seen = all => all.filter(e => e.tabIndex >= 0 && !e.disabled
    && e.checkVisibility({visibilityProperty: true}) && !(e.closest('details:not([open])')
    && e.tagName !== 'SUMMARY'));
  window.wanted = new Set(seen([...document.querySelectorAll(asked)]));
  for (const e of [...window.wanted]) if (e.type === 'radio' && !e.checked) {
    window.wanted.delete(e);
  }
  window.toReach = window.wanted.size;
  window.dark = new Set();
  document.activeElement?.blur();
  window.scrollTo(0, 0);
}"""

_REACHED = """() => {
  const e = document.activeElement;
  if (e && window.wanted.has(e)) {
    window.wanted.delete(e);
    const style = getComputedStyle(e);
    const shown = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
    if (!shown && style.boxShadow === 'none') window.dark.add(e.outerHTML.slice(0, 120));
  }
  for (const each of window.wanted) if (!each.isConnected) window.wanted.delete(each);
  return window.wanted.size === 0;
}"""

_MISSED = """() => [
  ...[...window.wanted].slice(0, 3).map(e => 'does not reach ' + e.outerHTML.slice(0, 120)),
  ...[...window.dark].slice(0, 3).map(e => 'no focus to be seen on ' + e),
]"""


@contextmanager
def visiting(
    context: BrowserContext, address: str, path: str, status: int = 200
) -> Iterator[Visit]:
    """Open a page in a tab of its own; what goes wrong meanwhile is collected.

    Args:
        context: of whoever looks.
        address: of the house.
        path: of the page, with its query.
        status: that it has to answer with.
    """
    page = context.new_page()
    visit = Visit(page, path)
    host = urlsplit(address).netloc

    def requested(request: Any) -> None:
        asked = urlsplit(request.url)
        if asked.scheme not in ("data", "blob") and asked.netloc != host:
            visit.wrong.append(f"asks another host: {asked.netloc}")

    page.on("request", requested)
    page.on(
        "console",
        lambda said: (
            visit.wrong.append(f"console: {said.text[:200]}")
            if said.type in ("error", "warning") and f"status of {status} " not in said.text
            else None
        ),
    )
    page.on("pageerror", lambda error: visit.wrong.append(f"script: {error}"))
    try:
        answer = page.goto(address + path, wait_until="load")
        if answer is None or answer.status != status:
            visit.wrong.append(f"answers {answer.status if answer else 'nothing'}")
        visit.bytes = _weight(page)
        if visit.bytes > MOST_BYTES:
            visit.wrong.append(f"weighs {visit.bytes:,} bytes")
        if later := page.evaluate(_SECOND_ROUND):
            visit.wrong.append(f"asks for more after its first round: {', '.join(later)}")
        yield visit
    finally:
        page.close()


def _weight(page: Page) -> int:
    """Bytes as sent: the page itself and what it asked for until it was loaded."""
    sent = page.evaluate(
        "[...performance.getEntriesByType('navigation'), "
        "...performance.getEntriesByType('resource')]"
        ".map(e => e.transferSize).reduce((a, b) => a + b, 0)"
    )
    return int(sent)


def _is_page(path: str) -> bool:
    return not path.startswith(_NO_PAGES) and not path.endswith(_FILES)


def crawl(
    context: BrowserContext, address: str, begin: str = "/", examples: int = 1, within: str = ""
) -> dict[str, list[str]]:
    """All kinds of pages that somebody reaches by links, with examples of each.

    Args:
        context: of somebody who is signed in.
        address: of the house.
        begin: the first page.
        examples: so many of each kind at most.
        within: only pages whose address begins so.
    """
    found: dict[str, list[str]] = {}
    page = context.new_page()
    todo = [begin]
    while todo:
        path = todo.pop(0)
        answer = page.goto(address + path, wait_until="domcontentloaded")
        here = urlsplit(page.url).path
        known = found.setdefault(kind_of(here), [])
        if here in known or len(known) >= examples:
            continue
        known.append(here)
        if answer is None or answer.status != 200:
            continue
        for link in Visit(page, here).links():
            if not link.startswith(within):
                continue
            others = found.get(kind_of(link), [])
            waiting = sum(kind_of(each) == kind_of(link) for each in todo)
            if link not in others and len(others) + waiting < examples:
                todo.append(link)
    page.close()
    return found
