"""Facts as CSV (RFC 4180, comma, UTF-8, a header line).

A file may be landed in several bodies; each begins with the header line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from meterstone.errors import suggest
from meterstone.facts import Reject, excerpt, vocabulary
from meterstone.record.csv_lines import MEND, cells, logical_lines, named_cells
from meterstone.record.fact_rows import (
    batches,
    defaults_of,
    stem,
    unknown_fact,
    usual_fact,
)
from meterstone.record.lines import (
    BODY_TARGET,
    BOM,
    Piece,
    first_lines,
    read_lines,
)
from meterstone.record.model import Format, LandedRecord, Mapped


def _detect(path: Path, head: bytes) -> bool:
    lines = first_lines(head, 1)
    if not lines or lines[0][:1] in (b"{", b"["):
        return False
    header = lines[0].decode("utf-8", "replace").replace('"', "").lower().split(",")
    names = {name.strip() for name in header}
    fact = vocabulary().get(stem(path.name))
    if fact:
        return bool(names & set(fact.key))
    keys = {name for schema in vocabulary().values() for name in schema.key}
    return "fact" in names and bool(names & keys)


def _map(record: LandedRecord) -> Iterator[Mapped]:
    logical = logical_lines(record.body.removeprefix(BOM).split(b"\n"))
    head = next(logical, None)
    if head is None:
        return
    header = _header(head[1].rstrip(b"\r"), record)
    if isinstance(header, Reject):
        yield header
        return
    rows = (named_cells(header, number, raw.rstrip(b"\r")) for number, raw in logical)
    yield from batches(
        record,
        (row for row in rows if row is not None),
        defaults_of(record, **({} if "source" in header else {"source": "csv"})),
    )


def _header(raw: bytes, record: LandedRecord) -> list[str] | Reject:
    """The column names, or why no row under them could be a fact: one reject, not one a row."""
    try:
        header = [name.strip() for name in cells(raw.decode())]
    except (csv.Error, UnicodeDecodeError) as error:
        return Reject(1, f"the header line cannot be read: {error}", MEND, excerpt(raw))
    return _wrong_header(header, record) or header


def _wrong_header(header: Sequence[str], record: LandedRecord) -> Reject | None:
    text = ",".join(header)
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        return Reject(1, f"the header names {sorted(twice)[0]!r} twice", MEND, excerpt(text))
    if len(header) == 1 and (";" in text or "\t" in text):
        return Reject(1, "the cells are not separated by commas", MEND, excerpt(text))
    fact = usual_fact(record)
    if "fact" not in header and (fact is None or fact not in vocabulary()):
        return unknown_fact(1, fact, text)
    return _unknown_column(header, fact) or _nobody(header, record, text)


def _unknown_column(header: Sequence[str], fact: str | None) -> Reject | None:
    schemas = [vocabulary()[fact]] if fact and "fact" not in header else vocabulary().values()
    known = {"fact"} | {name for schema in schemas for name in schema.columns}
    for name in header:
        if name not in known:
            of = f"fact {fact}" if fact else "any fact"
            return Reject(
                1,
                f"unknown column {name!r} of {of}",
                suggest(name, sorted(known)),
                excerpt(",".join(header)),
                fact=fact or "",
            )
    return None


def _nobody(header: Sequence[str], record: LandedRecord, text: str) -> Reject | None:
    """A row that comes from a CSV file has a person who stands for it."""
    if "source" in header or record.context.get("source"):
        return None
    missing = [
        name
        for name in ("entered_by", "entered_role")
        if name not in header and not record.context.get(name)
    ]
    if not missing:
        return None
    return Reject(
        1,
        f"nobody stands for the rows: {' and '.join(missing)} missing",
        "say with the file who entered it and in which role, or fill these columns",
        excerpt(text),
    )


def _split(stream: BinaryIO) -> Iterator[Piece]:
    refused: list[Reject] = []
    rows = logical_lines(_passing_on(read_lines(stream), refused))
    _, header = next(rows, (0, b""))
    body, size = list[bytes](), 0
    for _, raw in rows:
        yield from refused
        refused.clear()
        body.append(raw)
        size += len(raw)
        if size >= BODY_TARGET:
            yield header + b"".join(body)
            body, size = [], 0
    yield from refused
    if body:
        yield header + b"".join(body)


def _passing_on(lines: Iterable[Piece], refused: list[Reject]) -> Iterator[bytes]:
    for line in lines:
        if isinstance(line, Reject):
            refused.append(line)
        else:
            yield line


FORMAT = Format(
    name="facts_csv",
    title="Facts as CSV with a header line",
    media_type="text/csv",
    detect=_detect,
    map=_map,
    split=_split,
)
