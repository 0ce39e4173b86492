"""The landing log: every byte that was acknowledged, in the order in which it came in.

One SQLite file in WAL mode with ``synchronous=FULL``. Many callers share one commit (group commit):
a receipt is given only after the transaction that holds the record is on disk. The same bytes in
the same format and context are one record, however often they are sent.

Beside the records stands the quarantine: what could not be mapped, and why. It holds nothing that
the records do not give again. How far the warehouse has come is known by the warehouse alone.
"""

from __future__ import annotations

import errno
import json
import queue
import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

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
"""
_COMPRESSION_LEVEL = 1
_COMMIT_BATCH = 512
_READ_RECORDS = 500
_READ_BYTES = 8 << 20
_UNLIMITED = sys.maxsize
_NOT_STORABLE = (sqlite3.Error, OverflowError, MemoryError)
"""What a commit can run into: the disk, or a body beyond what one SQLite row can hold."""

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
    """A record on its way to the disk. Holds only the compressed body, so that a long queue is
    cheap; ``row`` are the columns of ``landed`` after ``received_at``."""

    identity: bytes
    row: tuple[object, ...]
    receipt: Future[Receipt] = field(default_factory=Future)


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
            connection = self._connect(shared=True)
            connection.executescript(_SCHEMA)
            clock = _Clock(connection)
        except (sqlite3.Error, OSError) as error:
            raise _storage_error(path, error) from error
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._gate = threading.Lock()
        self._closed = False
        self._writer = threading.Thread(
            target=self._write_loop, args=(connection, clock), name="landing-log", daemon=True
        )
        self._writer.start()

    def close(self) -> None:
        """Commit what is waiting and stop the writer."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._writer.join()

    def land_soon(self, incoming: Incoming) -> Future[Receipt]:
        """Queue a record; the future resolves when it is on disk.

        Cancelling the future before its commit began takes the record out of the queue.

        Raises:
            InputError: a name, source or context that is not valid Unicode.
            StorageError: the log is closed.
        """
        pending = _Pending(*self._prepare(incoming))
        with self._gate:  # nothing may be queued behind the writer's stop sign
            if self._closed:
                raise StorageError("the landing log is closed", place=str(self._path))
            self._queue.put(pending)
        return pending.receipt

    def _prepare(self, incoming: Incoming) -> tuple[bytes, tuple[object, ...]]:
        """Identity and columns of a record: the costly part of landing, done by the caller."""
        context = json.dumps(dict(incoming.context), sort_keys=True)
        try:
            "".join((incoming.name, incoming.source, incoming.media_type)).encode()
        except UnicodeEncodeError as error:
            raise InputError(
                "a name that is not valid Unicode cannot be kept", place=repr(incoming.name)
            ) from error
        digest = incoming.sha256
        identity = sha256(b"\0".join((digest, incoming.format.encode(), context.encode())))
        return identity.digest(), (
            incoming.format,
            incoming.media_type,
            incoming.source,
            incoming.name,
            context,
            digest,
            len(incoming.body),
            self._compressor().compress(incoming.body),
        )

    def _compressor(self) -> zstandard.ZstdCompressor:
        """One a thread: making one costs more than compressing a small body with it."""
        compressor: zstandard.ZstdCompressor | None = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL)
            self._local.compressor = compressor
        return compressor

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

    def contexts(self, seqs: Sequence[int]) -> dict[int, dict[str, str]]:
        """The contexts of some records, without their bodies."""
        found: dict[int, dict[str, str]] = {}
        for start in range(0, len(seqs), _READ_RECORDS):
            some = seqs[start : start + _READ_RECORDS]
            marks = ", ".join("?" * len(some))
            rows = self._read(f"SELECT seq, context FROM landed WHERE seq IN ({marks})", some)
            found |= {seq: json.loads(context) for seq, context in rows}
        return found

    def read(self, *, after: int = 0, limit: int | None = None) -> Iterator[LandedRecord]:
        """Records in order, from the one after ``after``.

        Fetched a few megabytes at a time and decompressed one by one, so that neither many small
        records nor a long log cost memory or a query each.
        """
        left = _UNLIMITED if limit is None else limit
        while rows := self._fetch(after, min(left, _READ_RECORDS)):
            for row in rows:
                yield _landed(row)
            after = rows[-1][0]
            left -= len(rows)

    def _fetch(self, after: int, count: int) -> list[tuple[Any, ...]]:
        """The next records, at most ``count``, and few enough to hold together."""
        sizes = self._read(
            "SELECT seq, size FROM landed WHERE seq > ? ORDER BY seq LIMIT ?", (after, count)
        ).fetchall()
        if not sizes:
            return []
        return self._read(
            "SELECT seq, received_at, body, format, media_type, source, name, context, sha256 "
            "FROM landed WHERE seq > ? AND seq <= ? ORDER BY seq",
            (after, _last_within(sizes, _READ_BYTES)),
        ).fetchall()

    def digest(self, until: datetime) -> tuple[int, str]:
        """Number of the newest record received by a moment, and one digest (sha256, hex) over the
        digests of all records up to it, in order."""
        total = sha256()
        last = 0
        rows = self._read(
            "SELECT seq, sha256 FROM landed WHERE received_at <= ? ORDER BY seq", (_micros(until),)
        )
        for seq, digest in rows:
            total.update(digest)
            last = int(seq)
        return last, total.hexdigest()

    def newest_received_at(self) -> datetime | None:
        """When the newest record came in; None when the log is empty."""
        row = self._read("SELECT max(received_at) FROM landed").fetchone()
        return None if row[0] is None else _moment(row[0])

    def quarantine(self, set_aside: Iterable[tuple[int, Reject]]) -> None:
        """Keep what could not be mapped, as pairs of record number and reject; the same reject
        again has no effect."""
        now = _micros(datetime.now(UTC))
        self._write(
            "INSERT INTO quarantine (seq, item, fact, reason, mend, excerpt, at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(seq, r.item, r.fact, r.reason, r.mend, r.excerpt, now) for seq, r in set_aside],
        )

    def quarantined(self, state: State | None = "open") -> list[Quarantined]:
        """What waits in quarantine, oldest first; ``state`` None gives all."""
        rows = self._read(
            "SELECT id, seq, name, item, fact, reason, mend, excerpt, at, state "
            "FROM quarantine JOIN landed USING (seq) WHERE ? IS NULL OR state = ? ORDER BY id",
            (state, state),
        )
        return [_quarantined(row) for row in rows]

    def mend(self, seqs: Iterable[int]) -> None:
        """Mark what was set aside of records as mended (they were mapped again without it)."""
        self._write(
            "UPDATE quarantine SET state = 'mended' WHERE seq = ?", [(seq,) for seq in seqs]
        )

    def clear_quarantine(self) -> None:
        """Forget the quarantine; only for a rebuild, which makes it again from the records."""
        self._write("DELETE FROM quarantine", [()])

    def _connect(self, *, shared: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=30, isolation_level=None, check_same_thread=not shared
        )
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

    def _write_loop(self, connection: sqlite3.Connection, clock: _Clock) -> None:
        with closing(connection):
            stop = False
            while not stop:
                batch, stop = self._next_batch()
                self._commit(connection, clock, batch)

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

    def _commit(self, connection: sqlite3.Connection, clock: _Clock, batch: list[_Pending]) -> None:
        # a caller that gave up must not be answered: setting its result would raise here
        batch = [pending for pending in batch if pending.receipt.set_running_or_notify_cancel()]
        try:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                receipts = [_insert(connection, clock, pending) for pending in batch]
        except _NOT_STORABLE as error:
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
    known = connection.execute(
        "SELECT seq, received_at FROM landed WHERE identity = ?", (pending.identity,)
    ).fetchone()
    if known:
        return Receipt(known[0], _moment(known[1]), duplicate=True)
    received = clock.next()
    cursor = connection.execute(
        "INSERT INTO landed (received_at, format, media_type, source, name, context, sha256, size, "
        "body, identity) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (received, *pending.row, pending.identity),
    )
    return Receipt(int(cursor.lastrowid or 0), _moment(received), duplicate=False)


def _landed(row: tuple[Any, ...]) -> LandedRecord:
    seq, received_at, body, form, media_type, source, name, context, digest = row
    return LandedRecord(
        seq=seq,
        received_at=_moment(received_at),
        body=zstandard.decompress(body),
        format=form,
        media_type=media_type,
        source=source,
        name=name,
        context=json.loads(context),
        sha256=digest,
    )


def _quarantined(row: tuple[Any, ...]) -> Quarantined:
    number, seq, name, item, fact, reason, mend, excerpt, at, state = row
    return Quarantined(number, seq, name, item, fact, reason, mend, excerpt, _moment(at), state)


def _last_within(sizes: list[tuple[int, int]], limit: int) -> int:
    """The last number whose running size stays in the limit; always at least the first."""
    last, total = sizes[0]
    for seq, size in sizes[1:]:
        total += size
        if total > limit:
            break
        last = seq
    return last


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)


def _storage_error(path: Path, error: BaseException) -> StorageError:
    return StorageError(
        f"cannot write: {error}",
        place=str(path),
        mend="free disk space and send again; what was acknowledged before is safe"
        if _is_full(error)
        else "check that the folder exists and may be written",
    )


def _is_full(error: BaseException) -> bool:
    """Full disk, quota or file size limit; the engine names some of them an I/O error."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
