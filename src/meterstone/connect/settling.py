"""From an event that arrived to one that is done: when its facts are in the warehouse, how long
that took, and what is told of it."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec

from meterstone.connect.deliveries import KEEP_EVENTS
from meterstone.connect.lag import Change, tell_changes
from meterstone.connect.missed import GRACE, judge
from meterstone.connect.telemetry import Telemetry
from meterstone.errors import MeterstoneError
from meterstone.ledger import Connection, Ledger
from meterstone.ledger.inbound import InboundEvent
from meterstone.record.log import LandingLog
from meterstone.record.model import facts_of_ours
from meterstone.warehouse.base import Warehouse

_log = logging.getLogger(__name__)

WINDOW = timedelta(days=1)
"""So long an event may take and still counts as delivered; the vocabulary's default."""

_LATE = timedelta(minutes=1)
_TICK_S, _TELL_S, _JUDGE_S = 0.05, 1.0, 60.0


class Settler:
    """Follows the events that came. Anybody may call its steps; `start` does so in a thread.

    Args:
        warehouse: says how far the landing log is mapped.
        telemetry: where `sync_lag` goes.
    """

    def __init__(
        self, ledger: Ledger, log: LandingLog, warehouse: Warehouse, telemetry: Telemetry
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._warehouse = warehouse
        self._telemetry = telemetry
        self._woken = threading.Event()
        self._woken.set()  # events of the last run may be open
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is something to settle."""
        self._woken.set()

    def start(self) -> None:
        """Settle until `stop`."""
        self._thread = threading.Thread(target=self._run, name="settler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell what is settled, and end."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def settle(self) -> int:
        """Mark as done what the warehouse has; `sync_lag` of it; returns how many events."""
        with self._ledger.change("webhooks") as change:
            done = change.inbound.settle(self._warehouse.mapped_to())
            connections = {id_: change.connections.get(id_) for id_ in _connections(done)}
            now = change.now
        for (id_, stream), events in _by_stream(done).items():
            changes = [
                Change(event.record, event.changed_at, event.arrived_at)
                for event in events
                if event.changed_at is not None and event.record
            ]
            tell_changes(self._telemetry, self._warehouse, connections[id_], stream, changes, now)
        return len(done)

    def tell(self) -> int:
        """Land `webhook_delivery` of the events that facts do not tell yet; returns how many."""
        with self._ledger.read() as seen:
            events = seen.inbound.untold(seen.now - _LATE)
        return self._land(events)

    def judge(self, grace: timedelta = GRACE) -> int:
        """Tell of the webhooks that never came; returns how many. Old ids are forgotten."""
        missed = judge(self._ledger, grace)
        with self._ledger.change("webhooks") as change:
            change.inbound.purge(change.now - KEEP_EVENTS)
        return self._land(missed)

    def _land(self, events: list[InboundEvent]) -> int:
        if not events:
            return 0
        with self._ledger.read() as seen:
            connections = {id_: seen.connections.get(id_) for id_ in _connections(events)}
        rows = (_row(event, connections[event.connection]) for event in events)
        body = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        # on disk before the ledger says so: a crash between tells the same rows again
        self._log.land(facts_of_ours(body, "webhooks in", "hub"))
        with self._ledger.change("webhooks") as change:
            change.inbound.tell(events)
        return len(events)

    def _run(self) -> None:
        tell = judge_ = time.monotonic()
        while not self._stopping.wait(_TICK_S):
            try:
                if self._woken.is_set():
                    self._woken.clear()
                    if self.settle_open():
                        self._woken.set()
                now = time.monotonic()
                if now >= tell:
                    tell = now + _TELL_S
                    self.tell()
                if now >= judge_:
                    judge_ = now + _JUDGE_S
                    self.judge()
            except MeterstoneError as error:
                _log.warning("events are settled later: %s", error.cause)
        self.settle()
        self.tell()

    def settle_open(self) -> bool:
        """Settle; is something still open?"""
        self.settle()
        with self._ledger.read() as seen:
            return seen.inbound.is_open()


def _connections(events: Iterable[InboundEvent]) -> set[str]:
    return {event.connection for event in events}


def _by_stream(events: Iterable[InboundEvent]) -> dict[tuple[str, str], list[InboundEvent]]:
    found = defaultdict(list)
    for event in events:
        if event.stream:
            found[event.connection, event.stream].append(event)
    return found


def _row(event: InboundEvent, connection: Connection) -> dict[str, Any]:
    created = min(event.changed_at or event.arrived_at, event.arrived_at)
    return {
        "fact": "webhook_delivery",
        "source": "hub",
        "integration": connection.connector,
        "franchise_id": connection.franchise_id,
        "environment": connection.environment,
        "event_id": event.event,
        "direction": "in",
        "subscription_id": event.connection,
        "created_at": created,
        "deadline_at": created + WINDOW,
        "attempts": max(1, event.deliveries),
        "delivered_at": event.done_at,
        "status": event.state,
        "found_by_reconciliation": event.missed,
    }
