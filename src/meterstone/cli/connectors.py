"""Commands of connector files: check, init, test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meterstone.cli.shared import HomeOption, JsonOption, emit
from meterstone.connect.catalogue import checked
from meterstone.connect.reading import Loaded

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
