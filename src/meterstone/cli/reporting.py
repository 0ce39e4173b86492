"""Commands of reports: make one, list what was made."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from meterstone.app import Home
from meterstone.cli.shared import HomeOption, JsonOption, ScopeOption, emit, scope_of
from meterstone.errors import MeterstoneError
from meterstone.ledger import ReportRun
from meterstone.measure.results import read_day
from meterstone.settings import home_path

app = typer.Typer()
report_app = typer.Typer(no_args_is_help=True, help="Reports as PDF, spreadsheet and mail.")
app.add_typer(report_app, name="report")


@report_app.command("make")
def report_make(
    kind: Annotated[str, typer.Argument(help="daily, monthly or quarterly.")],
    scope: ScopeOption = "network",
    day: Annotated[str | None, typer.Option(help="Last day reported (default: newest).")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Make a report of a kept scorecard now; its files lie in the home.

    Example: meterstone report make monthly --day 2026-03-31
    """
    wanted = None if day is None else read_day(day, "--day", "--day 2026-03-31")
    with Home(home_path(home)) as opened:
        run = opened.reports.make(opened.reports.ask(kind, "cli", scope_of(scope), wanted).id)
        told = _told(run, opened)
    if run.state == "failed":
        raise MeterstoneError(run.error, place=f"report {run.id}", mend=run.mend)
    emit(told, as_json=json_)
    if not json_:
        print("\n".join(told["files"]))


@report_app.command("list")
def report_list(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Reports that were asked for, newest first.

    Example: meterstone report list
    """
    with Home(home_path(home)) as opened, opened.ledger.read() as seen:
        found = [_told(run, opened) for run in seen.reports.all()]
    emit(found, as_json=json_)
    if not json_:
        for each in found:
            print(f"{each['id']}  {each['kind']}  {each['scope']}  {each['day']}  {each['state']}")


def _told(run: ReportRun, home: Home) -> dict[str, Any]:
    return {
        "id": run.id, "kind": run.kind, "scope": run.scope, "day": run.day.isoformat(),
        "state": run.state, "scorecard": run.scorecard, "took_s": run.took_s, "error": run.error,
        "files": [str(home.path / "reports" / run.id / file["name"]) for file in run.files],
    }  # fmt: skip
