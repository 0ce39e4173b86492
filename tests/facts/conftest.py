"""A fact with one column of every type, and one good row of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from meterstone.facts import Column, FactBatch, FactSchema, RowCheck, build_batch, vocabulary

RECEIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)

COMMON = vocabulary()["probe"].common_columns
VISIT = FactSchema(
    name="visit",
    description="A visit to a shop.",
    grain="one visit",
    key=("visit_id", "chair"),
    event_time="at",
    sources=("hub itself",),
    own_columns=(
        Column("visit_id", "string"),
        Column("chair", "integer", unit="count"),
        Column("at", "timestamp", unit="UTC"),
        Column("ended_at", "timestamp", nullable=True),
        Column("day", "date", nullable=True),
        Column("minutes", "integer", unit="min", nullable=True),
        Column("balance", "integer", nullable=True),
        Column("share", "number", unit="fraction (0..1)", nullable=True),
        Column("paid_usd", "decimal", unit="USD", nullable=True),
        Column("walk_in", "boolean", nullable=True),
        Column("cut", "enum", allowed=("long", "short"), nullable=True),
        Column("page", "uri", nullable=True),
    ),
    common_columns=COMMON,
    checks=(RowCheck.parse("ended_at >= at"),),
)
GOOD: Mapping[str, Any] = {"visit_id": "v1", "chair": 1, "at": "2026-03-01T09:30:00Z"}

Build = Callable[..., FactBatch]


@pytest.fixture
def build() -> Build:
    """Checks rows of the visit fact, numbered from 1."""

    def run(*rows: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> FactBatch:
        numbered: Iterable[tuple[int, Mapping[str, Any]]] = enumerate(rows, start=1)
        return build_batch(VISIT, numbered, received_at=RECEIVED, defaults=defaults)

    return run
