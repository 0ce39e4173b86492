"""Peak memory of ingesting and measuring a history, and ten times that history.

Each case runs in a process of its own and reports its ``ru_maxrss``. What DuckDB may use
(``memory_limit``) is part of it, so two limits are shown.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.engine import catalogue, measured_by, subject
from bench.report import Figure, Outcome
from bench.world import DAYS, World, day_end
from meterstone.measure.service import measure

LIMITS = ("1GB", "512MB")
SHORT = DAYS // 10


def run(requests: int, step: Callable[[str], None], *, whole: bool = False) -> Outcome:
    """Peak resident memory at a tenth of a year and at a year, by memory limit."""
    figures = []
    for limit in LIMITS:
        peaks = []
        for days in (SHORT, DAYS):
            step(f"{days} days, DuckDB within {limit}")
            peaks.append(_peak(requests, days, limit, whole=whole))
        figures.append(
            Figure(
                f"peak memory of {DAYS} days over {SHORT}, memory_limit {limit}",
                f"{peaks[1]:.0f} MiB", f"{peaks[0]:.0f} MiB", peaks[1] / peaks[0], 1.2,
            )
        )  # fmt: skip
    notes = [
        f"{requests:,} requests a year and the other facts, appended ten days at a time; then one "
        "measurement with all gates, from empty rollups",
        "resident memory of the whole process: Python, arrow, and what DuckDB keeps of the file",
        measured_by(catalogue(whole=whole)),
    ]
    return Outcome("memory", figures, notes)


def _peak(requests: int, days: int, limit: str, *, whole: bool) -> float:
    done = subprocess.run(
        [
            sys.executable, "-m", "bench.memory", str(requests), str(days), limit,
            *(["whole"] if whole else []),
        ],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    return float(done.stdout)


def _child(requests: int, days: int, limit: str, *, whole: bool) -> float:
    with tempfile.TemporaryDirectory() as folder:
        made = subject(Path(folder, "warehouse.duckdb"), limit, whole=whole)
        World(requests).fill(made.warehouse, made.vocabulary, 0, days)
        measure(made, day_end(days - 1))
        made.warehouse.close()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(_child(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], whole=len(sys.argv) > 4))
