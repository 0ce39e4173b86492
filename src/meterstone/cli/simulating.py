"""``meterstone simulate``: a network that knows the truth, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meterstone.cli.shared import HomeOption, JsonOption, emit, log
from meterstone.measure.results import rfc3339
from meterstone.sandbox.network import PRESETS, preset
from meterstone.sandbox.network import simulate as simulate_network

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
