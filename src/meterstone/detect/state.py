"""The state of now: one document, made by the watch every few seconds, that faces show.

Times are UTC. What cannot be told is None, never a zero.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Health = Literal["healthy", "late", "failing", "down", "broken", "quiet", "paused"]
"""``late``: data arrive behind their objective; ``failing``: calls fail; ``down``: no call gets
through; ``broken``: only a person can mend it (signed out, refused); ``quiet``: no traffic and no
probe tells; ``paused``: in an approved maintenance window, or switched off."""

Fault = Literal["provider", "hub", "caller", "unknown"]


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the document."""


class IntegrationNow(_Part, frozen=True, kw_only=True):
    """One integration: how it is, since when, and in one sentence why and what next."""

    integration: str
    name: str
    health: Health
    since: datetime | None = None
    says: str = ""
    next: str = ""
    connections: int = 0
    shops_affected: int = 0
    lag_p99_s: float | None = None
    webhooks: int | None = None
    webhooks_missed: int | None = None
    success: float | None = None
    """Share of calls of the last hour that succeeded, 0 to 1."""
    p95_ms: float | None = None
    last_data_at: datetime | None = None


class OpenIncident(_Part, frozen=True, kw_only=True):
    """An incident that is not over."""

    id: str
    kind: Literal["error", "availability", "performance", "data", "capacity", "security"]
    severity: Literal["sev1", "sev2", "sev3", "sev4"]
    title: str
    integration: str
    started_at: datetime
    detected_at: datetime
    fault: Fault
    cause_key: str
    franchises: tuple[str, ...] = ()
    says: str = ""
    """What it means, for whom, and whether anything is lost."""
    next: str = ""
    acknowledged_by: str = ""


class BudgetNow(_Part, frozen=True, kw_only=True):
    """An error budget: ``left`` from 1 (untouched) downwards, below 0 when overspent; ``burn`` is
    how many times faster than even it goes; ``exhausted_in_s`` at that speed."""

    slo: str
    title: str
    objective: float
    period_days: float
    left: float | None
    burn: float | None
    exhausted_in_s: float | None
    integration: str = ""


class SignalNow(_Part, frozen=True, kw_only=True):
    """Golden signals of an endpoint group over the last hour; ``p95_by_minute`` has 60 entries.

    ``direction``: requests that we served (inbound), or calls to vendors. ``target_ms``: of the
    objective that requests are answered in time. ``saturation``, 0 to 1 and above: of served ones
    the busiest minute beside what the newest load test bore; of calls the share of turns that had
    to wait for a limit.
    """

    group: str
    title: str
    requests: int
    per_minute: float
    success: float | None
    p95_ms: float | None
    target_ms: float | None
    direction: Literal["inbound", "outbound"] = "inbound"
    saturation: float | None = None
    p95_by_minute: tuple[float | None, ...] = ()


class QueueNow(_Part, frozen=True, kw_only=True):
    """The job queue, and throttling of the last hour."""

    waiting: int
    running: int
    buried: int
    oldest_s: float | None
    throttled: int
    throttled_wait_s: float


class ErrorsNow(_Part, frozen=True, kw_only=True):
    """Failed calls of the last hour by class and fault."""

    error_class: str
    fault: Fault
    count: int


class DrillsNow(_Part, frozen=True, kw_only=True):
    """How the alarms did in the drills on record."""

    drills: int
    median_s: float
    p95_s: float
    recall: float
    precision: float


class Now(_Part, frozen=True, kw_only=True):
    """Everything that is known of now. ``version`` counts up with every change."""

    at: datetime
    version: int
    sentence: str
    """Answers: is anything wrong? Such as: Clover is late. Everything else is well."""
    lead: str
    integrations: tuple[IntegrationNow, ...] = ()
    incidents: tuple[OpenIncident, ...] = ()
    budgets: tuple[BudgetNow, ...] = ()
    signals: tuple[SignalNow, ...] = ()
    errors: tuple[ErrorsNow, ...] = ()
    queue: QueueNow | None = None
    drills: DrillsNow | None = None
    discrepancies_open: int = 0
