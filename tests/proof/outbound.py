"""Proof: every event is delivered, whatever receivers do and however often the deliverer dies.

    python tests/proof/outbound.py --events 10000 --kills 100

Five receivers misbehave on a quarter of the requests, each in its way: it commits and then answers
too late; it answers 500, having committed or not; it commits and resets the connection; it hangs
without committing; and one that asked for order does all of that. The deliverer is a process of its
own that is killed (SIGKILL) at random moments and started again, while events are still written.

The waits of the schedule and of the breaker are those of the product divided by ``--faster``; the
clock, the leases and the network are real. Each event goes to one receiver. At the end what the
receivers committed is compared with what was written.

Prints a table; exits with 1 when an event is missing, an id stands for two, or order is lost.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from multiprocessing.process import BaseProcess
from pathlib import Path

from meterstone.connect.egress import STRANGERS, Egress
from meterstone.ledger import Endpoint, Ledger
from meterstone.ledger.announced import body
from meterstone.publish.outbound import secrets
from meterstone.publish.outbound.deliverer import Deliverer
from meterstone.publish.outbound.schedule import Breaker, Schedule
from publish.receivers import Answer, Got, Receiver, receiving

TIMEOUT_S, WITHIN_S = 2.0, 4.0
BAD = 0.25
LATE = Answer(wait_s=TIMEOUT_S * 1.6)
HANGS = Answer(wait_s=TIMEOUT_S * 1.6, commits=False)
RESETS = Answer(0)
ERRORS = (Answer(500), Answer(500, commits=False))
FAULTS: Mapping[str, tuple[Answer, ...]] = {
    "late": (LATE,),
    "errors": ERRORS,
    "resets": (RESETS,),
    "hangs": (HANGS,),
    "ordered": (*ERRORS, *ERRORS, RESETS, RESETS, LATE, HANGS),
}
"""What each receiver does on a bad request."""


def quicker(faster: float) -> tuple[Schedule, Breaker]:
    """The product's waits, divided."""
    schedule, breaker = Schedule(), Breaker()
    return (
        Schedule(
            waits_s=[wait / faster for wait in schedule.waits_s],
            timeout_s=TIMEOUT_S,
            within_s=WITHIN_S,
        ),
        Breaker(pauses_s=[pause / faster for pause in breaker.pauses_s], give_up=breaker.give_up),
    )


def deliver(folder: Path, faster: float) -> None:
    """The deliverer, in a process of its own, until it is killed."""
    schedule, breaker = quicker(faster)
    ledger = Ledger.open(folder)
    egress = Egress(STRANGERS.with_loopback())
    Deliverer(ledger, egress=egress, schedule=schedule, breaker=breaker, threads=12).start()
    threading.Event().wait()


class Deliveries:
    """The deliverer's process; ``kills`` counts how often it was killed."""

    def __init__(self, folder: Path, faster: float) -> None:
        self._of = (folder, faster)
        self._fork = multiprocessing.get_context("forkserver")
        self._fork.set_forkserver_preload(["meterstone.publish.outbound.deliverer"])
        self._process: BaseProcess | None = None
        self.kills = 0

    def start(self) -> None:
        self._process = self._fork.Process(target=deliver, args=self._of, daemon=True)
        self._process.start()

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.join()
        self.kills += 1


@dataclass
class Script:
    """How one receiver answers: badly by chance, each fault with its turn."""

    faults: tuple[Answer, ...]
    dice: random.Random
    bad: Counter[str] = field(default_factory=Counter)

    def __call__(self, _receiver: Receiver, _got: Got) -> Answer:
        if self.dice.random() >= BAD:
            return Answer()
        answer = self.dice.choice(self.faults)
        self.bad[f"{answer.status}{'' if answer.commits else ' uncommitted'}"] += 1
        return answer


def endpoint_of(ledger: Ledger, name: str, url: str) -> Endpoint:
    """An endpoint for events of type ``name``; keeps order where the name says so."""
    with ledger.change("proof") as change:
        endpoint = change.outbox.add_endpoint(url, event_types=[name], ordered=name == "ordered")
        secrets.give(change, endpoint.id)
        return endpoint


def write(ledger: Ledger, names: list[str], events: int, sent: dict[str, list[str]]) -> None:
    """Write the events, some in each transaction, turn by turn to each receiver."""
    numbers = iter(range(events))
    while True:
        some = list(islice(numbers, 25))
        if not some:
            return
        with ledger.change("proof") as change:
            written = [
                (name, change.outbox.publish(name, body(name, {"number": number}, change.now)).id)
                for number in some
                for name in [names[number % len(names)]]
            ]
        for name, message in written:
            sent[name].append(message)
        time.sleep(0.01)


@contextmanager
def running(thread: threading.Thread) -> Iterator[None]:
    thread.start()
    yield
    thread.join()


def prove(
    folder: Path, events: int, kills: int, faster: float, seed: int, most_s: float
) -> dict[str, object]:
    """Run it; see the top of this file."""
    dice = random.Random(seed)
    scripts = {
        name: Script(faults, random.Random(f"{seed}{name}")) for name, faults in FAULTS.items()
    }
    receivers = {name: Receiver(script) for name, script in scripts.items()}
    sent: dict[str, list[str]] = {name: [] for name in FAULTS}
    begun = time.monotonic()
    deliveries = Deliveries(folder / "home", faster)
    with closing(Ledger.open(folder / "home")) as ledger, receiving(*receivers.values()):
        for name, receiver in receivers.items():
            endpoint_of(ledger, name, receiver.url)
        deliveries.start()
        writer = threading.Thread(target=write, args=(ledger, list(FAULTS), events, sent))
        with running(writer):
            for _ in range(kills):
                time.sleep(dice.uniform(0.2, 1.2))
                deliveries.kill()
                deliveries.start()
        last = begun + most_s
        while time.monotonic() < last and waiting(ledger):
            time.sleep(0.2)
        deliveries.kill()
        deliveries.kills -= 1
        with ledger.read() as seen:
            statuses = Counter(each.status for each in seen.outbox.deliveries())
    return judged(sent, receivers, scripts, statuses) | {
        "kills": deliveries.kills,
        "seconds": round(time.monotonic() - begun),
    }


def waiting(ledger: Ledger) -> int:
    """How many deliveries are not finished."""
    counts = ledger.queue.counts()
    return counts["waiting"] + counts["running"]


def judged(
    sent: Mapping[str, list[str]],
    receivers: Mapping[str, Receiver],
    scripts: Mapping[str, Script],
    statuses: Mapping[str, int],
) -> dict[str, object]:
    """Compare what was written with what was committed."""
    written = [message for some in sent.values() for message in some]
    bodies: dict[str, set[bytes]] = {}
    for receiver in receivers.values():
        for got in receiver.committed:
            bodies.setdefault(got.id, set()).add(got.body)
    doubles = sum(len(receiver.committed) - len(receiver.ids) for receiver in receivers.values())
    return {
        "events": len(written),
        "ids that are not unique": len(written)
        - len(set(written))
        + sum(len(some) > 1 for some in bodies.values()),
        "delivered": sum(message in bodies for message in written),
        "lost": sum(message not in bodies for message in written),
        "committed that were never written": len(set(bodies) - set(written)),
        "requests": sum(len(receiver.asked) for receiver in receivers.values()),
        "bad answers": sum(sum(script.bad.values()) for script in scripts.values()),
        "doubles, told by their id": doubles,
        "out of order": sum(
            a != b for a, b in zip(receivers["ordered"].ids, sent["ordered"], strict=False)
        ),
        "not delivered by the ledger": sum(statuses.values()) - statuses["delivered"],
    }


ZERO = (
    "ids that are not unique", "lost", "committed that were never written", "out of order",
    "not delivered by the ledger",
)  # fmt: skip


def page(rows: Mapping[str, object], options: argparse.Namespace) -> str:
    """The page of docs/proofs."""
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    lead = (__doc__ or "").partition(".\n\n    ")[0]
    what = (
        (__doc__ or "")
        .partition("--kills 100\n\n")[2]
        .partition("\n\nPrints")[0]
        .replace("``", "`")
    )
    return f"""# {lead}

`python tests/proof/outbound.py --events {options.events} --kills {options.kills}`

{what}

Run on {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, 2 cores that others used
too; seed {options.seed}, waits divided by {options.faster:g}, an attempt's timeout {TIMEOUT_S} s.

| what | count |
|---|---|
{table}

- *doubles*: requests with the id of one that was committed before: what at-least-once means. A
  receiver that remembers ids has each event once.
- *out of order*: places at which the ordered receiver's first commits differ from what was written.
- *bad answers* include those that came too late for a deliverer that was dead already.

`tests/publish/test_outbound_proof.py` runs it in small.
"""


def main() -> int:
    """Exit code: 0 when it holds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--faster", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--most-s", type=float, default=1800.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outbound") as folder:
        rows = prove(
            Path(folder), options.events, options.kills, options.faster, options.seed,
            options.most_s,
        )  # fmt: skip
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    kept = rows["events"] == options.events and not any(rows[name] for name in ZERO)
    if kept and options.out:
        options.out.write_text(page(rows, options))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
