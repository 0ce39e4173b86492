"""Injects known faults at stand-ins of the vendors, while a home that is connected to them works,
and notes what its alarms made of each."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from meterstone.app import Home
from meterstone.connect.catalogue import Connectors
from meterstone.connect.egress import VENDORS, Egress
from meterstone.connect.hub import FETCH, SYNC
from meterstone.connect.spec import Connector
from meterstone.connect.webhooks import WebhookReceiver
from meterstone.connect.worker import Handler, Worker
from meterstone.demo.connecting import connect, connect_again
from meterstone.demo.nine import announce
from meterstone.detect.drills import HARMLESS, Task, first, judged
from meterstone.ledger import Alert, Connection, Drill, Job
from meterstone.sandbox.kit import Books, Vendor, known_vendors, make, running

EVERY = timedelta(seconds=5)
"""How often streams that are due every `_OFTEN` or more often are due in a drill, and all health
checks."""

_OFTEN = timedelta(hours=1)
_LIMIT_S = 90.0
"""After so long without an alarm a fault counts as not found."""

_HARMLESS_S = 30.0
"""So long a harmless fault lasts."""

_OVER_S = 120.0
_SETTLE_S = 6.0
"""What was under way when the fault ended is told by then: its alarms are of this drill."""

_LOOK_S = 0.25
_EVENT_S = 1.5
_THREADS = 16
_SEED = 1

_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "latency": {"seconds": 3.0}, "throttle": {"share": 0.8}, "html": {"share": 0.8},
    "skew": {"seconds": 10.0}, "reordered": {"seconds": 2.0},
}  # fmt: skip
_DRIFT = {
    "square": "created_at", "clover": "createdTime", "quickbooks": "Amount",
    "salesforce": "CreatedDate", "franconnect": "referenceId",
}  # fmt: skip
"""A field that the mapping cannot do without: the vendor renames it."""

_ANSWERS = ("latency", "error", "throttle", "half", "html")
_WEBHOOKS = ("lost", "duplicated", "reordered")
_SLOW_RULES = frozenset(
    {"calls_succeed", "probes_succeed", "data_in_time", "webhooks_arrive", "copies_agree"}
)
"""Budgets burn on after a fault is over: a drill does not wait for them."""


@dataclass
class Ground:
    """A home, and the stand-ins that it is connected to.

    Attributes:
        still: vendors whose jobs the worker takes and does not do.
    """

    home: Home
    vendors: Mapping[str, Vendor]
    addresses: Mapping[str, str]
    connections: Mapping[str, Sequence[Connection]]
    hooked: frozenset[str]
    still: set[str]

    def can(self) -> dict[str, list[Task]]:
        """What can go wrong at each vendor, and whether an alarm is the right answer."""
        return {name: list(self._faults(name)) for name in self.vendors}

    def _faults(self, name: str) -> Iterator[Task]:
        connector, vendor = self.home.connectors[name], self.vendors[name]
        for fault in _ANSWERS:
            yield Task(name, fault, harmful=True)
        yield Task(name, "skew", harmful=False)
        if vendor.accounts and connector.auth.is_oauth:
            yield Task(name, "expired", harmful=False)
            yield Task(name, "revoked", harmful=self.by_browser(name))
        if name in _DRIFT:
            yield Task(name, "drift", harmful=True)
        if name in self.hooked:
            for fault in _WEBHOOKS:
                yield Task(name, fault, harmful=fault not in HARMLESS)
        if any(stream.facts and stream.request for stream in connector.streams.values()):
            yield Task(name, "silence", harmful=True)

    def by_browser(self, name: str) -> bool:
        """Whether a person has to sign in again after a revocation."""
        return self.home.connectors[name].auth.kind == "authorization_code"

    def alerts(self, name: str) -> list[Alert]:
        """The newest alerts of a vendor."""
        with self.home.ledger.read() as seen:
            return seen.alerts.all(integration=name, limit=60)

    def on(self, task: Task) -> None:
        """Switch a fault on."""
        if task.fault == "silence":
            self.still.add(task.vendor)
            return
        settings = dict(_SETTINGS.get(task.fault, {}))
        if task.fault == "drift":
            field = _DRIFT[task.vendor]
            settings = {"rename": {field: f"new_{field}"}}
        self.vendors[task.vendor].faults.switch_on(task.fault, **settings)

    def off(self, task: Task) -> None:
        """Switch it off, and do what a person does then."""
        self.still.discard(task.vendor)
        self.vendors[task.vendor].faults.switch_off()
        if task.fault == "revoked" and self.by_browser(task.vendor):
            of = self.home.connectors[task.vendor]
            given = self.vendors[task.vendor].credentials(self.addresses[task.vendor])
            for connection in self.connections[task.vendor]:
                connect_again(self.home.access, of, given, connection)


@contextmanager
def ground(folder: Path, books: Path, names: Sequence[str] = ()) -> Iterator[Ground]:
    """Stand-ins, and a new home that is connected to them and works, while the block runs.

    Args:
        folder: of the new home.
        books: facts of a simulated network.
        names: of the vendors; none: all.
    """
    with ExitStack() as stack:
        known = Books(books)
        vendors = {name: make(name, known, _SEED) for name in names or known_vendors()}
        addresses = dict(zip(vendors, stack.enter_context(running(*vendors.values())), strict=True))
        home = stack.enter_context(Home(folder))
        home.egress = Egress(VENDORS.with_loopback())
        home.connectors = hurried(home.connectors)
        connections = {
            name: connect(home.access, home.connectors[name], vendor.credentials(addresses[name]))
            for name, vendor in vendors.items()
        }
        _read_once(home, connections)
        url = stack.enter_context(_receiving(home))
        hooked = frozenset(
            name for name, vendor in vendors.items()
            if vendor.sender is not None and home.connectors[name].webhooks is not None
        )  # fmt: skip
        for name in hooked:
            announce(home, name, addresses[name], url)
        still: set[str] = set()
        for part in (home.settler, _worker(home, still), home.watch):
            part.start()
            stack.callback(part.stop)
        yield Ground(home, vendors, addresses, connections, hooked, still)


def hurried(known: Connectors) -> Connectors:
    """Connectors with the schedules of a drill: what is due every hour or more often is due
    every five seconds, and the health check too."""
    return Connectors(
        {key: replace(known.loaded(key), connector=_hurried(known[key])) for key in known}
    )


def _hurried(connector: Connector) -> Connector:
    streams = {
        name: stream.model_copy(update={"every": EVERY}) if stream.every <= _OFTEN else stream
        for name, stream in connector.streams.items()
    }
    health = connector.health and connector.health.model_copy(update={"every": EVERY})
    return connector.model_copy(update={"streams": streams, "health": health})


def _read_once(home: Home, connections: Mapping[str, Sequence[Connection]]) -> None:
    """What was there before the drill."""
    for own in connections.values():
        for connection in own:
            for stream in home.hub.streams(connection):
                home.hub.sync(connection.id, stream)


def _worker(home: Home, still: set[str]) -> Worker:
    worker = Worker(home.hub, threads=_THREADS)

    def unless_still(handler: Handler) -> Handler:
        def handle(job: Job) -> None:
            if still and home.hub.connection(job.payload["connection"]).connector in still:
                return
            handler(job)

        return handle

    for kind in (SYNC, FETCH):
        worker.handle(kind, unless_still(worker.handler(kind)))
    return worker


@contextmanager
def _receiving(home: Home) -> Iterator[str]:
    """The address at which the home takes webhooks."""
    app = Starlette(routes=WebhookReceiver(home.deliveries).routes())
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, log_level="critical", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="receiver", daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)


class Driller:
    """Does the drills of one vendor, one after the other. One thread each.

    Args:
        ground: where.
        series: the drills that are run together.
        over: ends it before the next drill.
    """

    def __init__(self, ground: Ground, series: str, over: threading.Event) -> None:
        self._ground, self._series, self._over = ground, series, over
        self._since: datetime | None = None
        self._earlier: list[Drill] = []
        self._chance: dict[str, random.Random] = {}

    def run(self, tasks: Sequence[Task], done: Callable[[Drill], object]) -> None:
        """All of them; ``done`` is told of each."""
        for task in tasks:
            if self._over.is_set():
                return
            done(self.drill(task))

    def drill(self, task: Task) -> Drill:
        """Switch a fault on, wait for the alarm, switch it off, wait until the alarm is over."""
        calm = self._await(lambda: self._well(task.vendor), _OVER_S)
        began = datetime.now(UTC)
        with self._living(task.vendor):
            self._ground.on(task)
            if task.harmful:
                self._await(lambda: self._seen(task, began) is not None, _LIMIT_S)
            else:
                self._over.wait(_HARMLESS_S)
            self._ground.off(task)
            ended = datetime.now(UTC)
            self._over.wait(_SETTLE_S)
            self._await(lambda: not self._loud(task.vendor), _OVER_S)
        since, self._since = self._since, datetime.now(UTC)
        made = judged(
            task, self._ground.alerts(task.vendor), series=self._series, began=began, ended=ended,
            over=self._since, since=since, earlier=self._earlier,
            note="" if calm else "what was before was not over",
        )  # fmt: skip
        self._earlier.append(made)
        return made

    def _seen(self, task: Task, since: datetime) -> Alert | None:
        return first(self._ground.alerts(task.vendor), task, since, self._earlier)

    def _loud(self, vendor: str) -> bool:
        """Whether an alarm of this moment lasts."""
        return any(
            alert.resolved_at is None and alert.rule not in _SLOW_RULES
            for alert in self._ground.alerts(vendor)
        )

    def _well(self, vendor: str) -> bool:
        """Whether nothing of before lasts: no alarm, and no stream that waits for its next try."""
        runs = list(self._ground.home.watch.feed.runs.values())
        own = [run for run in runs if run.integration == vendor]
        since = self._since or datetime.min.replace(tzinfo=UTC)
        often = [run for run in own if run.every_s <= EVERY.total_seconds()]
        read = all(run.status != "failed" and run.at >= since for run in often)
        return read and not self._loud(vendor)

    def _await(self, seen: Callable[[], bool], most_s: float) -> bool:
        until = time.monotonic() + most_s
        while not (found := seen()) and time.monotonic() < until and not self._over.is_set():
            self._over.wait(_LOOK_S)
        return found

    @contextmanager
    def _living(self, vendor: str) -> Iterator[None]:
        """Records keep changing at the vendor while the block runs."""
        live = self._ground.vendors[vendor].live
        over = threading.Event()
        chance = self._chance.setdefault(vendor, random.Random(vendor))  # noqa: S311  # no secret

        def happen() -> None:
            while live is not None and not over.wait(chance.expovariate(1 / _EVENT_S)):
                live.happen(chance)

        thread = threading.Thread(target=happen, name=f"life-{vendor}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def drill_all(
    ground: Ground, plan: Mapping[str, Sequence[Task]], series: str,
    done: Callable[[Drill], object], over: threading.Event,
) -> None:  # fmt: skip
    """The drills of all vendors side by side, those of one vendor one after the other.

    Args:
        done: told of each, from several threads.
        over: ends it early.
    """
    threads = [
        threading.Thread(
            target=Driller(ground, series, over).run, args=(own, done), name=f"drill-{vendor}"
        )
        for vendor, own in plan.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
