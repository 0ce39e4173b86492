"""The demonstration: a simulated network that lives, connected to stand-ins of nine vendors; and
apart from it, in a home of its own, real sample data with a few targets of their own."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

from meterstone.app import Home
from meterstone.record.ingest import ingest

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


def load_real(home: Home) -> None:
    """Load the real sample data."""
    ingest(home.recorder, paths(), context=CONTEXT)
