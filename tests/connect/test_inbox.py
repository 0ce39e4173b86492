"""Mails by folder and IMAP, and CSV uploads, into facts of a home; the commands for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.connect.imap_server import MailServer, mail_server
from tests.connect.leads_truth import comparable, simulated
from tests.connect.sandboxed import Sandboxed, sandboxed
from tests.connect.test_intake import GOOD, HEADER, mail
from tests.sandbox.vendors import small_books
from typer.testing import CliRunner

from meterstone.app import Home
from meterstone.cli import app
from meterstone.connect.auth.wishes import Wish
from meterstone.connect.intake.inbox import Inbox
from meterstone.connect.intake.mailbox import LARGEST, Folder, Imap, MailboxError
from meterstone.errors import InputError
from meterstone.sandbox.ifpg import mail as ifpg_mail
from meterstone.sandbox.kit import Books
from meterstone.sandbox.kit.clock import Clock
from meterstone.sandbox.kit.faults import Faults
from meterstone.sandbox.kit.leads import Leads


@contextmanager
def connected(folder: Path, connector: str = "ifpg") -> Iterator[tuple[Sandboxed, Inbox, str]]:
    with sandboxed(folder) as home:
        made = home.access.connect(connector, {}, Wish(account="broker"))
        yield home, Inbox(home.hub, home.log), made.id


def imap(server: MailServer, **other: Any) -> Imap:
    given: dict[str, Any] = {
        "host": "127.0.0.1", "user": server.user, "password": server.password,
        "port": server.port, "tls": False, "timeout_s": 5.0,
    }  # fmt: skip
    return Imap(**(given | other))


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return small_books(tmp_path_factory.mktemp("inbox"))


def test_a_mailbox_gives_the_simulated_deals_and_nothing_twice(
    books: Books, tmp_path: Path
) -> None:
    clock = Clock()
    leads = Leads("ifpg", books, 1, clock, Faults(clock, seed=1), ifpg_mail)
    with mail_server() as server, connected(tmp_path) as (home, inbox, connection):
        server.mails = dict(enumerate(leads.mails(), 1))
        taken = inbox.take_mails(connection, imap(server))
        assert (taken.read, taken.known, taken.refused) == (len(server.mails), 0, [])
        rows = home.facts("deal")
        assert comparable(rows, "deal") == simulated(books, "deal", "ifpg")
        again = inbox.take_mails(connection, imap(server), since=date(2026, 9, 1))
        assert (again.known, again.facts) == (len(server.mails), 0)
        assert comparable(home.facts("deal"), "deal") == simulated(books, "deal", "ifpg")
        assert b"SEARCH SINCE 1-Sep-2026" in server.asked
        runs = home.facts("sync_run")
        assert [(r["mode"], r["direction"], r["status"]) for r in runs] == [
            ("file", "in", "success")
        ] * 2


def test_bad_mails_are_in_quarantine_and_good_ones_are_facts(tmp_path: Path) -> None:
    box = tmp_path / "mails"
    box.mkdir()
    (box / "1.eml").write_bytes(mail())
    (box / "2.eml").write_bytes(mail(Subject="Lunch?"))
    (box / "3.eml").write_bytes(mail("Candidate: Other\n"))
    (box / "4.eml").write_bytes(b"From: x@ifpg.org\r\n\r\n" + b"x" * (LARGEST + 10))
    with connected(tmp_path) as (home, inbox, connection):
        taken = inbox.take_mails(connection, Folder(box))
        assert (taken.read, taken.facts) == (4, 2)
        assert [reject.reason for reject in taken.refused] == [
            "the subject is not 'Territory Check from IFPG Member …'",
            "the message is larger than 5 MiB",
        ]
        assert len(home.facts("deal")) == 2
        assert len(home.log.quarantined()) == 2
        [run] = home.facts("sync_run")
        assert (run["status"], run["records_failed"]) == ("partial", 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "wrong guess"}, "refuses the sign-in"),
        ({"folder": "Elsewhere"}, "no folder 'Elsewhere'"),
        ({"port": 1}, "cannot be reached"),
    ],
)
def test_a_mailbox_that_cannot_be_read_says_why_and_no_password(
    change: dict[str, Any], said: str
) -> None:
    with mail_server() as server:
        mailbox = imap(server, **change)
        with pytest.raises(MailboxError, match=said) as refused:
            list(mailbox.messages())
    told = str(refused.value) + repr(mailbox) + repr(refused.value.__cause__)
    assert "wrong guess" not in told
    assert server.password not in told


def test_what_was_read_before_the_server_hung_up_is_kept(tmp_path: Path) -> None:
    with mail_server() as server, connected(tmp_path) as (home, inbox, connection):
        server.mails = {1: mail()}
        server.hangs_up = True
        with pytest.raises(MailboxError, match="stopped answering"):
            inbox.take_mails(connection, imap(server))
        server.hangs_up = False
        assert inbox.take_mails(connection, imap(server)).facts == 1
        assert len(home.facts("deal")) == 1


def test_imap_without_tls_goes_to_this_machine_only() -> None:
    with pytest.raises(InputError, match="without TLS"):
        list(Imap("mail.example.org", "u", "p", tls=False).messages())


def test_a_connection_with_an_api_takes_no_files(tmp_path: Path) -> None:
    with sandboxed(tmp_path) as home:
        with home.hub.ledger.change("test") as change:
            made = change.connections.add(connector="square", account="M1", status="active")
        with pytest.raises(InputError, match="Square has an API"):
            Inbox(home.hub, home.log).take_csv(made.id, b"")


def test_a_sender_without_a_link_is_not_asked(tmp_path: Path) -> None:
    with connected(tmp_path, "fransmart") as (home, _inbox, connection):
        assert home.hub.streams(home.hub.connection(connection)) == []


def test_the_command_takes_a_file(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_bytes(HEADER + GOOD + b"L2,new\r\n")
    folder = tmp_path / "home"
    with Home(folder) as home:
        made = home.access.connect("fransmart", {}, Wish(account="brand"))
    words = ["intake", made.id, "--csv", str(file), "--home", str(folder), "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["read"], told["facts"]) == (1, 1)
    assert told["refused"][0]["reason"] == "line 3 has 2 cells; the header has 7"
    again = CliRunner().invoke(app, words)
    assert json.loads(again.stdout)["known"] == 1
    assert again.exit_code == 0
