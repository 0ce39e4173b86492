"""What the vendors know of a simulated network: its rows of each fact, the newest of each key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from meterstone.errors import InputError
from meterstone.facts import vocabulary

Row = dict[str, Any]
"""Columns of a fact by name."""


@dataclass(frozen=True)
class Rows:
    """Rows of one fact as a vendor knows them.

    Attributes:
        table: the newest version of each key.
        retracted: bool of each row: the vendor deleted the record.
        versions: how many versions each row had, itself included.
    """

    table: pa.Table
    retracted: pa.Array
    versions: pa.Array

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> list[Any]:
        """The values of a column."""
        return list(self.table.column(name).to_pylist())

    def micros(self, name: str) -> Any:
        """A column of moments as microseconds since 1970 (numpy int64)."""
        return self.table.column(name).cast(pa.int64()).to_numpy()

    def take(self, positions: Any) -> list[Row]:
        """Some rows as dictionaries, in that order."""
        return list(self.table.take(pa.array(positions, pa.int64())).to_pylist())

    @cached_property
    def all(self) -> list[Row]:
        """Every row as a dictionary; for small facts."""
        return list(self.table.to_pylist())


class Books:
    """Reads a folder of simulated facts (``facts/NNN/<fact>.parquet``), each fact when asked for.

    Rows of other environments than production, and synthetic ones, are in none of the vendors'
    books: a vendor keeps those in a sandbox of its own.
    """

    def __init__(self, folder: Path) -> None:
        """Args:
        folder: the folder of ``meterstone simulate --out``, or its ``facts``.

        Raises:
            InputError: it holds no facts.
        """
        inner = folder / "facts"
        self.folder = inner if inner.is_dir() else folder
        self._files: dict[str, list[Path]] = {}
        for path in sorted(self.folder.glob("*/*.parquet")):
            self._files.setdefault(path.stem, []).append(path)
        if not self._files:
            raise InputError(
                "no simulated facts here",
                place=str(folder),
                mend="meterstone simulate honest --out …",
            )
        self._read: dict[tuple[str, str | None], Rows] = {}

    def rows(self, fact: str, source: str | None = None) -> Rows:
        """Rows of a fact; of one source, where one is named.

        Args:
            fact: a fact of the vocabulary; one without files has no rows.
            source: such as square: only what that vendor knows.
        """
        key = (fact, source)
        if key not in self._read:
            self._read[key] = self._newest(fact, source)
        return self._read[key]

    def shops(self) -> list[str]:
        """Franchises that ever sold or booked, by id."""
        named = set()
        for fact in ("payment", "booking"):
            named |= set(self.rows(fact).column("franchise_id"))
        return sorted(named)

    def _newest(self, fact: str, source: str | None) -> Rows:
        schema = vocabulary()[fact]
        parts = [pq.read_table(path) for path in self._files.get(fact, [])]
        table = (
            pa.concat_tables(
                [_complete(part, list(schema.columns)) for part in parts],
                promote_options="permissive",
            )
            if parts
            else pa.table({name: pa.array([], pa.string()) for name in schema.columns})
        )
        table = table.filter(_kept(table, source))
        ordered = table.append_column("_nth", pa.array(range(table.num_rows), pa.int64()))
        newest = ordered.group_by(list(schema.key), use_threads=False).aggregate(
            [("_nth", "max"), ("_nth", "count")]
        )
        newest = newest.sort_by("_nth_max")
        table = table.take(newest.column("_nth_max")).combine_chunks()
        retracted = pc.fill_null(_boolean(table, "retracted"), False)
        return Rows(table, retracted, newest.column("_nth_count"))


def _complete(table: pa.Table, names: list[str]) -> pa.Table:
    """The table with all columns of the fact; missing ones are null."""
    for name in names:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows))
    return table.select(names)


def _boolean(table: pa.Table, name: str) -> Any:
    return table.column(name).cast(pa.bool_())


def _kept(table: pa.Table, source: str | None) -> Any:
    environment = pc.fill_null(table.column("environment").cast(pa.string()), "production")
    synthetic = pc.fill_null(_boolean(table, "synthetic"), False)
    kept = pc.and_(pc.equal(environment, "production"), pc.invert(synthetic))
    if source is not None:
        kept = pc.and_(kept, pc.equal(table.column("source").cast(pa.string()), source))
    return kept
