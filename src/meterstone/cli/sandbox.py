"""Commands of the sandbox: stand-ins of the vendors on this machine."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from meterstone.cli.shared import HomeOption, JsonOption, log
from meterstone.errors import InputError
from meterstone.sandbox.kit import KINDS, Books, Vendor, known_vendors, make, running
from meterstone.sandbox.network import PRESETS, preset, simulate
from meterstone.settings import home_path

app = typer.Typer()
sandbox_app = typer.Typer(no_args_is_help=True, help="Stand-ins of the vendors, on this machine.")
app.add_typer(sandbox_app, name="sandbox")


@sandbox_app.command("up")
def up(
    name: Annotated[
        str, typer.Option("--preset", help="Whose data: " + ", ".join(PRESETS) + ".")
    ] = "honest",
    seed: Annotated[int | None, typer.Option(help="Same seed, same data and ids.")] = None,
    shops: Annotated[int | None, typer.Option(help="Shops, 1 to 2000.")] = 24,
    months: Annotated[int | None, typer.Option(help="Length of the history, 2 to 48.")] = 13,
    facts: Annotated[
        Path | None, typer.Option(help="Simulated facts that are there (`meterstone simulate`).")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="A vendor; repeat it.")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help=f"KIND or VENDOR:KIND of {', '.join(KINDS)}; repeat it."),
    ] = None,
    port: Annotated[int, typer.Option(help="First port; the others follow. 0: free ones.")] = 0,
    live: Annotated[
        bool, typer.Option("--live", help="New records and edits keep coming in.")
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option(help="Folder for VENDOR.json, what a client needs (default: HOME/sandbox)."),
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Serve the vendors' APIs from simulated data until stopped.

    Example: meterstone sandbox up --shops 12 --live --json
    """
    folder = write or home_path(home) / "sandbox"
    names = only or known_vendors()
    with _books(name, shops, months, seed, facts) as books, _until_stopped() as stopped:
        vendors = [make(vendor, books, seed or 1) for vendor in names]
        for asked in fault or []:
            _switch_on(asked, vendors)
        ports = [port + nth for nth in range(len(vendors))] if port else []
        with running(*vendors, ports=ports, live=live, seed=seed or 1) as addresses:
            told = {
                vendor.name: vendor.credentials(address)
                for vendor, address in zip(vendors, addresses, strict=True)
            }
            _write(told, folder)
            _show(told, folder, as_json=json_)
            stopped.wait()


def _write(told: dict[str, Any], folder: Path) -> None:
    """What a client of each vendor needs, in a file that only its owner may read."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, given in told.items():
        path = folder / f"{name}.json"
        path.unlink(missing_ok=True)
        with open(path, "x", encoding="utf-8", opener=_private) as file:
            json.dump(given, file, indent=1)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _show(told: dict[str, Any], folder: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(told), flush=True)
        return
    print("Simulated vendors with simulated data, at:")
    for name, given in told.items():
        print(f"  {name:12} {given['base_url']}  account {given['account']}")
    print("To connect to one, in another terminal:")
    for name in told:
        print(f"  meterstone connect {name} --credentials {folder / name}.json")
    print(
        "then: meterstone sync. Both with METERSTONE_ALLOW_LOOPBACK=1, since the stand-ins are on "
        "this machine.\nStop with Ctrl-C.",
        flush=True,
    )


@contextmanager
def _books(
    name: str, shops: int | None, months: int | None, seed: int | None, facts: Path | None
) -> Iterator[Books]:
    if facts is not None:
        yield Books(facts)
        return
    with TemporaryDirectory(prefix="meterstone-sandbox-") as folder:
        chosen = preset(name, shops=shops, months=months, telemetry_days=None, seed=seed)
        with log.status("simulating a network"):
            simulate(chosen, Path(folder))
        yield Books(Path(folder))


def _switch_on(asked: str, vendors: list[Vendor]) -> None:
    of, colon, kind = asked.rpartition(":")
    met = [vendor for vendor in vendors if not colon or vendor.name == of]
    if not met:
        raise InputError(f"{of!r} is not served", place="--fault", mend="--fault square:latency")
    for vendor in met:
        vendor.faults.switch_on(kind)


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    stopped = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stopped.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
