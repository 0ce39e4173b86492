"""Gross sales that units report a month, summed from the payments that their tills took."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from meterstone.sandbox.franconnect.records import Row
from meterstone.sandbox.kit import Rows

PARTS = ("gross", "discount", "refund", "tax", "tip")


def monthly_totals(payments: Rows) -> list[Row]:
    """Sums of completed payments by unit, month (UTC) and currency; amounts in cents, exact.

    Args:
        payments: rows of the fact payment; those that were taken back are no sales.
    """
    completed = pc.equal(payments.table["status"].cast(pa.string()), "completed")
    done = payments.table.filter(pc.and_(completed, pc.invert(payments.retracted)))
    month = pc.floor_temporal(done.column("paid_at"), unit="month").cast(pa.date32())
    columns: dict[str, Any] = {
        "franchise_id": done.column("franchise_id"),
        "month": month,
        "currency": done.column("currency"),
    }
    for part in PARTS:
        cents = pc.round(pc.multiply(done.column(part).cast(pa.float64()), 100.0))
        columns[part] = cents.cast(pa.int64())
    sums = (
        pa.table(columns)
        .group_by(["franchise_id", "month", "currency"], use_threads=False)
        .aggregate([(part, "sum") for part in PARTS])
        .sort_by([("month", "ascending"), ("franchise_id", "ascending")])
    )
    renamed = sums.rename_columns([name.removesuffix("_sum") for name in sums.column_names])
    return list(renamed.to_pylist())
