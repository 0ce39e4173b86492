"""A home that is connected to stand-ins by the flow of a customer, for tests and proofs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterstone.app import Home
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
    vendors: Mapping[str, Vendor]
    addresses: Mapping[str, str]
    connections: Mapping[str, list[Connection]]

    @property
    def hub(self) -> Hub:
        """The connected systems of the home."""
        return self.home.hub

    def fact_streams(self, name: str) -> list[str]:
        """Streams of a vendor that are asked for and give facts."""
        streams = self.home.connectors[name].streams.items()
        return [key for key, stream in streams if stream.facts and stream.request]

    def sync(self, *names: str, facts_only: bool = False) -> None:
        """Read the streams of the connections (of some vendors); all, or those that give facts."""
        for name in names or self.connections:
            for connection in self.connections[name]:
                chosen = self.fact_streams(name) if facts_only else self.hub.streams(connection)
                for stream in chosen:
                    self.hub.sync(connection.id, stream)

    def facts(self, fact: str, **where: str) -> list[dict[str, Any]]:
        """Rows that count now: newest revisions that were not taken back."""
        return [
            row for row in current(self.home, fact) if all(row[k] == v for k, v in where.items())
        ]


def current(home: Home, fact: str) -> list[dict[str, Any]]:
    """Current rows of a fact, those included that the home tells of itself."""
    home.hub.telemetry.flush()
    home.log.land(facts_of_ours(b"", "after what was told", "test"))  # commits are in order
    home.recorder.map_new()
    sql = f"SELECT k.* FROM {home.warehouse.relation(fact, None)} AS k"
    found: list[dict[str, Any]] = home.warehouse.query(sql).to_pylist()
    return found


@contextmanager
def home_for_sandbox(folder: Path) -> Iterator[Home]:
    """A new home that may call this machine."""
    home = Home(folder)
    home.egress = Egress(VENDORS.with_loopback())
    try:
        yield home
    finally:
        home.close()


@contextmanager
def standing_in(books: Books, *names: str) -> Iterator[tuple[dict[str, Vendor], dict[str, str]]]:
    """Serve stand-ins, without rate limits: by name, and their addresses."""
    made = {name: make(name, books, 1) for name in names}
    for vendor in made.values():
        if vendor.limits is not None:
            vendor.limits.on = False
    with running(*made.values()) as urls:
        yield made, dict(zip(made, urls, strict=True))


@contextmanager
def connected(
    folder: Path, vendors: Mapping[str, Vendor], addresses: Mapping[str, str]
) -> Iterator[Customer]:
    """A new home that is signed in at all of them."""
    with home_for_sandbox(folder) as home:
        connections = {
            name: connect(home.access, home.connectors[name], vendor.credentials(addresses[name]))
            for name, vendor in vendors.items()
        }
        yield Customer(home, vendors, addresses, connections)


@contextmanager
def customer(folder: Path, books: Books, *names: str) -> Iterator[Customer]:
    """Stand-ins, and a new home that is connected to them."""
    with (
        standing_in(books, *names) as (vendors, addresses),
        connected(folder, vendors, addresses) as made,
    ):
        yield made


def wait_for(seen: Callable[[], bool], most_s: float = 60.0) -> None:
    until = time.monotonic() + most_s
    while not seen():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
