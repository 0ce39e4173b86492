"""Simulated networks that fail, as a `Source` of a study has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import duckdb
import numpy as np
import pyarrow as pa

from meterstone.facts import vocabulary
from meterstone.insight.studies.risk_rows import READ
from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.ops_signs import Failure, Odds, Sign, Telemetry, draw

START = datetime(2025, 1, 1, tzinfo=UTC)
_TYPES = {
    "timestamp": "TIMESTAMP", "boolean": "BOOLEAN", "integer": "BIGINT", "number": "DOUBLE",
}  # fmt: skip


class Rows:
    """Facts in memory, with the columns and defaults of a home's."""

    def __init__(self, facts: Facts, at: datetime, names: Sequence[str] = READ) -> None:
        self.at = self.known_at = at
        self._db = duckdb.connect(config={"threads": 1})
        written = {fact for _, fact in {*facts._rows, *facts._tables}}
        for fact in names:
            table = facts._table(1, fact) if fact in written else None
            if table is not None:
                self._db.register(f"_{fact}", table.cast(pa.schema(_plain(table.schema))))
            has = set() if table is None else set(table.column_names)
            columns = ", ".join(
                f'"{name}"' if name in has else f'{_default(name, column.type)} AS "{name}"'
                for name, column in vocabulary()[fact].columns.items()
            )
            of = f"_{fact}" if table is not None else "(SELECT 1 WHERE FALSE)"
            self._db.execute(f"CREATE TABLE {fact} AS SELECT {columns} FROM {of}")

    @property
    def day(self) -> date:
        """See `Source.day`."""
        return (self.at - timedelta(days=1)).date()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """See `Source.rows`."""
        found = self._db.execute(re.sub(r"\{(\w+)\}", r"\1", sql)).to_arrow_table()
        return cast("list[dict[str, Any]]", found.to_pylist())

    def land(self, rows: Sequence[dict[str, Any]]) -> None:
        """Put rows on record as the newest of their key."""
        for row in rows:
            fact = row["fact"]
            key = vocabulary()[fact].key
            where = " AND ".join(f'"{name}" = ?' for name in key)
            self._db.execute(f"DELETE FROM {fact} WHERE {where}", [row[name] for name in key])
            kept = {"environment": "production", "synthetic": False, "recorded_at": self.at} | row
            names = [name for name in kept if name != "fact"]
            values = [_moment(kept[name]) for name in names]
            columns = ", ".join(f'"{name}"' for name in names)
            marks = ", ".join("?" * len(names))
            self._db.execute(f"INSERT INTO {fact} ({columns}) VALUES ({marks})", values)


def network(
    seed: int, days: int, integrations: Sequence[str], odds: Odds, names: Sequence[str] = READ
) -> tuple[Rows, list[Failure], list[Sign]]:
    """A network, and what is true of it: incidents, and signs."""
    rng = np.random.default_rng([seed, 6])
    failures, signs = draw(rng, integrations, days * 24, odds)
    facts = Facts()
    Telemetry(rng, START, days * 24, failures, signs).write(facts, integrations)
    return Rows(facts, START + timedelta(days=days), names), failures, signs


def _plain(schema: pa.Schema) -> list[pa.Field]:
    """Moments without a zone, as the warehouse keeps them."""
    return [
        pa.field(f.name, pa.timestamp("us") if pa.types.is_timestamp(f.type) else f.type)
        for f in schema
    ]


def _default(name: str, kind: str) -> str:
    if name == "environment":
        return "'production'"
    if name == "synthetic":
        return "FALSE"
    if name == "recorded_at":
        return "TIMESTAMP '2025-01-01'"
    return f"CAST(NULL AS {_TYPES.get(kind, 'VARCHAR')})"


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return value
