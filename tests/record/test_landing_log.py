"""The landing log: what a receipt promises."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from meterstone.errors import InputError, StorageError
from meterstone.facts import Reject
from meterstone.record import log as log_module
from meterstone.record.log import LandingLog
from meterstone.record.model import Incoming, Receipt


def body(content: bytes | str, form: str = "f", **context: str) -> Incoming:
    raw = content.encode() if isinstance(content, str) else content
    return Incoming(raw, form, "text/plain", "test", "name", context)


@contextmanager
def stuck(path: Path) -> Iterator[None]:
    """Holds the write lock of the file, so that commits queue up."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


def test_a_receipt_comes_after_the_commit(log: LandingLog, tmp_path: Path) -> None:
    found: list[bool] = []

    def look(done: Future[Receipt]) -> None:
        with closing(sqlite3.connect(tmp_path / "landing.sqlite")) as other:
            seq = done.result().seq
            row = other.execute("SELECT count(*) FROM landed WHERE seq = ?", (seq,)).fetchone()
            found.append(row == (1,))

    futures = [log.land_soon(body(str(n))) for n in range(50)]
    for future in futures:
        future.add_done_callback(look)
    log.close()
    assert found == [True] * 50


def test_waiting_records_share_a_commit(
    log: LandingLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    commit = LandingLog._commit

    def counted(
        self: LandingLog, connection: sqlite3.Connection, clock: object, batch: list[object]
    ) -> None:
        sizes.append(len(batch))
        commit(self, connection, clock, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(LandingLog, "_commit", counted)
    with stuck(tmp_path / "landing.sqlite"):
        futures = [log.land_soon(body(str(n))) for n in range(600)]
        assert not any(future.done() for future in futures[1:])
    assert [future.result().seq for future in futures] == list(range(1, 601))
    assert sum(sizes) == 600
    assert max(sizes) <= 512
    assert len(sizes) <= 4, "one commit that was waiting, then all others together"


def test_the_same_bytes_are_one_record(log: LandingLog) -> None:
    first = log.land(body("x"))
    assert not first.duplicate
    again = log.land(body("x"))
    assert again == Receipt(first.seq, first.received_at, duplicate=True)
    assert log.last_seq() == 1


@pytest.mark.parametrize("other", [body("y"), body("x", "g"), body("x", entered_by="ann")])
def test_other_bytes_format_or_context_are_another_record(log: LandingLog, other: Incoming) -> None:
    assert log.land(body("x")).seq != log.land(other).seq


def test_duplicates_within_one_commit(log: LandingLog, tmp_path: Path) -> None:
    with stuck(tmp_path / "landing.sqlite"):
        futures = [log.land_soon(body("x")) for _ in range(5)]
    receipts = [future.result() for future in futures]
    assert {receipt.seq for receipt in receipts} == {1}
    assert [receipt.duplicate for receipt in receipts] == [False, True, True, True, True]


def test_many_callers_at_once(log: LandingLog) -> None:
    def send(worker: int) -> list[tuple[int, int]]:
        # every body is sent by two workers
        return [(n, log.land(body(str(n + worker // 2 * 40))).seq) for n in range(40)]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(send, range(8)))
    assert results[::2] == results[1::2]
    assert log.last_seq() == 160
    assert [record.seq for record in log.read()] == list(range(1, 161))


def test_received_at_grows_though_the_clock_steps_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    steps = iter([0, -3600, -3600, 5, 5, 4])

    class Clock(datetime):
        @classmethod
        def now(cls, _tz: object = None) -> datetime:  # type: ignore[override]
            return now + timedelta(seconds=next(steps))

    monkeypatch.setattr(log_module, "datetime", Clock)
    times = []
    for half in ("abc", "def"):  # the log is opened anew in between
        log = LandingLog(tmp_path / "landing.sqlite")
        times += [log.land(body(letter)).received_at for letter in half]
        log.close()
    micro = timedelta(microseconds=1)
    later = now + timedelta(seconds=5)
    assert times == [now, now + micro, now + 2 * micro, later, later + micro, later + 2 * micro]


def test_what_was_landed_is_there_after_reopening(tmp_path: Path) -> None:
    log = LandingLog(tmp_path / "landing.sqlite")
    sent = [body(os.urandom(100), context_of="n"), body(b""), body("ü" * 1000, "g")]
    receipts = [log.land(incoming) for incoming in sent]
    log.close()
    log = LandingLog(tmp_path / "landing.sqlite")
    for incoming, receipt, record in zip(sent, receipts, log.read(), strict=True):
        assert record.body == incoming.body
        assert record.sha256 == incoming.sha256
        assert (record.format, record.media_type, record.source, record.name) == (
            incoming.format, "text/plain", "test", "name",
        )  # fmt: skip
        assert dict(record.context) == dict(incoming.context)
        assert (record.seq, record.received_at) == (receipt.seq, receipt.received_at)
    assert log.newest_received_at() == receipts[-1].received_at
    log.close()


def test_reading_in_batches_gives_every_record_once(
    log: LandingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "_READ_RECORDS", 4)
    monkeypatch.setattr(log_module, "_READ_BYTES", 100)
    sizes = [10, 10, 150, 90, 20, 5, 5, 5, 5, 5, 300, 300]
    for n, size in enumerate(sizes):
        log.land(body(bytes([n]) * size))
    assert [len(record.body) for record in log.read()] == sizes
    assert [record.seq for record in log.read(after=3, limit=6)] == [4, 5, 6, 7, 8, 9]
    assert list(log.read(after=12)) == []
    assert list(log.read(limit=0)) == []


def test_the_digest_is_of_all_records_up_to_a_moment(log: LandingLog) -> None:
    receipts = [log.land(body(letter)) for letter in "abc"]
    nothing = log.digest(receipts[0].received_at - timedelta(microseconds=1))
    assert nothing == (0, sha256().hexdigest())
    digests = b"".join(body(letter).sha256 for letter in "ab")
    assert log.digest(receipts[1].received_at) == (2, sha256(digests).hexdigest())
    assert log.digest(datetime.now(UTC))[0] == 3


def test_an_empty_log(log: LandingLog) -> None:
    assert log.last_seq() == 0
    assert log.newest_received_at() is None
    with pytest.raises(InputError, match="no landed record 1"):
        log.get(1)


def test_get_gives_that_record_and_no_other(log: LandingLog) -> None:
    for letter in "abc":
        log.land(body(letter))
    assert log.get(2).body == b"b"
    with pytest.raises(InputError, match="no landed record 4"):
        log.get(4)


def test_a_caller_that_gives_up_does_not_stop_the_log(log: LandingLog, tmp_path: Path) -> None:
    with stuck(tmp_path / "landing.sqlite"):
        futures = [log.land_soon(body(str(n))) for n in range(20)]
        cancelled = [future.cancel() for future in futures[10:]]
    assert any(cancelled)
    for future in futures[:10]:
        future.result()
    assert log.land(body("after")).seq == 20 - sum(cancelled) + 1


def test_a_closed_log_says_so(log: LandingLog) -> None:
    log.land(body("x"))
    log.close()
    log.close()
    with pytest.raises(StorageError, match="closed"):
        log.land(body("y"))


def test_closing_commits_what_waits(tmp_path: Path) -> None:
    log = LandingLog(tmp_path / "landing.sqlite")
    with stuck(tmp_path / "landing.sqlite"):
        futures = [log.land_soon(body(str(n))) for n in range(30)]
        closer = threading.Thread(target=log.close)
        closer.start()
    closer.join()
    assert all(future.done() for future in futures)
    assert log.last_seq() == 30


def test_a_name_that_is_no_text_is_refused_at_once(log: LandingLog) -> None:
    with pytest.raises(InputError, match="not valid Unicode"):
        log.land_soon(Incoming(b"x", "f", "text/plain", "test", "caf\udce9"))
    assert log.land(body("x")).seq == 1


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "landing.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError) as caught:
        LandingLog(tmp_path / "landing.sqlite")
    assert caught.value.place == str(tmp_path / "landing.sqlite")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="check that the folder exists"):
        LandingLog(tmp_path / "file" / "landing.sqlite")


def test_a_file_that_breaks_while_it_is_open(log: LandingLog, tmp_path: Path) -> None:
    log.land(body("x"))
    with closing(sqlite3.connect(tmp_path / "landing.sqlite")) as other:
        other.execute("DROP TABLE quarantine")
        other.execute("DROP TABLE landed")
    with pytest.raises(StorageError, match="no such table"):
        log.last_seq()
    with pytest.raises(StorageError, match="no such table"):
        log.mend([1])
    with pytest.raises(StorageError, match="no such table"):
        log.land(body("y"))


def test_the_quarantine(log: LandingLog) -> None:
    log.land(body("x"))
    wrong = [Reject(1, "r", "m", "e", "probe"), Reject(2, "r", "m")]
    log.quarantine((1, reject) for reject in wrong)
    log.quarantine((1, reject) for reject in wrong)
    one, two = log.quarantined()
    assert (one.seq, one.name, one.item, one.fact) == (1, "name", 1, "probe")
    assert (one.reason, one.mend, one.excerpt, one.state) == ("r", "m", "e", "open")
    assert datetime.now(UTC) - one.at < timedelta(minutes=1)
    assert two.item == 2
    log.mend([1])
    assert log.quarantined() == []
    assert [entry.state for entry in log.quarantined(None)] == ["mended", "mended"]
    log.clear_quarantine()
    assert log.quarantined(None) == []


_FILL = """
import json, os, resource, sys
from pathlib import Path
from meterstone.errors import StorageError
from meterstone.record.log import LandingLog
from meterstone.record.model import Incoming

path = Path(sys.argv[1])
log = LandingLog(path)
free = resource.RLIM_INFINITY
acked, refused = [], []

def send(count):
    futures = []
    for _ in range(count):
        body = os.urandom(20_000)
        futures.append((body, log.land_soon(Incoming(body, "f", "m", "s"))))
    for body, future in futures:
        try:
            acked.append((future.result().seq, body[:8].hex()))
        except StorageError as error:
            refused.append(error.as_dict())

send(5)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, free))
send(100)
full = len(acked)
resource.setrlimit(resource.RLIMIT_FSIZE, (free, free))
send(10)
log.close()
print(json.dumps({"acked": acked, "refused": refused, "full": full}))
"""


def test_a_full_disk_loses_nothing_and_recovers(tmp_path: Path) -> None:
    path = tmp_path / "landing.sqlite"
    ran = subprocess.run(
        [sys.executable, "-c", _FILL, str(path)], capture_output=True, text=True, check=True
    )
    said = json.loads(ran.stdout)
    assert said["refused"], "the limit was never met"
    assert len(said["acked"]) + len(said["refused"]) == 115
    assert len(said["acked"]) == said["full"] + 10, "writing works again once there is room"
    for refused in said["refused"]:
        assert refused["place"] == str(path)
        assert refused["mend"].startswith("free disk space")
    log = LandingLog(path)
    kept = [[record.seq, record.body[:8].hex()] for record in log.read()]
    log.close()
    assert kept == sorted(said["acked"])


def test_errors_of_the_file_system_are_told_apart(tmp_path: Path) -> None:
    full = log_module._storage_error(tmp_path, OSError(28, "No space left on device"))
    assert full.mend.startswith("free disk space")
    denied = log_module._storage_error(tmp_path, PermissionError(13, "Permission denied"))
    assert "may be written" in denied.mend
