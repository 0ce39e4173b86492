"""The command line. Every command takes ``--home`` and ``--json``; exit 0 done, 1 the answer is no,
2 wrong use or bad input. One JSON document goes to standard output, all else to standard error."""

from __future__ import annotations

import json
import sys

import typer

from meterstone import __version__
from meterstone.cli import (
    attest,
    audit,
    connecting,
    connectors,
    definitions,
    demo,
    drill,
    exchange,
    insight,
    loading,
    measurement,
    notifying,
    people,
    reconciling,
    record,
    reporting,
    rollout,
    sandbox,
    scorecards,
    simulating,
    slo,
    studies,
    syncing,
    up,
    webhooks,
)
from meterstone.cli.shared import HomeOption, JsonOption, emit, log
from meterstone.errors import InputError, MeterstoneError
from meterstone.settings import refuse_unknown_variables

app = typer.Typer(
    name="meterstone",
    help="Measure an integration programme, and say honestly whether a target is met.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (
    up,
    record,
    measurement,
    scorecards,
    definitions,
    attest,
    demo,
    drill,
    simulating,
    slo,
    studies,
    sandbox,
    connecting,
    connectors,
    syncing,
    exchange,
    audit,
    reconciling,
    webhooks,
    reporting,
    notifying,
    people,
    insight,
    rollout,
    loading,
):
    app.add_typer(part.app)

_WRONG_USE = 2


def main() -> None:
    """Entry point: runs the command line and turns errors into exit codes."""
    try:
        refuse_unknown_variables()
        _run()
    except MeterstoneError as error:
        if "--json" in sys.argv:
            print(json.dumps(error.as_dict()))
        log.print(
            f"meterstone: {error}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(error.exit_code)


def _run() -> None:
    """Run the command line; wrong use is told as JSON too, where that was asked for."""
    try:
        app()
    except SystemExit as ended:
        if ended.code == _WRONG_USE and "--json" in sys.argv:
            told = InputError("wrong use; standard error says what", mend="meterstone --help")
            print(json.dumps(told.as_dict()))
        raise


@app.command()
def version(home: HomeOption = None, json_: JsonOption = False) -> None:
    """The version of Meterstone."""
    del home  # the same everywhere
    emit({"version": __version__}, as_json=json_)
    if not json_:
        print(__version__)
