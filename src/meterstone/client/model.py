"""What the API answers, as types. Unknown fields of a newer server are left out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

import msgspec


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of the API."""


class Me(_Answer, frozen=True, kw_only=True):
    """Who asks, and what they may."""

    id: str
    name: str
    role: str
    rights: tuple[str, ...]
    franchises: tuple[str, ...]


class ScorecardOf(_Answer, frozen=True, kw_only=True):
    """A scope that has scorecards: its name, and its first and newest day."""

    kind: str
    key: str
    name: str
    first_day: date
    last_day: date
    days: int


class DayValue(_Answer, frozen=True, kw_only=True):
    """A metric on a day."""

    day: date
    value: float | str | bool | None
    interval: tuple[float, float] | None
    verdict: str
    kind: Literal["published", "reconstructed"]


class Definition(_Answer, frozen=True, kw_only=True):
    """What a metric is."""

    id: str
    title: str
    definition: str
    unit: str
    kind: str
    better: str
    refs: tuple[str, ...]
    target: Mapping[str, Any]
    window: str
    cadence: str
    evidence: str
    min_sample: int
    sample_unit: str
    scopes: tuple[str, ...]


class Source(_Answer, frozen=True, kw_only=True):
    """The scorecard that a number is read from."""

    hash: str
    day: date
    known_at: datetime


class MetricAt(_Answer, frozen=True, kw_only=True):
    """A metric: its definition, and its result at a scope (None: it is not measured there)."""

    definition: Definition
    scorecard: Source
    result: Mapping[str, Any] | None


class Incident(_Answer, frozen=True, kw_only=True):
    """An incident; moments are UTC."""

    id: str
    kind: str
    severity: str
    fault: str
    cause_key: str
    integration: str
    franchises: tuple[str, ...]
    title: str
    says: str
    next: str
    started_at: datetime
    detected_at: datetime
    resolved_at: datetime | None
    acknowledged_by: str


class Alert(_Answer, frozen=True, kw_only=True):
    """An alert; moments are UTC."""

    id: str
    rule: str
    state: str
    severity: str
    fault: str
    integration: str
    title: str
    says: str
    next: str
    budget: str
    started_at: datetime
    pending_at: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    acknowledged_by: str
    incident: str


class Connection(_Answer, frozen=True, kw_only=True):
    """A connection; ``mend`` says what mends a broken one."""

    id: str
    connector: str
    name: str
    account: str
    franchise_id: str | None
    environment: str
    status: str
    reason: str
    mend: str
    created_at: datetime
    changed_at: datetime


class Discrepancy(_Answer, frozen=True, kw_only=True):
    """Where a source and its copy differ."""

    id: int
    connection: str
    entity: str
    kind: str
    outcome: str
    amount: float | None


class ReportFile(_Answer, frozen=True, kw_only=True):
    """A file of a report; ``sha256`` of its bytes."""

    name: str
    media_type: str
    bytes: int
    sha256: str


class Report(_Answer, frozen=True, kw_only=True):
    """A report, and how far it is."""

    id: str
    kind: str
    scope: str
    day: date
    state: str
    step: str
    done: int
    parts: int
    scorecard: str
    files: tuple[ReportFile, ...]
    error: str
    mend: str


class Window(_Answer, frozen=True, kw_only=True):
    """A maintenance window that was approved."""

    scope: str
    start: datetime
    end: datetime
    reason: str
    person: str


class Stated(_Answer, frozen=True, kw_only=True):
    """What was put on record."""

    fact: str
    evidence_uri: str
    new: int
    revised: int
