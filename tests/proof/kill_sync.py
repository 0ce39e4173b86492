"""Proof: a worker that is killed amid its syncs loses nothing and does nothing twice.

    python tests/proof/kill_sync.py --kills 100

A vendor (a process of its own) makes, changes and deletes payments all the time. A worker syncs
them by schedule, full pulls with detection of deletions among them, and is killed (SIGKILL) at
random moments: while it opens the home, fetches, lands, maps, checkpoints. Each time another one
goes on in the same home. At the end the vendor stops changing, a last worker works until it is
idle, and the facts are compared with the vendor's records; then the warehouse is made anew from the
landing log and compared again.

Lost: a record of the vendor without its fact, or with an older state, or a deleted one that is
still there. Doubled: more revisions of a fact than the vendor had states of its record.

Prints a table; exits with 1 when something is lost or doubled, or the rebuild differs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import random
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

from tests.connect.acme import FILE, Acme, Handler, Scene, scene, serving

from meterstone.connect.clock import SystemClock
from meterstone.connect.formats import vendor_formats
from meterstone.connect.worker import Worker
from meterstone.facts import vocabulary
from meterstone.record.recorder import Recorder
from meterstone.warehouse.duckdb import DuckDBWarehouse

FIRST, PAGE = 1_500, 100
LEASE_S = 1.0
STATES = ("COMPLETED", "CANCELED", "FAILED")
SPAWN = multiprocessing.get_context("fork")


@dataclass
class Outcome:
    """What the proof found."""

    kills: int = 0
    seconds: float = 0.0
    records: int = 0
    states: int = 0
    deleted: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    pages: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    rebuilt: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing is lost and nothing doubled."""
        return not self.lost and not self.doubled and self.rebuilt


# -- the vendor -----------------------------------------------------------------------------------


def vendor(pipe: Pipe, seed: int) -> None:
    """Serve, and change records until told to stop."""
    chance = random.Random(seed)
    with serving() as acme:
        acme.size = PAGE
        states: Counter[str] = Counter()
        _fill(acme, states)
        calm = threading.Event()
        acme.faults.append(lambda handler: _told(handler, acme, states, calm))
        pipe.send(acme.url)
        number = FIRST
        while not pipe.poll(0.02):
            if calm.is_set():
                continue
            number = _change(acme, states, chance, number)


def _fill(acme: Acme, states: Counter[str]) -> None:
    begin = datetime.now(UTC) - timedelta(days=30)
    for number in range(FIRST):
        acme.put(f"p{number:05}", begin + timedelta(minutes=number))
        states[f"p{number:05}"] += 1


def _change(acme: Acme, states: Counter[str], chance: random.Random, number: int) -> int:
    """One record is made, edited or deleted."""
    what, now = chance.random(), datetime.now(UTC)
    with acme.lock:
        if what < 0.45:
            ref, number = f"p{number:05}", number + 1
        else:
            ref = chance.choice(list(acme.payments))
        if what > 0.95:
            del acme.payments[ref]
            return number
        state = chance.choice(STATES)
        before = acme.payments.get(ref, {})
        acme.put(ref, now, status=state)
        acme.payments[ref]["created_at"] = before.get("created_at", now.isoformat())
        states[ref] += 1
    return number


def _told(handler: Handler, acme: Acme, states: Counter[str], calm: threading.Event) -> bool:
    """Orders and questions of the proof; and a moment of work for the rest."""
    if handler.path == "/calm":
        calm.set()
        handler.give({"calm": True})
        return True
    if handler.path == "/truth":
        handler.give({"payments": acme.payments, "states": states})
        return True
    time.sleep(0.001)
    return False


def ask(url: str, path: str) -> Any:
    """The vendor's answer to the proof."""
    with urllib.request.urlopen(f"{url}{path}", timeout=60) as answer:  # noqa: S310  # our own
        return json.load(answer)


# -- the worker -----------------------------------------------------------------------------------


class Quiet(SystemClock):
    """The machine's clock, in the form that a scene takes."""

    slept: tuple[float, ...] = ()


def opened(folder: Path, url: str) -> Any:
    """The home of the proof."""
    text = (
        FILE.read_text().replace("every: PT5M", "every: PT1S").replace("every: P1D", "every: PT4S")
    )
    return scene(folder, Acme(url=url), file=text, clock=Quiet())  # type: ignore[arg-type]  # as one


def work(folder: Path, url: str) -> None:
    """Work until killed."""
    with opened(folder, url) as at:
        Worker(at.hub, threads=2, lease_s=LEASE_S).run()


def kill_often(folder: Path, url: str, kills: int, chance: random.Random) -> None:
    """Start a worker and kill it, so many times."""
    for number in range(kills):
        process = SPAWN.Process(target=work, args=(folder, url), daemon=True)
        process.start()
        time.sleep(chance.uniform(0.5, 2.2))
        process.kill()
        process.join()
        if (number + 1) % 10 == 0:
            print(f"  {number + 1} kills", flush=True)


# -- the comparison -------------------------------------------------------------------------------


def settle(at: Scene) -> None:
    """The vendor is calm: read what is left, and everything once more."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            at.hub.sync(at.connection.id, "payments")
            report = at.hub.sync(at.connection.id, "payments", full=True)
        except Exception as error:  # noqa: BLE001  # told, and tried again until the time is over
            print(f"  not yet: {error}", flush=True)
            time.sleep(0.5)
            continue
        if report.status == "success":
            return


def compare(at: Scene, url: str, outcome: Outcome) -> None:
    """Facts against the vendor's records."""
    told = ask(url, "/truth")
    payments, states = told["payments"], told["states"]
    words = {"COMPLETED": "completed", "CANCELED": "voided", "FAILED": "failed"}
    facts = {row["payment_id"]: row["status"] for row in at.facts("payment")}
    wanted = {ref: words[record["status"]] for ref, record in payments.items()}
    outcome.records, outcome.states = len(wanted), sum(states.values())
    outcome.deleted = len(states) - len(payments)
    outcome.lost = sorted(
        ref for ref in facts.keys() | wanted.keys() if facts.get(ref) != wanted.get(ref)
    )
    revisions = at.recorder.warehouse.query(
        "SELECT payment_id, count(*) FILTER (WHERE NOT retracted) AS n, "
        "count(*) FILTER (WHERE retracted) AS gone FROM facts.payment GROUP BY payment_id"
    ).to_pylist()
    outcome.doubled = sorted(
        row["payment_id"] for row in revisions
        if row["n"] > states[row["payment_id"]] or row["gone"] > 1
    )  # fmt: skip
    for ref in outcome.doubled[:3]:
        history = at.recorder.warehouse.query(
            "SELECT status, retracted, recorded_at FROM facts.payment "
            f"WHERE payment_id = '{ref}' ORDER BY revision"
        ).to_pylist()
        print(f"{ref}, {states[ref]} states: {history}", file=sys.stderr)
    outcome.runs = Counter(row["status"] for row in at.facts("sync_run"))
    outcome.pages = sum(1 for record in at.log.read() if record.format == "vendor_page")
    outcome.rebuilt = _rebuilt(at) == facts


def _rebuilt(at: Scene) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        fresh = DuckDBWarehouse(Path(folder, "fresh.duckdb"), vocabulary())
        Recorder(at.log, fresh, vendor_formats(at.hub.mappings)).map_all()
        rows = fresh.query(
            f"SELECT k.payment_id, k.status FROM {fresh.relation('payment', None)} AS k"
        ).to_pylist()
        fresh.close()
    return {row["payment_id"]: row["status"] for row in rows}


def prove(kills: int, seed: int) -> Outcome:
    """Run the proof."""
    outcome, chance = Outcome(kills), random.Random(seed)
    ours, theirs = SPAWN.Pipe()
    source = SPAWN.Process(target=vendor, args=(theirs, seed), daemon=True)
    source.start()
    url = ours.recv()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kill-sync") as folder:
        kill_often(Path(folder), url, kills, chance)
        ask(url, "/calm")
        with opened(Path(folder), url) as at:
            settle(at)
            compare(at, url, outcome)
    outcome.seconds = time.monotonic() - began
    with suppress(OSError):
        ours.send("stop")
    source.join(5)
    return outcome


def page(outcome: Outcome) -> str:
    """The table."""
    runs = ", ".join(f"{count:,} {status}" for status, count in sorted(outcome.runs.items()))
    rows = [
        ("workers killed (SIGKILL)", f"{outcome.kills:,}"),
        ("records of the vendor at the end", f"{outcome.records:,}"),
        ("states that they went through", f"{outcome.states:,}"),
        ("records deleted by the vendor", f"{outcome.deleted:,}"),
        ("runs that ended", runs),
        ("pages landed", f"{outcome.pages:,}"),
        ("lost (missing, outdated, or deleted and still there)", f"{len(outcome.lost):,}"),
        ("doubled (more revisions than states)", f"{len(outcome.doubled):,}"),
        ("made anew from the log: the same", "yes" if outcome.rebuilt else "no"),
    ]
    lines = ["| what | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines)


def main() -> int:
    """Exit code: 0 when it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="also write the page")
    given = parser.parse_args()
    outcome = prove(given.kills, given.seed)
    print(page(outcome))
    if outcome.lost or outcome.doubled:
        print("lost:", outcome.lost[:10], "doubled:", outcome.doubled[:10], file=sys.stderr)
    if given.out:
        head = (
            "# Proof: killed amid a sync\n\n"
            "Written by `./run proof kill_sync`; what it does stands at the top of\n"
            "`tests/proof/kill_sync.py`. The vendor is simulated.\n\n"
        )
        tail = (
            f"\n\n{outcome.seconds:.0f} s, Python {platform.python_version()}, seed {given.seed}.\n"
        )
        given.out.write_text(head + page(outcome) + tail, encoding="utf-8")
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
