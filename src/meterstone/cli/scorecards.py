"""Commands of the signed documents: scorecard, verify, diff."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from meterstone.app import Home
from meterstone.cli.shared import (
    HomeOption,
    JsonOption,
    KnownOption,
    ScopeOption,
    day_of,
    emit,
    log,
    moment_of,
    read_file,
    scope_of,
    write_file,
)
from meterstone.publish import terminal
from meterstone.scorecard import trusted_keys, verify_document
from meterstone.scorecard.canonical import canonical
from meterstone.scorecard.diff import diff as diff_scorecards
from meterstone.settings import home_path

app = typer.Typer()


@app.command()
def scorecard(
    scope: ScopeOption = "network",
    day: Annotated[str | None, typer.Option(help="Day reported (default: yesterday).")] = None,
    known_at: KnownOption = None,
    out: Annotated[Path | None, typer.Option(help="Write the signed document to a file.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The signed scorecard of a scope and day.

    Example: meterstone scorecard --scope network --day 2026-03-01 --out march-1.json
    """
    with Home(home_path(home)) as opened:
        document = opened.scorecard(
            scope_of(scope), day_of(day, opened), moment_of(known_at, "--known-at")
        )
    data = canonical(document)
    if out:
        write_file(out, data)
        log.print(f"wrote {out}", highlight=False)
    if json_:
        sys.stdout.write(data.decode() + "\n")
    elif not out:
        terminal.show(terminal.scorecard(document))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A signed scorecard.")],
    recompute: Annotated[
        bool,
        typer.Option("--recompute/--no-recompute", help="Also compute it again as known then."),
    ] = True,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Is a scorecard as it was signed, and does the warehouse still give the same numbers?

    Without a home at hand only hash and signature are checked, by the public keys in
    HOME/keys/trusted.

    Example: meterstone verify march-1.json
    """
    folder, document = home_path(home), read_file(file)
    if recompute and (folder / "landing.sqlite").exists():
        with Home(folder) as opened:
            found = opened.verify(document, recompute=True)
    else:
        found = verify_document(document, trusted_keys(folder))
    if json_:
        emit(found.as_dict(), as_json=True)
    else:
        print(found.sentence)
    if not found.holds:
        raise typer.Exit(1)


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(help="The earlier scorecard.")],
    b: Annotated[Path, typer.Argument(help="The later scorecard.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """What changed between two scorecards, in words, and why.

    Example: meterstone diff march-1.json march-2.json
    """
    del home  # two documents say all there is
    changes = diff_scorecards(read_file(a), read_file(b))
    emit([change.as_dict() for change in changes], as_json=json_)
    if not json_:
        print("\n".join(change.sentence for change in changes) or "Nothing changed.")
