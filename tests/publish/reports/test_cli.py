"""The commands of reports."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from meterstone.app import Home
from meterstone.cli import app
from publish.reports.test_files import Board, _card


def test_a_report_is_made_and_listed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Home, "board", Board(_card()))
    run = CliRunner().invoke(app, ["report", "make", "daily", "--home", str(tmp_path), "--json"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert [Path(file).suffix for file in told["files"]] == [".pdf", ".xlsx", ".eml"]
    assert all(Path(file).exists() for file in told["files"])
    listed = CliRunner().invoke(app, ["report", "list", "--home", str(tmp_path), "--json"])
    assert [each["id"] for each in json.loads(listed.stdout)] == [told["id"]]
