"""What studies read of a home: facts of a closed day as known at one moment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from meterstone.board.model import Board
from meterstone.errors import InputError
from meterstone.insight.findings import KeptFinding, read_kept
from meterstone.ledger import Ledger
from meterstone.measure.results import Scope
from meterstone.warehouse.base import Warehouse

_FACT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class HomeSource:
    """A `Source` over warehouse, board and ledger.

    Attributes:
        day: closed; its end is ``at``.
        known_at: records of later do not count.
    """

    warehouse: Warehouse
    board: Board
    ledger: Ledger
    vocabulary: frozenset[str]
    day: date
    at: datetime
    known_at: datetime
    zone: ZoneInfo

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """See `Source.rows`.

        Raises:
            InputError: it names no fact of the vocabulary.
        """
        unknown = set(_FACT.findall(sql)) - self.vocabulary
        if unknown:
            raise InputError(
                f"there is no fact {min(unknown)!r}", place=sql[:80], mend="name a fact in braces"
            )
        filled = _FACT.sub(lambda name: self.warehouse.relation(name[1], self.known_at), sql)
        rows: list[dict[str, Any]] = self.warehouse.query(filled).to_pylist()
        return rows

    def finding(self, study: str, key: str, scope: Scope) -> KeptFinding | None:
        """See `Source.finding`."""
        with self.ledger.read() as seen:
            newest = seen.findings.newest(study, self.day)
            if newest is None:
                return None
            bodies = seen.findings.of(newest.number, (scope.kind, scope.key), key)
        return read_kept(newest, bodies[0]) if bodies else None

    def digest(self, facts: Sequence[str], asked: str) -> str:
        """A digest of everything that a study can read.

        Args:
            facts: those it names.
            asked: what else the answer follows from, such as its version.
        """
        told = [asked, self.day.isoformat(), self.board.catalogue.hash]
        for fact in facts:
            [row] = self.rows(f"SELECT count(*) AS n, max(f._seq) AS newest FROM {{{fact}}} AS f")
            told.append(f"{fact}:{row['n']}:{row['newest']}")
        return sha256("\n".join(told).encode()).hexdigest()
