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


class Scope(_Answer, frozen=True, kw_only=True):
    """Whom something concerns: ``network`` (key ``*``), or a kind and a key."""

    kind: str
    key: str


class Figure(_Answer, frozen=True, kw_only=True):
    """A number of a finding; ``low`` and ``high`` are its 95 % interval."""

    id: str
    title: str
    value: float | str | None
    unit: str
    low: float | None
    high: float | None


class Advice(_Answer, frozen=True, kw_only=True):
    """What to do next, why, what it is worth, and where it is done."""

    id: str
    title: str
    says: str
    worth: str
    link: str


class FindingRow(_Answer, frozen=True, kw_only=True):
    """What a study found; ``withheld`` says why nothing is claimed, None: it is claimed.

    ``rank`` 1 is the most important of all that were asked for.
    """

    rank: int
    study: str
    key: str
    scope: Scope
    title: str
    sentence: str
    withheld: str | None
    figures: tuple[Figure, ...]
    advice: tuple[Advice, ...]
    day: date
    known_at: datetime
    hash: str


class FindingPoint(_Answer, frozen=True, kw_only=True):
    """One place of a curve: ``x`` is an ISO date or a number."""

    x: float | str
    y: float | None
    low: float | None
    high: float | None


class FindingCurve(_Answer, frozen=True, kw_only=True):
    """A line with its band."""

    id: str
    title: str
    kind: str
    points: tuple[FindingPoint, ...]


class FindingPicture(_Answer, frozen=True, kw_only=True):
    """Curves over one pair of axes."""

    title: str
    x: str
    unit: str
    curves: tuple[FindingCurve, ...]
    line: float | None


class FindingColumn(_Answer, frozen=True, kw_only=True):
    """One column of a table."""

    id: str
    title: str
    unit: str


class FindingTable(_Answer, frozen=True, kw_only=True):
    """Rows, the most important one first."""

    id: str
    title: str
    columns: tuple[FindingColumn, ...]
    rows: tuple[tuple[float | str | bool | None, ...], ...]


class FindingCheck(_Answer, frozen=True, kw_only=True):
    """What has to hold before a finding is claimed, and whether it does; None: not tried."""

    name: str
    passed: bool | None
    says: str


class Finding(_Answer, frozen=True, kw_only=True):
    """A finding with everything that it rests on."""

    study: str
    key: str
    scope: Scope
    title: str
    sentence: str
    method: str
    withheld: str | None
    figures: tuple[Figure, ...]
    pictures: tuple[FindingPicture, ...]
    tables: tuple[FindingTable, ...]
    checks: tuple[FindingCheck, ...]
    advice: tuple[Advice, ...]


class KeptFinding(_Answer, frozen=True, kw_only=True):
    """A finding as it is kept; ``hash``: sha256 of its canonical bytes."""

    finding: Finding
    day: date
    known_at: datetime
    hash: str


ActionState = Literal["recommended", "accepted", "implemented", "verified", "declined"]


class PreventiveAction(_Answer, frozen=True, kw_only=True):
    """An action that a study recommended, and what was said of it last; moments are UTC.

    ``cause`` is what is to be prevented; ``integration`` None: the whole network.
    """

    id: str
    study: str
    integration: str | None
    cause: str
    state: ActionState
    recommended_at: datetime
    due_at: datetime | None
    done_at: datetime | None
    verified_at: datetime | None
    reason: str
    person: str


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
    assigned_to: str


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
