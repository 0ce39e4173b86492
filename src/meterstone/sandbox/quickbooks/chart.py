"""The lists of the simulated company: chart of accounts, items, classes, standing customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Classification = Literal["Asset", "Liability", "Revenue", "Expense"]


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the chart."""

    id: str
    name: str
    type: str
    sub_type: str
    classification: Classification


ACCOUNTS: tuple[Account, ...] = (
    Account("1", "Checking", "Bank", "Checking", "Asset"),
    Account("2", "Accounts Receivable (A/R)", "Accounts Receivable", "AccountsReceivable", "Asset"),
    Account("3", "Sales Tax Payable", "Other Current Liability", "SalesTaxPayable", "Liability"),
    Account("4", "Tips Payable", "Other Current Liability", "OtherCurrentLiabilities", "Liability"),
    Account("10", "Subscriptions", "Income", "ServiceFeeIncome", "Revenue"),
    Account("11", "Usage fees", "Income", "ServiceFeeIncome", "Revenue"),
    Account("12", "Consulting", "Income", "ServiceFeeIncome", "Revenue"),
    Account("13", "Royalties", "Income", "ServiceFeeIncome", "Revenue"),
    Account("14", "Marketplace", "Income", "ServiceFeeIncome", "Revenue"),
    Account("15", "Partner shares", "Income", "ServiceFeeIncome", "Revenue"),
    Account("16", "Other services", "Income", "ServiceFeeIncome", "Revenue"),
    Account("20", "Shop sales", "Income", "SalesOfProductIncome", "Revenue"),
    Account("30", "Cost of revenue", "Cost of Goods Sold", "OtherCostsOfServiceCos", "Expense"),
    Account("40", "Development", "Expense", "OtherMiscellaneousServiceCost", "Expense"),
    Account("41", "Operating", "Expense", "OfficeGeneralAdministrativeExpenses", "Expense"),
    Account("42", "Infrastructure", "Expense", "OtherMiscellaneousServiceCost", "Expense"),
    Account("43", "Maintenance", "Expense", "RepairMaintenance", "Expense"),
    Account("44", "Support", "Expense", "OtherMiscellaneousServiceCost", "Expense"),
    Account("45", "Retired tools", "Expense", "DuesSubscriptions", "Expense"),
    Account("46", "Other costs", "Expense", "OtherMiscellaneousServiceCost", "Expense"),
    Account("50", "Bad debts", "Expense", "BadDebts", "Expense"),
)

_BY_NAME = {account.name: account for account in ACCOUNTS}


@dataclass(frozen=True, slots=True)
class Item:
    """What is sold or bought, and the account it is booked to."""

    id: str
    name: str
    account: Account


def _items(first: int, names: dict[str, tuple[str, str]]) -> dict[str, Item]:
    return {
        word: Item(str(first + nth), name, _BY_NAME[account])
        for nth, (word, (name, account)) in enumerate(names.items())
    }


SOLD = _items(1, {
    "subscription": ("Subscription", "Subscriptions"),
    "usage": ("Usage", "Usage fees"),
    "consulting": ("Consulting", "Consulting"),
    "royalty": ("Royalty", "Royalties"),
    "marketplace": ("Marketplace", "Marketplace"),
    "partner_share": ("Partner share", "Partner shares"),
    "other": ("Other service", "Other services"),
})  # fmt: skip
"""Item of an invoice line, by the kind of the fact."""

TAKEN = _items(20, {
    "gross": ("Sales", "Shop sales"),
    "discount": ("Discounts", "Shop sales"),
    "refund": ("Refunds", "Shop sales"),
    "tip": ("Tips", "Tips Payable"),
})  # fmt: skip
"""Items of a day's sales receipt, by the column of the payments that they sum."""

WORKED = _items(30, {"maintenance": ("Maintenance hours", "Maintenance")})
"""Items of cost that is booked by the hour, by the category of the fact."""

SPENT = {
    "cost_of_revenue": _BY_NAME["Cost of revenue"],
    "development": _BY_NAME["Development"],
    "operating": _BY_NAME["Operating"],
    "infrastructure": _BY_NAME["Infrastructure"],
    "maintenance": _BY_NAME["Maintenance"],
    "support": _BY_NAME["Support"],
    "retired_tool": _BY_NAME["Retired tools"],
    "other": _BY_NAME["Other costs"],
}
"""Account of a cost, by the category of the fact."""

ITEMS = (*SOLD.values(), *TAKEN.values(), *WORKED.values())
CLASSES = {
    "new": "1", "upsell": "2", "expansion": "3", "renewal": "4", "Integration programme": "10",
}  # fmt: skip
"""Classes by name: what kind of deal a line comes from, and what belongs to the programme."""

PARTNERS, OTHERS, FRANCHISEES = "Partners", "Others", "Franchisees"
"""Customers above others: partners that owe a share, sales to nobody in particular, and the
franchisees, to whom a cost is passed on."""
