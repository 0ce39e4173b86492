"""`meterstone reconcile`: what is printed, the work list, and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.connect.acme import FILE as CONNECTOR
from tests.connect.acme import Acme, Key, OneKey, serving
from tests.connect.reconcile.test_reconciler import START, edit

from meterstone.app import Home
from meterstone.cli import main
from meterstone.connect.egress import VENDORS, Egress

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def acme() -> Iterator[Acme]:
    with serving() as vendor:
        yield vendor


@pytest.fixture
def run(
    tmp_path: Path, acme: Acme, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    home = tmp_path / "home"
    own = home / "connectors" / "acme"
    own.mkdir(parents=True)
    (own / "connector.yaml").write_text(CONNECTOR.read_text())
    monkeypatch.setattr(Home, "access", OneKey(acme.url, Key()))
    monkeypatch.setattr(Home, "egress", property(lambda _: Egress(VENDORS.with_loopback())))
    acme.add(5)
    acme.put("z-newest", START.replace(day=20))
    with Home(home) as opened:
        with opened.ledger.change("test") as change:
            made = change.connections.add(connector="acme", account="M1", status="active")
        opened.hub.sync(made.id, "payments")

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["meterstone", *arguments, "--home", str(home)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    return call


def test_what_is_alike(run: Run) -> None:
    code, text = run("reconcile", "--full")
    assert code == 0
    assert "payments (full): 6 of 6 alike, 100.0000% of the money" in text
    assert text.endswith("Nothing is open.\n")


def test_what_differs_is_resolved(run: Run, acme: Acme) -> None:
    edit(acme, "p00001", status="CANCELED")
    code, text = run("reconcile", "acme", "--full", "--json")
    told = json.loads(text)
    assert (code, told["open"]) == (0, [])
    assert (told["reconciliations"][0]["mismatched"], told["reconciliations"][0]["open"]) == (1, 0)


def test_the_work_list(run: Run, acme: Acme) -> None:
    edit(acme, "p00001", status="CANCELED")
    code, text = run("reconcile", "--full", "--found-only")
    assert code == 1
    assert "status: vendor voided, copy completed" in text
    assert "(10.00 USD): found only" in text
    code, text = run("reconcile", "--open", "--json")
    (work,) = json.loads(text)["open"]
    assert (code, work["kind"]) == (1, "mismatched")
    assert run("reconcile", "--accept", str(work["id"]))[0] == 2
    code, text = run("reconcile", "--accept", str(work["id"]), "--reason", "known")
    assert (code, text) == (0, f"{work['id']} is off the work list: known\n")
    assert run("reconcile", "--open") == (0, "Nothing is open.\n")
    assert run("reconcile", "--accept", "99", "--reason", "x")[0] == 2
