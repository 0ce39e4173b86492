"""What the formats of ready-made facts share: which fact a row is, and batches of checked rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from meterstone.errors import suggest
from meterstone.facts import Reject, build_batch, excerpt, vocabulary
from meterstone.record.model import LandedRecord, Mapped

ROWS = 50_000
"""Rows of one batch at most. Two rows of one key that differ are found within a batch."""

Row = tuple[int, Mapping[str, Any]]
"""Place in the record (1-based) and columns, ``fact`` among them or not."""

FROM_CONTEXT = (
    "source",
    "franchise_id",
    "integration",
    "environment",
    "entered_by",
    "entered_role",
    "evidence_uri",
    "expires_at",
)
"""Columns that the context of a record may set for the rows that leave them out."""


def stem(name: str) -> str:
    """``probe`` out of ``exports/probe.csv.gz``, ``probe-2026-03.csv`` or ``probe.2.csv``."""
    return PurePath(name.replace("\\", "/")).name.partition(".")[0].partition("-")[0]


def usual_fact(record: LandedRecord) -> str | None:
    """The fact of rows that do not name one: by the context, else by the name of the file."""
    return record.context.get("fact") or (
        found if (found := stem(record.name)) in vocabulary() else None
    )


def defaults_of(record: LandedRecord, **more: Any) -> dict[str, Any]:
    """Values for columns that rows leave out; the context wins."""
    return more | {name: record.context[name] for name in FROM_CONTEXT if record.context.get(name)}


def batches(
    record: LandedRecord, rows: Iterable[Row | Reject], defaults: Mapping[str, Any]
) -> Iterator[Mapped]:
    """Rows of any facts as checked batches, one a fact, for at most `ROWS` rows at a time.

    Args:
        record: where the rows come from.
        rows: in order; a reject is passed on in place.
        defaults: see `build_batch`.
    """
    usual = usual_fact(record)
    waiting: dict[str, list[Row]] = {}
    count = 0
    for entry in rows:
        if isinstance(entry, Reject):
            yield entry
            continue
        item, row = entry
        fact = row.get("fact") or usual
        if not isinstance(fact, str) or fact not in vocabulary():
            yield unknown_fact(item, fact, row)
            continue
        waiting.setdefault(fact, []).append(entry)
        count += 1
        if count == ROWS:
            yield from _checked(record, waiting, defaults)
            waiting, count = {}, 0
    yield from _checked(record, waiting, defaults)


def _checked(
    record: LandedRecord, waiting: Mapping[str, list[Row]], defaults: Mapping[str, Any]
) -> Iterator[Mapped]:
    for fact, rows in waiting.items():
        yield build_batch(
            vocabulary()[fact], rows, received_at=record.received_at, defaults=defaults
        )


def unknown_fact(item: int, fact: object, row: Mapping[str, Any] | str) -> Reject:
    """A row of which nobody knows what it is."""
    if fact is None:
        return Reject(
            item,
            "the row does not say which fact it is",
            "add a column `fact`, say it with the file, or name the file after it (probe.csv)",
            excerpt(row),
        )
    return Reject(
        item, f"unknown fact {fact!r}", suggest(str(fact), list(vocabulary())), excerpt(row)
    )
