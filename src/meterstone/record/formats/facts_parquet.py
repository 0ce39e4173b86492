"""Facts as Parquet: the file is one record, read by row groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from meterstone.errors import FormatError, suggest
from meterstone.facts import FactSchema, Reject, batch_of_columns, vocabulary
from meterstone.record.fact_rows import ROWS, Row, batches, defaults_of, unknown_fact, usual_fact
from meterstone.record.lines import MIB, Piece, read_chunks, whole
from meterstone.record.model import Format, LandedRecord, Mapped

FILE_LIMIT = 256 * MIB
"""A longer file is not landed."""
_ROWS_AT_ONCE = 10_000
_MAGIC = b"PAR1"


def _detect(_path: Path, head: bytes) -> bool:
    return head.startswith(_MAGIC)


def _map(record: LandedRecord) -> Iterator[Mapped]:
    try:
        file = pq.ParquetFile(pa.BufferReader(record.body))
    except (pa.ArrowInvalid, OSError) as error:
        raise FormatError(
            f"not a Parquet file: {error}", mend="write the file again; it may be cut off"
        ) from error
    refused = _wrong_columns(file.schema_arrow, record)
    if refused:
        yield refused
        return
    yield from _mapped(file, record)


def _mapped(file: pq.ParquetFile, record: LandedRecord) -> Iterator[Mapped]:
    """Batches of whole columns where all is right with them; else of rows checked one by one."""
    fact = None if "fact" in file.schema_arrow.names else vocabulary().get(usual_fact(record) or "")
    defaults, item = defaults_of(record), 0
    try:
        for batch in file.iter_batches(batch_size=ROWS):
            # Nanoseconds have no Python type; facts are kept in microseconds.
            table = pa.Table.from_batches([batch]).cast(_in_micros(batch.schema), safe=False)
            at_once = fact and batch_of_columns(
                fact, table, item + 1, received_at=record.received_at, defaults=defaults
            )
            if at_once:
                yield at_once
            else:
                yield from batches(record, _rows(table, item), defaults)
            item += table.num_rows
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        yield Reject(
            item + 1,
            f"the file cannot be read from row {item + 1} on: {error}",
            "write the file again; the rows before are kept",
        )


def _rows(table: pa.Table, before: int) -> Iterator[Row]:
    for start in range(0, table.num_rows, _ROWS_AT_ONCE):
        for nth, row in enumerate(table.slice(start, _ROWS_AT_ONCE).to_pylist(), start + 1):
            yield before + nth, {name: value for name, value in row.items() if value is not None}


def _in_micros(schema: pa.Schema) -> pa.Schema:
    return pa.schema(
        [
            field.with_type(pa.timestamp("us", field.type.tz))
            if pa.types.is_timestamp(field.type)
            else field
            for field in schema
        ]
    )


def _text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _any_of(*tests: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    return lambda kind: any(test(kind) for test in tests)


_is = pa.types
_FITS: Mapping[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "string": (_text, "string"),
    "uri": (_text, "string"),
    "enum": (_text, "string"),
    "timestamp": (_any_of(_is.is_timestamp, _text), "timestamp[us, UTC]"),
    "date": (_any_of(_is.is_date, _is.is_timestamp, _text), "date32"),
    "integer": (_is.is_integer, "int64"),
    "number": (_any_of(_is.is_integer, _is.is_floating, _is.is_decimal), "double"),
    "decimal": (_any_of(_is.is_decimal, _is.is_integer, _is.is_floating), "decimal128(18, 2)"),
    "boolean": (_is.is_boolean, "bool"),
}
"""Arrow types that a column of the vocabulary may have, and the one to write."""


def _wrong_columns(columns: pa.Schema, record: LandedRecord) -> Reject | None:
    """Why no row of the file could be a fact: one reject instead of one a row."""
    fact = usual_fact(record)
    if "fact" in columns.names:
        # The rows say themselves which fact they are: a column may be of any of them.
        schemas = list(vocabulary().values())
    elif fact is None or fact not in vocabulary():
        return unknown_fact(0, fact, ", ".join(columns.names))
    else:
        schemas = [vocabulary()[fact]]
    return next(filter(None, map(partial(_wrong_column, schemas), columns)), None)


def _wrong_column(schemas: list[FactSchema], field: pa.Field) -> Reject | None:
    of = f"fact {schemas[0].name}" if len(schemas) == 1 else "any fact"
    kinds = {s.columns[field.name].type for s in schemas if field.name in s.columns}
    if field.name == "fact":
        kinds = {"string"}
    if not kinds:
        known = sorted({name for schema in schemas for name in schema.columns})
        return Reject(0, f"unknown column {field.name!r} of {of}", suggest(field.name, known))
    if any(_FITS[kind][0](field.type) or field.type == pa.null() for kind in kinds):
        return None
    wanted = _FITS[min(kinds)][1]
    return Reject(
        0,
        f"column {field.name!r} is {field.type}, not {wanted}",
        f"write the column {field.name!r} as {wanted}",
    )


def _split(stream: BinaryIO) -> Iterator[Piece]:
    return whole(read_chunks(stream), FILE_LIMIT)


FORMAT = Format(
    name="facts_parquet",
    title="Facts as a Parquet file",
    media_type="application/vnd.apache.parquet",
    detect=_detect,
    map=_map,
    split=_split,
)
