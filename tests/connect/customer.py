"""A home that is connected to stand-ins by the flow of a customer, for tests and proofs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterstone.app import Home
from meterstone.connect.auth.access import Access
from meterstone.connect.egress import VENDORS, Egress
from meterstone.connect.hub import Hub
from meterstone.demo.connecting import connect
from meterstone.ledger import Connection
from meterstone.record.model import facts_of_ours
from meterstone.sandbox.kit import Books, Vendor, make, running


@dataclass
class Customer:
    """Stand-ins, and a home that is connected to them."""

    home: Home
    hub: Hub
    access: Access
    vendors: Mapping[str, Vendor]
    addresses: Mapping[str, str]
    connections: Mapping[str, list[Connection]]

    def sync(self, *names: str) -> None:
        """Read every stream of the connections (of some vendors), and map."""
        for name in names or self.connections:
            for connection in self.connections[name]:
                for stream in self.hub.streams(connection):
                    self.hub.sync(connection.id, stream)

    def facts(self, fact: str, **where: str) -> list[dict[str, Any]]:
        """Rows that count now: newest revisions that were not taken back."""
        self.hub.telemetry.flush()
        self.home.log.land(facts_of_ours(b"", "after what was told", "test"))  # commits in order
        self.home.recorder.map_new()
        warehouse = self.home.warehouse
        sql = f"SELECT k.* FROM {warehouse.relation(fact, None)} AS k"
        found = [row for row in warehouse.query(sql).to_pylist() if not row["retracted"]]
        return [row for row in found if all(row[k] == v for k, v in where.items())]


@contextmanager
def customer(
    folder: Path, books: Books, *names: str, limits: bool = False, accounts: int | None = None
) -> Iterator[Customer]:
    """Serve stand-ins and connect a new home to them.

    Args:
        limits: whether the stand-ins hold their rate limits.
        accounts: of each vendor, at most.
    """
    made = {name: make(name, books, 1) for name in names}
    for vendor in made.values():
        if vendor.limits is not None:
            vendor.limits.on = limits
    with running(*made.values()) as urls:
        addresses = dict(zip(made, urls, strict=True))
        home = Home(folder)
        egress = Egress(VENDORS.with_loopback())
        access = Access(home.ledger, home.connectors, egress)
        hub = Hub(
            ledger=home.ledger, log=home.log, recorder=home.recorder, connectors=home.connectors,
            mappings=home.mappings, access=access, egress=egress, folder=folder,
        )  # fmt: skip
        connections = {}
        for name, vendor in made.items():
            given = vendor.credentials(addresses[name])
            if accounts is not None and "accounts" in given:
                given["accounts"] = given["accounts"][:accounts]
            connections[name] = connect(access, home.connectors[name], given)
        try:
            yield Customer(home, hub, access, made, addresses, connections)
        finally:
            hub.close()
            home.close()
