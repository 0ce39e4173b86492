"""Compressed files as streams: whole, cut off, damaged, and larger than they look."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import resource
from collections.abc import Callable
from typing import BinaryIO

import pytest
import zstandard

from meterstone.record.streams import HEAD, Content

Compress = Callable[[bytes], bytes]
CODECS: dict[str, Compress] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}
DATA = b"".join(b"line %d\n" % n for n in range(200_000))


def read_all(stream: BinaryIO) -> tuple[bytes, str]:
    """What a format gets, and what it is told about damage."""
    parts = []
    try:
        while chunk := stream.read1(1 << 20):  # type: ignore[attr-defined]
            parts.append(chunk)
    except EOFError as error:
        return b"".join(parts), str(error)
    return b"".join(parts), ""


@pytest.fixture(params=CODECS)
def compress(request: pytest.FixtureRequest) -> Compress:
    return CODECS[request.param]


def test_the_content_is_what_was_compressed(compress: Compress) -> None:
    with Content(io.BytesIO(compress(DATA))) as content:
        assert content.head()[:100] == DATA[:100]
        assert len(content.head()) >= HEAD
        assert read_all(content.stream) == (DATA, "")


def test_parts_one_after_the_other_are_one_file(compress: Compress) -> None:
    with Content(io.BytesIO(compress(b"one ") + compress(b"two"))) as content:
        assert read_all(content.stream) == (b"one two", "")


def test_a_file_that_is_not_compressed_is_itself() -> None:
    seen: list[int] = []
    with Content(io.BytesIO(DATA)) as content:
        content.watch(seen.append)
        assert content.head() == DATA[:HEAD]
        assert read_all(content.stream) == (DATA, "")
    assert seen == sorted(seen)
    assert seen[-1] == len(DATA)


def test_an_empty_file() -> None:
    with Content(io.BytesIO()) as content:
        assert content.head() == b""
        assert read_all(content.stream) == (b"", "")


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.01])
def test_a_file_that_is_cut_off_gives_what_it_has_and_says_so(
    compress: Compress, kept: float
) -> None:
    stored = compress(DATA)
    with Content(io.BytesIO(stored[: int(len(stored) * kept)])) as content:
        content.head()
        data, damage = read_all(content.stream)
        assert DATA.startswith(data)
        assert damage
        assert read_all(content.stream) == (b"", damage), "it stays damaged"
    assert kept < 0.9 or data


def test_bytes_that_were_changed_are_noticed(compress: Compress) -> None:
    stored = bytearray(compress(DATA))
    stored[len(stored) // 2] ^= 0xFF
    with Content(io.BytesIO(bytes(stored))) as content:
        data, damage = read_all(content.stream)
    assert damage
    assert len(data) < len(DATA) + 1


def test_what_is_small_on_disk_is_read_in_small_parts(compress: Compress) -> None:
    bomb = compress(bytes(1 << 27))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = 0
    with Content(io.BytesIO(bomb)) as content:
        while chunk := content.stream.read1(1 << 20):  # type: ignore[attr-defined]
            size += len(chunk)
    assert size == 1 << 27
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_a_source_that_gives_little_at_a_time() -> None:
    class Slow(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self._data = data

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            head, self._data = self._data[: min(size, 7)], self._data[min(size, 7) :]
            return head

    with Content(Slow(gzip.compress(b"x" * 100_000))) as content:  # type: ignore[arg-type]
        assert len(content.head()) >= HEAD
        assert read_all(content.stream) == (b"x" * 100_000, "")
