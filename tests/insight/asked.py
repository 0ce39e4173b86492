"""A source over hand-made rows, for the tests of studies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

from measure.build import World
from meterstone.board.model import DayValue
from meterstone.facts import vocabulary
from meterstone.insight.findings import KeptFinding
from meterstone.insight.source import HomeSource
from meterstone.measure.results import Scope

UTC_ZONE = ZoneInfo("UTC")


@dataclass
class SmallBoard:
    """Histories by metric and scope, and a catalogue of these metrics."""

    histories: Mapping[tuple[str, Scope], Sequence[DayValue]] = field(default_factory=dict)
    label: str = "simulated"
    version: int = 1
    zone: ZoneInfo = UTC_ZONE

    @property
    def catalogue(self) -> Any:
        names = sorted({metric for metric, _ in self.histories})
        return SimpleNamespace(metrics={name: _metric(name) for name in names})

    def scopes(self, kind: str) -> list[Any]:
        found = {scope for _, scope in self.histories if scope.kind == kind}
        return [cast("Any", _Named)(scope, scope.key) for scope in sorted(found)]

    def history(
        self, metric: str, scope: Scope, days: int = 90, until: date | None = None
    ) -> list[DayValue]:
        found = self.histories.get((metric, scope), ())
        kept = [value for value in found if until is None or value.day <= until]
        return [v for v in kept if not kept or v.day > kept[-1].day - timedelta(days=days)]


def _metric(name: str) -> Any:
    raw = SimpleNamespace(title=name.replace("_", " ").capitalize(), unit="%")
    return SimpleNamespace(id=name, raw=raw, scopes=("network", "integration", "franchise"))


@dataclass(frozen=True)
class _Named:
    scope: Scope
    name: str


def day_values(until: date, values: Sequence[float], scale: float = 1.0) -> list[DayValue]:
    """A metric by day, the newest on `until`."""
    first = until - timedelta(days=len(values) - 1)
    return [
        DayValue(first + timedelta(days=n), float(v) * scale, None, cast("Any", "met"), "published")
        for n, v in enumerate(values)
        if not math.isnan(v)
    ]


class AskedSource(HomeSource):
    """Reads a `World`; what earlier studies found is given."""

    __slots__ = ("found",)

    def finding(self, study: str, key: str, scope: Scope) -> KeptFinding | None:
        return cast("Any", self).found.get((study, key, scope))


def source(
    world: World, day: date, board: SmallBoard | None = None,
    found: Mapping[Any, KeptFinding] | None = None,
) -> AskedSource:  # fmt: skip
    """Facts of a world up to the end of a day (UTC)."""
    at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
    made = AskedSource(
        world.warehouse, cast("Any", board or SmallBoard()), cast("Any", None),
        frozenset(vocabulary()), day, at, datetime(2090, 1, 2, tzinfo=UTC), UTC_ZONE,
    )  # fmt: skip
    object.__setattr__(made, "found", found or {})
    return made
