"""Where facts live: the interface that every engine fulfils, and what it promises.

An engine keeps append-only tables of facts with their revisions. It answers SQL in its own dialect
(``dialect``, a sqlglot name) over the names that `relation` gives for a fact; all SQL is composed
by `meterstone.measure` from validated definitions.

Promises, checked by the contract suite ``tests/warehouse/contract.py`` for every engine:

- the same rows again change nothing; other content under a known key is a new revision;
- rows of one call are visible together or not at all, and survive ``kill -9`` after the call;
- how far the landing log was mapped is kept in the transaction of the facts it yielded, so that a
  record is never mapped twice, and a warehouse that was lost or restored knows what it lacks;
- a read at *known at* K sees exactly the rows recorded by K, the newest revision of each key;
- the days that an append touched are remembered until the rollups took them in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import pyarrow as pa

from meterstone.facts import FactBatch


@dataclass(frozen=True, slots=True)
class Recorded:
    """Facts mapped from one landed record, with the two things only the hub knows."""

    seq: int
    recorded_at: datetime
    batch: FactBatch


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: rows that are new, known already, or that correct a known one."""

    new: int = 0
    duplicate: int = 0
    revised: int = 0

    def __add__(self, other: Appended) -> Appended:
        return Appended(
            self.new + other.new, self.duplicate + other.duplicate, self.revised + other.revised
        )


@dataclass(frozen=True, slots=True, order=True)
class DirtyDay:
    """A UTC day of event time in which rows of a fact were added or corrected.

    ``mark`` is the engine's number of the append, so that what comes in while a rollup is being
    refreshed stays dirty.
    """

    fact: str
    day: date
    mark: int


class Warehouse(Protocol):
    """One engine behind one interface. Appends come from one thread; reads from any."""

    dialect: str

    def append(self, recorded: Sequence[Recorded], *, mapped_to: int | None = None) -> Appended:
        """Add facts in one transaction; duplicates have no effect, corrections are revisions.

        Args:
            recorded: facts with the record and moment each came from.
            mapped_to: all facts of the records up to this one are in with this call.

        Raises:
            StorageError: the disk refused; nothing of this call was kept, a later call may succeed.
        """

    def mapped_to(self) -> int:
        """Number of the landed record up to which all facts are in; 0 in a new warehouse."""

    def relation(self, fact: str, known_at: datetime | None) -> str:
        """SQL of a subquery with the current rows of a fact as known at a moment (None: now):
        newest revision of each key, retracted rows left out; all columns of the fact plus
        ``_seq`` and ``_item`` (the landed record and the place in it)."""

    def query(self, sql: str) -> pa.Table:
        """Run a read-only statement."""

    def define(self, statements: Sequence[str]) -> None:
        """Make or drop derived tables (rollups), outside any transaction of data."""

    def derive(self, statements: Sequence[str], taken: Sequence[DirtyDay] = ()) -> None:
        """Run the statements that refresh derived tables in one transaction, and in the same one
        forget the dirty days that they took in."""

    def dirty_days(self) -> list[DirtyDay]:
        """What was touched since it was last taken in by `derive`."""

    def count(self, fact: str) -> int:
        """Rows of a fact, revisions included."""

    def last_recorded(self) -> datetime | None:
        """Newest ``recorded_at`` of any row; None when empty."""

    def close(self) -> None:
        """Write everything out and let go of the files."""
