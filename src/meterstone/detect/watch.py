"""The watch: looks every few seconds, evaluates all rules, and tells everybody how it is now.

A look takes in what is new, asks every rule, moves the alerts on, keeps them with their incidents,
lands the incidents as facts, and makes `Now`. Its cost follows what is new.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from meterstone.detect import now as of_now
from meterstone.detect import vitals
from meterstone.detect.alert import Machine
from meterstone.detect.around import Around, Shops
from meterstone.detect.burn import budgets, burning, with_budgets
from meterstone.detect.daily import NO_DAYS, Days, count_days
from meterstone.detect.feed import Feed
from meterstone.detect.incidents import Incidents, Row
from meterstone.detect.rules import Scene, look
from meterstone.detect.slo import Definitions
from meterstone.detect.state import BudgetNow, Now
from meterstone.detect.vitals import Vitals
from meterstone.errors import MeterstoneError
from meterstone.facts import Vocabulary
from meterstone.ledger import Alert, Connection, Ledger
from meterstone.warehouse.base import Warehouse

TICK_S = 2.0
_SLOW_S = 10.0
"""How often the parts of `Now` are made that ask the warehouse."""

_ENDED = 200
"""So many of the newest incidents that are over tell a new process until when they were."""

_log = logging.getLogger(__name__)
Listener = Callable[[Now], None]


class Watch:
    """Makes `Now` every few seconds and tells its listeners. Thread-safe.

    Args:
        ledger, warehouse, vocabulary: of the home.
        definitions: objectives and rules.
        around: what the house answers.
        franchises: whose shops a connection is of.
        tell: lands rows of our own facts.
        days: past days, for rules and objectives over metrics.
        silence: the maintenance window that an alert falls into; empty: none.
        clock: the time, UTC.

    Attributes:
        took_s: how long the last look took.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        warehouse: Warehouse,
        vocabulary: Vocabulary,
        definitions: Definitions,
        around: Around,
        franchises: Callable[[Connection], tuple[str, ...]],
        tell: Callable[[Sequence[Row]], None],
        days: Days = NO_DAYS,
        silence: Callable[[Alert, datetime], str] = lambda *_: "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger, self._warehouse, self._around = ledger, warehouse, around
        self._definitions, self._franchises, self._tell = definitions, franchises, tell
        self._silence, self._clock, self._days = silence, clock, days
        self._days_version = -1
        longest = max([slo.period / timedelta(days=1) for slo in definitions.slos], default=30.0)
        self.feed = Feed(warehouse, vocabulary, definitions.counters, longest)
        self._incidents = Incidents(around.has_told)
        self._machine: Machine | None = None
        self._began: datetime | None = None
        self._slow_at: datetime | None = None
        self._vitals = Vitals()
        self._now: Now | None = None
        self._listeners: list[Listener] = []
        self._lock, self._looking = threading.Lock(), threading.Lock()
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.took_s = 0.0

    @property
    def now(self) -> Now | None:
        """The newest state; None before the first look."""
        return self._now

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call a listener with every new `Now`, from the thread of the watch.

        Returns:
            ends it.
        """
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return end

    def wake(self) -> None:
        """Look now, not only when the time has come."""
        self._wake.set()

    def start(self) -> None:
        """Look until `stop`, in a thread."""
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; returns when the last look is over."""
        self._stopped.set()
        self._wake.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.look()
            except MeterstoneError as error:  # a full disk: it is looked again
                _log.error("the watch could not look: %s", error)
            self._wake.wait(TICK_S)
            self._wake.clear()

    def look(self) -> Now:
        """One look, here."""
        with self._looking:
            began = time.monotonic()
            made = self._look(self._clock())
            self.took_s = time.monotonic() - began
        return made

    def _look(self, now: datetime) -> Now:
        self._around.catch_up()
        if self._began is None:
            self._begin(now)
        self.feed.read()
        with self._ledger.read() as seen:
            shops = self._shops(seen.connections.all())
            lasting = seen.alerts.lasting()
        if self._days.version != self._days_version:
            self._days_version = self._days.version
            count_days(self._definitions.slos, self._days, self.feed)
        machine = self._machine or Machine()
        scene = Scene(
            now, self._began or now, self.feed, self._around, shops, self._days, machine.over
        )
        machine.acknowledged(lasting)
        slos, name = self._definitions.slos, self._around.name
        spent = list(budgets(slos, self.feed, now, name))
        found = [f for rule in self._definitions.rules for f in look(rule, scene)]
        findings = with_budgets(found, spent)
        findings += burning(slos, self.feed, now, name, machine.over)
        changed = machine.step(now, findings, lambda alert: self._silence(alert, now))
        rows: list[Row] = []
        if changed:
            with self._ledger.change("watch") as change:
                rows = self._incidents.take(change, changed, now).rows
                kept = change.alerts.lasting()
            for alert in kept:
                machine.joined(alert)
        if rows:
            self._tell(rows)
        return self._publish(self._made(scene, machine.alive, spent))

    def _begin(self, now: datetime) -> None:
        self.feed.fill(now)
        with self._ledger.read() as seen:
            ended = seen.alerts.incidents(open_=False, limit=_ENDED)
            over = {i.cause_key: i.resolved_at for i in reversed(ended) if i.resolved_at}
            self._machine = Machine(seen.alerts.lasting(), now, over=over)
        self._began = now

    def _shops(self, found: Sequence[Connection]) -> Mapping[str, Shops]:
        by_key: dict[str, list[Connection]] = {}
        for each in found:
            if each.status in ("active", "broken"):
                by_key.setdefault(each.connector, []).append(each)
        return {
            key: Shops(
                len(own),
                tuple(sorted({f for each in own for f in self._franchises(each)})),
                tuple(
                    (each.id, each.changed_at, self._franchises(each))
                    for each in own
                    if each.status == "broken"
                ),
            )
            for key, own in by_key.items()
        }

    def _made(self, scene: Scene, alive: Sequence[Alert], spent: Sequence[BudgetNow]) -> Now:
        before = self._now
        if self._slow_at is None or (scene.now - self._slow_at).total_seconds() >= _SLOW_S:
            self._slow_at = scene.now
            self._vitals = vitals.read(
                self._warehouse, scene.now, self._definitions.answers_within_ms
            )
        with self._ledger.read() as seen:
            incidents = of_now.open_incidents(seen.alerts.incidents(open_=True))
            queue = of_now.queue(seen, scene.now, self.feed, self._vitals)
            open_ = len(seen.discrepancies.open())
            drills = of_now.drills(seen.alerts.drills())
        states = of_now.integrations(scene, alive, self._vitals)
        said, lead = of_now.sentence(states, incidents)
        return Now(
            at=scene.now, version=before.version if before else 0, sentence=said, lead=lead,
            integrations=states, incidents=incidents, budgets=of_now.budget_order(spent),
            signals=self._vitals.signals, errors=self._vitals.errors, queue=queue, drills=drills,
            discrepancies_open=open_,
        )  # fmt: skip

    def _publish(self, made: Now) -> Now:
        if not of_now.same(self._now, made):
            made = msgspec.structs.replace(made, version=made.version + 1)
        self._now = made
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(made)
        return made
