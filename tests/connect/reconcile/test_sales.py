"""What tills took against the books of other systems: alike where the books were made of the same
sales, and told with the right reason where somebody keeps them otherwise."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tests.connect.customer import Customer, customer
from tests.sandbox.vendors import small_books

from meterstone.connect.reconcile import Reconciliation
from meterstone.connect.reconcile.reasons import reason
from meterstone.connect.reconcile.rules import PARTS
from meterstone.sandbox.kit import Entity

Record = dict[str, Any]
_ITEMS = {"gross": "Sales", "discount": "Discounts", "refund": "Refunds", "tip": "Tips"}


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Customer]:
    books = small_books(tmp_path_factory.mktemp("books"))
    names = ("square", "clover", "quickbooks", "franconnect")
    with customer(tmp_path_factory.mktemp("home"), books, *names) as made:
        made.sync("square", "clover", facts_only=True)
        yield made


def sales(at: Customer, vendor: str) -> list[Reconciliation]:
    [connection] = at.connections[vendor]
    return at.home.reconciler.sales(connection.id)


def differences(results: list[Reconciliation]) -> dict[tuple[str, str], tuple[str, str, str]]:
    """Shop and period → kind, outcome, reason."""
    told = {}
    for result in results:
        for each in result.differences:
            key = json.loads(each.key.removeprefix("sales "))
            told[key["franchise_id"], key.get("day") or key["month"]] = (
                each.kind, each.outcome, each.reason,
            )  # fmt: skip
    return told


@pytest.mark.parametrize(("vendor", "least"), [("quickbooks", 300), ("franconnect", 10)])
def test_books_of_the_same_sales_are_alike(at: Customer, vendor: str, least: int) -> None:
    results = sales(at, vendor)
    assert differences(results) == {}
    assert sum(each.checked for each in results) > least
    assert {each.platform_a for each in results} == {"square", "clover"}
    assert {each.platform_b for each in results} == {vendor}
    assert all(each.money_accuracy == 1.0 for each in results)
    facts = [
        row for row in at.facts("reconciliation") if row["recon_id"] in {r.id for r in results}
    ]
    assert sum(row["fields_checked"] for row in facts) == len(PARTS) * sum(
        each.checked for each in results
    )


def parts_of(receipt: Record) -> dict[str, float]:
    lines = {
        line["SalesItemLineDetail"]["ItemRef"]["name"]: float(line["Amount"])
        for line in receipt["Line"]
        if "SalesItemLineDetail" in line
    }
    return {part: abs(lines.get(item, 0.0)) for part, item in _ITEMS.items()} | {
        "tax": float(receipt["TxnTaxDetail"]["TotalTax"])
    }


def book(receipt: Record, **change: float) -> Record:
    """The receipt with other parts."""
    made = copy.deepcopy(receipt)
    parts = parts_of(receipt) | change
    plain = next(line for line in made["Line"] if "SalesItemLineDetail" in line)
    made["Line"] = []
    for part, item in _ITEMS.items():
        line = copy.deepcopy(plain)
        sign = -1 if part in ("discount", "refund") else 1
        line["Amount"] = round(sign * parts[part], 2)
        line["SalesItemLineDetail"]["ItemRef"] = {"value": "20", "name": item}
        made["Line"].append(line)
    made["TxnTaxDetail"] = {"TotalTax": round(parts["tax"], 2)}
    return made


class Bookkeeper:
    """Keeps some days' receipts otherwise, each far enough from the others."""

    def __init__(self, at: Customer, entity: Entity) -> None:
        self.entity = entity
        self.receipts = [entity.get(entity.id_at(nth)) or {} for nth in range(len(entity))]
        self.free = [r for r in self.receipts if r["PrivateNote"] != "1 payments"]
        self.payments = at.facts("payment", status="completed")
        self.expected: dict[tuple[str, str], tuple[str, str, str]] = {}

    def day(self, *told: str) -> tuple[Record, dict[str, float]]:
        """A day on which some parts are not 0, with its parts."""
        found = next(r for r in self.free if all(parts_of(r)[part] for part in told))
        near = self.near(found)
        self.free = [r for r in self.free if r not in near]
        return found, parts_of(found)

    def near(self, receipt: Record) -> list[Record]:
        """The shop's receipts of the day before, the day, and the day after."""
        shop = receipt["DepartmentRef"]["name"]
        of_shop = (r for r in self.receipts if r["DepartmentRef"]["name"] == shop)
        days = sorted(of_shop, key=lambda r: r["TxnDate"])
        place = days.index(receipt)
        return days[max(0, place - 1) : place + 2]

    def keep(self, receipt: Record, outcome: str, why: str, **parts: float) -> None:
        """Other parts, and what has to be told of it."""
        self.entity.edit(receipt["Id"], book(receipt, **parts), silent=True)
        self.expect(receipt, "mismatched", outcome, why)

    def expect(self, receipt: Record, kind: str, outcome: str, why: str) -> None:
        self.expected[receipt["DepartmentRef"]["name"], receipt["TxnDate"]] = (kind, outcome, why)

    def payment_of(self, receipt: Record) -> dict[str, Any]:
        return next(
            p
            for p in self.payments
            if p["franchise_id"] == receipt["DepartmentRef"]["name"]
            and p["paid_at"].date().isoformat() == receipt["TxnDate"]
        )


@pytest.fixture
def keeper(at: Customer) -> Iterator[Bookkeeper]:
    made = Bookkeeper(at, at.vendors["quickbooks"].entities["SalesReceipt"])
    yield made
    for receipt in made.receipts:
        made.entity.put(receipt, silent=True)


SAME = "; gross sales by the contract are the same"


def test_habits_are_told(at: Customer, keeper: Bookkeeper) -> None:
    day, was = keeper.day("tip")
    keeper.keep(day, "open", "tips are counted as sales", gross=was["gross"] + was["tip"], tip=0)
    day, _ = keeper.day("tip")
    keeper.keep(day, "kept", f"tips are left out{SAME}", tip=0)
    day, _ = keeper.day("tax")
    keeper.keep(day, "kept", f"tax is left out{SAME}", tax=0)
    day, _ = keeper.day("discount")
    keeper.keep(day, "open", "discounts are not deducted", discount=0)
    day, was = keeper.day("discount")
    keeper.keep(day, "kept", f"sales are told net of discounts{SAME}",
                gross=was["gross"] - was["discount"], discount=0)  # fmt: skip
    day, was = keeper.day("tip", "discount")
    keeper.keep(day, "open", "tips are counted as sales; discounts are not deducted",
                gross=was["gross"] + was["tip"], tip=0, discount=0)  # fmt: skip
    results = sales(at, "quickbooks")
    assert differences(results) == keeper.expected
    assert sum(r.auto_resolved for r in results) == 3
    with at.home.ledger.read() as seen:
        work = seen.discrepancies.open(at.connections["quickbooks"][0].id, "sales")
    amounts = [abs(each.amount or 0.0) for each in work]
    assert len(amounts) == 3
    assert amounts == sorted(amounts, reverse=True)


def test_single_mistakes_are_told(at: Customer, keeper: Bookkeeper) -> None:
    for sign, why in ((-1, "one payment is missing"), (1, "one payment is there twice")):
        day, was = keeper.day("gross")
        one = keeper.payment_of(day)
        keeper.keep(day, "open", why,
                    **{part: was[part] + sign * float(one[part]) for part in PARTS})  # fmt: skip
    day, was = keeper.day("gross")
    after = next(r for r in keeper.near(day) if r["TxnDate"] > day["TxnDate"])
    keeper.free = [r for r in keeper.free if r not in keeper.near(after)]
    keeper.keep(day, "open", "some of it is booked on the day after", gross=was["gross"] - 10)
    keeper.keep(after, "open", "some of it is booked on the day before",
                gross=parts_of(after)["gross"] + 10)  # fmt: skip
    day, was = keeper.day("gross")
    keeper.keep(day, "open", "nothing explains it: gross +13.37", gross=was["gross"] + 13.37)
    day, _ = keeper.day("gross")
    keeper.entity.delete(day["Id"], silent=True)
    keeper.expect(day, "missing", "open", "nothing is booked")
    assert differences(sales(at, "quickbooks")) == keeper.expected


def test_a_month_that_a_unit_reported_otherwise(at: Customer) -> None:
    entity = at.vendors["franconnect"].entities["sales_report"]
    report = entity.get(entity.id_at(0)) or {}
    gross = Decimal(report["grossSales"]) + Decimal(report["tax"])
    entity.edit(report["referenceId"], {"grossSales": str(gross), "tax": "0.00"}, silent=True)
    told = differences(sales(at, "franconnect"))
    entity.put(report, silent=True)
    assert list(told.values()) == [("mismatched", "open", "tax is counted as sales")]


def test_what_the_till_did_not_take_is_too_much(at: Customer) -> None:
    entity = at.vendors["franconnect"].entities["sales_report"]
    first = entity.get(entity.id_at(0)) or {}
    early = {**copy.deepcopy(first), "referenceId": "early", "reportPeriodStartDate": "01/01/2024"}
    entity.put(early, silent=True)
    told = differences(sales(at, "franconnect"))
    key = (first["franchiseeReferenceId"], "2024-01-01")
    assert told[key] == ("extra", "open", "the till took nothing")
    entity.delete("early", silent=True)


def test_a_reason_says_when_there_is_none() -> None:
    till = dict.fromkeys(PARTS, Decimal(0)) | {"gross": Decimal(10)}
    told = reason(
        till, till | {"gross": Decimal("9.5"), "tax": Decimal(1)}, same=lambda a, b: a == b,
        payments=list, voided=list, neighbours={},
    )  # fmt: skip
    assert told == "nothing explains it: gross -0.50, tax +1.00"


def test_a_payment_that_was_voided_at_the_till_and_is_still_booked(at: Customer) -> None:
    orders = at.vendors["square"].entities["orders"]
    refs = (orders.id_at(nth) for nth in range(len(orders)))
    order = next(
        record
        for record in (orders.get(ref) or {} for ref in refs)
        if record["tenders"][0].get("card_details", {}).get("status") == "CAPTURED"
    )
    voided = copy.deepcopy(order)
    voided["tenders"][0]["card_details"]["status"] = "VOIDED"
    [connection] = at.connections["square"]
    for record, told in ((voided, ["a payment that was voided is still booked"]), (order, [])):
        orders.edit(order["id"], record)
        for _ in range(20):  # a change of the very moment at which a sync asks is of the next one
            at.hub.sync(connection.id, "orders")
            found = [each[2] for each in differences(sales(at, "quickbooks")).values()]
            if found == told:
                break
            time.sleep(0.1)
        assert found == told
