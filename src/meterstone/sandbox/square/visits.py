"""Bookings of the network as Square's bookings."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from meterstone.sandbox.kit import (
    Clock,
    Entity,
    Key,
    Record,
    Row,
    Rows,
    micros,
    moment,
    spread,
    token,
)
from meterstone.sandbox.square.forms import LAST, Shops, keys_of, location_ids, read, stamp, written

_BOOKING = {
    "pending": "PENDING", "confirmed": "ACCEPTED", "completed": "ACCEPTED",
    "cancelled": "CANCELLED_BY_CUSTOMER", "no_show": "NO_SHOW",
}  # fmt: skip


def bookings(rows: Rows, clock: Clock, shops: Shops, end: datetime) -> Entity:
    created, starts = rows.micros("created_at"), rows.micros("starts_at")
    ids, status = rows.column("booking_id"), rows.column("status")
    changed = np.array(
        [
            micros(_booked(id_, moment(made), moment(start), state, end))
            for id_, made, start, state in zip(ids, created, starts, status, strict=True)
        ],
        dtype=np.int64,
    )

    def render(row: Row) -> Record:
        id_, franchise = row["booking_id"], row["franchise_id"]
        changed = _booked(id_, row["created_at"], row["starts_at"], row["status"], end)
        record: Record = {
            "id": id_,
            "version": 1 if row["status"] != "pending" else 0,
            "status": _BOOKING[row["status"]],
            "created_at": written(row["created_at"]),
            "updated_at": written(changed),
            "start_at": written(row["starts_at"]),
            "location_id": shops.location_of[franchise],
            "customer_id": shops.customer(franchise, id_),
            "seller_note": _note(row),
            "appointment_segments": [
                {
                    "duration_minutes": 30,
                    "service_variation_id": token("service", franchise, length=24),
                    "service_variation_version": 1,
                    "team_member_id": shops.staff(franchise, id_),
                    "any_team_member": False,
                }
            ],
            "location_type": "BUSINESS_LOCATION",
            "source": "FIRST_PARTY_BUYER",
            "all_day": False,
        }
        return record

    keys = keys_of(created, changed, location_ids(rows)) | {
        "start": Key(starts, lambda record: read(record["start_at"])),
        "customer_id": Key(
            [shops.customer(f, i) for f, i in zip(rows.column("franchise_id"), ids, strict=True)],
            lambda record: record.get("customer_id"),
            text=True,
        ),
    }
    return Entity("bookings", clock, ids=ids, rows=rows, render=render, keys=keys, stamp=stamp)


def _note(row: Row) -> str:
    """What the shop writes: Square knows neither that a visit took place nor what it cost."""
    price = "" if row["amount_usd"] is None else f"{row['amount_usd']:.2f} USD"
    return "; ".join(part for part in ("done" * (row["status"] == "completed"), price) if part)


def _booked(id_: str, created: datetime, starts: datetime, status: str, end: datetime) -> datetime:
    """When a booking changed last: it was accepted, ended, or called off."""
    if status == "pending":
        return created
    if status == "confirmed":
        changed = created + timedelta(seconds=int(spread(id_, 60, 3600)))
    elif status == "cancelled":
        changed = starts - timedelta(seconds=int(spread(id_, 600, 36_000)))
    else:
        changed = starts + timedelta(seconds=int(spread(id_, 1200, 3600)))
    return max(created, min(changed, end - LAST))
