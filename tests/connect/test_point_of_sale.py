"""What Square and Clover show of the simulated network maps back to its payments and bookings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sandbox.vendors import small_books

from meterstone.connect.amounts import in_usd, shares
from meterstone.connect.catalogue import connectors
from meterstone.connect.mapping import StreamMapping
from meterstone.facts import Reject
from meterstone.sandbox.kit import Books, Vendor, make, running

PAYMENT = (
    "payment_id", "franchise_id", "paid_at", "gross", "discount", "refund", "tax", "tip",
    "currency", "net_sales_usd", "status", "origin", "source", "integration",
)  # fmt: skip
BOOKING = (
    "booking_id", "franchise_id", "created_at", "starts_at", "status", "origin", "amount_usd",
    "source",
)  # fmt: skip


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return small_books(tmp_path_factory.mktemp("pos"))


def served(name: str, books: Books) -> Iterator[tuple[Vendor, httpx2.Client]]:
    vendor = make(name, books, 1)
    if vendor.limits:
        vendor.limits.on = False
    with running(vendor) as [url], httpx2.Client(base_url=url) as http:
        yield vendor, http


@pytest.fixture(scope="module")
def square(books: Books) -> Iterator[tuple[Vendor, httpx2.Client]]:
    yield from served("square", books)


@pytest.fixture(scope="module")
def clover(books: Books) -> Iterator[tuple[Vendor, httpx2.Client]]:
    yield from served("clover", books)


def mapping(connector: str, stream: str) -> StreamMapping:
    known = connectors()
    return StreamMapping(known[connector], stream, known.quirks(connector))


def rows_of(mapped: Iterator[Any]) -> list[dict[str, Any]]:
    found = []
    for row in mapped:
        assert not isinstance(row, Reject), row.reason
        found.append(row[1])
    return found


def plain(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Columns for comparison: money to the cent, moments with their zone."""
    shown = {}
    for name in names:
        value = row.get(name)
        if isinstance(value, float | Decimal):
            value = round(Decimal(str(value)), 2)
        elif isinstance(value, datetime):
            value = value.astimezone(UTC)
        shown[name] = value
    return shown


def truth(books: Books, fact: str, source: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = books.rows(fact, source)
    return [
        plain(row, names)
        for row, gone in zip(rows.all, rows.retracted.to_pylist(), strict=True)
        if not gone
    ]


def same(found: list[dict[str, Any]], expected: list[dict[str, Any]], key: str) -> None:
    assert len(found) == len(expected) > 100
    assert sorted(found, key=lambda r: r[key]) == sorted(expected, key=lambda r: r[key])


def sites(vendor: Vendor) -> dict[str, str]:
    locations = vendor.entities["locations"].select().page(0, 1000)
    return {f"site:{location['id']}": location["name"] for location in locations}


def square_pages(http: httpx2.Client, token: str, ids: list[str]) -> Iterator[bytes]:
    body: dict[str, Any] = {
        "location_ids": ids, "limit": 100,
        "query": {"sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"}},
    }  # fmt: skip
    while True:
        answer = http.post(
            "/v2/orders/search", json=body, headers={"authorization": f"Bearer {token}"}
        )
        yield answer.content
        if "cursor" not in answer.json():
            return
        body["cursor"] = answer.json()["cursor"]


def test_square_orders_give_the_payments(
    square: tuple[Vendor, httpx2.Client], books: Books
) -> None:
    vendor, http = square
    context = sites(vendor)
    ids = [key.removeprefix("site:") for key in context]
    stream = mapping("square", "orders")
    found = [
        row
        for page in square_pages(http, vendor.listed[0].token, ids)
        for row in rows_of(stream.rows(page, context))
    ]
    same(
        [plain(row, PAYMENT) for row in found], truth(books, "payment", "square", PAYMENT),
        "payment_id",
    )  # fmt: skip
    assert all(row["source_ref"] for row in found)


def test_square_bookings_give_the_bookings(
    square: tuple[Vendor, httpx2.Client], books: Books
) -> None:
    vendor, _ = square
    stream = mapping("square", "bookings")
    records = vendor.entities["bookings"].select("start").page(0, 100_000)
    body = json.dumps({"bookings": records}).encode()
    found = [plain(row, BOOKING) for row in rows_of(stream.rows(body, sites(vendor)))]
    same(found, truth(books, "booking", "square", BOOKING), "booking_id")


def test_clover_orders_give_the_payments(
    clover: tuple[Vendor, httpx2.Client], books: Books
) -> None:
    vendor, http = clover
    stream, found = mapping("clover", "orders"), []
    asked = {"expand": "payments,refunds,discounts"}
    for account in vendor.listed:
        headers = {"authorization": f"Bearer {account.token}"}
        for since, until in (("2026-06-20", "2026-09-01"), ("2026-09-01", "2026-10-02")):
            filters = [f"modifiedTime>={_ms(since)}", f"modifiedTime<{_ms(until)}"]
            for offset in range(0, 1000, 100):
                page = http.get(
                    f"/v3/merchants/{account.id}/orders", headers=headers,
                    params={**asked, "filter": filters, "limit": 100, "offset": offset},
                )  # fmt: skip
                known = {"franchise_id": str(account.franchise_id)}
                found += rows_of(stream.rows(page.content, known))
    same(
        [plain(row, PAYMENT) for row in found], truth(books, "payment", "clover", PAYMENT),
        "payment_id",
    )  # fmt: skip


def _ms(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp() * 1000)


def split_order() -> dict[str, Any]:
    """An order of 100.01 less 10.00, with 7.21 tax, paid in two parts, one of them given back."""
    usd = {"currency": "USD"}
    return {
        "id": "O1", "location_id": "L1", "updated_at": "2026-09-01T10:00:00Z",
        "total_discount_money": {"amount": 1000, **usd},
        "total_tax_money": {"amount": 721, **usd},
        "tenders": [
            {
                "id": id_, "payment_id": id_, "created_at": "2026-09-01T10:00:00Z",
                "type": "CASH", "amount_money": {"amount": amount, **usd},
                "tip_money": {"amount": tip, **usd},
            }
            for id_, amount, tip in (("A", 3000, 0), ("B", 6922, 200))
        ],
        "refunds": [
            {"tender_id": "B", "status": "APPROVED", "amount_money": {"amount": 540, **usd}},
            {"tender_id": "A", "status": "REJECTED", "amount_money": {"amount": 900, **usd}},
        ],
    }  # fmt: skip


def test_an_order_that_was_paid_in_parts_is_counted_once() -> None:
    body = json.dumps({"orders": [split_order()]}).encode()
    first, second = rows_of(mapping("square", "orders").rows(body, {"site:L1": "F1"}))
    assert [first["payment_id"], second["payment_id"]] == ["A", "B"]
    total = {
        name: first[name] + second[name]
        for name in ("gross", "discount", "tax", "tip", "refund", "net_sales_usd")
    }
    assert total == {
        "gross": Decimal("100.01"), "discount": Decimal("10.00"), "tax": Decimal("7.21"),
        "tip": Decimal("2.00"), "refund": Decimal("5.00"), "net_sales_usd": Decimal("85.01"),
    }  # fmt: skip
    assert first["refund"] == 0
    assert (first["status"], second["status"]) == ("completed", "completed")


def test_other_currencies_need_a_rate() -> None:
    order = json.loads(json.dumps(split_order()).replace("USD", "CAD"))
    body = json.dumps({"orders": [order]}).encode()
    stream = mapping("square", "orders")
    [refused] = stream.rows(body, {"site:L1": "F1"})
    assert isinstance(refused, Reject)
    assert "usd_rates" in refused.reason
    rates = {"site:L1": "F1", "setting:usd_rates": "EUR=1.1, CAD=0.5"}
    found = rows_of(stream.rows(body, rates))
    assert sum(row["net_sales_usd"] for row in found) == pytest.approx(
        Decimal("42.51"), abs=Decimal("0.01")
    )


@given(
    st.integers(0, 10**9), st.lists(st.integers(0, 10**7), min_size=1, max_size=6)
)  # fmt: skip
def test_shares_sum_up_to_the_total(total: int, weights: list[int]) -> None:
    parts = shares(total, weights)
    assert sum(parts) == total
    assert len(parts) == len(weights)
    if sum(weights):
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - total * weight / sum(weights)) <= 1


def test_dollars_stay_as_they_are() -> None:
    assert in_usd(Decimal("1.10"), "USD", {}) == Decimal("1.10")
    assert in_usd(Decimal("0.25"), "CAD", {"setting:usd_rates": "CAD=0.74"}) == Decimal("0.18")
