"""Facts of the simulated network, written as the Parquet files that `meterstone ingest` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from meterstone.errors import suggest
from meterstone.facts import FactSchema, vocabulary

ROWS_A_FILE = 500_000
SIMULATED = "simulated"
"""Who enters what a person enters, and in whose name evidence is given: nobody who exists."""

_ARROW: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "uri": pa.string(),
    "enum": pa.string(),
    "timestamp": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "decimal": pa.float64(),
    "boolean": pa.bool_(),
}
_SOURCES: Mapping[str, str] = {
    "survey_response": "survey_tool",
    "survey_wave": "survey_tool",
    "support_ticket": "help_desk",
    "payment": "square",
    "booking": "square",
    "invoice": "quickbooks",
    "cost": "quickbooks",
    "franchise": "franconnect",
    "franchise_contract": "franconnect",
    "territory": "franconnect",
}
"""Source of a row that names none; of all other facts it is the hub."""

Columns = Mapping[str, Any]


class Facts:
    """Collects rows and writes them in the order in which they are to be recorded.

    Rows of one key that differ are versions: give them ``version=2``, ``3`` … and they are written
    to later files, so that they are recorded later.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[int, str], list[dict[str, Any]]] = {}
        self._tables: dict[tuple[int, str], list[pa.Table]] = {}

    def add(self, fact: str, *, version: int = 1, **columns: Any) -> None:
        """One row. Columns that are left out are null; common ones have their usual value."""
        schema = vocabulary()[fact]
        _check(schema, columns)
        self._rows.setdefault((version, fact), []).append(_common(fact) | columns)

    def attest(self, fact: str, *, expires_at: datetime, version: int = 1, **columns: Any) -> None:
        """One row that a person enters with evidence (simulated), valid until ``expires_at``."""
        attested = {
            "source": "attestation",
            "entered_by": SIMULATED,
            "entered_role": SIMULATED,
            "evidence_uri": f"https://example.org/{SIMULATED}/{fact}",
            "expires_at": expires_at,
        }
        self.add(fact, version=version, **(attested | columns))

    def extend(self, fact: str, columns: Columns, *, version: int = 1) -> None:
        """Many rows as columns of equal length; a scalar stands for the same value in every row."""
        schema = vocabulary()[fact]
        _check(schema, columns)
        size = next(len(v) for v in columns.values() if _is_column(v))
        arrays = {
            name: _array(value, size, _ARROW[schema.columns[name].type])
            for name, value in (_common(fact) | dict(columns)).items()
        }
        self._tables.setdefault((version, fact), []).append(pa.table(arrays))

    def count(self) -> int:
        """Rows so far, versions included."""
        tables = sum(t.num_rows for ts in self._tables.values() for t in ts)
        return int(tables) + sum(map(len, self._rows.values()))

    def write(self, folder: Path) -> list[Path]:
        """Write all rows.

        Returns:
            The files in the order in which they are to be ingested.
        """
        folder.mkdir(parents=True, exist_ok=True)
        written: list[Path] = []
        number = count(1)
        for version, fact in sorted(self._rows.keys() | self._tables.keys()):
            table = self._table(version, fact)
            for start in range(0, table.num_rows, ROWS_A_FILE):
                path = folder / f"{next(number):03d}" / f"{fact}.parquet"
                path.parent.mkdir(exist_ok=True)
                pq.write_table(table.slice(start, ROWS_A_FILE), path, compression="zstd")
                written.append(path)
        return written

    def _table(self, version: int, fact: str) -> pa.Table:
        tables = list(self._tables.get((version, fact), ()))
        rows = self._rows.get((version, fact), [])
        if rows:
            columns = vocabulary()[fact].columns
            names = [name for name in columns if any(name in row for row in rows)]
            fields = [pa.field(name, _ARROW[columns[name].type]) for name in names]
            tables.append(pa.Table.from_pylist(rows, schema=pa.schema(fields)))
        return pa.concat_tables(tables, promote_options="default")


def _common(fact: str) -> dict[str, Any]:
    return {"source": _SOURCES.get(fact, "hub")}


def _check(schema: FactSchema, columns: Columns) -> None:
    for name in columns:
        if name not in schema.columns:
            hint = suggest(name, list(schema.columns))
            raise TypeError(f"{schema.name} has no column {name!r}; {hint}")


def _is_column(value: Any) -> bool:
    return isinstance(value, np.ndarray | pa.Array | pa.ChunkedArray) or (
        isinstance(value, Sequence) and not isinstance(value, str)
    )


def _array(value: Any, size: int, kind: pa.DataType) -> pa.Array:
    if not _is_column(value):
        return pa.repeat(pa.scalar(_plain(value), kind), size)
    if isinstance(value, np.ndarray) and value.dtype.kind == "M":
        return pa.array(value.astype("datetime64[us]")).cast(pa.timestamp("us")).cast(kind)
    return value.cast(kind) if isinstance(value, pa.Array) else pa.array(value, type=kind)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
