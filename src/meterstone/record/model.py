"""What arrives, what was landed, and how a format turns landed bytes into facts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from meterstone.facts import FactBatch, Reject


@dataclass(frozen=True, slots=True)
class Incoming:
    """Bytes as received, before they are landed.

    ``context`` holds what the sender or the command line added and the mapping needs
    (``entered_by``, ``entered_role``, ``integration`` …); it is part of the record's identity.
    """

    body: bytes
    format: str
    media_type: str
    source: str
    name: str = ""
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> bytes:
        """Digest of the body as received."""
        return hashlib.sha256(self.body).digest()


def facts_of_ours(body: bytes, name: str, source: str) -> Incoming:
    """Facts that the hub itself writes, one JSON object a line, as the record to land."""
    return Incoming(
        body=body,
        format="facts_jsonl",
        media_type="application/x-ndjson",
        source=source,
        name=name,
    )


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer of the landing log: the record is on disk. ``duplicate``: it already was."""

    seq: int
    received_at: datetime
    duplicate: bool


@dataclass(frozen=True, slots=True)
class LandedRecord:
    """One row of the landing log; ``received_at`` is UTC and grows strictly with ``seq``."""

    seq: int
    received_at: datetime
    body: bytes
    format: str
    media_type: str
    source: str
    name: str
    context: Mapping[str, str]
    sha256: bytes


Mapped = FactBatch | Reject
"""What a mapping yields: facts, or a part of the record that cannot be one."""


@dataclass(frozen=True, slots=True)
class Format:
    """A way in: how to recognise a file, cut it into records, and map a record to facts.

    Attributes:
        name: what ``--as`` takes, and what the landing log keeps.
        title: one line for people.
        media_type: of one landed record.
        detect: given the path and the first 64 KiB (decompressed), is this file of the format?
        split: yields the bodies to land from an open file (already decompressed), in bounded
            memory; what cannot become a body (an oversized line) is yielded as a `Reject`.
        map: a pure function from a landed record to facts and rejects, in bounded batches.
        read_path: for a folder or a file that must be read by path instead of as a stream;
            yields bodies like ``split``.
    """

    name: str
    title: str
    media_type: str
    detect: Callable[[Path, bytes], bool]
    map: Callable[[LandedRecord], Iterator[Mapped]]
    split: Callable[[BinaryIO], Iterator[bytes | Reject]] | None = None
    read_path: Callable[[Path], Iterator[bytes | Reject]] | None = None
