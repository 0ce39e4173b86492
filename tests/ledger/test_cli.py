"""`meterstone audit …`: what is printed and which exit code is given."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from meterstone.app import Home
from meterstone.cli import main
from meterstone.ledger.store import Store, file_url, utc_now
from meterstone.ledger.tables import audit_entries, connections

Run = tuple[int, str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Home(tmp_path / "home") as opened, opened.ledger.change("anna") as change:
        change.connections.add(connector="square", account="M1", name="Main street")
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    def call(*arguments: str) -> Run:
        monkeypatch.setattr("sys.argv", ["meterstone", *arguments, "--home", str(home)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().out

    return call


def test_a_log_that_holds(run) -> None:
    assert run("audit", "verify") == (
        0, "2 entries, 2 signed checkpoints: nothing was edited\n",
    )  # fmt: skip
    code, text = run("audit", "verify", "--json")
    assert (code, json.loads(text)["holds"]) == (0, True)


def test_the_first_bad_entry_is_named_with_exit_1(run, home: Path) -> None:
    store = Store(file_url(home), utc_now)
    with store.changing("intruder") as transaction:
        transaction.run(
            sa.update(audit_entries).where(audit_entries.c.number == 1).values(entry="{}")
        )
    store.close()
    code, text = run("audit", "verify")
    assert (code, text) == (
        1, "entry 1 was edited: it does not have the hash that stands beside it\n",
    )  # fmt: skip
    code, text = run("audit", "verify", "--json")
    assert (code, json.loads(text)["bad"], json.loads(text)["holds"]) == (1, 1, False)


def test_a_bad_file_of_checkpoints_is_exit_1(run, home: Path) -> None:
    (home / "audit" / "checkpoints").write_text("x\n")
    code, text = run("audit", "verify")
    assert (code, text) == (1, "checkpoint 1: is not a checkpoint\n")


def test_a_copy_of_the_checkpoints(run, home: Path, tmp_path: Path) -> None:
    shutil.copy(home / "audit" / "checkpoints", tmp_path / "copy")
    (home / "audit" / "checkpoints").write_text("x\n")
    code, _ = run("audit", "verify", "--checkpoints", str(tmp_path / "copy"))
    assert code == 0


def test_unsigned_entries_are_counted(run, home: Path, tmp_path: Path) -> None:
    code, text = run("audit", "verify", "--checkpoints", str(tmp_path / "none"))
    assert (code, text.endswith("; 2 not signed yet\n")) == (0, True)


def test_the_entries_are_listed(run) -> None:
    code, text = run("audit", "list")
    assert code == 0
    assert "anna         connection.add square-" in text
    _, text = run("audit", "list", "--action", "connection.add", "--json")
    assert [entry["detail"]["account"] for entry in json.loads(text)] == ["M1"]


def test_the_key_is_rotated(run, home: Path) -> None:
    code, text = run("audit", "rotate-key", "--json")
    assert code == 0
    key = json.loads(text)["key"]
    assert [path.name for path in (home / "keys").glob("ledger-*")] == [f"ledger-{key}.key"]
    assert run("audit", "rotate-key") != (0, f"the ledger is sealed by key {key}\n")


def test_a_home_keeps_its_ledger_where_the_setting_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere.sqlite"
    monkeypatch.setenv("METERSTONE_LEDGER_URL", f"sqlite:///{elsewhere}")
    with Home(tmp_path / "other") as opened, opened.ledger.change("anna") as change:
        change.connections.add(connector="square", account="M1")
        assert change._tx.run(sa.select(sa.func.count()).select_from(connections)).scalar() == 1
    assert elsewhere.exists()
    assert not (tmp_path / "other" / "ledger.sqlite").exists()
