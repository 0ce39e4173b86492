"""Columns and conditions of a connector file as functions, compiled once a stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from meterstone.connect.paths import Reader, reader
from meterstone.connect.quirks import Quirks
from meterstone.connect.spec_facts import Column, Condition
from meterstone.connect.values import PLAIN, ColumnRefused, day, instant, minor, word

Holds = Callable[[Any, Any, Mapping[str, str]], bool]
"""Whether a condition holds of (record, row, context)."""


def column(spec: str | Column, quirks: Quirks) -> Reader:
    """A column as a function of (record, row, context).

    The function raises `ColumnRefused` for a value that does not fit.
    """
    if isinstance(spec, str):
        return reader(spec)
    value = _origin(spec, quirks)
    if spec.map is not None:
        value = _mapped(value, spec)
    return _with_default(value, spec.default) if spec.has_default else value


def _origin(spec: Column, quirks: Quirks) -> Reader:
    given = spec.model_fields_set
    if "is_" in given:
        constant = spec.is_
        return lambda _record, _row, _context: constant
    if "python" in given:
        function = quirks.get(spec.python)
        return _converted(lambda record, _row, context: function(record, context), spec)
    if "from_" in given:
        return _converted(reader(spec.from_), spec)
    return _of_parts(spec, quirks)


def _of_parts(spec: Column, quirks: Quirks) -> Reader:
    given = spec.model_fields_set
    parts = [column(part, quirks) for part in spec.first or spec.sum or spec.minus or spec.join]
    if "first" in given:
        return _converted(_first(parts), spec)
    if "join" in given:
        return _joined(parts, spec.by)
    total = _sum if "sum" in given else _minus
    converted = [_converted(part, spec) for part in parts]
    if spec.each:
        return _over(reader(spec.each), total(converted))
    return total(converted)


def _converted(value: Reader, spec: Column) -> Reader:
    kind = spec.as_
    if kind is None:
        return value
    if kind == "minor":
        currency = reader(spec.of)
        return _minor(value, currency)
    if kind == "instant":
        zone = reader(spec.zone) if spec.zone else None
        return _instant(value, spec.format, zone)
    convert = (lambda found: day(found, spec.format)) if kind == "date" else PLAIN[kind]

    def read(record: Any, row: Any, context: Mapping[str, str]) -> Any:
        found = value(record, row, context)
        return None if found is None or found == "" else convert(found)

    return read


def _minor(value: Reader, currency: Reader) -> Reader:
    def read(record: Any, row: Any, context: Mapping[str, str]) -> Any:
        found = value(record, row, context)
        if found is None or found == "":
            return None
        return minor(found, currency(record, row, context))

    return read


def _instant(value: Reader, format_: str, zone: Reader | None) -> Reader:
    def read(record: Any, row: Any, context: Mapping[str, str]) -> Any:
        found = value(record, row, context)
        if found is None or found == "":
            return None
        return instant(found, format_, (zone(record, row, context) or "") if zone else "")

    return read


def _first(parts: list[Reader]) -> Reader:
    def read(record: Any, row: Any, context: Mapping[str, str]) -> Any:
        for part in parts:
            found = part(record, row, context)
            if found is not None and found != "":
                return found
        return None

    return read


def _joined(parts: list[Reader], by: str) -> Reader:
    def read(record: Any, row: Any, context: Mapping[str, str]) -> str | None:
        found = [word(part(record, row, context)) for part in parts]
        return by.join(text for text in found if text) or None

    return read


def _sum(parts: list[Reader]) -> Reader:
    def read(record: Any, row: Any, context: Mapping[str, str]) -> Any:
        found = [_number(part(record, row, context)) for part in parts]
        there = [value for value in found if value is not None]
        return sum(there[1:], there[0]) if there else None

    return read


def _minus(parts: list[Reader]) -> Reader:
    def read(record: Any, row: Any, context: Mapping[str, str]) -> Any:
        first, *others = (_number(part(record, row, context)) for part in parts)
        return None if first is None else first - sum(v for v in others if v is not None)

    return read


def _over(each: Reader, total: Reader) -> Reader:
    """The total over the elements of a list, each being ``$``; 0 of an empty or absent list."""

    def read(record: Any, row: Any, context: Mapping[str, str]) -> Any:
        found = each(record, row, context)
        elements = found if isinstance(found, list) else [] if found is None else [found]
        values = [total(record, element, context) for element in elements]
        return sum((v for v in values if v is not None), Decimal(0))

    return read


def _number(value: Any) -> Any:
    """For sums: exact, so that 0.1 + 0.2 is 0.3."""
    return PLAIN["decimal"](value) if isinstance(value, float | str) else value


def _mapped(value: Reader, spec: Column) -> Reader:
    table, other, open_ = spec.map or {}, spec.else_, spec.has_else

    def read(record: Any, row: Any, context: Mapping[str, str]) -> Any:
        found = word(value(record, row, context))
        if found in table:
            return table[found]
        if open_ or found is None:
            return other
        raise ColumnRefused(
            f"{found!r} is a word that the mapping does not know",
            "add it under `map` of the connector file, or give `else`",
        )

    return read


def _with_default(value: Reader, default: Any) -> Reader:
    def read(record: Any, row: Any, context: Mapping[str, str]) -> Any:
        found = value(record, row, context)
        return default if found is None or found == "" else found

    return read


def condition(spec: Condition) -> Holds:
    """A condition as a function."""
    value = reader(spec.path)
    given = spec.model_fields_set
    tests: list[Callable[[Any], bool]] = []
    if "is_" in given:
        wanted = word(spec.is_)
        tests.append(lambda found: word(found) == wanted)
    if spec.in_ is not None:
        among = {word(each) for each in spec.in_}
        tests.append(lambda found: word(found) in among)
    if "not_" in given:
        refused = {word(e) for e in (spec.not_ if isinstance(spec.not_, tuple) else (spec.not_,))}
        tests.append(lambda found: word(found) not in refused)
    if spec.matches is not None:
        pattern = re.compile(spec.matches)
        tests.append(lambda found: found is not None and bool(pattern.search(str(found))))
    if spec.exists is not None:
        there = spec.exists
        tests.append(lambda found: (found is not None) == there)
    return lambda record, row, context: all(t(value(record, row, context)) for t in tests)


def all_of(specs: tuple[Condition, ...]) -> Holds | None:
    """Several conditions as one; None where there are none."""
    if not specs:
        return None
    parts = [condition(spec) for spec in specs]
    return lambda record, row, context: all(part(record, row, context) for part in parts)
