"""The books that the stand-ins of lead systems are tried with, simulated once."""

from __future__ import annotations

import pytest
from tests.sandbox.vendors import small_books

from meterstone.sandbox.kit import Books
from meterstone.sandbox.network import preset, simulate


@pytest.fixture(scope="package")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """The honest network of six shops and three months."""
    return small_books(tmp_path_factory.mktemp("honest"))


@pytest.fixture(scope="package")
def thriving(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """A piece of the thriving network: twelve shops, four months."""
    folder = tmp_path_factory.mktemp("thriving")
    simulate(preset("thriving", shops=12, months=4, telemetry_days=None, seed=1), folder)
    return Books(folder)
