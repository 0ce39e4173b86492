"""Notifications over a ledger whose clock stands, and a way that keeps what was sent."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from meterstone.ledger import Alert, Incident, IncidentEvent, Ledger
from meterstone.notify.letters import NotDelivered
from meterstone.notify.model import Route
from meterstone.notify.service import Notifications
from meterstone.notify.ways import Ways


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **by: float) -> None:
        self.moment += timedelta(**by)


@dataclass
class Kept:
    """A way whose messages are kept.

    Attributes:
        fails: how many of the next messages are not taken.
    """

    sent: list[tuple[str, str, str]] = field(default_factory=list)
    fails: int = 0

    def way(self, url: str) -> str:
        return url.partition("://")[0]

    def send(self, url: str, title: str, body: str, _severity: str = "") -> None:
        if self.fails:
            self.fails -= 1
            raise NotDelivered("the service did not take the message")
        self.sent.append((url, title, body))


@dataclass
class World:
    """Incidents happen, and time goes on."""

    ledger: Ledger
    clock: Clock
    ways: Kept
    notify: Notifications

    def route(self, **settings: Any) -> Route:
        """A route over a channel of its own."""
        name = settings.pop("name", "all")
        channel = self.notify.add_channel(name, f"kept://{name}", "test")
        route = Route(name=name, channel=channel.id, **settings)
        return replace(route, id=self.notify.put_route(route, "test"))

    def happens(self, what: str, incident: str = "i1", **fields: Any) -> None:
        """Something happens to an incident."""
        now = self.clock()
        with self.ledger.change("watch") as change:
            if what == "opened":
                usual: dict[str, Any] = {
                    "kind": "availability", "severity": "sev2", "fault": "provider",
                    "cause_key": incident, "integration": "square", "franchises": ("F1", "F2"),
                    "title": f"Square is down ({incident})", "says": "No payment comes in.",
                    "next": "Wait: nothing is lost.", "started_at": now - timedelta(seconds=30),
                    "detected_at": now, "id": incident,
                }  # fmt: skip
                made = Incident(**{**usual, **fields})
                change.alerts.put_incident(made)
                change.alerts.put(
                    Alert(
                        id=f"a-{incident}", rule="r", cause_key=incident, state="firing",
                        kind=made.kind, severity=made.severity, fault=made.fault,
                        integration=made.integration, franchises=(), title=made.title,
                        says="", next="", started_at=now, pending_at=now, fired_at=now,
                        incident=incident,
                    )
                )  # fmt: skip
            elif fields:
                found = change.alerts.incident(incident)
                change.alerts.put_incident(replace(found, **fields))
            change.alerts.tell(
                IncidentEvent(
                    incident=incident,
                    at=now,
                    what=cast(Any, what),
                    text=what,
                    alert=f"a-{incident}",
                )
            )

    def resolved(self, incident: str = "i1") -> None:
        """An incident is over."""
        self.happens("resolved", incident, resolved_at=self.clock(), resolution="It answers again.")

    def work(self, **after: float) -> list[str]:
        """Time goes on, everything that is due is done; the titles that were sent since."""
        before = len(self.ways.sent)
        self.notify.look()
        self.clock.forward(**after)
        while True:
            self.notify.look()
            job = self.ledger.queue.claim("w", kinds=list(self.notify.handlers))
            if job is None:
                return [title for _, title, _ in self.ways.sent[before:]]
            self.notify.handlers[job.kind](job)
            self.ledger.queue.done(job)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notify")
    Ledger.open(folder).close()
    return folder


@pytest.fixture
def world(migrated: Path, tmp_path: Path) -> Iterator[World]:
    shutil.copytree(migrated, tmp_path / "home")
    clock, ways = Clock(), Kept()
    with Ledger.open(tmp_path / "home", clock=clock) as ledger:
        made = Notifications(ledger, cast(Ways, ways), "https://us.example")
        yield World(ledger, clock, ways, made)


Make = Callable[..., World]
