"""A home on disk, facts to send to it, and small formats to map with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meterstone.app import Home
from meterstone.record.log import LandingLog
from meterstone.record.model import Format, Incoming, LandedRecord, Mapped


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An opened home."""
    with Home(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LandingLog]:
    """A landing log alone."""
    opened = LandingLog(tmp_path / "landing.sqlite")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def probe() -> Callable[..., dict[str, Any]]:
    """Makes a row of the fact `probe`."""

    def row(probe_id: str, **columns: Any) -> dict[str, Any]:
        return {
            "fact": "probe",
            "probe_id": probe_id,
            "at": "2026-03-01T09:30:00Z",
            "component": "hub_api",
            "check_key": "login",
            "interval_s": 60,
            "ok": True,
            "location": "eu",
            "fail_reason": "none",
            "maintenance": False,
            "alerting": True,
            **columns,
        }

    return row


@pytest.fixture(scope="session")
def facts(probe: Callable[..., dict[str, Any]]) -> Callable[..., Incoming]:
    """A body of `probe` facts with the ids given, ready to land."""

    def incoming(*ids: str, **columns: Any) -> Incoming:
        lines = [json.dumps(probe(probe_id, **columns)) for probe_id in ids]
        return Incoming("\n".join(lines).encode(), "facts_jsonl", "application/x-ndjson", "test")

    return incoming


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes formats known to the recorder, by name, out of their mappings alone."""

    def put(**mappings: Callable[[LandedRecord], Iterator[Mapped]]) -> None:
        known = {
            name: Format(name, name, "text/plain", lambda _path, _head: False, mapping)
            for name, mapping in mappings.items()
        }
        monkeypatch.setattr("meterstone.record.recorder.formats", lambda: known)

    return put


@pytest.fixture(scope="session")
def contents() -> Callable[[Home], dict[str, list[str]]]:
    """All rows of all facts of a home, in an order of their own."""

    def read(home: Home) -> dict[str, list[str]]:
        tables = (
            home.warehouse.query(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'facts'"
            )
            .column(0)
            .to_pylist()
        )
        return {
            name: sorted(map(repr, home.warehouse.query(f"FROM facts.{name}").to_pylist()))
            for name in sorted(tables)
        }

    return read
