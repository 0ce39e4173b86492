"""Reads of the API and of pages at the framework's own rate, against a bare Starlette route.

Ours: ``meterstone up`` on a measured home, with everything that it does besides; requests are those
of somebody who is signed in, for scorecards, metrics, gates and the state of now, and for the pages
of the executive, an owner, the catalogue, a metric and the gates. The other side: a process with
one Starlette route that answers with the very bytes that ours answered with, without sign-in, under
the same server with the same settings.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx2

from bench.load import Read, fast, steady
from bench.report import Figure, Outcome
from meterstone.app import Home
from meterstone.demo import prepare
from meterstone.demo.network import make_network
from meterstone.measure.results import Scope
from meterstone.people.principals import can_give, principal_of
from meterstone.people.rights import Role
from meterstone.people.sessions import Browser
from meterstone.record.ingest import ingest

RATE = 1_250.0
"""Requests a second: the framework's own figure."""
WITHIN_S = 0.050
ROUNDS = 3
CONNECTIONS = 32
GIVEN = "BENCH_HOME"
"""A measured home, which is copied; else one is made of a simulated network."""

_FAST_S, _CALM_S, _CALM_SHARE = 3.0, 120.0, 0.2
_SIDES = ("bare", "api", "pages")
_BARE = """
import base64, json, sys
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from meterstone.record.serving import listening, run
kept = {path: base64.b64decode(body) for path, body in json.load(open(sys.argv[1])).items()}
async def bare(request):
    return Response(kept[request.url.path + "?" + request.url.query])
with listening("127.0.0.1", 0) as listener:
    print(json.dumps({"address": "http://127.0.0.1:%d" % listener.getsockname()[1]}), flush=True)
    run(Starlette(routes=[Route("/{path:path}", bare)]), listener)
"""


@dataclass
class _Measured:
    """What the rounds gave for one side."""

    rates: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    def late(self, share: float) -> float:
        return median(read.quantile(share) for read in self.reads)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Somebody signed in, by a token for the API and by a cookie for pages."""

    token: str
    cookie: str

    def headers(self, side: str) -> Mapping[str, str]:
        own = {
            "api": {"Authorization": f"Bearer {self.token}"},
            "pages": {"Cookie": f"meterstone={self.cookie}", "Accept": "text/html"},
        }
        return {"Accept-Encoding": "gzip"} | own.get(side, {})


def run(seconds: int, step: Callable[[str], None], **_: object) -> Outcome:
    """Answers a second and their times, of both sides in turn."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        what = _home(home, step)
        reader, paths, size = _enter(home)
        with _served([sys.executable, "-m", "meterstone", "up", "--json", "--port", "0"], home) as (
            ours,
            process,
        ):
            step("waits until the server is calm")
            _await_calm(process.pid)
            bodies = _bodies(ours, reader, paths)
            answers = Path(folder, "answers.json")
            answers.write_text(json.dumps(bodies))
            with _served([sys.executable, "-c", _BARE, str(answers)], home) as (bare, other):
                ports = {"bare": (bare, other.pid), "api": (ours, process.pid)}
                ports["pages"] = ports["api"]
                results = _rounds(ports, reader, paths, seconds, step)
    return _outcome(results, paths, bodies, f"{what}, {size}", seconds)


def _rounds(
    ports: Mapping[str, tuple[int, int]],
    reader: _Reader,
    paths: Mapping[str, Sequence[str]],
    seconds: int,
    step: Callable[[str], None],
) -> dict[str, _Measured]:
    results = {side: _Measured() for side in _SIDES}
    for number in range(ROUNDS + 1):
        for side in _SIDES:
            step(f"round {number + 1} of {ROUNDS + 1} (the first one warms up): {side}")
            port, pid = ports[side]
            asked = [_request(path, reader.headers(side)) for path in paths[side]]
            before = _cpu(pid)
            quick = fast(port, asked, CONNECTIONS, _FAST_S if number else 1.0)
            used = _cpu(pid) - before
            if number:
                results[side].rates.append(quick.rate)
                results[side].cpu_ms.append(1000 * used / quick.count)
                results[side].reads.append(steady(port, asked, CONNECTIONS, seconds, RATE))
    return results


def _outcome(
    results: Mapping[str, _Measured],
    paths: Mapping[str, Sequence[str]],
    bodies: Mapping[str, str],
    home: str,
    seconds: int,
) -> Outcome:
    bare, figures = results["bare"], []
    for side, name in (("api", "API"), ("pages", "pages")):
        ours = results[side]
        figures += [
            Figure(
                f"{name}: answers a second over a bare route",
                f"{median(ours.rates):,.0f}/s", f"{median(bare.rates):,.0f}/s",
                median(a / b for a, b in zip(ours.rates, bare.rates, strict=True)),
                0.5, at_least=True,
            ),
            Figure(
                f"{name}: processor time of an answer over a bare route's",
                f"{median(ours.cpu_ms):.3f} ms", f"{median(bare.cpu_ms):.3f} ms",
                median(a / b for a, b in zip(ours.cpu_ms, bare.cpu_ms, strict=True)),
                2.0,
            ),
            Figure(
                f"{name}: p95 at {RATE:,.0f} requests a second over {1000 * WITHIN_S:.0f} ms",
                f"{1000 * ours.late(0.95):.1f} ms", f"bare {1000 * bare.late(0.95):.1f} ms",
                ours.late(0.95) / WITHIN_S, 1.0,
            ),
        ]  # fmt: skip
    times = "; ".join(
        f"{side} {1000 * each.late(0.5):.1f} / {1000 * each.late(0.95):.1f} / "
        f"{1000 * each.late(0.99):.1f} ms, {median(read.rate for read in each.reads):,.0f}/s kept"
        for side, each in results.items()
    )
    kilobytes = {side: sum(len(bodies[p]) * 0.75 for p in paths[side]) / 1000 for side in paths}
    return Outcome(
        "reads",
        figures,
        [
            f"ours is `meterstone up` on {home}; {ROUNDS} rounds, in turn; figures are medians of "
            "rounds, ratios the medians of the rounds' ratios",
            f"median / p95 / p99 at {RATE:,.0f}/s for {seconds} s, counted from when a request was "
            f"due: {times}",
            f"API: {len(paths['api'])} addresses, {kilobytes['api']:.0f} kB together, packed; "
            f"pages: {len(paths['pages'])}, {kilobytes['pages']:.0f} kB; every answer whole; the "
            "bare route answers with the same bytes, without sign-in",
            f"{CONNECTIONS} connections; reader, server and operating system share the cores; what "
            "follows from the board is made once for each role, then kept (decision 18)",
        ],
    )


def _home(home: Path, step: Callable[[str], None]) -> str:
    given = os.environ.get(GIVEN)
    if given:
        shutil.copytree(given, home, ignore=shutil.ignore_patterns("lock", "*.lock"))
    else:
        step("simulates a network")
        home.mkdir()
        prepare(home)
        made = make_network(home / "simulated", datetime.now(UTC), shops=12, months=2)
        with Home(home) as opened:
            step("loads it")
            ingest(opened.recorder, [str(path) for path in made.past])
    with Home(home) as opened:
        step("measures it")
        if given is None or not opened.board.days(Scope("network")):
            opened.evaluator.run_once()
    return "a measured home (simulated data)"


def _enter(home: Path) -> tuple[_Reader, dict[str, list[str]], str]:
    """Somebody who may read everything, and what is read; ``bare`` reads all of it."""
    with Home(home) as opened:
        people, board = opened.people, opened.board
        person = people.directory.add("bench", name="bench", role=str(Role.ADMIN)).id
        with opened.ledger.read() as seen:
            rights = can_give(principal_of(seen.people.get(person)))
        token = people.tokens.make(person, "bench", rights, 1).secret
        with opened.ledger.change("bench") as change:
            cookie = people.sessions.begin(change, person, Browser("bench")).secret
        shops = [named.scope.key for named in board.scopes("franchise")]
        metrics = list(board.catalogue.metrics)
        if not shops:
            raise SystemExit("the home has no franchise with a scorecard")
        shop = f"/api/v1/franchises/{shops[0]}"
        api = [
            "/api/v1/scorecards/network/*?", "/api/v1/metrics?limit=50", "/api/v1/live?",
            f"/api/v1/metrics/{metrics[0]}?", f"/api/v1/metrics/{metrics[0]}/history?days=90",
            "/api/v1/gates?", f"{shop}/scorecard?", f"{shop}/metrics?limit=50",
        ]  # fmt: skip
        pages = [
            "/executive?", "/owners?", f"/owners/{shops[0]}?", "/catalogue?",
            f"/catalogue/{metrics[0]}?", "/gates?",
        ]  # fmt: skip
        size = f"{len(metrics)} metrics, {len(shops)} franchises"
    return _Reader(token, cookie), {"bare": api + pages, "api": api, "pages": pages}, size


def _request(path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _bodies(port: int, reader: _Reader, paths: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The bytes that ours answers with, as they are sent, in base64."""
    found = {}
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        for side in ("api", "pages"):
            for path in paths[side]:
                with client.stream("GET", path, headers=dict(reader.headers(side))) as answer:
                    raw = b"".join(answer.iter_raw())
                if answer.status_code != 200:
                    raise SystemExit(f"{path} answers {answer.status_code}")
                found[path] = base64.b64encode(raw).decode()
    return found


@contextmanager
def _served(command: Sequence[str], home: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    own = {**os.environ, "METERSTONE_HOME": str(home)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=own)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise SystemExit("the server did not start")
        yield int(json.loads(line)["address"].rsplit(":", 1)[1]), process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _await_calm(pid: int) -> None:
    """Wait until what a start brings with it is done."""
    until = time.monotonic() + _CALM_S
    calm = 0
    while calm < 3 and time.monotonic() < until:
        before = _cpu(pid)
        time.sleep(1)
        calm = calm + 1 if _cpu(pid) - before < _CALM_SHARE else 0


def _cpu(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
