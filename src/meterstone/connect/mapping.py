"""From a vendor's bytes to rows of facts: a pure function of the landed record, compiled once.

The context says beside the bytes which connection, account and franchise they belong to
(docs/connect.md), so a rebuild gives the same rows, and a corrected mapping corrects all history.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from meterstone.connect.columns import all_of, column, condition
from meterstone.connect.paths import Reader, reader
from meterstone.connect.quirks import Quirks
from meterstone.connect.spec import Connector, Records
from meterstone.connect.spec_facts import FactMap
from meterstone.connect.spec_parts import Python
from meterstone.connect.values import ColumnRefused, word
from meterstone.errors import FormatError
from meterstone.facts import Reject, excerpt, vocabulary

SITE = "site:"
"""Begins the keys of the context that give the franchise of a vendor's site."""

Context = Mapping[str, str]
Row = dict[str, Any]
_FAILS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What a record of an unexpected shape does to the Python of a vendor."""

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Mapped:
    """The rows of one record: its vendor id, its site, its time of change as the vendor wrote it,
    and what could not be a row."""

    ref: str | None
    site: str | None
    changed: Any
    rows: list[Row]
    refused: list[tuple[str, str]]


class StreamMapping:
    """Records and rows of one stream of one connector.

    Args:
        connector: its file.
        key: of the stream.
        quirks: the vendor's Python.
    """

    def __init__(self, connector: Connector, key: str, quirks: Quirks) -> None:
        stream = connector.streams[key]
        self.stream = stream
        self._ways = {
            "": records_of(stream.answer, quirks),
            "csv": records_of(Records(format="csv"), quirks),
            "one": records_of(Records(path=stream.one.records if stream.one else ""), quirks),
        }
        self._path = reader(stream.answer.path)
        self._ref = reader(stream.key)
        self._site = reader(stream.site) if stream.site else None
        self._changed = reader(stream.changed_path) if stream.changed_path else None
        deletes = stream.deletes
        self.is_deleted = condition(deletes.when) if deletes.when else None
        """Whether a record is one that the vendor deleted; None: no condition tells."""
        self._deleted = self.is_deleted if deletes.kind == "flag" else None
        self._facts = [_Fact(spec, connector.connector, quirks) for spec in stream.facts]
        self.fact_names = tuple(dict.fromkeys(spec.fact for spec in stream.facts))
        self.may_lose = any(s.rows is not None or s.python or s.when for s in stream.facts)
        """Whether a row may vanish while its record stays: one of several, or under a condition."""

    def records_in(self, content: Any, body: bytes, context: Context) -> Iterable[Any]:
        """As `records` of a page whose JSON is decoded already (``content``; None: it is not)."""
        answer = self.stream.answer
        if content is None or answer.python or answer.format != "json":
            return self.records(body, context)
        loose = answer.loose or not answer.path
        return _listed(self._path(content, None, context), loose=loose)

    def records(self, body: bytes, context: Context) -> Iterator[Any]:
        """Records of an answer, in order; a `Reject` for what is none. The context's ``answer``
        says what the bytes are: a page of the stream, ``one`` record by its id, or ``csv``.

        Raises:
            FormatError: the bytes are not what the file says.
        """
        return self._ways[context.get("answer", "")](body, context)

    def ref_of(self, record: Any) -> str | None:
        """The vendor's id of a record."""
        return None if isinstance(record, Reject) else word(self._ref(record, record, {}))

    def site_of(self, record: Any) -> str | None:
        """The vendor's site that a record belongs to."""
        return word(self._site(record, record, {})) if self._site else None

    def map(self, record: Any, context: Context) -> Mapped:
        """Rows of one record."""
        ref = word(self._ref(record, record, context))
        site = word(self._site(record, record, context)) if self._site else None
        mapped = Mapped(
            ref, site, self._changed(record, record, context) if self._changed else None, [], []
        )
        if ref is None and self._facts:  # it could be neither corrected nor withdrawn
            mapped.refused.append((
                f"the record has no {self.stream.key}",
                "the vendor renamed or dropped it: correct `key` of the stream",
            ))  # fmt: skip
            return mapped
        given: Row = {"source_ref": ref, "franchise_id": _franchise(site, context)}
        if self._deleted and self._deleted(record, record, context):
            given["retracted"] = True
        for fact in self._facts:
            for row in fact.rows(record, context, mapped.refused):
                mapped.rows.append(given | row)
        return mapped

    def rows(self, body: bytes, context: Context) -> Iterator[tuple[int, Row] | Reject]:
        """Rows of a whole answer with the place of their record (1-based)."""
        return self.rows_of(self.records(body, context), context)

    def rows_of(
        self, records: Iterable[Any], context: Context
    ) -> Iterator[tuple[int, Row] | Reject]:
        """Rows of records."""
        for item, record in enumerate(records, 1):
            if isinstance(record, Reject):
                yield record
                continue
            mapped = self.map(record, context)
            for row in mapped.rows:
                yield item, row
            for reason, mend in mapped.refused:
                yield Reject(item, reason, mend, excerpt(record))


def _franchise(site: str | None, context: Context) -> str | None:
    of_site = context.get(SITE + site) if site else None
    return of_site or context.get("franchise_id")


class _Fact:
    """Rows of one fact."""

    def __init__(self, spec: FactMap, connector: str, quirks: Quirks) -> None:
        self._name = spec.fact
        self._when = all_of(spec.conditions)
        self._elements = _elements(spec, quirks)
        self._python = quirks.get(spec.python) if spec.python else None
        self._columns = [(name, column(c, quirks)) for name, c in spec.columns.items()]
        self._given = {"fact": spec.fact, **_origin(connector)}

    def rows(self, record: Any, context: Context, refused: list[tuple[str, str]]) -> Iterator[Row]:
        try:
            for element in self._elements(record, context):
                if self._when is None or self._when(record, element, context):
                    yield self._given | self._row(record, element, context)
        except _Refused as error:
            refused.append((str(error), error.mend))
        except _FAILS as error:
            refused.append(
                (
                    f"the mapping of {self._name} failed: {type(error).__name__}: {error}",
                    "the record has a shape that the connector does not know; it is kept",
                )
            )

    def _row(self, record: Any, element: Any, context: Context) -> Row:
        if self._python:
            return dict(element)
        row: Row = {}
        for name, read in self._columns:
            try:
                value = read(record, element, context)
            except ColumnRefused as error:
                raise _Refused(f"{self._name}.{name}: {error}", error.mend) from None
            if value is not None:
                row[name] = value
        return row


class _Refused(Exception):  # what happened, as in a sentence
    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.mend = mend


def _origin(connector: str) -> Row:
    """``source`` where the vocabulary knows the vendor; the facts of any other are the hub's own
    reading of it, told apart by ``integration``."""
    known = vocabulary()["payment"].columns["source"].allowed
    return {"source": connector if connector in known else "hub", "integration": connector}


def _elements(spec: FactMap, quirks: Quirks) -> Callable[[Any, Context], Iterable[Any]]:
    if spec.python or isinstance(spec.rows, Python):
        name = spec.python or spec.rows.python  # type: ignore[union-attr]  # by the line above
        function: Callable[[Any, Context], Iterable[Any]] = quirks.get(name)
        return function
    if spec.rows is None:
        return lambda record, _context: (record,)
    read = reader(spec.rows)
    return lambda record, context: _listed(read(record, record, context), loose=True)


def records_of(spec: Records, quirks: Quirks) -> Callable[[bytes, Context], Iterator[Any]]:
    """How the records of an answer are read, as a function of its bytes and context."""
    if spec.python:
        function: Callable[[bytes, Context], Iterator[Any]] = quirks.get(spec.python)
        return function
    if spec.format == "csv":
        return lambda body, _context: _csv(body)
    read: Reader = reader(spec.path)

    def records(body: bytes, context: Context) -> Iterator[Any]:
        found = read(decoded(body), None, context)
        yield from _listed(found, loose=spec.loose or not spec.path)

    return records


def decoded(body: bytes) -> Any:
    """JSON of an answer; nothing is null.

    Raises:
        FormatError: it is no JSON.
    """
    if not body.strip():
        return None
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(
            f"the answer is not JSON: {error}", mend="look at what the vendor sent"
        ) from error


def _listed(found: Any, *, loose: bool) -> Iterable[Any]:
    if isinstance(found, list):
        return found
    if isinstance(found, dict):
        return (found,)
    if found is None or (loose and isinstance(found, str)):
        return ()
    return (Reject(1, f"{excerpt(str(found), 60)!r} where records are expected",
                   "correct `records` of the stream"),)  # fmt: skip


def _csv(body: bytes) -> Iterator[Any]:
    text = io.StringIO(body.decode("utf-8-sig", "replace"), newline="")
    for number, row in enumerate(csv.DictReader(text), 1):
        if None in row or None in row.values():
            yield Reject(number, f"line {number + 1} has another number of cells than the header",
                         "correct the line at the source", excerpt(str(row)))  # fmt: skip
        else:
            yield dict(row)
