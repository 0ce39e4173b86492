"""Many rows at once: the checks of `build_batch` on whole columns.

Only what is right as it stands is taken: as soon as one value would be refused, or needs more than
a plain conversion, there is no answer, and the rows are checked one by one. So a table gives the
same batch on both ways, and every refusal names its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterstone.facts.codes import CODES
from meterstone.facts.model import Column, FactSchema
from meterstone.facts.validate import (
    CLOCK_TOLERANCE,
    EARLIEST,
    USUAL,
    FactBatch,
    arrow_schema,
    evidence_of,
)

_COMPARE = {">=": pc.greater_equal, "<=": pc.less_equal, ">": pc.greater, "<": pc.less}
_CENTS = 1e12
"""Largest amount whose cents a float holds exactly enough."""


class _Unclear(Exception):  # no error: the rows are looked at one by one
    """A column is not right as it stands."""


def batch_of_columns(
    schema: FactSchema,
    table: pa.Table,
    first_item: int,
    *,
    received_at: datetime,
    defaults: Mapping[str, Any],
) -> FactBatch | None:
    """The batch of a table whose rows are all right as they stand; None where one may not be.

    Args:
        schema: the fact.
        table: columns by name.
        first_item: place of the first row in its landed record; the others follow.
        received_at, defaults: as in `build_batch`.
    """
    try:
        return _batch(schema, table, first_item, received_at, {**USUAL, **defaults})
    except (_Unclear, pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _batch(
    schema: FactSchema,
    table: pa.Table,
    first_item: int,
    received_at: datetime,
    defaults: Mapping[str, Any],
) -> FactBatch:
    if not set(table.column_names) <= set(schema.columns) - {"recorded_at", "evidence"}:
        raise _Unclear
    count, wanted = table.num_rows, arrow_schema(schema)
    arrays: dict[str, pa.Array] = {}
    for name in wanted.names:
        if name in ("_item", "evidence"):
            continue
        array = _column(schema.columns[name], table, wanted.field(name).type, defaults.get(name))
        if array.null_count and not schema.columns[name].nullable:
            raise _Unclear
        arrays[name] = array
    _check(schema, arrays, received_at)
    arrays["evidence"] = _evidence(schema, arrays, count)
    arrays["_item"] = pa.array(np.arange(first_item, first_item + count))
    return FactBatch(schema, pa.table([arrays[name] for name in wanted.names], schema=wanted))


def _column(column: Column, table: pa.Table, kind: pa.DataType, default: Any) -> pa.Array:
    if column.name not in table.column_names:
        if default is None:
            return pa.nulls(table.num_rows, kind)
        if pa.types.is_timestamp(kind):
            raise _Unclear
        return pa.repeat(pa.scalar(default, kind), table.num_rows)
    array = table.column(column.name).combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    array = _typed(column, array, kind)
    if array.null_count and default is not None:
        array = pc.fill_null(array, pa.scalar(default, kind))
    return array


def _typed(column: Column, array: pa.Array, kind: pa.DataType) -> pa.Array:
    given = array.type
    if pa.types.is_null(given):
        return pa.nulls(len(array), kind)
    if pa.types.is_dictionary(given):
        array, given = array.dictionary_decode(), given.value_type
    if pa.types.is_string(kind):
        return _text(column, array, given)
    if pa.types.is_decimal(kind):
        return _amount(array, given, kind)
    if pa.types.is_timestamp(kind):
        _require(pa.types.is_timestamp(given) and given.tz in (None, "UTC", "+00:00"))
        array = array.cast(pa.timestamp("us", given.tz))
    elif pa.types.is_floating(kind):
        _require(pa.types.is_integer(given) or pa.types.is_floating(given))
    elif pa.types.is_integer(kind):
        _require(pa.types.is_integer(given))
    else:  # dates, booleans
        _require(given == kind)
    return _bounded(column, array.cast(kind))


def _text(column: Column, array: pa.Array, given: pa.DataType) -> pa.Array:
    _require(pa.types.is_string(given) or pa.types.is_large_string(given))
    text = array.cast(pa.string())
    _require(_all(pc.not_equal(text, "")))
    if column.allowed:
        _require(_all(pc.or_kleene(pc.is_null(text), pc.is_in(text, pa.array(column.allowed)))))
    if column.codes:
        known = pa.array(sorted(CODES[column.codes]))
        _require(_all(pc.or_kleene(pc.is_null(text), pc.is_in(text, known))))
    return text


def _amount(array: pa.Array, given: pa.DataType, kind: pa.DataType) -> pa.Array:
    """Floats that are amounts of cents, as decimals; anything else is looked at row by row."""
    if pa.types.is_integer(given):
        array, given = array.cast(pa.float64()), pa.float64()
    _require(pa.types.is_float64(given))
    values = array.to_numpy(zero_copy_only=False)
    missing = np.asarray(array.is_null())
    values = np.where(missing, 0.0, values)
    _require(bool(np.all(np.abs(values) < _CENTS)))  # NaN is not smaller
    cents = np.rint(values * 100)
    _require(bool(np.all(cents / 100 == values)))  # else it has more than two places
    whole = pa.array(cents.astype(np.int64), mask=missing)
    cent = pa.scalar(Decimal("0.01"), pa.decimal128(3, 2))
    return pc.multiply(whole.cast(pa.decimal128(19, 0)), cent).cast(kind)


def _bounded(column: Column, array: pa.Array) -> pa.Array:
    if pa.types.is_floating(array.type):
        _require(_all(pc.is_finite(array)))
    low, high = column.bounds
    if low is not None:
        _require(_all(pc.greater_equal(array, low)))
    if high is not None:
        _require(_all(pc.less_equal(array, high)))
    return array


def _check(schema: FactSchema, arrays: Mapping[str, pa.Array], received_at: datetime) -> None:
    # Rows that a person enters need more columns, depending on their source.
    by_hand = pc.is_in(arrays["source"], pa.array(["attestation", "csv"]))
    _require(not pc.any(by_hand).as_py())
    time = arrays[schema.event_time].cast(pa.timestamp("us"))
    _require(_all(pc.greater_equal(time, EARLIEST.replace(tzinfo=None))))
    latest = (received_at + CLOCK_TOLERANCE).replace(tzinfo=None)
    _require(_all(pc.less_equal(time, latest)))
    for rule in schema.checks:
        left, right = (_total(arrays, side) for side in (rule.left, rule.right))
        _require(_all(_COMPARE[rule.op](left, right)))
    names = [*schema.key, "revision"]
    keys = pa.table([arrays[name] for name in names], names=names)
    _require(keys.group_by(names, use_threads=False).aggregate([]).num_rows == len(time))


def _total(arrays: Mapping[str, pa.Array], names: tuple[str, ...]) -> pa.Array:
    total = arrays[names[0]]
    for name in names[1:]:
        total = pc.add(total, arrays[name])
    return total


def _evidence(schema: FactSchema, arrays: Mapping[str, pa.Array], count: int) -> pa.Array:
    sources = arrays["source"].unique().to_pylist()
    level = {source: evidence_of(schema, {"source": source}) for source in sources}
    if len(set(level.values())) == 1:
        found = pa.repeat(pa.scalar(next(iter(level.values()))), count)
    else:
        found = pa.array([level[source] for source in arrays["source"].to_pylist()])
    if "method" in arrays:
        told = pc.fill_null(pc.equal(arrays["method"], "self_report"), False)
        stated = evidence_of(schema, {"source": "hub", "method": "self_report"})
        found = pc.if_else(told, pa.scalar(stated), found)
    return found


def _all(truth: pa.Array) -> bool:
    """Whether a condition holds wherever it can be told; nulls pass."""
    return bool(pc.all(truth, skip_nulls=True, min_count=0).as_py())


def _require(holds: bool) -> None:
    if not holds:
        raise _Unclear
