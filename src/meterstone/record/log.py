"""The landing log: every byte that was acknowledged, in the order in which it came in.

One SQLite file in WAL mode with ``synchronous=FULL``. Many callers share one commit (group commit):
a receipt is given only after the transaction that holds the record is on disk. The same bytes in
the same format and context are one record, however often they are sent.

Beside the records stand the quarantine (what could not be mapped, and why) and the watermark of
the mapping (how far the warehouse has come).
"""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

import zstandard

from meterstone.errors import InputError, StorageError
from meterstone.facts import Reject
from meterstone.record.model import Incoming, LandedRecord, Receipt

_SCHEMA = """
CREATE TABLE IF NOT EXISTS landed (
    seq         INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL UNIQUE,      -- microseconds since 1970, UTC
    format      TEXT NOT NULL,
    media_type  TEXT NOT NULL,
    source      TEXT NOT NULL,
    name        TEXT NOT NULL,
    context     TEXT NOT NULL,                -- JSON object, keys sorted
    sha256      BLOB NOT NULL,                -- of the body as received
    size        INTEGER NOT NULL,             -- of the body as received
    body        BLOB NOT NULL,                -- zstd
    identity    BLOB NOT NULL UNIQUE          -- of body, format and context
) STRICT;
CREATE TABLE IF NOT EXISTS quarantine (
    id          INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL REFERENCES landed (seq),
    item        INTEGER NOT NULL,
    fact        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    mend        TEXT NOT NULL,
    excerpt     TEXT NOT NULL,
    at          INTEGER NOT NULL,
    state       TEXT NOT NULL DEFAULT 'open', -- open, mended
    UNIQUE (seq, item, reason)
) STRICT;
CREATE TABLE IF NOT EXISTS watermark (
    name        TEXT PRIMARY KEY,
    seq         INTEGER NOT NULL
) STRICT;
"""
_COMPRESSION_LEVEL = 1
_COMMIT_BATCH = 512

State = Literal["open", "mended"]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One part of a landed record that is not a fact yet, with the reason and the mend."""

    id: int
    seq: int
    name: str
    item: int
    fact: str
    reason: str
    mend: str
    excerpt: str
    at: datetime
    state: State


@dataclass(slots=True)
class _Pending:
    incoming: Incoming
    body: bytes
    digest: bytes
    identity: bytes
    context: str
    receipt: Future[Receipt]


class LandingLog:
    """Append-only log of what was received.

    Thread-safe. ``land`` and ``land_soon`` may be called from any thread; one writer thread commits
    for all of them.

    Args:
        path: the SQLite file; made when absent.

    Raises:
        StorageError: the file cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection:
                connection.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise _storage_error(path, error) from error
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._closed = False
        self._writer = threading.Thread(target=self._write_loop, name="landing-log", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Commit what is waiting and stop the writer."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._writer.join()

    def land_soon(self, incoming: Incoming) -> Future[Receipt]:
        """Queue a record; the future resolves when it is on disk."""
        if self._closed:
            raise StorageError("the landing log is closed", place=str(self._path))
        context = json.dumps(dict(incoming.context), sort_keys=True)
        digest = incoming.sha256
        pending = _Pending(
            incoming,
            zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compress(incoming.body),
            digest,
            sha256(b"\0".join((digest, incoming.format.encode(), context.encode()))).digest(),
            context,
            Future(),
        )
        self._queue.put(pending)
        return pending.receipt

    def land(self, incoming: Incoming) -> Receipt:
        """Land one record and wait until it is on disk.

        Raises:
            StorageError: the disk refused; nothing of this record was acknowledged.
        """
        return self.land_soon(incoming).result()

    def last_seq(self) -> int:
        """Number of the newest record; 0 when empty."""
        row = self._read("SELECT coalesce(max(seq), 0) FROM landed").fetchone()
        return int(row[0])

    def get(self, seq: int) -> LandedRecord:
        """One record by its number.

        Raises:
            InputError: there is no such record.
        """
        for record in self.read(after=seq - 1, limit=1):
            if record.seq == seq:
                return record
        raise InputError(f"no landed record {seq}", mend="see `meterstone quarantine list`")

    def read(self, *, after: int = 0, limit: int | None = None) -> Iterator[LandedRecord]:
        """Records in order, from the one after ``after``; bodies decompressed one at a time."""
        done = 0
        while limit is None or done < limit:
            row = self._read(
                "SELECT seq, received_at, body, format, media_type, source, name, context, sha256 "
                "FROM landed WHERE seq > ? ORDER BY seq LIMIT 1",
                (after,),
            ).fetchone()
            if row is None:
                return
            after = row[0]
            done += 1
            yield LandedRecord(
                seq=row[0],
                received_at=_moment(row[1]),
                body=zstandard.decompress(row[2]) if row[2] else b"",
                format=row[3],
                media_type=row[4],
                source=row[5],
                name=row[6],
                context=json.loads(row[7]),
                sha256=row[8],
            )

    def newest_received_at(self) -> datetime | None:
        """When the newest record came in; None when the log is empty."""
        row = self._read("SELECT max(received_at) FROM landed").fetchone()
        return None if row[0] is None else _moment(row[0])

    def watermark(self, name: str) -> int:
        """How far a reader of the log has come (0 at the beginning)."""
        row = self._read("SELECT seq FROM watermark WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def set_watermark(self, name: str, seq: int) -> None:
        """Remember how far a reader has come."""
        self._write(
            "INSERT INTO watermark VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq",
            [(name, seq)],
        )

    def quarantine(self, seq: int, rejects: Iterable[Reject]) -> None:
        """Keep what could not be mapped; the same reject again has no effect."""
        now = _micros(datetime.now(UTC))
        self._write(
            "INSERT INTO quarantine (seq, item, fact, reason, mend, excerpt, at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(seq, r.item, r.fact, r.reason, r.mend, r.excerpt, now) for r in rejects],
        )

    def quarantined(self, state: State | None = "open") -> list[Quarantined]:
        """What waits in quarantine, oldest first; ``state`` None gives all."""
        rows = self._read(
            "SELECT q.id, q.seq, l.name, q.item, q.fact, q.reason, q.mend, q.excerpt, q.at, q.state "
            "FROM quarantine q JOIN landed l USING (seq) WHERE ? IS NULL OR q.state = ? "
            "ORDER BY q.id",
            (state, state),
        ).fetchall()
        return [Quarantined(*row[:8], _moment(row[8]), row[9]) for row in rows]

    def mend(self, seq: int) -> None:
        """Mark what was set aside of a record as mended (it was mapped again without it)."""
        self._write("UPDATE quarantine SET state = 'mended' WHERE seq = ?", [(seq,)])

    def clear_quarantine(self) -> None:
        """Forget the quarantine and the progress of the mapping; only for a rebuild, which makes
        both again from the records."""
        self._write("DELETE FROM quarantine", [()])
        self._write("DELETE FROM watermark", [()])

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    def _read(self, sql: str, args: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            return self._connection().execute(sql, args)
        except sqlite3.Error as error:
            raise _storage_error(self._path, error) from error

    def _write(self, sql: str, rows: list[tuple[object, ...]]) -> None:
        if not rows:
            return
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise _storage_error(self._path, error) from error

    def _write_loop(self) -> None:
        with closing(self._connect()) as connection:
            clock = _Clock(connection)
            while True:
                batch, stop = self._next_batch()
                if batch:
                    self._commit(connection, clock, batch)
                if stop:
                    return

    def _next_batch(self) -> tuple[list[_Pending], bool]:
        """Waits for one record, then takes all that came in meanwhile."""
        batch: list[_Pending] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= _COMMIT_BATCH or self._queue.empty():
                return batch, False
            item = self._queue.get()
        return batch, True

    def _commit(
        self, connection: sqlite3.Connection, clock: _Clock, batch: list[_Pending]
    ) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                receipts = [_insert(connection, clock, pending) for pending in batch]
        except sqlite3.Error as error:
            for pending in batch:
                pending.receipt.set_exception(_storage_error(self._path, error))
            return
        for pending, receipt in zip(batch, receipts, strict=True):
            pending.receipt.set_result(receipt)


class _Clock:
    """Strictly growing receipt times, also where the machine's clock stands or steps back."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT coalesce(max(received_at), 0) FROM landed").fetchone()
        self._last = int(row[0])

    def next(self) -> int:
        self._last = max(_micros(datetime.now(UTC)), self._last + 1)
        return self._last


def _insert(connection: sqlite3.Connection, clock: _Clock, pending: _Pending) -> Receipt:
    incoming = pending.incoming
    known = connection.execute(
        "SELECT seq, received_at FROM landed WHERE identity = ?", (pending.identity,)
    ).fetchone()
    if known:
        return Receipt(known[0], _moment(known[1]), duplicate=True)
    received = clock.next()
    cursor = connection.execute(
        "INSERT INTO landed (received_at, format, media_type, source, name, context, sha256, size, "
        "body, identity) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            received,
            incoming.format,
            incoming.media_type,
            incoming.source,
            incoming.name,
            pending.context,
            pending.digest,
            len(incoming.body),
            pending.body,
            pending.identity,
        ),
    )
    return Receipt(int(cursor.lastrowid or 0), _moment(received), duplicate=False)


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)


def _storage_error(path: Path, error: Exception) -> StorageError:
    full = "full" in str(error) or getattr(error, "errno", None) == 28
    return StorageError(
        f"cannot write: {error}",
        place=str(path),
        mend="free disk space and send again; what was acknowledged before is safe"
        if full
        else "check that the folder exists and may be written",
    )
