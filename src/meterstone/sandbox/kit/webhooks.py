"""Webhooks of a stand-in: signed, sent by the vendor's schedule, lost and doubled on command."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import httpx2

from meterstone.sandbox.kit.clock import Clock, rfc3339, token
from meterstone.sandbox.kit.faults import Faults

VERIFICATION = "verification"
"""Type of the message with the code."""

State = Literal["waiting", "delivered", "lost", "given_up"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a vendor tries again.

    Attributes:
        waits_s: seconds between the attempts; as many retries as there are.
        timeout_s: how long the vendor waits for an answer.
        evidence: where the vendor says so; empty: it does not, and the numbers are ours.
    """

    waits_s: Sequence[float]
    timeout_s: float = 10.0
    evidence: str = ""


@dataclass(slots=True)
class Target:
    """Where webhooks go.

    Attributes:
        events: types that are wanted; empty: all.
    """

    id: str
    url: str
    secret: str = field(repr=False)
    events: tuple[str, ...] = ()
    enabled: bool = True
    code: str = field(default="", repr=False)


@dataclass(slots=True)
class Event:
    """One event for one target: the truth of what was sent."""

    id: str
    type: str
    about: str
    body: bytes
    target: Target
    at: datetime
    attempts: int = 0
    copies: int = 1
    state: State = "waiting"
    last: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For the state of a stand-in; without the body."""
        return {
            "id": self.id, "type": self.type, "about": self.about, "at": rfc3339(self.at),
            "attempts": self.attempts, "copies": self.copies, "state": self.state,
            "last": self.last,
        }  # fmt: skip


Sign = Callable[[Event, int], Mapping[str, str]]
"""The headers of an attempt (0: the first): signature and what else the vendor sends."""


class Sender:
    """Sends events to the targets from threads of its own.

    Args:
        sign: headers of an attempt.
        accepts: whether an answer counts as taken.
        verification: the body of a first message with a code, for a vendor whose addresses are
            verified: nothing else is sent until the code was handed back to `confirm`.

    Attributes:
        pace: by what all waits of the schedule are multiplied (a drill can't wait for days).
        events: all that happened, oldest first.
    """

    def __init__(
        self,
        clock: Clock,
        faults: Faults,
        schedule: Schedule,
        sign: Sign,
        *,
        seed: int,
        media_type: str = "application/json",
        accepts: Callable[[httpx2.Response], bool] = lambda answer: answer.is_success,
        verification: Callable[[str], bytes] | None = None,
    ) -> None:
        self.schedule, self.pace = schedule, 1.0
        self.targets: dict[str, Target] = {}
        self.events: list[Event] = []
        self._clock, self._faults, self._sign, self._seed = clock, faults, sign, seed
        self._accepts, self._media_type = accepts, media_type
        self._verification = verification
        self._due: list[tuple[float, int, Event]] = []
        self._nth = 0
        self._wake = threading.Condition()
        self._threads: ThreadPoolExecutor | None = None
        self._http: httpx2.Client | None = None
        self._stopped = False

    def subscribe(self, url: str, *, secret: str = "", events: Sequence[str] = ()) -> Target:
        """Send events to an address from now on; a secret is made where none is given."""
        self._nth += 1
        made = Target(
            f"wbhk_{token(self._seed, 'target', self._nth).lower()}", url,
            secret or token(self._seed, url, self._nth, length=22), tuple(events),
        )  # fmt: skip
        self.targets[made.id] = made
        if self._verification is not None:
            made.enabled, made.code = False, token(self._seed, url, "code", length=8)
            body = self._verification(made.code)
            self._later(Event(VERIFICATION, VERIFICATION, made.id, body, made, self._clock.now()))
        return made

    def confirm(self, id_: str, code: str) -> bool:
        """Hand back the code of the verification; from then on events are sent."""
        target = self.targets.get(id_)
        if target is None or target.code != code:
            return False
        target.enabled = True
        return True

    def unsubscribe(self, id_: str) -> bool:
        """Send nothing more there; False where there is no such target."""
        return self.targets.pop(id_, None) is not None

    def send(self, type_: str, id_: str, about: str, body: Callable[[Target], bytes]) -> None:
        """Send an event to every target that wants it.

        Args:
            id_: what a receiver tells doubles by.
            about: id of the record, for the truth.
            body: the bytes for a target.
        """
        for target in list(self.targets.values()):
            if not target.enabled or (target.events and type_ not in target.events):
                continue
            event = Event(id_, type_, about, body(target), target, self._clock.now())
            with self._wake:
                self.events.append(event)
            if self._faults.strikes("lost", type_):
                event.state = "lost"
                continue
            late = self._faults.strikes("reordered", type_)
            wait = late.seconds if late else 0.0
            self._later(event, wait)
            if self._faults.strikes("duplicated", type_):
                event.copies += 1
                self._later(event, wait)

    def state(self) -> dict[str, Any]:
        """What was sent and what became of it."""
        with self._wake:
            events = [event.as_dict() for event in self.events]
        counted = dict.fromkeys(("waiting", "delivered", "lost", "given_up"), 0)
        for event in events:
            counted[event["state"]] += 1
        return {**counted, "events": events[-1000:]}

    def stop(self) -> None:
        """Send nothing more; what is on its way ends."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=True, cancel_futures=True)
        if self._http is not None:
            self._http.close()
            self._http = None

    def _later(self, event: Event, wait: float = 0.0) -> None:
        with self._wake:
            if self._stopped:
                return
            self._nth += 1
            heapq.heappush(self._due, (self._clock.monotonic() + wait, self._nth, event))
            if self._threads is None:
                self._http = httpx2.Client(timeout=self.schedule.timeout_s)
                self._threads = ThreadPoolExecutor(5, thread_name_prefix="sandbox-webhooks")
                self._threads.submit(self._run, self._threads)
            self._wake.notify_all()

    def _run(self, threads: ThreadPoolExecutor) -> None:
        while True:
            with self._wake:
                while not self._stopped and not self._is_due():
                    self._wake.wait(self._until_due())
                if self._stopped:
                    return
                _, _, event = heapq.heappop(self._due)
                threads.submit(self._attempt, event)

    def _is_due(self) -> bool:
        return bool(self._due) and self._due[0][0] <= self._clock.monotonic()

    def _until_due(self) -> float | None:
        return max(self._due[0][0] - self._clock.monotonic(), 0.0) if self._due else None

    def _attempt(self, event: Event) -> None:
        nth, event.attempts = event.attempts, event.attempts + 1
        http = self._http
        if http is None:
            return
        headers = {"content-type": self._media_type, **self._sign(event, nth)}
        try:
            answer = http.post(event.target.url, content=event.body, headers=headers)
            taken, event.last = self._accepts(answer), str(answer.status_code)
        except httpx2.HTTPError as error:
            taken, event.last = False, type(error).__name__
        if taken:
            event.state = "delivered"
        elif nth < len(self.schedule.waits_s):
            self._later(event, self.schedule.waits_s[nth] * self.pace)
        elif event.state != "delivered":
            event.state = "given_up"
