"""Takes jobs off the queue and does them: threads, leases that are kept alive, a schedule.

What passes by itself is done again later; what only a person can mend is put aside with one clear
sentence. A job whose worker died is taken by the next one when its lease has run out.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Any

from meterstone.connect.auth.base import CredentialUnavailable
from meterstone.connect.hub import FETCH, PROBE, SYNC, Hub, job, options
from meterstone.connect.problems import VendorError
from meterstone.errors import ConflictError, InputError, LeaseLost, MeterstoneError, StorageError
from meterstone.ledger import Connection, Job

_log = logging.getLogger(__name__)
TICK_S = 0.25
PROBE_WHEN_DOWN_S = 2.0
CONFLICT_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""A vendor that is up again is resynced at once; this is for what nobody is told of."""

Handler = Callable[[Job], None]
Measured = Callable[[str], AbstractContextManager[None]]


class Worker:
    """Does the jobs of one home.

    Args:
        hub: the connected systems.
        threads: jobs at once.
        lease_s: after so long without a sign of life a job is another's.
    """

    def __init__(self, hub: Hub, *, threads: int = 4, lease_s: float = 60.0) -> None:
        self._hub = hub
        self._lease_s = lease_s
        self._threads = threads
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._running: dict[int, Job] = {}
        self._next: dict[tuple[str, str], datetime] = {}
        self._thread: threading.Thread | None = None
        self._measured: Measured = lambda _: nullcontext()
        self._handlers: dict[str, Handler] = {
            SYNC: self._sync, FETCH: self._fetch, PROBE: self._probe,
        }  # fmt: skip

    def handle(self, kind: str, handler: Handler) -> None:
        """Do jobs of another kind too; called before `start`."""
        self._handlers[kind] = handler

    def handler(self, kind: str) -> Handler:
        """What does the jobs of a kind."""
        return self._handlers[kind]

    def measure(self, measured: Measured) -> None:
        """Do each job inside a block that is given its kind; called before `start`."""
        self._measured = measured

    def start(self) -> None:
        """Work until `stop`, in threads."""
        self._thread = threading.Thread(target=self.run, name="worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more jobs, and wait for those that run."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def run(self) -> None:
        """Work until `stop`."""
        with ThreadPoolExecutor(self._threads, thread_name_prefix="job") as pool:
            beat = schedule = 0.0
            while not self._stop.is_set():
                now = self._hub.clock.monotonic()
                if now >= schedule:
                    schedule = now + 1.0
                    self.schedule()
                    self._hub.telemetry.flush_if_due()
                if now >= beat:
                    beat = now + self._lease_s / 3
                    self._extend()
                if not self._claim(pool):
                    self._stop.wait(TICK_S)

    def run_once(self) -> int:
        """Do all jobs that are due now, here; how many. For tests and the command line."""
        done = 0
        while found := self._hub.ledger.queue.claim(self._name, self._kinds, self._lease_s):
            self._do(found)
            done += 1
        return done

    @property
    def _kinds(self) -> list[str]:
        return list(self._handlers)

    def _claim(self, pool: ThreadPoolExecutor) -> bool:
        with self._lock:
            if len(self._running) >= self._threads:
                return False
        found = self._hub.ledger.queue.claim(self._name, self._kinds, self._lease_s)
        if found is None:
            return False
        with self._lock:
            self._running[found.id] = found
        pool.submit(self._do, found).add_done_callback(lambda ended: self._ended(found, ended))
        return True

    def _ended(self, found: Job, ended: Future[None]) -> None:
        with self._lock:
            self._running.pop(found.id, None)
        error = ended.exception()
        if error is not None:  # a defect of ours: the job is put aside, the others go on
            _log.error("job %s (%s) failed", found.id, found.kind, exc_info=error)
            self._settle(
                self._hub.ledger.queue.bury, found, error=f"defect: {type(error).__name__}"
            )

    def _extend(self) -> None:
        with self._lock:
            running = list(self._running.values())
        for each in running:
            self._settle(self._hub.ledger.queue.extend, each, self._lease_s)

    def _do(self, found: Job) -> None:
        queue = self._hub.ledger.queue
        try:
            with self._measured(f"job {found.kind}"):
                self._handlers[found.kind](found)
        except (VendorError, CredentialUnavailable) as error:
            if isinstance(error, VendorError) and not error.transient:
                self._settle(queue.bury, found, error=error.cause)
            else:
                at = self._again(found, error.retry_after_s)
                self._settle(queue.retry, found, at=at, error=error.cause)
        except ConflictError as error:  # another run of the stream works; it will not take long
            at = self._hub.clock.now() + timedelta(seconds=CONFLICT_PAUSE_S)
            self._settle(queue.retry, found, at=at, error=error.cause)
        except StorageError as error:
            self._settle(queue.retry, found, at=self._again(found, None), error=error.cause)
        except MeterstoneError as error:
            self._settle(queue.bury, found, error=error.cause)
        else:
            self._settle(queue.done, found)

    def _again(self, found: Job, asked_s: float | None) -> datetime:
        pause = min(2.0 ** min(found.attempt, 6), LONGEST_PAUSE_S)
        return self._hub.clock.now() + timedelta(seconds=max(asked_s or 0.0, pause))

    def _settle(self, what: Callable[..., object], *args: Any, **options: Any) -> None:
        """A change of a job; one whose lease is another's is left to that one."""
        try:
            what(*args, **options)
        except LeaseLost as error:
            _log.warning("%s", error.cause)

    # -- kinds ------------------------------------------------------------------------------------

    def _sync(self, found: Job) -> None:
        payload = found.payload
        self._hub.sync(
            payload["connection"], payload["stream"], priority=found.priority,
            full=bool(payload.get("full")),
        )  # fmt: skip

    def _fetch(self, found: Job) -> None:
        payload, began = found.payload, self._hub.clock.now()
        which = payload["connection"], payload["stream"], payload["id"]
        self._hub.fetch(*which, priority=found.priority)
        with self._hub.ledger.change("worker") as change:
            change.inbound.fetched(*which, since=began)

    def _probe(self, found: Job) -> None:
        self._hub.probe(found.payload["connection"])

    # -- schedule ---------------------------------------------------------------------------------

    def schedule(self) -> int:
        """Queue what is due by the schedules of the connectors; how many jobs."""
        now = self._hub.clock.now()
        active = self._hub.active()
        syncs = [
            (connection, name)
            for connection in active
            for name in self._hub.streams(connection)
            if self._is_due(connection, name, self._every(connection, name), now)
        ]
        probes = [
            connection
            for connection in active
            if (health := self._hub.connectors[connection.connector].health)
            and self._is_due(connection, "(health)", health.every, now)
        ]
        often = timedelta(seconds=PROBE_WHEN_DOWN_S)
        probes += [c for c in self._hub.down() if self._is_due(c, "(down)", often, now)]
        if syncs or probes:
            self._queue(syncs, probes)
        return len(syncs) + len(probes)

    def _every(self, connection: Connection, stream: str) -> timedelta:
        return self._hub.connectors[connection.connector].streams[stream].every

    def _queue(self, syncs: list[tuple[Connection, str]], probes: list[Connection]) -> None:
        with self._hub.ledger.change("schedule") as change:
            for connection, name in syncs:
                how = options(connection, name)
                change.queue.limit(how["group"], 1)
                cursor = change.cursors.get(connection.id, name)
                new = cursor is None or cursor.value.get("last") is None
                change.queue.put(
                    SYNC, *job(connection.id, name), priority="backfill" if new else "live", **how
                )
            for connection in probes:
                change.queue.put(
                    PROBE, {"connection": connection.id}, dedupe=f"probe:{connection.id}",
                    priority="interactive", most_attempts=1,
                )  # fmt: skip

    def _is_due(self, connection: Connection, what: str, every: timedelta, now: datetime) -> bool:
        key = connection.id, what
        if key not in self._next:
            self._next[key] = self._first(connection, what, every, now)
        if now < self._next[key]:
            return False
        self._next[key] = now + every
        return True

    def _first(
        self, connection: Connection, what: str, every: timedelta, now: datetime
    ) -> datetime:
        """When something is due after a start: by its last run."""
        with self._hub.ledger.read() as seen:
            cursor = seen.cursors.get(connection.id, what)
        last: Mapping[str, Any] = (cursor.value.get("last") or {}) if cursor else {}
        return datetime.fromisoformat(last["at"]) + every if last else now


def fetch_job(connection: str, stream: str, ref: str) -> tuple[Mapping[str, Any]]:
    """The payload of a job that reads one record; one that is gone is withdrawn by it.

    Raises:
        InputError: the event did not say which.
    """
    if not ref:
        raise InputError("an event without the id of its record", place=stream)
    return ({"connection": connection, "stream": stream, "id": ref},)
