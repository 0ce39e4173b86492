"""Command ``drill``: known faults at stand-ins, and how well the alarms find them."""

from __future__ import annotations

import threading
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer

from meterstone.cli.shared import HomeOption, JsonOption, emit, log
from meterstone.demo.drilling import Ground, drill_all, ground
from meterstone.detect.drills import Figures, Task, figures, tasks
from meterstone.detect.text import percent, span
from meterstone.errors import InputError, suggest
from meterstone.ledger import Drill, Ledger
from meterstone.record.serving import ended_by_signals
from meterstone.sandbox.kit import KINDS, known_vendors
from meterstone.sandbox.network import preset, simulate
from meterstone.settings import home_path, setting

app = typer.Typer()

_SHOPS, _MONTHS = 6, 3


@app.command("drill")
def drill(
    drills: Annotated[int, typer.Option(help="How many, dealt out to the vendors.", min=1)] = 9,
    only: Annotated[list[str] | None, typer.Option(help="A vendor; repeat it.")] = None,
    fault: Annotated[list[str] | None, typer.Option(help="A fault; repeat it.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order of the faults.")] = 1,
    series: Annotated[str, typer.Option(help="Name of these drills; empty: the time.")] = "",
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Inject known faults at stand-ins of the vendors, and report how soon the alarms found them,
    how many they found, and how many of them were right.

    It works on a home of its own beside the real one, with simulated vendors and data; nothing real
    is called. What comes of it is kept in the ledger, and shown at /drills. Exits with 1 when a
    harmful fault was not found.

    Example: meterstone drill --drills 18 --only square --only clover
    """
    names = _known(only or [], known_vendors(), "--only")
    faults = _known(fault or [], [*KINDS, "silence"], "--fault")
    name = series or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    found: list[Drill] = []
    lock = threading.Lock()

    def done(one: Drill) -> None:
        with lock:
            found.append(one)
        log.print(line(one), markup=False, highlight=False, soft_wrap=True)

    with ended_by_signals(), TemporaryDirectory(prefix="meterstone-drill-") as folder:
        with log.status("simulating a network"):
            books = Path(folder) / "network"
            chosen = preset("honest", shops=_SHOPS, months=_MONTHS, telemetry_days=None, seed=seed)
            simulate(chosen, books)
        over = threading.Event()
        with ground(Path(folder) / "home", books, names) as at:
            plan = tasks(_chosen(at, faults), drills, seed)
            try:
                drill_all(at, plan, name, done, over)
            finally:
                over.set()
    _keep(found, home)
    made = figures(found)
    document = {
        "figures": asdict(made) | {"recall": made.recall, "precision": made.precision},
        "drills": [msgspec.to_builtins(each) for each in found],
    }
    emit(document, as_json=json_, text=summary(made))
    if made.found < made.harmful:
        raise typer.Exit(1)


def _known(asked: list[str], known: list[str], option: str) -> list[str]:
    for name in asked:
        if name not in known:
            raise InputError(f"there is no {name!r}", place=option, mend=suggest(name, known))
    return asked


def _chosen(at: Ground, faults: list[str]) -> dict[str, list[Task]]:
    can = {
        vendor: [task for task in own if not faults or task.fault in faults]
        for vendor, own in at.can().items()
    }
    if not any(can.values()):
        raise InputError("none of these vendors can have such a fault", place="--fault")
    return can


def _keep(found: list[Drill], home: Path | None) -> None:
    """The ledger alone is opened, so that it works while ``meterstone up`` serves the same home."""
    ledger = Ledger.open(home_path(home), setting("ledger_url") or None)
    try:
        with ledger.change("drill") as change:
            for one in sorted(found, key=lambda each: each.started_at):
                change.alerts.add_drill(one)
    finally:
        ledger.close()


def line(one: Drill) -> str:
    """A drill in one line."""
    if one.harmful:
        said = "NOT FOUND" if one.detected_s is None else f"found after {one.detected_s:.1f} s"
        over = "" if one.recovered_s is None else f", over {span(one.recovered_s)} after its end"
    else:
        said, over = ("no alarm, as is right" if not one.alarms else "A FALSE ALARM"), ""
    note = f"  ({one.note})" if one.note else ""
    return f"{one.vendor:12} {one.fault:10} {said}{over}{note}"


def summary(made: Figures) -> str:
    """The figures of some drills in words."""
    lines = [f"{made.drills} drills, {made.harmful} of them harmful; simulated vendors and data."]
    if made.median_s is not None and made.p95_s is not None and made.longest_s is not None:
        lines.append(
            f"Time to detection: median {made.median_s:.1f} s, 95 % within {made.p95_s:.1f} s, "
            f"longest {made.longest_s:.1f} s."
        )
    if made.recall is not None:
        lines.append(f"Found (recall): {made.found} of {made.harmful}, {percent(made.recall)}.")
    if made.precision is not None:
        lines.append(
            f"Alarms that were right (precision): {made.alarms - made.false} of {made.alarms}, "
            f"{percent(made.precision)}."
        )
    return "\n".join(lines)
