"""Ready-made facts: JSON lines, CSV and Parquet."""

# ruff: noqa: DTZ001  # stored times are UTC without an offset

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meterstone.errors import FormatError
from meterstone.facts import Reject
from meterstone.record.formats import facts_csv, formats

AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
WHO = {"entered_by": "kim", "entered_role": "operations"}


def probe(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "probe_id": f"p{number}",
        "at": AT.isoformat(),
        "component": "hub_api",
        "check_key": "login",
        "interval_s": 60,
        "ok": True,
        "location": "eu",
        "fail_reason": "none",
        "maintenance": False,
        "alerting": True,
    } | fields


def jsonl(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps({"fact": "probe"} | row).encode() + b"\n" for row in rows)


def as_csv(*rows: dict[str, Any]) -> bytes:
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parquet(*rows: dict[str, Any], **types: pa.DataType) -> bytes:
    table = pa.Table.from_pylist([row | {"at": datetime.fromisoformat(row["at"])} for row in rows])
    for name, kind in types.items():
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(kind))
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def test_the_three_ways_give_the_same_row(mapped: Callable[..., Any]) -> None:
    by_json = mapped("facts_jsonl", jsonl(probe()))
    by_parquet = mapped("facts_parquet", parquet(probe()), "probe.parquet")
    by_csv = mapped("facts_csv", as_csv(probe()), "probe.csv", **WHO)
    assert by_json.rejects == by_parquet.rejects == by_csv.rejects == []
    assert by_json.by("probe_id") == by_parquet.by("probe_id")
    (row,) = by_csv.rows
    assert row["at"] == datetime(2026, 3, 1, 8, 30)
    # What a person uploads is reported, and by someone.
    assert (row["source"], row["evidence"], row["entered_by"]) == ("csv", "reported", "kim")


@pytest.mark.parametrize(
    ("name", "context"),
    [("probe.csv", {}), ("in/probe-2026-03.csv.gz", {}), ("x.csv", {"fact": "probe"})],
)
def test_where_the_fact_is_said(
    mapped: Callable[..., Any], name: str, context: dict[str, str]
) -> None:
    assert len(mapped("facts_csv", as_csv(probe()), name, **WHO, **context).rows) == 1
    assert len(mapped("facts_parquet", parquet(probe()), name, **context).rows) == 1
    bare = json.dumps(probe()).encode()
    assert len(mapped("facts_jsonl", bare, name, **context).rows) == 1


def test_rows_of_several_facts_in_one_file(mapped: Callable[..., Any]) -> None:
    registry = {"fact": "franchise", "franchise_id": "f1"}
    result = mapped("facts_csv", as_csv({"fact": "probe"} | probe(), registry), **WHO)
    assert [batch.schema.name for batch in result.batches] == ["probe", "franchise"]
    assert len(result.rows) == 1
    assert "missing" in result.rejects[0].reason  # a franchise has more columns than its id


@pytest.mark.parametrize(
    ("line", "reason", "mend"),
    [
        (b"{", "not JSON", "one JSON object"),
        (b"17", "not JSON", "one JSON object"),
        (b'{"fact": "probe", "latency_ms": NaN}', "not JSON", "NaN"),
        (b'{"fact": "prob"}', "unknown fact 'prob'", "probe"),
        (b'{"fact": 7}', "unknown fact 7", "known"),
        (b'{"probe_id": "x"}', "does not say which fact", "column `fact`"),
        (jsonl(probe(latency_ms=-1)), "latency_ms", "at least 0"),
        (jsonl(probe(latency="1")), "unknown column 'latency'", "latency_ms"),
        (jsonl(probe(at="2036-01-01T00:00:00Z")), "future", "clock"),
        (b'{"fact": "\xff"}', "not JSON", ""),
    ],
)
def test_a_wrong_line_is_named_and_the_others_are_kept(
    mapped: Callable[..., Any], line: bytes, reason: str, mend: str
) -> None:
    body = b"\n".join([jsonl(probe(1)).strip(), line.strip(), jsonl(probe(2))])
    result = mapped("facts_jsonl", body)
    assert [row["_item"] for row in result.rows] == [1, 3]
    (reject,) = result.rejects
    assert reject.item == 2
    assert reason in reject.reason
    assert mend in reject.mend


def test_one_key_with_two_contents_in_one_record(mapped: Callable[..., Any]) -> None:
    result = mapped("facts_jsonl", jsonl(probe(), probe(), probe(ok=False)))
    assert len(result.rows) == 1
    assert "appears twice" in result.rejects[0].reason


def test_batches_are_bounded(mapped: Callable[..., Any]) -> None:
    body = jsonl(*(probe(number) for number in range(50_001)))
    result = mapped("facts_jsonl", body)
    assert [batch.table.num_rows for batch in result.batches] == [50_000, 1]


@pytest.mark.parametrize(
    ("header", "context", "reason", "mend"),
    [
        ("probe_id;at;ok", WHO, "not separated by commas", "commas"),
        ("probe_id,at,okay", WHO, "unknown column 'okay'", "did you mean 'ok'"),
        ("probe_id,at,at", WHO, "names 'at' twice", "header"),
        ("probe_id,at,ok", {}, "nobody stands for the rows", "who entered it"),
        ("probe_id,at,ok", {"entered_by": "kim"}, "entered_role missing", "role"),
        ('"probe_id,at,ok', WHO, "header line", "CSV"),
        ("probe_id,\xff", WHO, "header line", "UTF-8"),
    ],
)
def test_a_wrong_header_is_one_reject(
    mapped: Callable[..., Any], header: str, context: dict[str, str], reason: str, mend: str
) -> None:
    body = header.encode("latin-1") + b"\n" + b"p,2026-03-01,true\n" * 50
    result = mapped("facts_csv", body, "probe.csv", **context)
    assert result.rows == []
    (reject,) = result.rejects
    assert reject.item == 1
    assert reason in reject.reason
    assert mend in reject.mend


def test_a_misspelt_fact_is_one_reject(mapped: Callable[..., Any]) -> None:
    for form, body in (("facts_csv", as_csv(probe())), ("facts_parquet", parquet(probe()))):
        (reject,) = mapped(form, body, fact="prob", **WHO).rejects
        assert "unknown fact 'prob'" in reject.reason
        assert "did you mean 'probe'" in reject.mend


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"a,b", "2 cells"),
        (b'p9,"x"y', "not CSV"),
        (b'p9,"never closed', "not CSV"),
        (b"p9,\xff", "UTF-8"),
    ],
)
def test_a_wrong_row_costs_no_other(mapped: Callable[..., Any], row: bytes, reason: str) -> None:
    lines = as_csv(probe(1), probe(2), probe(3)).splitlines(keepends=True)
    body = b"".join([*lines[:2], row + b"\n", *lines[2:]])
    result = mapped("facts_csv", body, "probe.csv", **WHO)
    assert [row["probe_id"] for row in result.rows] == ["p1", "p2", "p3"]
    (reject,) = result.rejects
    assert reject.item == 3
    assert reason in reject.reason


def test_a_cell_may_hold_a_line_feed_and_a_comma(mapped: Callable[..., Any]) -> None:
    body = as_csv(probe(1, check_key='a "b",\nc'), probe(2)).replace(b"\n", b"\r\n")
    result = mapped("facts_csv", b"\xef\xbb\xbf" + body, "probe.csv", **WHO)
    assert [row["check_key"] for row in result.rows] == ['a "b",\r\nc', "login"]
    assert [row["_item"] for row in result.rows] == [2, 4]


CELLS = st.lists(
    st.text(st.sampled_from('ab",\n;'), min_size=1, max_size=8), min_size=1, max_size=12
)


@given(CELLS, st.integers(1, 200))
def test_split_csv_loses_no_row(
    mapped: Callable[..., Any], bodies_of: Callable[..., list[bytes]], cells: list[str], target: int
) -> None:
    body = as_csv(*(probe(number, check_key=cell) for number, cell in enumerate(cells)))
    expected = mapped("facts_csv", body, "probe.csv", **WHO)
    assert expected.rejects == []
    assert [row["check_key"] for row in expected.rows] == cells
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts_csv, "BODY_TARGET", target)
        parts = bodies_of(facts_csv.FORMAT.split(io.BytesIO(body)))  # type: ignore[misc]
    for part in parts:
        found |= mapped("facts_csv", part, "probe.csv", **WHO).by("probe_id")
    assert found == expected.by("probe_id")


@given(
    st.binary(max_size=120)
    | st.text(st.sampled_from('a1,"\r\n\0{}[]: -é'), max_size=60).map(str.encode)
)
@example(b"\r\0")  # csv.Error of the Upptime mapping, once
def test_no_bytes_break_a_mapping(mapped: Callable[..., Any], body: bytes) -> None:
    for form in ("facts_jsonl", "apache_combined", "nginx_json", "upptime", "nginx_plus_status"):
        mapped(form, body)
    mapped("facts_csv", b"probe_id,at\n" + body, "probe.csv", **WHO)
    for form in ("facts_parquet", "github_incidents"):
        with pytest.raises(FormatError):
            mapped(form, body + b"x")


@pytest.mark.parametrize(
    ("rows", "types", "reason", "mend"),
    [
        ([probe()], {"ok": pa.string()}, "column 'ok' is string, not bool", "as bool"),
        ([probe()], {"interval_s": pa.float64()}, "column 'interval_s' is double", "int64"),
        ([probe(latency_ms="1")], {}, "column 'latency_ms' is string, not double", "double"),
        ([probe(at_=1)], {}, "unknown column 'at_'", "did you mean 'at'"),
    ],
)
def test_a_wrong_parquet_column_is_one_reject(
    mapped: Callable[..., Any],
    rows: list[dict[str, Any]],
    types: dict[str, pa.DataType],
    reason: str,
    mend: str,
) -> None:
    result = mapped("facts_parquet", parquet(*rows, **types), "probe.parquet")
    assert result.rows == []
    (reject,) = result.rejects
    assert reason in reject.reason
    assert mend in reject.mend


@pytest.mark.parametrize(
    "kind", [pa.timestamp("ns"), pa.timestamp("s"), pa.timestamp("ns", "America/New_York")]
)
def test_parquet_times(mapped: Callable[..., Any], kind: pa.DataType) -> None:
    text = pa.dictionary(pa.int32(), pa.string())
    body = parquet(probe(), at=kind, component=text)
    (row,) = mapped("facts_parquet", body, "probe.parquet").rows
    assert row["at"] == datetime(2026, 3, 1, 8, 30)


def test_parquet_rows_are_checked(mapped: Callable[..., Any]) -> None:
    good, bad = probe(1, latency_ms=1.5), probe(2, latency_ms=float("nan"))
    late = probe(3, at=(AT + timedelta(days=900)).isoformat(), latency_ms=1.0)
    result = mapped("facts_parquet", parquet(good, bad, late), "probe.parquet")
    assert [row["probe_id"] for row in result.rows] == ["p1"]
    assert [reject.item for reject in result.rejects] == [2, 3]
    assert "finite" in result.rejects[0].reason


def test_a_cut_off_parquet_file_is_named(mapped: Callable[..., Any]) -> None:
    with pytest.raises(FormatError, match="not a Parquet file"):
        mapped("facts_parquet", parquet(probe())[:-20], "probe.parquet")


def test_a_parquet_file_is_one_record(bodies_of: Callable[..., list[bytes]]) -> None:
    split = formats()["facts_parquet"].split
    assert split
    body = parquet(probe())
    assert bodies_of(split(io.BytesIO(body))) == [body]


def test_an_oversized_csv_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    long = b"probe_id,at\np1," + b"x" * (17 << 20) + b"\np2,2026-03-01\n"
    out = list(facts_csv.FORMAT.split(io.BytesIO(long)))  # type: ignore[misc]
    assert [piece for piece in out if isinstance(piece, bytes)] == [b"probe_id,at\np2,2026-03-01\n"]
    (reject,) = [piece for piece in out if isinstance(piece, Reject)]
    assert reject.item == 2
