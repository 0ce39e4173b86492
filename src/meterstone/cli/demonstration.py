"""The demonstration, and the simulated network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Annotated, Any

import httpx2
import typer
from starlette.routing import BaseRoute

from meterstone import demo
from meterstone.app import Home
from meterstone.cli.live import working
from meterstone.cli.shared import (
    HomeOption,
    JsonOption,
    emit,
    log,
)
from meterstone.connect.api import connection_routes
from meterstone.connect.webhooks import WebhookReceiver
from meterstone.demo.nine import Nine, nine
from meterstone.measure.results import Scope, rfc3339
from meterstone.publish import terminal
from meterstone.publish.attestation_api import attestation_routes
from meterstone.publish.framework_api import framework_routes
from meterstone.publish.pages import pages
from meterstone.record.receiver import serve as serve_receiver
from meterstone.sandbox.network import PRESETS, preset
from meterstone.sandbox.network import simulate as simulate_network
from meterstone.settings import home_path, setting

app = typer.Typer()


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(metavar="PRESET", help=", ".join(PRESETS) + ".")],
    out: Annotated[Path, typer.Option("--out", help="Folder for facts/ and truth.json.")],
    shops: Annotated[int | None, typer.Option(help="Shops signed by the end, 1 to 2000.")] = None,
    months: Annotated[int | None, typer.Option(help="Length of the history, 2 to 48.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same bytes.")] = None,
    telemetry_days: Annotated[
        int | None, typer.Option(help="Days with probes and checks; 122 for gates of 90 days.")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Simulate a franchise network: facts to ingest, and what is true of it.

    Example: meterstone simulate honest --out network && meterstone ingest network/facts
    """
    del home  # nothing is recorded yet: `ingest` does that
    chosen = preset(name, shops=shops, months=months, telemetry_days=telemetry_days, seed=seed)
    with log.status("simulating") as status:
        made = simulate_network(chosen, out, lambda part: status.update(f"simulating: {part}"))
    document = {
        "preset": name, "seed": chosen.seed, "at": rfc3339(chosen.end), "facts": made.rows,
        "files": [str(path) for path in made.files], "truth": str(made.truth),
    }  # fmt: skip
    emit(document, as_json=json_)
    if not json_:
        print(
            f"{made.rows:,} simulated facts in {len(made.files)} files; truth: {made.truth}\n"
            f"next: meterstone ingest {out / 'facts'}"
        )


@app.command("demo")
def demo_command(
    host: Annotated[str | None, typer.Option(help="Address (METERSTONE_HOST).")] = None,
    port: Annotated[int, typer.Option(help="Port; 0: a free one.")] = 4318,
    serve_page: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Serve the page when done.")
    ] = True,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Load real sample data and a simulated network, measure both, connect to all nine vendors
    (stood in for, on this machine), and serve all of it as pages.

    Example: meterstone demo --no-serve
    """
    folder = home_path(home) if home else Path(".meterstone/demo")
    with ExitStack() as stack:
        with log.status("loading, simulating, measuring, connecting (about a minute)"):
            vendors = _made(folder, stack)
        homes = {"real": folder, "simulated": demo.simulated_home(folder)}
        documents = {name: demo.document(path) for name, path in homes.items()}
        connected = vendors.summary()
        emit({**documents, "connected": connected}, as_json=json_)
        if not json_:
            for document in documents.values():
                terminal.show(terminal.scorecard(document))
            _show_connected(connected)
        if serve_page:
            real, simulated = (stack.enter_context(Home(path)) for path in homes.values())
            real.show(Scope("network"), demo.DAY, documents["real"])
            simulated.show(Scope("network"), demo.SIMULATED_DAY, documents["simulated"])
            _serve(real, simulated, vendors, setting("host", host), port)


def _made(folder: Path, stack: ExitStack) -> Nine:
    """All parts at the same time: two in processes of their own, the vendors in this one."""
    with ThreadPoolExecutor(1) as beside:
        measured = beside.submit(demo.make, folder)
        try:
            vendors = stack.enter_context(nine(demo.connected_home(folder)))
            vendors.connect()
        finally:
            measured.result()
    return vendors


def _show_connected(connected: list[dict[str, Any]]) -> None:
    print("\nConnected to nine vendors (simulated, on this machine):")
    for each in connected:
        print(
            f"  {each['vendor']:12} {each['connections']:3} connections "
            f"{each['streams']:4} streams {each['records']:7,} records  {each['address']}"
        )
        for problem in each["problems"]:
            print(f"    {problem}")


def _serve(real: Home, simulated: Home, vendors: Nine, host: str, port: int) -> None:
    """Serve until stopped; the vendors send webhooks as soon as they are told where to."""
    faces = _demo_faces(real, simulated, vendors.home)
    with working(vendors.home):
        if port:
            url = f"http://127.0.0.1:{port}"
            Thread(target=_announce, args=(vendors, url), name="announce", daemon=True).start()
        serve_receiver(real, host, port, faces)


def _announce(vendors: Nine, url: str) -> None:
    """Once the pages are served."""
    for _ in range(100):
        with suppress(httpx2.TransportError):
            httpx2.get(f"{url}/healthz")
            vendors.announce(url)
            return
        sleep(0.2)


def _demo_faces(real: Home, simulated: Home, connected: Home) -> list[BaseRoute]:
    """Both measured homes as pages, each at addresses of its own; the framework is that of the
    simulated network, connections and webhooks are those of the connected home."""
    return [
        *pages(real, demo.DAY, beside={"simulated network": "/simulated/"}),
        *pages(simulated, demo.SIMULATED_DAY, base="/simulated", beside={"real data": "/"}),
        *framework_routes(simulated),
        *attestation_routes(simulated),
        *connection_routes(connected.access, connected.ledger, connected.connectors),
        *WebhookReceiver(connected.deliveries).routes(),
    ]  # fmt: skip
