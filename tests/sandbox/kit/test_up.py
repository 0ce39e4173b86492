"""``meterstone sandbox up``: first a line with what clients need, then service until SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2


def test_the_first_line_is_what_clients_need_and_a_signal_ends_it(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "meterstone", "sandbox", "up", "--shops", "3", "--months", "2",
        "--only", "square", "--only", "clover", "--fault", "square:error", "--json",
        "--home", str(tmp_path),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, _ended(process):
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert set(told) == {"square", "clover"}
        square = told["square"]
        assert set(square) >= {"base_url", "client_id", "client_secret", "token", "account"}
        assert httpx2.get(square["base_url"] + "/v2/locations").status_code == 503
        clover = told["clover"]
        profile = httpx2.get(
            f"{clover['base_url']}/v3/merchants/{clover['account']}",
            headers={"authorization": f"Bearer {clover['token']}"},
        )
        assert profile.json()["name"] == clover["accounts"][0]["franchise_id"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    written = tmp_path / "sandbox" / "square.json"
    assert json.loads(written.read_text()) == square
    assert stat.S_IMODE(os.stat(written).st_mode) == 0o600


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """A test that fails leaves nothing behind."""
    try:
        yield
    finally:
        process.kill()


def test_a_vendor_or_fault_that_nobody_has_is_said_so(tmp_path: Path) -> None:
    def error(*options: str) -> str:
        command = [sys.executable, "-m", "meterstone", "sandbox", "up", "--json", *options]
        made = ["--shops", "3", "--months", "2", "--home", str(tmp_path)]
        ended = subprocess.run(command + made, capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        return str(json.loads(ended.stdout)["cause"])

    assert "squarre" in error("--only", "squarre")
    assert "latenzy" in error("--only", "square", "--fault", "latenzy")
