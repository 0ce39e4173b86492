"""QuickBooks and Salesforce over real HTTP: signed in by consent, read by runs, held against the
simulated rows; then edits, deletions and bulk jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.connect.customer import Customer, customer
from tests.connect.leads_truth import comparable, simulated
from tests.sandbox.vendors import small_books

from meterstone.sandbox.kit import Books
from meterstone.sandbox.network import preset, simulate

LINES = "SalesItemLineDetail"


FACTS = {"invoice": "quickbooks", "cost": "quickbooks", "deal": "salesforce"}


@dataclass
class Synced:
    """A home that has read both vendors, what they were made of, and what the home had then."""

    at: Customer
    books: Books
    found: dict[str, Counter[tuple[Any, ...]]]


def _synced(folder: Path, books: Books) -> Iterator[Synced]:
    with customer(folder, books, "quickbooks", "salesforce") as made:
        made.sync()
        found = {f: comparable(made.facts(f, source=source), f) for f, source in FACTS.items()}
        yield Synced(made, books, found)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synced]:
    """The small honest network."""
    folder = tmp_path_factory.mktemp("honest")
    yield from _synced(folder / "home", small_books(folder / "facts"))


@pytest.fixture(scope="module")
def thriving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synced]:
    """A piece of the thriving network, with leads."""
    folder = tmp_path_factory.mktemp("thriving")
    simulate(preset("thriving", shops=24, months=4, telemetry_days=1, seed=3), folder / "facts")
    yield from _synced(folder / "home", Books(folder / "facts"))


@pytest.fixture
def at(honest: Synced) -> Customer:
    """For tests that change something."""
    return honest.at


def ref(at: Customer, fact: str, key: str, value: str) -> dict[str, Any]:
    [row] = [row for row in at.facts(fact) if row[key] == value]
    return row


@pytest.mark.parametrize("network", ["honest", "thriving"])
@pytest.mark.parametrize("fact", FACTS)
def test_every_synced_fact_is_the_simulated_one(
    request: pytest.FixtureRequest, network: str, fact: str
) -> None:
    synced: Synced = request.getfixturevalue(network)
    expected = simulated(synced.books, fact, FACTS[fact])
    assert synced.found[fact] == expected
    assert max(expected.values()) == 1


def test_the_first_run_of_salesforce_is_a_bulk_job(at: Customer) -> None:
    [connection] = at.connections["salesforce"]
    assert connection.account == at.vendors["salesforce"].listed[0].id
    paths = {row["endpoint"] for row in at.facts("api_request", integration="salesforce")}
    assert "/services/data/v67.0/jobs/query" in paths
    at.hub.sync(connection.id, "opportunities")
    again = {row["endpoint"] for row in at.facts("api_request", integration="salesforce")}
    assert "/services/data/v67.0/queryAll" in again


def test_a_second_run_changes_nothing(at: Customer) -> None:
    before = {fact: comparable(at.facts(fact), fact) for fact in ("invoice", "cost", "deal")}
    at.sync()
    assert before == {fact: comparable(at.facts(fact), fact) for fact in before}


def test_a_line_that_left_its_invoice_and_an_invoice_that_was_deleted(at: Customer) -> None:
    [connection] = at.connections["quickbooks"]
    invoices = at.vendors["quickbooks"].entities["Invoice"]
    held = invoices.get(invoices.id_at(0)) or {}
    line = next(line for line in held["Line"] if LINES in line)
    extra = [dict(line, Id="8", Description="Usage"), dict(line, Id="9", Description="Usage")]
    invoices.edit(held["Id"], {"Line": [line, *extra]})
    at.hub.sync(connection.id, "invoices")

    def lines() -> set[str]:
        return {r["invoice_line_id"] for r in at.facts("invoice") if r["source_ref"] == held["Id"]}

    first = lines()
    assert {f"{held['Id']}-8", f"{held['Id']}-9"} < first
    assert len(first) == 3
    invoices.edit(held["Id"], {"Line": [line, extra[0]]})
    at.hub.sync(connection.id, "invoices")
    assert lines() == first - {f"{held['Id']}-9"}
    invoices.delete(held["Id"])
    at.hub.sync(connection.id, "invoices")
    assert lines() == set()


def test_an_invoice_that_is_fetched_and_one_that_is_gone(at: Customer) -> None:
    [connection] = at.connections["quickbooks"]
    invoices = at.vendors["quickbooks"].entities["Invoice"]
    one = next(i for n in range(50) if (i := invoices.get(invoices.id_at(n)) or {})["Balance"] > 0)
    invoices.edit(one["Id"], {"Balance": 0})
    at.hub.fetch(connection.id, "invoices", one["Id"])
    rows = [r for r in at.facts("invoice") if r["source_ref"] == one["Id"]]
    assert {row["status"] for row in rows} == {"paid"}
    invoices.delete(one["Id"])
    report = at.hub.fetch(connection.id, "invoices", one["Id"])
    assert report.deleted == len(rows)
    assert not [r for r in at.facts("invoice") if r["source_ref"] == one["Id"]]


def test_a_deal_that_is_won_and_one_that_is_deleted(at: Customer) -> None:
    [connection] = at.connections["salesforce"]
    deals = at.vendors["salesforce"].entities["Opportunity"]
    records = deals.select().page(0, 100)
    open_ = next(record for record in records if not record["IsClosed"])
    gone = next(record for record in records if record is not open_)
    deals.edit(open_["Id"], {
        "StageName": "won", "IsClosed": True, "IsWon": True, "CloseDate": "2026-09-30",
    })  # fmt: skip
    deals.delete(gone["Id"])
    at.hub.sync(connection.id, "opportunities")
    row = ref(at, "deal", "deal_id", open_["External_Id__c"])
    assert (row["outcome"], row["closed_at"].isoformat()) == ("won", "2026-09-30T00:00:00")
    assert gone["External_Id__c"] not in {row["deal_id"] for row in at.facts("deal")}
    deals.edit(open_["Id"], {"MainCompetitors__c": "somebody"})
    at.hub.fetch(connection.id, "opportunities", open_["Id"])
    assert ref(at, "deal", "deal_id", open_["External_Id__c"])["competitor"] == "somebody"


def test_both_renew_a_token_that_ended(at: Customer) -> None:
    for name in ("quickbooks", "salesforce"):
        accounts = at.vendors[name].accounts
        assert accounts is not None
        before = accounts.counts["refreshed"]
        at.vendors[name].faults.switch_on("expired")
        at.sync(name)
        assert accounts.counts["refreshed"] == before + 1
        assert accounts.counts["reused"] == 0
