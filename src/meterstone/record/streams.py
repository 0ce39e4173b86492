"""Files as streams of their content: decompressed on the way, in bounded memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol, cast

import zstandard

HEAD = 64 << 10
"""How much of a file its format is recognised by."""

SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
"""Endings of compressed files; what is compressed is known by its first bytes."""

_BUFFER = 1 << 20
_ZSTD_FEED = 1 << 10
"""Compressed bytes given to zstd at once: it sets no limit on what comes out, and 4 bytes may
become 128 KiB."""
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Content:
    """An open file as what it holds.

    Damage of any kind (cut off, wrong checksum, unreadable sector) is an `EOFError` where it is
    met; all bytes before it are given.

    Args:
        stream: as stored; read from where it stands, closed with this.

    Attributes:
        stream: the content.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._file = stream
        self._stored = _Peekable(stream)
        self._content = _Peekable(_Sound(_decompressed(self._stored)))
        self.stream: BinaryIO = io.BufferedReader(self._content, _BUFFER)

    def watch(self, on_read: Callable[[int], None]) -> None:
        """Have a function called after each read, with the stored bytes read so far."""
        self._stored.on_read = on_read

    def head(self) -> bytes:
        """The first bytes, `HEAD` at most; they are still to be read from ``stream``."""
        return self._content.look_ahead(HEAD)

    def __enter__(self) -> Content:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _decompressed(stored: _Peekable) -> _Source:
    start = stored.look_ahead(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=stored, mode="rb")
    if start.startswith(b"BZh"):
        return bz2.BZ2File(stored)
    if start.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile(cast("BinaryIO", stored))
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        return _Zstd(stored)
    return stored


class _Peekable(io.RawIOBase):
    """A stream that can be looked into before it is read."""

    def __init__(self, source: _Source) -> None:
        # one step at a time: read would wait for more, and lose what it has when damage follows
        self._read: Callable[[int], bytes] = getattr(source, "read1", source.read)
        self.on_read: Callable[[int], None] = lambda _: None
        self._ahead = b""
        self._done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            data = self._read(size)
        buffer[: len(data)] = data
        self._done += len(data)
        self.on_read(self._done)
        return len(data)

    def look_ahead(self, size: int) -> bytes:
        """The next bytes; fewer where the stream ends or is damaged."""
        try:
            while len(self._ahead) < size and (more := self._read(size - len(self._ahead))):
                self._ahead += more
        except EOFError:
            return self._ahead  # the damage is met again when it is read
        return self._ahead


class _Sound:
    """Gives every kind of damage one name, again and again."""

    def __init__(self, source: _Source) -> None:
        self._read: Callable[[int], bytes] = getattr(source, "read1", source.read)
        self._damage = ""

    def read(self, size: int, /) -> bytes:
        if self._damage:
            raise EOFError(self._damage)
        try:
            return self._read(size)
        except _DAMAGE as error:
            self._damage = str(error)
            raise EOFError(self._damage) from error


class _Zstd:
    """Frames of zstd, one after the other; unlike zstandard's own reader it notices a cut."""

    def __init__(self, stored: _Source) -> None:
        self._stored = stored
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._inside = False
        self._rest = b""
        self._ready = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        while not self._ready:
            raw = self._rest or self._stored.read(_ZSTD_FEED)
            if not raw:
                if self._inside:
                    raise EOFError("the file ends inside a zstd frame")
                return b""
            self._feed(raw)
        data, self._ready = self._ready[:size], self._ready[size:]
        return bytes(data)

    def _feed(self, raw: bytes) -> None:
        self._ready = memoryview(self._frame.decompress(raw))
        self._rest = self._frame.unused_data
        self._inside = not self._frame.eof
        if self._frame.eof:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
