"""Commands of connector files: check, init, test."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from meterstone.cli.shared import HomeOption, JsonOption, emit, pairs, read_file
from meterstone.connect.catalogue import checked
from meterstone.connect.reading import Loaded
from meterstone.connect.trial import Trial, begin, try_sample
from meterstone.errors import InputError
from meterstone.settings import home_path

app = typer.Typer()
connector_app = typer.Typer(no_args_is_help=True, help="Connector files: what a vendor is like.")
app.add_typer(connector_app, name="connector")


@connector_app.command("check")
def connector_check(
    path: Annotated[Path, typer.Argument(help="A connector.yaml, or the folder that has one.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Check a connector file: every error with its line and what mends it.

    Example: meterstone connector check .meterstone/connectors/acme/connector.yaml
    """
    del home  # a file is the same in every home
    loaded = checked(path)
    document = _summary(loaded)
    emit(document, as_json=json_)
    if not json_:
        streams = ", ".join(loaded.connector.streams) or "no streams"
        print(f"{document['connector']} {document['version']}: {streams}; it can be connected.")


@connector_app.command("init")
def connector_init(
    name: Annotated[str, typer.Argument(help="Of the vendor: lower-case letters, digits, _.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Begin a connector of your own: a commented file in the home, to be edited.

    Example: meterstone connector init acme
    """
    file = begin(home_path(home), name)
    emit({"connector": name, "file": str(file)}, as_json=json_)
    if not json_:
        print(f"{file}\nnext: edit it, then `meterstone connector check {file}`")


@connector_app.command("test")
def connector_test(
    path: Annotated[Path, typer.Argument(help="A connector.yaml, or the folder that has one.")],
    sample: Annotated[
        list[str] | None, typer.Option(help="STREAM=FILE with an answer of the vendor; repeat it.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="What a connection adds: franchise_id=F1, site:L1=F1."),
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Map samples of the vendor's answers, and show rows and refusals; nothing is called or kept.

    Example: meterstone connector test acme/connector.yaml --sample payments=answer.json
    """
    del home  # nothing is kept
    loaded = checked(path)
    context = pairs(set_ or [], "--set")
    samples = pairs(sample or [], "--sample")
    if not samples:
        raise InputError(
            "no sample is given", place="--sample", mend="--sample STREAM=FILE with an answer"
        )
    trials = [
        try_sample(loaded, stream, read_file(Path(file)), context)
        for stream, file in samples.items()
    ]
    emit([asdict(trial) for trial in trials], as_json=json_)
    if not json_:
        for trial in trials:
            _print_trial(trial)
    if any(trial.refused for trial in trials):
        raise typer.Exit(1)


def _print_trial(trial: Trial) -> None:
    rows = ", ".join(f"{count:,} {fact}" for fact, count in trial.rows.items()) or "no facts"
    print(f"{trial.stream}: {trial.records:,} records give {rows}")
    for row in trial.first:
        print("  " + ", ".join(f"{name}={value}" for name, value in row.items()))
    for refusal in trial.refused:
        print(f"  record {refusal['record']}: {refusal['reason']}\n    mend: {refusal['mend']}")


def _summary(loaded: Loaded) -> dict[str, object]:
    connector = loaded.connector
    return {
        "connector": connector.connector,
        "name": connector.name,
        "version": connector.version,
        "status": connector.status,
        "auth": connector.auth.kind,
        "credentials": sorted(connector.auth.fields),
        "settings": sorted(connector.settings),
        "streams": {
            name: sorted({fact.fact for fact in stream.facts})
            for name, stream in connector.streams.items()
        },
        "webhooks": sorted(connector.webhooks.events) if connector.webhooks else [],
    }
