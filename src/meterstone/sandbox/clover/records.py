"""Rows of the simulated network as Clover's records: one merchant a shop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

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

_RESULT = {"completed": "SUCCESS", "voided": "VOIDED", "failed": "FAIL"}
_CUSTOMERS, _STAFF = 30, 4
_ITEMS = {"Haircut": 4500, "Beard trim": 2500, "Hot towel shave": 3800, "Pomade": 1900}
_LAST = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Merchants:
    """Merchants by franchise."""

    id_of: Mapping[str, str]
    currency_of: Mapping[str, str]


def merchants(books: Books) -> Merchants:
    """A merchant for every shop that was ever paid through Clover."""
    rows = books.rows("payment", "clover")
    pairs = zip(rows.column("franchise_id"), rows.column("currency"), strict=True)
    currency = dict(sorted(set(pairs)))
    return Merchants({name: token("merchant", name, length=13) for name in currency}, currency)


def entities(books: Books, known: Merchants, clock: Clock) -> dict[str, Entity]:
    """All records by kind; each knows its merchant."""
    rows = books.rows("payment", "clover")
    end = _end(rows)
    ids = rows.column("payment_id")
    keys = _of_sales(rows, known, end)

    def sale(
        name: str, own: list[str], render: Callable[[Row, Merchants, datetime], Record]
    ) -> Entity:
        return Entity(
            name, clock, ids=own, rows=rows, keys=keys, stamp=stamp,
            render=lambda row: render(row, known, end),
        )  # fmt: skip

    return {
        "payments": sale("payments", ids, payment),
        "orders": sale("orders", [order_id(id_) for id_ in ids], order),
        "customers": _people(known, clock, end, "customers", _CUSTOMERS, _customer),
        "employees": _people(known, clock, end, "employees", _STAFF, _employee),
        "items": _people(known, clock, end, "items", len(_ITEMS), _item),
    }


def payment(row: Row, known: Merchants, end: datetime) -> Record:
    """A payment. Its discount is on its order only."""
    id_, merchant = row["payment_id"], known.id_of[row["franchise_id"]]
    paid = _ms(row["paid_at"])
    record: Record = {
        "id": id_,
        "order": {"id": order_id(id_)},
        "tender": {"id": token("tender", merchant, length=13), "label": "Credit Card"},
        "amount": _cents(row["gross"] - row["discount"] + row["tax"]),
        "tipAmount": _cents(row["tip"]),
        "taxAmount": _cents(row["tax"]),
        "cashbackAmount": 0,
        "employee": {"id": _employee_id(merchant, int(spread(id_, 0, _STAFF)))},
        "createdTime": paid,
        "clientCreatedTime": paid,
        "modifiedTime": _ms(_changed(row, end)),
        "offline": False,
        "result": _RESULT[row["status"]],
        "merchant": {"id": merchant},
    }
    if row["status"] == "voided":
        record["voidReason"] = "USER_CANCEL"
    if row["refund"]:
        record["refunds"] = {"elements": [_refund(row, end)]}
    return record


def order(row: Row, known: Merchants, end: datetime) -> Record:
    """An order with all that can be expanded: payments, refunds, discounts, line items."""
    id_, merchant = row["payment_id"], known.id_of[row["franchise_id"]]
    paid = payment(row, known, end)
    refunded = row["refund"] > 0
    record: Record = {
        "id": order_id(id_),
        "currency": row["currency"],
        "employee": paid["employee"],
        "total": paid["amount"],
        "paymentState": "PARTIALLY_REFUNDED" if refunded else _payment_state(row["status"]),
        "title": token("title", id_, length=4),
        "state": "locked",
        "taxRemoved": False,
        "isVat": False,
        "manualTransaction": False,
        "groupLineItems": True,
        "testMode": False,
        "payType": "FULL",
        "createdTime": paid["createdTime"],
        "clientCreatedTime": paid["createdTime"],
        "modifiedTime": paid["modifiedTime"],
        "merchant": {"id": merchant},
        "lineItems": {
            "elements": [
                {
                    "id": token("line", id_, length=13), "orderRef": {"id": order_id(id_)},
                    "item": {"id": _item_id(merchant, "Haircut")}, "name": "Haircut",
                    "price": _cents(row["gross"]), "createdTime": paid["createdTime"],
                    "refunded": False, "isRevenue": True,
                }
            ]
        },
        "payments": {"elements": [{k: v for k, v in paid.items() if k != "refunds"}]},
        "discounts": {"elements": []},
        "refunds": {"elements": [_refund(row, end)] if refunded else []},
        "customers": {"elements": [{"id": _customer_id(merchant, int(spread(id_, 0, 30)))}]},
    }  # fmt: skip
    if row["discount"]:
        record["discounts"]["elements"].append(
            {
                "id": token("discount", id_, length=13), "name": "Loyalty",
                "amount": -_cents(row["discount"]),
            }
        )  # fmt: skip
    return record


def stamp(record: Record, at: datetime) -> None:
    """Write the time of change; fill what a new record lacks."""
    record["modifiedTime"] = _ms(at)
    record.setdefault("createdTime", _ms(at))


def order_id(payment_id: str) -> str:
    """The id of the order of a payment."""
    return token("clover order", payment_id, length=13)


def refund_of(paid: Record, at: datetime, amount: int, tax: int) -> Record:
    """A refund of a payment; the amount is with the tax."""
    return {
        "id": token("clover refund", paid["id"], length=13), "payment": {"id": paid["id"]},
        "orderRef": paid["order"], "amount": amount, "taxAmount": tax,
        "createdTime": _ms(at),
    }  # fmt: skip


def _refund(row: Row, end: datetime) -> Record:
    paid = {"id": row["payment_id"], "order": {"id": order_id(row["payment_id"])}}
    net = row["gross"] - row["discount"]
    tax = round(row["refund"] * row["tax"] / net, 2) if net else 0.0
    return refund_of(paid, _changed(row, end), _cents(row["refund"] + tax), _cents(tax))


def _payment_state(status: str) -> str:
    return "PAID" if status == "completed" else "OPEN"


def _of_sales(rows: Rows, known: Merchants, end: datetime) -> dict[str, Key]:
    changed = rows.micros("paid_at").copy()
    for place in np.flatnonzero(rows.table.column("refund").to_numpy() > 0):
        changed[place] = micros(_changed(rows.take([place])[0], end))
    of = [known.id_of[name] for name in rows.column("franchise_id")]
    return _keys(rows.micros("paid_at"), changed, of)


def _keys(created: Any, changed: Any, of: list[str]) -> dict[str, Key]:
    return {
        CHANGED: Key(changed, lambda record: record["modifiedTime"] * 1000),
        "created": Key(created, lambda record: record["createdTime"] * 1000),
        "merchant": Key(of, lambda record: record["merchant"]["id"], text=True),
    }


def _changed(row: Row, end: datetime) -> datetime:
    paid: datetime = row["paid_at"]
    if not row["refund"]:
        return paid
    back = timedelta(seconds=int(spread(row["payment_id"], 3600, 3 * 86_400)))
    return max(paid, min(paid + back, end - _LAST))


def _end(rows: Rows) -> datetime:
    newest = moment(int(rows.micros("paid_at").max()) if len(rows) else 0)
    return newest.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _people(
    known: Merchants, clock: Clock, end: datetime, name: str, count: int,
    make: Callable[[str, str, int, int], Record],
) -> Entity:  # fmt: skip
    """Few records a merchant, made at once; what is not of Clover's form is hidden later."""
    records = [
        {
            **make(merchant, franchise, nth, at),
            "merchant": {"id": merchant}, "createdTime": at, "modifiedTime": at,
        }
        for franchise, merchant in known.id_of.items()
        for nth in range(count)
        for at in [_ms(end - timedelta(seconds=int(spread(f"{name}{merchant}{nth}", 1, 9e6))))]
    ]  # fmt: skip
    times = [record["modifiedTime"] * 1000 for record in records]
    return Entity(
        name, clock, ids=[r["id"] for r in records], rows=records, stamp=stamp,
        keys=_keys(times, times, [r["merchant"]["id"] for r in records]),
    )  # fmt: skip


def _customer(merchant: str, franchise: str, nth: int, at: int) -> Record:
    return {
        "id": _customer_id(merchant, nth), "firstName": "Simulated",
        "lastName": f"Customer {nth + 1} of {franchise}", "marketingAllowed": False,
        "customerSince": at,
    }  # fmt: skip


def _employee(merchant: str, franchise: str, nth: int, _at: int) -> Record:
    return {
        "id": _employee_id(merchant, nth), "name": f"Simulated Barber {nth + 1} of {franchise}",
        "role": "OWNER" if nth == 0 else "EMPLOYEE", "isOwner": nth == 0, "inviteSent": False,
    }  # fmt: skip


def _item(merchant: str, _franchise: str, nth: int, _at: int) -> Record:
    name = list(_ITEMS)[nth]
    return {
        "id": _item_id(merchant, name), "name": name, "price": _ITEMS[name], "hidden": False,
        "available": True, "priceType": "FIXED", "defaultTaxRates": True, "isRevenue": True,
        "sku": token("sku", name, length=6),
    }  # fmt: skip


def _customer_id(merchant: str, nth: int) -> str:
    return token("clover customer", merchant, nth, length=13)


def _employee_id(merchant: str, nth: int) -> str:
    return token("clover employee", merchant, nth, length=13)


def _item_id(merchant: str, name: str) -> str:
    return token("clover item", merchant, name, length=13)


def _cents(amount: float) -> int:
    return round(amount * 100)


def _ms(at: datetime) -> int:
    return micros(at) // 1000
