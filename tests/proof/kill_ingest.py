"""Proof: what was acknowledged survives ``kill -9``, and counts once.

    python tests/proof/kill_ingest.py --kills 100

Starts the receiver on a temporary home, loads it from several clients, kills it at random moments
(also while it starts) and starts it again. Each client keeps a ledger of what was acknowledged, in
a file that is synced before the client goes on. At the end the home is compared with the ledger,
then rebuilt from its landing log and compared again.

Prints a table; exits with 1 when a row is lost or counted twice, or when the rebuild differs.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from meterstone.app import Home
from meterstone.record.receiver import serve
from ports import free_port

READY_S = 300
_NO_ANSWER = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Body:
    """One request and the keys of the facts in it."""

    path: str
    media_type: str
    content: bytes
    keys: tuple[str, ...]


def facts_body(name: str, count: int) -> Body:
    """Facts with unique keys."""
    keys = tuple(f"{name}-{n}" for n in range(count))
    rows = (
        {
            "fact": "probe",
            "probe_id": key,
            "at": "2026-03-01T09:30:00Z",
            "component": "hub_api",
            "check_key": "login",
            "interval_s": 60,
            "ok": True,
            "latency_ms": len(key),
            "location": "eu",
            "fail_reason": "none",
            "maintenance": False,
            "alerting": True,
        }
        for key in keys
    )
    content = "\n".join(map(json.dumps, rows)).encode()
    return Body("/v1/facts", "application/x-ndjson", content, keys)


def spans_body(count: int, random_: random.Random) -> Body:
    """HTTP server spans with unique ids, as protobuf."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    keys = []
    for _ in range(count):
        trace, span_id = random_.randbytes(16), random_.randbytes(8)
        now = time.time_ns()
        span = spans.add(
            trace_id=trace,
            span_id=span_id,
            kind=2,
            start_time_unix_nano=now - 5_000_000,
            end_time_unix_nano=now,
        )
        span.attributes.add(key="http.request.method").value.string_value = "GET"
        span.attributes.add(key="http.response.status_code").value.int_value = 200
        keys.append((trace + span_id).hex())
    return Body("/v1/traces", "application/x-protobuf", request.SerializeToString(), tuple(keys))


class Ledger:
    """What the clients sent, and a synced file of what was acknowledged to them."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.sent: set[str] = set()
        self.bodies = 0
        self.resent = 0

    def sending(self, body: Body) -> None:
        with self._lock:
            self.sent.update(body.keys)

    def acknowledged(self, body: Body, *, again: bool) -> None:
        with self._lock:
            self._file.write(json.dumps(body.keys) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self.bodies += 1
            self.resent += again

    def read(self) -> set[str]:
        """The keys of all rows that were acknowledged."""
        text = Path(self._file.name).read_text()
        return {key for line in text.splitlines() for key in json.loads(line)}


class Client(threading.Thread):
    """Sends until it is told to stop; sends some bodies again, acknowledged or not."""

    def __init__(self, number: int, port: int, ledger: Ledger, seed: int) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self._number = number
        self._port = port
        self._ledger = ledger
        self._random = random.Random(f"{seed}/{number}")
        self._acknowledged: list[Body] = []
        self._unanswered: list[Body] = []
        self._count = 0
        self.cut_off = 0
        self.refused: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set() and not self.refused:
            with closing(http.client.HTTPConnection("127.0.0.1", self._port, 10)) as connection:
                self._send_until_it_breaks(connection)
            time.sleep(0.02)

    def _send_until_it_breaks(self, connection: http.client.HTTPConnection) -> None:
        while not self.stopping.is_set():
            body, again = self._next()
            self._ledger.sending(body)
            try:
                status = self._post(connection, body)
            except _NO_ANSWER:
                self.cut_off += connection.sock is not None
                if self._random.random() < 0.5:  # the other half stays unknown
                    self._unanswered.append(body)
                return
            if status == 200:
                self._ledger.acknowledged(body, again=again)
                self._acknowledged = [*self._acknowledged[-50:], body]
            elif status != 503:
                self.refused.append(f"{body.path} answered {status}")
                return

    def _next(self) -> tuple[Body, bool]:
        dice = self._random.random()
        if dice < 0.1 and self._acknowledged:
            return self._random.choice(self._acknowledged), True
        if dice < 0.3 and self._unanswered:
            # sent again without knowing whether it arrived, as a client would
            return self._unanswered.pop(), True
        self._count += 1
        if dice < 0.5:
            return spans_body(self._random.randint(1, 60), self._random), False
        return facts_body(f"{self._number}-{self._count}", self._random.randint(1, 20)), False

    def _post(self, connection: http.client.HTTPConnection, body: Body) -> int:
        headers = {"Content-Type": body.media_type}
        content = body.content
        if self._random.random() < 0.5:
            headers["Content-Encoding"] = "gzip"
            content = gzip.compress(content, 1)
        connection.request("POST", body.path, content, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


@dataclass
class Server:
    """The receiver as a process of its own."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] = field(init=False)
    slowest_start_s: float = 0.0

    def start(self) -> None:
        command = [sys.executable, __file__, "--serve", str(self.home), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def wait_until_ready(self) -> None:
        """Ready: it answers, with the log and the warehouse open."""
        began = time.monotonic()
        while self.ready() is None:
            if time.monotonic() - began > READY_S or self.process.poll() is not None:
                raise AssertionError("the receiver did not come up again")
            time.sleep(0.02)
        self.slowest_start_s = max(self.slowest_start_s, time.monotonic() - began)

    def ready(self) -> int | None:
        """How many records wait to be mapped; None when it does not answer."""
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, 5)) as connection:
                connection.request("GET", "/readyz")
                answer = connection.getresponse()
                said = json.loads(answer.read())
        except _NO_ANSWER:
            return None
        return int(said["backlog"]) if answer.status == 200 else None

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def drain(self) -> None:
        """Wait until all is mapped, then end it as a supervisor would."""
        while self.ready() != 0:
            time.sleep(0.05)
        self.process.terminate()
        if self.process.wait(60) != 0:
            raise AssertionError("the receiver did not end in order")


def rows_of(home: Home) -> Iterator[tuple[str, str]]:
    """Key and content of every row, revisions included."""
    for fact, key in (("probe", "probe_id"), ("api_request", "request_id")):
        for row in home.warehouse.query(f"FROM facts.{fact}").to_pylist():
            yield row[key], repr(sorted(row.items()))


@dataclass
class Found:
    """What a home holds, against the ledger."""

    lost: int
    duplicated: int
    unacknowledged: int
    strange: int
    content: list[str]


def compare(home: Home, acknowledged: set[str], sent: set[str]) -> Found:
    rows = list(rows_of(home))
    present = Counter(key for key, _ in rows)
    return Found(
        lost=len(acknowledged - present.keys()),
        duplicated=sum(count - 1 for count in present.values()),
        unacknowledged=len(present.keys() - acknowledged),
        strange=len(present.keys() - sent),
        content=sorted(content for _, content in rows),
    )


def torture(server: Server, kills: int, seed: int) -> None:
    """Start and kill; most kills come under load, some while the receiver still starts."""
    random_ = random.Random(seed)
    for _ in range(kills):
        server.start()
        if random_.random() < 0.15:
            time.sleep(random_.uniform(0, 1.5))
        else:
            server.wait_until_ready()
            time.sleep(random_.uniform(0.05, 1.5))
        server.kill()


def intact(log: Path) -> bool:
    with closing(sqlite3.connect(log)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def load_and_kill(
    server: Server, senders: list[Client], ledger: Ledger, kills: int, seed: int
) -> None:
    """The run itself: in the end all that was acknowledged is mapped, and the receiver gone."""
    for sender in senders:
        sender.start()
    torture(server, kills, seed)
    server.start()
    server.wait_until_ready()
    wanted, last = ledger.bodies + 25, time.monotonic() + READY_S
    while ledger.bodies < wanted and time.monotonic() < last:
        time.sleep(0.02)
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join()
    server.drain()


def prove(folder: Path, kills: int, clients: int, seed: int) -> tuple[dict[str, object], bool]:
    """Run it; the figures, and whether the promise was kept."""
    server = Server(folder / "home", free_port())
    with (folder / "ledger.jsonl").open("w") as file:
        ledger = Ledger(file)
        senders = [Client(number, server.port, ledger, seed) for number in range(clients)]
        try:
            load_and_kill(server, senders, ledger, kills, seed)
        finally:
            server.process.kill()
        acknowledged = ledger.read()
    with Home(server.home) as home:
        found = compare(home, acknowledged, ledger.sent)
        records = home.log.last_seq()
        home.rebuild()
        rebuilt = compare(home, acknowledged, ledger.sent)
    figures: dict[str, object] = {
        "kills": kills,
        "requests cut off": sum(sender.cut_off for sender in senders),
        "acked bodies": ledger.bodies,
        "of these sent again on purpose": ledger.resent,
        "acked rows": len(acknowledged),
        "records in the log": records,
        "lost": found.lost,
        "duplicated": found.duplicated,
        "unacked but present": found.unacknowledged,
        "lost after rebuild": rebuilt.lost,
        "duplicated after rebuild": rebuilt.duplicated,
        "rebuild equal": found.content == rebuilt.content,
        "landing log intact": intact(server.home / "landing.sqlite"),
        "max reopen s": round(server.slowest_start_s, 2),
    }
    failures = (
        any(sender.refused for sender in senders),
        found.lost,
        found.duplicated,
        found.strange,
        rebuilt.lost,
        rebuilt.duplicated,
    )
    kept = not any(failures) and bool(figures["rebuild equal"] and figures["landing log intact"])
    return figures, kept and bool(acknowledged)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        with Home(options.serve) as home:
            serve(home, port=options.port)
        return 0
    folder = Path(tempfile.mkdtemp(prefix="kill-ingest-"))
    figures, kept = prove(folder, options.kills, options.clients, options.seed)
    print(f"| seed | {options.seed} |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value} |")
    if kept:
        shutil.rmtree(folder)
    else:
        print(f"NOT KEPT; see {folder}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
