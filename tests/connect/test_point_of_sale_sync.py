"""Square and Clover over real HTTP: signed in by consent, read by runs, held against the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.connect.customer import Customer, customer
from tests.connect.test_point_of_sale import BOOKING, PAYMENT, plain, truth
from tests.sandbox.vendors import small_books

from meterstone.sandbox.kit import Books


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return small_books(tmp_path_factory.mktemp("synced"))


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory, books: Books) -> Iterator[Customer]:
    with customer(tmp_path_factory.mktemp("home"), books, "square", "clover") as made:
        made.sync()
        yield made


@pytest.fixture(scope="module", autouse=True)
def first(at: Customer) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """What the first run gave, before any test changes something."""
    asked = (("payment", "square"), ("payment", "clover"), ("booking", "square"))
    return {(fact, source): at.facts(fact, source=source) for fact, source in asked}


@pytest.mark.parametrize(
    ("fact", "source", "names"),
    [("payment", "square", PAYMENT), ("payment", "clover", PAYMENT),
     ("booking", "square", BOOKING)],
)  # fmt: skip
def test_every_synced_fact_is_the_simulated_one(
    first: dict[tuple[str, str], list[dict[str, Any]]], books: Books, fact: str, source: str,
    names: tuple[str, ...],
) -> None:  # fmt: skip
    found = [plain(row, names) for row in first[fact, source]]
    expected = truth(books, fact, source, names)
    key = names[0]
    assert len(found) == len(expected) > 100
    assert sorted(found, key=lambda r: r[key]) == sorted(expected, key=lambda r: r[key])


def test_a_second_run_changes_nothing_and_a_sale_comes(at: Customer) -> None:
    before = {row["payment_id"] for row in at.facts("payment")}
    orders = at.vendors["square"].entities["orders"]
    shown = orders.get(orders.id_at(-1)) or {}
    sale = dict(shown, id="NEW", tenders=[dict(shown["tenders"][0], id="new", payment_id="new")])
    orders.put(sale)
    at.sync()
    after = {row["payment_id"] for row in at.facts("payment")}
    assert after - before == {"new"}
    assert before <= after


def test_clover_renews_a_token_that_ended(at: Customer) -> None:
    vendor = at.vendors["clover"]
    assert vendor.accounts is not None
    before = vendor.accounts.counts["refreshed"]
    vendor.faults.switch_on("expired")
    at.sync("clover")
    assert vendor.accounts.counts["refreshed"] == before + len(at.connections["clover"])
    assert vendor.accounts.counts["reused"] == 0


def test_a_home_per_franchise_where_the_vendor_has_one_account_each(at: Customer) -> None:
    of = {c.account: c.franchise_id for c in at.connections["clover"]}
    assert of == {a.id: a.franchise_id for a in at.vendors["clover"].listed}
    assert len(at.connections["square"]) == 1
