"""Commands of the audit log: verify, list; and the key that seals secrets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from meterstone.app import Home
from meterstone.cli.shared import HomeOption, JsonOption, emit
from meterstone.ledger import AuditReport
from meterstone.settings import home_path

app = typer.Typer()
audit_app = typer.Typer(no_args_is_help=True, help="Who changed what, and that nobody edited it.")
app.add_typer(audit_app, name="audit")


@audit_app.command("verify")
def audit_verify(
    checkpoints: Annotated[
        Path | None, typer.Option(help="A copy of `audit/checkpoints` that was kept elsewhere.")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Recompute the audit log and hold every signed checkpoint against it. Exit 1: it was edited;
    the first bad entry is named.

    Example: meterstone audit verify --checkpoints /mnt/elsewhere/checkpoints
    """
    with Home(home_path(home)) as opened:
        ledger = opened.ledger
        copy = None if checkpoints is None else ledger.checkpoints_in(checkpoints)
        report = ledger.audit.verify(copy)
    emit({"holds": report.holds, **asdict(report)}, as_json=json_)
    if not json_:
        print(_told(report))
    if not report.holds:
        raise typer.Exit(1)


@audit_app.command("list")
def audit_list(
    subject: Annotated[str | None, typer.Option(help="Only of this id.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this, such as connection.add.")] = None,
    last: Annotated[int, typer.Option(help="At most so many, the newest.")] = 50,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The newest entries of the audit log, oldest first.

    Example: meterstone audit list --action secret.put --last 10
    """
    with Home(home_path(home)) as opened:
        entries = opened.ledger.audit.entries(subject=subject, action=action, last=last)
    emit([asdict(entry) for entry in entries], as_json=json_)
    if not json_:
        for entry in entries:
            detail = " ".join(f"{name}={value}" for name, value in entry.detail.items())
            print(
                f"{entry.number:>6}  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.actor:<12}"
                f" {entry.action} {entry.subject}  {detail}"
            )


@audit_app.command("rotate-key")
def audit_rotate_key(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Make a new key of the home: the keys of all secrets are wrapped by it, the former one is
    destroyed. Back up `keys` afterwards."""
    with Home(home_path(home)) as opened:
        key = opened.ledger.rotate_home_key("cli")
    emit({"key": key}, as_json=json_)
    if not json_:
        print(f"the ledger is sealed by key {key}")


def _told(report: AuditReport) -> str:
    if report.bad is not None:
        return f"entry {report.bad} {report.reason}"
    if not report.holds:
        return report.reason
    told = f"{report.entries} entries, {report.checkpoints} signed checkpoints: nothing was edited"
    return f"{told}; {report.unsigned} not signed yet" if report.unsigned else told
