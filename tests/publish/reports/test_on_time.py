"""The whole way in a working home: a plan, the report at its hour, its mail at a mail server."""

from __future__ import annotations

import email
import threading
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from email.policy import default
from pathlib import Path

import pytest

from homes import own_catalogue
from meterstone.app import Home
from meterstone.cli.live import worker_of
from notify.test_ways import mail_server
from publish.reports.test_files import Board, _card

WAIT_S = 100


def test_a_report_on_time_is_made_and_mailed_by_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METERSTONE_ALLOW_LOOPBACK", "1")
    own_catalogue(tmp_path)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    card = _card(yesterday)
    with Home(tmp_path) as home, mail_server(WAIT_S) as (port, came):
        home.__dict__["board"] = Board(card)
        url = f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&from=hub@example.com&to=ops@example.com"
        channel = home.notifications.add_channel("board", url, "test")
        home.planned.plan_all()
        home.planned.begin()
        daily = home.planned.plans()[0]
        home.planned.plan(
            replace(daily, at="00:00", since=yesterday, channels=(channel.id,)), "test"
        )
        sent, send = threading.Event(), home.notifications.handlers["notice_send"]
        worker = worker_of(home, 2)
        worker.handle("notice_send", lambda job: (send(job), sent.set())[0])
        worker.start()
        try:
            assert sent.wait(WAIT_S)
        finally:
            worker.stop()
        assert "sent" in [notice.state for notice in home.notifications.notices()]
        with home.ledger.read() as seen:
            runs = seen.reports.all()
        run = min(runs, key=lambda each: each.requested_at)  # at midnight the next one comes too
        assert len(home.notifications.notices()) <= len(runs)
    assert (run.mode, run.state, run.told) == ("scheduled", "made", "made")
    assert run.requested_at == datetime.combine(yesterday + timedelta(days=1), time(), UTC)
    begin = came.index("data") + 1
    text = "\r\n".join(line.removeprefix(".") for line in came[begin : came.index(".", begin)])
    mail = email.message_from_bytes(text.encode(), policy=default)
    assert mail["Subject"].startswith("Simulated: Daily operations")
    names = [part.get_filename() for part in mail.iter_attachments()]
    assert [Path(str(name)).suffix for name in names] == [".pdf", ".xlsx"]
    assert f"{home.notifications.url}/reports/{run.id}" in str(mail.get_body(("plain",)))
