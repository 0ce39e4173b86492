"""Payments of the network as Square's payments, orders and refunds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow.compute as pc

from meterstone.sandbox.kit import Clock, Entity, Record, Row, Rows, micros, spread, token
from meterstone.sandbox.square.forms import (
    LAST,
    Shops,
    keys_of,
    location_ids,
    money,
    stamp,
    written,
)

_PAYMENT = {"completed": "COMPLETED", "voided": "CANCELED", "failed": "FAILED"}
_CARD = {"completed": "CAPTURED", "voided": "VOIDED", "failed": "FAILED"}


def payment(row: Row, shops: Shops, end: datetime) -> Record:
    """A payment. Its tax and discount are on its order only."""
    currency, id_ = row["currency"], row["payment_id"]
    taken = row["gross"] - row["discount"] + row["tax"]
    record: Record = {
        "id": id_,
        "created_at": written(row["paid_at"]),
        "updated_at": written(changed_at(row, end)),
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
        record["refunded_money"] = money(given_back(row), currency)
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
                "created_at": written(row["paid_at"]), "type": "CARD", "payment_id": id_,
                "amount_money": money(total + row["tip"], currency),
                "tip_money": money(row["tip"], currency),
                "card_details": {"status": _CARD[row["status"]], "entry_method": "EMV"},
            }
        ],
        "created_at": written(row["paid_at"]),
        "updated_at": written(changed_at(row, end)),
        "closed_at": written(row["paid_at"]),
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
                "amount_money": money(given_back(row), currency), "status": "APPROVED",
            }
        ]  # fmt: skip
    return record


def given_back(row: Row) -> float:
    """What a customer got back: the goods, and the tax on them."""
    net = row["gross"] - row["discount"]
    return round(row["refund"] * (net + row["tax"]) / net, 2) if net else float(row["refund"])


def order_id(payment_id: str) -> str:
    """The id of the order of a payment."""
    return token("order", payment_id, length=22)


def refund_id(payment_id: str) -> str:
    """The id of the refund of a payment."""
    return f"{payment_id}_{token('refund', payment_id, length=22)}"


def sales(name: str, rows: Rows, clock: Clock, end: datetime, render: Any) -> Entity:
    paid = rows.micros("paid_at")
    shops = location_ids(rows)
    ids = rows.column("payment_id")
    return Entity(
        name, clock, rows=rows, render=render, stamp=stamp,
        ids=ids if name == "payments" else [order_id(id_) for id_ in ids],
        keys=keys_of(paid, all_changed(rows, end), shops),
    )  # fmt: skip


def refunds(payments: Rows, clock: Clock, shops: Shops, end: datetime) -> Entity:
    back = pc.greater(payments.table.column("refund"), 0.0)
    rows = Rows(
        payments.table.filter(back), payments.retracted.filter(back),
        payments.versions.filter(back),
    )  # fmt: skip

    def render(row: Row) -> Record:
        at = written(changed_at(row, end))
        return {
            "id": refund_id(row["payment_id"]), "status": "COMPLETED", "created_at": at,
            "updated_at": at, "location_id": shops.location_of[row["franchise_id"]],
            "amount_money": money(given_back(row), row["currency"]),
            "payment_id": row["payment_id"], "order_id": order_id(row["payment_id"]),
            "reason": "Returned goods",
        }  # fmt: skip

    changed = all_changed(rows, end)
    ids = [refund_id(id_) for id_ in rows.column("payment_id")]
    keys = keys_of(changed, changed, location_ids(rows))
    return Entity("refunds", clock, ids=ids, rows=rows, render=render, keys=keys, stamp=stamp)


def changed_at(row: Row, end: datetime) -> datetime:
    """When a sale changed last: the day it was paid, or later when money was given back."""
    paid: datetime = row["paid_at"]
    if not row["refund"]:
        return paid
    back = timedelta(seconds=int(spread(row["payment_id"], 3600, 3 * 86_400)))
    return max(paid, min(paid + back, end - LAST))


def all_changed(rows: Rows, end: datetime) -> Any:
    changed = rows.micros("paid_at").copy()
    refunds = rows.table.column("refund").to_numpy()
    for place in np.flatnonzero(refunds > 0):
        changed[place] = micros(changed_at(rows.take([place])[0], end))
    return changed
