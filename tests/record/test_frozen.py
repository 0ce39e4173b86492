"""A baseline is frozen: what was approved once is what everything later is compared with."""

from __future__ import annotations

import json
from typing import Any

from meterstone.app import Home
from meterstone.record.model import Incoming


def baseline(value: float, **given: Any) -> dict[str, Any]:
    return {
        "fact": "baseline", "metric_id": "manual_data_entry_reduction", "scope": "network",
        "scope_key": "*", "baseline_kind": "programme", "period_start": "2025-01-01T00:00:00Z",
        "period_end": "2026-01-01T00:00:00Z", "value": value, "n": 400,
        "frozen_at": "2026-01-01T00:00:00Z", "approved_by": "controller",
    } | given  # fmt: skip


def land(home: Home, *rows: dict[str, Any]) -> None:
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    home.recorder.land(Incoming(body, "facts_jsonl", "application/x-ndjson", "file", "b.jsonl", {}))
    home.recorder.map_new()


def values(home: Home) -> list[float]:
    source = home.warehouse.relation("baseline", None)
    rows = home.warehouse.query(f"SELECT value FROM {source} ORDER BY metric_id, scope_key")
    return [float(value) for value in rows.column("value").to_pylist()]


def refusals(home: Home) -> list[str]:
    return [f"{q.reason}; {q.mend}" for q in home.recorder.log.quarantined()]


REFUSED = (
    "a second baseline of manual_data_entry_reduction, network, *, programme, with another value: "
    "the first one is frozen since 2026-01-01; leave it out; only if the first was wrong, send "
    "that one again with `retracted: true`, and this one after it"
)


def test_two_baselines_for_one_programme(home: Home) -> None:
    land(home, baseline(1.5))
    land(home, baseline(2.5), baseline(9.0, scope="franchise", scope_key="F1"))
    assert refusals(home) == [REFUSED]
    assert values(home) == [1.5, 9.0]  # the row beside it is kept


def test_two_baselines_in_one_file(home: Home) -> None:
    land(home, baseline(1.5), baseline(2.5, revision=7))
    assert refusals(home) == [REFUSED]
    assert values(home) == [1.5]


def test_two_baselines_that_were_landed_before_either_was_mapped(home: Home) -> None:
    for value in (1.5, 2.5):
        body = (json.dumps(baseline(value)) + "\n").encode()
        incoming = Incoming(body, "facts_jsonl", "application/x-ndjson", "file", "b.jsonl", {})
        home.recorder.land(incoming)
    home.recorder.map_new()
    assert (refusals(home), values(home)) == ([REFUSED], [1.5])


def test_the_same_baseline_again_is_no_second_one(home: Home) -> None:
    land(home, baseline(1.5))
    land(home, baseline(1.5) | {"revision": 1})
    assert (refusals(home), values(home)) == ([], [1.5])


def test_a_wrong_baseline_is_retracted_before_another_is_frozen(home: Home) -> None:
    land(home, baseline(1.5))
    land(home, baseline(1.5, retracted=True), baseline(2.5))
    assert (refusals(home), values(home)) == ([], [2.5])
    land(home, baseline(3.5))
    assert values(home) == [2.5]
    assert len(refusals(home)) == 1


def test_after_a_rebuild_the_same_one_is_refused(home: Home) -> None:
    land(home, baseline(1.5))
    land(home, baseline(2.5))
    home.rebuild()
    assert (refusals(home), values(home)) == ([REFUSED], [1.5])
