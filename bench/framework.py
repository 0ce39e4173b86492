"""All 231 targets over a simulated year of 200 franchises and nine integrations: time and memory.

The network is that of ``meterstone simulate honest --shops 200 --months 12`` (simulated). It is
ingested through the public way; the measurement runs in a process of its own, which reports its
``ru_maxrss``.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.report import Figure, Outcome
from meterstone.app import Home
from meterstone.measure.service import Measuring
from meterstone.record.ingest import ingest
from meterstone.sandbox.network import Preset, preset, simulate

SHOPS, MONTHS = 200, 12
MOST_MIB = 2048
"""The framework has to be measured within so much memory."""


def network() -> Preset:
    """The network that is measured."""
    return preset("honest", shops=SHOPS, months=MONTHS)


def run(_rows: int, step: Callable[[str], None], *, whole: bool = False) -> Outcome:
    """Peak memory and time of one measurement of everything, and again with all gates."""
    del whole  # it is always the whole framework
    with tempfile.TemporaryDirectory() as folder:
        step("a simulated year")
        made = simulate(network(), Path(folder, "network"))
        step(f"{made.rows:,} facts ingested")
        with Home(Path(folder, "home")) as home:
            began = time.perf_counter()
            ingest(home.recorder, [str(path) for path in made.files])
            ingested = time.perf_counter() - began
        figures, notes = [], []
        for title, gates in (("all targets", ""), ("all targets and all gates", "gates")):
            step(title)
            peak, seconds, results = _measured(Path(folder, "home"), gates)
            figures.append(
                Figure(
                    f"peak memory of measuring {title}", f"{peak:,.0f} MiB", f"{MOST_MIB:,} MiB",
                    peak / MOST_MIB, 1.0,
                )
            )  # fmt: skip
            notes.append(f"{title}: {results:,.0f} results in {seconds:.1f} s, from empty rollups")
    pace = f"{ingested:.0f} s ({made.rows / ingested:,.0f} facts/s)"
    size = f"{SHOPS} simulated shops, nine integrations, {MONTHS} months"
    notes.append(f"{size}: {made.rows:,} facts, ingested in {pace}")
    notes.append("the other side is the limit; resident memory of the whole process")
    return Outcome("framework", figures, notes)


def _measured(home: Path, gates: str) -> tuple[float, float, float]:
    """Peak MiB, seconds and number of results of a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.framework", str(home), gates],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    peak, seconds, results = done.stdout.split()
    return float(peak), float(seconds), float(results)


def _child(home: Path, *, gates: bool) -> str:
    with Home(home) as opened:
        subject = opened.subject
        began = time.perf_counter()
        found = Measuring(subject, network().end, None).measurement(gates=gates)
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{peak} {seconds} {len(found.metrics)}"


if __name__ == "__main__":
    print(_child(Path(sys.argv[1]), gates=sys.argv[2] == "gates"))
