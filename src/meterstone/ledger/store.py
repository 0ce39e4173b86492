"""The database beneath the ledger: engine, transactions, and what the two engines do differently.

SQLite: WAL, ``synchronous=FULL``; a change begins with ``BEGIN IMMEDIATE``, so that writers stand
in line and never fail halfway. PostgreSQL: READ COMMITTED with row locks.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from meterstone.errors import InputError, StorageError

Clock = Callable[[], datetime]
_WAIT_S = 60
_INSERTS: Mapping[str, Callable[[sa.Table], Any]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
_READS: Mapping[str, Mapping[str, Any]] = {
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
"""A reading transaction sees one state throughout; in SQLite it always does."""


def utc_now() -> datetime:
    """The clock of the system, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction of the database and the moment at which it began.

    ``actor`` is who changes; None: it only reads.
    """

    connection: sa.Connection
    now: datetime
    actor: str | None
    entries: list[dict[str, Any]]

    def run(self, statement: sa.Executable) -> sa.CursorResult[Any]:
        """Execute a statement of SQLAlchemy."""
        return self.connection.execute(statement)

    def insert(self, table: sa.Table) -> Any:
        """An INSERT with ``ON CONFLICT``, which both engines have and SQLAlchemy has for each."""
        return _INSERTS[self.connection.dialect.name](table)

    def audit(self, action: str, subject: str, **detail: Any) -> None:
        """Note a change for the audit log; written in this transaction, when it is committed.

        Args:
            action: what was done, such as ``connection.add``.
            subject: to what: an id.
            detail: JSON values, and never a secret.

        Raises:
            InputError: the transaction only reads.
        """
        if self.actor is None:
            raise InputError(
                f"cannot {action}: this only reads", place="ledger", mend="use ledger.change(actor)"
            )
        self.entries.append({"action": action, "subject": subject, "detail": detail})


class Store:
    """An opened database. Thread-safe; a transaction belongs to the thread that began it.

    Raises:
        InputError: the URL names no engine that the ledger runs on.
        StorageError: the database cannot be reached.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._now = clock
        self._engine = _engine(url)
        self._reader = self._engine.execution_options(
            **_READS.get(self._engine.dialect.name, {}), reads=True
        )
        self.place = self._engine.url.render_as_string(hide_password=True)
        self._mine = threading.local()
        # Waiting for each other in the process is fair and instant; SQLite's own wait is neither.
        self._writers: AbstractContextManager[Any] = (
            threading.Lock() if self.is_sqlite else nullcontext()
        )

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is one file of this machine."""
        return self._engine.dialect.name == "sqlite"

    def now(self) -> datetime:
        """The moment by the clock that this ledger goes by."""
        return self._now()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A transaction that sees one state and changes nothing."""
        with self._errors(), self._reader.connect() as connection:
            yield Transaction(connection, self._now(), None, [])

    @contextmanager
    def changing(
        self, actor: str, before_commit: Callable[[Transaction], None] = lambda _: None
    ) -> Iterator[Transaction]:
        """A transaction that is kept when the block ends, and undone when it raises."""
        if getattr(self._mine, "changing", False):
            raise InputError(
                "this thread is in the middle of a change already",
                place="ledger",
                mend="use change.queue, change.leases … inside of a change",
            )
        self._mine.changing = True
        try:
            with self._errors(), self._writers, self._engine.begin() as connection:
                transaction = Transaction(connection, self._now(), actor, [])
                yield transaction
                before_commit(transaction)
        finally:
            self._mine.changing = False

    def close(self) -> None:
        """Close all connections to the database."""
        self._engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StorageError(
                f"the database refused: {_reason(error)}",
                place=self.place,
                mend="see that it runs, has room and lets this user in; nothing was changed",
            ) from error


def file_url(folder: Path) -> str:
    """The URL of a ledger that lies in a home."""
    return sa.URL.create("sqlite", database=str(folder / "ledger.sqlite")).render_as_string()


def _engine(url: str) -> sa.Engine:
    mend = "METERSTONE_LEDGER_URL=postgresql://user@host/database, or leave it out for a file"
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in _INSERTS:
            raise InputError("the ledger runs on SQLite or PostgreSQL", place="url", mend=mend)
        engine = sa.create_engine(
            parsed, pool_size=8, max_overflow=120, pool_pre_ping=parsed.drivername != "sqlite"
        )
    except (ArgumentError, NoSuchModuleError):
        # No cause: the text may hold a password.
        raise InputError("is no URL of a database", place="ledger url", mend=mend) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _open_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    connection.execute(f"PRAGMA busy_timeout = {_WAIT_S * 1000}")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _write_ahead(connection: Any) -> None:
    """Two that open an empty file at once collide here, and SQLite does not wait."""
    last = time.monotonic() + _WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > last:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _reason(error: DBAPIError) -> str:
    """The driver's first line: without statement and values, which may be secrets."""
    return str(error.orig).strip().partition("\n")[0]
