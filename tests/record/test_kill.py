"""The kill proof in small; ``tests/proof/kill_ingest.py --kills 100`` is the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]


def test_what_was_acknowledged_survives_kill_9() -> None:
    path = os.pathsep.join((os.environ.get("PYTHONPATH", ""), str(_TESTS)))
    ran = subprocess.run(
        [
            sys.executable, str(_TESTS / "proof" / "kill_ingest.py"), "--kills", "3", "--seed", "7",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = dict(
        line.strip("| ").split(" | ") for line in ran.stdout.splitlines() if " | " in line
    )
    assert figures["kills"] == "3"
    assert figures["lost"] == figures["duplicated"] == "0"
    assert int(figures["acked rows"]) > 100
