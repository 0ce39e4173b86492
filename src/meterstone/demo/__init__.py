"""The demonstration: real sample data, the framework's catalogue and a few targets of its own."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

DAY = date(2026, 6, 10)
"""The day that the demonstration reports: the last whole day of the sample data."""

CONTEXT = {"entered_by": "demo", "entered_role": "demo"}

_HERE = Path(__file__).parent


def paths() -> list[str]:
    """The sample files, in the order in which they are loaded."""
    names = ("upptime_checks.csv", "access.log.gz", "status_incidents.json")
    return [str(_HERE / "data" / name) for name in names]


def prepare(home: Path) -> None:
    """Give a home the catalogue of the demonstration, where it has none."""
    target = home / "catalogue"
    if not target.exists():
        shutil.copytree(_HERE / "catalogue", target)
