"""The kill proof in small; ``tests/proof/kill_ingest.py --kills 100`` is the whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PROOF = Path(__file__).parents[1] / "proof" / "kill_ingest.py"


def test_what_was_acknowledged_survives_kill_9() -> None:
    ran = subprocess.run(
        [sys.executable, str(_PROOF), "--kills", "3", "--seed", "7"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = dict(
        line.strip("| ").split(" | ") for line in ran.stdout.splitlines() if " | " in line
    )
    assert figures["kills"] == "3"
    assert figures["lost"] == figures["duplicated"] == "0"
    assert int(figures["acked rows"]) > 100
