"""A small vendor on this machine, for the tests of the runtime: pages, one record, faults."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from meterstone.connect.auth.base import CredentialBroken
from meterstone.connect.catalogue import connectors
from meterstone.connect.clock import SystemClock
from meterstone.connect.egress import VENDORS, Egress
from meterstone.connect.formats import Mappings, vendor_formats
from meterstone.connect.hub import Hub
from meterstone.facts import vocabulary
from meterstone.ledger import Connection, Ledger
from meterstone.record.log import LandingLog
from meterstone.record.model import facts_of_ours
from meterstone.record.recorder import Recorder
from meterstone.warehouse.duckdb import DuckDBWarehouse

FILE = Path(__file__).parent / "acme.yaml"
KEY = "sk-test-0123456789"
START = datetime(2026, 3, 1, 9, tzinfo=UTC)

Fault = Callable[["Handler"], bool]
"""Answers a request instead of the vendor; false: it does not want to."""


@dataclass
class Acme:
    """The vendor's records, and what it was asked."""

    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    size: int = 100
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, count: int, first: int = 0, **change: Any) -> None:
        """Payments, a minute apart."""
        for number in range(first, first + count):
            self.put(f"p{number:05}", START + timedelta(minutes=number), **change)

    def put(self, ref: str, at: datetime, **change: Any) -> None:
        """One payment, changed at a moment."""
        text = at.isoformat().replace("+00:00", "Z")
        self.payments[ref] = {
            "id": ref, "created_at": text, "updated_at": text, "location_id": "L1",
            "amount_money": {"amount": 1000, "currency": "USD"}, "status": "COMPLETED", **change,
        }  # fmt: skip

    def page(self, since: str, cursor: str) -> dict[str, Any]:
        """A page of payments from a moment on, oldest change first."""
        with self.lock:
            found = sorted(
                (p for p in self.payments.values() if p["updated_at"] >= since),
                key=lambda p: (p["updated_at"], p["id"]),
            )
        start = int(cursor or 0)
        answer: dict[str, Any] = {"payments": found[start : start + self.size]}
        if start + self.size < len(found):
            answer["cursor"] = str(start + self.size)
        return answer


class Handler(BaseHTTPRequestHandler):
    """Answers for `Acme`."""

    protocol_version = "HTTP/1.1"
    acme: Acme

    def do_GET(self) -> None:
        self.acme.asked.append(self.path)
        for fault in list(self.acme.faults):
            if fault(self):
                return
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self.give({"errors": [{"detail": f"bad key {self.headers['Authorization']}"}]}, 401)
            return
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/v2/payments":
            self.give(self.acme.page(query.get("updated_from", ""), query.get("cursor", "")))
        elif url.path == "/v2/locations":
            self.give({"locations": [{"id": "L1", "name": "F0001"}, {"id": "L2", "name": "F0002"}]})
        elif url.path == "/v2/ping":
            self.give({"ok": True})
        else:
            found = self.acme.payments.get(url.path.rpartition("/")[2])
            missing = {"errors": [{"detail": "not found"}]}
            self.give({"payment": found} if found else missing, 200 if found else 404)

    def give(
        self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """A client that was killed is no error of the vendor."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving() -> Iterator[Acme]:
    """The vendor at a port of this machine."""
    acme = Acme()
    handler = type("Bound", (Handler,), {"acme": acme})
    server = Server(("127.0.0.1", 0), handler)
    acme.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield acme
    finally:
        server.shutdown()
        server.server_close()


class Key:
    """An authorizer with one key; ``renewed`` counts renewals, each of which gives ``next``."""

    def __init__(self, key: str = KEY, following: str = "") -> None:
        self.key = key
        self.following = following
        self.renewed = 0
        self.values: dict[str, str] = {}

    def apply(self, request: httpx2.Request) -> int:
        request.headers["Authorization"] = f"Bearer {self.key}"
        return self.renewed

    def renew(self, after: int) -> bool:
        if not self.following or after < self.renewed:
            return bool(self.following)
        self.renewed += 1
        self.key = self.following
        return True

    def refused(self, _version: int) -> CredentialBroken:
        return CredentialBroken("Acme POS does not accept the API key", mend="connect again")

    def describe(self) -> str:
        return "API key"


class OneKey:
    """Everybody's access."""

    def __init__(self, url: str, key: Key) -> None:
        self.url = url
        self.key = key

    def authorizer(self, _connection: str) -> Key:
        return self.key

    def values(self, _connection: Connection) -> dict[str, str]:
        return {"base_url": self.url}


class Quick(SystemClock):
    """Pauses are noted instead of slept through."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@dataclass
class Scene:
    """A hub that is connected to the vendor."""

    hub: Hub
    acme: Acme
    key: Key
    clock: Quick
    ledger: Ledger
    log: LandingLog
    recorder: Recorder
    connection: Connection

    def facts(self, fact: str) -> list[dict[str, Any]]:
        """Current rows of a fact, told by then."""
        self.hub.telemetry.flush()
        self.log.land(facts_of_ours(b"", "after what was told", "test"))  # commits are in order
        self.recorder.map_new()
        relation = self.recorder.warehouse.relation(fact, None)
        return self.recorder.warehouse.query(f"SELECT k.* FROM {relation} AS k").to_pylist()


@contextmanager
def scene(
    folder: Path,
    acme: Acme,
    *,
    connector: str = "acme",
    file: str | None = None,
    clock: Quick | None = None,
) -> Iterator[Scene]:
    """A home with one connection to the vendor."""
    if connector == "acme":
        own = folder / "connectors" / "acme"
        own.mkdir(parents=True, exist_ok=True)
        (own / "connector.yaml").write_text(file or FILE.read_text())
    known = connectors(folder)
    mappings = Mappings(lambda: known)
    ledger = Ledger.open(folder)
    log = LandingLog(folder / "landing.sqlite")
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb", vocabulary())
    recorder = Recorder(log, warehouse, vendor_formats(mappings))
    key, quick = Key(), clock or Quick()
    hub = Hub(
        ledger=ledger, log=log, recorder=recorder, connectors=known, mappings=mappings,
        access=OneKey(acme.url, key), egress=Egress(VENDORS.with_loopback()), folder=folder,
        clock=quick,
    )  # fmt: skip
    with ledger.change("test") as change:
        made = change.connections.find(connector, "M1") or change.connections.add(
            connector=connector, account="M1", status="active"
        )
    try:
        yield Scene(hub, acme, key, quick, ledger, log, recorder, made)
    finally:
        hub.close()
        log.close()
        warehouse.close()
        ledger.close()
