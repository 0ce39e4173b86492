"""``meterstone demo``: everything, on this machine, without a password."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from meterstone import demo
from meterstone.app import Home
from meterstone.cli.live import working
from meterstone.cli.shared import HomeOption, JsonOption, emit, log
from meterstone.cli.up import serving
from meterstone.connect.egress import VENDORS, Egress
from meterstone.demo.coming import Coming
from meterstone.demo.network import make_network
from meterstone.measure.results import Scope
from meterstone.publish import terminal
from meterstone.record.ingest import ingest
from meterstone.record.serving import ended_by_signals, listening
from meterstone.settings import home_path

app = typer.Typer()

HOST = "127.0.0.1"
"""Whoever reaches the demonstration may look as anybody: it is for this machine alone."""


@app.command("demo")
def demo_command(
    port: Annotated[int, typer.Option(help="Port; 0: a free one.")] = 4318,
    real: Annotated[
        bool, typer.Option("--real", help="Real sample data, with a few targets of their own.")
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Serve the pages, or print the scorecard.")
    ] = True,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """A simulated franchise network that lives, connected to stand-ins of all nine vendors, with
    sales coming in and faults happening now and then: all that Meterstone does, on this machine,
    without a password.

    With --real: public sample data (three sites, a web log, a status page) instead.

    Example: meterstone demo
    """
    folder = home_path(home) if home else Path(".meterstone/demo")
    with ended_by_signals():
        if not serve:
            _print(folder, real=real, as_json=json_)
        elif real:
            with (
                _real(folder) as opened,
                listening(HOST, port) as listener,
                serving(opened, listener, HOST) as served,
            ):
                served.run(as_json=json_)
        else:
            _serve_network(folder, port, as_json=json_)


def _print(folder: Path, *, real: bool, as_json: bool) -> None:
    """Load and measure, without a server and without the vendors."""
    with ExitStack() as stack:
        if real:
            opened, day = stack.enter_context(_real(folder)), demo.DAY
        else:
            opened = stack.enter_context(_network(folder))
            day = opened.last_day
        document = _measured(opened, day)
    emit(document, as_json=as_json, text=terminal.scorecard(document))


def _measured(home: Home, day: date) -> dict[str, object]:
    with log.status("measuring (about a minute)"):
        return home.scorecard(Scope("network"), day)


@contextmanager
def _real(folder: Path) -> Iterator[Home]:
    demo.prepare(folder / "real")
    with Home(folder / "real") as opened:
        with log.status("loading real sample data"):
            demo.load_real(opened)
        yield opened


@contextmanager
def _network(folder: Path) -> Iterator[Home]:
    """A home with a network that is simulated up to now."""
    shutil.rmtree(folder / "network", ignore_errors=True)
    with log.status("simulating a franchise network") as status:
        made = make_network(
            folder / "network" / "simulated",
            datetime.now(UTC),
            on_progress=lambda part: status.update(f"simulating a franchise network: {part}"),
        )
    with Home(folder / "network") as opened:
        with log.status("loading a year of simulated facts"):
            ingest(opened.recorder, [str(path) for path in made.past])
        yield opened


def _serve_network(folder: Path, port: int, *, as_json: bool) -> None:
    """Serve a network that lives: its facts come when their time comes, its vendors are called,
    call back, and have trouble. Made anew each time, as the vendors are: what they issued before
    is worth nothing to new ones."""
    shutil.rmtree(folder / "network", ignore_errors=True)
    with ExitStack() as stack:
        opened = stack.enter_context(Home(folder / "network"))
        opened.egress = Egress(VENDORS.with_loopback())  # the stand-ins are on this machine
        listener = stack.enter_context(listening(HOST, port))
        served = stack.enter_context(serving(opened, listener, HOST, at_work=False))
        coming = Coming(
            opened,
            folder / "network" / "simulated",
            lambda: working(opened, telemetry=served.telemetry),
        )
        stack.enter_context(coming.living(served.address))
        served.run(as_json=as_json)
