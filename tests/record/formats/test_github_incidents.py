"""Incidents of status pages."""

# ruff: noqa: DTZ001  # stored times are UTC without an offset

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest

from meterstone.errors import FormatError
from meterstone.record.request_rows import skipped

STATUSPAGE = {
    "id": "i1",
    "name": "Elevated errors",
    "status": "resolved",
    "impact": "major",
    "created_at": "2026-02-01T10:05:00.000Z",
    "started_at": "2026-02-01T10:00:00.000Z",
    "resolved_at": "2026-02-01T11:00:00.000Z",
    "incident_updates": [
        {"status": "resolved", "created_at": "2026-02-01T11:00:00.000Z"},
        {"status": "investigating", "created_at": "2026-02-01T10:05:00.000Z"},
    ],
}


def page(*entries: Any) -> bytes:
    return json.dumps({"page": {"id": "p"}, "incidents": list(entries)}).encode()


def test_known_answers(mapped: Callable[..., Any], shared_data: Callable[[str], Path]) -> None:
    file = shared_data("incidents/github_status_2025-10-28_2025-11-11.json")
    result = mapped("github_incidents", file.read_bytes(), file.name)
    assert result.rejects == []
    assert len(result.rows) == 9
    closed = [row for row in result.rows if row["resolved_at"]]
    minutes = [(r["resolved_at"] - r["detected_at"]).total_seconds() / 60 for r in closed]
    assert sorted(minutes) == sorted([25, 30, 287, 91, 13, 418, 15, 32])
    assert (mean(minutes), median(minutes)) == (113.875, 31)
    delays = [(r["detected_at"] - r["started_at"]).total_seconds() / 60 for r in result.rows]
    assert [delay for delay in delays if delay] == [23, 133, 130, 36]
    (still_open,) = [row for row in result.rows if not row["resolved_at"]]
    assert still_open["incident_id"] == "htcm010tcwjq"
    assert {row["severity"] for row in result.rows} == {"sev3"}
    assert {row["evidence"] for row in result.rows} == {"reported"}
    assert max(row["customer_impact_s"] or 0 for row in result.rows) == 548 * 60


def test_statuspage(mapped: Callable[..., Any]) -> None:
    (row,) = mapped("github_incidents", page(STATUSPAGE), integration="square").rows
    assert (row["incident_id"], row["severity"], row["kind"]) == ("i1", "sev2", "availability")
    assert row["started_at"] == datetime(2026, 2, 1, 10)
    assert row["detected_at"] == datetime(2026, 2, 1, 10, 5)
    assert row["resolved_at"] == datetime(2026, 2, 1, 11)
    assert (row["integration"], row["source"]) == ("square", "help_desk")


def test_a_resolved_incident_without_a_time_takes_that_of_its_update(
    mapped: Callable[..., Any],
) -> None:
    (row,) = mapped("github_incidents", page(STATUSPAGE | {"resolved_at": None})).rows
    assert row["resolved_at"] == datetime(2026, 2, 1, 11)
    opened = STATUSPAGE | {"resolved_at": None, "status": "monitoring"}
    (row,) = mapped("github_incidents", page(opened)).rows
    assert row["resolved_at"] is None


def test_planned_work_is_no_incident(mapped: Callable[..., Any]) -> None:
    result = mapped("github_incidents", page(STATUSPAGE | {"impact": "maintenance"}, STATUSPAGE))
    assert [row["_item"] for row in result.rows] == [2]
    assert skipped(result.batches[0]) == 1


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Incident with Packages", "availability"),
        ("Larger hosted runners experiencing delays", "performance"),
        ("Inconsistent results", "data"),
        ("Security vulnerability disclosed", "security"),
    ],
)
def test_kinds(mapped: Callable[..., Any], title: str, kind: str) -> None:
    (row,) = mapped("github_incidents", page(STATUSPAGE | {"name": title})).rows
    assert row["kind"] == kind


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (7, "incident 2"),
        ({"id": "x"}, "'created_at' is missing"),
        ({k: v for k, v in STATUSPAGE.items() if k != "id"}, "'id' is missing"),
        (STATUSPAGE | {"created_at": "soon"}, "soon"),
        (STATUSPAGE | {"created_at": None}, "incident 2"),
        (STATUSPAGE | {"resolved_at": None, "incident_updates": []}, "no time says when"),
        (STATUSPAGE | {"resolved_at": "2026-01-01T00:00:00Z"}, "break the rule"),
        (STATUSPAGE | {"incident_updates": 7}, "incident 2"),
    ],
)
def test_a_wrong_incident_is_named(mapped: Callable[..., Any], entry: Any, reason: str) -> None:
    other = STATUSPAGE | {"id": "i3"}
    result = mapped("github_incidents", page(STATUSPAGE | {"id": "i0"}, entry, other))
    assert [row["_item"] for row in result.rows] == [1, 3]
    (reject,) = result.rejects
    assert reject.item == 2
    assert reason in reject.reason


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"7", b'{"incidents": {}}'])
def test_a_wrong_document_is_refused(mapped: Callable[..., Any], body: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        mapped("github_incidents", body)
    assert caught.value.mend
