"""Simulated networks for the long proofs, made once and kept in a folder."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from meterstone.app import Home
from meterstone.record.ingest import ingest
from meterstone.sandbox.network import preset, simulate
from sandbox.conftest import Network


def network(story: str, folder: Path, *, telemetry_days: int | None = None) -> Network:
    """A preset, simulated and ingested; a folder that has it already is used again."""
    made = folder / f"{story}-{telemetry_days or 'usual'}"
    home_path, truth = made / "home", made / "truth.json"
    quarantined = 0
    if not (made / "done").exists():
        began = time.monotonic()
        simulated = simulate(preset(story, telemetry_days=telemetry_days), made)
        with Home(home_path) as home:
            report = ingest(home.recorder, [str(path) for path in simulated.files])
            quarantined = report.mapping.rejected
        took = time.monotonic() - began
        print(
            f"{story}: {simulated.rows:,} facts simulated and ingested in {took:.0f} s", flush=True
        )
        (made / "done").touch()
    return Network(story, Home(home_path), json.loads(truth.read_text("utf-8")), quarantined)
