"""What the benchmarks share: a warehouse in a folder, what is measured on it, a stop watch."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from meterstone.app import fact_shapes
from meterstone.catalogue import Catalogue, framework_path, load_catalogue
from meterstone.facts import vocabulary
from meterstone.measure.service import Subject
from meterstone.warehouse.duckdb import DuckDBWarehouse

OPERATIONAL = (
    "integration_performance_metrics.yaml",
    "integration_health_monitor.yaml",
    "api_performance_analytics.yaml",
    "error_analytics_framework.yaml",
)
"""The systems that the figures are about, so that they compare while the framework grows."""


def subject(path: Path, memory_limit: str = "1GB", *, whole: bool = False) -> Subject:
    """A warehouse with the operational systems of the framework, or the ``whole`` of it; the caller
    closes the warehouse."""
    warehouse = DuckDBWarehouse(path, vocabulary(), memory_limit=memory_limit)
    return Subject(warehouse, vocabulary(), catalogue(whole=whole))


def catalogue(*, whole: bool) -> Catalogue:
    """The framework's catalogue, or its operational systems alone with all relations."""
    shipped = framework_path()
    if whole:
        return load_catalogue(shipped, fact_shapes())
    listed = yaml.safe_load((shipped / "catalogue.yaml").read_text(encoding="utf-8"))
    names = [n for n in listed["files"] if n.startswith("relations") or n in OPERATIONAL]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            shutil.copy(shipped / name, folder)
        text = yaml.safe_dump(listed | {"files": names})
        Path(folder, "catalogue.yaml").write_text(text, encoding="utf-8")
        return load_catalogue(Path(folder), fact_shapes())


def measured_by(catalogue: Catalogue) -> str:
    """The size of a catalogue in words, for the notes of a figure."""
    return f"a catalogue of {len(catalogue.metrics)} metrics in {len(catalogue.order)} places"


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
