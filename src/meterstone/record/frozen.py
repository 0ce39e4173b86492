"""Frozen facts: what was recorded once holds. A second row of the key that says something else is
no correction but an error, and is refused by name; only a retraction makes room for another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from meterstone.facts import FactBatch, Reject, RowRefused, excerpt, refuse_frozen
from meterstone.warehouse.base import Warehouse

_SET_BY_THE_HUB = ("recorded_at", "revision", "_seq", "_item")


def held(batch: FactBatch, warehouse: Warehouse) -> tuple[FactBatch, list[Reject]]:
    """The rows of a frozen fact that may be recorded, and a reject for each that may not.

    All rows that came before must be in the warehouse. Rows of one record are held against each
    other where the batch is built.
    """
    key = batch.schema.key
    recorded = warehouse.query(f"SELECT * FROM {warehouse.relation(batch.schema.name, None)}")
    known = {_key(row, key): row for row in recorded.to_pylist()}
    kept, rejects = [], []
    for index, row in enumerate(batch.table.to_pylist()):
        try:
            _refuse_second(batch, known, row)
        except RowRefused as refused:
            said = {name: value for name, value in row.items() if value is not None}
            rejects.append(
                Reject(row["_item"], str(refused), refused.mend, excerpt(said), batch.schema.name)
            )
        else:
            kept.append(index)
    return FactBatch(
        batch.schema, batch.table.take(pa.array(kept, pa.int64())), batch.rejects
    ), rejects


def _refuse_second(
    batch: FactBatch, known: dict[tuple[Any, ...], Any], row: Mapping[str, Any]
) -> None:
    key = _key(row, batch.schema.key)
    if row["retracted"]:
        known.pop(key, None)
    elif key in known:
        refuse_frozen(batch.schema, _said(known[key]), _said(row))
    else:
        known[key] = row


def _key(row: Mapping[str, Any], key: Iterable[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in key)


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _SET_BY_THE_HUB}
