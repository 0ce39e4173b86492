"""A home with a hub, connected to stand-ins by the same sign-in as to a vendor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterstone.connect.auth.access import Access
from meterstone.connect.auth.wishes import Wish
from meterstone.connect.catalogue import connectors
from meterstone.connect.client import Client
from meterstone.connect.egress import VENDORS, Egress
from meterstone.connect.formats import Mappings, vendor_formats
from meterstone.connect.hub import Hub
from meterstone.facts import vocabulary
from meterstone.ledger import Connection, Ledger
from meterstone.record.log import LandingLog
from meterstone.record.model import facts_of_ours
from meterstone.record.recorder import Recorder
from meterstone.warehouse.duckdb import DuckDBWarehouse


@dataclass
class Sandboxed:
    """The parts of a home that tests look at."""

    hub: Hub
    access: Access
    log: LandingLog
    recorder: Recorder

    def connect(
        self,
        connector: str,
        told: Mapping[str, Any],
        credentials: Mapping[str, str],
        **settings: str,
    ) -> Connection:
        """Connect to a stand-in: ``told`` is its line of ``meterstone sandbox up``."""
        self.access.register(connector, credentials, settings=told["settings"])
        wish = Wish(account=told["account"], settings=settings)
        return self.access.connect(connector, credentials, wish)

    def client(self, connection: Connection) -> Client:
        """Its client."""
        return self.hub.client(connection)

    def facts(self, fact: str) -> list[dict[str, Any]]:
        """Current rows of a fact."""
        self.hub.telemetry.flush()
        self.log.land(facts_of_ours(b"", "after what was told", "test"))  # commits are in order
        self.recorder.map_new()
        relation = self.recorder.warehouse.relation(fact, None)
        found: list[dict[str, Any]] = self.recorder.warehouse.query(
            f"SELECT k.* FROM {relation} AS k"
        ).to_pylist()
        return found


@contextmanager
def sandboxed(folder: Path) -> Iterator[Sandboxed]:
    """A home in a folder."""
    known = connectors()
    mappings = Mappings(lambda: known)
    ledger = Ledger.open(folder)
    log = LandingLog(folder / "landing.sqlite")
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb", vocabulary())
    recorder = Recorder(log, warehouse, vendor_formats(mappings))
    egress = Egress(VENDORS.with_loopback())
    access = Access(ledger, known, egress)
    hub = Hub(
        ledger=ledger, log=log, recorder=recorder, connectors=known, mappings=mappings,
        access=access, egress=egress, folder=folder,
    )  # fmt: skip
    try:
        yield Sandboxed(hub, access, log, recorder)
    finally:
        hub.close()
        log.close()
        warehouse.close()
        ledger.close()
