"""Kept findings: every round of every study, as it was known when it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256

import sqlalchemy as sa
import zstandard

from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import findings, study_rounds


@dataclass(frozen=True, slots=True)
class Round:
    """One time that a study was asked.

    Attributes:
        input: digest of what it read: the same input gives the same findings.
    """

    number: int
    study: str
    day: date
    known_at: datetime
    input: str
    took_s: float
    found: int


@dataclass(frozen=True, slots=True)
class FindingBody:
    """A finding as canonical JSON, with what it is found by."""

    scope_kind: str
    scope_key: str
    key: str
    body: bytes
    hash: str = ""

    @property
    def digest(self) -> str:
        """sha256 of its body, in hex."""
        return sha256(self.body).hexdigest()


class Findings:
    """The findings as one transaction sees and adds to them. Nothing is ever changed or removed."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    def keep(
        self, study: str, day: date, known_at: datetime, input_: str, took_s: float,
        found: Sequence[FindingBody],
    ) -> Round:  # fmt: skip
        """Add a round with all that it found; one entry of the audit log."""
        row = {
            "study": study, "day": day.isoformat(), "known_at": known_at, "input": input_,
            "took_s": took_s, "found": len(found),
        }  # fmt: skip
        statement = sa.insert(study_rounds).values(row).returning(study_rounds.c.number)
        number = int(self._tx.run(statement).scalar_one())
        if found:
            self._tx.run(
                sa.insert(findings).values(
                    [
                        {
                            "round": number, "scope_kind": each.scope_kind,
                            "scope_key": each.scope_key, "key": each.key, "hash": each.digest,
                            "body": zstandard.compress(each.body),
                        }
                        for each in found
                    ]
                )
            )  # fmt: skip
        self._tx.audit("study.round", study, day=day.isoformat(), found=len(found))
        return Round(number, study, day, known_at, input_, took_s, len(found))

    def newest(
        self, study: str, day: date | None = None, known_at: datetime | None = None
    ) -> Round | None:
        """The newest round of a study.

        Args:
            day: of no later day; None: of any.
            known_at: made by then; None: now.
        """
        query = sa.select(study_rounds).where(study_rounds.c.study == study)
        if day is not None:
            query = query.where(study_rounds.c.day <= day.isoformat())
        if known_at is not None:
            query = query.where(study_rounds.c.known_at <= known_at)
        newest = query.order_by(study_rounds.c.day.desc(), study_rounds.c.number.desc()).limit(1)
        row = self._tx.run(newest).first()
        return None if row is None else _round(row)

    def of(
        self, round_: int, scope: tuple[str, str] | None = None, key: str | None = None
    ) -> list[FindingBody]:
        """What a round found, as the study gave it.

        Args:
            scope: kind and key; None: at any.
            key: only what is about this.
        """
        query = sa.select(findings).where(findings.c.round == round_)
        if scope is not None:
            kind, of = scope
            query = query.where(findings.c.scope_kind == kind, findings.c.scope_key == of)
        if key is not None:
            query = query.where(findings.c.key == key)
        return [
            FindingBody(
                row.scope_kind, row.scope_key, row.key, zstandard.decompress(row.body), row.hash
            )
            for row in self._tx.run(query.order_by(findings.c.number))
        ]

    def version(self) -> int:
        """Counts up with every round."""
        return int(self._tx.run(sa.select(sa.func.max(study_rounds.c.number))).scalar() or 0)


def _round(row: sa.Row[tuple[object, ...]]) -> Round:
    return Round(
        row.number, row.study, date.fromisoformat(row.day), row.known_at, row.input, row.took_s,
        row.found,
    )  # fmt: skip
