"""Facts as CSV (RFC 4180, comma, UTF-8, a header line).

A file may be landed in several bodies; each begins with the header line.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from meterstone.errors import suggest
from meterstone.facts import Reject, excerpt, vocabulary
from meterstone.record.fact_rows import (
    Row,
    batches,
    defaults_of,
    stem,
    unknown_fact,
    usual_fact,
)
from meterstone.record.lines import (
    BODY_TARGET,
    BOM,
    MIB,
    Piece,
    first_lines,
    read_lines,
    text_of,
)
from meterstone.record.model import Format, LandedRecord, Mapped

_CELL_LINES = 200
_CELL_BYTES = 1 * MIB
"""How far a quote is looked for that closes a cell."""
_OPENING = re.compile(rb'(?:^|,)"(?:[^"]|"")*("?)')
_CLOSING = re.compile(rb'^(?:[^"]|"")*"(?!")')


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
    logical = _logical(record.body.removeprefix(BOM).split(b"\n"))
    head = next(logical, None)
    if head is None:
        return
    header = _header(head[1].rstrip(b"\r"), record)
    if isinstance(header, Reject):
        yield header
        return
    rows = (_row(header, number, raw.rstrip(b"\r")) for number, raw in logical)
    yield from batches(
        record,
        (row for row in rows if row is not None),
        defaults_of(record, **({} if "source" in header else {"source": "csv"})),
    )


def _logical(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Rows as the file has them, with the number of their first line: a quoted cell may hold line
    feeds. A quote that nothing near closes is left to its line, so that it costs no other row."""
    source = enumerate(lines, 1)
    ahead: deque[tuple[int, bytes]] = deque()
    while first := ahead.popleft() if ahead else next(source, None):
        number, raw = first
        if _ends_inside(raw, inside=False):
            more = [ahead.popleft()[1] for _ in range(_lines_to_close(ahead, source))]
            raw = (b"" if raw.endswith(b"\n") else b"\n").join([raw, *more])
        yield number, raw


def _lines_to_close(ahead: deque[tuple[int, bytes]], source: Iterator[tuple[int, bytes]]) -> int:
    """How many of the next lines belong to an open quoted cell; 0 when nothing near closes it."""
    size = 0
    for count in range(_CELL_LINES):
        if count == len(ahead):
            fetched = next(source, None)
            if fetched is None:
                return 0
            ahead.append(fetched)
        line = ahead[count][1]
        size += len(line)
        if not _ends_inside(line, inside=True):
            return count + 1
        if size > _CELL_BYTES:
            return 0
    return 0


def _ends_inside(line: bytes, inside: bool) -> bool:
    """Does a quoted cell go on after this line?"""
    if b'"' not in line:
        return inside
    if inside:
        closing = _CLOSING.match(line)
        if not closing:
            return True
        line = line[closing.end() :]
    return any(not found[1] for found in _OPENING.finditer(line))


def _cells(raw: bytes) -> list[str]:
    return next(csv.reader([raw.decode()], strict=True), [])


def _header(raw: bytes, record: LandedRecord) -> list[str] | Reject:
    """The column names, or why no row under them could be a fact: one reject, not one a row."""
    try:
        header = [name.strip() for name in _cells(raw)]
    except (csv.Error, UnicodeDecodeError) as error:
        return Reject(1, f"the header line cannot be read: {error}", _MEND, excerpt(raw))
    return _wrong_header(header, record) or header


_MEND = "export the file as CSV in UTF-8 with commas and a header line of column names"


def _wrong_header(header: Sequence[str], record: LandedRecord) -> Reject | None:
    text = ",".join(header)
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        return Reject(1, f"the header names {sorted(twice)[0]!r} twice", _MEND, excerpt(text))
    if len(header) == 1 and (";" in text or "\t" in text):
        return Reject(1, "the cells are not separated by commas", _MEND, excerpt(text))
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


def _row(header: Sequence[str], number: int, raw: bytes) -> Row | Reject | None:
    if not raw:
        return None
    text = text_of(number, raw)
    if isinstance(text, Reject):
        return text
    try:
        cells = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        return Reject(number, f"line {number} is not CSV: {error}", _MEND, excerpt(text))
    if len(cells) != len(header):
        return Reject(
            number,
            f"line {number} has {len(cells)} cells; the header has {len(header)}",
            'put cells that hold a comma or a line feed into "quotes"',
            excerpt(text),
        )
    return number, {name: cell for name, cell in zip(header, cells, strict=True) if cell != ""}


def _split(stream: BinaryIO) -> Iterator[Piece]:
    refused: list[Reject] = []
    rows = _logical(_passing_on(read_lines(stream), refused))
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
