"""An Upptime repository (https://upptime.js.org) to `probe`: its check commits are the record.

Upptime checks every five minutes, but commits only when a status changed or a response time is
due. A slot of the schedule without a commit therefore had the status of the commit before it, as
long as the workflow was alive, which the newest commit of any site shows.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from meterstone.facts import (
    CLOCK_TOLERANCE,
    EARLIEST,
    FactBatch,
    Reject,
    excerpt,
    from_columns,
    vocabulary,
)
from meterstone.record.lines import (
    Piece,
    first_lines,
    numbered,
    split_document,
    text_of,
    whole,
)
from meterstone.record.model import Format, LandedRecord, Mapped
from meterstone.record.request_rows import ROWS, taken

INTERVAL_S = 300
"""Upptime's schedule: GitHub Actions' shortest, and its default."""
COLUMNS = ("committed_at", "site", "status", "http_code", "response_ms", "commit")
"""Columns of the landed CSV; ``slug`` may follow."""
COMMITS_FILE = "check_commits.csv"

_COMMIT_DIGITS = 12
_OK = {"up": True, "degraded": True, "down": False}
_FAIL_REASON = {
    0: "connection",
    401: "authentication",
    403: "authentication",
    408: "timeout",
    429: "rate_limit",
    504: "timeout",
}


def _detect(path: Path, head: bytes) -> bool:
    if path.is_dir():
        return any((path / f".upptimerc.{ending}").exists() for ending in ("yml", "yaml"))
    lines = first_lines(head, 1)
    return bool(lines) and tuple(lines[0].decode("utf-8", "replace").split(",")[:6]) == COLUMNS


@dataclass(frozen=True, slots=True)
class _Commit:
    """One check that was committed; ``at`` in seconds since 1970."""

    item: int
    at: int
    slug: str
    ok: bool
    fail_reason: str
    latency_ms: float | None
    commit: str


def _map(record: LandedRecord) -> Iterator[Mapped]:
    sites: dict[str, list[_Commit]] = {}
    newest = 0
    for entry in _commits(record):
        if isinstance(entry, Reject):
            yield entry
        else:
            sites.setdefault(entry.slug, []).append(entry)
            newest = max(newest, entry.at)
    for commits in sites.values():
        commits.sort(key=lambda commit: commit.at)
        yield from _probes(commits, newest)


def _commits(record: LandedRecord) -> Iterator[_Commit | Reject]:
    latest = (record.received_at + CLOCK_TOLERANCE).timestamp()
    seen: set[tuple[str, str, int]] = set()
    for number, line in numbered(record.body):
        text = text_of(number, line)
        if isinstance(text, Reject):
            yield text
            continue
        try:
            cells = next(csv.reader([text]), [])
            if tuple(cells[:6]) == COLUMNS:
                continue
            commit = _commit(number, cells, latest)
        except (ValueError, csv.Error) as error:
            yield _wrong_line(number, text, str(error))
            continue
        key = (commit.slug, commit.commit, commit.at)
        if key not in seen:
            seen.add(key)
            yield commit


def _wrong_line(number: int, text: str, reason: str) -> Reject:
    return Reject(
        number,
        f"line {number}: {reason}",
        f"a line is {','.join(COLUMNS)}; read the repository itself again",
        excerpt(text),
        fact="probe",
    )


def _commit(number: int, cells: Sequence[str], latest: float) -> _Commit:
    if len(cells) not in (len(COLUMNS), len(COLUMNS) + 1):
        raise ValueError(f"has {len(cells)} cells, not {len(COLUMNS)}")
    at, site, status, code, response, commit, slug = (*cells, "")[:7]
    if status not in _OK:
        raise ValueError(f"status is {status!r}, not up, degraded or down")
    if not site or not commit:
        raise ValueError("site or commit is missing")
    ok, http_code, milliseconds = _OK[status], int(code), float(response)
    if not 0 <= milliseconds < 1e9:
        raise ValueError(f"response_ms is {response}")
    return _Commit(
        item=number,
        at=_seconds(at, latest),
        slug=slug or slugify(site),
        ok=ok,
        fail_reason="none" if ok else _fail_reason(http_code),
        # Upptime writes 0 where nothing answered.
        latency_ms=milliseconds or None,
        commit=commit[:_COMMIT_DIGITS],
    )


def _seconds(text: str, latest: float) -> int:
    moment = datetime.fromisoformat(text)
    seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    if not EARLIEST.timestamp() <= seconds <= latest:
        raise ValueError(f"committed_at {text} lies in the future or before 1990")
    return seconds


def _fail_reason(code: int) -> str:
    usual = "provider_down" if code >= 500 else "bad_response"
    return _FAIL_REASON.get(code, usual)


def slugify(name: str) -> str:
    """The name of a site as Upptime names its files: ``GitHub API`` is ``git-hub-api``."""
    words = re.sub(r"([a-z\d])([A-Z])", r"\1 \2", name)
    words = re.sub(r"([A-Z]+)([A-Z][a-z\d]+)", r"\1 \2", words)
    return re.sub(r"[^a-z\d]+", "-", words.lower()).strip("-")


def _probes(commits: Sequence[_Commit], newest: int) -> Iterator[FactBatch]:
    """The probes of one site: every commit, and every slot without one that ended by ``newest``.

    A slot that still runs at ``newest`` is left out: a later commit may fall into it, and the same
    rows must come out of the longer record.
    """
    times = np.array([commit.at for commit in commits], np.int64)
    slots = times // INTERVAL_S
    empty = np.setdiff1d(np.arange(slots[0], newest // INTERVAL_S), slots)
    last = np.searchsorted(times, empty * INTERVAL_S, side="right") - 1
    at = np.concatenate([times, empty * INTERVAL_S])
    which = np.concatenate([np.arange(len(commits)), last])
    order = np.argsort(at, kind="stable")
    carried = order >= len(commits)
    known = _SiteColumns(commits)
    for start in range(0, len(order), ROWS):
        rows = order[start : start + ROWS]
        yield known.batch(at[rows], which[rows], carried[start : start + ROWS])


class _SiteColumns:
    """Columns of the commits of one site, from which rows are taken."""

    def __init__(self, commits: Sequence[_Commit]) -> None:
        self._slug = commits[0].slug
        self._items = pa.array([c.item for c in commits], pa.int64())
        self._keys = [f"{c.slug}:{c.commit}" for c in commits]
        self._refs = [f"commit {c.commit}" for c in commits]
        self._refs += [f"carried forward from commit {c.commit}" for c in commits]
        self._ok = [c.ok for c in commits]
        self._reasons = [c.fail_reason for c in commits]
        self._latencies = [c.latency_ms for c in commits] + [None] * len(commits)

    def batch(
        self,
        at: npt.NDArray[np.int64],
        which: npt.NDArray[np.intp],
        carried: npt.NDArray[np.bool_],
    ) -> FactBatch:
        """Rows at ``at`` with the state of the commits ``which``."""
        two_faced = which + carried * len(self._keys)
        seconds = pa.array(at)
        columns = {
            "probe_id": pc.binary_join_element_wise(
                taken(self._keys, pa.string(), which), seconds.cast(pa.string()), ":"
            ),
            "at": pa.array(at * 1_000_000).cast(pa.timestamp("us")),
            "component": "integration",
            "integration": self._slug,
            "check_key": self._slug,
            "interval_s": INTERVAL_S,
            "ok": taken(self._ok, pa.bool_(), which),
            "latency_ms": taken(self._latencies, pa.float64(), two_faced),
            "location": "github-actions",
            "fail_reason": taken(self._reasons, pa.string(), which),
            "maintenance": False,
            "alerting": False,
            "source_ref": taken(self._refs, pa.string(), two_faced),
            # A commit is a measurement; that nothing changed since is what Upptime reports.
            "evidence": taken(["measured", "reported"], pa.string(), carried.astype(np.intp)),
        }
        items = pc.take(self._items, pa.array(which))
        return from_columns(vocabulary()["probe"], columns, items, source="hub")


def _read_path(path: Path) -> Iterator[Piece]:
    """The landed CSV of a folder (a clone, or one with `COMMITS_FILE`) or of such a file."""
    if (path / ".git").exists() or (path / "objects").is_dir():
        yield from whole(_log(path))
        return
    file = path / COMMITS_FILE if path.is_dir() else path
    if not file.exists():
        yield Reject(
            0,
            f"{path} is neither a git clone nor has it {COMMITS_FILE}",
            "clone the whole Upptime repository: git clone --no-checkout URL",
        )
        return
    with file.open("rb") as stream:
        yield from split_document(stream)


_MARK, _FIELD = "\x1e", "\x1f"
_SUBJECT = re.compile(
    r"\W*(?P<site>.+) is (?P<status>up|down|degraded)\b"
    r".*?\((?P<code>\d+) in (?P<ms>\d+(?:\.\d+)?) ?ms\)"
)
# A repository is input: nothing that its configuration names may be run, nothing fetched.
_GIT = (
    "-c", "log.showSignature=false", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false",
    "--no-pager", "log", "--reverse", "--no-ext-diff", "--no-textconv", "--name-only",
    f"--format={_MARK}%cI{_FIELD}%H{_FIELD}%s", "--", "history",
)  # fmt: skip
_GIT_ENV = {"GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def _log(path: Path) -> Iterator[Piece]:
    """The check commits of a clone as lines of CSV, oldest first."""
    git = shutil.which("git")
    if git is None:
        yield Reject(0, "git is not installed", f"install git, or export {COMMITS_FILE}")
        return
    with subprocess.Popen(  # noqa: S603  # a fixed program; the path is one argument after -C
        [git, "-C", str(path), *_GIT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | _GIT_ENV,
    ) as process:
        stdout = io.TextIOWrapper(process.stdout or io.BytesIO(), "utf-8", "replace")
        yield from _as_csv(stdout)
        said = (process.stderr or io.BytesIO()).read(1000).decode("utf-8", "replace").strip()
    if process.returncode:
        yield Reject(0, f"git cannot read {path}: {said}", "check the clone with `git log`")


def _as_csv(log: Iterable[str]) -> Iterator[bytes]:
    yield (",".join((*COLUMNS, "slug")) + "\n").encode()
    checked: Mapping[str, str] | None = None
    for line in log:
        if line.startswith(_MARK):
            checked = _checked(line[1:].rstrip("\n"))
        elif checked and line.startswith("history/") and line.rstrip().endswith((".yml", ".yaml")):
            yield _csv_line([*checked.values(), Path(line.rstrip()).stem])
            checked = None


def _checked(entry: str) -> Mapping[str, str] | None:
    """The cells of a check commit; None for another commit (summaries, graphs)."""
    at, commit, subject = entry.split(_FIELD, 2)
    found = _SUBJECT.match(subject)
    if not found:
        return None
    return {"at": at, **found.groupdict(), "commit": commit}


def _csv_line(cells: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def _split(stream: BinaryIO) -> Iterator[Piece]:
    # One record: the newest commit of all sites says how far each state is carried.
    return split_document(stream)


FORMAT = Format(
    name="upptime",
    title=f"Upptime repository (folder), or its {COMMITS_FILE}",
    media_type="text/csv",
    detect=_detect,
    map=_map,
    split=_split,
    read_path=_read_path,
)
