"""The demonstration: real sample data with a few targets of their own, and beside it, in a home of
its own, a simulated network with the whole framework."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

from meterstone.sandbox.network import PRESETS, simulate

DAY = date(2026, 6, 10)
"""The day that the demonstration reports: the last whole day of the sample data."""

SIMULATED_DAY = date(2026, 9, 30)
"""The day that is reported of the simulated network: its last one."""

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


def simulated_home(home: Path) -> Path:
    """Where the simulated network of a demonstration lives, apart from the real data."""
    return home / "simulated"


def simulated_paths(home: Path, on_progress: Callable[[str], None]) -> list[str]:
    """The fact files of the simulated network, made where they are missing."""
    made = simulate(PRESETS["honest"], simulated_home(home) / "network", on_progress)
    return [str(path) for path in made.files]
