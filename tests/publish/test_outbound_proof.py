"""The proof of webhooks out in small; ``./run proof outbound`` is the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]


def test_every_event_is_delivered_though_receivers_fail_and_the_deliverer_dies() -> None:
    path = os.pathsep.join((os.environ.get("PYTHONPATH", ""), str(_TESTS)))
    ran = subprocess.run(
        [
            sys.executable, str(_TESTS / "proof" / "outbound.py"), "--events", "100",
            "--kills", "2", "--seed", "7", "--faster", "3600", "--most-s", "300",
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
    assert figures["events"] == figures["delivered"] == "100"
    assert figures["lost"] == figures["out of order"] == "0"
    assert int(figures["bad answers"]) > 10
