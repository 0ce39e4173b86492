"""DuckDB behind the `Warehouse` interface.

Facts are append-only tables without primary key or index (a secondary index of DuckDB has silently
returned no rows after a crash, issue 23788; anti-joins by a hash column do the work instead). All
writes go through one thread; every reading thread has its own cursor.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb
import pyarrow as pa

from meterstone.errors import HomeInUse, StorageError
from meterstone.facts import FactSchema, Vocabulary
from meterstone.warehouse.base import Appended, DirtyDay, Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

_DISK_SAID_NO = (
    duckdb.IOException,
    duckdb.TransactionException,  # "Failed to commit: Could not write file"
    duckdb.FatalException,  # after a write that it could not undo it answers nothing any more
    duckdb.OutOfMemoryException,  # also when it cannot spill
)

_TYPES = {
    "string": "VARCHAR",
    "uri": "VARCHAR",
    "enum": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "decimal": "DECIMAL(18,2)",
    "boolean": "BOOLEAN",
}


class DuckDBWarehouse:
    """The embedded engine.

    Args:
        path: the database file, or ``:memory:``.
        vocabulary: the facts to keep.
        memory_limit: what DuckDB may use, such as ``1GB``; it spills to disk beyond.

    Raises:
        HomeInUse: another process has the file open.
        StorageError: the file cannot be read.
    """

    dialect = "duckdb"

    def __init__(
        self, path: Path | str, vocabulary: Vocabulary, *, memory_limit: str = "1GB"
    ) -> None:
        self._vocabulary = vocabulary
        self._path = str(path)
        self._memory_limit = memory_limit
        self._connection = _open(self._path, memory_limit)
        self._broken = False
        self._local = threading.local()
        self._gate = threading.Lock()
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="warehouse-writer")
        self._on_writer(self._create)
        self._revised = {
            f for f in vocabulary if self._scalar(f"SELECT max(revision) FROM facts.{f}")
        }
        self._mark = int(self._scalar("SELECT coalesce(max(mark), 0) FROM meta.dirty"))

    def append(self, recorded: Sequence[Recorded], *, mapped_to: int | None = None) -> Appended:
        """See `Warehouse.append`."""
        filled = [r for r in recorded if r.batch.table.num_rows]
        filled.sort(key=lambda r: r.batch.schema.name)
        groups = [
            (self._vocabulary[name], _with_origin(list(parts)))
            for name, parts in groupby(filled, key=lambda r: r.batch.schema.name)
        ]
        if not groups and mapped_to is None:
            return Appended()
        return self._on_writer(lambda: self._append(groups, mapped_to))

    def mapped_to(self) -> int:
        """See `Warehouse.mapped_to`."""
        return self._on_writer(self._mapped_to)

    def relation(self, fact: str, known_at: datetime | None) -> str:
        """See `Warehouse.relation`."""
        known = "" if known_at is None else f" AND {{}}.recorded_at <= {_literal(known_at)}"
        newer = ""
        if fact in self._revised:
            keys = "".join(f" AND n.{k} = r.{k}" for k in self._vocabulary[fact].key)
            newer = (
                f" AND NOT EXISTS (SELECT 1 FROM facts.{fact} n WHERE n.revision > 0 "
                f"AND n._key = r._key{keys} AND n.revision > r.revision{known.format('n')})"
            )
        return (
            f"(SELECT r.* EXCLUDE (_key, _content) FROM facts.{fact} r "
            f"WHERE NOT r.retracted{known.format('r')}{newer})"
        )

    def query(self, sql: str) -> pa.Table:
        """See `Warehouse.query`."""
        try:
            return self._cursor().execute(sql).to_arrow_table()
        except duckdb.Error as error:
            raise StorageError(
                f"the engine could not answer: {str(error).splitlines()[0]}",
                place=self._path,
                mend="if the disk and the memory have room, report this with the sentence above",
            ) from error

    def define(self, statements: Sequence[str]) -> None:
        """See `Warehouse.define`."""
        if statements:
            self._on_writer(lambda: self._define(statements))

    def derive(self, statements: Sequence[str], taken: Sequence[DirtyDay] = ()) -> None:
        """See `Warehouse.derive`."""
        self._on_writer(lambda: self._derive(statements, taken))

    def dirty_days(self) -> list[DirtyDay]:
        """See `Warehouse.dirty_days`."""
        rows = self._cursor().execute("SELECT fact, day, max(mark) FROM meta.dirty GROUP BY ALL")
        return sorted(DirtyDay(*row) for row in rows.fetchall())

    def count(self, fact: str) -> int:
        """See `Warehouse.count`."""
        return int(self._scalar(f"SELECT count(*) FROM facts.{fact}"))

    def last_recorded(self) -> datetime | None:
        """See `Warehouse.last_recorded`."""
        parts = " UNION ALL ".join(
            f"SELECT max(recorded_at) AS t FROM facts.{fact}" for fact in self._vocabulary
        )
        newest: datetime | None = self._scalar(f"SELECT max(t) FROM ({parts})")
        return newest

    def close(self) -> None:
        """See `Warehouse.close`."""
        self._writer.submit(self._connection.close).result()
        self._writer.shutdown()

    def _on_writer(self, work: Callable[[], T]) -> T:
        return self._writer.submit(work).result()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None or cursor not in self._cursors:
            with self._gate:
                cursor = self._local.cursor = self._connection.cursor()
                self._cursors.add(cursor)
        return cursor

    def _scalar(self, sql: str):  # type: ignore[no-untyped-def]  # one value of any SQL type
        rows = (
            self._cursor().execute(sql).fetchall()
        )  # all: an open result keeps a transaction open
        return rows[0][0]

    def _create(self) -> None:
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS facts")
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS rollup")
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS meta")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS meta.dirty (fact VARCHAR, day DATE, mark BIGINT)"
        )
        self._connection.execute("CREATE TABLE IF NOT EXISTS meta.progress (seq BIGINT)")
        for schema in self._vocabulary.values():
            self._connection.execute(_create_table(schema))
        self._connection.execute("CHECKPOINT")

    def _define(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._connection.execute(statement)
        # FORCE: waits for the queries that run beside it; without it the first of them refuses it.
        self._connection.execute("FORCE CHECKPOINT")

    def _derive(self, statements: Sequence[str], taken: Sequence[DirtyDay]) -> None:
        with self._transaction():
            for statement in statements:
                self._connection.execute(statement)
            if taken:
                done = ", ".join(f"('{d.fact}', DATE '{d.day}', {d.mark})" for d in taken)
                self._connection.execute(
                    f"DELETE FROM meta.dirty USING (VALUES {done}) AS t (fact, day, mark) WHERE "
                    "dirty.fact = t.fact AND dirty.day = t.day AND dirty.mark <= t.mark"
                )

    def _mapped_to(self) -> int:
        with self._transaction():  # not a reader's cursor: it must answer again after a full disk
            row = self._connection.execute("SELECT max(seq) FROM meta.progress").fetchone()
        return int(row[0] or 0) if row else 0

    def _append(self, groups: list[tuple[FactSchema, pa.Table]], mapped_to: int | None) -> Appended:
        total = Appended()
        self._mark += 1
        with self._transaction():
            for schema, table in groups:
                total += self._append_fact(schema, table)
            if mapped_to is not None:
                self._connection.execute("DELETE FROM meta.progress")
                self._connection.execute(f"INSERT INTO meta.progress VALUES ({mapped_to:d})")
        return total

    def _append_fact(self, schema: FactSchema, table: pa.Table) -> Appended:
        self._connection.register("arriving", table)
        try:
            if self._all_new(schema):
                self._connection.execute(_insert_new(schema))
                self._connection.execute(_touch_new(schema, self._mark))
                return Appended(new=table.num_rows)
            return self._append_changes(schema, table.num_rows)
        finally:
            with suppress(
                duckdb.Error
            ):  # refused in a failed transaction; the next one replaces it
                self._connection.unregister("arriving")

    def _all_new(self, schema: FactSchema) -> bool:
        """The usual case, in which nothing has to be compared: every key is new and comes once."""
        row = self._connection.execute(
            f"WITH hashed AS (SELECT hash({_keys(schema)}) AS _key FROM arriving) "
            "SELECT count(*) = count(DISTINCT _key) AND NOT EXISTS (SELECT 1 FROM "
            f"facts.{schema.name} WHERE _key IN (SELECT _key FROM hashed)) FROM hashed"
        ).fetchone()
        return bool(row and row[0])

    def _append_changes(self, schema: FactSchema, arrived: int) -> Appended:
        self._connection.execute(_classify(schema))
        inserted, revised = self._connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE revision > 0) FROM classified"
        ).fetchall()[0]
        if inserted:
            self._connection.execute(
                f"INSERT INTO facts.{schema.name} BY NAME SELECT * FROM classified"
            )
            self._connection.execute(_touch(schema, self._mark))
        if revised:
            self._revised.add(schema.name)
        return Appended(inserted - revised, arrived - inserted, revised)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._broken:
            self._reopen()
        try:
            self._connection.execute("BEGIN")
            yield
            self._connection.execute("COMMIT")
        except _DISK_SAID_NO as error:
            self._rollback()
            self._broken = not isinstance(error, duckdb.OutOfMemoryException)
            raise StorageError(
                f"the warehouse cannot be written: {error}",
                place=self._path,
                mend="free disk space; what was acknowledged is in the landing log and is mapped "
                "as soon as there is room",
            ) from error
        except duckdb.Error:
            self._rollback()
            raise

    def _rollback(self) -> None:
        with suppress(duckdb.Error):  # the engine may have ended the transaction by itself
            self._connection.execute("ROLLBACK")

    def _reopen(self) -> None:
        """A database that met a full disk stays shut until every connection to it is closed."""
        with self._gate:
            for cursor in list(self._cursors):
                cursor.close()
            self._cursors.clear()
            self._connection.close()
            self._connection = _open(self._path, self._memory_limit)
        self._broken = False


def _open(path: str, memory_limit: str) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(
            path,
            config={
                "memory_limit": memory_limit,
                "preserve_insertion_order": "false",
                # A checkpoint rewrites the last row group of every column, whatever came in.
                "checkpoint_threshold": "64MB",
                # A misjudged left side otherwise turns an ASOF join into a nested loop.
                "asof_loop_join_threshold": "0",
            },
        )
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise HomeInUse(
                "another process has the warehouse open",
                place=path,
                mend="stop the running `meterstone` or send data to it over HTTP",
            ) from error
        raise StorageError(
            f"cannot open the warehouse: {error}",
            place=path,
            mend="run `meterstone rebuild`: the landing log has everything",
        ) from error
    # drawn where duckdb thinks that a person types; it would stand amid the output of a command
    connection.execute("SET enable_progress_bar = false")
    return connection


def _create_table(schema: FactSchema) -> str:
    columns = ", ".join(f'"{c.name}" {_TYPES[c.type]}' for c in schema.columns.values())
    return (
        f"CREATE TABLE IF NOT EXISTS facts.{schema.name} "
        f"({columns}, _seq BIGINT, _item BIGINT, _key UBIGINT, _content UBIGINT)"
    )


def _with_origin(recorded: list[Recorded]) -> pa.Table:
    """The rows of several records in one table, with the record and time each came from."""
    tables = []
    for r in recorded:
        size = r.batch.table.num_rows
        at = pa.scalar(r.recorded_at.replace(tzinfo=None), pa.timestamp("us"))
        tables.append(
            r.batch.table.append_column(
                "_seq", pa.repeat(pa.scalar(r.seq, pa.int64()), size)
            ).append_column("recorded_at", pa.repeat(at, size))
        )
    return pa.concat_tables(tables)


def _keys(schema: FactSchema) -> str:
    return ", ".join(f'"{k}"' for k in schema.key)


def _hashes(schema: FactSchema) -> str:
    """The two columns by which rows are compared: of the key, and of all that a row says."""
    content = ", ".join(
        f'"{name}"' for name in schema.columns if name not in ("recorded_at", "revision")
    )
    return f"hash({_keys(schema)}) AS _key, hash({content}) AS _content"


def _insert_new(schema: FactSchema) -> str:
    return (
        f"INSERT INTO facts.{schema.name} BY NAME "
        f"SELECT * EXCLUDE (revision), 0 AS revision, {_hashes(schema)} FROM arriving"
    )


def _touch_new(schema: FactSchema, mark: int) -> str:
    time = f'"{schema.event_time}"'
    return (
        f"INSERT INTO meta.dirty SELECT DISTINCT '{schema.name}', CAST({time} AS DATE), {mark} "
        f"FROM arriving WHERE {time} IS NOT NULL"
    )


def _classify(schema: FactSchema) -> str:
    """Rows of ``arriving`` that change something, with the revision each one gets.

    A row whose content equals the newest known one of its key (or the one before it in the same
    arrival) is a duplicate and falls out.
    """
    keys = _keys(schema)
    order = f"(PARTITION BY {keys} ORDER BY _seq, sent_revision, _item)"
    return f"""
        CREATE OR REPLACE TEMP TABLE classified AS
        WITH hashed AS (
            SELECT * EXCLUDE (revision), revision AS sent_revision, {_hashes(schema)} FROM arriving
        ), known AS (
            SELECT _key, {keys}, max(revision) AS top, arg_max(_content, revision) AS last_content
            FROM facts.{schema.name} WHERE _key IN (SELECT _key FROM hashed)
            GROUP BY _key, {keys}
        ), ordered AS (
            SELECT hashed.*, coalesce(top, -1) AS top,
                   coalesce(lag(_content) OVER {order}, last_content) AS before
            FROM hashed LEFT JOIN known USING (_key, {keys})
        )
        SELECT * EXCLUDE (sent_revision, top, before), top + row_number() OVER {order} AS revision
        FROM ordered WHERE before IS DISTINCT FROM _content
    """


def _touch(schema: FactSchema, mark: int) -> str:
    """Marks the days of the new rows, and those of the rows that they correct."""
    time = f'"{schema.event_time}"'
    keys = " AND ".join(f'f."{k}" = c."{k}"' for k in schema.key)
    return f"""
        INSERT INTO meta.dirty
        SELECT DISTINCT '{schema.name}', day, {mark} FROM (
            SELECT CAST({time} AS DATE) AS day FROM classified
            UNION
            SELECT CAST(f.{time} AS DATE) FROM facts.{schema.name} f
            JOIN (SELECT * FROM classified WHERE revision > 0) c ON f._key = c._key AND {keys}
        ) WHERE day IS NOT NULL
    """


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.replace(tzinfo=None).isoformat(sep=' ')}'"
