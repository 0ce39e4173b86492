"""Lighthouse on the three dashboards of the demonstration: marks and weight, as a page.

    ./run proof lighthouse

Each dashboard is opened as the role that it is for, as a phone on a slow network (Lighthouse's own
default) and as a desktop.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.house import House, demonstration, given
from browser.judges import chromium, lighthouse, missing
from meterstone.people.guard import Cookies
from meterstone.people.rights import Role
from oidc.judge import node

LEAST = {"performance": 95, "accessibility": 100, "best-practices": 100}
MOST_BYTES = 300_000
FORMS = ("mobile", "desktop")
_JUDGED = ("binary", "numeric", "metricSavings")


@dataclass(frozen=True)
class Marks:
    """What Lighthouse says of a page in one form."""

    page: str
    form: str
    marks: dict[str, int]
    bytes: int
    paint_ms: float
    shift: float
    failed: list[str]

    @property
    def holds(self) -> bool:
        return self.bytes <= MOST_BYTES and all(self.marks[k] >= v for k, v in LEAST.items())


def look(house: House, role: Role, path: str, form: str) -> Marks:
    """One run of Lighthouse."""
    cookie = f"{Cookies(https=False).session}={house.cookie(role)}"
    command = [
        node(), str(lighthouse()), house.address + path, "--quiet", "--output=json",
        f"--only-categories={','.join(LEAST)}",
        "--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage",
        *(["--preset=desktop"] if form == "desktop" else []),
    ]  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".json") as headers:
        json.dump({"Cookie": cookie}, headers)
        headers.flush()
        done = subprocess.run(
            [*command, f"--extra-headers={headers.name}"],
            check=False, capture_output=True, text=True,
            env=os.environ | {"CHROME_PATH": str(chromium())},
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{path}: {done.stderr[-1000:]}")
    return _read(path, form, json.loads(done.stdout))


def _read(path: str, form: str, told: dict[str, Any]) -> Marks:
    audits = told["audits"]
    if told["finalDisplayedUrl"].split("?")[0].rstrip("/").endswith("/login"):
        raise SystemExit(f"{path}: led to the sign-in")
    failed = [
        " ".join(filter(None, (audit["title"], audit.get("displayValue"))))
        for audit in audits.values()
        if audit["scoreDisplayMode"] in _JUDGED and audit["score"] is not None
        and audit["score"] < 0.9
    ]  # fmt: skip
    return Marks(
        path, form,
        {key: round(100 * told["categories"][key]["score"]) for key in LEAST},
        int(audits["total-byte-weight"]["numericValue"]),
        audits["largest-contentful-paint"]["numericValue"],
        audits["cumulative-layout-shift"]["numericValue"],
        failed,
    )  # fmt: skip


def page(found: list[Marks], version: str, days: int) -> str:
    """The result as a page of the docs."""
    lines = [
        "# Lighthouse on the three dashboards",
        "",
        f"`./run proof lighthouse`, {datetime.now(UTC):%Y-%m-%d}: Lighthouse {version} on "
        "Debian's Chromium, on two cores that the demonstration shares (simulated data, "
        f"{days} days of history). Wanted: performance ≥ 95, accessibility 100, best practices "
        "100, page weight ≤ 300 kB.",
        "",
        "| page | as | performance | accessibility | best practices | weight, kB "
        "| largest paint, s | layout shift | holds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in found:
        marks = " | ".join(str(each.marks[key]) for key in LEAST)
        lines.append(
            f"| `{each.page}` | {each.form} | {marks} | {each.bytes / 1000:.0f} | "
            f"{each.paint_ms / 1000:.1f} | {each.shift:.3f} | {'yes' if each.holds else '**no**'} |"
        )
    told = [f"- `{each.page}` as {each.form}: {what}" for each in found for what in each.failed]
    if told:
        lines += ["", "What it would better:", "", *told]
    return "\n".join([*lines, ""])


def main() -> int:
    """Exit code 0 when every mark holds."""
    options = argparse.ArgumentParser()
    options.add_argument("--out", type=Path, required=True)
    out = options.parse_args().out
    if lacks := missing():
        raise SystemExit(f"lighthouse: needs {lacks}")
    with tempfile.TemporaryDirectory() as folder, given() or demonstration(Path(folder)) as house:
        pages = {
            Role.EXECUTIVE: "/executive", Role.OPERATOR: "/operations",
            Role.OWNER: f"/owners/{house.shop}",
        }  # fmt: skip
        found = [look(house, role, path, form) for role, path in pages.items() for form in FORMS]
        days = len(house.history())
    version = json.loads((lighthouse().parents[1] / "package.json").read_text())["version"]
    text = page(found, version, days)
    out.write_text(text, encoding="utf-8")
    print(text)
    return 0 if all(each.holds for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
