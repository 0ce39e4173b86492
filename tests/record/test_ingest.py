"""Files and folders of any kind and size: landed, mapped, or seen in the quarantine."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import zstandard

from meterstone.app import Home
from meterstone.errors import FormatError, InputError, StorageError
from meterstone.facts import Reject
from meterstone.record import ingest as module
from meterstone.record.formats import formats, ingest_note
from meterstone.record.ingest import FileReport, Progress, ingest
from meterstone.record.log import LandingLog
from meterstone.record.model import Format, Incoming, LandedRecord, Mapped

Probe = Callable[..., dict[str, Any]]
Contents = Callable[[Home], dict[str, list[str]]]


@pytest.fixture
def jsonl(tmp_path: Path, probe: Probe) -> Callable[..., Path]:
    """Writes a file of `probe` facts with the ids given."""

    def write(name: str, *ids: str, compress: Callable[[bytes], bytes] = bytes) -> Path:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = (json.dumps(probe(probe_id)) + "\n" for probe_id in ids)
        path.write_bytes(compress("".join(rows).encode()))
        return path

    return write


@pytest.fixture
def add_format(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes one more format known, which recognises what begins with its name."""

    def add(name: str, **ways: Any) -> None:
        form = Format(
            name=name,
            title=name,
            media_type="text/plain",
            detect=ways.pop("detect", lambda _path, head: head.startswith(name.encode())),
            map=ways.pop("map", lambda _record: iter(())),
            **ways,
        )
        known = formats() | {name: form}
        monkeypatch.setattr("meterstone.record.recorder.formats", lambda: known)
        monkeypatch.setattr("meterstone.record.ingest.formats", lambda: known)

    return add


def test_a_file_is_recognised_landed_and_mapped(home: Home, jsonl: Callable[..., Path]) -> None:
    path = jsonl("x.jsonl", "a", "b")
    report = ingest(home.recorder, [path], context={"integration": "square"})
    assert report.files == [FileReport(str(path), "facts_jsonl", landed=1)]
    assert report.mapping.appended.new == 2
    record = home.log.get(1)
    assert (record.body, record.source, record.name) == (path.read_bytes(), "file", str(path))
    assert dict(record.context) == {"integration": "square"}
    again = ingest(home.recorder, [str(path)], context={"integration": "square"})
    assert again.files == [FileReport(str(path), "facts_jsonl", duplicate=1)]
    assert again.mapping.records == 0


def test_figures_are_of_this_run_only(
    home: Home, jsonl: Callable[..., Path], facts: Callable[..., Incoming]
) -> None:
    home.log.land(facts("waiting"))
    assert ingest(home.recorder, [jsonl("x.jsonl", "a")]).mapping.records == 1
    assert home.warehouse.count("probe") == 2


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", zstandard.ZstdCompressor().compress),
    ],
)
def test_compressed_files_are_what_they_hold(
    home: Home,
    jsonl: Callable[..., Path],
    suffix: str,
    compress: Callable[[bytes], bytes],
) -> None:
    plain = jsonl("x.jsonl", "a", "b")
    packed = jsonl(f"x.jsonl{suffix}", "a", "b", compress=compress)
    report = ingest(home.recorder, [plain, packed])
    assert [(f.landed, f.duplicate) for f in report.files] == [(1, 0), (0, 1)]


def test_standard_input(
    home: Home, jsonl: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = jsonl("x.jsonl.gz", "a", "b", compress=gzip.compress).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    seen: list[Progress] = []
    report = ingest(home.recorder, ["-"], on_progress=seen.append)
    assert report.files == [FileReport("stdin", "facts_jsonl", landed=1)]
    assert report.mapping.appended.new == 2
    assert (seen[-1].done, seen[-1].total) == (len(data), None)


def test_a_pipe_is_read_once(home: Home, jsonl: Callable[..., Path]) -> None:
    data = jsonl("x.jsonl", "a", "b").read_bytes()
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    report = ingest(home.recorder, [f"/dev/fd/{read}"])
    os.close(read)
    assert report.mapping.appended.new == 2


def test_a_folder_is_walked_in_order(home: Home, jsonl: Callable[..., Path]) -> None:
    paths = [jsonl(name, name) for name in ("b.jsonl", "a/z.jsonl", "a/y.jsonl.gz")]
    folder = paths[0].parent
    jsonl(".hidden.jsonl", "hidden")
    jsonl(".git/x.jsonl", "hidden too")
    (folder / "README.md").write_text("# hello")
    (folder / "empty").touch()
    (folder / "a" / "up").symlink_to(folder)
    report = ingest(home.recorder, [folder])
    names = [str(Path(f.path).relative_to(folder)) for f in report.files]
    assert names == ["a/y.jsonl.gz", "a/z.jsonl", "b.jsonl"]
    skipped = [str(Path(path).relative_to(folder)) for path in report.skipped]
    assert skipped == ["README.md", "empty"]
    assert report.mapping.appended.new == 3


def test_a_folder_that_a_format_knows_is_read_as_a_whole(
    home: Home, jsonl: Callable[..., Path], add_format: Callable[..., None]
) -> None:
    folder = jsonl("inner/x.jsonl", "a").parent
    jsonl("y.jsonl", "b")
    add_format(
        "odd",
        detect=lambda path, _head: path.name == "inner",
        read_path=lambda path: (p.read_bytes() for p in path.iterdir()),
    )
    seen: list[Progress] = []
    report = ingest(home.recorder, [folder.parent], on_progress=seen.append)
    assert [(f.path, f.format) for f in report.files] == [
        (str(folder), "odd"),
        (str(folder.parent / "y.jsonl"), "facts_jsonl"),
    ]
    assert (seen[0].path, seen[0].total) == (str(folder), None)


def test_every_shared_sample_is_read(home: Home, shared_data: Callable[[str], Path]) -> None:
    report = ingest(home.recorder, [shared_data("access_logs"), shared_data("otlp")])
    assert {f.format for f in report.files} >= {"apache_combined", "nginx_plus_status", "otlp_json"}
    assert sum(f.refused for f in report.files) == 0
    assert report.mapping.appended.new > 10_000


@pytest.mark.parametrize(
    ("content", "message"), [("what is this", "no format recognises it"), ("", "the file is empty")]
)
def test_an_unknown_file_stops_the_run_before_it_begins(
    home: Home, jsonl: Callable[..., Path], tmp_path: Path, content: str, message: str
) -> None:
    unknown = tmp_path / "unknown"
    unknown.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        ingest(home.recorder, [jsonl("x.jsonl", "a"), unknown])
    assert caught.value.place == str(unknown)
    assert "--as" in caught.value.mend
    assert "facts_jsonl" in caught.value.mend
    assert home.log.last_seq() == 0


def test_other_paths_that_cannot_be_read(home: Home, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        ingest(home.recorder, [tmp_path / "nothing"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="no file in this folder is of a known format"):
        ingest(home.recorder, [tmp_path / "folder"])
    assert module._unreadable(tmp_path, PermissionError(13, "Permission denied")).cause == (
        "cannot be read: Permission denied"
    )


def test_permissions_are_named(
    home: Home, jsonl: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = jsonl("folder/x.jsonl", "a")
    recorder = home.recorder

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", denied)
        with pytest.raises(InputError, match="Permission denied"):
            ingest(recorder, [path])
    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(InputError, match="Permission denied"):
        ingest(recorder, [path.parent])


def test_the_format_can_be_said(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("what is this\n")
    report = ingest(home.recorder, [path], as_="facts_jsonl")
    assert report.files == [FileReport(str(path), "facts_jsonl", landed=1)]
    assert report.mapping.rejected == 1
    with pytest.raises(InputError, match="no format 'facts_json'") as caught:
        ingest(home.recorder, [path], as_="facts_json")
    assert "facts_jsonl" in caught.value.mend


def test_a_name_that_is_no_text(home: Home, jsonl: Callable[..., Path]) -> None:
    path = jsonl("x.jsonl", "a")
    odd = path.with_name(os.fsdecode(b"caf\xe9.jsonl"))
    path.rename(odd)
    report = ingest(home.recorder, [odd])
    assert report.files[0].path.endswith("caf\\xe9.jsonl")
    assert report.files[0].landed == 1


def _kept(home: Home) -> list[tuple[str, int, str]]:
    return [(q.name, q.item, q.reason) for q in home.log.quarantined()]


def test_a_line_beyond_the_limit_is_seen_and_stays_seen(
    home: Home, jsonl: Callable[..., Path], contents: Contents
) -> None:
    path = jsonl("x.jsonl", "a", "b")
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"x" * (17 << 20) + b"\n" + second)
    report = ingest(home.recorder, [path])
    assert report.files == [FileReport(str(path), "facts_jsonl", landed=1, refused=1)]
    assert report.mapping.appended.new == 2
    assert report.mapping.rejected == 1
    ((name, line, reason),) = _kept(home)
    assert (name, line) == (str(path), 2)
    assert reason.startswith("line 2 has 17,825,793 bytes")
    before, kept = contents(home), _kept(home)
    ingest(home.recorder, [path])
    assert _kept(home) == kept, "the same file again says nothing new"
    home.rebuild()
    assert (contents(home), _kept(home)) == (before, kept)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_file_that_is_cut_off_gives_its_whole_lines(
    home: Home, jsonl: Callable[..., Path], compress: Callable[[bytes], bytes]
) -> None:
    whole = jsonl("x.jsonl.gz", *map(str, range(20_000)), compress=compress)
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    report = ingest(home.recorder, [whole])
    assert report.files[0].refused == 1
    rows = report.mapping.appended.new
    assert 1000 < rows < 20_000
    ((name, line, reason),) = _kept(home)
    assert (name, line) == (str(whole), rows + 1)
    assert "breaks off" in reason
    whole.write_bytes(data)
    again = ingest(home.recorder, [whole])
    assert again.mapping.appended.new == 20_000 - rows


def test_a_file_of_which_nothing_can_be_landed_is_on_record(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(b"not much")[:12])
    report = ingest(home.recorder, [path], as_="facts_jsonl")
    assert report.files == [FileReport(str(path), "facts_jsonl", refused=1)]
    assert [record.format for record in home.log.read()] == ["ingest_note"]
    assert len(_kept(home)) == 1


def test_many_refusals_become_notes_of_bounded_size(
    home: Home, tmp_path: Path, add_format: Callable[..., None]
) -> None:
    def split(_stream: BinaryIO) -> Iterator[bytes | Reject]:
        for n in range(1001):
            yield Reject(n, f"refused {n}", "mend")

    add_format("odd", split=split)
    path = tmp_path / "x"
    path.write_text("odd")
    report = ingest(home.recorder, [path])
    assert report.files[0].refused == 1001
    assert [record.format for record in home.log.read()] == ["ingest_note"] * 3
    assert len(_kept(home)) == 1001


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EOFError("cut"), "the file is damaged: cut"),
        (FormatError("no table in it", mend="add one"), "no table in it"),
    ],
)
def test_a_split_that_fails_keeps_what_came_before(
    home: Home, tmp_path: Path, add_format: Callable[..., None], error: Exception, reason: str
) -> None:
    def split(stream: BinaryIO) -> Iterator[bytes | Reject]:
        yield stream.read()
        raise error

    add_format("odd", split=split)
    (tmp_path / "x").write_text("odd")
    report = ingest(home.recorder, [tmp_path / "x"])
    assert (report.files[0].landed, report.files[0].refused) == (1, 1)
    assert _kept(home) == [(str(tmp_path / "x"), 0, reason)]


def test_a_format_without_a_split_takes_the_file_whole(
    home: Home, tmp_path: Path, add_format: Callable[..., None]
) -> None:
    add_format("odd")
    (tmp_path / "x").write_text("odd\n" * 3)
    assert ingest(home.recorder, [tmp_path / "x"]).files[0].landed == 1
    assert home.log.get(1).body == b"odd\n" * 3


def test_a_format_that_reads_by_path(
    home: Home, tmp_path: Path, add_format: Callable[..., None]
) -> None:
    add_format("odd", read_path=lambda path: iter([path.read_bytes().upper()]))
    (tmp_path / "x").write_text("odd")
    seen: list[Progress] = []
    ingest(home.recorder, [tmp_path / "x"], on_progress=seen.append)
    assert home.log.get(1).body == b"ODD"
    assert (seen[-1].done, seen[-1].total) == (3, 3)


def test_mapping_takes_turns_with_landing(
    home: Home, tmp_path: Path, add_format: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAP_AFTER_BYTES", 1000)
    monkeypatch.setattr(module, "_OUTSTANDING", 3)
    monkeypatch.setattr(module, "_TICK_S", 0)
    backlog: list[int] = []
    waiting: list[int] = []
    land_soon = LandingLog.land_soon

    def watched(log: LandingLog, incoming: Incoming) -> Any:
        backlog.append(home.recorder.backlog())
        future = land_soon(log, incoming)
        waiting.append(future)  # type: ignore[arg-type]
        assert sum(not f.done() for f in waiting) <= 4  # type: ignore[attr-defined]
        return future

    def mapping(record: LandedRecord) -> Iterator[Mapped]:
        yield Reject(1, f"seen {record.seq}", "mend")

    monkeypatch.setattr(LandingLog, "land_soon", watched)
    add_format("odd", map=mapping, split=lambda _stream: (b"%0100d" % n for n in range(100)))
    (tmp_path / "x").write_text("odd")
    seen: list[Progress] = []
    report = ingest(home.recorder, [tmp_path / "x"], on_progress=seen.append)
    assert report.mapping.rejected == 100
    assert max(backlog) <= 11
    assert [p.rejects for p in seen] == sorted(p.rejects for p in seen)


def test_many_small_bodies_are_mapped_in_turns_too(
    home: Home, tmp_path: Path, add_format: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAP_AFTER_RECORDS", 10)
    passes: list[int] = []
    map_new = home.recorder.map_new

    def counted(*args: Any, **more: Any) -> Any:
        done = map_new(*args, **more)
        passes.append(done.records)
        return done

    monkeypatch.setattr(home.recorder, "map_new", counted)
    add_format("odd", split=lambda _stream: (b"%d" % n for n in range(35)))
    (tmp_path / "x").write_text("odd")
    ingest(home.recorder, [tmp_path / "x"])
    assert passes == [0, 10, 10, 10, 5]


def test_a_disk_that_refuses_ends_the_run(
    home: Home, jsonl: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = jsonl("x.jsonl", "a")
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OverflowError("full")

        patch.setattr("meterstone.record.log._insert", full)
        with pytest.raises(StorageError, match="full"):
            ingest(home.recorder, [path])
    assert ingest(home.recorder, [path]).files[0].landed == 1


def test_progress_is_told(home: Home, jsonl: Callable[..., Path]) -> None:
    path = jsonl("x.jsonl", *map(str, range(100)))
    seen: list[Progress] = []
    ingest(home.recorder, [path], on_progress=seen.append)
    size = path.stat().st_size
    assert [p.path for p in seen] == [str(path)] * len(seen)
    assert (seen[-1].done, seen[-1].total) == (size, size)


def test_a_note_that_is_none_is_set_aside(home: Home) -> None:
    home.recorder.land(Incoming(b"{}", "ingest_note", "application/json", "ingest"))
    home.recorder.map_new()
    assert [q.reason[:18] for q in home.log.quarantined()] == ["not a note of ours"]
    assert not ingest_note.FORMAT.detect(Path("x"), b"{}")


_MEASURED = """
    import json, resource, sys
    from pathlib import Path
    from meterstone.app import Home
    from meterstone.record.ingest import ingest

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

    with Home(Path(sys.argv[1])) as home:
        ingest(home.recorder, [sys.argv[2]])  # everything is loaded now
        before = peak()
        report = ingest(home.recorder, ["-"])
        print(json.dumps({
            "grown": peak() - before,
            "rows": report.mapping.appended.new,
            "refused": report.files[0].refused,
        }))
"""


def _fed(small: Path, home: Path, parts: Iterator[bytes]) -> dict[str, int]:
    """Ingests a stream in a process of its own; MiB that its memory grew, and its figures."""
    code = textwrap.dedent(_MEASURED)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home), str(small)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for part in parts:
            process.stdin.write(part)
        process.stdin.close()
        said: dict[str, int] = json.loads(process.stdout.read())
    return said


def test_one_line_of_300_mb_needs_no_memory(
    tmp_path: Path, jsonl: Callable[..., Path], probe: Probe
) -> None:
    def stream() -> Iterator[bytes]:
        yield json.dumps(probe("first")).encode() + b"\n"
        yield from (b"x" * (1 << 20) for _ in range(300))
        yield b"\n" + json.dumps(probe("last")).encode() + b"\n"

    said = _fed(jsonl("small.jsonl", "a"), tmp_path / "home", stream())
    assert (said["rows"], said["refused"]) == (2, 1)
    assert said["grown"] < 100


def test_a_long_log_needs_no_memory_of_its_length(
    tmp_path: Path, jsonl: Callable[..., Path]
) -> None:
    line = '10.0.0.{} - - [01/Mar/2026:10:{:02}:{:02} +0000] "GET /x/{} HTTP/1.1" 200 {} "-" "{}"\n'
    agent = "a" * 4000  # few rows a megabyte: it is the bytes that count here

    def stream() -> Iterator[bytes]:
        for n in range(0, 70_000, 100):
            part = (
                line.format(m % 250, m // 60 % 60, m % 60, m, m, agent) for m in range(n, n + 100)
            )
            yield "".join(part).encode()

    said = _fed(jsonl("small.jsonl", "a"), tmp_path / "home", stream())
    assert (said["rows"], said["refused"]) == (70_000, 0)
    assert said["grown"] < 400
