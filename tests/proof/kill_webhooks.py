"""Proof: a webhook that was answered 2xx survives ``kill -9``, and counts once.

    python tests/proof/kill_webhooks.py --kills 100

Four senders deliver signed events to a home as `meterstone up` runs it, each event until it is
answered 2xx, as a vendor does; a tenth of them once more on purpose. The home is killed (SIGKILL)
at random moments and started again. In the end each event that was acknowledged is looked for: its
payment, its row in the ledger, its `webhook_delivery`.

Prints a table; exits with 1 when one is missing or counted twice.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import multiprocessing
import platform
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from meterstone.app import Home
from meterstone.cli.live import working
from meterstone.connect.catalogue import connectors
from meterstone.connect.hooks import Hooks
from meterstone.connect.webhooks import WebhookReceiver
from meterstone.ledger import Ledger
from meterstone.record.receiver import create_receiver
from ports import free_port

ACME = Path(__file__).parents[1] / "connect" / "acme.yaml"
KEY = b"the key of the proof"
SENDERS = 4
MOST_S = 300.0
WHILE_IT_STARTS = 0.15
"""This share of the kills may come before the home takes anything; the others come under load."""


def serve(folder: Path, port: int) -> None:
    """A home, in a process of its own, until it is killed."""
    with Home(folder) as home, working(home):
        app = create_receiver(home.recorder, pages=WebhookReceiver(home.deliveries).routes())
        uvicorn.run(app, port=port, log_config=None, log_level="critical")


class Serving:
    """The process of the home."""

    def __init__(self, folder: Path, port: int) -> None:
        self._of = (folder, port)
        self._fork = multiprocessing.get_context("forkserver")
        self._fork.set_forkserver_preload(["meterstone.cli.live", "uvicorn"])
        self._process: BaseProcess | None = None

    def start(self) -> None:
        self._process = self._fork.Process(target=serve, args=self._of, daemon=True)
        self._process.start()

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.join()


@dataclass
class Sender(threading.Thread):
    """Delivers event after event, each until it is answered 2xx."""

    number: int
    url: str
    seed: int
    acknowledged: dict[str, int] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    stopping: threading.Event = field(default_factory=threading.Event)

    __hash__ = threading.Thread.__hash__

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def run(self) -> None:
        dice = random.Random(f"{self.seed}/{self.number}")
        with httpx2.Client(timeout=5.0) as client:
            nth = 0
            while not self.stopping.is_set():
                nth += 1
                id_, cents = f"{self.number}-{nth}", dice.randrange(100, 100_000)
                body = event(id_, cents)
                while not self._deliver(client, body):
                    if self.stopping.is_set():
                        return
                    time.sleep(0.05)
                self.acknowledged[id_] = cents
                if dice.random() < 0.1:
                    self._deliver(client, body)
                time.sleep(0.005)

    def _deliver(self, client: httpx2.Client, body: bytes) -> bool:
        digest = hmac.digest(KEY, self.url.encode() + body, "sha256")
        headers = {"x-acme-signature": base64.b64encode(digest).decode()}
        try:
            answer = client.post(self.url, content=body, headers=headers)
        except httpx2.HTTPError as error:
            self.answers[type(error).__name__] += 1
            return False
        self.answers[str(answer.status_code)] += 1
        return answer.is_success


def event(id_: str, cents: int) -> bytes:
    """An event that carries its payment."""
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    payment = {
        "id": f"p-{id_}", "created_at": at, "updated_at": at, "location_id": "L1",
        "amount_money": {"amount": cents, "currency": "USD"}, "status": "COMPLETED",
    }  # fmt: skip
    return json.dumps({
        "event_id": id_, "type": "payment.updated", "created_at": at, "merchant_id": "M1",
        "data": {"object": {"payment": payment}},
    }).encode()  # fmt: skip


def prepared(folder: Path, port: int) -> str:
    """A home with one connection and one hook; the address of the hook."""
    (folder / "connectors" / "acme").mkdir(parents=True)
    (folder / "connectors" / "acme" / "connector.yaml").write_bytes(ACME.read_bytes())
    with closing(Ledger.open(folder)) as ledger:
        with ledger.change("proof") as change:
            change.connections.add(connector="acme", account="M1", franchise_id="F0001")
        hooks = Hooks(ledger, connectors(folder), "proof")
        return hooks.add("acme", f"http://127.0.0.1:{port}", key=KEY.decode()).url


def await_more(senders: list[Sender], events: int) -> None:
    """Until so many more events were acknowledged: how soon that is depends on the machine."""

    def acknowledged() -> int:
        return sum(len(sender.acknowledged) for sender in senders)

    wanted, last = acknowledged() + events, time.monotonic() + MOST_S
    while acknowledged() < wanted and time.monotonic() < last:
        time.sleep(0.02)


def prove(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Run it; see the top of this file."""
    dice, port = random.Random(seed), free_port()
    url = prepared(folder, port)
    serving = Serving(folder, port)
    senders = [Sender(number, url, seed) for number in range(SENDERS)]
    serving.start()
    for sender in senders:
        sender.start()
    for _ in range(kills):
        if dice.random() >= WHILE_IT_STARTS:
            await_more(senders, 5)
        time.sleep(dice.uniform(0.0, 1.5))
        serving.kill()
        serving.start()
    await_more(senders, 25)
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join()
    time.sleep(3.0)  # what was acknowledged last is settled
    serving.kill()
    return judged(folder, senders) | {"kills": kills}


def judged(folder: Path, senders: list[Sender]) -> dict[str, Any]:
    """Compare what was acknowledged with what is there."""
    sent = {id_: cents for sender in senders for id_, cents in sender.acknowledged.items()}
    answers = sum((sender.answers for sender in senders), Counter[str]())
    with Home(folder) as home:
        home.recorder.map_new()
        home.settler.settle()
        home.settler.tell()
        home.recorder.map_new()
        payments = home.warehouse.query(
            f"SELECT k.payment_id, k.gross FROM {home.warehouse.relation('payment', None)} AS k"
        ).to_pylist()
        delivered = home.warehouse.query(
            "SELECT k.event_id, k.status FROM "
            f"{home.warehouse.relation('webhook_delivery', None)} AS k"
        ).to_pylist()
        with home.ledger.read() as seen:
            (hook,) = seen.inbound.hooks()
    found = Counter(row["payment_id"] for row in payments)
    gross = {row["payment_id"]: round(float(row["gross"]) * 100) for row in payments}
    told = Counter(row["event_id"] for row in delivered if row["status"] == "delivered")
    return {
        "events acknowledged": len(sent),
        "requests": sum(answers.values()),
        "of these cut off": sum(n for name, n in answers.items() if not name.isdecimal()),
        "doubles": hook.doubles,
        "lost payments": sum(f"p-{id_}" not in found for id_ in sent),
        "wrong amounts": sum(gross.get(f"p-{id_}") != cents for id_, cents in sent.items()),
        "payments twice": sum(n > 1 for n in found.values()),
        "payments that nobody sent": len(found.keys() - {f"p-{id_}" for id_ in sent}),
        "events on record more or less than once": abs(hook.taken - len(sent)),
        "deliveries not told": sum(id_ not in told for id_ in sent),
        "deliveries told twice": sum(n > 1 for n in told.values()),
    }


ZERO = (
    "lost payments", "wrong amounts", "payments twice", "payments that nobody sent",
    "events on record more or less than once", "deliveries not told", "deliveries told twice",
)  # fmt: skip


def page(rows: dict[str, Any], options: argparse.Namespace) -> str:
    """The page of docs/proofs."""
    text = (__doc__ or "").replace("``", "`")
    lead, _, rest = text.partition(".\n\n    ")
    what = rest.partition("\n\n")[2].partition("\n\nPrints")[0]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"""# {lead}

`python tests/proof/kill_webhooks.py --kills {options.kills}`

{what}

Run on {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, on 2 cores that others used
too; seed {options.seed}.

| what | count |
|---|---|
{table}

`tests/connect/test_kill_webhooks.py` runs it in small.
"""


def main() -> int:
    """Exit code: 0 when it holds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="webhooks") as folder:
        rows = prove(Path(folder) / "home", options.kills, options.seed)
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    kept = rows["events acknowledged"] > 0 and not any(rows[name] for name in ZERO)
    if kept and options.out:
        options.out.write_text(page(rows, options), encoding="utf-8")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
