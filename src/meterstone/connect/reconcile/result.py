"""What a reconciliation found: counts, fields, money, and each difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

from meterstone.ledger.discrepancies import Kind, Outcome

Method = Literal["full", "random_sample"]
Row = dict[str, Any]
KEPT = 10_000
"""Differences of one run that are kept one by one; beyond, they are counted only."""


@dataclass(slots=True)
class Difference:
    """One row that source and copy do not have alike.

    Attributes:
        row: the source's row; of an ``extra`` one, the copy's.
        fields: what differs, as (source, copy).
        amount: what is at stake, USD.
        person: a person stated the copy's row.
    """

    key: str
    kind: Kind
    row: Row = field(repr=False)
    fields: Mapping[str, tuple[Any, Any]]
    amount: float | None
    person: bool = False
    outcome: Outcome = "open"
    reason: str = ""


@dataclass(slots=True)
class Reconciliation:
    """One comparison of one stream (or of one pair of systems)."""

    id: str
    connection: str
    entity: str
    platform_a: str
    platform_b: str
    method: Method
    at: datetime
    window_start: datetime | None = None
    window_end: datetime | None = None
    checked: int = 0
    matched: int = 0
    missing: int = 0
    mismatched: int = 0
    extra: int = 0
    fields_checked: int = 0
    fields_matched: int = 0
    money_checked: float = 0.0
    money_wrong: float = 0.0
    skipped: int = 0
    refused: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def auto_resolved(self) -> int:
        """Differences that the hub closed by itself."""
        return sum(each.outcome != "open" for each in self.differences)

    @property
    def open(self) -> int:
        """Differences on the work list."""
        return self.missing + self.mismatched + self.extra - self.auto_resolved

    @property
    def accuracy(self) -> float | None:
        """Share of the source's rows that the copy has alike; None: nothing was compared."""
        return self.matched / self.checked if self.checked else None

    @property
    def money_accuracy(self) -> float | None:
        """The same, each row weighted by what it is worth."""
        return 1 - self.money_wrong / self.money_checked if self.money_checked else None

    def saw(self, when: datetime | date | None) -> None:
        """Widen the window to an event time."""
        if when is not None:
            at = when if isinstance(when, datetime) else datetime(*when.timetuple()[:3], tzinfo=UTC)
            self.window_start = min(self.window_start or at, at)
            self.window_end = max(self.window_end or at, at)

    def differs(self, difference: Difference) -> Difference:
        """Count a difference."""
        setattr(self, difference.kind, getattr(self, difference.kind) + 1)
        self.money_wrong += abs(difference.amount or 0.0)
        if len(self.differences) < KEPT:
            self.differences.append(difference)
        return difference

    def as_fact(self, environment: str, franchise_id: str | None) -> Row:
        """The row of fact ``reconciliation``; ``open_after_24h`` is 0 until a day has passed."""
        return {
            "recon_id": self.id, "at": self.at, "entity": self.entity,
            "platform_a": self.platform_a, "platform_b": self.platform_b,
            "window_start": self.window_start or self.at, "window_end": self.window_end or self.at,
            "method": self.method, "checked": self.checked, "matched": self.matched,
            "missing": self.missing, "mismatched": self.mismatched, "extra": self.extra,
            "fields_checked": self.fields_checked, "fields_matched": self.fields_matched,
            "auto_resolved": self.auto_resolved, "open_after_24h": 0, "source": "hub",
            "integration": self.platform_a, "franchise_id": franchise_id,
            "environment": environment,
        }  # fmt: skip

    def as_dict(self) -> Row:
        """Its counts, JSON-ready but for the moments."""
        names = ("id", "connection", "entity", "platform_a", "platform_b", "method", "at",
                 "window_start", "window_end", "checked", "matched", "missing", "mismatched",
                 "extra", "fields_checked", "fields_matched", "skipped", "refused",
                 "auto_resolved", "open", "accuracy", "money_accuracy")  # fmt: skip
        return {name: getattr(self, name) for name in names}
