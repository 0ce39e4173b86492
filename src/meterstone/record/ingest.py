"""Files into the landing log: recognise the format, cut into bodies, land, map.

Memory does not grow with a file: bodies are cut from a stream, a bounded number of them is on the
way to the disk, and mapping takes turns with landing. What cannot be landed of a file is landed as
a note about it (format `ingest_note`) and is seen in the quarantine.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from meterstone.errors import InputError, suggest
from meterstone.facts import Reject
from meterstone.record.formats import formats, ingest_note
from meterstone.record.lines import Piece, split_document
from meterstone.record.log import LandingLog
from meterstone.record.model import Format, Incoming, Receipt
from meterstone.record.recorder import Mapping as Mapped
from meterstone.record.recorder import Recorder
from meterstone.record.streams import SUFFIXES, Content

STDIN = "-"
"""The path that stands for standard input."""

_OUTSTANDING = 512
_OUTSTANDING_BYTES = 32 << 20
_MAP_AFTER_BYTES = 16 << 20
_MAP_AFTER_RECORDS = 2_000
_REJECTS_IN_A_NOTE = 500
_TICK_S = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one run is: bytes of the present file as stored (``total`` None: not known), facts
    and rejects of all files so far."""

    path: str
    done: int
    total: int | None
    rows: int
    rejects: int


@dataclass(slots=True)
class FileReport:
    """What became of one file: bodies landed, bodies that had been landed before, and parts that
    could not be."""

    path: str
    format: str
    landed: int = 0
    duplicate: int = 0
    refused: int = 0


@dataclass(slots=True)
class IngestReport:
    """What a run did. ``skipped`` are files within folders that no format recognises; ``mapping``
    counts facts and rejects, those of `FileReport.refused` among them."""

    files: list[FileReport] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    mapping: Mapped = field(default_factory=Mapped)


def ingest(
    recorder: Recorder,
    paths: Sequence[str | Path],
    *,
    as_: str | None = None,
    context: Mapping[str, str] | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> IngestReport:
    """Land files and map them.

    Args:
        recorder: where to.
        paths: files, folders (one that a format knows is read as a whole, else the files in it),
            or `STDIN`. Compressed files (gzip, zstd, bzip2, xz) are read as what they hold.
        as_: the format to read all of them as; None recognises each by its first 64 KiB.
        context: what the mapping needs beside the bytes (``entered_by`` …).
        on_progress: called every now and then.

    Raises:
        InputError: a path that cannot be read or recognised; then nothing was landed.
        StorageError: the disk refused; what was landed before stays, and the same run can be
            started again.
    """
    plan = _Plan(_named(as_))
    for path in paths:
        plan.add(path)
    recorder.map_new()  # so that the figures are of these files only
    run = _Run(recorder, context or {}, on_progress)
    run.report.skipped = plan.skipped
    for source in plan.sources:
        run.take(source)
    run.finish()
    return run.report


def _named(name: str | None) -> Format | None:
    if name is None:
        return None
    if name not in formats():
        raise InputError(f"no format {name!r}", place="--as", mend=suggest(name, list(formats())))
    return formats()[name]


class _Run:
    """Reads one source after the other; mapping takes turns with landing."""

    def __init__(
        self,
        recorder: Recorder,
        context: Mapping[str, str],
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.report = IngestReport()
        self._recorder = recorder
        self._context = context
        self._on_progress = on_progress
        self._way = _OnTheWay(recorder.log)
        self._next_tick = 0.0
        self._done = 0

    def take(self, source: _Source) -> None:
        """Land all of a source."""
        report = FileReport(source.name, source.form.name)
        self.report.files.append(report)
        self._done, total = 0, source.total
        refused: list[Reject] = []
        with source.pieces(lambda done: self._tick(report, done, total)) as pieces:
            for piece in _guarded(pieces):
                if isinstance(piece, Reject):
                    refused.append(piece)
                    self._note(report, refused, at=_REJECTS_IN_A_NOTE)
                else:
                    self._land(report, source.form, piece)
        self._note(report, refused, at=1)
        self._tick(report, self._done or total or 0, total, now=True)

    def finish(self) -> None:
        """Wait for the disk and map what is left."""
        self._way.settle()
        self._map()

    def _land(self, report: FileReport, form: Format, body: bytes) -> None:
        incoming = Incoming(body, form.name, form.media_type, "file", report.path, self._context)
        self._way.add(incoming, report)
        if self._way.unmapped >= _MAP_AFTER_BYTES or self._way.landed >= _MAP_AFTER_RECORDS:
            self.finish()

    def _note(self, report: FileReport, refused: list[Reject], at: int) -> None:
        """Land a note about what was refused, once it is ``at`` parts."""
        if len(refused) >= at:
            report.refused += len(refused)
            body = ingest_note.note(report.path, report.format, refused)
            form = ingest_note.FORMAT
            note = Incoming(body, form.name, form.media_type, "ingest", report.path, self._context)
            self._way.add(note, None)
            refused.clear()

    def _map(self) -> None:
        self._way.unmapped = self._way.landed = 0
        self.report.mapping += self._recorder.map_new()

    def _tick(self, report: FileReport, done: int, total: int | None, *, now: bool = False) -> None:
        self._done = done
        if now or time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + _TICK_S
            mapping = self.report.mapping
            self._on_progress(Progress(report.path, done, total, mapping.rows, mapping.rejected))


class _OnTheWay:
    """Records on their way to the disk: several share a commit, and few enough to hold wait."""

    def __init__(self, log: LandingLog) -> None:
        self._log = log
        self._waiting: deque[tuple[Future[Receipt], int, FileReport | None]] = deque()
        self._bytes = 0
        self.landed = 0
        self.unmapped = 0

    def add(self, incoming: Incoming, report: FileReport | None) -> None:
        """Queue a record; ``report`` is told when it is on disk."""
        size = len(incoming.body)
        self._waiting.append((self._log.land_soon(incoming), size, report))
        self._bytes += size
        self.landed += 1
        self.unmapped += size
        while len(self._waiting) > _OUTSTANDING or self._bytes > _OUTSTANDING_BYTES:
            self._settle_oldest()

    def settle(self) -> None:
        """Wait until all of them are on disk."""
        while self._waiting:
            self._settle_oldest()

    def _settle_oldest(self) -> None:
        future, size, report = self._waiting.popleft()
        self._bytes -= size
        duplicate = future.result().duplicate
        if report:
            report.duplicate += duplicate
            report.landed += not duplicate


def _guarded(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces of a source; where reading it fails for good, a last reject that says so."""
    try:
        yield from pieces
    except EOFError as error:
        yield Reject(0, f"the file is damaged: {error}", "send it again from where it was made")
    except InputError as error:
        yield Reject(0, error.cause, error.mend)


@dataclass(slots=True)
class _Source:
    """One thing to read. ``content`` is set for what can be opened only once."""

    path: Path
    form: Format
    content: Content | None = None

    @property
    def name(self) -> str:
        """As it is shown to people."""
        return _shown(self.path)

    @property
    def total(self) -> int | None:
        """Size as stored, where that is known."""
        return self.path.stat().st_size if self.path.is_file() else None

    @contextmanager
    def pieces(self, on_read: Callable[[int], None]) -> Iterator[Iterator[Piece]]:
        """The bodies to land, and the parts that cannot be."""
        by_path = self.form.read_path
        if by_path and (self.path.is_dir() or not self.form.split):
            yield by_path(self.path)
            return
        with self.content or _opened(self.path) as content:
            content.watch(on_read)
            yield (self.form.split or split_document)(content.stream)


class _Plan:
    """What to read, found out before anything is landed."""

    def __init__(self, form: Format | None) -> None:
        self._form = form
        self.sources: list[_Source] = []
        self.skipped: list[str] = []

    def add(self, path: str | Path) -> None:
        """A path as the caller gave it: it must be readable and known."""
        if str(path) == STDIN:
            self._add_once(Path("stdin"), Content(sys.stdin.buffer))
        elif not Path(path).exists():
            raise InputError("no such file or folder", place=_shown(Path(path)))
        elif Path(path).is_dir():
            self._add_folder(Path(path))
        elif Path(path).is_file():
            with _opened(Path(path)) as content:
                self._add_known(Path(path), content.head())
        else:
            self._add_once(Path(path), _opened(Path(path)))

    def _add_once(self, path: Path, content: Content) -> None:
        self._add_known(path, content.head())
        self.sources[-1].content = content

    def _add_known(self, path: Path, head: bytes) -> None:
        form = self._form or _recognised(path, head)
        if form is None:
            raise InputError(
                "no format recognises it" if head else "the file is empty",
                place=_shown(path),
                mend=f"say what it is with --as; tried {', '.join(formats())}",
            )
        self.sources.append(_Source(path, form))

    def _add_folder(self, folder: Path) -> None:
        known = len(self.sources)
        self._walk(folder)
        if len(self.sources) == known:
            raise InputError(
                "no file in this folder is of a known format",
                place=_shown(folder),
                mend=f"say what they are with --as; tried {', '.join(formats())}",
            )

    def _walk(self, folder: Path) -> None:
        form = self._form or _recognised(folder, b"")
        if form and form.read_path:
            self.sources.append(_Source(folder, form))
            return
        for path in _visible(folder):
            if path.is_dir():
                self._walk(path)
            elif path.is_file():
                self._add_found(path)

    def _add_found(self, path: Path) -> None:
        with _opened(path) as content:
            form = self._form or _recognised(path, content.head())
        if form:
            self.sources.append(_Source(path, form))
        else:
            self.skipped.append(_shown(path))


def _visible(folder: Path) -> list[Path]:
    """What is in a folder, sorted, without hidden entries and without links to other folders."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error
    return [e for e in entries if e.name[0] != "." and not (e.is_symlink() and e.is_dir())]


def _recognised(path: Path, head: bytes) -> Format | None:
    bare = path.with_suffix("") if path.suffix.lower() in SUFFIXES else path
    return next((form for form in formats().values() if form.detect(bare, head)), None)


def _opened(path: Path) -> Content:
    try:
        return Content(path.open("rb"))
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot be read: {error.strerror}", place=_shown(path), mend="check its permissions"
    )


def _shown(path: Path) -> str:
    """A path as text; bytes that are no UTF-8 as ``\\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
