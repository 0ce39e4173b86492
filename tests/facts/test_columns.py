"""Whole columns give the batch that row by row gives, or no answer at all."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterstone.facts import batch_of_columns, build_batch, vocabulary

RECEIVED = datetime(2026, 6, 1, tzinfo=UTC)
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)

PAYMENT = {
    "payment_id": "p", "franchise_id": "F1", "paid_at": AT, "gross": 12.5, "discount": 0.0,
    "refund": 0.0, "tax": 1.1, "tip": 0.0, "currency": "USD", "net_sales_usd": 11.4,
    "status": "completed", "origin": "pos",
}  # fmt: skip
SAMPLE = {
    "sample_id": "s", "period_start": AT - timedelta(days=7), "period_end": AT,
    "process": "reporting", "party": "operator", "automated": False, "minutes": 30.0, "volume": 3,
    "method": "timer",
}  # fmt: skip


def rows(fact: dict[str, Any], key: str, count: int, **changes: list[Any]) -> list[dict[str, Any]]:
    made = [fact | {key: f"{key}{n}"} for n in range(count)]
    for name, values in changes.items():
        for row, value in zip(made, values, strict=True):
            row[name] = value
    return made


def both(fact: str, made: list[dict[str, Any]], **defaults: Any) -> tuple[Any, Any]:
    schema = vocabulary()[fact]
    table = pa.Table.from_pylist(made)
    at_once = batch_of_columns(schema, table, 5, received_at=RECEIVED, defaults=defaults)
    sent = [
        (n, {name: value for name, value in row.items() if value is not None})
        for n, row in enumerate(table.to_pylist(), 5)
    ]
    return at_once, build_batch(schema, sent, received_at=RECEIVED, defaults=defaults)


VALUES = {
    "gross": st.sampled_from([0.0, 12.5, 0.1, 1e9, 33.333, float("nan"), -4.0, None, 7]),
    "currency": st.sampled_from(["USD", "EUR", "usd", "XXX", "", None]),
    "status": st.sampled_from(["completed", "voided", "lost", None]),
    "paid_at": st.sampled_from(
        [AT, AT + timedelta(days=31), datetime(1970, 1, 1, tzinfo=UTC), None, RECEIVED]
    ),
    "source": st.sampled_from(["square", "hub", "csv", "attestation", None]),
    "payment_id": st.sampled_from(["a", "b", "c", "d", "e"]),
    "revision": st.sampled_from([0, 1, None]),
}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_same_batch_on_both_ways(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 4))
    chosen = data.draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3, unique=True))
    changes = {
        name: data.draw(st.lists(VALUES[name], min_size=count, max_size=count)) for name in chosen
    }
    made = rows(PAYMENT, "payment_id", count, **changes)
    at_once, one_by_one = both("payment", made, integration="square")
    if at_once is not None:
        assert one_by_one.rejects == []
        assert at_once.table.equals(one_by_one.table)


def test_plain_rows_are_taken_at_once() -> None:
    at_once, one_by_one = both(
        "payment", rows(PAYMENT, "payment_id", 50, gross=[n / 100 for n in range(50)])
    )
    assert at_once is not None
    assert at_once.table.equals(one_by_one.table)


def test_self_reports_are_reported() -> None:
    made = rows(SAMPLE, "sample_id", 3, method=["timer", "self_report", "observed"])
    at_once, one_by_one = both("work_sample", made)
    assert at_once is not None
    assert at_once.table.equals(one_by_one.table)
    assert at_once.table["evidence"].to_pylist() == ["measured", "reported", "measured"]


def test_sources_lend_their_evidence() -> None:
    made = rows(SAMPLE, "sample_id", 2, source=["survey_tool", "hub"])
    at_once, one_by_one = both("work_sample", made)
    assert at_once.table.equals(one_by_one.table)
    assert at_once.table["evidence"].to_pylist() == ["reported", "measured"]


@pytest.mark.parametrize(
    "change",
    [
        {"recorded_at": AT},
        {"colour": "red"},
        {"evidence": "reported"},
        {"paid_at": date(2026, 5, 1)},
        {"gross": "12.50"},
        {"net_sales_usd": 1.005},
    ],
)
def test_what_needs_a_closer_look_is_left_to_the_rows(change: dict[str, Any]) -> None:
    at_once, _ = both("payment", [PAYMENT | change])
    assert at_once is None


def test_a_rule_between_columns_is_held() -> None:
    made = [SAMPLE | {"period_end": AT - timedelta(days=8)}]
    at_once, one_by_one = both("work_sample", made)
    assert at_once is None
    assert len(one_by_one.rejects) == 1


def test_the_way_in_is_told_row_by_row_what_is_wrong() -> None:
    made = rows(PAYMENT, "payment_id", 3, gross=[1.0, float("nan"), 2.0])
    at_once, one_by_one = both("payment", made)
    assert at_once is None
    assert [reject.item for reject in one_by_one.rejects] == [6]
    assert one_by_one.table.num_rows == 2
