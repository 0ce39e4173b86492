"""A run: asked for, made with progress, its files as told, its fact; done again after a kill."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from meterstone.app import Home
from meterstone.errors import InputError
from meterstone.ledger import Ledger
from meterstone.publish.reports import service
from meterstone.publish.reports.service import MAKE, Reports
from publish.reports.test_files import Board, _card


@pytest.fixture
def told() -> list[dict[str, object]]:
    return []


@pytest.fixture
def reports(tmp_path: Path, told: list[dict[str, object]]) -> Reports:
    board = Board(_card())
    return Reports(
        Ledger.open(tmp_path), lambda: board, lambda: None, tmp_path / "reports",
        lambda lines, _name: told.extend(map(json.loads, lines.splitlines())),
    )  # fmt: skip


def test_a_report_is_made_and_told(reports, told, tmp_path) -> None:
    asked = reports.ask("daily", "person:1")
    job = reports._ledger.queue.claim("worker", [MAKE])
    assert job is not None
    reports.handlers[MAKE](job)
    with reports._ledger.read() as seen:
        run = seen.reports.get(asked.id)
    assert (run.state, run.done, run.parts) == ("made", 4, 4)
    assert [file["name"].rpartition(".")[2] for file in run.files] == ["pdf", "xlsx", "eml"]
    for file in run.files:
        data = (tmp_path / "reports" / run.id / file["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
    assert [(fact["run_id"], fact["kind"]) for fact in told] == [(run.id, "on_demand")]
    assert told[0]["available_at"] >= told[0]["requested_at"]
    assert reports.tell() == 0


def test_a_killed_run_goes_on_with_the_files_that_it_has(reports, told, monkeypatch) -> None:
    asked = reports.ask("daily", "person:1")

    class Killed(BaseException):
        pass

    def kill(*_given):
        raise Killed

    whole = dict(service._FILES)
    monkeypatch.setitem(service._FILES, ".xlsx", ("writing the spreadsheet", kill))
    with pytest.raises(Killed):
        reports.make(asked.id)
    monkeypatch.setitem(service._FILES, ".xlsx", whole[".xlsx"])
    monkeypatch.setitem(service._FILES, ".pdf", ("laying out the PDF", kill))
    assert reports.make(asked.id).state == "made"
    assert len(told) == 1


def test_the_fact_lands_in_a_home(tmp_path: Path) -> None:
    board = Board(_card())
    with Home(tmp_path) as home:
        home.__dict__["board"] = board
        run = home.reports.make(home.reports.ask("daily", "cli").id)
        done = home.recorder.map_new()
        rows = home.warehouse.query("SELECT run_id, report_key FROM facts.report_run").to_pylist()
    assert done.appended.new == 1
    assert rows == [{"run_id": run.id, "report_key": "meterstone:daily"}]


def test_what_does_not_exist_is_refused(reports) -> None:
    with pytest.raises(InputError, match="unknown report"):
        reports.ask("dayly", "person:1")
