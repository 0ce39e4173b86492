"""Small worlds of every fact the four systems read, drawn from a seed.

Times prefer the edges: the moment itself, whole days and minutes before it, times beyond it. Values
prefer the edges of the definitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from . import build
from .build import AT, D, Row

T = TypeVar("T")

NAMES = ("square", "quickbooks", "clover")
GROUPS = ("franchise_management", "pos_integration", "analytics", "other")
ERRORS = ("timeout", "server", "authentication", "rate_limit", "connection", "data_validation")


class RandomWorld:
    """Draws rows around a moment.

    Attributes:
        rows: first rows of their keys.
        later: corrections and withdrawals of some of them.
    """

    def __init__(self, seed: int, at: datetime = AT) -> None:
        self._random = Random(seed)
        self._at = at
        self.rows: list[Row] = []
        for draw in (
            self._registry, self._syncs, self._requests, self._probes, self._reconciliations,
            self._webhooks, self._incidents, self._registers, self._throttling, self._queues,
            self._changes, self._loads,
        ):  # fmt: skip
            draw()
        for row in self.rows:
            self._spoil(row)
        self.later = [self._correct(row) for row in self._random.sample(self.rows, 40)]

    def _one(self, *options: T) -> T:
        return self._random.choice(options)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _time(self, days: float = 2.2) -> datetime:
        """A time before the moment (rarely after it), often exactly on an edge."""
        r = self._random
        seconds = self._one(
            r.uniform(-3600, days * 86400),
            86400.0 * r.randint(0, int(days)),
            60.0 * r.randint(0, int(days * 1440)),
            float(r.randint(0, int(days * 86400))),
        )
        return self._at - timedelta(seconds=seconds)

    def _registry(self) -> None:
        for name in NAMES:
            for turn in range(self._random.randint(1, 3)):
                since = self._at - timedelta(days=self._one(0.3, 1, 2, 2.5) - 0.1 * turn)
                self.rows.append(
                    build.integration(
                        since,
                        name,
                        status=self._one("live", "live", "live", "paused"),
                        probe_interval_s=self._one(60, 60, None, 10, 600),
                    )
                )
            for turn in range(self._random.randint(0, 2)):
                since = self._at - timedelta(days=self._one(0.5, 1, 3, 33, 41.3))
                self.rows.append(
                    build.connection(
                        since,
                        name,
                        connection_id=f"c{turn}-{name}",
                        franchise_id=self._one(None, "f1", "f2"),
                        disconnected_at=self._one(
                            None, None, since + timedelta(days=self._random.uniform(0, 3))
                        ),
                    )
                )

    def _syncs(self) -> None:
        for _ in range(50):
            name = self._one(*NAMES)
            self.rows.append(
                build.sync_run(
                    self._one(self._time(), self._time(), self._time(33)),
                    integration=name,
                    connection_id=f"c{self._random.randint(0, 1)}-{name}",
                    entity=self._one("orders", "items"),
                    status=self._one("success", "success", "success", "failed", "partial"),
                    backlog=self._one(0, 0, 0, 1, 2),
                    interval_s=self._one(600, 3600, 86400),
                )
            )

    def _requests(self) -> None:
        r = self._random
        for _ in range(100):
            columns: Row = {
                "count": self._one(1, 1, 5, 20_000),
                "duration_ms": self._one(
                    r.lognormvariate(5, 1), 0.0, 100.0, float(r.randint(1, 900)), None
                ),
                "endpoint_group": self._one(*GROUPS),
                "integration": self._one(None, *NAMES),
            }
            error = self._one(None, None, None, None, *ERRORS)
            if error and self._chance(0.9):
                columns["cause_key"] = self._one("k1", "k2")
            if self._chance(0.1):
                self.rows.append(build.caller_fault(self._time(), **columns))
            else:
                self.rows.append(build.request(self._time(), error=error, **columns))

    def _probes(self) -> None:
        for name in NAMES:
            every = self._one(60, 60, 10, 300)
            step = timedelta(seconds=every * self._one(7, 20))
            at = self._at - timedelta(
                days=self._one(0.2, 0.5, 1), seconds=self._random.uniform(0, 59)
            )
            ok = True
            while at < self._at:
                ok = ok if self._chance(0.95) else not ok
                for location in self._one(("eu",), ("eu",), ("eu", "us", "as")):
                    self.rows.append(
                        build.probe(
                            at,
                            integration=name,
                            interval_s=every,
                            ok=ok if self._chance(0.9) else not ok,
                            location=location,
                            maintenance=self._chance(0.05),
                            alerting=self._chance(0.97),
                        )
                    )
                at += step
        for component in ("hub_api", "queue"):
            self.rows += [
                build.probe(
                    self._at - n * timedelta(minutes=15),
                    component=component,
                    integration=None,
                    interval_s=900,
                    alerting=self._chance(0.97),
                )
                for n in range(1, 97)
            ]

    def _reconciliations(self) -> None:
        for _ in range(40):
            missing, extra = self._one(0, 0, 0, 1, 3), self._one(0, 0, 0, 2)
            self.rows.append(
                build.reconciliation(
                    self._time(),
                    self._one(10, 1000, 5000),
                    integration=self._one(*NAMES),
                    entity=self._one("orders", "items"),
                    franchise_id=self._one(None, "f1", "f2"),
                    missing=missing,
                    extra=extra,
                    auto_resolved=self._one(0, missing + extra),
                    open_after_24h=self._one(0, missing + extra),
                )
            )

    def _webhooks(self) -> None:
        for _ in range(40):
            created = self._time(3)
            self.rows.append(
                build.webhook(
                    created,
                    integration=self._one(*NAMES),
                    deadline_at=created + self._one(0, 0.5, 1) * D,
                    delivered_at=self._one(
                        None, created, created + D / 2, created + 2 * D, created + 2 * build.S
                    ),
                    status=self._one("delivered", "pending", "failed", "receiver_disabled"),
                    found_by_reconciliation=self._chance(0.1),
                )
            )

    def _incidents(self) -> None:
        for _ in range(30):
            start = self._time(self._one(2, 95))
            ahead = timedelta(seconds=self._one(10, 300, 4000, 86_400, 90_000))
            self.rows.append(
                build.incident(
                    start,
                    self._one(None, 0, 10, 25, 60),
                    self._one(None, 60, 100, 86_400),
                    kind=self._one("availability", "error", "security"),
                    severity=self._one("sev1", "sev2", "sev3", "sev4"),
                    integration=self._one(None, *NAMES),
                    auto_resolved=self._chance(0.8),
                    escalated=self._chance(0.1),
                    customer_impact_s=self._one(None, 0.0, 30.0, 70.5),
                    cause_key=self._one(None, "k1", "k2", "k3"),
                    predicted=self._chance(0.5),
                    predicted_at=start - ahead,
                    forecast_id="f",
                )
            )
        for _ in range(8):
            self.rows.append(
                build.forecast(
                    self._time(95),
                    scope_key=self._one(None, *NAMES),
                    alarm=self._chance(0.7),
                    quantity=self._one(
                        "incident_probability_7d", "incidents_week", "mean_daily_requests"
                    ),
                )
            )

    def _registers(self) -> None:
        for fact in ("incident", "prevention_action"):
            if self._chance(0.6):
                age = self._one(1, 17, 18, 30, 41, 50)
                claim = f"register_review:{fact}"
                expires = self._at + self._one(-1, 5, 5) * D
                self.rows.append(build.attestation(self._at - age * D, claim, expires_at=expires))
        for _ in range(12):
            due = self._time(95)
            self.rows.append(
                build.prevention(
                    due,
                    status=self._one("implemented", "verified", "declined", "accepted"),
                    implemented_at=self._one(None, due, due + build.S),
                    decline_reason=self._one(None, "too dear"),
                )
            )

    def _throttling(self) -> None:
        r = self._random
        crowded = self._time(1)
        for n in range(100):
            decision = "queued" if n < 30 else self._one("admitted", "queued", "queued", "rejected")
            columns = {
                "integration": self._one(None, *NAMES),
                "decision": decision,
                "over_quota": self._chance(0.9),
                "wait_ms": self._one(0.0, 10.0, 400.0, r.uniform(0, 6000)),
                "deadline_ms": self._one(None, 400.0, 5000.0),
                "priority": self._one("high", "low", "normal"),
                "count": self._one(1, 3, 100),
            }
            if decision == "queued":
                columns["final"] = self._one("admitted", "admitted", "expired")
            at = crowded + timedelta(seconds=r.uniform(0, 60)) if n < 30 else self._time(1.2)
            self.rows.append(build.throttle(at, **columns))

    def _queues(self) -> None:
        for _ in range(20):
            self.rows.append(
                build.load_sample(
                    self._at - build.H * self._random.randint(0, 50),
                    instance=self._one("a", "b"),
                    integration=self._one(None, *NAMES),
                    connections=self._one(None, 5, 10, 2000),
                    queue_depth=self._one(None, 1, 85, 95),
                    queue_capacity=self._one(None, 0, 100),
                )
            )

    def _changes(self) -> None:
        r = self._random
        for _ in range(60):
            seconds = self._one(0.0, 0.3, 1.5, r.uniform(0, 5), 4000.0, None)
            disputed = self._chance(0.5)
            columns: Row = {
                "integration": self._one(None, *NAMES),
                "conflict": disputed,
                "conflict_resolution": self._one("automatic", "automatic", "manual", "open")
                if disputed
                else "none",
                "source_ref": self._one(None, "a", "b"),
                "entity": self._one("orders", "items"),
            }
            if seconds is not None and self._chance(0.2):
                columns["status"] = self._one("superseded", "failed")
            self.rows.append(build.lag(self._time(self._one(1, 1.2, 31)), seconds, **columns))
        for _ in range(15):
            name = self._one(None, *NAMES)
            origin = self._one("hub", "integration")
            self.rows.append(build.booking(self._time(), integration=name, origin=origin))
            status = self._one("completed", "voided")
            self.rows.append(build.payment(self._time(), integration=name, status=status))

    def _loads(self) -> None:
        for n in range(6):
            self.rows.append(
                build.load_test(
                    self._time(95),
                    test_id=f"t{n // 2}",
                    concurrent_users=10_000 * (n + 1),
                    release_version=self._one("1.0", "1.4", "2.0"),
                    hold_s=self._one(899, 900),
                    p95_ms=self._one(499.0, 500.0),
                    requests=self._random.randint(1, 10**6),
                )
            )
        for _ in range(self._random.randint(0, 3)):
            at = self._time(95)
            version = self._one("1.0.1", "2.0.0")
            rolled_back = self._one(None, None, at + 3 * D)
            self.rows.append(build.release(at, version, rolled_back_at=rolled_back))

    def _spoil(self, row: Row) -> None:
        """Some rows do not count, some are weaker evidence."""
        if self._chance(0.03):
            row["environment"] = "staging"
        if self._chance(0.03):
            row["synthetic"] = True
        if self._chance(0.03) and row["source"] == "hub":
            row |= {"source": "csv", "entered_by": "ann", "entered_role": "lead"}

    def _correct(self, row: Row) -> Row:
        """A later revision of a row."""
        changed = dict(row)
        if self._chance(0.5):
            changed["retracted"] = True
        elif "ok" in row:
            changed["ok"] = not row["ok"]
        elif "count" in row:
            changed["count"] += 1
        else:
            changed["environment"] = self._one("production", "test")
        return changed

    def shuffled(self, rows: Sequence[Row]) -> list[Row]:
        """The same rows in another order."""
        return self._random.sample(rows, len(rows))
