"""How long a change at the vendor took until it was a fact: `sync_lag`, one row a change.

The same change has the same id however it comes (webhook, poll, look-back), and is told once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from meterstone.connect import values
from meterstone.connect.spec import CursorSpec
from meterstone.connect.telemetry import Telemetry
from meterstone.connect.values import ColumnRefused
from meterstone.ledger import Connection
from meterstone.warehouse.base import Warehouse

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Change:
    """A record changed at the vendor at a moment, and came here at another."""

    ref: str
    changed_at: datetime
    received_at: datetime
    franchise_id: str | None = None


def change_id(connection: str, stream: str, ref: str, changed_at: datetime) -> str:
    """The id of a change in `sync_lag`."""
    text = "\0".join((connection, stream, ref, changed_at.isoformat()))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def moment_of(value: Any, cursor: CursorSpec | None) -> datetime | None:
    """A record's time of change, as its stream writes moments; None where it has none."""
    if value in (None, ""):
        return None
    format_ = cursor.format if cursor else "instant"
    try:
        if format_ == "epoch_ms":
            return values.epoch_ms(value)
        if format_ == "epoch_s":
            return values.epoch_s(value)
        return values.instant(value)
    except ColumnRefused:
        try:
            return values.instant(value, format_) if "%" in format_ else values.epoch_ms(value)
        except ColumnRefused:
            return None


def tell_changes(
    telemetry: Telemetry,
    warehouse: Warehouse,
    connection: Connection,
    stream: str,
    changes: Iterable[Change],
    applied_at: datetime,
) -> int:
    """Land a `sync_lag` row for each change that has none yet.

    Args:
        applied_at: when the facts of all of them were in the warehouse.

    Returns:
        How many were new.
    """
    by_id = {change_id(connection.id, stream, c.ref, c.changed_at): c for c in changes}
    known = _known(warehouse, list(by_id))
    new = 0
    for number, change in by_id.items():
        if number in known:
            continue
        # A vendor whose clock is ahead of ours shows a change before it was made.
        changed = min(change.changed_at, change.received_at)
        new += telemetry.add_once(
            "sync_lag",
            number,
            {
                "change_id": number, "connection_id": connection.id, "entity": stream,
                "source_changed_at": changed, "received_at": change.received_at,
                "applied_at": max(applied_at, changed), "status": "applied", "conflict": False,
                "conflict_resolution": "none", "integration": connection.connector,
                "franchise_id": change.franchise_id or connection.franchise_id,
                "source_ref": change.ref, "environment": connection.environment,
            },
        )  # fmt: skip
    return new


def _known(warehouse: Warehouse, ids: list[str]) -> set[str]:
    found: set[str] = set()
    relation = warehouse.relation("sync_lag", None)
    for start in range(0, len(ids), _AT_ONCE):
        listed = ", ".join(f"'{number}'" for number in ids[start : start + _AT_ONCE])
        table = warehouse.query(
            f"SELECT k.change_id FROM {relation} AS k WHERE k.change_id IN ({listed})"
        )
        found |= set(table.column("change_id").to_pylist())
    return found
