"""The parts of pages that change while somebody looks: the newest text of each, and since when.

A reader who missed something needs no history: whatever changed after the mark that was seen last
is sent once, as it is now.
"""

from __future__ import annotations

import json
import secrets
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

UNSEEN = 0
"""The mark of a reader who has seen nothing."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a stream, plain and packed.

    Every piece is packed for itself and ends on a full flush, so that one can follow any other:
    it is packed once, whoever is sent it and whatever was sent before. `PACKED_BEGIN` stands once
    at the beginning of a packed stream, which has no end of its own (RFC 1952, 2.3).
    """

    plain: bytes
    packed: bytes


NOTHING = Chunk(b"", b"")
PACKED_BEGIN = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def chunk(plain: bytes) -> Chunk:
    """A piece of a stream, packed too."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return Chunk(plain, packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH))


@dataclass(frozen=True, slots=True)
class _Part:
    html: str
    mark: int


class Parts:
    """What is kept of all topics. Thread-safe.

    Args:
        life: names this run of the process: marks of another one count for nothing.
    """

    def __init__(self, life: str | None = None) -> None:
        self._life = life or secrets.token_hex(4)
        self._topics: dict[str, dict[str, _Part]] = {}
        self._mark = UNSEEN
        self._made: dict[tuple[frozenset[str], int], Chunk] = {}
        self._lock = threading.Lock()

    @property
    def mark(self) -> int:
        """Counts up with every change."""
        return self._mark

    def put(self, topic: str, parts: Mapping[str, str]) -> bool:
        """Keep the newest parts of a topic; what is not named stays as it was.

        Args:
            topic: who may read it follows from it.
            parts: element id to HTML.

        Returns:
            whether anything is different now.
        """
        with self._lock:
            kept = self._topics.setdefault(topic, {})
            changed = [
                (name, html)
                for name, html in parts.items()
                if name not in kept or kept[name].html != html
            ]
            if not changed:
                return False
            self._mark += 1
            kept.update((name, _Part(html, self._mark)) for name, html in changed)
            self._made.clear()
            return True

    def event(self, topics: frozenset[str], seen: int) -> tuple[int, Chunk]:
        """What a reader lacks, as one server-sent event; made once for all who lack the same.

        Args:
            topics: that the reader may and wants to see.
            seen: the reader's mark.

        Returns:
            the mark to remember, and the event; empty where nothing of these topics changed.
        """
        with self._lock:
            if seen >= self._mark:
                return self._mark, NOTHING
            key = (topics, seen)
            if key not in self._made:
                self._made[key] = self._encode(topics, seen)
            return self._mark, self._made[key]

    def _encode(self, topics: frozenset[str], seen: int) -> Chunk:
        lacking = {
            name: part.html
            for topic in sorted(topics)
            for name, part in self._topics.get(topic, {}).items()
            if part.mark > seen
        }
        if not lacking:
            return NOTHING
        data = json.dumps(lacking, ensure_ascii=False)  # escapes line ends: one line of data
        return chunk(f"id: {self.name(self._mark)}\ndata: {data}\n\n".encode())

    def name(self, mark: int) -> str:
        """A mark as a browser keeps it."""
        return f"{self._life}-{mark}"

    def read(self, name: str) -> int:
        """The mark of a name; `UNSEEN` for one that is none of this run, or that is yet to come."""
        life, _, digits = name.partition("-")
        if life != self._life or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
            return UNSEEN
        mark = int(digits)
        return mark if mark <= self._mark else UNSEEN
