"""Batches straight from columns, for mappings that make well-formed rows by construction."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pytest

from meterstone.facts import arrow_schema, build_batch, from_columns

from .conftest import GOOD, RECEIVED, VISIT

AT = datetime(2026, 3, 1, 9, 30)  # noqa: DTZ001  # stored times are UTC without a zone


def test_it_is_the_batch_that_rows_would_give() -> None:
    rows = [(n, {**GOOD, "chair": n, "minutes": 5}) for n in (1, 2, 3)]
    wanted = build_batch(VISIT, rows, received_at=RECEIVED, defaults={"source": "square"})
    columns = {
        "visit_id": "v1",
        "chair": [1, 2, 3],
        "at": AT,
        "minutes": pa.array([5, 5, 5], pa.int32()),
    }
    batch = from_columns(VISIT, columns, range(1, 4), source="square")
    assert batch.table == wanted.table
    assert batch.rejects == []


def test_items_may_be_an_arrow_array_and_columns_chunked() -> None:
    columns = {
        "visit_id": pa.chunked_array([["a"], ["b"]]),
        "chair": (1, 2),
        "at": [AT, AT],
    }
    batch = from_columns(VISIT, columns, pa.array([7, 9]), source="survey_tool")
    assert batch.table.column("_item").to_pylist() == [7, 9]
    assert batch.table.column("evidence").to_pylist() == ["reported", "reported"]
    assert batch.table.schema == arrow_schema(VISIT)


def test_a_column_that_the_fact_does_not_have() -> None:
    with pytest.raises(ValueError, match="fact visit has no column hair, nails"):
        from_columns(VISIT, {"nails": 1, "hair": 2}, [1], source="hub")


def test_a_required_column_that_is_left_out() -> None:
    with pytest.raises(ValueError, match="fact visit needs column chair"):
        from_columns(VISIT, {"visit_id": "v", "at": AT}, [1], source="hub")
