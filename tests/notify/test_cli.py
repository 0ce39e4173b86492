"""`meterstone notify …`, run while another process holds the home."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meterstone.cli import main
from meterstone.ledger import Ledger
from notify.test_ways import web

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(
    migrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:  # fmt: skip
    shutil.copytree(migrated, tmp_path / "home")
    monkeypatch.setenv("METERSTONE_ALLOW_LOOPBACK", "1")

    def call(*arguments: str, as_json: bool = True) -> tuple[int, Any]:
        options = ["--home", str(tmp_path / "home"), *(["--json"] if as_json else [])]
        monkeypatch.setattr("sys.argv", ["meterstone", "notify", *arguments, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        text = said.out if as_json else said.out + said.err
        return int(ended.value.code or 0), json.loads(text) if as_json else text

    return call


def _channel(run: Run, folder: Path, port: int) -> None:
    file = folder / "url"
    file.write_text(f"json://me:a-secret@127.0.0.1:{port}\n")
    assert run("add", "on-call", "--url-file", str(file))[0] == 0


def test_a_channel_is_added_tested_and_removed_and_its_url_is_never_said(run, tmp_path) -> None:
    assert "No channel yet" in run("list", as_json=False)[1]
    with web() as (port, came):
        _channel(run, tmp_path, port)
        code, told = run("test", "on-call")
        assert (code, told["state"]) == (0, "sent")
        assert "took the test" in run("test", "on-call", as_json=False)[1]
    assert [each["title"] for each in came] == ["Test of on-call"] * 2
    said = run("list", as_json=False)[1]
    assert "channel on-call (json)" in said
    assert "Test of on-call" in said
    assert "a-secret" not in said + json.dumps(run("list")[1])
    assert run("remove", "on-call", as_json=False)[0] == 0
    assert run("list")[1]["channels"] == []


def test_a_test_that_is_not_taken_ends_with_an_error(run, tmp_path) -> None:
    with web(status=500) as (port, _):
        _channel(run, tmp_path, port)
        code, told = run("test", "on-call")
    assert code != 0
    assert "did not take" in json.dumps(told)
    assert "last failed" in run("list", as_json=False)[1]


def test_what_does_not_exist_is_refused(run, tmp_path) -> None:
    for wrong in (
        ("test", "nobody"), ("remove", "nobody"), ("again", "nothing"),
        ("add", "x", "--url-file", str(tmp_path / "missing")),
    ):  # fmt: skip
        assert run(*wrong, as_json=False)[0] != 0


def test_what_was_given_up_is_queued_again(run, tmp_path) -> None:
    with web(status=500) as (port, _):
        _channel(run, tmp_path, port)
        run("test", "on-call")
    (notice,) = run("list")[1]["notices"]
    assert run("again", notice["id"], as_json=False)[0] == 0
    with Ledger.open(tmp_path / "home") as ledger, ledger.read() as seen:
        assert [job.payload for job in seen.queue.all()] == [{"notice": notice["id"]}]
