"""The kill proof of webhooks in small; ``./run proof webhooks`` is the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]


def test_a_webhook_that_was_answered_survives_kill_9() -> None:
    path = os.pathsep.join((os.environ.get("PYTHONPATH", ""), str(_TESTS)))
    ran = subprocess.run(
        [sys.executable, str(_TESTS / "proof" / "kill_webhooks.py"), "--kills", "2"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = dict(
        line.strip("| ").split(" | ") for line in ran.stdout.splitlines() if " | " in line
    )
    assert figures["lost payments"] == figures["payments twice"] == "0"
    assert int(figures["events acknowledged"]) > 20
