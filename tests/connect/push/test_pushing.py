"""Publications as jobs, and by the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from tests.connect.push.test_push import DOCUMENT, TABLE, connected, rows_at
from typer.testing import CliRunner

from meterstone.app import Home
from meterstone.cli import app
from meterstone.connect.auth.wishes import Wish
from meterstone.connect.push import PUSH, Pushing, Ready
from meterstone.connect.worker import Worker
from meterstone.errors import InputError
from meterstone.sandbox.kit import Books, make, running


def test_a_publication_is_a_job_and_queues_the_next(tmp_path: Path) -> None:
    with connected("powerbi", tmp_path) as (home, made, connection, _url):
        pushing = Pushing(home.hub, lambda names: [Ready(TABLE)] if names else [])
        worker = Worker(home.hub)
        worker.handle(PUSH, pushing.handle)
        assert pushing.ensure() == pushing.ensure() == 1
        assert worker.run_once() == 1
        [run] = [r for r in home.facts("sync_run") if r["direction"] == "out"]
        assert (run["status"], run["connection_id"]) == ("success", connection.id)
        assert home.facts("report_run")
        dataset = made.entities["dataset"].select().page(0, 1)[0]["id"]
        assert len(rows_at(home, connection, dataset)) == 2
        assert worker.run_once() == 0  # the next one is due in six hours


def test_a_vendor_that_is_down_is_published_to_later(tmp_path: Path) -> None:
    with connected("powerbi", tmp_path) as (home, made, connection, _url):
        pushing = Pushing(home.hub, lambda _names: [Ready(TABLE)])
        made.faults.switch_on("error")
        [failed] = pushing.push(connection.id)
        assert failed.pushed is None
        assert failed.error is not None
        made.faults.switch_off()
        runs = [r for r in home.facts("sync_run") if r["direction"] == "out"]
        assert [r["status"] for r in runs] == ["failed"]


def test_nothing_is_published_at_a_lead_system(tmp_path: Path) -> None:
    with connected("tableau", tmp_path) as (home, _made, _connection, _url):
        other = home.access.connect("fransmart", {}, Wish(account="brand"))
        with pytest.raises(InputError, match="nothing is published at Fransmart"):
            Pushing(home.hub, lambda _names: []).push(other.id)


def test_the_command_publishes_the_scorecard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is measured is tried elsewhere, and takes its time: here it is given."""
    monkeypatch.setenv("METERSTONE_ALLOW_LOOPBACK", "1")
    monkeypatch.setattr(Home, "shown_scorecard", lambda _home, _scope, _day: DOCUMENT)
    folder, made = tmp_path / "home", make("tableau", cast(Books, None), 1)
    with running(made) as [url]:
        told = made.credentials(url)
        with Home(folder) as home:
            credentials = {name: told[name] for name in ("token_name", "token_secret")}
            home.access.register("tableau", credentials, settings=told["settings"])
            wish = Wish(account=told["account"], settings={"site": told["site"]})
            home.access.connect("tableau", credentials, wish)
        done = CliRunner().invoke(app, ["push", "tableau", "--home", str(folder), "--json"])
        assert done.exit_code == 0, done.stderr
        [published] = json.loads(done.stdout)
        assert published["table"] == "Scorecard"
        assert published["rows"] == 3
        assert published["error"] == ""
        kept = made.entities["datasource"].get(published["id"])
        assert kept is not None
        assert kept["name"] == "Scorecard"
        refused = CliRunner().invoke(app, ["push", "powerbi", "--home", str(folder)])
        assert isinstance(refused.exception, InputError)
