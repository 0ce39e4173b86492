"""The demonstration, and the simulated network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from starlette.routing import BaseRoute

from meterstone import demo
from meterstone.app import Home
from meterstone.cli.shared import (
    HomeOption,
    JsonOption,
    emit,
    log,
)
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
    """Load real sample data and a simulated network, measure both, and serve them as pages.

    Example: meterstone demo --no-serve
    """
    folder = home_path(home) if home else Path(".meterstone/demo")
    with log.status("loading real data, simulating a network, measuring both (about a minute)"):
        demo.make(folder)
    homes = {"real": folder, "simulated": demo.simulated_home(folder)}
    documents = {name: demo.document(path) for name, path in homes.items()}
    emit(documents, as_json=json_)
    if not json_:
        for document in documents.values():
            terminal.show(terminal.scorecard(document))
    if serve_page:
        with Home(homes["real"]) as real, Home(homes["simulated"]) as simulated:
            real.show(Scope("network"), demo.DAY, documents["real"])
            simulated.show(Scope("network"), demo.SIMULATED_DAY, documents["simulated"])
            serve_receiver(real, setting("host", host), port, _demo_faces(real, simulated))


def _demo_faces(real: Home, simulated: Home) -> list[BaseRoute]:
    """Both homes, each at addresses of its own; the framework is that of the simulated network."""
    return [
        *pages(real, demo.DAY, beside={"simulated network": "/simulated/"}),
        *pages(simulated, demo.SIMULATED_DAY, base="/simulated", beside={"real data": "/"}),
        *framework_routes(simulated),
        *attestation_routes(simulated),
    ]
