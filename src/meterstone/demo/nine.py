"""All nine vendors stood in for, with the books of one simulated network, and a home that is
connected to them the way a customer is, while records keep coming in."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from meterstone.app import Home
from meterstone.connect.egress import VENDORS, Egress
from meterstone.connect.hooks import Hooks
from meterstone.demo.connecting import connect
from meterstone.errors import MeterstoneError
from meterstone.ledger import Connection
from meterstone.sandbox.kit import Books, Vendor, known_vendors, make, running

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

    def connect(self) -> None:
        """Sign in everywhere; what is there is read by the syncs that follow."""
        for name, vendor in self.vendors.items():
            of = self.home.connectors[name]
            given = vendor.credentials(self.addresses[name])
            self.connections += connect(self.home.access, of, given)

    def announce(self, url: str) -> None:
        """Register our address at every vendor that sends webhooks; ``url`` is served already."""
        for name, vendor in self.vendors.items():
            if self.home.connectors[name].webhooks is not None and vendor.sender is not None:
                announce(self.home, name, self.addresses[name], url)


@contextmanager
def nine(home: Home, books: Path) -> Iterator[Nine]:
    """Serve all vendors from the facts of a simulated network, while a home may call them.

    Args:
        home: to be connected.
        books: the folder of the facts.
    """
    known = Books(books)
    vendors = {name: make(name, known, _SEED) for name in known_vendors()}
    with running(*vendors.values(), live=True, seed=_SEED) as urls:
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
    raise MeterstoneError(
        f"the verification of {connector} did not come", place="demo", mend="start it again"
    )
