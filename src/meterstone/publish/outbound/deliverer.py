"""Takes deliveries off the queue and does them."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterstone.connect.egress import STRANGERS, Egress
from meterstone.errors import LeaseLost, MeterstoneError
from meterstone.ledger.announced import DeliveryStatus, Endpoint, Message
from meterstone.ledger.jobs import Job
from meterstone.ledger.ledger import Change, Ledger
from meterstone.ledger.outbox import DELIVER
from meterstone.publish.outbound.exchange import Answer, post
from meterstone.publish.outbound.facts import Tell, tell_deliveries
from meterstone.publish.outbound.messages import headers
from meterstone.publish.outbound.schedule import Breaker, Schedule
from meterstone.publish.outbound.secrets import signing

_log = logging.getLogger(__name__)

_IDLE_S, _ASLEEP_S, _TELL_S = 0.25, 5.0, 1.0


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an attempt needs, read in one transaction."""

    endpoint: Endpoint
    message: Message
    attempts: int
    secrets: list[str]
    at: datetime


class Deliverer:
    """Delivers, in threads of its own. Any number of them may work on one ledger.

    A delivery is done at least once: who dies between the answer of a receiver and the commit here
    leaves a lease that runs out, and the same message with the same ``webhook-id`` is sent again.

    Args:
        egress: which receivers may be reached.
        threads: deliveries at the same time; an endpoint gets four of them, or one where it keeps
            order.
        spread: gives numbers between 0 and 1 for the jitter.
        tell: lands the facts of deliveries; None: whoever calls `tell_deliveries` does.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        egress: Egress | None = None,
        schedule: Schedule | None = None,
        breaker: Breaker | None = None,
        name: str = "deliverer",
        threads: int = 8,
        spread: Callable[[], float] = random.random,
        tell: Tell | None = None,
    ) -> None:
        self._ledger = ledger
        self._schedule = schedule or Schedule()
        self._breaker = breaker or Breaker()
        self._name = name
        self._spread = spread
        self._tell = tell
        self._told_at = 0.0
        self._client = (egress or Egress(STRANGERS)).client(
            timeout=self._schedule.timeout_s, within_s=self._schedule.within_s, connections=threads
        )
        self._stopping = threading.Event()
        self._more = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(nth == 0,), name=f"{name}-{nth}", daemon=True)
            for nth in range(threads)
        ]

    def start(self) -> None:
        """Deliver until `stop`."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the attempts that run, and no more."""
        self._stopping.set()
        self._more.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._client.close()
        self._told_at = 0.0
        self._tell_facts()

    def _tell_facts(self) -> None:
        now = time.monotonic()
        if self._tell and now - self._told_at >= _TELL_S:
            self._told_at = now
            tell_deliveries(self._ledger, self._tell, self._schedule.window)

    def step(self) -> bool:
        """Do one delivery that is due; False: none is."""
        job = self._ledger.queue.claim(self._name, kinds=[DELIVER], lease_s=self._schedule.lease_s)
        if job is None:
            return False
        plan = self._plan(job)
        if plan.endpoint.status != "enabled":
            self._abandon(job, plan)
            return True
        answer = post(
            self._client,
            plan.endpoint.url,
            headers(plan.message.id, plan.at, plan.message.body, plan.secrets),
            plan.message.body,
            plan.at,
        )
        self._record(job, plan, answer)
        return True

    def _run(self, looks: bool) -> None:
        """One thread looks whether something is due; the others wait until there is more than it
        can do."""
        while not self._stopping.is_set():
            try:
                if looks:
                    self._tell_facts()
                if (not looks or self._is_due()) and self.step():
                    self._more.set()
                    continue
            except MeterstoneError as error:  # what was claimed is claimed again, a lease later
                _log.warning("deliveries wait: %s", error.cause)
            self._more.clear()
            if looks:
                self._stopping.wait(_IDLE_S)
            else:
                self._more.wait(_ASLEEP_S)

    def _is_due(self) -> bool:
        with self._ledger.read() as seen:
            due = seen.queue.next_due([DELIVER])
            return due is not None and due <= seen.now

    def _plan(self, job: Job) -> _Plan:
        message, endpoint = job.payload["message"], job.payload["endpoint"]
        with self._ledger.read() as seen:
            return _Plan(
                endpoint=seen.outbox.endpoint(endpoint),
                message=seen.outbox.message(message),
                attempts=seen.outbox.delivery(message, endpoint).attempts - job.payload["before"],
                secrets=signing(seen, endpoint),
                at=seen.now,
            )

    def _abandon(self, job: Job, plan: _Plan) -> None:
        with self._ledger.change(self._name) as change:
            change.outbox.abandon(plan.message.id, plan.endpoint.id)
            change.queue.done(job)

    def _record(self, job: Job, plan: _Plan, answer: Answer) -> None:
        """The attempt, what it means for the delivery and for the endpoint: all or nothing."""
        with suppress(LeaseLost), self._ledger.change(self._name) as change:
            endpoint = change.outbox.endpoint(plan.endpoint.id)
            again = self._again(change, job, plan, answer)
            status: DeliveryStatus = "delivered" if answer.delivered else "failed"
            change.outbox.record(
                plan.message.id,
                endpoint.id,
                took_ms=answer.took_ms,
                status_code=answer.status,
                outcome=answer.outcome,
                error=answer.error,
                sha256=answer.sha256,
                status="pending" if again else status,
            )
            self._judge(change, endpoint, answer)

    def _again(self, change: Change, job: Job, plan: _Plan, answer: Answer) -> bool:
        """Settle the job; True: it is tried again."""
        wait = self._schedule.wait_s(plan.attempts + 1, answer.retry_after_s, self._spread())
        if answer.delivered or answer.outcome == "gone" or wait is None:
            change.queue.done(job)
            return False
        change.queue.retry(job, at=change.now + timedelta(seconds=wait), error=answer.error)
        return True

    def _judge(self, change: Change, endpoint: Endpoint, answer: Answer) -> None:
        """What an attempt says about its endpoint: it works, is left alone for a while, or gets
        nothing any more."""
        if answer.delivered:
            if endpoint.failures:
                change.outbox.set_health(endpoint, 0, None)
            return
        failures = endpoint.failures + 1
        pause = self._breaker.pause_s(failures)
        if answer.outcome == "throttled":
            pause = max(pause, min(answer.retry_after_s or 0.0, self._schedule.longest_wait_s))
        hold = change.now + timedelta(seconds=pause) if pause else None
        change.outbox.set_health(endpoint, failures, hold)
        since = endpoint.failing_since or change.now
        if answer.outcome == "gone":
            disable(change, endpoint, "it answered 410: it wants nothing any more")
        elif change.now - since >= self._breaker.give_up:
            disable(change, endpoint, f"it has taken nothing since {since:%Y-%m-%d %H:%M} UTC")


def disable(change: Change, endpoint: Endpoint, reason: str) -> None:
    """Send nothing more to an endpoint, and announce that to those who still listen."""
    if endpoint.status != "enabled":
        return
    change.outbox.set_endpoint(endpoint.id, "disabled", reason)
    told = {"endpoint": endpoint.id, "description": endpoint.description, "reason": reason}
    change.outbox.announce("webhook.disabled", told)
