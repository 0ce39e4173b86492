"""What `meterstone ingest` could not land: parts of a file that are no record (a line beyond the
limit, the rest of a damaged file).

A note is landed like what it is about, so that the quarantine holds nothing that the log does not:
a rebuild gives the same entries, and reading the same file again adds none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from meterstone.errors import FormatError
from meterstone.facts import Reject
from meterstone.record.model import Format, LandedRecord, Mapped


class _Refused(msgspec.Struct, omit_defaults=True):
    """A `Reject` on the wire; ``item`` is the place in the file."""

    item: int
    reason: str
    mend: str
    excerpt: str = ""
    fact: str = ""


class _Note(msgspec.Struct):
    file: str
    format: str
    refused: list[_Refused]


def note(file: str, form: str, rejects: Sequence[Reject]) -> bytes:
    """The body of a note about a file that was read as a format."""
    refused = [_Refused(r.item, r.reason, r.mend, r.excerpt, r.fact) for r in rejects]
    return msgspec.json.encode(_Note(file, form, refused))


def _map(record: LandedRecord) -> Iterator[Mapped]:
    try:
        read = msgspec.json.decode(record.body, type=_Note)
    except msgspec.DecodeError as error:
        raise FormatError(f"not a note of ours: {error}", mend="ingest the file again") from error
    for r in read.refused:
        yield Reject(r.item, r.reason, r.mend, r.excerpt, r.fact)


def _detect(_path: Path, _head: bytes) -> bool:
    return False  # nobody sends these


FORMAT = Format(
    name="ingest_note",
    title="What could not be landed of a file (written by ingest itself)",
    media_type="application/json",
    detect=_detect,
    map=_map,
)
