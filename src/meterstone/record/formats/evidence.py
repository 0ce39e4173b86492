"""A document that statements name as their evidence: kept as it is, and mapped to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from meterstone.record.model import Format, LandedRecord, Mapped


def _map(_record: LandedRecord) -> Iterator[Mapped]:
    yield from ()


def _detect(_path: Path, _head: bytes) -> bool:
    return False  # it comes with a statement, never by itself


FORMAT = Format(
    name="evidence",
    title="Evidence of an attestation (kept under its hash)",
    media_type="application/octet-stream",
    detect=_detect,
    map=_map,
)
