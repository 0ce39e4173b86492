"""A board in memory, for view models of pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from meterstone.board.model import Card, DayValue, Named
from meterstone.measure.results import Scope, ScopeKind, Verdict

NAMES = {"square": "Square", "clover": "Clover", "tableau": "Tableau"}
SHOPS = {"F1": "Harbour Street", "F2": "Old <Mill>"}


@dataclass
class MemoryBoard:
    """Answers as the kept board does; `cards` by scope and day, `days_of` by metric and scope."""

    cards: dict[Scope, dict[date, Card]] = field(default_factory=dict)
    days_of: dict[tuple[str, Scope], list[DayValue]] = field(default_factory=dict)
    version: int = 1
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Berlin"))
    label: Literal["real", "simulated"] = "simulated"
    catalogue: Any = None

    def scopes(self, kind: ScopeKind) -> Sequence[Named]:
        names = {"integration": NAMES, "franchise": SHOPS}.get(kind, {})
        return [Named(Scope(kind, key), name) for key, name in names.items()]

    def days(self, scope: Scope) -> Sequence[date]:
        return sorted(self.cards.get(scope, {}))

    def card(
        self, scope: Scope, day: date | None = None, _known_at: datetime | None = None
    ) -> Card | None:
        found = self.cards.get(scope, {})
        return found.get(day) if day else found[max(found)] if found else None

    def revisions(self, _scope: Scope, _day: date) -> Sequence[Any]:
        return []

    def history(
        self,
        metric: str,
        scope: Scope,
        _days: int = 90,
        _until: date | None = None,
        _known_at: datetime | None = None,
    ) -> Sequence[DayValue]:
        return self.days_of.get((metric, scope), [])


def day_value(day: date, value: float, verdict: Verdict) -> DayValue:
    return DayValue(day, value, None, verdict, "published")


def metric(id_: str, verdict: str, ref: str = "", **more: Any) -> dict[str, Any]:
    """A metric of a scorecard document."""
    target = {"cmp": ">=", "value": 99.9, "unit": "%"}
    places = [{"ref": ref, "target": target, "verdict": verdict, "title": id_}] if ref else []
    return {
        "id": id_, "title": id_.replace("_", " ").capitalize(), "scope": {"kind": "network",
        "key": "*"}, "value": 98.2, "unit": "%", "interval": [98.0, 98.4], "n": 1440,
        "sample_unit": "slots", "target": target, "verdict": verdict, "evidence": "measured",
        "freshness_s": 240.0, "run": 0, "reason": "", "revision": 0, "places": places, **more,
    }  # fmt: skip


def card(day: date, metrics: Sequence[Mapping[str, Any]] = (), scope: Scope | None = None) -> Card:
    """A card with these metrics."""
    document = {
        "metrics": list(metrics), "gates": [], "signature": {"key_id": "k1"},
        "summary": {"sentence": "1 of 2 targets met: one is not."},
    }  # fmt: skip
    known = datetime(2026, 10, 1, 4, tzinfo=UTC)
    return Card(scope or Scope("network"), day, known, f"hash-{day}", document, b"{}")
