"""The simulated company: its records by entity, made from the books of the network."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from meterstone.sandbox.kit import CHANGED, Books, Clock, Entity, Key, Record, Row, Rows, micros
from meterstone.sandbox.kit.query import as_moment
from meterstone.sandbox.quickbooks import chart, records

_HEAD = (
    "invoice_id", "issued_at", "client_id", "partner_id", "franchise_id", "currency", "due_on",
    "paid_on", "status",
)  # fmt: skip
_LINE = (
    "invoice_line_id", "kind", "deal_kind", "service_from", "service_to", "amount", "credited",
    "net_usd",
)  # fmt: skip
TXN, PAID = "txn", "paid"
"""Keys beside the time of change: the day of a transaction, and the day an invoice was paid."""

_NEVER = 2**62
_FOUNDED = datetime(2020, 1, 1, 17, tzinfo=UTC)
LISTS = ("Customer", "Account", "Item", "Class", "Department", "Vendor", "CompanyInfo")
"""Entities that are no transactions: made inactive, never deleted."""


class Company:
    """Everything in the simulated company.

    Attributes:
        entities: by the name that QuickBooks has for them.
    """

    def __init__(self, books: Books, clock: Clock, title: str) -> None:
        self._clock = clock
        self._new = count(10_000_001)
        invoices = invoice_rows(books)
        costs = _cost_rows(books, first=2 * len(invoices) + 1)
        receipts = _receipt_rows(books, first=2 * len(invoices) + len(costs) + 1)
        placed = [row["franchise_id"] for row in (*invoices, *costs)]
        shops = sorted({*placed, *receipts.column("franchise_id")} - {None})
        customers = _customers(invoices)
        self.directory = records.Directory(
            {row["FullyQualifiedName"]: row["Id"] for row in customers},
            {shop: str(nth) for nth, shop in enumerate(shops, 1)},
        )
        self.entities: dict[str, Entity] = {
            "Invoice": self._of_rows(
                "Invoice", invoices, records.invoice, records.settled,
                lambda row: as_moment(records.stamp_text(records.issued(row))[:10]),
            ),
            "Payment": self._of_rows(
                "Payment", [row for row in invoices if row["payment"]], records.payment,
                lambda row: records.at_local(row["paid_on"], 17),
                lambda row: _midnight(row["paid_on"]), id_of="payment",
            ),
            "Purchase": self._of_rows(
                "Purchase", costs, records.purchase,
                lambda row: records.at_local(row["incurred_on"], 9),
                lambda row: _midnight(row["incurred_on"]),
            ),
            "SalesReceipt": self._of_receipts(receipts),
            "Bill": self._of_list("Bill", []),
            **{
                name: self._of_list(name, rows)
                for name, rows in _lists(customers, shops, title, self._balances(invoices)).items()
            },
        }  # fmt: skip
        for name, rows in (("Invoice", invoices), ("Purchase", costs)):
            for row in rows:
                if row["retracted"]:
                    self.entities[name].delete(row["id"], silent=True)

    def today(self, later: int = 0) -> str:
        """The day at the company, or so many days later."""
        at = self._clock.now() + timedelta(days=later)
        return records.stamp_text(at)[:10]

    def new_id(self) -> str:
        """An id that no record has."""
        return str(next(self._new))

    def _of_rows(
        self, name: str, rows: Sequence[Row],
        render: Callable[[Row, records.Directory], Record],
        changed: Callable[[Row], datetime], day: Callable[[Row], datetime | None],
        id_of: str = "id",
    ) -> Entity:  # fmt: skip
        return self._entity(
            name, [row[id_of] for row in rows], rows, lambda row: render(row, self.directory),
            changed=[_second(changed(row)) for row in rows],
            day=[_micros(day(row)) for row in rows],
            paid=[_micros(_midnight(row.get("paid_on"))) for row in rows],
        )  # fmt: skip

    def _of_receipts(self, rows: Rows) -> Entity:
        days: list[date] = rows.column("day")
        return self._entity(
            "SalesReceipt", rows.column("id"), rows,
            lambda row: records.sales_receipt(row, self.directory),
            changed=[_second(records.posted(day)) for day in days],
            day=[_micros(_midnight(day)) for day in days], paid=[_NEVER] * len(days),
        )  # fmt: skip

    def _of_list(self, name: str, rows: Sequence[Record]) -> Entity:
        return self._entity(
            name, [row["Id"] for row in rows], rows, dict,
            changed=[_changed(row) for row in rows], day=[_NEVER] * len(rows),
            paid=[_NEVER] * len(rows),
        )  # fmt: skip

    def _entity(
        self, name: str, ids: Sequence[str], rows: Rows | Sequence[Row],
        render: Callable[[Row], Record], *, changed: Sequence[int], day: Sequence[int],
        paid: Sequence[int],
    ) -> Entity:  # fmt: skip
        return Entity(
            name, self._clock, ids=ids, rows=rows,
            render=lambda row: records.plain(render(row)), stamp=_stamp,
            id_of=operator.itemgetter("Id"),
            keys={
                CHANGED: Key(changed, _changed),
                TXN: Key(day, lambda record: _micros(as_moment(record.get("TxnDate", "")))),
                PAID: Key(paid, lambda record: _micros(as_moment(paid_on(record) or ""))),
            },
        )  # fmt: skip

    def _balances(self, invoices: Sequence[Row]) -> Mapping[str, float]:
        """What each customer owes, in US dollars."""
        owed: dict[str, float] = defaultdict(float)
        for row in invoices:
            if row["status"] == "open" and not row["retracted"]:
                name = records.payer(row["client_id"], row["partner_id"])
                owed[name] += sum(line["net_usd"] for line in row["lines"])
        return owed


def paid_on(record: Record) -> str | None:
    """The day on which an invoice was paid, from its custom field."""
    for field in record.get("CustomField", ()):
        if field.get("Name") == "Paid on":
            value: str | None = field.get("StringValue")
            return value
    return None


# -- rows ------------------------------------------------------------------------------------------


def invoice_rows(books: Books) -> list[Row]:
    """Lines that are on one invoice together, as QuickBooks has an invoice: one payer, one place,
    one day, one status. Lines that share a number and differ in these are invoices of their own."""
    lines = books.rows("invoice", "quickbooks")
    grouped: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row, gone in zip(lines.all, lines.retracted.to_pylist(), strict=True):
        grouped[(*(row[name] for name in _HEAD), gone)].append(row)
    ordered = sorted(grouped.items(), key=lambda item: (item[0][1], item[1][0]["invoice_line_id"]))
    rows = []
    for nth, (head, of) in enumerate(ordered):
        made: Row = dict(zip((*_HEAD, "retracted"), head, strict=True))
        paid = made["status"] == "paid" and made["paid_on"] is not None and not made["retracted"]
        made["id"] = str(nth + 1)
        made["payment"] = str(len(ordered) + nth + 1) if paid else None
        made["lines"] = [{name: line[name] for name in _LINE} for line in of]
        rows.append(made)
    return rows


def _cost_rows(books: Books, first: int) -> list[Row]:
    rows = books.rows("cost", "quickbooks")
    return [
        {**row, "id": str(first + nth), "retracted": gone}
        for nth, (row, gone) in enumerate(zip(rows.all, rows.retracted.to_pylist(), strict=True))
    ]


def _receipt_rows(books: Books, first: int) -> Rows:
    """What each shop took on each day (UTC): sums of the completed payments."""
    payments = books.rows("payment")
    table = payments.table.filter(
        pc.and_(
            pc.equal(payments.table["status"].cast(pa.string()), "completed"),
            pc.invert(payments.retracted),
        )
    )
    day = pc.cast(pc.floor_temporal(table["paid_at"], unit="day"), pa.date32())
    summed = (
        table.append_column("day", day)
        .group_by(["day", "franchise_id", "currency"], use_threads=False)
        .aggregate([
            *((name, "sum") for name in ("gross", "discount", "refund", "tip", "tax")),
            ("payment_id", "count"),
        ])
        .sort_by([("day", "ascending"), ("franchise_id", "ascending")])
    )  # fmt: skip
    names = {f"{name}_sum": name for name in ("gross", "discount", "refund", "tip", "tax")}
    renamed = summed.rename_columns(
        [{**names, "payment_id_count": "count"}.get(name, name) for name in summed.column_names]
    )
    ids = pa.array([str(first + nth) for nth in range(len(renamed))], pa.string())
    return Rows(
        renamed.append_column("id", ids),
        pa.array([False] * len(renamed), pa.bool_()),
        pa.array([1] * len(renamed), pa.int64()),
    )


def _customers(invoices: Sequence[Row]) -> list[Record]:
    named = {records.payer(row["client_id"], row["partner_id"]) for row in invoices}
    standing = {chart.PARTNERS, chart.OTHERS, chart.FRANCHISEES}
    return [
        {"Id": str(nth), "FullyQualifiedName": name}
        for nth, name in enumerate([*sorted(standing), *sorted(named - standing)], 1)
    ]


def _lists(
    customers: Sequence[Record], shops: Sequence[str], title: str, owed: Mapping[str, float]
) -> dict[str, list[Record]]:
    ids = {row["FullyQualifiedName"]: row["Id"] for row in customers}

    def customer(name: str) -> Record:
        above, _, own = name.rpartition(":")
        parent = {"Job": True, "ParentRef": {"value": ids[above], "name": above}} if above else {}
        return records.named(ids[name], _FOUNDED, {
            "DisplayName": own, "FullyQualifiedName": name, "CompanyName": own,
            "PrintOnCheckName": own, "Level": name.count(":"), "Taxable": False,
            "CurrencyRef": {"value": records.HOME, "name": "United States Dollar"},
            "Balance": round(Decimal(str(owed.get(name, 0.0))), 2),
            **parent,
        })  # fmt: skip

    return {
        "Customer": [records.plain(customer(row["FullyQualifiedName"])) for row in customers],
        "Account": [
            records.named(a.id, _FOUNDED, {
                "Name": a.name, "FullyQualifiedName": a.name, "SubAccount": False,
                "Classification": a.classification, "AccountType": a.type,
                "AccountSubType": a.sub_type, "CurrencyRef": {"value": records.HOME},
            })
            for a in chart.ACCOUNTS
        ],
        "Item": [
            records.named(item.id, _FOUNDED, {
                "Name": item.name, "FullyQualifiedName": item.name, "Type": "Service",
                "Taxable": False, "UnitPrice": 0,
                "IncomeAccountRef": {"value": item.account.id, "name": item.account.name},
            })
            for item in chart.ITEMS
        ],
        "Class": [
            records.named(id_, _FOUNDED, {"Name": name, "FullyQualifiedName": name})
            for name, id_ in chart.CLASSES.items()
        ],
        "Department": [
            records.named(str(nth), _FOUNDED, {"Name": shop, "FullyQualifiedName": shop})
            for nth, shop in enumerate(shops, 1)
        ],
        "Vendor": [records.named("1", _FOUNDED, {"DisplayName": "Simulated supplier"})],
        "CompanyInfo": [
            records.named("1", _FOUNDED, {
                "CompanyName": title, "LegalName": title, "Country": "US",
                "FiscalYearStartMonth": "January", "DefaultTimeZone": records.COMPANY_ZONE.key,
                "SupportedLanguages": "en",
            })
        ],
    }  # fmt: skip


# -- keys ------------------------------------------------------------------------------------------


def _stamp(record: Record, at: datetime) -> None:
    known = record.get("MetaData", {})
    text = records.stamp_text(at)
    record["MetaData"] = {"CreateTime": known.get("CreateTime", text), "LastUpdatedTime": text}
    record["SyncToken"] = str(int(record["SyncToken"]) + 1) if "SyncToken" in record else "0"
    record.setdefault("domain", "QBO")
    record["sparse"] = False


def _changed(record: Record) -> int:
    return _micros(as_moment(record["MetaData"]["LastUpdatedTime"]))


def _second(at: datetime) -> int:
    return micros(at - timedelta(microseconds=at.microsecond))


def _micros(at: datetime | None) -> int:
    return _NEVER if at is None else micros(at)


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)
