"""Reports: ask for one, see how far it is, and fetch its files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from starlette.responses import FileResponse

from meterstone.errors import NotFound
from meterstone.ledger import ReportRun
from meterstone.ledger.reports import Mode, RunState
from meterstone.publish.api.metrics import scope_of
from meterstone.publish.api.paging import Pages
from meterstone.publish.api.past import Day
from meterstone.publish.api.ports import Asking, Given
from meterstone.publish.api.problems import WRITES, answers, json_alone

router = APIRouter(tags=["reports"])

Id = Annotated[str, Path(max_length=200)]


class NewReport(BaseModel):
    """The report that is asked for; ``day``: the last day it reports, otherwise the newest."""

    model_config = {"extra": "forbid"}
    kind: Annotated[str, Field(max_length=40, examples=["monthly"])]
    scope: Annotated[
        str, Field(max_length=240, pattern=r"^(network|(franchise|integration):.+)$")
    ] = "network"
    day: Day | None = None


@dataclass(frozen=True, slots=True)
class MadeReportFile:
    """A file of a report; ``sha256`` of its bytes."""

    name: str
    media_type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ReportState:
    """A report: what it is about, how far it is (``done`` of ``parts``), and its files.

    ``scorecard``: the content hash of what it shows; ``error``, ``mend``: why it failed.
    """

    id: str
    kind: str
    scope: str
    day: date
    mode: Mode
    state: RunState
    step: str
    done: int
    parts: int
    requested_at: datetime
    finished_at: datetime | None
    scorecard: str
    files: list[MadeReportFile]
    error: str
    mend: str


@router.get("/reports")
def reports(given: Given, pages: Pages) -> list[ReportState]:
    """Reports that were asked for, newest first."""
    with given.ledger.read() as seen:
        found = seen.reports.all(limit=1000)
    return pages.of([_state(run) for run in found], _order, tuple[float, str])


def _order(row: ReportState) -> tuple[float, str]:
    return -row.requested_at.timestamp(), row.id


@router.post(
    "/reports", status_code=202, responses=answers(*WRITES), dependencies=[Depends(json_alone)]
)
def ask_for_report(sent: NewReport, given: Given, asking: Asking) -> ReportState:
    """Queue a report; ask for its state until it is made."""
    run = given.reports.ask(sent.kind, asking.id, scope_of(sent.scope), sent.day)
    return _state(run)


@router.get("/reports/{report}")
def report_state(report: Id, given: Given) -> ReportState:
    """How far a report is."""
    with given.ledger.read() as seen:
        return _state(seen.reports.get(report))


@router.get("/reports/{report}/files/{name}", response_class=FileResponse)
def report_file(
    report: Id, name: Annotated[str, Path(max_length=400)], given: Given
) -> FileResponse:
    """A file of a report."""
    with given.ledger.read() as seen:
        run = seen.reports.get(report)
    kept = {str(file["name"]): file for file in run.files}
    if name not in kept:
        raise NotFound(
            "the report has no such file", place="name", mend="see the files in its state"
        )
    path = given.reports.path(run.id, name)
    return FileResponse(path, media_type=str(kept[name]["media_type"]), filename=name)


def _state(run: ReportRun) -> ReportState:
    files = [
        MadeReportFile(str(f["name"]), str(f["media_type"]), int(f["bytes"]), str(f["sha256"]))
        for f in run.files
    ]
    return ReportState(
        run.id, run.kind, run.scope, run.day, run.mode, run.state, run.step, run.done, run.parts,
        run.requested_at, run.finished_at, run.scorecard, files, run.error, run.mend,
    )  # fmt: skip
