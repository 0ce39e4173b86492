"""The connected systems of one home: clients, runs, probes, and what follows from how they end."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from meterstone.connect.auth.base import Authorizer, CredentialBroken
from meterstone.connect.breaker import Breaker, Outage
from meterstone.connect.catalogue import Connectors
from meterstone.connect.client import Client, Shared
from meterstone.connect.clock import Clock, SystemClock
from meterstone.connect.egress import Egress
from meterstone.connect.formats import Mappings
from meterstone.connect.incidents import Incidents
from meterstone.connect.landing import SITES
from meterstone.connect.limits import Budget, Budgets
from meterstone.connect.paths import at_path
from meterstone.connect.problems import CircuitOpen, VendorError
from meterstone.connect.reachability import Reachability
from meterstone.connect.spec import Connector, Health
from meterstone.connect.sync import Report, Storage, Sync
from meterstone.connect.telemetry import Telemetry
from meterstone.connect.values import word
from meterstone.connect.walk import Walk
from meterstone.errors import MeterstoneError
from meterstone.facts import Reject
from meterstone.ledger import Connection, Ledger, Priority
from meterstone.record.log import LandingLog
from meterstone.record.recorder import Recorder

SYNC, FETCH, PROBE = "sync", "fetch", "probe"
"""Kinds of jobs."""

_FAIL_REASONS = {
    "timeout": "timeout", "connection": "connection", "authentication": "authentication",
    "permission": "authentication", "rate_limit": "rate_limit", "server": "provider_down",
    "other": "bad_response",
}  # fmt: skip


class Access(Protocol):
    """Who is signed in where (`meterstone.connect.auth.access`)."""

    def authorizer(self, connection: str) -> Authorizer:
        """What puts a connection's credential on requests."""

    def values(self, connection: Connection) -> dict[str, str]:
        """Values for templates, without what only a sign-in tells."""


class Hub:
    """Wires the parts for one home. Thread-safe.

    Args:
        ledger: connections, cursors, jobs.
        log, recorder: where what comes is landed and mapped.
        connectors, mappings: what vendors are like.
        access: who is signed in where.
        egress: the way out.
        folder: of the home.
        clock: the time.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        log: LandingLog,
        recorder: Recorder,
        connectors: Connectors,
        mappings: Mappings,
        access: Access,
        egress: Egress,
        folder: Path,
        clock: Clock | None = None,
    ) -> None:
        self.ledger = ledger
        self.connectors = connectors
        self.mappings = mappings
        self.clock = clock or SystemClock()
        self.telemetry = Telemetry(log.land_soon, self.clock)
        self._access = access
        self._recorder = recorder
        self._storage = Storage(
            ledger, log, recorder, self.telemetry, folder / "connect", self.clock
        )
        self._http = egress.client(timeout=30.0)
        self._shared = Shared(self._http, self.telemetry, Reachability(self.clock), self.clock)
        self._budgets = Budgets(self.clock)
        self._lock = threading.Lock()
        self._clients: dict[str, tuple[int, Client]] = {}
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self.incidents = Incidents(self.telemetry, recorder.warehouse)

    # -- who is there -----------------------------------------------------------------------------

    def connection(self, connection: str) -> Connection:
        """A connection by its id.

        Raises:
            InputError: there is none.
        """
        with self.ledger.read() as seen:
            return seen.connections.get(connection)

    def active(self, connector: str | None = None) -> list[Connection]:
        """Connections that are synced: of a connector, or all."""
        with self.ledger.read() as seen:
            found = seen.connections.all(connector, "active")
        return [each for each in found if each.connector in self.connectors]

    def client(self, connection: Connection) -> Client:
        """The client of a connection; the same for all threads until the connection changes."""
        with self._lock:
            version, client = self._clients.get(connection.id, (0, None))
            if client is None or version != connection.version:
                client = self._made(connection)
                self._clients[connection.id] = connection.version, client
            return client

    def _made(self, connection: Connection) -> Client:
        connector = self.connectors[connection.connector]
        values = self._access.values(connection)
        host = urlsplit(values.get("base_url") or connector.base_url).netloc
        key = connector.connector, host
        if key not in self._breakers:
            changed = partial(self._outage_changed, connector.connector)
            self._breakers[key] = Breaker(self.clock, changed)
        return Client(
            connector, connection, values, self._access.authorizer(connection.id),
            self._budgets_of(connector, connection), self._breakers[key], self._shared,
        )  # fmt: skip

    def _budgets_of(self, connector: Connector, connection: Connection) -> tuple[Budget, ...]:
        by_key = {
            "connection": f"connection {connection.id}",
            "app": f"app {connector.connector} {connection.environment}",
        }
        found = []
        for scope, key in by_key.items():
            limits = [limit for limit in connector.limits if limit.scope == scope]
            if limits or scope == "connection":
                found.append(self._budgets.of(key, limits))
        return tuple(found)

    # -- runs -------------------------------------------------------------------------------------

    def sync(
        self,
        connection: str,
        stream: str,
        *,
        priority: Priority = "live",
        full: bool = False,
        on_page: Callable[[Report], None] = lambda _: None,
    ) -> Report:
        """One run of one stream.

        Raises:
            VendorError, AuthError, SyncError: it ended early; the next goes on from there.
            ConflictError: another run of the stream works.
        """
        found = self.connection(connection)
        of_stream = self.connectors[found.connector].streams[stream]
        if of_stream.for_each and not found.settings.get(SITES):
            found = self.find_sites(found)
        with self._watched(found):
            report = self._sync(found, stream).run(
                priority=priority, full=full, on_page=on_page,
                find_sites=partial(self.find_sites, found) if of_stream.site else None,
            )  # fmt: skip
        if report.status == "success":
            self.incidents.synced(found.connector, found.id, self.clock.now())
        return report

    def fetch(
        self, connection: str, stream: str, ref: str, *, priority: Priority = "live"
    ) -> Report:
        """Read one record by its id.

        Raises:
            VendorError, AuthError: it could not be read.
        """
        found = self.connection(connection)
        with self._watched(found):
            return self._sync(found, stream).fetch(ref, priority=priority)

    def withdraw(self, connection: str, stream: str, ref: str) -> Report:
        """A record that the vendor says was deleted."""
        return self._sync(self.connection(connection), stream).withdraw(ref)

    def _sync(self, connection: Connection, stream: str) -> Sync:
        key = connection.connector
        return Sync(
            self._storage, self.client(connection), self.mappings.of(key, stream), stream,
            self.connectors.quirks(key),
        )  # fmt: skip

    def find_sites(self, connection: Connection) -> Connection:
        """Read the vendor's sites and note which franchise each is; what a person said stays."""
        sites = self.connectors[connection.connector].sites
        if sites is None:
            return connection
        mapping = self.mappings.of(connection.connector, sites.stream)
        walk = Walk(
            self.client(connection), sites.stream, mapping, since=None, until=self.clock.now()
        )
        found: dict[str, str] = {}
        for page in walk.pages():
            for record in page.records:
                if not isinstance(record, Reject):
                    site = word(at_path(record, sites.id))
                    name = word(at_path(record, sites.franchise))
                    if site and name:
                        found[site] = name
        with self.ledger.change("hub") as change:
            now = change.connections.get(connection.id)
            merged = {**found, **now.settings.get(SITES, {})}
            return change.connections.update(
                connection.id, settings={**now.settings, SITES: merged}
            )

    def _watched(self, connection: Connection) -> _Watched:
        return _Watched(self, connection)

    # -- health -----------------------------------------------------------------------------------

    def probe(self, connection: str) -> bool:
        """Ask the vendor whether it works: a `probe` fact, and what the breaker learns."""
        found = self.connection(connection)
        connector = self.connectors[found.connector]
        if connector.health is None:
            return True
        client, at, began = self.client(found), self.clock.now(), self.clock.monotonic()
        try:
            client.send(client.call(connector.health.request), priority="interactive")
        except CircuitOpen:
            return False
        except VendorError as error:
            self._tell_probe(found, connector.health, at, None, error.kind)
            return False
        except CredentialBroken:
            self._tell_probe(found, connector.health, at, None, "authentication")
            self.incidents.broken(found.connector, found.id, at)
            return False
        took = (self.clock.monotonic() - began) * 1000
        self._tell_probe(found, connector.health, at, took, None)
        return True

    def _tell_probe(
        self, connection: Connection, health: Health, at: datetime, took_ms: float | None,
        kind: str | None,
    ) -> None:  # fmt: skip
        self.telemetry.add(
            "probe",
            {
                "probe_id": f"{connection.id}-{at:%Y%m%dT%H%M%S%f}", "at": at,
                "component": "integration", "check_key": f"{connection.connector} health",
                "interval_s": int(health.every.total_seconds()), "ok": kind is None,
                "latency_ms": took_ms, "location": "hub", "maintenance": False, "alerting": True,
                "fail_reason": _FAIL_REASONS.get(kind, "other") if kind else "none",
                "integration": connection.connector, "source": "hub",
                "environment": connection.environment,
            },
        )  # fmt: skip

    def outages(self) -> list[tuple[str, Outage]]:
        """The vendors that are down as seen from here, each with its outage."""
        found = [(key, breaker.outage) for (key, _), breaker in list(self._breakers.items())]
        return [(key, outage) for key, outage in found if outage is not None]

    def down(self) -> Iterator[Connection]:
        """One connection of each vendor that is down: for looking whether it is up again."""
        for (key, _), breaker in list(self._breakers.items()):
            if breaker.state != "closed":
                yield from self.active(key)[:1]

    def _outage_changed(self, connector: str, outage: Outage) -> None:
        if outage.answered_at is None:
            self.incidents.outage(connector, outage)
        else:
            self.resync(connector)

    def resync(self, connector: str) -> int:
        """Queue all streams of a vendor that is up again; how many jobs."""
        jobs = 0
        with self.ledger.change("hub") as change:
            for connection in change.connections.all(connector, "active"):
                for stream in self.streams(connection):
                    change.queue.put(
                        SYNC, *job(connection.id, stream), **options(connection, stream)
                    )
                    jobs += 1
        return jobs

    def streams(self, connection: Connection) -> list[str]:
        """Streams of a connection that are asked for, the vendor's sites first. None where there is
        nothing to ask: a vendor without an API that gave no link."""
        connector = self.connectors[connection.connector]
        if connector.status == "no_api" and "base_url" not in self._access.values(connection):
            return []
        first = connector.sites.stream if connector.sites else ""
        asked = [name for name, stream in connector.streams.items() if stream.request]
        return sorted(asked, key=lambda name: name != first)

    @staticmethod
    def settle_memory() -> None:
        """For a process that does nothing but sync: what is loaded by now stays, so the collector
        need not look at it while pages are decoded (a third of the time of a page)."""
        gc.collect()
        gc.freeze()

    def close(self) -> None:
        """Land what is told, and let go of the network."""
        self.telemetry.flush()
        self._http.close()


class _Watched:
    """A run whose end says something about its connection."""

    def __init__(self, hub: Hub, connection: Connection) -> None:
        self._hub = hub
        self._connection = connection

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, CredentialBroken):
            self._hub.incidents.broken(
                self._connection.connector, self._connection.id, self._hub.clock.now()
            )
        if isinstance(error, MeterstoneError):
            self._hub.telemetry.flush()


def job(connection: str, stream: str, **more: Any) -> tuple[Mapping[str, Any]]:
    """The payload of a job on a stream."""
    return ({"connection": connection, "stream": stream, **more},)


def options(connection: Connection, stream: str) -> dict[str, Any]:
    """How a sync is queued: once while it waits, one run of a stream at a time."""
    name = f"{connection.id}:{stream}"
    return {"dedupe": f"sync:{name}", "group": f"sync:{name}"}
