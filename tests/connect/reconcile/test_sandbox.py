"""Reconciliation over real stand-ins: what is edited, deleted and added at the vendors behind our
back is found, all of it and nothing else; books that keep other sales are told with the reason."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.connect.customer import Customer, customer
from tests.sandbox.vendors import small_books

from meterstone.connect.reconcile import Reconciliation
from meterstone.sandbox.kit import Books, Entity

NAMES = ("square", "clover", "quickbooks", "franconnect", "salesforce")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Customer]:
    books: Books = small_books(tmp_path_factory.mktemp("books"))
    with customer(tmp_path_factory.mktemp("home"), books, *NAMES) as made:
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
    for vendor in NAMES:
        for result in sweep(at, vendor):
            told = f"{vendor} {result.entity}"
            assert (told, result.differences, result.refused) == (told, [], 0)
            assert (told, result.checked) == (told, result.matched)
    assert sum(r.checked for vendor in NAMES for r in sweep(at, vendor)) > 1000
