"""The third part of the demonstration: all nine vendors stood in for, and a home that is connected
to them the way a customer is, while records keep coming in."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from meterstone.app import Home
from meterstone.connect.egress import VENDORS, Egress
from meterstone.connect.hooks import Hooks
from meterstone.demo.connecting import connect
from meterstone.errors import MeterstoneError
from meterstone.ledger import Connection
from meterstone.sandbox.kit import Books, Vendor, known_vendors, make, running
from meterstone.sandbox.network import preset, simulate

_SHOPS, _MONTHS = 8, 4
_SEED = 1
_PACE = 1 / 60
"""Of the vendors' schedules of webhooks: nobody waits an hour in a demonstration."""

_CODE_S = 20.0


@dataclass
class Nine:
    """The stand-ins, and the home that is connected to them."""

    home: Home
    vendors: Mapping[str, Vendor]
    addresses: Mapping[str, str]
    connections: list[Connection] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def connect(self) -> None:
        """Sign in everywhere, and read everything for the first time."""
        for name, vendor in self.vendors.items():
            of = self.home.connectors[name]
            given = vendor.credentials(self.addresses[name])
            self.connections += connect(self.home.access, of, given)
        with ThreadPoolExecutor(4, thread_name_prefix="first-sync") as pool:
            list(pool.map(self._read, self.connections))
        self.home.hub.telemetry.flush()
        self.home.recorder.map_new()

    def _read(self, connection: Connection) -> None:
        for stream in self.home.hub.streams(connection):
            try:
                self.home.hub.sync(connection.id, stream)
            except MeterstoneError as error:
                self.problems.append(f"{connection.connector} {stream}: {error.cause}")

    def announce(self, url: str) -> None:
        """Register our address at every vendor that sends webhooks; ``url`` is served already."""
        for name, vendor in self.vendors.items():
            if self.home.connectors[name].webhooks is not None and vendor.sender is not None:
                announce(self.home, name, self.addresses[name], url)

    def summary(self) -> list[dict[str, Any]]:
        """One entry a vendor: connections, records read, what went wrong."""
        with self.home.ledger.read() as seen:
            told = []
            for name in self.vendors:
                own = [c for c in self.connections if c.connector == name]
                cursors = [cursor for c in own for cursor in seen.cursors.of(c.id)]
                last = [cursor.value.get("last") or {} for cursor in cursors]
                told.append(
                    {
                        "vendor": name, "simulated": True, "address": self.addresses[name],
                        "connections": len(own), "streams": len(last),
                        "records": sum(int(each.get("read") or 0) for each in last),
                        "problems": [p for p in self.problems if p.startswith(f"{name} ")],
                    }
                )  # fmt: skip
        return told


@contextmanager
def nine(folder: Path) -> Iterator[Nine]:
    """Simulate a small network, serve all vendors from it, and open a home for them."""
    shutil.rmtree(folder, ignore_errors=True)  # the vendors are new, so no token of before holds
    network = folder / "network"
    chosen = preset("honest", shops=_SHOPS, months=_MONTHS, telemetry_days=None, seed=_SEED)
    simulate(chosen, network)
    books = Books(network)
    vendors = {name: make(name, books, _SEED) for name in known_vendors()}
    with running(*vendors.values(), live=True, seed=_SEED) as urls, Home(folder) as home:
        home.egress = Egress(VENDORS.with_loopback())
        yield Nine(home, vendors, dict(zip(vendors, urls, strict=True)))


def announce(home: Home, connector: str, vendor: str, url: str) -> str:
    """Register an address of ours at a stand-in, as a person does at the vendor.

    Args:
        vendor: address of the stand-in.
        url: where we are reached.

    Returns:
        the id of the hook.
    """
    hooks = Hooks(home.ledger, home.connectors, "demo")
    added = hooks.add(connector, url)
    control = f"{vendor}/_sandbox/webhooks"
    spec = home.connectors[connector].webhooks
    ours = added.key if spec is not None and spec.scheme.kind == "standard_webhooks" else ""
    asked = {"url": added.url, "pace": _PACE, "secret": ours}
    target = httpx2.post(control, json=asked).json()
    if spec is not None and spec.scheme.has_key and not ours:
        hooks.set_key(added.hook.id, target["secret"])
    if spec is not None and spec.scheme.handshake:
        code = _handshake(home, connector, added.hook.id)
        httpx2.post(f"{control}/{target['id']}/confirm", json={"code": code}).raise_for_status()
    return added.hook.id


def _handshake(home: Home, connector: str, hook: str) -> str:
    """The code that the vendor sent to our address."""
    until = time.monotonic() + _CODE_S
    while time.monotonic() < until:
        with home.ledger.read() as seen:
            for each in seen.inbound.hooks(connector):
                if each.id == hook and each.handshake:
                    return each.handshake
        time.sleep(0.1)
    raise TimeoutError(f"the verification of {connector} did not come")
