"""Rows of the simulated network as Square's records, and which records there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterstone.sandbox.kit import (
    CHANGED,
    Books,
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
from meterstone.sandbox.kit.clock import rfc3339

MERCHANT = "MLSIMULATED001"
_CUSTOMERS, _STAFF = 40, 4
_LAST = timedelta(milliseconds=1)
_PAYMENT = {"completed": "COMPLETED", "voided": "CANCELED", "failed": "FAILED"}
_CARD = {"completed": "CAPTURED", "voided": "VOIDED", "failed": "FAILED"}
_BOOKING = {
    "pending": "PENDING", "confirmed": "ACCEPTED", "completed": "ACCEPTED",
    "cancelled": "CANCELLED_BY_CUSTOMER", "no_show": "NO_SHOW",
}  # fmt: skip


@dataclass(frozen=True)
class Shops:
    """Locations of the merchant by franchise."""

    location_of: Mapping[str, str]
    currency_of: Mapping[str, str]

    def customer(self, franchise: str, key: str) -> str:
        """One of the customers of a shop."""
        return token("customer", franchise, int(spread(key, 0, _CUSTOMERS)), length=26)

    def staff(self, franchise: str, key: str) -> str:
        """One of the people of a shop."""
        return "TM" + token("team", franchise, int(spread(key, 0, _STAFF)), length=14)


def entities(books: Books, clock: Clock) -> dict[str, Entity]:
    """All records of the account by kind."""
    payments, bookings = books.rows("payment", "square"), books.rows("booking", "square")
    shops = _shops(payments, bookings)
    end = _end(payments, bookings)
    return {
        "locations": _locations(shops, clock, end),
        "payments": _sales("payments", payments, clock, end, lambda row: payment(row, shops, end)),
        "orders": _sales("orders", payments, clock, end, lambda row: order(row, shops, end)),
        "refunds": _refunds(payments, clock, shops, end),
        "bookings": _bookings(bookings, clock, shops, end),
        "customers": _customers(shops, clock, end),
        "team_members": _team(shops, clock, end),
        "payouts": _payouts(payments, clock, shops, end),
    }


def money(amount: float, currency: str) -> Record:
    """An amount in minor units."""
    return {"amount": round(amount * 100), "currency": currency}


def payment(row: Row, shops: Shops, end: datetime) -> Record:
    """A payment. Its tax and discount are on its order only."""
    currency, id_ = row["currency"], row["payment_id"]
    taken = row["gross"] - row["discount"] + row["tax"]
    record: Record = {
        "id": id_,
        "created_at": _at(row["paid_at"]),
        "updated_at": _at(_changed(row, end)),
        "amount_money": money(taken, currency),
        "tip_money": money(row["tip"], currency),
        "total_money": money(taken + row["tip"], currency),
        "status": _PAYMENT[row["status"]],
        "source_type": "CARD",
        "card_details": {"status": _CARD[row["status"]], "entry_method": "EMV"},
        "location_id": shops.location_of[row["franchise_id"]],
        "order_id": order_id(id_),
        "customer_id": shops.customer(row["franchise_id"], id_),
        "team_member_id": shops.staff(row["franchise_id"], id_),
        "receipt_number": token("receipt", id_, length=4),
        "version_token": token("version", id_, row["refund"], length=43).lower(),
    }
    if row["refund"]:
        record["refunded_money"] = money(row["refund"], currency)
        record["refund_ids"] = [refund_id(id_)]
    return record


def order(row: Row, shops: Shops, end: datetime) -> Record:
    """The order of a payment: what was sold, discounts, taxes, tenders, refunds."""
    currency, id_ = row["currency"], row["payment_id"]
    location = shops.location_of[row["franchise_id"]]
    total = row["gross"] - row["discount"] + row["tax"]
    record: Record = {
        "id": order_id(id_),
        "location_id": location,
        "customer_id": shops.customer(row["franchise_id"], id_),
        "source": {"name": "Point of Sale"},
        "line_items": [
            {
                "uid": "1", "name": "Haircut", "quantity": "1", "item_type": "ITEM",
                "base_price_money": money(row["gross"], currency),
                "gross_sales_money": money(row["gross"], currency),
                "total_discount_money": money(row["discount"], currency),
                "total_tax_money": money(row["tax"], currency),
                "total_money": money(total, currency),
            }
        ],
        "tenders": [
            {
                "id": id_, "location_id": location, "transaction_id": order_id(id_),
                "created_at": _at(row["paid_at"]), "type": "CARD", "payment_id": id_,
                "amount_money": money(total + row["tip"], currency),
                "tip_money": money(row["tip"], currency),
                "card_details": {"status": _CARD[row["status"]], "entry_method": "EMV"},
            }
        ],
        "created_at": _at(row["paid_at"]),
        "updated_at": _at(_changed(row, end)),
        "closed_at": _at(row["paid_at"]),
        "state": "COMPLETED" if row["status"] == "completed" else "CANCELED",
        "version": 2 if row["refund"] else 1,
        "total_money": money(total + row["tip"], currency),
        "total_tax_money": money(row["tax"], currency),
        "total_discount_money": money(row["discount"], currency),
        "total_tip_money": money(row["tip"], currency),
        "total_service_charge_money": money(0, currency),
    }  # fmt: skip
    if row["refund"]:
        record["refunds"] = [
            {
                "id": refund_id(id_), "location_id": location, "transaction_id": order_id(id_),
                "tender_id": id_, "created_at": record["updated_at"], "reason": "Returned goods",
                "amount_money": money(row["refund"], currency), "status": "APPROVED",
            }
        ]  # fmt: skip
    return record


def order_id(payment_id: str) -> str:
    """The id of the order of a payment."""
    return token("order", payment_id, length=22)


def refund_id(payment_id: str) -> str:
    """The id of the refund of a payment."""
    return f"{payment_id}_{token('refund', payment_id, length=22)}"


def stamp(record: Record, at: datetime) -> None:
    """Write the time of change; fill what a new record lacks."""
    record["updated_at"] = _at(at)
    record.setdefault("created_at", _at(at))
    if isinstance(record.get("version"), int):
        record["version"] += 1


def read(text: str) -> int:
    """A moment of a record as microseconds."""
    return micros(datetime.fromisoformat(text))


_UPDATED = "updated_at"


def _keys(created: Any, changed: Any, locations: list[str]) -> dict[str, Key]:
    return {
        CHANGED: Key(changed, lambda record: read(record[_UPDATED])),
        "created": Key(created, lambda record: read(record["created_at"])),
        "location_id": Key(locations, lambda record: record.get("location_id"), text=True),
    }


def _sales(name: str, rows: Rows, clock: Clock, end: datetime, render: Any) -> Entity:
    paid = rows.micros("paid_at")
    shops = _location_ids(rows)
    ids = rows.column("payment_id")
    return Entity(
        name, clock, rows=rows, render=render, stamp=stamp,
        ids=ids if name == "payments" else [order_id(id_) for id_ in ids],
        keys=_keys(paid, _all_changed(rows, end), shops),
    )  # fmt: skip


def _refunds(payments: Rows, clock: Clock, shops: Shops, end: datetime) -> Entity:
    back = pc.greater(payments.table.column("refund"), 0.0)
    rows = Rows(
        payments.table.filter(back), payments.retracted.filter(back),
        payments.versions.filter(back),
    )  # fmt: skip

    def render(row: Row) -> Record:
        at = _at(_changed(row, end))
        return {
            "id": refund_id(row["payment_id"]), "status": "COMPLETED", "created_at": at,
            "updated_at": at, "location_id": shops.location_of[row["franchise_id"]],
            "amount_money": money(row["refund"], row["currency"]),
            "payment_id": row["payment_id"], "order_id": order_id(row["payment_id"]),
            "reason": "Returned goods",
        }  # fmt: skip

    changed = _all_changed(rows, end)
    ids = [refund_id(id_) for id_ in rows.column("payment_id")]
    keys = _keys(changed, changed, _location_ids(rows))
    return Entity("refunds", clock, ids=ids, rows=rows, render=render, keys=keys, stamp=stamp)


def _bookings(rows: Rows, clock: Clock, shops: Shops, end: datetime) -> Entity:
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
            "created_at": _at(row["created_at"]),
            "updated_at": _at(changed),
            "start_at": _at(row["starts_at"]),
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

    keys = _keys(created, changed, _location_ids(rows)) | {
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
    return max(created, min(changed, end - _LAST))


def _changed(row: Row, end: datetime) -> datetime:
    """When a sale changed last: the day it was paid, or later when money was given back."""
    paid: datetime = row["paid_at"]
    if not row["refund"]:
        return paid
    back = timedelta(seconds=int(spread(row["payment_id"], 3600, 3 * 86_400)))
    return max(paid, min(paid + back, end - _LAST))


def _all_changed(rows: Rows, end: datetime) -> Any:
    changed = rows.micros("paid_at").copy()
    refunds = rows.table.column("refund").to_numpy()
    for place in np.flatnonzero(refunds > 0):
        changed[place] = micros(_changed(rows.take([place])[0], end))
    return changed


def _location_id(franchise: str) -> str:
    return "L" + token("location", franchise, length=12)


def _location_ids(rows: Rows) -> list[str]:
    known: dict[str, str] = {}
    return [known.setdefault(f, _location_id(f)) for f in rows.column("franchise_id")]


def _shops(payments: Rows, bookings: Rows) -> Shops:
    names = sorted({*payments.column("franchise_id"), *bookings.column("franchise_id")})
    pairs = zip(payments.column("franchise_id"), payments.column("currency"), strict=True)
    currency = dict.fromkeys(names, "USD") | dict(pairs)
    return Shops({name: _location_id(name) for name in names}, currency)


def _end(*rows: Rows) -> datetime:
    """The end of the simulated history: the midnight after the last row."""
    newest = max(
        (int(r.micros(name).max()) for r, name in zip(rows, ("paid_at", "created_at"), strict=True)
         if len(r)),
        default=0,
    )  # fmt: skip
    day = moment(newest).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days=1)


def _made(
    name: str, clock: Clock, records: list[Record], keys: dict[str, Key] | None = None
) -> Entity:
    """An entity of few records, made at once."""
    own = {CHANGED: Key([read(r[_UPDATED]) for r in records], lambda r: read(r[_UPDATED]))}
    return Entity(
        name, clock, ids=[r["id"] for r in records], rows=records, keys=own | (keys or {}),
        stamp=stamp,
    )  # fmt: skip


def _locations(shops: Shops, clock: Clock, end: datetime) -> Entity:
    opened = _at(end - timedelta(days=2000))
    records: list[Record] = [
        {
            "id": id_, "name": franchise, "timezone": "Etc/UTC", "status": "ACTIVE",
            "created_at": opened, "merchant_id": MERCHANT, "language_code": "en-US",
            "country": "CA" if shops.currency_of[franchise] == "CAD" else "US",
            "currency": shops.currency_of[franchise], "business_name": f"Shop {franchise}",
            "type": "PHYSICAL", "capabilities": ["CREDIT_CARD_PROCESSING"], "mcc": "7230",
        }
        for franchise, id_ in shops.location_of.items()
    ]  # fmt: skip
    times = [read(record["created_at"]) for record in records]
    return Entity(
        "locations", clock, ids=[r["id"] for r in records], rows=records,
        keys={CHANGED: Key(times, lambda record: read(record["created_at"]))},
        stamp=lambda record, at: record.setdefault("created_at", _at(at)) and None,
    )  # fmt: skip


def _customers(shops: Shops, clock: Clock, end: datetime) -> Entity:
    records: list[Record] = []
    for franchise in shops.location_of:
        for nth in range(_CUSTOMERS):
            id_ = token("customer", franchise, nth, length=26)
            at = _at(end - timedelta(seconds=int(spread(id_, 86_400, 86_400 * 300))))
            records.append(
                {
                    "id": id_, "created_at": at, "updated_at": at, "given_name": "Simulated",
                    "family_name": f"Customer {nth + 1} of {franchise}", "reference_id": franchise,
                    "creation_source": "APPOINTMENTS", "version": 0,
                    "email_address": f"{id_.lower()}@example.org",
                }
            )  # fmt: skip
    created = Key([read(r["created_at"]) for r in records], lambda r: read(r["created_at"]))
    return _made("customers", clock, records, {"created": created})


def _team(shops: Shops, clock: Clock, end: datetime) -> Entity:
    records: list[Record] = []
    for franchise, location in shops.location_of.items():
        for nth in range(_STAFF):
            id_ = "TM" + token("team", franchise, nth, length=14)
            at = _at(end - timedelta(seconds=int(spread(id_, 86_400, 86_400 * 900))))
            records.append(
                {
                    "id": id_, "is_owner": False, "status": "ACTIVE", "created_at": at,
                    "updated_at": at, "given_name": "Simulated", "reference_id": franchise,
                    "family_name": f"Barber {nth + 1} of {franchise}",
                    "assigned_locations": {
                        "assignment_type": "EXPLICIT_LOCATIONS", "location_ids": [location],
                    },
                }
            )  # fmt: skip
    return _made("team_members", clock, records)


def _payouts(payments: Rows, clock: Clock, shops: Shops, end: datetime) -> Entity:
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
            "location_id": shops.location_of[row["franchise"]], "created_at": _at(at),
            "updated_at": _at(at), "amount_money": money(row["taken_sum"], row["currency"]),
            "destination": {
                "type": "BANK_ACCOUNT", "id": f"bact:{token('bank', row['franchise'])}"
            },
            "version": 1, "type": "BATCH", "arrival_date": f"{at:%Y-%m-%d}",
        }  # fmt: skip

    locations = [shops.location_of[name] for name in names]
    return Entity(
        "payouts", clock, ids=ids, rows=rows, render=render, stamp=stamp,
        keys=_keys(paid, paid, locations),
    )  # fmt: skip


def _at(at: datetime) -> str:
    return rfc3339(at)
