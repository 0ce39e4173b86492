"""Anomalies: the score of the Numenta Anomaly Benchmark beside the published ones.

Ours is `meterstone.insight.anomalies` as the command uses it; beside it the benchmark's own
baseline on the same series. Published scores are of all 58 series.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from bench import nab
from bench.report import Figure, Outcome
from meterstone.insight.anomalies import anomalies

PUBLISHED = {
    "ARTime": 74.9, "Numenta HTM": 70.1, "CAD OSE": 69.9, "KNN CAD": 58.0,
    "windowed Gaussian": 39.6, "random": 11.0,
}  # fmt: skip
"""Scoreboard of the benchmark, standard profile."""

WHOLE = "BENCH_NAB"
"""A folder with all of the benchmark (github.com/numenta/NAB); else what the shared folder has."""
_SHARED = Path(os.environ.get("METERSTONE_SHARED", Path(__file__).parents[2] / "shared"))
_USED = 0.5


def run(_rows: int, step: Callable[[str], None], **_: object) -> Outcome:
    """Score ours and the baseline under the three profiles."""
    folder = Path(os.environ.get(WHOLE, _SHARED / "data" / "anomaly"))
    series = nab.labelled(folder)
    ours, gauss = [], []
    began = time.perf_counter()
    for one in series:
        step(one.name)
        ours.append([found.score for found in anomalies(one.values)])
    took = time.perf_counter() - began
    gauss = [nab.windowed_gaussian(one.values) for one in series]
    figures, notes = [], []
    for profile in nab.profiles(folder):
        mine, base = (nab.score(series, each, profile) for each in (ours, gauss))
        figures.append(
            Figure(
                f"NAB, {profile.name}", f"{mine.score:.1f}", f"{base.score:.1f}",
                mine.score / base.score, 1.0, at_least=True,
            )
        )  # fmt: skip
        used = nab.score(series, ours, profile, _USED)
        notes.append(
            f"{profile.name}: {mine.found} of {mine.windows} windows, {mine.false} detections "
            f"outside any; at the threshold that the command uses {used.score:.1f}, {used.found} "
            f"and {used.false}"
        )
    values = sum(len(one.values) for one in series)
    published = ", ".join(f"{name} {value}" for name, value in PUBLISHED.items())
    return Outcome(
        "anomaly", figures,
        [
            "other side: the benchmark's windowed Gaussian on the same series",
            f"published, standard profile, all 58 series: {published}",
            f"{len(series)} of the 58 series, {values:,} values, {values / took:,.0f} a second",
            *notes,
        ],
    )  # fmt: skip
