"""Profit and loss: real sums of the company's records, in the nested form of the vendor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from meterstone.sandbox.kit import Record
from meterstone.sandbox.quickbooks import chart
from meterstone.sandbox.quickbooks.company import PAID, TXN, Company, paid_on
from meterstone.sandbox.quickbooks.records import HOME

_DAY = timedelta(days=1)
_ACCOUNTS = {account.id: account for account in chart.ACCOUNTS}
_ITEM_ACCOUNT = {item.id: item.account.id for item in chart.ITEMS}
_SECTIONS = (
    ("Income", "Income", "Income"), ("Cost of Goods Sold", "Cost of Goods Sold", "COGS"),
    ("Expense", "Expenses", "Expenses"),
)  # fmt: skip
"""Type of account, title, group."""

Sums = Mapping[str, Mapping[str, Decimal]]
"""Amount by account and column."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is asked for.

    Attributes:
        cash: counted when it is paid, not when it is invoiced.
        by: Total, Month or Departments: the columns.
        departments: only these locations (ids); empty: all.
    """

    start: date
    end: date
    cash: bool = False
    by: str = "Total"
    departments: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Posting:
    account: str
    day: date
    department: str
    amount: Decimal


def profit_and_loss(company: Company, asked: Asked, at: str) -> Record:
    """The report.

    Args:
        at: the time of the answer, as the vendor writes it.
    """
    columns = _columns(company, asked)
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for posting in _postings(company, asked):
        if asked.departments and posting.department not in asked.departments:
            continue
        sums[posting.account][_column(posting, asked.by)] += posting.amount
        if asked.by != "Total":
            sums[posting.account]["total"] += posting.amount
    keys = [key for key, _ in columns]
    return {
        "Header": {
            "Time": at, "ReportName": "ProfitAndLoss",
            "ReportBasis": "Cash" if asked.cash else "Accrual",
            "StartPeriod": asked.start.isoformat(), "EndPeriod": asked.end.isoformat(),
            "SummarizeColumnsBy": asked.by, "Currency": HOME,
            "Option": [
                {"Name": "AccountingStandard", "Value": "GAAP"},
                {"Name": "NoReportData", "Value": "false" if sums else "true"},
            ],
        },
        "Columns": {"Column": [
            {"ColTitle": "", "ColType": "Account",
             "MetaData": [{"Name": "ColKey", "Value": "account"}]},
            *(
                {"ColTitle": title, "ColType": "Money",
                 "MetaData": [{"Name": "ColKey", "Value": key}]}
                for key, title in columns
            ),
        ]},
        "Rows": {"Row": _rows(sums, keys)},
    }  # fmt: skip


def _rows(sums: Sums, keys: Sequence[str]) -> list[Record]:
    totals: dict[str, dict[str, Decimal]] = {}
    shown: dict[str, Record] = {}
    for type_, title, group in _SECTIONS:
        accounts = [a for a in chart.ACCOUNTS if a.type == type_ and a.id in sums]
        totals[group] = {
            key: sum((sums[a.id].get(key, Decimal(0)) for a in accounts), Decimal(0))
            for key in keys
        }
        shown[group] = {
            "Header": {"ColData": [{"value": title}, *({"value": ""} for _ in keys)]},
            "Rows": {"Row": [
                {
                    "ColData": [{"value": a.name, "id": a.id}, *_cells(sums[a.id], keys)],
                    "type": "Data",
                }
                for a in accounts
            ]},
            "Summary": {"ColData": [{"value": f"Total {title}"}, *_cells(totals[group], keys)]},
            "type": "Section", "group": group,
        }  # fmt: skip

    def less(first: Mapping[str, Decimal], second: Mapping[str, Decimal]) -> dict[str, Decimal]:
        return {key: first[key] - second[key] for key in keys}

    gross = less(totals["Income"], totals["COGS"])
    net = less(gross, totals["Expenses"])
    return [
        shown["Income"], shown["COGS"], _line("Gross Profit", "GrossProfit", gross, keys),
        shown["Expenses"], _line("Net Operating Income", "NetOperatingIncome", net, keys),
        _line("Net Income", "NetIncome", net, keys),
    ]  # fmt: skip


def _line(title: str, group: str, sums: Mapping[str, Decimal], keys: Sequence[str]) -> Record:
    return {
        "Summary": {"ColData": [{"value": title}, *_cells(sums, keys)]},
        "type": "Section", "group": group,
    }  # fmt: skip


def _cells(sums: Mapping[str, Decimal], keys: Sequence[str]) -> list[dict[str, str]]:
    return [{"value": f"{sums[key]:.2f}" if key in sums else ""} for key in keys]


# -- columns ---------------------------------------------------------------------------------------


def _columns(company: Company, asked: Asked) -> list[tuple[str, str]]:
    """Key and title of each column of amounts."""
    if asked.by == "Month":
        months = []
        first = asked.start.replace(day=1)
        while first <= asked.end:
            months.append((f"{first:%Y-%m}", f"{first:%b %Y}"))
            first = (first + 32 * _DAY).replace(day=1)
        return [*months, ("total", "Total")]
    if asked.by == "Departments":
        shops = company.entities["Department"].select()
        named = [(shop["Id"], shop["Name"]) for shop in shops.page(0, len(shops))]
        chosen = [pair for pair in named if not asked.departments or pair[0] in asked.departments]
        rest = [] if asked.departments else [("", "Not Specified")]
        return [*chosen, *rest, ("total", "Total")]
    return [("total", "Total")]


def _column(posting: _Posting, by: str) -> str:
    if by == "Month":
        return f"{posting.day:%Y-%m}"
    return posting.department if by == "Departments" else "total"


# -- postings --------------------------------------------------------------------------------------


def _postings(company: Company, asked: Asked) -> Iterator[_Posting]:
    """What the records of the period add to each account."""
    for name, lines in _LINES.items():
        by = PAID if name == "Invoice" and asked.cash else TXN
        found = company.entities[name].select(
            by, since=_midnight(asked.start), until=_midnight(asked.end + _DAY)
        )
        for start in range(0, len(found), 1000):
            for record in found.page(start, 1000):
                day = date.fromisoformat(
                    (paid_on(record) if by == PAID else record["TxnDate"]) or record["TxnDate"]
                )
                place = record.get("DepartmentRef", {}).get("value", "")
                rate = Decimal(str(record.get("ExchangeRate", 1)))
                for account, amount in lines(record):
                    yield _Posting(account, day, place, round(amount * rate, 2))


def _sold(record: Record) -> Iterator[tuple[str, Decimal]]:
    for line in record.get("Line", ()):
        detail = line.get("SalesItemLineDetail", {})
        account = detail.get("ItemAccountRef", {}).get("value") or _ITEM_ACCOUNT.get(
            detail.get("ItemRef", {}).get("value", "")
        )
        if account in _ACCOUNTS:
            yield account, _amount(line)
    if record.get("PrivateNote", "").startswith("Written off"):
        yield _BAD_DEBTS, _amount({"Amount": record["TotalAmt"]})


def _spent(record: Record) -> Iterator[tuple[str, Decimal]]:
    for line in record.get("Line", ()):
        account = line.get("AccountBasedExpenseLineDetail", {}).get("AccountRef", {}).get("value")
        item = line.get("ItemBasedExpenseLineDetail", {}).get("ItemRef", {}).get("value", "")
        account = account or _ITEM_ACCOUNT.get(item)
        if account in _ACCOUNTS:
            yield account, _amount(line)


_BAD_DEBTS = next(account.id for account in chart.ACCOUNTS if account.name == "Bad debts")
_LINES: Mapping[str, Callable[[Record], Iterator[tuple[str, Decimal]]]] = {
    "Invoice": _sold, "SalesReceipt": _sold, "Purchase": _spent, "Bill": _spent,
}  # fmt: skip


def _amount(line: Mapping[str, Any]) -> Decimal:
    return Decimal(str(line.get("Amount", 0)))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
