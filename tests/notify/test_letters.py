"""A report's mail over a real connection; a process that is killed when its message was taken."""

from __future__ import annotations

import email
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP, default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from meterstone.connect.egress import VENDORS, Egress
from meterstone.ledger import Ledger
from meterstone.notify.letters import NotDelivered
from meterstone.notify.service import SEND, Notifications
from meterstone.notify.ways import Ways
from notify.test_ways import mail_server, web

AT = datetime(2026, 3, 3, 6, 0, tzinfo=UTC)
WAYS = Ways(Egress(VENDORS.with_loopback()), "https://us.example")
PNG = b"\x89PNG\r\n\x1a\nfor a picture"
PDF = b"%PDF-1.7 \xff\xfe for a file"


def _mail_url(port: int) -> str:
    return (
        f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&from=hub@example.com&to=ops@example.com"
        "&cc=board@example.com&bcc=audit@example.com"
    )


def _letter() -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    made["Subject"] = "Daily operations: Größe"
    made.set_content("In plain text: ünd a link.\n.\nAfter a dot.")
    made.add_alternative("<p>In <b>HTML</b>: ünd.</p>", subtype="html")
    made.get_payload()[1].add_related(PNG, "image", "png", cid="<gauge-1>")
    made.add_attachment(PDF, "application", "pdf", filename="report.pdf")
    return made


def _taken(came: list[str]) -> bytes:
    """The mail as the server took it, from what was said on the line."""
    begin, end = came.index("data") + 1, came.index(".", came.index("data"))
    lines = [line.removeprefix(".") for line in came[begin:end]]
    return "\r\n".join(lines).encode()


def _sent(port: int) -> None:
    assert WAYS.mail(_mail_url(port), _letter(), "n1", AT)


def test_a_report_arrives_as_it_was_made_at_everybody() -> None:
    with mail_server() as (port, came):
        _sent(port)
    told = email.message_from_bytes(_taken(came), policy=default)
    assert told["Subject"] == "Daily operations: Größe"
    assert "hub@example.com" in told["From"]
    assert (told["To"], told["Cc"], told["Bcc"]) == ("ops@example.com", "board@example.com", None)
    assert told["Message-ID"] == "<n1@example.com>"
    assert told["Date"].datetime == AT
    plain, html = told.get_body(("plain",)), told.get_body(("html",))
    assert "ünd a link.\n.\nAfter a dot." in plain.get_content().replace("\r\n", "\n")
    assert "<b>HTML</b>: ünd" in html.get_content()
    parts = {part.get_content_type(): part for part in told.walk()}
    assert parts["image/png"].get_content() == PNG
    assert parts["image/png"]["Content-ID"] == "<gauge-1>"
    assert parts["application/pdf"].get_content() == PDF
    receivers = [line for line in came if line.lower().startswith("rcpt")]
    assert len(receivers) == 3
    assert "audit@example.com" in " ".join(receivers)


def test_the_same_report_is_the_same_bytes_but_for_the_marks_between_its_parts() -> None:
    with mail_server() as (port, first):
        _sent(port)
    with mail_server() as (port, second):
        _sent(port)

    def heads(came: list[str]) -> dict[str, str]:
        told = email.message_from_bytes(_taken(came), policy=default)
        return {name: str(told[name]) for name in ("Subject", "To", "Date", "Message-ID")}

    assert heads(first) == heads(second)


def test_what_is_no_mail_is_left_to_its_text() -> None:
    with web() as (port, came):
        assert not WAYS.mail(f"json://127.0.0.1:{port}", _letter(), "n1", AT)
    assert came == []


def test_a_refused_sign_in_is_told_without_the_url() -> None:
    with mail_server() as (port, _), pytest.raises(NotDelivered) as failed:
        WAYS.mail(_mail_url(port).replace("mailto://", "mailto://me:a-secret@"), _letter(), "n", AT)
    assert "a-secret" not in f"{failed.value} {failed.value.as_dict()}"


@pytest.fixture
def ledger(migrated: Path, tmp_path: Path) -> Iterator[Ledger]:
    shutil.copytree(migrated, tmp_path / "home")
    with Ledger.open(tmp_path / "home") as opened:
        yield opened


def test_a_report_on_time_goes_over_mail_whole_and_over_others_as_text(ledger: Ledger) -> None:
    notify = Notifications(
        ledger, WAYS, "https://us.example",
        letter=lambda notice: _letter() if notice.route == "report:r1" else None,
    )  # fmt: skip
    with mail_server() as (mails, mailed), web() as (port, came):
        channels = [
            notify.add_channel("board", _mail_url(mails), "test"),
            notify.add_channel("chat", f"json://127.0.0.1:{port}", "test"),
        ]
        with ledger.change("reports") as change:
            for channel in (*(each.id for each in channels), "removed"):
                notify.post(change, channel, "Daily", "See https://us.example/r", "report:r1")
        for _ in channels:
            job = ledger.queue.claim("w", [SEND])
            assert job is not None
            notify.handlers[SEND](job)
            ledger.queue.done(job)
        assert ledger.queue.claim("w", [SEND]) is None
    assert [(notice.state, notice.reason) for notice in notify.notices()] == [
        ("sent", "report")
    ] * 2
    assert b"application/pdf" in _taken(mailed)
    assert [(each["title"], each["message"]) for each in came] == [
        ("Daily", "See https://us.example/r")
    ]


_SENDER = """
import sys
from pathlib import Path
from meterstone.connect.egress import VENDORS, Egress
from meterstone.ledger import Ledger
from meterstone.notify.service import SEND, Notifications
from meterstone.notify.ways import Ways
with Ledger.open(Path(sys.argv[1])) as ledger:
    notify = Notifications(ledger, Ways(Egress(VENDORS.with_loopback())), "https://us.example")
    job = ledger.queue.claim("killed", [SEND], lease_s=30)
    notify.handlers[SEND](job)
    ledger.queue.done(job)
"""


def test_a_process_killed_when_its_message_was_taken_sends_it_again_and_loses_none(
    migrated: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(migrated, home)
    came: list[int] = []
    victim: list[subprocess.Popen[bytes]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            came.append(len(came))
            if len(came) == 1:
                os.kill(victim[0].pid, signal.SIGKILL)  # it was taken, and is not noted
                victim[0].wait(60)
                return
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    moment = [datetime.now(UTC)]
    try:
        with Ledger.open(home, clock=lambda: moment[0]) as ledger:
            notify = Notifications(ledger, WAYS, "https://us.example")
            channel = notify.add_channel(
                "hook", f"json://127.0.0.1:{server.server_address[1]}", "test"
            )
            with ledger.change("test") as change:
                notify.post(change, channel.id, "Daily", "It is there.", "report:r1")
            victim.append(subprocess.Popen([sys.executable, "-c", _SENDER, str(home)]))
            assert victim[0].wait(60) == -signal.SIGKILL
            assert [notice.state for notice in notify.notices()] == ["waiting"]
            assert ledger.queue.claim("w", [SEND]) is None  # the lease of the dead one holds
            moment[0] += timedelta(seconds=600)
            job = ledger.queue.claim("w", [SEND])
            assert job is not None
            notify.handlers[SEND](job)
            ledger.queue.done(job)
            assert [notice.state for notice in notify.notices()] == ["sent"]
            notify.handlers[SEND](job)  # done once more, it is not sent once more
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(came) == 2
