"""``meterstone up``: everything of a home in one process."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from time import sleep
from typing import Annotated

import httpx2
import typer
from starlette.types import ASGIApp

from meterstone.app import Home
from meterstone.cli.live import working
from meterstone.cli.shared import HomeOption, JsonOption
from meterstone.cli.telemetry import Telemetry
from meterstone.record.serving import ended_by_signals, listening, run, served_at
from meterstone.settings import home_path, port_number, public_url, setting

app = typer.Typer()

_STARTS_WITHIN_S = 20.0
_LOOKS_EVERY_S = 0.1


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address (METERSTONE_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port (METERSTONE_PORT); 0: a free one.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Run everything of a home: page, API, ways in, syncs, webhooks, evaluation, /metrics.

    Prints one line with the address once requests are answered, and as long as there is nobody, the
    one-time link that makes the first administrator. SIGTERM and Ctrl-C end it within
    10 s; what was acknowledged is kept.

    Example: meterstone up --port 4318
    """
    where, number = setting("host", host), port_number(port)
    with (
        Home(home_path(home)) as opened,
        listening(where, number) as listener,
        ended_by_signals(),
        serving(opened, listener, where) as served,
    ):
        served.run(as_json=json_)


@dataclass
class Served:
    """A home that works and is about to be served.

    Attributes:
        home: opened.
        app: the whole application.
        address: where it is served.
        url: how people call us: the link to begin with holds there.
        telemetry: measures its requests and jobs.
    """

    home: Home
    app: ASGIApp
    address: str
    url: str
    listener: socket.socket
    telemetry: Telemetry

    def run(self, *, as_json: bool = False) -> None:
        """Serve until SIGTERM or SIGINT. Says where, in one line, once requests are answered."""

        def started() -> None:
            if _answers(self.address):
                link = self.home.people.links.first()
                _say(self.address, f"{self.url}{link.path}" if link else None, as_json=as_json)

        threading.Thread(target=started, name="started", daemon=True).start()
        run(self.app, self.listener, self.home.live.end)


@contextmanager
def serving(
    home: Home, listener: socket.socket, host: str, *, at_work: bool = True
) -> Iterator[Served]:
    """A home and its application while the block runs.

    Args:
        home: opened.
        listener: listens already.
        host: as the listener was told.
        at_work: the home works too; False: whoever serves it sets it to work later.
    """
    address = served_at(listener, host)
    url = public_url(host, listener.getsockname()[1])
    telemetry = Telemetry()
    try:
        from meterstone.cli.site import site_app  # noqa: PLC0415 - pages take a second to load

        site = site_app(home, url, telemetry)
        with working(home, telemetry=telemetry) if at_work else nullcontext():
            yield Served(home, site, address, url, listener, telemetry)
    finally:
        telemetry.close()


def _answers(address: str) -> bool:
    """Whether requests are answered, within the time that a start takes."""
    for _ in range(int(_STARTS_WITHIN_S / _LOOKS_EVERY_S)):
        with suppress(httpx2.TransportError):
            httpx2.get(f"{address}/healthz")
            return True
        sleep(_LOOKS_EVERY_S)
    return False


def _say(address: str, set_up: str | None, *, as_json: bool) -> None:
    """One line, for a person on standard error, for a program on standard output; with it the link
    by which the first administrator is made, as long as there is nobody."""
    if as_json:
        print(json.dumps({"address": address, "set_up": set_up}), flush=True)
        return
    more = f"; begin, once, at {set_up}" if set_up else ""
    print(f"Meterstone is at {address}{more}", file=sys.stderr, flush=True)
