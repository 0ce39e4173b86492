"""Runs: what the vendor has becomes facts, once, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.connect.acme import FILE, START, Acme, Handler, Scene, scene, serving

from meterstone.connect.formats import vendor_formats
from meterstone.connect.problems import SyncError, VendorError
from meterstone.connect.sync import Report
from meterstone.facts import vocabulary
from meterstone.record.recorder import Recorder
from meterstone.warehouse.duckdb import DuckDBWarehouse


@pytest.fixture
def acme() -> Iterator[Acme]:
    with serving() as vendor:
        yield vendor


@pytest.fixture
def at(tmp_path: Path, acme: Acme) -> Iterator[Scene]:
    with scene(tmp_path, acme) as made:
        yield made


def sync(at: Scene, **options: Any) -> Report:
    return at.hub.sync(at.connection.id, "payments", **options)


def ids(at: Scene) -> list[str]:
    return sorted(row["payment_id"] for row in at.facts("payment"))


def test_everything_comes_the_first_time_and_changes_afterwards(at: Scene) -> None:
    at.acme.add(250)
    first = sync(at)
    assert (first.mode, first.pages, first.read, first.written) == ("full", 3, 250, 250)
    assert ids(at) == sorted(at.acme.payments)
    assert {row["franchise_id"] for row in at.facts("payment")} == {"F0001"}
    assert at.facts("sync_lag") == []  # history has no lag

    at.acme.put("p00007", datetime.now(UTC) - timedelta(seconds=30), status="CANCELED")
    at.acme.add(2, first=250)
    second = sync(at)
    assert second.mode == "incremental"
    assert second.pages == 1
    assert second.read < 20  # what changed, and five minutes of look-back
    statuses = {row["payment_id"]: row["status"] for row in at.facts("payment")}
    assert statuses["p00007"] == "voided"
    assert len(statuses) == 252
    lags = at.facts("sync_lag")
    assert {lag["source_ref"] for lag in lags} == {"p00007", "p00250", "p00251"}


def test_a_change_is_told_once_and_a_page_as_before_is_not_landed_again(at: Scene) -> None:
    at.acme.add(3)
    sync(at)
    at.acme.put("p00001", START + timedelta(hours=1))
    sync(at)
    sync(at)
    landed, told = at.log.last_seq(), len(at.facts("sync_lag"))
    again = sync(at)
    assert again.read > 0
    assert again.written == 0
    assert len(at.facts("sync_lag")) == told
    pages = [r for r in at.log.read(after=landed) if r.format == "vendor_page"]
    assert pages == []


def test_a_run_that_is_cut_off_goes_on_from_its_checkpoint(at: Scene) -> None:
    at.acme.add(500)

    def breaks_at_300(handler: Handler) -> bool:
        if "cursor=300" not in handler.path:
            return False
        handler.give({"errors": [{"detail": "no"}]}, 400)
        return True

    at.acme.faults.append(breaks_at_300)
    with pytest.raises(VendorError, match="answered 400"):
        sync(at)
    assert len(ids(at)) == 300
    at.acme.faults.clear()
    before = len(at.acme.asked)
    report = sync(at)
    assert report.read == 500
    assert [path for path in at.acme.asked[before:] if "cursor=100" in path] == []
    assert ids(at) == sorted(at.acme.payments)
    statuses = [run["status"] for run in at.facts("sync_run")]
    assert sorted(statuses) == ["partial", "success"]


def test_a_full_pull_finds_what_was_deleted(at: Scene) -> None:
    at.acme.add(150)
    sync(at)
    del at.acme.payments["p00003"]
    report = sync(at, full=True)
    assert report.deleted == 1
    assert "p00003" not in ids(at)
    assert len(ids(at)) == 149


def test_an_empty_answer_deletes_nothing(at: Scene) -> None:
    at.acme.add(10)
    sync(at)
    at.acme.payments.clear()
    report = sync(at, full=True)
    assert report.status == "partial"
    assert "none is taken as deleted" in report.error
    assert len(ids(at)) == 10


def test_a_record_by_its_id_and_one_that_is_gone(at: Scene) -> None:
    at.acme.add(3)
    sync(at)
    at.acme.put("p00002", datetime.now(UTC), status="CANCELED")
    at.hub.fetch(at.connection.id, "payments", "p00002")
    assert {r["payment_id"]: r["status"] for r in at.facts("payment")}["p00002"] == "voided"
    del at.acme.payments["p00001"]
    report = at.hub.fetch(at.connection.id, "payments", "p00001")
    assert report.deleted == 1
    assert ids(at) == ["p00000", "p00002"]


def test_a_record_that_goes_back_to_what_it_was(at: Scene) -> None:
    at.acme.add(1)
    for status in ("COMPLETED", "CANCELED", "COMPLETED"):
        at.acme.payments["p00000"]["status"] = status
        sync(at, full=True)
    assert [row["status"] for row in at.facts("payment")] == ["completed"]


def test_the_warehouse_is_made_anew_from_the_log(at: Scene, tmp_path: Path) -> None:
    at.acme.add(20)
    sync(at)
    before = at.facts("payment")
    fresh = DuckDBWarehouse(tmp_path / "fresh.duckdb", vocabulary())
    Recorder(at.log, fresh, vendor_formats(at.hub.mappings)).map_all()
    again = fresh.query(f"SELECT k.* FROM {fresh.relation('payment', None)} AS k").to_pylist()
    fresh.close()
    key = lambda row: row["payment_id"]  # noqa: E731
    assert sorted(again, key=key) == sorted(before, key=key)


def test_an_endless_cursor_is_contained(at: Scene) -> None:
    at.acme.add(1)

    def turns_in_a_circle(handler: Handler) -> bool:
        if "/v2/payments" not in handler.path:
            return False
        step = "b" if "cursor=a" in handler.path else "a"
        handler.give({"payments": list(at.acme.payments.values()), "cursor": step})
        return True

    at.acme.faults.append(turns_in_a_circle)
    with pytest.raises(SyncError, match="gives a cursor again"):
        sync(at)
    assert len(at.acme.asked) < 10
    assert ids(at) == ["p00000"]  # what was landed stays


def test_a_next_page_on_another_host_is_not_asked(tmp_path: Path, acme: Acme) -> None:
    text = FILE.read_text().replace(
        "{kind: cursor, from: cursor, to: query.cursor}", "{kind: next_url, from: next}"
    )

    def leads_away(handler: Handler) -> bool:
        if "/v2/payments" not in handler.path:
            return False
        handler.give({"payments": [], "next": "https://evil.example/v2/payments"})
        return True

    acme.faults.append(leads_away)
    with scene(tmp_path, acme, file=text) as at, pytest.raises(SyncError, match="another host"):
        sync(at)
