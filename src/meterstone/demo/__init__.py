"""The demonstration: real sample data with a few targets of their own, and beside it, in a home of
its own, a simulated network with the whole framework."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from meterstone.app import Home
from meterstone.measure.results import Scope
from meterstone.record.ingest import ingest
from meterstone.sandbox.network import PRESETS, simulate
from meterstone.scorecard.canonical import canonical

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


def connected_home(home: Path) -> Path:
    """Where what comes from the nine vendors lives; made anew each time, as the vendors are."""
    return home / "connected"


def make_real(home: Path) -> None:
    """Load the real data, measure them, and leave the signed scorecard beside them."""
    prepare(home)
    with Home(home) as opened:
        ingest(opened.recorder, paths(), context=CONTEXT)
        _report(opened, DAY)


def make_simulated(home: Path) -> None:
    """Simulate a network, load and measure it, and leave the signed scorecard beside it."""
    folder = simulated_home(home)
    made = simulate(PRESETS["honest"], folder / "network")
    with Home(folder) as opened:
        ingest(opened.recorder, [str(path) for path in made.files])
        _report(opened, SIMULATED_DAY)


def _report(home: Home, day: date) -> None:
    document = home.scorecard(Scope("network"), day)
    (home.path / "scorecard.json").write_bytes(canonical(document))


def make(home: Path) -> None:
    """Both parts of the demonstration at the same time, each in a process of its own.

    Raises:
        MeterstoneError: as it came about in one of them.
    """
    parts = (make_real, make_simulated)
    with ProcessPoolExecutor(len(parts), mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(part, home) for part in parts]:
            done.result()


def document(home: Path) -> dict[str, Any]:
    """The scorecard that a part of the demonstration left."""
    found: dict[str, Any] = json.loads((home / "scorecard.json").read_bytes())
    return found
