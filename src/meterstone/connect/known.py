"""What the warehouse knows of a vendor's records, and how rows of it are withdrawn.

A record that the vendor deleted often comes as its id alone, and a record that gave three rows may
give two the next time. The rows to withdraw are those that the warehouse has of the record's
``source_ref``; they are landed once more with ``retracted``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import msgspec

from meterstone.facts import FactBatch, vocabulary
from meterstone.record.log import LandingLog
from meterstone.record.model import facts_of_ours
from meterstone.record.recorder import Recorder

_AT_ONCE = 500
_NOT_SENT = frozenset({"recorded_at", "evidence", "revision"})


class Known:
    """Rows of the facts of one stream of one connection.

    Args:
        recorder: whose warehouse and log.
        connector: the ``integration`` of the rows.
        connection, stream: whose rows; told by the landed record that a row came from, because a
            vendor's ids are unique within a stream only.
        facts: names of the facts that the stream gives.
    """

    def __init__(
        self,
        recorder: Recorder,
        connector: str,
        connection: str,
        stream: str,
        facts: Iterable[str],
    ) -> None:
        self._recorder = recorder
        self._log: LandingLog = recorder.log
        self._connector = connector
        self._connection = connection
        self._stream = stream
        self._facts = tuple(facts)

    def refs(self, before: datetime) -> set[str]:
        """Vendor ids of the records that were known at a moment and still are."""
        found: set[str] = set()
        for fact in self._facts:
            table = self._recorder.warehouse.query(
                f"SELECT k.source_ref, k._seq FROM {self._of(fact)} AS k "
                f"WHERE {self._mine} AND k.recorded_at <= {_moment(before)}"
            )
            mine = self._of_stream(set(table.column("_seq").unique().to_pylist()))
            rows = zip(table.column("source_ref"), table.column("_seq"), strict=True)
            found |= {ref.as_py() for ref, seq in rows if seq.as_py() in mine}
        return found

    def rows(self, refs: Collection[str]) -> list[dict[str, Any]]:
        """Current rows of some records, each with its ``fact``."""
        return [row for fact in self._facts for row in self._rows(fact, refs)]

    def stated(self, refs: Collection[str]) -> list[dict[str, Any]]:
        """Current rows of some records that came over no connection: people stated them."""
        found = [row for fact in self._facts for row in self._found(fact, refs)]
        contexts = self._log.contexts(sorted({row["_seq"] for row in found}))
        return [row for row in found if "connection" not in contexts[row["_seq"]]]

    def retract(self, refs: Collection[str], why: str) -> int:
        """Withdraw all rows of some records.

        Returns:
            How many rows.
        """
        return self.withdraw(self.rows(refs), why)

    def withdraw(self, rows: list[dict[str, Any]], why: str) -> int:
        """Land rows once more, as retracted; how many."""
        return self._land(rows, why)

    def retract_vanished(self, refs: Collection[str], batches: Iterable[FactBatch]) -> int:
        """Withdraw rows of records that came again without them.

        Args:
            refs: the records, of which nothing was refused.
            batches: the rows that they give now; they are in the warehouse already.
        """
        now: dict[str, set[tuple[Any, ...]]] = {fact: set() for fact in self._facts}
        for batch in batches:
            for row in batch.table.select(list(batch.schema.key)).to_pylist():
                now[batch.schema.name].add(tuple(row[key] for key in batch.schema.key))
        gone = [
            row
            for fact in self._facts
            for row in self._rows(fact, refs)
            if tuple(row[key] for key in vocabulary()[fact].key) not in now[fact]
        ]
        return self._land(gone, "no longer part of its record")

    def _rows(self, fact: str, refs: Collection[str]) -> list[dict[str, Any]]:
        found = self._found(fact, refs)
        mine = self._of_stream({row["_seq"] for row in found})
        return [row for row in found if row["_seq"] in mine]

    def _found(self, fact: str, refs: Collection[str]) -> list[dict[str, Any]]:
        wanted = sorted({ref for ref in refs if ref is not None})
        found: list[dict[str, Any]] = []
        for start in range(0, len(wanted), _AT_ONCE):
            listed = ", ".join(_text(ref) for ref in wanted[start : start + _AT_ONCE])
            found += self._recorder.warehouse.query(
                f"SELECT k.* FROM {self._of(fact)} AS k "
                f"WHERE {self._mine} AND k.source_ref IN ({listed})"
            ).to_pylist()
        return [{"fact": fact, **row} for row in found]

    def _land(self, rows: list[dict[str, Any]], why: str) -> int:
        if not rows:
            return 0
        lines = [
            msgspec.json.encode(
                {
                    name: value
                    for name, value in row.items()
                    if value is not None and name not in _NOT_SENT and not name.startswith("_")
                }
                | {"retracted": True}
            )
            for row in rows
        ]
        body = b"\n".join(lines) + b"\n"
        self._log.land(facts_of_ours(body, f"withdrawn: {why}", f"connection {self._connection}"))
        self._recorder.map_new()
        return len(rows)

    def _of(self, fact: str) -> str:
        return self._recorder.warehouse.relation(fact, None)

    @property
    def _mine(self) -> str:
        return f"k.integration = {_text(self._connector)} AND k.source_ref IS NOT NULL"

    def _of_stream(self, seqs: set[int]) -> set[int]:
        """Which of these landed records are of this stream of this connection."""
        return {
            seq
            for seq, context in self._log.contexts(sorted(seqs)).items()
            if context.get("connection") == self._connection
            and context.get("stream") in (self._stream, "")  # a delivery may be of several
        }


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _moment(at: datetime) -> str:
    return f"TIMESTAMP '{at.replace(tzinfo=None).isoformat(sep=' ')}'"
