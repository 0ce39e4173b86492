"""Sync throughput against the sandbox, as a ratio to a bare loop of httpx2 over the same pages; and
peak memory of a sync of ten thousand records and of a million.

The stand-in is a process of its own, with its rate limit off. Ours ends when every record of the
stream is landed on disk and its facts are in the warehouse; the bare loop reads the same pages with
the same token and parses their JSON for the next cursor. Both sides share the processors with the
stand-in, and rounds of the two take turns.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.report import Figure, Outcome, spread
from meterstone.app import Home
from meterstone.connect.auth.wishes import Wish
from meterstone.connect.egress import VENDORS, Egress
from meterstone.connect.landing import SITES
from meterstone.connect.walk import moments
from meterstone.demo.connecting import connect
from meterstone.facts import vocabulary
from meterstone.ledger import Connection
from meterstone.sandbox.kit import Books, make, running
from meterstone.sandbox.network import preset, simulate
from meterstone.warehouse.duckdb import DuckDBWarehouse

ROUNDS = 3
STREAM = "orders"
SMALL, LARGE = 10_000, 1_000_000
_PAGE = 500
_MONTHS, _SHOPS = 13, 24
_START = datetime(2020, 1, 1, tzinfo=UTC)


def run(records: int, step: Callable[[str], None], *, whole: bool = False) -> Outcome:
    """Throughput, and memory up to ``records`` (with few records: throughput alone)."""
    del whole  # nothing is measured with the catalogue
    step("a simulated network")
    with tempfile.TemporaryDirectory() as folder:
        simulate(preset("honest", shops=_SHOPS, months=_MONTHS, telemetry_days=None, seed=1),
                 Path(folder, "facts"))  # fmt: skip
        throughput, notes = _throughput(Path(folder), step)
    if records <= SMALL:
        return Outcome("sync", [throughput], notes)
    peaks = {}
    for count in (SMALL, records):
        step(f"memory of {count:,} records")
        peaks[count] = _peak(count)
    memory = Figure(
        f"peak memory of a sync of {records:,} records over {SMALL:,}",
        f"{peaks[records]:.0f} MiB", f"{peaks[SMALL]:.0f} MiB", peaks[records] / peaks[SMALL], 1.2,
    )  # fmt: skip
    return Outcome("sync", [throughput, memory], [
        *notes,
        "memory: resident memory of the whole process with a warehouse that may use 64 MB; pages "
        f"of {_PAGE} records, made when asked for by a process of their own",
    ])  # fmt: skip


def _throughput(folder: Path, step: Callable[[str], None]) -> tuple[Figure, list[str]]:
    ours, bare, count = [], [], 0
    with _child("square", folder / "facts") as told:
        for number in range(ROUNDS):
            step(f"round {number + 1} of {ROUNDS}")
            with _home(folder / f"home{number}") as home:
                [connection] = connect(home.access, home.connectors["square"], told)
                connection = home.hub.find_sites(connection)
                home.hub.settle_memory()  # as `meterstone sync` does
                bare.append(_bare(home, connection))
                began = time.monotonic()
                count = home.hub.sync(connection.id, STREAM, priority="backfill").read
                ours.append(time.monotonic() - began)
    ratio = median(b / o for b, o in zip(bare, ours, strict=True))
    figure = Figure(
        "records a second: sync over a bare loop of httpx2",
        f"{count / median(ours):,.0f}/s", f"{count / median(bare):,.0f}/s", ratio, 0.7,
        at_least=True,
    )  # fmt: skip
    return figure, [
        f"{count:,} orders of Square's stand-in in pages of {_PAGE}, {ROUNDS} rounds: ours "
        f"{spread(ours)}, bare loop {spread(bare)}; the ratio is the median of the rounds'",
        "ours ends when all is landed (fsync a page), checkpointed (fsync a page) and mapped into "
        "the warehouse; the next page is fetched meanwhile",
    ]


def _bare(home: Home, connection: Connection) -> float:
    """The same pages by httpx2 alone."""
    client = home.hub.client(connection)
    stream = home.connectors["square"].streams[STREAM]
    assert stream.request is not None
    sites = tuple(sorted(connection.settings[SITES]))
    values = moments(stream.cursor, None, datetime.now(UTC))
    groups = [sites[i : i + stream.at_once] for i in range(0, len(sites), stream.at_once)]
    calls = [client.call(stream.request, values, sites=group) for group in groups]
    signed = calls[0].to_http()
    home.access.authorizer(connection.id).apply(signed)
    began = time.monotonic()
    with Egress(VENDORS.with_loopback()).client(timeout=30.0) as http:
        for call in calls:
            cursor: str | None = ""
            while cursor is not None:
                asked = call.with_value("body.cursor", cursor) if cursor else call
                request = asked.to_http()
                request.headers["Authorization"] = signed.headers["Authorization"]
                cursor = http.send(request).raise_for_status().json().get("cursor")
    return time.monotonic() - began


@contextmanager
def _home(folder: Path) -> Iterator[Home]:
    home = Home(folder)
    home.egress = Egress(VENDORS.with_loopback())
    try:
        yield home
    finally:
        home.close()


@contextmanager
def _child(*arguments: object) -> Iterator[dict[str, Any]]:
    """A server in a process of its own; what it tells in its first line."""
    command = [sys.executable, "-m", "bench.sync", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def _serve_square(facts: Path) -> None:
    vendor = make("square", Books(facts), 1)
    if vendor.limits is not None:
        vendor.limits.on = False
    with running(vendor) as [url]:
        print(json.dumps(vendor.credentials(url)), flush=True)
        time.sleep(3600)


# -- memory ----------------------------------------------------------------------------------------


def _peak(records: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "bench.sync", "memory", str(records)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    return float(done.stdout)


def _memory(records: int) -> float:
    """Peak resident memory of a process that syncs so many records, in MiB."""
    with tempfile.TemporaryDirectory() as folder, _child("pages", records) as told:
        own = Path(folder, "connectors", "acme")
        own.mkdir(parents=True)
        acme = Path(__file__).parents[1] / "tests" / "connect" / "acme.yaml"
        (own / "connector.yaml").write_text(acme.read_text())
        with _home(Path(folder)) as home:
            home.warehouse = DuckDBWarehouse(
                Path(folder, "warehouse.duckdb"), vocabulary(), memory_limit="64MB"
            )
            home.access.register("acme", {"key": "k"}, settings={"base_url": told["url"]})
            wish = Wish(account="M1", franchise_id="F0001", settings={})
            connection = home.access.connect("acme", {"key": "k"}, wish)
            report = home.hub.sync(connection.id, "payments", priority="backfill")
            rows = home.warehouse.count("payment")
    if report.read != records or rows != records:
        raise SystemExit(f"{records:,} records were asked for, {rows:,} are facts")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _serve_pages(records: int) -> None:
    class Pages(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            start = int(query.get("cursor", ["0"])[0])
            page = [_payment(number) for number in range(start, min(start + _PAGE, records))]
            answer: dict[str, Any] = {"payments": page}
            if start + _PAGE < records:
                answer["cursor"] = str(start + _PAGE)
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
        server.serve_forever()


def _payment(number: int) -> dict[str, Any]:
    at = (_START + timedelta(seconds=100 * number)).isoformat()
    return {
        "id": f"p{number:08}", "created_at": at, "updated_at": at, "location_id": "L1",
        "amount_money": {"amount": 1000 + number % 5000, "currency": "USD"},
        "tip_money": {"amount": 100, "currency": "USD"}, "status": "COMPLETED",
    }  # fmt: skip


if __name__ == "__main__":
    kind, argument = sys.argv[1:]
    if kind == "square":
        _serve_square(Path(argument))
    elif kind == "pages":
        _serve_pages(int(argument))
    else:
        print(_memory(int(argument)))
