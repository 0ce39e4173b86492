"""The checklist "Add a connector" of CONTRIBUTING.md, followed as it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.connect.acme import KEY, Acme, Handler, serving

from homes import Meterstone

ROOT = Path(__file__).parents[2]


Run = Callable[..., Any]


@pytest.fixture
def meterstone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Run:
    """Runs a command as a person does, and gives its document."""
    monkeypatch.setenv("METERSTONE_ALLOW_LOOPBACK", "1")
    ran = Meterstone(tmp_path / "home", monkeypatch, capfd)

    def run(*args: str, code: int = 0) -> Any:
        done = ran(*args, "--json")
        assert done.code == code, done.out + done.err
        return done.json

    return run


@pytest.fixture
def vendor() -> Iterator[Acme]:
    with serving() as acme:
        acme.faults.append(answer)
        yield acme


def answer(handler: Handler) -> bool:
    """A vendor as the starter file describes one."""
    if handler.headers.get("Authorization") != f"Bearer {KEY}":
        handler.give({"error": {"message": "who are you?"}}, 401)
        return True
    pages = {"": ["p1", "p2"], "2": ["p3"]}
    number = "2" if "cursor=2" in handler.path else ""
    handler.give({"payments": [payment(ref) for ref in pages[number]],
                  "next_cursor": None if number else "2"})  # fmt: skip
    return True


def payment(ref: str) -> dict[str, Any]:
    return {
        "id": ref, "created_at": "2026-03-01T12:00:00Z", "updated_at": "2026-03-01T12:00:00Z",
        "amount": 1250, "currency": "USD", "status": "paid", "location_id": "F0001",
    }  # fmt: skip


def test_the_checklist_is_followed(meterstone: Run, tmp_path: Path, vendor: Acme) -> None:
    home = tmp_path / "home"
    begun = meterstone("connector", "init", "acme")  # 1
    file = Path(begun["file"])
    assert file == home / "connectors" / "acme" / "connector.yaml"

    text = file.read_text().replace("look_back: PT5M", "lookback: PT5M")
    file.write_text(text)
    wrong = meterstone("connector", "check", str(file), code=2)  # 5
    assert re.search(r"connector.yaml:\d+", wrong["place"])
    assert wrong["mend"] == "did you mean 'look_back'?"
    file.write_text(text.replace("lookback: PT5M", "look_back: PT5M"))
    assert meterstone("connector", "check", str(file))["streams"] == {"payments": ["payment"]}

    sample = tmp_path / "answer.json"
    sample.write_text(json.dumps({"payments": [payment("p1"), payment("p2") | {"status": "odd"}]}))
    arguments = ("connector", "test", str(file), "--sample", f"payments={sample}")
    [trial] = meterstone(*arguments, code=1)  # 6
    assert trial["rows"] == {"payment": 1}
    assert "'odd' is a word that the mapping does not know" in trial["refused"][0]["reason"]

    connected = meterstone(  # 7
        "connect", "acme", "--credential", f"key={KEY}", "--set", f"base_url={vendor.url}"
    )
    assert connected["status"] == "active"
    [first] = meterstone("sync", "acme")
    assert (first["status"], first["read"], first["written"]) == ("success", 3, 3)
    [second] = meterstone("sync", "acme")
    assert (second["status"], second["written"]) == ("success", 0)
    [listed] = meterstone("connections")
    assert listed["connector"] == "acme"
    assert listed["last_sync"] is not None


def test_the_checklist_names_what_the_test_does() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    part = text[text.index("## Add a connector") :]
    for command in ("connector init", "connector check", "connector test", "connect acme", "sync"):
        assert f"meterstone {command}" in part
