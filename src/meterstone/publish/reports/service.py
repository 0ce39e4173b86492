"""Makes reports: a run is a row of the ledger, its progress is kept, its files lie in the home.

A run that was killed is done again by its job; files that were finished are kept as they are.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from meterstone.board.model import Board
from meterstone.detect.state import Now
from meterstone.errors import InputError, MeterstoneError, suggest
from meterstone.insight.findings import KeptFinding
from meterstone.ledger import Change, Job, Ledger, ReportRun
from meterstone.ledger.jobs import Priority
from meterstone.measure.results import Scope, rfc3339
from meterstone.publish.reports.content import report
from meterstone.publish.reports.mail import letter_of
from meterstone.publish.reports.model import KINDS, Kind, MadeFile, Report
from meterstone.publish.reports.pdf import pdf_of
from meterstone.publish.reports.xlsx import xlsx_of

MAKE = "report_make"
_ORIGIN = "report:"
Tell = Callable[[bytes, str], None]
"""Lands JSON lines of facts under a name."""
Post = Callable[[Change, str, str, str, str], None]
"""Queues to a channel, in a change: title, text, and of which run it is (`Reports.letter_of`)."""


def _to_nobody(*_: object) -> None:
    """Where there is nobody to tell."""


def _mail(made: Report, link: str) -> MadeFile:
    letter = letter_of(made, (), link)
    message = letter.message("reports@meterstone.invalid", [], made.provenance.hash)
    return MadeFile(f"{made.stem}.eml", "message/rfc822", bytes(message))


_FILES: Mapping[str, tuple[str, Callable[[Report, str], MadeFile]]] = {
    ".pdf": ("laying out the PDF", lambda made, _link: pdf_of(made)),
    ".xlsx": ("writing the spreadsheet", lambda made, _link: xlsx_of(made)),
    ".eml": ("writing the mail", _mail),
}
"""What is made, by suffix, and the words in which its progress is told."""


class Reports:
    """Reports of a home.

    Args:
        ledger: runs and their jobs.
        board: the scorecards.
        now: the state of this moment.
        folder: where files are kept, a folder a run.
        tell: lands ``report_run`` facts.
        post: queues one to a channel of its plan.
        link: the address of the page of a run; empty: mails have none.
        findings: what studies found of a scope by a day.
    """

    def __init__(
        self,
        ledger: Ledger,
        board: Callable[[], Board],
        now: Callable[[], Now | None],
        folder: Path,
        tell: Tell,
        post: Post = _to_nobody,
        link: Callable[[str], str] = lambda _run: "",
        findings: Callable[[Scope, date], Sequence[KeptFinding]] = lambda _scope, _day: (),
    ) -> None:
        self._ledger = ledger
        self._board = board
        self._now = now
        self._folder = folder
        self._tell = tell
        self._post = post
        self._link = link
        self._findings = findings

    @property
    def handlers(self) -> Mapping[str, Callable[[Job], None]]:
        """What a worker does for each kind of job."""
        return {MAKE: self._do}

    def _do(self, job: Job) -> None:
        self.make(str(job.payload["run"]))

    def ask(
        self, kind: str, actor: str, scope: Scope | None = None, day: date | None = None
    ) -> ReportRun:
        """Queue a report; its run tells how far it is.

        Args:
            day: the last day that it reports; None: the newest there is.

        Raises:
            InputError: there is no such kind, or no scorecard of that day.
        """
        if kind not in KINDS:
            raise InputError(
                f"unknown report {kind!r}", place="kind", mend=suggest(kind, list(KINDS))
            )
        about = scope or Scope("network")
        card = self._board().card(about, day)
        if card is None or (day is not None and card.day != day):
            raise InputError(
                f"there is no scorecard of {about} for {day or 'any day'}",
                place="day",
                mend="choose a day that is on the board",
            )
        with self._ledger.change(actor) as change:
            run = change.reports.ask(kind, str(about), card.day)
            assert run is not None  # noqa: S101  # only scheduled ones are unique
            _queue(change, run.id, "interactive")
        return run

    def make(self, run_id: str) -> ReportRun:
        """Make what a run asks for, and tell of it; a run that is over stays as it is."""
        with self._ledger.read() as seen:
            run = seen.reports.get(run_id)
        if not run.is_over:
            try:
                self._make(run)
            except MeterstoneError as error:
                with self._ledger.change("reports") as change:
                    change.reports.failed(run_id, error.cause, error.mend)
        self.tell()
        with self._ledger.read() as seen:
            return seen.reports.get(run_id)

    def _make(self, run: ReportRun) -> None:
        board = self._board()
        kind, _, key = run.scope.partition(":")
        card = board.card(Scope(kind, key or "*"), run.day)  # type: ignore[arg-type]  # was asked
        if card is None:
            raise InputError("its scorecard is gone", place=run.id, mend="ask for it again")
        parts = len(_FILES) + 1
        self._progress(run.id, "reading the board", 0, parts)
        newest = board.days(card.scope)[-1:] == [card.day]
        made = report(
            _kind(run.kind), card, board, self._now() if newest else None,
            findings=self._findings(card.scope, card.day),
        )  # fmt: skip
        kept = list(run.files) if run.scorecard == card.hash else []
        there = {Path(file["name"]).suffix for file in kept}
        missing: MeterstoneError | None = None
        for number, (suffix, (step, make)) in enumerate(_FILES.items(), 1):
            self._progress(run.id, step, number, parts)
            if suffix in there:
                continue
            try:
                kept.append(self._keep(run.id, make(made, self._link(run.id))))
            except MeterstoneError as error:  # of this file alone: the others are made
                missing = error
                continue
            with self._ledger.change("reports") as change:
                change.reports.keep(run.id, card.hash, kept)
        if missing is not None:
            raise missing
        with self._ledger.change("reports") as change:
            change.reports.made(run.id)
            self._send(change, change.reports.get(run.id))

    def _send(self, change: Change, run: ReportRun) -> None:
        """Queue a scheduled one to everybody of its plan, in the change that makes it be there."""
        plans = change.reports.plans() if run.mode == "scheduled" else []
        channels = [c for plan in plans if plan.kind == run.kind for c in plan.channels]
        letter = self.letter(run.id) if channels else None
        if letter is None:
            return
        text = letter.get_body(("plain",))
        said = text.get_content() if text else ""
        for channel in channels:
            self._post(change, channel, letter["Subject"], said, f"{_ORIGIN}{run.id}")

    def letter_of(self, origin: str) -> EmailMessage | None:
        """The mail of what was posted; None: that was no report, or its files are gone."""
        return self.letter(origin.removeprefix(_ORIGIN)) if origin.startswith(_ORIGIN) else None

    def letter(self, run_id: str) -> EmailMessage | None:
        """The mail of a run with its other files attached, without sender and receivers; None:
        there is none (any more)."""
        with self._ledger.read() as seen:
            run = seen.reports.get(run_id)
        made: EmailMessage | None = None
        for file in run.files:
            path = self.path(run.id, file["name"])
            if path.suffix == ".eml" and path.is_file():
                made = message_from_bytes(path.read_bytes(), EmailMessage, policy=SMTP)
        if made is None:
            return None
        for header in ("From", "To", "Message-ID"):
            del made[header]
        for file in run.files:
            path = self.path(run.id, file["name"])
            if path.suffix != ".eml" and path.is_file():
                kind, _, subtype = str(file["media_type"]).partition("/")
                made.add_attachment(
                    path.read_bytes(), maintype=kind, subtype=subtype, filename=path.name
                )
        return made

    def _progress(self, run: str, step: str, done: int, parts: int) -> None:
        with self._ledger.change("reports") as change:
            change.reports.progress(run, step, done, parts)

    def _keep(self, run: str, file: MadeFile) -> dict[str, Any]:
        folder = self._folder / run
        folder.mkdir(parents=True, exist_ok=True)
        half = folder / f"{file.name}.part"
        half.write_bytes(file.data)
        half.replace(folder / file.name)
        return {
            "name": file.name, "media_type": file.media_type, "bytes": len(file.data),
            "sha256": hashlib.sha256(file.data).hexdigest(),
        }  # fmt: skip

    def again(self, run_id: str, actor: str) -> None:
        """Queue one that failed once more; files that were finished are kept.

        Raises:
            InputError: there is none, or it did not fail.
        """
        with self._ledger.change(actor) as change:
            change.reports.again(run_id)
            _queue(change, run_id, "interactive")

    def schedule(self, kind: Kind, day: date, requested_at: datetime) -> ReportRun | None:
        """Queue the network's report of a period, once; None: it was, or there is no scorecard yet.

        Args:
            day: the last of the period.
            requested_at: the end of the period.
        """
        card = self._board().card(Scope("network"), day)
        if card is None or card.day != day:
            return None
        with self._ledger.change("schedule") as change:
            run = change.reports.ask(
                kind, "network", day, mode="scheduled", requested_at=requested_at
            )
            if run is not None:
                _queue(change, run.id, "backfill")
        return run

    def viewed(self, run_id: str, actor: str) -> None:
        """Somebody took a file of it; told as a fact the first time."""
        with self._ledger.change(actor) as change:
            first = change.reports.viewed(run_id)
        if first:
            self.tell()

    def forget(self, before: datetime) -> int:
        """Delete the files of runs that ended before a moment; the runs, and the hashes of their
        files in the audit log, stay. Returns how many."""
        with self._ledger.read() as seen:
            old = seen.reports.older(before)
        for run in old:
            shutil.rmtree(self._folder / run.id, ignore_errors=True)
            with self._ledger.change("reports") as change:
                change.reports.forgotten(run.id)
        return len(old)

    def path(self, run: str, name: str) -> Path:
        """Where a file of a run lies; the name is one of its `ReportRun.files`."""
        return self._folder / run / name

    def tell(self) -> int:
        """Land the facts of runs that are over; how many. Told twice they have no effect."""
        with self._ledger.read() as seen:
            runs = seen.reports.all(untold=True)
        if runs:
            lines = b"".join(json.dumps(fact(run)).encode() + b"\n" for run in runs)
            self._tell(lines, "reports")
            with self._ledger.change("reports") as change:
                change.reports.tell(runs)
        return len(runs)


def _queue(change: Change, run: str, priority: Priority) -> None:
    change.queue.put(MAKE, {"run": run}, dedupe=f"{MAKE}:{run}", priority=priority, most_attempts=3)


def fact(run: ReportRun) -> dict[str, Any]:
    """The ``report_run`` fact of a run that is over."""

    def text(moment: datetime | None) -> str | None:
        return None if moment is None else rfc3339(moment)

    return {
        "fact": "report_run", "source": "hub", "run_id": run.id,
        "report_key": KINDS[_kind(run.kind)].report_key, "requested_at": text(run.requested_at),
        "available_at": text(run.finished_at) if run.state == "made" else None, "kind": run.mode,
        "automated": True, "viewed_at": text(run.viewed_at), "viewer_id": run.viewed_by or None,
    }  # fmt: skip


def _kind(text: str) -> Kind:
    return KINDS[text].key  # type: ignore[index]  # an unknown one is refused when it is asked for
