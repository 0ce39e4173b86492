"""`meterstone people …`, run while another process holds the home."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meterstone.app import Home
from meterstone.cli import main
from meterstone.people.rights import Right, Role
from meterstone.people.sessions import Browser

from .conftest import PASSWORD

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Iterator[Home]:
    shutil.copytree(migrated, tmp_path / "home")
    with Home(tmp_path / "home") as held:
        yield held


@pytest.fixture
def run(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(*arguments: str, as_json: bool = True) -> tuple[int, Any]:
        options = ["--home", str(home.path), *(["--json"] if as_json else [])]
        monkeypatch.setattr("sys.argv", ["meterstone", "people", *arguments, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        text = capsys.readouterr().out
        return int(ended.value.code or 0), json.loads(text) if as_json else text

    return call


def test_a_person_is_added_and_follows_the_link(run: Run, home: Home) -> None:
    code, made = run("add", "Ana", "--role", "owner", "--franchise", "F1", "--franchise", "F2")
    assert code == 0
    assert made["franchises"] == ["F1", "F2"]
    assert not made["has_password"]
    assert "password" not in made
    secret = made["link"].partition("?link=")[2]
    begun = home.people.links.choose(secret, password=PASSWORD, browser=Browser())
    seen = home.people.sessions.of(begun.secret)
    assert seen is not None
    assert seen.principal.franchises == {"F1", "F2"}
    code, text = run("list", as_json=False)
    assert "ana" in text
    assert "F1, F2" in text
    assert "argon2" not in text


def test_a_person_with_a_password_from_a_file_signs_in(
    run: Run, home: Home, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n", encoding="utf-8")
    code, made = run("add", "ada", "--role", "admin", "--password-file", str(file))
    assert code == 0
    assert "link" not in made
    assert home.people.entrance.sign_in("ada", PASSWORD, Browser())
    assert run("add", "bo", "--role", "admin", "--password-file", str(tmp_path / "none"))[0] == 2


def test_a_token_is_made_shown_once_used_and_revoked(run: Run, home: Home) -> None:
    run("add", "ada", "--role", "admin")
    code, made = run("token", "ada", "--right", "ingest", "--right", "scrape", "--days", "7")
    assert code == 0
    seen = home.people.tokens.of(made["token"])
    assert seen is not None
    assert seen.principal.rights == {Right.INGEST, Right.SCRAPE, Right.SIGNED_IN}
    assert run("revoke", made["id"])[0] == 0
    # the process that serves believes what it saw for five seconds at most
    assert home.people.tokens.all()[0].revoked_at is not None
    code, told = run("token", "ada", "--right", "everything")
    assert code == 2
    assert "ingest" in told["mend"]
    code, text = run("token", "ada", "--right", "ingest", as_json=False)
    assert text.startswith("mst_")


def test_a_reset_ends_the_password_and_a_change_the_role(
    run: Run, home: Home, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD, encoding="utf-8")
    for name in ("ada", "bo"):
        run("add", name, "--role", "admin", "--password-file", str(file))
    secret = home.people.entrance.sign_in("bo", PASSWORD, Browser()).secret
    code, told = run("reset", "bo")
    assert (code, told["name"]) == (0, "bo")
    assert home.people.sessions.of(secret) is None
    assert home.people.directory.get("bo").password is None
    assert run("change", "bo", "--role", "analyst")[1]["role"] == Role.ANALYST
    assert run("change", "bo", "--disable")[1]["status"] == "disabled"
    assert run("change", "bo", "--enable")[1]["status"] == "active"
    assert run("change", "bo", "--enable", "--disable")[0] == 2
    assert run("change", "ada", "--disable")[0] == 2
    assert "One-time link" in run("link", "bo", as_json=False)[1]


def test_the_set_up_link_is_for_the_first_person_only(run: Run, home: Home) -> None:
    code, told = run("link")
    assert code == 0
    assert home.people.links.look(told["link"].partition("?link=")[2]).purpose == "setup"
    run("add", "ada", "--role", "admin")
    assert run("link")[0] == 2


def test_what_is_done_is_in_the_audit_log_with_who_did_it(run: Run, home: Home) -> None:
    run("add", "ada", "--role", "admin")
    _, made = run("token", "ada", "--right", "ingest")
    told = home.ledger.audit.entries(last=20)
    assert {("cli", "person.add"), ("cli", "link.add"), ("cli", "token.add")} <= {
        (entry.actor, entry.action) for entry in told
    }
    assert made["token"] not in str(told)
