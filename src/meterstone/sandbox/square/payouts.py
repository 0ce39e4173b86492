"""Payouts: one a shop and day."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterstone.sandbox.kit import Clock, Entity, Record, Row, Rows, micros, token
from meterstone.sandbox.square.forms import Shops, keys_of, money, stamp, written


def payouts(payments: Rows, clock: Clock, shops: Shops, end: datetime) -> Entity:
    """One a shop and day: what was taken by card, less refunds."""
    table = payments.table.filter(pc.equal(payments.table.column("status"), "completed"))
    taken = pc.subtract(
        pc.add(pc.add(table.column("gross"), table.column("tax")), table.column("tip")),
        pc.add(table.column("discount"), table.column("refund")),
    )
    days = pc.cast(table.column("paid_at"), pa.date32())
    grouped = (
        pa.table(
            {"franchise": table.column("franchise_id"), "day": days, "taken": taken,
             "currency": table.column("currency")}
        )
        .group_by(["franchise", "day", "currency"], use_threads=False)
        .aggregate([("taken", "sum")])
    )  # fmt: skip
    paid = pc.cast(pc.cast(grouped.column("day"), pa.timestamp("us")), pa.int64()).to_numpy()
    paid = paid + 86_400_000_000 + 7 * 3_600_000_000
    rows = Rows(
        grouped, pa.array(np.zeros(len(grouped), dtype=bool)), pa.array(np.ones(len(grouped)))
    )
    names = grouped.column("franchise").to_pylist()
    ids = [f"po_{token('payout', f, int(p))}" for f, p in zip(names, paid, strict=True)]

    def render(row: Row) -> Record:
        at = datetime.combine(row["day"], datetime.min.time(), end.tzinfo) + timedelta(hours=31)
        return {
            "id": f"po_{token('payout', row['franchise'], micros(at))}", "status": "PAID",
            "location_id": shops.location_of[row["franchise"]], "created_at": written(at),
            "updated_at": written(at), "amount_money": money(row["taken_sum"], row["currency"]),
            "destination": {
                "type": "BANK_ACCOUNT", "id": f"bact:{token('bank', row['franchise'])}"
            },
            "version": 1, "type": "BATCH", "arrival_date": f"{at:%Y-%m-%d}",
        }  # fmt: skip

    locations = [shops.location_of[name] for name in names]
    return Entity(
        "payouts", clock, ids=ids, rows=rows, render=render, stamp=stamp,
        keys=keys_of(paid, paid, locations),
    )  # fmt: skip
