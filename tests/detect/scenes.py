"""Scenes for rules: a clock that is set, counts that are given, and a house that answers so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from meterstone.detect.around import Shops
from meterstone.detect.feed import Bad, Feed, Run
from meterstone.detect.finding import Finding
from meterstone.detect.rules import Scene, look
from meterstone.detect.slo import Definitions, Rule, default_path, load
from meterstone.facts import vocabulary

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DEFAULT: Definitions = load(default_path())


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@dataclass
class Told:
    """What the hub would say of an outage, or of webhooks that do not come."""

    integration: str
    started_at: datetime = NOW
    error_class: str = "server"
    blame: Any = "provider"
    count: int = 0
    came: int = 0
    came_since: int = 0
    first_at: datetime = NOW


@dataclass
class House:
    """Answers what it is told to answer."""

    down: list[Told] = field(default_factory=list)
    lacking: list[Told] = field(default_factory=list)
    days: dict[str, list[float]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def catch_up(self) -> None: ...

    def name(self, integration: str) -> str:
        return integration.title()

    def outages(self) -> Sequence[Any]:
        return self.down

    def missing(self, *_: object) -> Sequence[Any]:
        return self.lacking

    def has_told(self, subject: str) -> bool:
        return subject in self.told

    # -- days

    version = 0

    def of(self, _: str) -> Mapping[str, Sequence[tuple[date, float]]]:
        first = date(2026, 1, 1)
        return {
            key: [(first + timedelta(days=n), value) for n, value in enumerate(values)]
            for key, values in self.days.items()
        }

    def ends(self, _: str) -> Mapping[str, Sequence[tuple[datetime, bool]]]:
        return {}


def counted(counter: str, events: Sequence[tuple[float, float, float]], **told: str) -> Feed:
    """Counts of Square: (seconds ago, good, all)."""
    feed = Feed(cast("Any", None), vocabulary(), {})
    series = feed.of(counter, "square")
    for seconds, good, total in sorted(events, reverse=True):
        series.counts.add(ago(seconds), good, total)
        series.last_at = ago(seconds)
        if good < total:
            bad = {"fault": "provider", "error_class": "server", "franchise": "", **told}
            series.bads.append(Bad(ago(seconds), total - good, **bad))
    return feed


def feed_of_runs(*runs: tuple[str, float, float, str]) -> Feed:
    """Runs: (integration, seconds ago, schedule in seconds, status)."""
    feed = Feed(cast("Any", None), vocabulary(), {})
    for nth, (integration, seconds, every, status) in enumerate(runs):
        feed.runs[f"c{nth}", "orders"] = Run(integration, ago(seconds), every, status)
    return feed


def scene(feed: Feed, house: House | None = None, **shops: Shops) -> Scene:
    known = shops or {"square": Shops(2, ("F1", "F2"))}
    house = house or House()
    made: dict[str, Any] = {
        "now": NOW, "began": NOW - timedelta(days=1), "feed": feed, "around": house,
        "shops": known, "days": house,
    }  # fmt: skip
    names = Scene.__dataclass_fields__
    return Scene(**{name: value for name, value in made.items() if name in names})


def rule(id_: str) -> Rule:
    return next(each for each in DEFAULT.rules if each.id == id_)


def found(id_: str, of: Scene) -> list[Finding]:
    return list(look(rule(id_), of))


def written(folder: Path, text: str) -> Path:
    path = folder / "alerts.yaml"
    path.write_text(text, encoding="utf-8")
    return path
