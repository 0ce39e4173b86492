"""Reports: the runs that made or make them, and the plans by which they are due."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa

from meterstone.errors import InputError
from meterstone.ledger.store import Transaction
from meterstone.ledger.tables import report_plans, report_runs

RunState = Literal["waiting", "making", "made", "failed"]
Mode = Literal["scheduled", "on_demand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRun:
    """One report, from the request to its files.

    Attributes:
        scope: ``network``, ``franchise:F1`` …
        day: the last day of its period.
        requested_at: on demand: the request; scheduled: the end of the period.
        step: what is being done, in words; ``done`` of ``parts`` are behind it.
        scorecard: the content hash of what it shows.
        files: ``name``, ``media_type``, ``bytes`` and ``sha256`` of each; empty when their time of
            keeping is over.
        error, mend: why it failed, and what to do.
    """

    id: str
    kind: str
    scope: str
    day: date
    mode: Mode
    asked_by: str
    requested_at: datetime
    state: RunState
    step: str
    done: int
    parts: int
    finished_at: datetime | None
    scorecard: str
    files: Sequence[Mapping[str, Any]]
    error: str
    mend: str
    viewed_at: datetime | None
    viewed_by: str
    told: str

    @property
    def took_s(self) -> float | None:
        """Seconds from the request until it was there."""
        if self.finished_at is None or self.state != "made":
            return None
        return (self.finished_at - self.requested_at).total_seconds()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("made", "failed")

    @property
    def tells(self) -> str:
        """What facts should tell of it."""
        return "viewed" if self.state == "made" and self.viewed_at else self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPlan:
    """When a kind of report is made, and who gets it.

    Attributes:
        at: time of day in the reporting time zone, after the period has ended, ``06:00``.
        channels: ids of channels that it is sent to.
        since: periods that ended before this day are not made afterwards.
    """

    kind: str
    active: bool
    at: str
    channels: Sequence[str]
    since: date


class Reports:
    """Runs and plans as one transaction sees and changes them."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    def ask(
        self,
        kind: str,
        scope: str,
        day: date,
        *,
        mode: Mode = "on_demand",
        requested_at: datetime | None = None,
    ) -> ReportRun | None:
        """A new run; None where the report of this period is scheduled already."""
        values = {
            "id": secrets.token_hex(8), "kind": kind, "scope": scope, "day": day.isoformat(),
            "mode": mode, "asked_by": self._tx.actor or "", "state": "waiting", "step": "waiting",
            "requested_at": requested_at or self._tx.now, "done": 0, "parts": 0, "scorecard": "",
            "files": [], "error": "", "mend": "", "viewed_by": "", "told": "",
        }  # fmt: skip
        made = self._tx.insert(report_runs).values(values).on_conflict_do_nothing()
        row = self._tx.run(made.returning(report_runs)).first()
        if row is None:
            return None
        self._tx.audit("report.ask", row.id, kind=kind, scope=scope, day=day.isoformat(), mode=mode)
        return _run(row)

    def get(self, run: str) -> ReportRun:
        """A run by its id.

        Raises:
            InputError: there is none.
        """
        row = self._tx.run(sa.select(report_runs).where(report_runs.c.id == run)).first()
        if row is None:
            raise InputError("there is no such report", place=run, mend="list the reports")
        return _run(row)

    def all(
        self,
        *,
        limit: int = 100,
        kind: str | None = None,
        untold: bool = False,
        until: datetime | None = None,
    ) -> list[ReportRun]:
        """Runs, newest first.

        Args:
            untold: only those of which facts do not tell yet how they stand.
            until: only those that were asked for by then.
        """
        query = sa.select(report_runs).order_by(
            report_runs.c.requested_at.desc(), report_runs.c.id.desc()
        )
        if kind is not None:
            query = query.where(report_runs.c.kind == kind)
        if until is not None:
            query = query.where(report_runs.c.requested_at <= until)
        if untold:
            stands = sa.case(
                (
                    sa.and_(report_runs.c.state == "made", report_runs.c.viewed_at.is_not(None)),
                    "viewed",
                ),
                else_=report_runs.c.state,
            )
            over = report_runs.c.state.in_(("made", "failed"))
            query = query.where(over, report_runs.c.told != stands)
        return [_run(row) for row in self._tx.run(query.limit(limit))]

    def scheduled(self, kind: str, scope: str, since: date) -> set[date]:
        """Days whose report was scheduled, from a day on."""
        query = sa.select(report_runs.c.day).where(
            report_runs.c.kind == kind,
            report_runs.c.scope == scope,
            report_runs.c.mode == "scheduled",
            report_runs.c.day >= since.isoformat(),
        )
        return {date.fromisoformat(row.day) for row in self._tx.run(query)}

    def progress(self, run: str, step: str, done: int, parts: int) -> None:
        """How far it is."""
        self._set(run, state="making", step=step, done=done, parts=parts, error="", mend="")

    def keep(self, run: str, scorecard: str, files: Sequence[Mapping[str, Any]]) -> None:
        """Files that are finished; those of a run that was killed are not made again."""
        self._set(run, scorecard=scorecard, files=[dict(file) for file in files])

    def made(self, run: str) -> ReportRun:
        """It is there; the hashes of its files stand in the audit log."""
        now = self.get(run)
        self._set(
            run, state="made", step="done", done=now.parts, finished_at=self._tx.now, error="",
            mend="",
        )  # fmt: skip
        hashes = {file["name"]: file["sha256"] for file in now.files}
        self._tx.audit("report.made", run, scorecard=now.scorecard, files=hashes)
        return self.get(run)

    def failed(self, run: str, error: str, mend: str) -> None:
        """It could not be made, and why."""
        self._set(
            run, state="failed", step="failed", finished_at=self._tx.now, error=error, mend=mend
        )
        self._tx.audit("report.failed", run, error=error)

    def again(self, run: str) -> None:
        """Make a failed one once more; files that were finished are kept.

        Raises:
            InputError: it did not fail.
        """
        if self.get(run).state != "failed":
            raise InputError("it did not fail", place=run, mend="leave it")
        self._set(run, state="waiting", step="waiting", finished_at=None, error="", mend="")
        self._tx.audit("report.again", run)

    def viewed(self, run: str) -> bool:
        """Somebody took a file of it; True the first time."""
        seen = sa.update(report_runs).where(
            report_runs.c.id == run, report_runs.c.viewed_at.is_(None)
        )
        values = {"viewed_at": self._tx.now, "viewed_by": self._tx.actor or ""}
        return self._tx.run(seen.values(values)).rowcount > 0

    def tell(self, runs: Sequence[ReportRun]) -> None:
        """Facts tell now how these stand."""
        for run in runs:
            self._set(run.id, told=run.tells)

    def older(self, before: datetime) -> list[ReportRun]:
        """Runs that ended before a moment and still have files."""
        query = sa.select(report_runs).where(report_runs.c.finished_at < before)
        return [run for row in self._tx.run(query) if (run := _run(row)).files]

    def forgotten(self, run: str) -> None:
        """Its files were deleted: their time of keeping is over."""
        self._set(run, files=[])
        self._tx.audit("report.forgotten", run)

    def plans(self) -> list[ReportPlan]:
        """All plans that were set."""
        return [_plan(row) for row in self._tx.run(sa.select(report_plans))]

    def plan(self, plan: ReportPlan) -> None:
        """Set when a kind of report is made and who gets it."""
        values = {
            "kind": plan.kind, "active": plan.active, "at": plan.at,
            "channels": list(plan.channels), "since": plan.since.isoformat(),
        }  # fmt: skip
        new = self._tx.insert(report_plans).values(values)
        self._tx.run(new.on_conflict_do_update(index_elements=["kind"], set_=values))
        self._tx.audit("report.plan", plan.kind, active=plan.active, at=plan.at,
                       channels=list(plan.channels))  # fmt: skip

    def _set(self, run: str, **values: Any) -> None:
        self._tx.run(sa.update(report_runs).where(report_runs.c.id == run).values(values))


def _run(row: sa.Row[Any]) -> ReportRun:
    return ReportRun(**dict(row._mapping) | {"day": date.fromisoformat(row.day)})


def _plan(row: sa.Row[Any]) -> ReportPlan:
    return ReportPlan(**dict(row._mapping) | {"since": date.fromisoformat(row.since)})
