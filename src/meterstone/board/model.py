"""The types of the board, and the port through which faces read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

from meterstone.catalogue import Catalogue
from meterstone.measure.results import Scope, ScopeKind, Value, Verdict

Origin = Literal["real", "simulated"]


@dataclass(frozen=True, slots=True)
class Card:
    """A kept scorecard: the signed document, and what it is found by.

    Attributes:
        document: as `meterstone.scorecard.Scorecard.as_dict` gives it, signed.
        body: its canonical bytes.
        known_at: up to when records counted, UTC.
        hash: its content hash: an ETag, and what every face names.
    """

    scope: Scope
    day: date
    known_at: datetime
    hash: str
    document: Mapping[str, Any]
    body: bytes


@dataclass(frozen=True, slots=True)
class Revision:
    """One of several scorecards of a scope and day, oldest first."""

    known_at: datetime
    hash: str
    changes: tuple[str, ...]
    """What was different from the one before, a sentence each."""


@dataclass(frozen=True, slots=True)
class DayValue:
    """A metric at a scope on one day; ``interval`` is the 95 % one, None where not computed."""

    day: date
    value: Value
    interval: tuple[float, float] | None
    verdict: Verdict
    kind: Literal["published", "reconstructed"]


@dataclass(frozen=True, slots=True)
class Named:
    """A franchise or an integration, with the name that people use."""

    scope: Scope
    name: str


class Board(Protocol):
    """What has been computed and kept. Thread-safe; every call answers within milliseconds."""

    @property
    def version(self) -> int:
        """Counts up when anything here changes: what pages are cached by."""

    @property
    def catalogue(self) -> Catalogue:
        """The definitions in use."""

    @property
    def zone(self) -> ZoneInfo:
        """The reporting time zone."""

    @property
    def label(self) -> Origin:
        """Whether what is measured is real."""

    def scopes(self, kind: ScopeKind) -> Sequence[Named]:
        """All franchises, or all integrations, that have a scorecard, by name."""

    def days(self, scope: Scope) -> Sequence[date]:
        """Days with a scorecard, oldest first."""

    def card(
        self, scope: Scope, day: date | None = None, known_at: datetime | None = None
    ) -> Card | None:
        """The newest scorecard of a scope.

        Args:
            day: of this day; None: of the newest day that there is.
            known_at: the newest of those that were known by then; None: now.
        """

    def revisions(self, scope: Scope, day: date) -> Sequence[Revision]:
        """All scorecards of a day: more than one when it was restated."""

    def history(
        self,
        metric: str,
        scope: Scope,
        days: int = 90,
        until: date | None = None,
        known_at: datetime | None = None,
    ) -> Sequence[DayValue]:
        """A metric by day, oldest first, without the days that nothing is known of.

        Args:
            metric: by its id.
            scope: whose.
            days: so many of the newest values.
            until: the last day.
            known_at: as the scorecards that were kept by then have it, without the days that had
                none; None: now.
        """
