"""Pages and API as they are read: at 1,250 requests a second, and as many as there can be, against
a bare Starlette route in the same run.

Ours: a server process with the whole house (guard, limits, cache, pages, API) over a measured
simulated network, asked with a token. The other side: a process of the same server with one route
that answers as many bytes. The requests of a second begin at even moments, whether answers came or
not, and a latency counts from the moment at which its request was due.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.report import Figure, Outcome
from meterstone.app import Home
from meterstone.people.principals import can_give, principal_of
from meterstone.record.ingest import ingest
from meterstone.sandbox.network import preset, simulate

RATE = 1_250
"""Requests a second that the framework wants to be answered (its transaction throughput)."""
SECONDS, ROUNDS, CONNECTIONS = 8, 3, 48
P95_MS = 50.0
PATHS = (
    "/executive", "/owners/F0001", "/catalogue/integration_uptime", "/gates",
    "/api/v1/gates/success_declaration", "/api/v1/metrics/integration_uptime",
    "/api/v1/scorecards", "/api/v1/metrics/api_success_rate/history",
)  # fmt: skip

_OURS = """
import sys; from pathlib import Path
from meterstone.app import Home
from meterstone.cli.site import site_app
from meterstone.cli.telemetry import Telemetry
from meterstone.record.serving import listening, run, served_at
with Home(Path(sys.argv[1])) as home, listening("127.0.0.1", 0) as listener:
    print(served_at(listener, "127.0.0.1"), flush=True)
    run(site_app(home, served_at(listener, "127.0.0.1"), Telemetry({})), listener)
"""
_BARE = """
import sys
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from meterstone.record.serving import listening, run, served_at
body = b"x" * int(sys.argv[1])
async def answer(request): return Response(body, media_type="text/html")
with listening("127.0.0.1", 0) as listener:
    print(served_at(listener, "127.0.0.1"), flush=True)
    run(Starlette(routes=[Route("/{rest:path}", answer)]), listener)
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one load made of a server: latencies in ms, answers a second, bytes of an answer."""

    p50: float
    p95: float
    rate: float
    size: float


def run(_rows: int, step: Callable[[str], None], *, whole: bool = False) -> Outcome:
    """Latency at `RATE`, and the ratio of how many answers a second there can be."""
    del whole
    with tempfile.TemporaryDirectory() as folder:
        token = _home(Path(folder), step)
        ours = _Server(_OURS, folder)
        size = asyncio.run(_load(ours.port, token, rate=200, seconds=2)).size
        bare = _Server(_BARE, str(round(size)))
        try:
            steady, steady_bare, most, most_bare = [], [], [], []
            for number in range(ROUNDS):
                step(f"round {number + 1} of {ROUNDS}")
                steady.append(asyncio.run(_load(ours.port, token, RATE, SECONDS)))
                steady_bare.append(asyncio.run(_load(bare.port, token, RATE, SECONDS)))
                most.append(asyncio.run(_load(ours.port, token, None, SECONDS)))
                most_bare.append(asyncio.run(_load(bare.port, token, None, SECONDS)))
        finally:
            ours.end()
            bare.end()
    p95, other = np.median([x.p95 for x in steady]), np.median([x.p95 for x in steady_bare])
    ratio = float(np.median([a.rate / b.rate for a, b in zip(most, most_bare, strict=True)]))
    rate, rate_bare = np.median([x.rate for x in most]), np.median([x.rate for x in most_bare])
    reached = np.median([x.rate for x in steady])
    return Outcome(
        "reads",
        [
            Figure(
                f"p95 at {RATE:,} requests a second", f"{p95:.1f} ms", f"{other:.1f} ms",
                float(p95) / P95_MS, 1.0,
            ),
            Figure(
                "most answers a second, over a bare route", f"{rate:,.0f}/s",
                f"{rate_bare:,.0f}/s", ratio, 0.5, at_least=True,
            ),
        ],
        [
            f"{len(PATHS)} pages and API operations in turn, {CONNECTIONS} connections, packed: "
            f"{size:,.0f} bytes an answer on average; {ROUNDS} rounds of {SECONDS} s",
            f"at {RATE:,}/s {reached:,.0f}/s were answered, p50 "
            f"{np.median([x.p50 for x in steady]):.1f} ms; the first ratio is to {P95_MS:g} ms",
            "server, client and the operating system share the cores",
        ],
    )  # fmt: skip


def _home(folder: Path, step: Callable[[str], None]) -> str:
    """A measured home; the token of its administrator."""
    step("a simulated network is measured")
    made = simulate(preset("honest", shops=10, months=4), folder / "network")
    with Home(folder) as home:
        ingest(home.recorder, [str(path) for path in made.files])
        home.evaluator.run_once()
        who = home.people.directory.add("bench", name="bench", role="admin", franchises=()).id
        with home.ledger.read() as seen:
            rights = can_give(principal_of(seen.people.get(who)))
        return home.people.tokens.make(who, "bench", rights, 1).secret


class _Server:
    def __init__(self, source: str, argument: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", source, argument], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().strip().rpartition(":")[2])

    def end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)


async def _load(port: int, token: str, rate: float | None, seconds: float) -> Load:
    """Ask in turn for `PATHS`: at even moments; None: one after the other on each connection."""
    asked = [
        (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Encoding: gzip\r\n"
            f"Accept: text/html, application/json\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        for path in PATHS
    ]
    latencies: list[float] = []
    sizes: list[int] = []
    begin = time.perf_counter() + 0.1
    end = begin + seconds
    due = iter(range(round((rate or 0) * seconds)))

    async def ask(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(max(0.0, begin - time.perf_counter()))
        turn = number
        while True:
            if rate is None:
                at = time.perf_counter()
                if at >= end:
                    break
            else:
                place = next(due, None)
                if place is None:
                    break
                at = begin + place / rate
                await asyncio.sleep(max(0.0, at - time.perf_counter()))
            writer.write(asked[turn % len(asked)])
            turn += 1
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{PATHS[(turn - 1) % len(PATHS)]}: {head[:60]!r}")
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(size)
            latencies.append((time.perf_counter() - at) * 1e3)
            sizes.append(size)
        writer.close()

    await asyncio.gather(*(ask(number) for number in range(CONNECTIONS)))
    took = time.perf_counter() - begin
    p50, p95 = np.percentile(latencies, [50, 95])
    return Load(float(p50), float(p95), len(latencies) / took, float(np.mean(sizes)))
