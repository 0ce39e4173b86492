"""Lands a body in memory and maps it, as the recorder does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from meterstone.facts import FactBatch, Reject
from meterstone.record.formats import formats
from meterstone.record.model import LandedRecord

RECEIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Result:
    """What a mapping yielded."""

    batches: list[FactBatch] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for batch in self.batches for row in batch.table.to_pylist()]

    def by(self, key: str) -> dict[Any, dict[str, Any]]:
        """Rows by a key, without their place."""
        return {
            row[key]: {name: v for name, v in row.items() if name != "_item"} for row in self.rows
        }


@pytest.fixture(scope="session")
def mapped() -> Callable[..., Result]:
    """Maps one body."""

    def run(
        form: str, body: bytes, name: str = "", received_at: datetime = RECEIVED, **context: str
    ) -> Result:
        record = LandedRecord(
            1, received_at, body, form, "", "test", name, context, sha256(body).digest()
        )
        result = Result()
        for part in formats()[form].map(record):
            if isinstance(part, Reject):
                result.rejects.append(part)
            else:
                assert part.table.num_rows <= 50_000
                result.batches.append(part)
                result.rejects += part.rejects
        return result

    return run


@pytest.fixture(scope="session")
def bodies_of() -> Callable[[Iterable[bytes | Reject]], list[bytes]]:
    """The bodies of a split that refused nothing."""

    def check(pieces: Iterable[bytes | Reject]) -> list[bytes]:
        bodies = list(pieces)
        assert not [piece for piece in bodies if isinstance(piece, Reject)]
        return [piece for piece in bodies if isinstance(piece, bytes)]

    return check
