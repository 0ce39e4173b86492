"""Commands for what comes and goes without a stream: push, intake."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from meterstone.app import Home
from meterstone.cli.shared import HomeOption, JsonOption, emit, read_file
from meterstone.connect.intake.inbox import Taken
from meterstone.connect.intake.mailbox import Folder, Imap, Mailbox
from meterstone.connect.push import Published
from meterstone.errors import InputError
from meterstone.ledger import Connection
from meterstone.measure.results import read_day
from meterstone.settings import home_path

app = typer.Typer()
_SHOWN = 20


@app.command()
def push(
    connection: Annotated[
        str | None, typer.Argument(help="Id of a connection, or a connector; default: all.")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Publish the scorecard of the last day in Tableau and Power BI.

    Example: meterstone push tableau
    """
    with Home(home_path(home)) as opened:
        chosen = _chosen(opened, connection)
        done = [_published(c, one) for c in chosen for one in opened.pushing.push(c.id)]
    emit(done, as_json=json_)
    if not json_:
        for each in done:
            print(_line(each))
    if any(each["error"] for each in done):
        raise typer.Exit(1)


@app.command()
def intake(
    connection: Annotated[str, typer.Argument(help="Id of a connection without an API.")],
    csv: Annotated[list[Path] | None, typer.Option(help="A CSV file; repeat it.")] = None,
    folder: Annotated[Path | None, typer.Option(help="A Maildir, or a folder of .eml.")] = None,
    imap: Annotated[str, typer.Option(help="A mailbox: USER@HOST, or USER@HOST:PORT.")] = "",
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password of the mailbox.")
    ] = None,
    imap_folder: Annotated[str, typer.Option(help="Folder of the mailbox.")] = "INBOX",
    plain: Annotated[
        bool, typer.Option("--plain", help="IMAP without TLS; to this machine only.")
    ] = False,
    since: Annotated[str, typer.Option(help="Mails received on this day or later.")] = "",
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Take leads from files and mails; what was taken before has no effect.

    Example: meterstone intake ifpg-1 --folder ~/Maildir/.leads
    """
    mailbox = _mailbox(folder, imap, password_file, imap_folder, tls=not plain)
    if mailbox is None and not csv:
        raise InputError(
            "nothing to take", place="intake", mend="give --csv, --folder, or --imap USER@HOST"
        )
    day = read_day(since, "--since", "--since 2026-03-01") if since else None
    with Home(home_path(home)) as opened:
        taken = list(_taken(opened, connection, csv or [], mailbox, day))
        opened.hub.telemetry.flush()
        opened.recorder.map_new()
    document = {
        "connection": connection,
        "read": sum(each.read for each in taken),
        "known": sum(each.known for each in taken),
        "facts": sum(each.facts for each in taken),
        "refused": [
            {"reason": reject.reason, "mend": reject.mend}
            for each in taken
            for reject in each.refused
        ],
    }
    emit(document, as_json=json_)
    if not json_:
        print(_summary(document))
    if document["refused"]:
        raise typer.Exit(1)


def _taken(
    home: Home, connection: str, files: list[Path], mailbox: Mailbox | None, since: date | None
) -> list[Taken]:
    taken = [home.inbox.take_csv(connection, read_file(path)) for path in files]
    if mailbox is not None:
        taken.append(home.inbox.take_mails(connection, mailbox, since=since))
    return taken


def _mailbox(
    folder: Path | None, imap: str, password_file: Path | None, imap_folder: str, *, tls: bool
) -> Mailbox | None:
    if folder is not None:
        return Folder(folder)
    if not imap:
        return None
    user, at, place = imap.rpartition("@")
    host, _, port = place.partition(":")
    if not at or not user or not host or (port and not port.isdecimal()):
        raise InputError(f"{imap!r} is no mailbox", place="--imap", mend="--imap USER@HOST:993")
    if password_file is None:
        raise InputError("a mailbox needs a password", place="--imap", mend="--password-file FILE")
    password = read_file(password_file).decode().strip()
    return Imap(host, user, password, folder=imap_folder, port=int(port or 993), tls=tls)


def _chosen(home: Home, wanted: str | None) -> list[Connection]:
    found = [c for c in home.pushing.connections() if wanted in (None, c.id, c.connector)]
    if not found:
        raise InputError(
            f"nothing is published over {wanted!r}" if wanted else "nothing is published anywhere",
            place="push",
            mend="meterstone connect tableau, or powerbi",
        )
    return found


def _published(connection: Connection, done: Published) -> dict[str, Any]:
    pushed = done.pushed
    return {
        "connection": connection.id,
        "table": done.facts[0]["entity"],
        "rows": pushed.rows if pushed else 0,
        "id": pushed.id if pushed else None,
        "job": pushed.job if pushed else None,
        "error": done.error.cause if done.error else "",
        "mend": done.error.mend if done.error else "",
    }


def _line(each: dict[str, Any]) -> str:
    if each["error"]:
        return f"{each['connection']} {each['table']}: {each['error']}\n  mend: {each['mend']}"
    return f"{each['connection']} {each['table']}: {each['rows']:,} rows published"


def _summary(document: dict[str, Any]) -> str:
    refused = document["refused"]
    lines = [
        f"{document['read']:,} read ({document['known']:,} known already), "
        f"{document['facts']:,} facts, {len(refused):,} in quarantine"
    ]
    lines += [f"  {each['reason']}\n    mend: {each['mend']}" for each in refused[:_SHOWN]]
    return "\n".join(lines)
