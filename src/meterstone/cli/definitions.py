"""Commands of the catalogue: export, init, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meterstone.app import definitions
from meterstone.catalogue import framework_path, starter
from meterstone.catalogue.export import export
from meterstone.cli.shared import (
    HomeOption,
    JsonOption,
    emit,
    write_file,
)
from meterstone.errors import InputError
from meterstone.settings import home_path

app = typer.Typer()
catalogue_app = typer.Typer(no_args_is_help=True, help="Definitions of what is measured.")
app.add_typer(catalogue_app, name="catalogue")


@catalogue_app.command("export")
def catalogue_export(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Every target with its definition, one entry a ref of the framework."""
    folder = home_path(home)
    own = folder / "catalogue"
    entries = export(definitions(own if own.exists() else framework_path()))
    emit(entries, as_json=json_)
    if not json_:
        for entry in entries:
            print(
                f"{entry['ref']}  {entry['id']}  {entry['target']['cmp']} "
                f"{entry['target']['value']} {entry['unit']}"
            )


@catalogue_app.command("init")
def catalogue_init(
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Write a commented catalogue of your own goals, to be edited.

    Example: meterstone catalogue init --home mine && meterstone catalogue check mine/catalogue
    """
    file = home_path(home) / "catalogue" / "catalogue.yaml"
    if file.exists():
        raise InputError(
            "this home has a catalogue already", place=str(file), mend="edit it, or move it away"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, starter().encode())
    emit({"written": str(file)}, as_json=json_)
    if not json_:
        print(f"{file}\nnext: edit it, then meterstone catalogue check {file.parent}")


@catalogue_app.command("check")
def catalogue_check(
    path: Annotated[Path, typer.Argument(help="A catalogue file or folder.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Is a catalogue right? Errors name file, line and what to write instead."""
    del home  # a catalogue stands by itself
    checked = definitions(path)
    document = {
        "ok": True,
        "metrics": len(checked.metrics),
        "refs": len(checked.order),
        "hash": checked.hash,
    }
    emit(document, as_json=json_)
    if not json_:
        print(f"{path}: {len(checked.metrics)} metrics in {len(checked.order)} places, no errors")
