"""Commands of the ways in: ingest, rebuild, quarantine, formats."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from meterstone.app import Home
from meterstone.cli.shared import (
    HomeOption,
    JsonOption,
    bytes_shown,
    emit,
    mapping_shown,
)
from meterstone.errors import InputError
from meterstone.measure.results import rfc3339
from meterstone.record.formats import formats
from meterstone.record.ingest import ingest as ingest_files
from meterstone.settings import home_path

app = typer.Typer()
quarantine_app = typer.Typer(no_args_is_help=True, help="What could not be mapped, and why.")
app.add_typer(quarantine_app, name="quarantine")


@app.command()
def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, or - for standard input.")],
    as_: Annotated[str | None, typer.Option("--as", help="Format; default: recognised.")] = None,
    context: Annotated[
        list[str] | None,
        typer.Option("--set", help="What the bytes do not say, as KEY=VALUE (integration=square)."),
    ] = None,
    entered_by: Annotated[
        str | None, typer.Option(help="Who enters rows of a CSV (default: the user).")
    ] = None,
    entered_role: Annotated[str, typer.Option(help="In which role.")] = "operator",
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Land files and turn them into facts.

    Example: meterstone ingest access.log.gz traces.json facts.jsonl
    """
    added = {"entered_by": entered_by or getpass.getuser(), "entered_role": entered_role}
    for pair in context or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"{pair!r} is not KEY=VALUE", place="--set", mend="--set fact=probe")
        added[key] = value
    with Home(home_path(home)) as opened, bytes_shown() as advance:
        report = ingest_files(opened.recorder, paths, as_=as_, context=added, on_progress=advance)
        unknown = opened.strangers()
    appended = report.mapping.appended
    document = {
        "files": [
            {
                "path": f.path,
                "format": f.format,
                "landed": f.landed,
                "duplicate": f.duplicate,
                "refused": f.refused,
            }
            for f in report.files
        ],
        "skipped": report.skipped,
        "facts": {
            "new": appended.new,
            "duplicate": appended.duplicate,
            "revised": appended.revised,
        },
        "quarantined": report.mapping.rejected,
        "unknown_franchises": [stranger.franchise_id for stranger in unknown],
    }
    emit(document, as_json=json_)
    if not json_:
        for file in report.files:
            again = f", {file.duplicate} landed before" if file.duplicate else ""
            print(f"{file.path}: {file.format}, {file.landed} records{again}")
        for skipped in report.skipped:
            print(f"{skipped}: skipped, no format recognises it")
        print(
            f"{appended.new:,} new facts, {appended.duplicate:,} known already, "
            f"{appended.revised:,} revised, {report.mapping.rejected:,} in quarantine"
        )
        if report.mapping.rejected:
            print("next: meterstone quarantine list")
        if unknown:
            print(f"{len(unknown):,} franchises nobody knows: meterstone quarantine franchises")


@app.command()
def rebuild(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Make the warehouse anew from the landing log; values stay equal."""
    with Home(home_path(home)) as opened, mapping_shown("rebuilding") as advance:
        done = opened.rebuild(advance)
    document = {"records": done.records, "facts": done.rows, "quarantined": done.rejected}
    emit(document, as_json=json_)
    if not json_:
        print(
            f"{done.records:,} records mapped to {done.rows:,} facts; "
            f"{done.rejected:,} in quarantine"
        )


@quarantine_app.command("list")
def quarantine_list(
    all_: Annotated[bool, typer.Option("--all", help="Mended ones too.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """What could not be mapped, with the reason and what mends it."""
    with Home(home_path(home)) as opened:
        opened.recorder.map_new()
        waiting = opened.log.quarantined(None if all_ else "open")
    document = [
        {
            "id": q.id, "record": q.seq, "name": q.name, "item": q.item, "fact": q.fact,
            "reason": q.reason, "mend": q.mend, "excerpt": q.excerpt, "state": q.state,
            "at": rfc3339(q.at),
        }
        for q in waiting
    ]  # fmt: skip
    emit(document, as_json=json_)
    if not json_:
        for q in waiting:
            print(f"record {q.seq} ({q.name}) item {q.item} {q.fact}: {q.reason}\n  mend: {q.mend}")
        print(f"{len(waiting)} in quarantine" if waiting else "The quarantine is empty.")


@quarantine_app.command("franchises")
def quarantine_franchises(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Franchises that rows name and no register knows; their rows are kept."""
    with Home(home_path(home)) as opened:
        opened.recorder.map_new()
        found = opened.strangers()
    document = [
        {
            "franchise_id": s.franchise_id, "fact": s.fact, "rows": s.rows, "record": s.seq,
            "reason": s.reason, "mend": s.mend,
        }
        for s in found
    ]  # fmt: skip
    emit(document, as_json=json_)
    if not json_:
        for stranger in found:
            print(f"record {stranger.seq}: {stranger.reason}\n  mend: {stranger.mend}")
        print(f"{len(found)} unknown" if found else "All franchises are known.")


@quarantine_app.command("retry")
def quarantine_retry(
    record: Annotated[
        int | None, typer.Argument(help="Number of the landed record; default: all.")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Map quarantined records again, after what they need was mended."""
    with Home(home_path(home)) as opened:
        opened.recorder.map_new()
        seqs = sorted({q.seq for q in opened.log.quarantined()}) if record is None else [record]
        done = {seq: opened.recorder.retry(seq) for seq in seqs}
    mended = [seq for seq, result in done.items() if result is not None]
    document = {"tried": seqs, "mended": mended}
    emit(document, as_json=json_)
    if not json_:
        print(f"{len(mended)} of {len(seqs)} records mapped anew")


@app.command("formats")
def formats_list(home: HomeOption = None, json_: JsonOption = False) -> None:
    """What ``ingest`` can read."""
    del home  # the same everywhere
    found = [{"name": f.name, "title": f.title} for f in formats().values()]
    emit(found, as_json=json_)
    if not json_:
        for entry in found:
            print(f"{entry['name']:20} {entry['title']}")
