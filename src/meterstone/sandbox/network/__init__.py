"""A simulated franchise network: facts in the files that `meterstone ingest` reads, and apart from
them what is true.

    presets ──▶ world ──▶ domain modules ──▶ facts/NNN/<fact>.parquet
                                         └─▶ truth.json (the measuring side never reads it)
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.presets import PRESETS, Preset, preset
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import World

__all__ = ["DOMAINS", "PRESETS", "Preset", "Simulated", "preset", "simulate"]

DOMAINS = (
    "shops",
    "people",
    "work",
    "sales",
    "billing",
    "pipeline",
    "operations",
    "owners",
    "returns",
    "market",
    "assurance",
    "people_score",
    "dashboard",
    "programme",
)
"""Domain modules in the order in which they run: a later one may use what earlier ones made."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulated network on disk: fact files in the order of ingestion, and the truth file."""

    preset: Preset
    files: list[Path]
    truth: Path
    rows: int


def simulate(
    chosen: Preset, out: Path, on_progress: Callable[[str], None] = lambda _: None
) -> Simulated:
    """Simulate a network and write it to a folder.

    Args:
        chosen: what to simulate.
        out: folder for ``facts/`` and ``truth.json``; made where missing.
        on_progress: told the name of each part before it is made.
    """
    on_progress("world")
    world, facts, truth = World(chosen), Facts(), Truth()
    for name in DOMAINS:
        on_progress(name)
        importlib.import_module(f"{__name__}.{name}").simulate(world, facts, truth)
    on_progress("files")
    files = facts.write(out / "facts")
    path = out / "truth.json"
    truth.write(path, story=chosen.story, seed=chosen.seed, at=chosen.end)
    return Simulated(chosen, files, path, facts.count())
