"""Franchises that nobody knows: rows name them, and no row of the fact ``franchise`` does.

They are not refused. A payment may come in before the register of the franchises does, and the
same bytes have to give the same facts in a rebuild, whatever came before them. So their rows are
kept, count in nothing that is measured of open or active franchises, and are named here with the
mend.
"""

from __future__ import annotations

from dataclasses import dataclass

from meterstone.facts import Vocabulary
from meterstone.warehouse.base import Warehouse

REGISTER = "franchise"


@dataclass(frozen=True, slots=True)
class Stranger:
    """A franchise that no register knows: rows of ``fact`` name it, the first of them in landed
    record ``seq``."""

    franchise_id: str
    fact: str
    rows: int
    seq: int

    @property
    def reason(self) -> str:
        """What is wrong, as in a sentence."""
        rows = f"{self.rows:,} row{'' if self.rows == 1 else 's'}"
        return f"franchise {self.franchise_id!r} of {rows} of {self.fact} is in no register"

    @property
    def mend(self) -> str:
        """What to do; nothing has to be sent again when the franchise itself was missing."""
        return (
            f"send its rows of fact {REGISTER}, or send the {self.fact} again with the right "
            "franchise_id; until then it counts in nothing that is measured of franchises"
        )


def strangers(warehouse: Warehouse, vocabulary: Vocabulary) -> list[Stranger]:
    """All of them, by fact and id. Looked at are production rows of the facts that cannot do
    without a franchise (payment, booking …)."""
    found: list[Stranger] = []
    for name in facts_of_franchises(vocabulary):
        table = warehouse.query(
            "SELECT franchise_id, count(*) AS rows, min(_seq) AS seq "
            f"FROM {warehouse.relation(name, None)} AS told "
            "WHERE environment = 'production' AND NOT synthetic AND NOT EXISTS (SELECT 1 "
            f"FROM {warehouse.relation(REGISTER, None)} AS known "
            "WHERE known.franchise_id = told.franchise_id) "
            "GROUP BY franchise_id ORDER BY franchise_id"
        )
        found += [
            Stranger(row["franchise_id"], name, row["rows"], row["seq"])
            for row in table.to_pylist()
        ]
    return found


def facts_of_franchises(vocabulary: Vocabulary) -> list[str]:
    """Facts whose rows always belong to a franchise, the register itself left out."""
    return [
        name
        for name, schema in vocabulary.items()
        if name != REGISTER and not schema.columns["franchise_id"].nullable
    ]
