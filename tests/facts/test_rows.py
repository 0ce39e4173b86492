"""Whole rows: what must be there, what may not, and what two rows say of each other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from meterstone.facts import (
    CLOCK_TOLERANCE,
    FactBatch,
    RowCheck,
    arrow_schema,
    build_batch,
    excerpt,
    vocabulary,
)
from meterstone.facts.validate import concat, evidence_of

from .conftest import GOOD, RECEIVED, VISIT, Build

ATTESTED = {
    **GOOD,
    "source": "attestation",
    "entered_by": "ana",
    "entered_role": "controller",
    "evidence_uri": "https://example.com/minutes.pdf",
    "expires_at": "2027-01-01T00:00:00Z",
}


def only_reason(batch: FactBatch) -> tuple[str, str]:
    [reject] = batch.rejects
    return reject.reason, reject.mend


def only_row(batch: FactBatch) -> dict[str, Any]:
    assert batch.rejects == []
    rows: list[dict[str, Any]] = batch.table.to_pylist()
    assert len(rows) == 1
    return rows[0]


def test_a_row_gets_the_usual_values(build: Build) -> None:
    row = only_row(build(GOOD))
    usual = {
        "source": "hub", "revision": 0, "retracted": False, "environment": "production",
        "synthetic": False, "evidence": "measured", "_item": 1,
    }  # fmt: skip
    assert {name: row[name] for name in usual} == usual


def test_what_the_mapping_knows_fills_gaps_and_overrules_nothing(build: Build) -> None:
    rows = build(GOOD, {**GOOD, "chair": 2, "source": "square"}, defaults={"source": "clover"})
    assert rows.table.column("source").to_pylist() == ["clover", "square"]


def test_the_table_has_every_column_but_the_hubs_own(build: Build) -> None:
    table = build(GOOD).table
    assert table.schema == arrow_schema(VISIT)
    assert set(table.column_names) == set(VISIT.columns) - {"recorded_at"} | {"_item"}


def test_a_row_may_name_its_fact(build: Build) -> None:
    assert build({**GOOD, "fact": "visit"}).rejects == []


def test_an_unknown_column_is_named_with_the_likely_one(build: Build) -> None:
    reason, mend = only_reason(build({**GOOD, "minuts": 3}))
    assert reason == "unknown column 'minuts' of fact visit"
    assert mend == "did you mean 'minutes'?"


def test_the_time_of_recording_is_the_hubs(build: Build) -> None:
    reason, mend = only_reason(build({**GOOD, "recorded_at": "2026-03-01T09:30:00Z"}))
    assert reason == "recorded_at is set by the hub and never by the sender"
    assert mend == "leave recorded_at out; the time of the event goes into at"


@pytest.mark.parametrize("empty", [None, ""])
def test_all_that_is_missing_is_named(build: Build, empty: Any) -> None:
    reason, mend = only_reason(build({"visit_id": empty, "at": GOOD["at"]}))
    assert reason == "required columns chair, visit_id of fact visit missing"
    assert mend == "send chair"


def test_one_missing_column(build: Build) -> None:
    reason, _ = only_reason(build({**GOOD, "chair": None}))
    assert reason == "required column chair of fact visit missing"


@pytest.mark.parametrize("source", ["attestation", "csv"])
def test_what_people_enter_names_them(build: Build, source: str) -> None:
    reason, mend = only_reason(build({**GOOD, "source": source}))
    assert "entered_by, entered_role" in reason
    assert mend.startswith("send entered_by (who entered the row")


@pytest.mark.parametrize("column", ["entered_by", "entered_role", "evidence_uri", "expires_at"])
def test_an_attested_row_has_its_evidence(build: Build, column: str) -> None:
    assert only_row(build(ATTESTED))["evidence"] == "attested"
    reason, mend = only_reason(build({**ATTESTED, column: None}))
    assert column in reason
    assert mend.startswith(f"send {column} (who")


@pytest.mark.parametrize(
    ("source", "stated", "kept"),
    [
        ("square", None, "measured"),
        ("square", "reported", "reported"),
        ("survey_tool", None, "reported"),
        ("survey_tool", "measured", "reported"),
        ("survey_tool", "modelled", "modelled"),
    ],
)
def test_a_sender_may_only_lower_the_evidence(
    build: Build, source: str, stated: str | None, kept: str
) -> None:
    assert only_row(build({**GOOD, "source": source, "evidence": stated}))["evidence"] == kept


@pytest.mark.parametrize(
    ("fact", "row", "best"),
    [
        ("forecast", {"source": "hub"}, "modelled"),
        ("survey_response", {"source": "hub"}, "reported"),
        ("work_sample", {"source": "hub", "method": "self_report"}, "reported"),
        ("work_sample", {"source": "hub", "method": "time_study"}, "measured"),
        ("probe", {"source": "csv"}, "reported"),
        ("probe", {"source": "otlp"}, "measured"),
    ],
)
def test_the_best_evidence_by_fact_and_source(fact: str, row: dict[str, str], best: str) -> None:
    assert evidence_of(vocabulary()[fact], row) == best


def test_an_event_time_may_be_ahead_by_the_tolerance_of_clocks(build: Build) -> None:
    latest = RECEIVED + CLOCK_TOLERANCE
    assert build({**GOOD, "at": latest}).rejects == []
    reason, mend = only_reason(build({**GOOD, "at": latest + timedelta(seconds=1)}))
    assert reason == "at 2026-03-01T12:10:01Z lies in the future"
    assert mend == "check the sender's clock and time zone; times are UTC"


def test_a_clock_that_was_never_set(build: Build) -> None:
    assert build({**GOOD, "at": "1990-01-01"}).rejects == []
    reason, mend = only_reason(build({**GOOD, "at": 0}))
    assert reason == "at is 1970-01-01: a clock that was never set"
    assert mend == "set the sender's clock and send the row again"


def test_an_event_time_that_is_a_day() -> None:
    fact = next(f for f in vocabulary().values() if f.time.type == "date")
    row = {c.name: _any_value(c) for c in fact.own_columns if not c.nullable}
    good = row | {fact.event_time: "2026-03-01"}
    future = row | {fact.event_time: "2026-03-02"}
    batch = build_batch(fact, [(1, good), (2, future)], received_at=RECEIVED)
    assert [reject.item for reject in batch.rejects] == [2]
    assert "lies in the future" in batch.rejects[0].reason


def _any_value(column: Any) -> Any:
    values = {"timestamp": RECEIVED, "date": "2026-01-01", "boolean": True, "decimal": 1}
    if column.type == "enum":
        return column.allowed[0]
    if column.codes:
        return "USD"
    return values.get(column.type, 1 if column.type in ("integer", "number") else "x")


@pytest.mark.parametrize("ended", ["2026-03-01T09:30:00Z", "2026-03-01T09:31:00Z", None])
def test_a_rule_between_two_columns_holds(build: Build, ended: str | None) -> None:
    assert build({**GOOD, "ended_at": ended}).rejects == []


def test_a_rule_between_two_columns_is_broken(build: Build) -> None:
    reason, mend = only_reason(build({**GOOD, "ended_at": "2026-03-01T09:29:59Z"}))
    assert reason.endswith("break the rule ended_at >= at")
    assert mend == "correct ended_at or at at the source and send the row again"


def test_a_rule_is_written_as_two_columns_and_a_comparison() -> None:
    assert str(RowCheck.parse("a < b")) == "a < b"
    assert str(RowCheck.parse("a + b <= c")) == "a + b <= c"
    for wrong in ("a <> b", "a < b < c", "a - b < c", "a <"):
        with pytest.raises(ValueError, match=f"not '{wrong}'"):
            RowCheck.parse(wrong)


def test_two_rows_of_one_key_that_differ(build: Build) -> None:
    batch = build(GOOD, {**GOOD, "minutes": 3, "cut": "long"})
    assert batch.table.column("_item").to_pylist() == [1]
    reason, mend = only_reason(batch)
    assert reason == (
        "key visit_id, chair = v1, 1 appears twice in one record with differing minutes, cut"
    )
    assert mend == "send one row a key, or give the correction a higher `revision`"


def test_a_row_sent_twice_is_no_conflict(build: Build) -> None:
    batch = build(GOOD, dict(GOOD))
    assert (batch.table.num_rows, batch.rejects) == (1, [])


def test_a_correction_has_its_own_revision(build: Build) -> None:
    batch = build(GOOD, {**GOOD, "minutes": 3, "revision": 1})
    assert batch.table.column("revision").to_pylist() == [0, 1]


def test_a_refused_row_makes_no_conflict(build: Build) -> None:
    batch = build({**GOOD, "minutes": -3}, {**GOOD, "minutes": 3})
    assert [reject.item for reject in batch.rejects] == [1]
    assert batch.table.column("minutes").to_pylist() == [3]


def test_a_retracted_row_keeps_its_key(build: Build) -> None:
    row = only_row(build({**GOOD, "retracted": "true", "revision": 2}))
    assert (row["retracted"], row["revision"]) == (True, 2)


@pytest.mark.parametrize(
    ("row", "shown"),
    [("abc", "abc"), (b"\xff", "�"), ({"a": 1}, "{'a': 1}"), ("x" * 301, "x" * 299 + "…")],
)
def test_an_excerpt_is_short(row: Any, shown: str) -> None:
    assert excerpt(row) == shown


def test_batches_of_one_fact_are_joined(build: Build) -> None:
    joined = concat([build(GOOD), build({**GOOD, "chair": 2}, {})])
    assert joined.table.num_rows == 2
    assert len(joined.rejects) == 1
