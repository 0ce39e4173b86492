"""Cutting files into bodies of whole lines."""

from __future__ import annotations

import gzip
import io
import resource
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.facts import Reject
from meterstone.record import lines
from meterstone.record.lines import bodies, numbered, read_lines, split_lines, whole

LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"cc\n", b"\n", b"dddd\n"]), max_size=60)


class Endless(io.RawIOBase):
    """A stream made while it is read."""

    def __init__(self, parts: list[tuple[bytes, int]]) -> None:
        self._parts = [part for part, times in parts for _ in range(times)][::-1]

    def read1(self, _size: int) -> bytes:
        return self._parts.pop() if self._parts else b""


def stream(body: bytes) -> BinaryIO:
    return io.BytesIO(body)


@given(LINES, st.integers(1, 12))
def test_no_byte_is_lost_or_moved(parts: list[bytes], target: int) -> None:
    cut = list(bodies(parts, window=0, target=target))
    assert b"".join(cast("list[bytes]", cut)) == b"".join(parts)
    assert all(body.endswith(b"\n") for body in cast("list[bytes]", cut))


@given(LINES, st.integers(1, 12))
def test_equal_lines_stay_in_one_body(parts: list[bytes], target: int) -> None:
    cut = [set(body.split(b"\n")) - {b""} for body in bodies(parts, window=1000, target=target)]  # type: ignore[union-attr]
    for place, before in enumerate(cut):
        assert all(before.isdisjoint(after) for after in cut[place + 1 :])


def test_a_cut_that_repeats_force_is_named() -> None:
    cut = list(bodies([b"same\n"] * 20, window=50, target=10, limit=30))
    rejects = [piece for piece in cut if isinstance(piece, Reject)]
    assert b"".join(piece for piece in cut if isinstance(piece, bytes)) == b"same\n" * 20
    assert rejects
    assert "count as the same requests" in rejects[0].reason


@given(st.binary(max_size=200), st.integers(1, 40))
def test_lines_do_not_depend_on_the_chunks(body: bytes, size: int) -> None:
    pieces = [(body[at : at + size], 1) for at in range(0, len(body), size)]
    assert list(read_lines(cast("BinaryIO", Endless(pieces)))) == list(read_lines(stream(body)))
    assert b"".join(cast("list[bytes]", list(read_lines(stream(body))))) == body


def test_an_oversized_line_is_named_and_its_neighbours_are_kept() -> None:
    body = b"one\n" + b"x" * 50 + b"\ntwo\n" + b"y" * 50
    kept = list(read_lines(stream(body), limit=20))
    assert [k for k in kept if isinstance(k, bytes)] == [b"one\n", b"two\n"]
    second, fourth = [k for k in kept if isinstance(k, Reject)]
    assert (second.item, fourth.item) == (2, 4)
    assert "line 2 has 51 bytes" in second.reason
    assert second.mend


def test_a_line_of_256_mib_passes_in_bounded_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    parts = [(b"good\n", 1), (bytes(lines.MIB), 256), (b"\ngood\n", 1)]
    out = list(split_lines(cast("BinaryIO", Endless(parts))))
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert [piece for piece in out if isinstance(piece, bytes)] == [b"good\ngood\n"]
    assert grown_kib < 100 * 1024


@pytest.mark.parametrize("cut", [-1, -9, 500])
def test_of_a_damaged_gzip_the_whole_lines_are_kept(cut: int) -> None:
    text = b"".join(b"line %d of the log, which goes on\n" % number for number in range(5000))
    packed = gzip.compress(text)[:cut]
    with gzip.open(io.BytesIO(packed)) as damaged:
        out = list(split_lines(cast("BinaryIO", damaged)))
    kept = b"".join(piece for piece in out if isinstance(piece, bytes))
    assert kept
    assert kept.endswith(b"\n")
    assert text.startswith(kept)
    last = out[-2] if isinstance(out[-1], bytes) else out[-1]
    assert isinstance(last, Reject)
    assert last.item == kept.count(b"\n") + 1
    assert "damaged" in last.reason


def test_a_gzip_with_a_wrong_checksum_is_named() -> None:
    packed = bytearray(gzip.compress(b"line\n" * 10))
    packed[-6] ^= 0xFF
    with gzip.open(io.BytesIO(bytes(packed))) as damaged:
        out = list(split_lines(cast("BinaryIO", damaged)))
    assert b"line\n" * 10 in out
    assert any(isinstance(piece, Reject) and "CRC" in piece.reason for piece in out)


def test_a_document_is_whole_or_refused() -> None:
    assert list(whole([b"ab", b"cd"])) == [b"abcd"]
    assert list(whole([])) == []
    (refused,) = whole([b"ab", b"cd"], limit=3)
    assert isinstance(refused, Reject)
    (damaged,) = whole([b"ab", Reject(0, "the compressed file is damaged", "send it again")])
    assert isinstance(damaged, Reject)


def test_numbers_are_those_of_the_file() -> None:
    assert list(numbered(b"\xef\xbb\xbfone\r\n\n\r\ntwo")) == [(1, b"one"), (4, b"two")]
