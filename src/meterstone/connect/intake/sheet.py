"""A CSV file of leads as records by column."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from meterstone.connect.intake.mail import label
from meterstone.facts import Reject, excerpt
from meterstone.record.csv_lines import MEND, cells, logical_lines, named_cells
from meterstone.record.lines import BOM

Numbered = tuple[int, dict[str, str]]
"""The line of a row, 1-based, and its cells that are not empty, by the column in snake_case."""


def read_sheet(body: bytes, needed: tuple[str, ...]) -> Iterator[Numbered | Reject]:
    """Rows under the header line; a row that cannot be read costs no other.

    Args:
        body: the file.
        needed: columns without which no row can be used.
    """
    lines = logical_lines(body.removeprefix(BOM).split(b"\n"))
    first = next(lines, None)
    if first is None or not first[1].strip():
        yield Reject(1, "the file has no header line", MEND)
        return
    header = _header(first[1].rstrip(b"\r"), needed)
    if isinstance(header, Reject):
        yield header
        return
    for number, raw in lines:
        row = named_cells(header, number, raw.rstrip(b"\r"))
        if row is not None:
            yield row


def _header(raw: bytes, needed: tuple[str, ...]) -> list[str] | Reject:
    try:
        header = [label(name) for name in cells(raw.decode())]
    except (csv.Error, UnicodeDecodeError) as error:
        return Reject(1, f"the header line cannot be read: {error}", MEND, excerpt(raw))
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        return Reject(1, f"the header names {twice[0]!r} twice", MEND, excerpt(raw))
    missing = [name for name in needed if name not in header]
    if missing:
        return Reject(
            1,
            f"the header lacks the column {missing[0]!r}",
            f"give the columns {', '.join(needed)}",
            excerpt(raw),
        )
    return header
