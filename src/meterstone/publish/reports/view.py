"""A scorecard and what stands beside it on the board, as the chapters of a report read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, ClassVar

from meterstone.board.model import Board, Card
from meterstone.detect.state import Now
from meterstone.insight.findings import KeptFinding
from meterstone.measure.results import Scope, Value
from meterstone.publish.order import by_system
from meterstone.publish.reports.model import KindOf, Line, Mark
from meterstone.publish.web.numbers import Number, number


@dataclass(frozen=True)
class View:
    """What a report of a kind is made of.

    Attributes:
        card: the scorecard that it shows.
        now: the state of this moment, where the report is of the day just over.
        findings: what studies found of its scope, the most important of each study first.
        on_progress: told of each part that was read: what, and how far of the whole (0 to 1).
    """

    kind: KindOf
    card: Card
    board: Board
    now: Now | None = None
    findings: Sequence[KeptFinding] = ()
    on_progress: Callable[[str], None] = lambda _: None

    network: ClassVar[Scope] = Scope("network")

    def name(self, scope: Scope) -> str:
        """What people call a scope."""
        named = self.board.scopes(scope.kind)
        return next((each.name for each in named if each.scope == scope), scope.key)

    @property
    def document(self) -> Mapping[str, Any]:
        """The scorecard."""
        return self.card.document

    @cached_property
    def metrics(self) -> dict[str, Mapping[str, Any]]:
        """Metrics of the scorecard that this kind of report shows, by id."""
        return {m["id"]: m for m in self.document["metrics"] if self._shows(m["id"])}

    @cached_property
    def lines(self) -> dict[str, Line]:
        """The same, as lines."""
        return {id_: self._line(metric) for id_, metric in self.metrics.items()}

    def some(self, metrics: Iterable[str]) -> list[Line]:
        """Lines of these metrics, whatever their cadence; those that the scorecard has."""
        found = {metric["id"]: metric for metric in self.document["metrics"]}
        return [self._line(found[id_]) for id_ in metrics if id_ in found]

    def systems(self) -> list[tuple[str, list[Line]]]:
        """The lines by system of the framework, in its order."""
        return [
            (system_title(system), [self.lines[metric["id"]] for metric in found])
            for system, found in by_system(self.metrics.values()).items()
        ]

    def having(self, *verdicts: str) -> list[Line]:
        """Lines with one of these verdicts, in the order of the framework."""
        return [
            line for _, found in self.systems() for line in found if line.number.verdict in verdicts
        ]

    @cached_property
    def before(self) -> Card | None:
        """The scorecard of the period before."""
        return self.board.card(self.card.scope, _period_before(self.kind, self.card.day))

    def moved(self) -> list[tuple[Number, Number]]:
        """Metrics whose verdict is another than at the end of the period before: then, now."""
        if self.before is None:
            return []
        then = {metric["id"]: metric for metric in self.before.document["metrics"]}
        pairs = (
            (number(then[id_]), line.number) for id_, line in self.lines.items() if id_ in then
        )
        return [(old, new) for old, new in pairs if old.verdict != new.verdict]

    def ribbon(self, metric: str, scope_card: Card | None = None) -> tuple[Mark, ...]:
        """A metric day by day."""
        scope = (scope_card or self.card).scope
        days = {
            day.day: day for day in self.board.history(metric, scope, self.kind.days, self.card.day)
        }
        wanted = [
            self.card.day - timedelta(days=back) for back in range(self.kind.days - 1, -1, -1)
        ]
        return tuple(
            Mark(day.isoformat(), _TONES.get(days[day].verdict, "none"), days[day].verdict)
            if day in days
            else Mark(day.isoformat(), "none", "no data")
            for day in wanted
        )

    def _shows(self, metric: str) -> bool:
        known = self.board.catalogue.metrics.get(metric)
        return known is None or known.raw.cadence in self.kind.shows

    def _line(self, metric: Mapping[str, Any]) -> Line:
        known = self.board.catalogue.metrics.get(metric["id"])
        history = self.board.history(metric["id"], self.card.scope, self.kind.days, self.card.day)
        return Line(
            number(metric),
            metric,
            filled({day.day: day.value for day in history}),
            " ".join(known.raw.definition.split()) if known else "",
        )


_TONES: Mapping[str, Any] = {"met": "met", "not_met": "miss"}


def system_title(system: str) -> str:
    """``APIPerformanceAnalytics`` → ``API performance analytics``."""
    words: list[str] = []
    for index, char in enumerate(system):
        follows = index + 1 < len(system) and system[index + 1].islower()
        begins = char.isupper() and index > 0 and (follows or system[index - 1].islower())
        if begins or not words:
            words.append(char)
        else:
            words[-1] += char
    return " ".join([words[0], *(w if w.isupper() else w.lower() for w in words[1:])])


def filled(values: Mapping[date, Value]) -> tuple[float | None, ...]:
    """Numbers of every day from the first to the last, None for a day without one."""
    if not values:
        return ()
    first, last = min(values), max(values)
    days = (first + timedelta(days=back) for back in range((last - first).days + 1))
    return tuple(
        float(value)
        if isinstance(value := values.get(day), int | float) and not isinstance(value, bool)
        else None
        for day in days
    )


def _period_before(kind: KindOf, day: date) -> date:
    if kind.every == "day":
        return day - timedelta(days=1)
    return period_start(kind, day) - timedelta(days=1)


def period_start(kind: KindOf, day: date) -> date:
    """The first day of the period that a day lies in."""
    if kind.every == "day":
        return day
    month = day.month if kind.every == "month" else (day.month - 1) // 3 * 3 + 1
    return date(day.year, month, 1)


def titles(lines: Iterable[Line], most: int = 3) -> str:
    """``A, B and C``, or ``A, B and 4 more``."""
    names = [line.number.title for line in lines]
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return listed(names)


def listed(words: Sequence[str]) -> str:
    """``A``, ``A and B``, ``A, B and C``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))
