"""``./run gallery``: pictures of the pages, into docs/gallery; simulated data.

The dashboards in light and dark at three widths, every other page once; WebP, a few kB each.
``--only /insight`` takes those pages anew and leaves the others.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from browser.house import House, demonstration, given
from browser.judges import launched, missing
from browser.walk import HEIGHTS, SCHEMES, WIDTHS, Scheme, crawl, kind_of
from meterstone.people.rights import Role

DOCS = Path(__file__).parents[2] / "docs" / "gallery"
_SHOWN_PX = {390: 390, 1280: 960, 2560: 1280}
_QUALITY = 60
_MOST_HEIGHTS = 2.0
_SECTION = re.compile(r"^## `(.+?)`\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Picture:
    """One picture that is to be taken."""

    role: Role
    path: str
    width: int
    scheme: Scheme

    @property
    def page(self) -> str:
        """The address without what it is about."""
        return kind_of(self.path)

    @property
    def file(self) -> str:
        """Its name in the gallery."""
        name = self.page.strip("/").replace("/*", "-one").replace("/", "-") or "home"
        return f"{name}-{self.width}-{self.scheme}.webp"


def wanted(house: House, browser: Browser) -> Iterator[Picture]:
    """The dashboards in every form, and each other page that an administrator reaches."""
    dashboards = {
        Role.EXECUTIVE: "/executive", Role.OPERATOR: "/operations",
        Role.OWNER: f"/owners/{house.shop}",
    }  # fmt: skip
    for role, path in dashboards.items():
        for width in WIDTHS:
            for scheme in SCHEMES:
                yield Picture(role, path, width, scheme)
    with house.as_(browser, Role.ADMIN) as context:
        reached = crawl(context, house.address)
    known = {kind_of(path) for path in dashboards.values()}
    for kind, (path, *_) in sorted(reached.items()):
        if kind not in known:
            yield Picture(Role.ADMIN, path, 1280, "light")


def some(house: House, browser: Browser, only: str) -> Iterator[Picture]:
    """Each page below an address, as an administrator reaches it."""
    with house.as_(browser, Role.ADMIN) as context:
        reached = crawl(context, house.address, only, within=only)
    for _, (path, *_) in sorted(reached.items()):
        yield Picture(Role.ADMIN, path, 1280, "light")


def take(house: House, browser: Browser, picture: Picture) -> bytes:
    """The picture, as WebP."""
    size = {"width": picture.width, "height": HEIGHTS[picture.width]}
    with house.as_(browser, picture.role, viewport=size, color_scheme=picture.scheme) as context:
        page = context.new_page()
        page.goto(house.address + picture.path, wait_until="load")
        whole = page.evaluate("document.documentElement.scrollHeight")
        height = min(whole, int(size["height"] * _MOST_HEIGHTS))
        page.set_viewport_size({"width": picture.width, "height": height})
        taken = Image.open(io.BytesIO(page.screenshot()))
    shown = _SHOWN_PX[picture.width]
    small = taken.resize((shown, round(taken.height * shown / taken.width)))
    made = io.BytesIO()
    small.convert("RGB").save(made, "WEBP", quality=_QUALITY, method=6)
    return made.getvalue()


def index(pictures: list[Picture], before: str = "") -> str:
    """The page of the gallery; ``before``: as it was, whose other pages stay."""
    lines = [
        "# Gallery",
        "",
        "Made by `./run gallery` from simulated networks: no number is real. The dashboards "
        "as their roles see them, on a phone (390 px), a screen (1280) and a wall (2560), light "
        "and dark; every other page once, as an administrator sees it. What studies found is shown "
        "by examples.",
    ]
    by_page: dict[str, list[Picture]] = {}
    for picture in pictures:
        by_page.setdefault(picture.page, []).append(picture)
    shown = {page: text.strip() for page, text in _SECTION.findall(before)}
    for page, taken in by_page.items():
        shown[page] = "\n".join(
            f"![{page} at {each.width} px, {each.scheme}]({each.file})" for each in taken
        )
    for page, text in shown.items():
        lines += ["", f"## `{page}`", "", text]
    return "\n".join([*lines, ""])


def main() -> int:
    """Take all pictures anew."""
    options = argparse.ArgumentParser()
    options.add_argument("--out", type=Path, default=DOCS)
    options.add_argument("--only", default="", help="pages whose address begins so")
    given_options = options.parse_args()
    out, only = given_options.out, given_options.only
    if lacks := missing():
        raise SystemExit(f"gallery: needs {lacks}")
    out.mkdir(parents=True, exist_ok=True)
    for old in [] if only else out.glob("*.webp"):
        old.unlink()
    with (
        tempfile.TemporaryDirectory() as folder,
        given() or demonstration(Path(folder)) as house,
        sync_playwright() as playwright,
    ):
        browser = launched(playwright)
        pictures = list(some(house, browser, only) if only else wanted(house, browser))
        for picture in pictures:
            data = take(house, browser, picture)
            (out / picture.file).write_bytes(data)
            print(f"{picture.file} {len(data) / 1000:.0f} kB", flush=True)
        browser.close()
    page = out / "README.md"
    before = page.read_text(encoding="utf-8") if only else ""
    page.write_text(index(pictures, before), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
