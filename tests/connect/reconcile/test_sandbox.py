"""Reconciliation over real stand-ins: what is edited, deleted and added at the vendors behind our
back is found, all of it and nothing else; books that keep other sales are told with the reason."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from tests.connect.customer import Customer, customer
from tests.connect.reconcile.injected import EDITS, inject

from meterstone.connect.reconcile import Reconciliation
from meterstone.sandbox.kit import Books
from meterstone.sandbox.network import preset, simulate

NAMES = ("square", "clover", "quickbooks", "franconnect", "salesforce")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Customer]:
    folder = tmp_path_factory.mktemp("books")
    simulate(preset("struggling", shops=12, months=4, telemetry_days=1, seed=3), folder)
    with customer(tmp_path_factory.mktemp("home"), Books(folder), *NAMES) as made:
        made.sync(facts_only=True)
        yield made


def sweep(at: Customer, vendor: str) -> list[Reconciliation]:
    return [
        result
        for connection in at.connections[vendor]
        for result in at.home.reconciler.connection(connection.id, full=True)
        if result.entity != "sales"
    ]


def test_nothing_differs_at_any_vendor_before_anything_was_changed(at: Customer) -> None:
    checked = 0
    for vendor in NAMES:
        for result in sweep(at, vendor):
            told = f"{vendor} {result.entity}"
            assert (told, result.differences, result.refused) == (told, [], 0)
            assert (told, result.checked) == (told, result.matched)
            checked += result.checked
    assert checked > 1000


def found(results: list[Reconciliation]) -> dict[str, str]:
    return {each.row["source_ref"]: each.kind for r in results for each in r.differences}


def test_what_was_done_silently_is_found_with_recall_and_precision_of_100_percent(
    at: Customer,
) -> None:
    chance = random.Random(1)
    total = 0
    for name in NAMES:
        expected: dict[str, str] = {}
        for vendor, kind in EDITS:
            if vendor == name:
                expected |= inject(at.vendors[vendor], kind, chance, share=0.05)
        results = sweep(at, name)
        assert found(results) == expected, name
        assert all(each.outcome != "open" for r in results for each in r.differences), name
        total += len(expected)
    assert total > 30
    assert found(sweep(at, "square")) == {}
