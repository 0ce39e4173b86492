"""A landed record on its page: what came over the wire, for those who may see it."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meterstone.publish.web.landed import record_context
from meterstone.record.model import LandedRecord


def record(body: bytes, media_type: str = "application/x-ndjson") -> LandedRecord:
    return LandedRecord(
        seq=7, received_at=datetime(2026, 11, 1, tzinfo=UTC), body=body, format="facts_jsonl",
        media_type=media_type, source="square", name="/data/orders.jsonl", context={"shop": "F1"},
        sha256=b"\x01\x02",
    )  # fmt: skip


def parquet(rows: int) -> bytes:
    out = BytesIO()
    pq.write_table(pa.table({"n": list(range(rows))}), out, row_group_size=3)
    return out.getvalue()


LINES = b"\n".join(b'{"n": %d}' % n for n in range(1, 10))


def test_the_line_that_became_the_row_is_marked_among_its_neighbours() -> None:
    parts = record_context(record(LINES), 5, content=True)["parts"]
    assert [text for _, text, _ in parts] == [f'{{"n": {n}}}' for n in range(3, 8)]
    assert [what for what, _, asked in parts if asked] == ["line 5"]
    first = record_context(record(LINES), 1, content=True)["parts"]
    assert first[0] == ("line 1", '{"n": 1}', True)


@pytest.mark.parametrize("item", [None, 0, 10**9])
def test_without_an_item_its_beginning_is_shown(item: int | None) -> None:
    ((what, text, _),) = record_context(record(b"x" * 9_000), item, content=True)["parts"]
    assert what == "its beginning"
    assert text.startswith("x" * 8_000 + "…")
    assert "1,000 characters more" in text


def test_a_row_of_a_parquet_file_is_found_behind_its_groups() -> None:
    kept = record(parquet(10), "application/vnd.apache.parquet")
    assert record_context(kept, 8, content=True)["parts"] == [("row 8", '{\n  "n": 7\n}', True)]
    assert record_context(kept, 11, content=True)["parts"] == []
    broken = record(b"PAR1 cut off", "application/vnd.apache.parquet")
    assert record_context(broken, 1, content=True)["parts"][0][0] == "no readable Parquet"


def test_other_bytes_are_shown_as_such() -> None:
    parts = record_context(record(b"\xff\x00", "application/x-protobuf"), 1, content=True)["parts"]
    assert parts == [("the first bytes, hexadecimal", "ff 00", False)]


def test_who_may_not_see_the_content_sees_where_it_came_from() -> None:
    told = record_context(record(LINES), 5, content=False)
    assert told["parts"] == []
    assert dict(told["facts"])["SHA-256"] == "0102"
    assert dict(told["facts"])["Name"] == "orders.jsonl"
    assert dict(told["facts"])["shop"] == "F1"
