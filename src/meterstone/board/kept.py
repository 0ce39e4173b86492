"""The board as it is kept in the ledger."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

import msgspec

from meterstone.board.model import Card, DayValue, Named, Origin, Revision
from meterstone.catalogue import Catalogue
from meterstone.ledger import Ledger
from meterstone.measure.results import Scope, ScopeKind, Value, Verdict

_HELD = 256
"""So many documents are held in memory."""

_LOOK_S = 1.0
"""How old the version may be that is answered: another process may have kept something."""


class KeptBoard:
    """Reads kept scorecards; what was read once is held as long as nothing changes.

    Args:
        catalogue: gives the definitions in use.
        origin: whether the facts are real, for as long as no scorecard says it.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        ledger: Ledger,
        catalogue: Callable[[], Catalogue],
        origin: Callable[[], Origin] = lambda: "real",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._origin = origin
        self._clock = clock
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._version = (-_LOOK_S, 0)

    @property
    def version(self) -> int:
        """Counts up when anything here changes."""
        now = self._clock()
        looked, version = self._version
        if now - looked >= _LOOK_S:
            with self._ledger.read() as seen:
                found = seen.scorecards.version()
            if found != version:
                with self._lock:
                    self._held.clear()
            self._version = (now, found)
        return self._version[1]

    def changed(self) -> None:
        """Something was kept by this process: look at once."""
        self._version = (-_LOOK_S, self._version[1])

    @property
    def catalogue(self) -> Catalogue:
        """The definitions in use."""
        return self._catalogue()

    @property
    def zone(self) -> ZoneInfo:
        """The reporting time zone."""
        return ZoneInfo(self.catalogue.time_zone)

    @property
    def label(self) -> Origin:
        """What the newest scorecard says of itself; where there is none, what the facts say."""
        card = self.card(Scope("network"))
        if card is None:
            return self._origin()
        return "simulated" if "simulated" in card.document["labels"] else "real"

    def scopes(self, kind: ScopeKind) -> Sequence[Named]:
        """All franchises, or all integrations, that have a scorecard, by name."""

        def read() -> list[Named]:
            with self._ledger.read() as seen:
                return [Named(Scope(kind, key), name) for key, name in seen.scorecards.scopes(kind)]

        return cast("list[Named]", self._once(("scopes", kind), read))

    def days(self, scope: Scope) -> Sequence[date]:
        """Days with a scorecard, oldest first."""

        def read() -> list[date]:
            with self._ledger.read() as seen:
                return seen.scorecards.days(scope.kind, scope.key)

        return cast("list[date]", self._once(("days", scope), read))

    def card(
        self, scope: Scope, day: date | None = None, known_at: datetime | None = None
    ) -> Card | None:
        """The newest scorecard of a scope; see `Board.card`."""

        def read() -> Card | None:
            with self._ledger.read() as seen:
                kept = seen.scorecards.newest(scope.kind, scope.key, day, known_at)
            if kept is None:
                return None
            document = msgspec.json.decode(kept.body)
            return Card(scope, kept.day, kept.known_at, kept.hash, document, kept.body)

        return cast("Card | None", self._once(("card", scope, day, known_at), read))

    def revisions(self, scope: Scope, day: date) -> Sequence[Revision]:
        """All scorecards of a day, oldest first."""
        with self._ledger.read() as seen:
            found = seen.scorecards.revisions(scope.kind, scope.key, day)
        return [Revision(known, hash_, tuple(changes)) for known, hash_, changes in found]

    def history(
        self,
        metric: str,
        scope: Scope,
        days: int = 90,
        until: date | None = None,
        known_at: datetime | None = None,
    ) -> Sequence[DayValue]:
        """A metric by day, oldest first; see `Board.history`."""

        def read() -> Mapping[str, Any]:
            with self._ledger.read() as seen:
                if known_at is None:
                    return seen.scorecards.values(scope.kind, scope.key)
                found = seen.scorecards.then(scope.kind, scope.key, known_at, days, until)
                return _values_of(found)

        asked = () if known_at is None else (known_at, days, until)
        values = self._once(("values", scope, *asked), read).get(metric, {})
        wanted = sorted(day for day in values if until is None or day <= until.isoformat())
        return [day_value(date.fromisoformat(day), values[day]) for day in wanted[-days:]]

    def _once(self, key: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        _ = self.version  # what is held of an older one is forgotten
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        found = read()
        with self._lock:
            self._held[key] = found
            if len(self._held) > _HELD:
                self._held.popitem(last=False)
        return found


class _Metric(msgspec.Struct):
    id: str
    value: Value
    interval: tuple[float, float] | None
    verdict: str


class _Metrics(msgspec.Struct):
    metrics: list[_Metric]


_MEASURED = msgspec.json.Decoder(_Metrics)
"""What a curve needs of a scorecard; canonical JSON writes 75.0 as 75, a value is a float."""


def _values_of(bodies: Mapping[date, bytes]) -> Mapping[str, Mapping[str, list[Any]]]:
    """Rows as `day_value` reads them, by metric and day, from scorecards."""
    found: dict[str, dict[str, list[Any]]] = {}
    for day, body in bodies.items():
        for metric in _MEASURED.decode(body).metrics:
            lower, upper = metric.interval or (None, None)
            row = [metric.value, lower, upper, metric.verdict, True]
            found.setdefault(metric.id, {})[day.isoformat()] = row
    return found


def day_value(day: date, row: Sequence[Any]) -> DayValue:
    """A value of a day from how it is kept: value, lower, upper, verdict, whether published."""
    value, lower, upper, verdict, published = row
    interval = None if lower is None or upper is None else (lower, upper)
    kind: Literal["published", "reconstructed"] = "published" if published else "reconstructed"
    return DayValue(day, value, interval, cast("Verdict", verdict), kind)
