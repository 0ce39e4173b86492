"""Rows of the books in the form of QuickBooks: what a company's own billing would have entered.

Facts say more than QuickBooks has fields for. What has none goes where a company puts it:

| column | where |
|---|---|
| kind, deal_kind | item and class of the line |
| invoice_line_id, service period | description: ``(ref I0017, 2026-07-01/2026-07-31, 1640.00)`` |
| credited | a negative line ``Credit for I000017`` |
| paid_on | custom field ``Paid on``; the payment itself is a record of its own |
| status | balance; private note ``Voided …`` or ``Written off`` |
| franchise_id | location (DepartmentRef) |
| client_id, partner_id | customer; a partner is a customer below ``Partners`` |
| cost_id | description of the line; programme: class; party: the customer it is passed on to |
| hours | quantity of an item that is bought by the hour |

Voiding sets every amount to 0, so the amount is in the description as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from meterstone.sandbox.kit.books import Row
from meterstone.sandbox.kit.entity import Record
from meterstone.sandbox.quickbooks import chart

COMPANY_ZONE = ZoneInfo("America/Los_Angeles")
HOME = "USD"
_FIELDS = {"Paid on": "1", "Partner": "2"}


def stamp_text(at: datetime) -> str:
    """A moment as QuickBooks writes it: seconds, with the company's offset from UTC."""
    return at.astimezone(COMPANY_ZONE).isoformat(timespec="seconds")


def at_local(day: date, hour: int) -> datetime:
    """An hour of a day at the company."""
    return datetime.combine(day, time(hour), COMPANY_ZONE)


def issued(row: Row) -> datetime:
    """When an invoice was entered."""
    return row["issued_at"]  # type: ignore[no-any-return]  # a row is loosely typed


def settled(row: Row) -> datetime:
    """When an invoice changed last: as it was paid, else as it was entered."""
    paid: date | None = row["paid_on"]
    return max(issued(row), at_local(paid, 17)) if paid else issued(row)


class Directory:
    """Ids of the names that records refer to."""

    def __init__(
        self, customers: Mapping[str, str], departments: Mapping[str, str], vendor: str = "1"
    ) -> None:
        """Args:
        customers: fully qualified name → id.
        departments: franchise → id.
        """
        self.customers, self.departments, self.vendor = customers, departments, vendor

    def customer(self, name: str) -> Record:
        """A reference to a customer."""
        return {"value": self.customers[name], "name": name}

    def department(self, franchise: str | None) -> Record:
        """The location of a record; nothing where it has none."""
        if franchise is None:
            return {}
        return {"DepartmentRef": {"value": self.departments[franchise], "name": franchise}}


def payer(client: str | None, partner: str | None) -> str:
    """The fully qualified name of the customer of an invoice."""
    if client is not None:
        return client
    return f"{chart.PARTNERS}:{partner}" if partner is not None else chart.OTHERS


def invoice(row: Row, to: Directory) -> Record:
    """An invoice: a row with its columns, and those of its lines as lists (``lines``)."""
    void = row["status"] == "void"
    lines = list(_lines(row["lines"], void=void))
    total = Decimal(0) if void else sum((line["Amount"] for line in lines), Decimal(0))
    note = {"void": "Voided", "written_off": "Written off"}.get(row["status"])
    custom = {"Paid on": row["paid_on"] and row["paid_on"].isoformat()}
    if row["client_id"] is not None:
        custom["Partner"] = row["partner_id"]
    return {
        **_head(row["id"], issued(row), settled(row)),
        "DocNumber": row["invoice_id"],
        "TxnDate": stamp_text(issued(row))[:10],
        "DueDate": row["due_on"].isoformat(),
        "CustomerRef": to.customer(payer(row["client_id"], row["partner_id"])),
        **to.department(row["franchise_id"]),
        "CurrencyRef": {"value": row["currency"]},
        "ExchangeRate": _rate(row["lines"]) if row["currency"] != HOME else 1,
        "Line": [*lines, {"Amount": total, "DetailType": "SubTotalLineDetail",
                          "SubTotalLineDetail": {}}],
        "TotalAmt": total,
        "Balance": total if row["status"] == "open" else Decimal(0),
        "CustomField": custom_fields(custom),
        "LinkedTxn": [{"TxnId": row["payment"], "TxnType": "Payment"}] if row["payment"] else [],
        **({"PrivateNote": note} if note else {}),
    }  # fmt: skip


def _lines(lines: Iterable[Row], *, void: bool) -> Iterable[Record]:
    number = 0
    for line in lines:
        item = chart.SOLD[line["kind"]]
        period = f"{line['service_from']}/{line['service_to']}"
        what = f"{item.name} (ref {line['invoice_line_id']}, {period}, {money(line['amount'])})"
        amounts = [(what, money(line["amount"]))]
        if line["credited"]:
            credit = f"Credit for {line['invoice_line_id']} ({money(line['credited'])})"
            amounts.append((credit, -money(line["credited"])))
        for description, amount in amounts:
            number += 1
            shown = Decimal(0) if void else amount
            detail: Record = {
                "ItemRef": {"value": item.id, "name": item.name},
                "Qty": 0 if void else 1, "UnitPrice": shown,
                "ServiceDate": line["service_from"].isoformat(),
                "ItemAccountRef": {"value": item.account.id, "name": item.account.name},
                "TaxCodeRef": {"value": "NON"},
            }  # fmt: skip
            if line["deal_kind"] in chart.CLASSES:
                detail["ClassRef"] = class_ref(line["deal_kind"])
            yield {
                "Id": str(number), "LineNum": number, "Description": description, "Amount": shown,
                "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail,
            }  # fmt: skip


def _rate(lines: Iterable[Row]) -> Decimal:
    """What one unit of the currency is in US dollars: as the company booked it."""
    lines = list(lines)
    net = sum((money(r["amount"]) - money(r["credited"]) for r in lines), Decimal(0))
    home = sum((money(r["net_usd"]) for r in lines), Decimal(0))
    return round(home / net, 8) if net else Decimal(1)


def payment(row: Row, to: Directory) -> Record:
    """The payment of one invoice."""
    total = sum((money(r["amount"]) - money(r["credited"]) for r in row["lines"]), Decimal(0))
    at = at_local(row["paid_on"], 17)
    return {
        **_head(row["payment"], at, at),
        "TxnDate": row["paid_on"].isoformat(),
        "TotalAmt": total, "UnappliedAmt": Decimal(0), "ProcessPayment": False,
        "CustomerRef": to.customer(payer(row["client_id"], row["partner_id"])),
        "DepositToAccountRef": {"value": "1", "name": "Checking"},
        "CurrencyRef": {"value": row["currency"]},
        "Line": [{"Amount": total, "LinkedTxn": [{"TxnId": row["id"], "TxnType": "Invoice"}]}],
    }  # fmt: skip


def purchase(row: Row, to: Directory) -> Record:
    """A cost that was paid."""
    at = at_local(row["incurred_on"], 9)
    amount = money(row["amount"])
    common: Record = {"TaxCodeRef": {"value": "NON"}, "BillableStatus": "NotBillable"}
    if row["programme"]:
        common["ClassRef"] = class_ref("Integration programme")
    if row["party"] == "franchisee":
        common["CustomerRef"] = to.customer(chart.FRANCHISEES)
        common["BillableStatus"] = "HasBeenBilled"
    return {
        **_head(row["id"], at, at),
        "DocNumber": row["cost_id"][:21],
        "TxnDate": row["incurred_on"].isoformat(),
        "PaymentType": "Check",
        "AccountRef": {"value": "1", "name": "Checking"},
        "EntityRef": {"value": to.vendor, "name": "Simulated supplier", "type": "Vendor"},
        **to.department(row["franchise_id"]),
        "CurrencyRef": {"value": row["currency"]},
        "ExchangeRate": _rate([{**row, "credited": 0.0}]) if row["currency"] != HOME else 1,
        "TotalAmt": amount,
        "Line": [_cost_line(row, amount, common)],
    }  # fmt: skip


def _cost_line(row: Row, amount: Decimal, common: Record) -> Record:
    hours = row["hours"]
    line: Record = {"Id": "1", "Amount": amount}
    item = chart.WORKED.get(row["category"]) if hours is not None else None
    if item is None:
        account = chart.SPENT[row["category"]]
        text = "" if hours is None else f", {hours:g} h"
        return line | {
            "Description": f"{account.name} (ref {row['cost_id']}{text})",
            "DetailType": "AccountBasedExpenseLineDetail",
            "AccountBasedExpenseLineDetail": {
                **common, "AccountRef": {"value": account.id, "name": account.name},
            },
        }  # fmt: skip
    return line | {
        "Description": f"{item.name} (ref {row['cost_id']})",
        "DetailType": "ItemBasedExpenseLineDetail",
        "ItemBasedExpenseLineDetail": {
            **common, "ItemRef": {"value": item.id, "name": item.name},
            "Qty": Decimal(str(hours)),
            "UnitPrice": round(amount / Decimal(str(hours)), 7) if hours else amount,
        },
    }  # fmt: skip


def sales_receipt(row: Row, to: Directory) -> Record:
    """What a shop took on one day (UTC), as its till posts it the morning after."""
    at = posted(row["day"])
    signs = {"gross": 1, "discount": -1, "refund": -1, "tip": 1}
    lines: list[Record] = []
    for name, sign in signs.items():
        amount = sign * money(row[name])
        if amount or name == "gross":
            item = chart.TAKEN[name]
            lines.append({
                "Id": str(len(lines) + 1), "LineNum": len(lines) + 1, "Description": item.name,
                "Amount": amount, "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": {
                    "ItemRef": {"value": item.id, "name": item.name}, "Qty": 1,
                    "UnitPrice": amount, "TaxCodeRef": {"value": "NON"},
                    "ItemAccountRef": {"value": item.account.id, "name": item.account.name},
                },
            })  # fmt: skip
    net, tax = sum((line["Amount"] for line in lines), Decimal(0)), money(row["tax"])
    subtotal: Record = {"Amount": net, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}
    return {
        **_head(row["id"], at, at),
        "DocNumber": f"{row['franchise_id']}-{row['day']:%y%m%d}"[:21],
        "TxnDate": row["day"].isoformat(),
        **to.department(row["franchise_id"]),
        "CustomerRef": to.customer(chart.OTHERS),
        "DepositToAccountRef": {"value": "1", "name": "Checking"},
        "CurrencyRef": {"value": row["currency"]}, "ExchangeRate": 1,
        "Line": [*lines, subtotal],
        "TxnTaxDetail": {"TotalTax": tax},
        "TotalAmt": net + tax, "Balance": Decimal(0),
        "PrivateNote": f"{row['count']} payments",
    }  # fmt: skip


def posted(day: date) -> datetime:
    """When a day's sales receipt is entered."""
    return at_local(day + timedelta(days=1), 6)


def named(id_: str, at: datetime, fields: Mapping[str, Any], *, active: bool = True) -> Record:
    """A record of a list: customer, account, item, class, department, vendor."""
    return {**_head(id_, at, at), "Active": active, **fields}


def custom_fields(values: Mapping[str, str | None]) -> list[Record]:
    """Custom fields of a sales form; one without a value is shown without it."""
    return [
        {
            "DefinitionId": id_, "Name": name, "Type": "StringType",
            **({"StringValue": values[name]} if values.get(name) else {}),
        }
        for name, id_ in _FIELDS.items()
    ]  # fmt: skip


def class_ref(name: str) -> Record:
    """A reference to a class."""
    return {"value": chart.CLASSES[name], "name": name}


def money(value: Any) -> Decimal:
    """An amount of a row, in cents."""
    return round(Decimal(str(value)), 2)


def plain(value: Any) -> Any:
    """A record as JSON has it: decimals become numbers."""
    kind = type(value)  # every record passes here, so the plain comparison counts
    if kind is dict:
        return {name: plain(item) for name, item in value.items()}
    if kind is list:
        return [plain(item) for item in value]
    return float(value) if kind is Decimal else value


def _head(id_: str, created: datetime, changed: datetime) -> Record:
    return {
        "domain": "QBO",
        "sparse": False,
        "Id": id_,
        "SyncToken": "0" if changed == created else "1",
        "MetaData": {"CreateTime": stamp_text(created), "LastUpdatedTime": stamp_text(changed)},
    }
