"""Kept scorecards: every revision of every scope and day, and beside them values by day."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
import zstandard

from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import scope_days, scorecards


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept scorecard; ``body`` is its canonical JSON."""

    kind: str
    key: str
    day: date
    known_at: datetime
    hash: str
    body: bytes
    changes: tuple[str, ...] = ()
    """What is different from the revision before, a sentence each."""


@dataclass(frozen=True, slots=True)
class ScopeDays:
    """A scope by its name, with the values of its metrics by day (JSON of the board)."""

    kind: str
    key: str
    name: str
    values: Mapping[str, Any]


class Scorecards:
    """The kept scorecards as one transaction sees and changes them. Nothing is ever changed or
    removed; a correction is a further revision."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    def keep(self, cards: Sequence[Kept]) -> None:
        """Add revisions; one entry of the audit log a card of the network."""
        if not cards:
            return
        rows = [
            {
                "scope_kind": card.kind, "scope_key": card.key, "day": card.day.isoformat(),
                "known_at": card.known_at, "hash": card.hash,
                "body": zstandard.compress(card.body), "changes": list(card.changes),
            }
            for card in cards
        ]  # fmt: skip
        self._tx.run(sa.insert(scorecards).values(rows))
        for card in cards:
            if card.kind == "network":
                self._tx.audit("scorecard.keep", card.hash, day=card.day.isoformat())

    def newest(
        self, kind: str, key: str, day: date | None = None, known_at: datetime | None = None
    ) -> Kept | None:
        """The newest revision of a day (None: of the newest day), as known at a moment."""
        query = sa.select(scorecards).where(_is(kind, key))
        if day is not None:
            query = query.where(scorecards.c.day == day.isoformat())
        if known_at is not None:
            query = query.where(scorecards.c.known_at <= known_at)
        newest = query.order_by(scorecards.c.day.desc(), scorecards.c.number.desc()).limit(1)
        row = self._tx.run(newest).first()
        if row is None:
            return None
        return Kept(
            row.scope_kind, row.scope_key, date.fromisoformat(row.day), row.known_at, row.hash,
            zstandard.decompress(row.body), tuple(row.changes),
        )  # fmt: skip

    def then(
        self, kind: str, key: str, known_at: datetime, days: int, until: date | None = None
    ) -> dict[date, bytes]:
        """The canonical JSON of each day's newest revision that was known at a moment, of so many
        of the newest days up to one (None: all)."""
        newest = (
            sa.select(sa.func.max(scorecards.c.number))
            .where(_is(kind, key), scorecards.c.known_at <= known_at)
            .group_by(scorecards.c.day)
            .order_by(scorecards.c.day.desc())
            .limit(days)
        )
        if until is not None:
            newest = newest.where(scorecards.c.day <= until.isoformat())
        query = sa.select(scorecards.c.day, scorecards.c.body).where(
            scorecards.c.number.in_(newest)
        )
        return {
            date.fromisoformat(row.day): zstandard.decompress(row.body)
            for row in self._tx.run(query.order_by(scorecards.c.day))
        }

    def revisions(self, kind: str, key: str, day: date) -> list[tuple[datetime, str, list[str]]]:
        """Moment, hash and changes of all revisions of a day, oldest first."""
        columns = scorecards.c.known_at, scorecards.c.hash, scorecards.c.changes
        query = sa.select(*columns).where(_is(kind, key), scorecards.c.day == day.isoformat())
        return [tuple(row) for row in self._tx.run(query.order_by(scorecards.c.number))]

    def days(self, kind: str, key: str) -> list[date]:
        """Days of which there is one, oldest first."""
        query = sa.select(scorecards.c.day).where(_is(kind, key)).distinct()
        return sorted(date.fromisoformat(row.day) for row in self._tx.run(query))

    def version(self) -> int:
        """Counts up with every change of what is kept here."""
        newest = self._tx.run(sa.select(sa.func.max(scorecards.c.number))).scalar() or 0
        changed = self._tx.run(sa.select(sa.func.sum(scope_days.c.version))).scalar() or 0
        return int(newest) + int(changed)

    def scopes(self, kind: str) -> list[tuple[str, str]]:
        """Key and name of all scopes of a kind, by name."""
        query = sa.select(scope_days.c.scope_key, scope_days.c.name)
        found = self._tx.run(query.where(scope_days.c.scope_kind == kind))
        return sorted(((row.scope_key, row.name) for row in found), key=lambda pair: pair[1])

    def values(self, kind: str, key: str) -> Mapping[str, Any]:
        """The values by day of a scope; empty where there are none."""
        query = sa.select(scope_days.c.body).where(
            scope_days.c.scope_kind == kind, scope_days.c.scope_key == key
        )
        body = self._tx.run(query).scalar()
        return {} if body is None else json.loads(zstandard.decompress(body))

    def put_values(self, scopes: Sequence[ScopeDays]) -> None:
        """Put values by day in the place of those of before."""
        for scope in scopes:
            body = zstandard.compress(json.dumps(scope.values, allow_nan=False).encode())
            fields = {"name": scope.name, "body": body}
            statement = self._tx.insert(scope_days).values(
                scope_kind=scope.kind, scope_key=scope.key, version=1, **fields
            )
            self._tx.run(
                statement.on_conflict_do_update(
                    index_elements=["scope_kind", "scope_key"],
                    set_={**fields, "version": scope_days.c.version + 1},
                )
            )


def _is(kind: str, key: str) -> sa.ColumnElement[bool]:
    return sa.and_(scorecards.c.scope_kind == kind, scorecards.c.scope_key == key)
