"""Cuts files of any size into landed bodies of whole lines, and reads the lines of a body again.

Memory is bounded by one body, one line and the window in which repeated lines are looked for; it
does not grow with the file.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from meterstone.facts import Reject, excerpt

MIB = 1 << 20
BODY_TARGET = 4 * MIB
"""Size at which a body is closed, at the next place where it may be."""
LINE_LIMIT = 16 * MIB
"""A longer line is not landed."""
REPEAT_WINDOW = 1 * MIB
"""How far behind a cut a line is looked for that also stands before it."""
REPEAT_LIMIT = 32 * MIB
"""A body that repeated lines kept open is closed at this size all the same."""
DOCUMENT_LIMIT = 64 * MIB
"""A JSON or protobuf document is mapped whole; a longer one is not landed."""

BOM = b"\xef\xbb\xbf"
"""What some programs write before UTF-8 text."""

_CHUNK = 1 * MIB
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)

Piece = bytes | Reject


def split_lines(stream: BinaryIO) -> Iterator[Piece]:
    """Bodies of whole lines, in order; lines that carry their own key may be cut anywhere."""
    return bodies(read_lines(stream), window=0)


def split_repeating(stream: BinaryIO) -> Iterator[Piece]:
    """Bodies of whole lines such that equal lines near each other stand in one body.

    For formats whose key is the line and its ordinal among its equals within the record.
    """
    return bodies(read_lines(stream), window=REPEAT_WINDOW)


def split_document(stream: BinaryIO) -> Iterator[Piece]:
    """The whole file as one body."""
    return whole(read_chunks(stream))


def whole(pieces: Iterable[Piece], limit: int = DOCUMENT_LIMIT) -> Iterator[Piece]:
    """All pieces as one body, or a `Reject` when the file is damaged or larger than ``limit``:
    half a document is none."""
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        if isinstance(piece, Reject):
            yield piece
            return
        parts.append(piece)
        size += len(piece)
        if size > limit:
            yield Reject(
                0,
                f"the document is larger than {limit // MIB} MiB",
                "export it in several files",
                excerpt(parts[0][:_EXCERPT]),
            )
            return
    if size:
        yield b"".join(parts)


def bodies(
    lines: Iterable[Piece],
    *,
    window: int,
    target: int = BODY_TARGET,
    limit: int = REPEAT_LIMIT,
) -> Iterator[Piece]:
    """Groups lines into bodies.

    Args:
        lines: complete lines with their line feed, and rejects, which follow the body around them.
        window: bytes behind a cut in which no line may equal one before it; 0 asks for nothing.
        target: size at which a body is closed.
        limit: size at which a body is closed although lines repeat across the cut; then a `Reject`
            says so, because their requests can no longer be told from a log that is sent twice.
    """
    body, tail = _Lines(), _Lines()
    known: set[bytes] = set()
    refused: list[Reject] = []
    for number, line in enumerate(lines, 1):
        if isinstance(line, Reject):
            refused.append(line)
        elif body.size < target:
            body.add(line)
        else:
            known = known or set(body.lines)
            tail.add(line)
            if window and line in known and body.size <= limit:
                known.update(tail.lines)
                body.take(tail)
            elif tail.size >= window or body.size > limit:
                yield body.joined()
                yield from refused
                refused.clear()
                if window and not known.isdisjoint(tail.lines):
                    yield _repeats(number, limit, line)
                body, tail, known = tail, _Lines(), set()
    body.take(tail)
    if body.size:
        yield body.joined()
    yield from refused


class _Lines:
    """Lines and the sum of their sizes."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.size = 0

    def add(self, line: bytes) -> None:
        self.lines.append(line)
        self.size += len(line)

    def take(self, other: _Lines) -> None:
        """Move all lines of ``other`` to the end of this one."""
        self.lines += other.lines
        self.size += other.size
        other.lines, other.size = [], 0

    def joined(self) -> bytes:
        return b"".join(self.lines)


def _repeats(number: int, limit: int, line: bytes) -> Reject:
    return Reject(
        number,
        f"lines equal to this one repeat over more than {limit // MIB} MiB before it; the file is "
        "cut here, and equal lines on both sides of the cut count as the same requests",
        "give each request its own id (NGINX: $request_id) and log that",
        excerpt(line),
    )


def read_lines(stream: BinaryIO, limit: int = LINE_LIMIT) -> Iterator[Piece]:
    """Complete lines of a file, each with its line feed; the last line may have none.

    A line longer than ``limit`` is passed over without being held and becomes a `Reject`. When the
    file turns out to be damaged, the whole lines before the damage are kept and a `Reject` names
    the line that is cut off.
    """
    reader = _LineReader(limit)
    for chunk in read_chunks(stream):
        if isinstance(chunk, Reject):
            yield from reader.broken(chunk)
            return
        yield from reader.feed(chunk)
    yield from reader.end()


class _LineReader:
    """Puts lines together from chunks."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._passed_over = 0
        self._number = 0

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """The lines that the chunk completes."""
        *complete, rest = chunk.split(b"\n")
        for part in complete:
            yield self._line(part, b"\n")
        self._keep(rest)

    def end(self) -> Iterator[Piece]:
        """The last line, when it has no line feed."""
        if self._rest or self._passed_over:
            yield self._line(b"", b"")

    def broken(self, damage: Reject) -> Iterator[Piece]:
        """What to say where the file breaks off; the line that is cut off is not a line."""
        yield Reject(
            self._number + 1,
            f"{damage.reason}; the file breaks off in line {self._number + 1}",
            damage.mend,
            excerpt(self._rest),
        )

    def _line(self, part: bytes, ending: bytes) -> Piece:
        self._number += 1
        line, self._rest = self._rest + part + ending, b""
        size = self._passed_over + len(line)
        self._passed_over = 0
        if size <= self._limit + 1:
            return line
        return _oversized(self._number, size, self._limit, line)

    def _keep(self, rest: bytes) -> None:
        self._rest += rest
        if len(self._rest) > self._limit + 1:
            start = self._rest[:_EXCERPT]
            self._passed_over += len(self._rest) - len(start)
            self._rest = start


_EXCERPT = 400
"""Bytes kept of a line that is passed over: enough to recognise it by."""


def _oversized(number: int, size: int, limit: int, line: bytes) -> Reject:
    return Reject(
        number,
        f"line {number} has {size:,} bytes; a line may have {limit:,}",
        "send the record in smaller parts, or look for line feeds that are missing",
        excerpt(line[:_EXCERPT]),
    )


def read_chunks(stream: BinaryIO) -> Iterator[Piece]:
    """The stream in chunks; where decompression breaks off, what came before, then a `Reject`."""
    # read1 hands over what one step of the decompressor gave; read would lose it when a later step
    # of the same call fails.
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    try:
        while chunk := read(_CHUNK):
            yield chunk
    except _DAMAGE as error:
        yield Reject(
            0,
            f"the compressed file is damaged: {error}",
            "send the file again from where it was made; what came before the damage is kept",
        )


def numbered(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines of a body with their 1-based number, without line end; empty lines are left out."""
    for number, line in enumerate(body.removeprefix(BOM).split(b"\n"), 1):
        stripped = line.rstrip(b"\r")
        if stripped:
            yield number, stripped


def text_of(number: int, line: bytes) -> str | Reject:
    """The line as text, or a `Reject` when it is not UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        return Reject(
            number,
            f"line {number} is not UTF-8: byte {error.start + 1} is 0x{line[error.start]:02x}",
            "export the file as UTF-8",
            excerpt(line),
        )


def first_lines(head: bytes, count: int = 20) -> list[bytes]:
    """The first complete lines of a file's head that are not empty, for detection."""
    lines = [line.strip() for line in head.removeprefix(BOM).split(b"\n")]
    if len(lines) > 1 and len(head) >= 1 << 16:
        lines.pop()  # the head ends in the middle of it
    return [line for line in lines if line][:count]
