from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.sandbox.salesforce.served import Served, serve
from tests.sandbox.vendors import small_books

from meterstone.sandbox.kit import Books


@pytest.fixture(scope="package")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return small_books(tmp_path_factory.mktemp("salesforce"))


@pytest.fixture(scope="package")
def served(books: Books) -> Iterator[Served]:
    yield from serve(books)


@pytest.fixture
def fresh(books: Books) -> Iterator[Served]:
    """For tests that change something."""
    yield from serve(books)
