"""What the benchmarks share: a warehouse in a folder, what is measured on it, a stop watch."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from meterstone.app import fact_shapes
from meterstone.catalogue import framework_path, load_catalogue
from meterstone.facts import vocabulary
from meterstone.measure.service import Subject
from meterstone.warehouse.duckdb import DuckDBWarehouse


def subject(path: Path, memory_limit: str = "1GB") -> Subject:
    """A warehouse with the catalogue of the framework; the caller closes the warehouse."""
    warehouse = DuckDBWarehouse(path, vocabulary(), memory_limit=memory_limit)
    return Subject(warehouse, vocabulary(), load_catalogue(framework_path(), fact_shapes()))


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
