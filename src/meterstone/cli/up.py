"""``meterstone up``: everything of a home in one process."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from meterstone.app import Home
from meterstone.cli.live import working
from meterstone.cli.shared import HomeOption, JsonOption
from meterstone.cli.site import site_app
from meterstone.record.serving import ended_by_signals, listening, run, served_at
from meterstone.settings import home_path, port_number, public_url, setting

app = typer.Typer()


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address (METERSTONE_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port (METERSTONE_PORT); 0: a free one.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Run everything of a home: page, API, ways in, syncs, webhooks, evaluation, /metrics.

    Prints one line with the address once requests are answered. SIGTERM and Ctrl-C end it within
    10 s; what was acknowledged is kept.

    Example: meterstone up --port 4318
    """
    where, number = setting("host", host), port_number(port)
    with (
        Home(home_path(home)) as opened,
        listening(where, number) as listener,
        ended_by_signals(),
    ):
        url = public_url(where, listener.getsockname()[1])
        site = site_app(opened, url)
        with working(opened):
            _tell(served_at(listener, where), as_json=json_)
            run(site, listener)


def _tell(address: str, *, as_json: bool) -> None:
    """One line, for a person on standard error, for a program on standard output."""
    if as_json:
        print(json.dumps({"address": address}), flush=True)
        return
    print(f"Meterstone is at {address}", file=sys.stderr, flush=True)
