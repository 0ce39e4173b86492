"""Lines of a CSV file (RFC 4180, comma, UTF-8, a header line) as rows; a bad one costs no other."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from meterstone.facts import Reject, excerpt
from meterstone.record.lines import MIB, text_of

MEND = "export the file as CSV in UTF-8 with commas and a header line of column names"
_CELL_LINES = 200
_CELL_BYTES = 1 * MIB
"""How far a quote is looked for that closes a cell."""
_OPENING = re.compile(rb'(?:^|,)"(?:[^"]|"")*("?)')
_CLOSING = re.compile(rb'^(?:[^"]|"")*"(?!")')


def logical_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
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


def cells(text: str) -> list[str]:
    """The cells of one line.

    Raises:
        csv.Error: it is none.
    """
    return next(csv.reader([text], strict=True), [])


def named_cells(
    header: Sequence[str], number: int, raw: bytes
) -> tuple[int, dict[str, str]] | Reject | None:
    """The cells of a line by their column, empty ones left out; None for an empty line."""
    if not raw:
        return None
    text = text_of(number, raw)
    if isinstance(text, Reject):
        return text
    try:
        found = cells(text)
    except csv.Error as error:
        return Reject(number, f"line {number} is not CSV: {error}", MEND, excerpt(text))
    if len(found) != len(header):
        return Reject(
            number,
            f"line {number} has {len(found)} cells; the header has {len(header)}",
            'put cells that hold a comma or a line feed into "quotes"',
            excerpt(text),
        )
    return number, {name: cell for name, cell in zip(header, found, strict=True) if cell != ""}
