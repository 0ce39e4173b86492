"""From rows as sent to typed columns: what fits is kept, what does not is named and set aside.

A row is refused whole, with the first thing that is wrong with it; the rows around it are kept.
"""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from meterstone.errors import suggest
from meterstone.facts.codes import CODES
from meterstone.facts.model import EVIDENCE_LEVELS, Column, Evidence, FactSchema

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Event times before this are the mark of a clock that was never set (1970, 1980)."""

CLOCK_TOLERANCE = timedelta(minutes=10)
"""How far ahead of our clock an event time may lie before it is refused."""

_EVIDENCE_BY_SOURCE: Mapping[str, Evidence] = {
    "attestation": "attested",
    "survey_tool": "reported",
    "csv": "reported",
}
USUAL: Mapping[str, Any] = MappingProxyType({
    "source": "hub",
    "revision": 0,
    "retracted": False,
    "environment": "production",
    "synthetic": False,
})  # fmt: skip
"""What columns are that a row leaves out and nobody else sets."""

_EARLIEST = EARLIEST.replace(tzinfo=None)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_TOO_MUCH = Decimal(10) ** 16
_CENT = Decimal("0.01")
_ENTERED_BY_HAND = ("entered_by", "entered_role", "evidence_uri", "expires_at")
_ARROW: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "uri": pa.string(),
    "enum": pa.string(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "decimal": pa.decimal128(18, 2),
    "boolean": pa.bool_(),
}


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be a fact: ``item`` is its place in the landed record (1-based)."""

    item: int
    reason: str
    mend: str
    excerpt: str = ""
    fact: str = ""


@dataclass(slots=True)
class FactBatch:
    """Rows of one fact as columns.

    ``table`` has every column of the schema but ``recorded_at`` (the hub adds it), plus ``_item``:
    the place of the row in its landed record, 1-based.
    """

    schema: FactSchema
    table: pa.Table
    rejects: list[Reject] = field(default_factory=list)


class RowRefused(ValueError):  # what happened, as in a sentence
    """One row does not fit; carries the mend. Caught where the batch is built."""

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.mend = mend


def arrow_schema(schema: FactSchema) -> pa.Schema:
    """Arrow types of a fact's columns, without ``recorded_at``, with ``_item``."""
    columns = [
        pa.field(c.name, _ARROW[c.type]) for c in schema.columns.values() if c.name != "recorded_at"
    ]
    return pa.schema([*columns, pa.field("_item", pa.int64())])


def build_batch(
    schema: FactSchema,
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    *,
    received_at: datetime,
    defaults: Mapping[str, Any] | None = None,
) -> FactBatch:
    """Check rows of one fact and turn them into columns.

    Args:
        schema: the fact.
        rows: pairs of (item, row); a row maps column names to JSON-like values. Times are RFC 3339
            strings (UTC where no offset is given), ``datetime`` or epoch seconds as numbers.
        received_at: when the record came in; bounds the event time from above.
        defaults: values for columns a row leaves out (``source``, ``entered_by`` …).

    Returns:
        The batch with the rows that fit and a `Reject` for each that does not. Two rows with the
        same key and revision but differing content: the first is kept, the others are refused.
    """
    checker = _RowChecker(schema, received_at, defaults or {})
    good: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    seen: dict[tuple[Any, ...], dict[str, Any]] = {}
    for item, row in rows:
        try:
            checked = checker.check(row)
            key = (*(checked[name] for name in schema.key), checked["revision"])
            if schema.frozen:
                key = key[:-1]
            if schema.frozen and checked["retracted"]:
                seen.pop(key, None)
            elif (earlier := seen.setdefault(key, checked)) is not checked:
                _refuse_conflict(schema, earlier, checked)
                continue
        except RowRefused as refused:
            rejects.append(Reject(item, str(refused), refused.mend, excerpt(row), fact=schema.name))
            continue
        good.append(checked | {"_item": item})
    return FactBatch(schema, _table(good, arrow_schema(schema)), rejects)


def _table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows that all have all columns, as a table; what no row says costs nothing."""
    arrays = []
    for wanted in schema:
        values = [row[wanted.name] for row in rows]
        if values.count(None) == len(values):
            arrays.append(pa.nulls(len(values), wanted.type))
        else:
            arrays.append(pa.array(values, wanted.type))
    return pa.table(arrays, schema=schema)


def excerpt(row: Mapping[str, Any] | str | bytes, limit: int = 300) -> str:
    """The start of a row, for a person to recognise it by."""
    text = row.decode("utf-8", "replace") if isinstance(row, bytes) else str(row)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def evidence_of(schema: FactSchema, row: Mapping[str, Any]) -> Evidence:
    """The best evidence level a row can support, by the fact and the source it came from."""
    if schema.name == "forecast":
        return "modelled"
    if row.get("method") == "self_report":
        return "reported"
    if schema.name == "survey_response":
        return "reported"
    return _EVIDENCE_BY_SOURCE.get(row["source"], "measured")


def _refuse_conflict(
    schema: FactSchema, earlier: Mapping[str, Any], later: Mapping[str, Any]
) -> None:
    if schema.frozen:
        refuse_frozen(schema, earlier, later)
    if earlier == later or schema.frozen:
        return
    differing = [name for name in later if later[name] != earlier[name]]
    raise RowRefused(
        f"key {', '.join(schema.key)} = {', '.join(str(later[k]) for k in schema.key)} appears "
        f"twice in one record with differing {', '.join(differing)}",
        "send one row a key, or give the correction a higher `revision`",
    )


def refuse_frozen(schema: FactSchema, earlier: Mapping[str, Any], later: Mapping[str, Any]) -> None:
    """Refuse a second row of a frozen fact that says something else than the first.

    Raises:
        RowRefused: names the row, the columns that differ, and how to replace the first.
    """
    differing = [k for k in later if k in earlier and later[k] != earlier[k] and k != "revision"]
    if differing:
        raise RowRefused(
            f"a second {schema.name} of {', '.join(str(later[k]) for k in schema.key)}, with "
            f"another {', '.join(differing)}: the first one is frozen since "
            f"{earlier[schema.event_time]:%Y-%m-%d}",
            "leave it out; only if the first was wrong, send that one again with "
            "`retracted: true`, and this one after it",
        )


class _RowChecker:
    """The checks of one fact, prepared once a batch."""

    def __init__(
        self, schema: FactSchema, received_at: datetime, defaults: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._latest = (received_at + CLOCK_TOLERANCE).replace(tzinfo=None)
        self._defaults = {**USUAL, **defaults}
        self._columns = {
            name: (column, _CONVERT[column.type])
            for name, column in schema.columns.items()
            if name != "recorded_at"
        }
        self._known = self._columns.keys() | {"fact"}
        self._blank: dict[str, Any] | None = None
        self._required = {c.name for c, _ in self._columns.values() if not c.nullable}

    def check(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row as typed values.

        Raises:
            RowRefused: with what is wrong and how to mend it.
        """
        if not row.keys() <= self._known:
            self._refuse_unknown(row)
        checked = dict(self._blank or self._defaults_checked())
        for name, value in row.items():
            if value is None or value == "" or name == "fact":
                continue
            column, convert = self._columns[name]
            checked[name] = convert(column, value)
        checked["evidence"] = self._evidence(checked)
        self._refuse_missing(checked)
        self._refuse_wrong_time(checked)
        self._refuse_broken_rules(checked)
        return checked

    def _defaults_checked(self) -> dict[str, Any]:
        """The row of a sender who says nothing; made once, and not kept where it is refused."""
        blank: dict[str, Any] = {}
        for name, (column, convert) in self._columns.items():
            value = self._defaults.get(name)
            blank[name] = None if value is None else convert(column, value)
        self._blank = blank
        return blank

    def _refuse_unknown(self, row: Mapping[str, Any]) -> None:
        for name in row:
            if name == "recorded_at":
                raise RowRefused(
                    "recorded_at is set by the hub and never by the sender",
                    "leave recorded_at out; the time of the event goes into "
                    f"{self._schema.event_time}",
                )
            if name not in self._schema.columns and name != "fact":
                raise RowRefused(
                    f"unknown column {name!r} of fact {self._schema.name}",
                    suggest(str(name), list(self._schema.columns)),
                )

    def _evidence(self, row: Mapping[str, Any]) -> Evidence:
        best = evidence_of(self._schema, row)
        stated: Evidence | None = row["evidence"]
        return max(best, stated, key=EVIDENCE_LEVELS.index) if stated else best

    def _refuse_missing(self, row: Mapping[str, Any]) -> None:
        required = self._required
        if row["source"] in ("attestation", "csv"):
            required = required | {"entered_by", "entered_role"}
        if row["source"] == "attestation":
            required = required | {"evidence_uri", "expires_at"}
        missing = sorted([name for name in required if row[name] is None])
        if missing:
            by_hand = missing[0] in _ENTERED_BY_HAND
            why = " (who entered the row, in which role, with what evidence)" if by_hand else ""
            raise RowRefused(
                f"required column{'s' if len(missing) > 1 else ''} {', '.join(missing)} of fact "
                f"{self._schema.name} missing",
                f"send {missing[0]}{why}",
            )

    def _refuse_wrong_time(self, row: Mapping[str, Any]) -> None:
        name = self._schema.event_time
        at = row[name]
        if not isinstance(at, datetime):
            at = datetime(at.year, at.month, at.day)  # noqa: DTZ001  # UTC like all stored times
        if at < _EARLIEST:
            raise RowRefused(
                f"{name} is {at:%Y-%m-%d}: a clock that was never set",
                "set the sender's clock and send the row again",
            )
        if at > self._latest:
            raise RowRefused(
                f"{name} {at:%Y-%m-%dT%H:%M:%SZ} lies in the future",
                "check the sender's clock and time zone; times are UTC",
            )

    def _refuse_broken_rules(self, row: Mapping[str, Any]) -> None:
        for rule in self._schema.checks:
            left, right = _total(row, rule.left), _total(row, rule.right)
            if left is None or right is None:
                continue
            if not _COMPARE[rule.op](left, right):
                raise RowRefused(
                    f"{' + '.join(rule.left)} {left} and {' + '.join(rule.right)} {right} break "
                    f"the rule {rule}",
                    f"correct {' or '.join((*rule.left, *rule.right))} at the source and send the "
                    "row again",
                )


def _total(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    """One side of a rule: a column, or the sum of some; None where one is missing."""
    values = [row[name] for name in names]
    if any(value is None for value in values):
        return None
    return values[0] if len(values) == 1 else sum(values)


def _refuse(column: Column, value: object, wanted: str) -> RowRefused:
    return RowRefused(
        f"{column.name} is {value!r}, not {wanted}", f"send {column.name} as {wanted}"
    )


def _string(column: Column, value: object) -> str:
    if not isinstance(value, str):
        raise _refuse(column, value, "text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _refuse(column, value, "valid UTF-8 text") from None
    if column.codes and value not in CODES[column.codes]:
        raise RowRefused(
            f"{column.name} is {value!r}, which is no code of {column.codes}",
            _nearest_code(value, column.codes),
        )
    return value


def _nearest_code(value: str, codes: str) -> str:
    known = sorted(CODES[codes])
    near = difflib.get_close_matches(value.strip().upper(), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"write a code of {codes}, such as {known[-1]}"


def _enum(column: Column, value: object) -> str:
    if value not in column.allowed:
        raise RowRefused(
            f"{column.name} is {value!r}, which is not one of its values",
            suggest(str(value), list(column.allowed)),
        )
    return str(value)


def _timestamp(column: Column, value: object) -> datetime:
    at = value
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            at = datetime.fromtimestamp(value, UTC)
        if isinstance(at, datetime):
            return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
    except (ValueError, OverflowError, OSError):
        pass
    raise _refuse(column, value, "a time such as 2026-03-01T09:30:00Z")


def _date(column: Column, value: object) -> date:
    """The day as written; of a time its day, without a change of time zone."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    with suppress(ValueError):
        return datetime.fromisoformat(str(value)).date()
    raise _refuse(column, value, "a day such as 2026-03-01")


def _integer(column: Column, value: object) -> int:
    number = _number(column, value)
    if number != int(number) or abs(number) > 2**62:
        raise _refuse(column, value, "a whole number")
    if isinstance(value, int):
        return value
    # beyond 2**53 a float has no room for every whole number
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else int(number)


def _number(column: Column, value: object) -> float:
    if isinstance(value, bool):
        raise _refuse(column, value, "a number")
    try:
        number = float(value)  # type: ignore[arg-type]  # refused below when it is no number
    except (TypeError, ValueError, OverflowError):
        raise _refuse(column, value, "a number") from None
    if not math.isfinite(number):
        raise _refuse(column, value, "a finite number")
    _refuse_out_of_bounds(column, number, value)
    return number


def _refuse_out_of_bounds(column: Column, number: float, value: object) -> None:
    low, high = column.bounds
    if (low is not None and number < low) or (high is not None and number > high):
        limits = f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
        raise _refuse(column, value, f"{limits} ({column.unit})")


def _decimal(column: Column, value: object) -> Decimal:
    """An amount with two places, rounded half to even; 18 digits at most."""
    try:
        exact = value if isinstance(value, Decimal) else Decimal(str(value))
        if exact.is_finite() and abs(exact) < _TOO_MUCH:
            amount = exact.quantize(_CENT)
            if abs(amount) < _TOO_MUCH:
                return amount
    except InvalidOperation:
        pass
    raise _refuse(column, value, "an amount such as 12.50")


def _boolean(column: Column, value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in ("true", "false"):
        raise _refuse(column, value, "true or false")
    return word == "true"


_CONVERT: Mapping[str, Callable[[Column, Any], Any]] = {
    "string": _string,
    "uri": _string,
    "enum": _enum,
    "timestamp": _timestamp,
    "date": _date,
    "integer": _integer,
    "number": _number,
    "decimal": _decimal,
    "boolean": _boolean,
}


def concat(batches: Sequence[FactBatch]) -> FactBatch:
    """Several batches of one fact as one."""
    return FactBatch(
        batches[0].schema,
        pa.concat_tables([batch.table for batch in batches]),
        [reject for batch in batches for reject in batch.rejects],
    )


def from_columns(
    schema: FactSchema, columns: Mapping[str, Any], items: Sequence[int] | pa.Array, *, source: str
) -> FactBatch:
    """A batch straight from columns, for mappings that make well-formed rows by construction.

    Args:
        schema: the fact.
        columns: lists or arrow arrays by column name, all of one length; a scalar stands for every
            row. Columns left out are null, or their usual value (``environment`` production …).
        items: the place of each row in its landed record, 1-based.
        source: the ``source`` of every row.

    Raises:
        ValueError: a column that the fact does not have, or a required one left out.
    """
    usual = {**USUAL, "source": source, "evidence": evidence_of(schema, {"source": source})}
    unknown = set(columns) - set(schema.columns)
    if unknown:
        raise ValueError(f"fact {schema.name} has no column {', '.join(sorted(unknown))}")
    count = len(items)
    arrays = []
    target = arrow_schema(schema)
    for wanted in target:
        value = items if wanted.name == "_item" else columns.get(wanted.name)
        if value is None:
            value = usual.get(wanted.name)
        if value is None:
            if wanted.name != "_item" and not schema.columns[wanted.name].nullable:
                raise ValueError(f"fact {schema.name} needs column {wanted.name}")
            arrays.append(pa.nulls(count, wanted.type))
        elif isinstance(value, pa.Array | pa.ChunkedArray):
            arrays.append(value.cast(wanted.type))
        elif isinstance(value, list | range | tuple):
            arrays.append(pa.array(value, type=wanted.type))
        else:
            arrays.append(pa.repeat(pa.scalar(value, type=wanted.type), count))
    return FactBatch(schema, pa.table(arrays, schema=target))
