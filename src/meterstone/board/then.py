"""The board as it was known at a moment: what pages of the past read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from meterstone.board.model import Board, Card, DayValue, Named, Origin, Revision
from meterstone.catalogue import Catalogue
from meterstone.measure.results import Scope, ScopeKind


@dataclass(frozen=True, slots=True)
class KnownThen:
    """A `Board` on which only what was known by a moment (UTC) counts.

    Definitions, names and the days that there are to choose from are those of now.
    """

    board: Board
    known_at: datetime

    @property
    def version(self) -> int:
        """As of the board."""
        return self.board.version

    @property
    def catalogue(self) -> Catalogue:
        """The definitions of now."""
        return self.board.catalogue

    @property
    def zone(self) -> ZoneInfo:
        """The reporting time zone."""
        return self.board.zone

    @property
    def label(self) -> Origin:
        """Whether what is measured is real."""
        return self.board.label

    def scopes(self, kind: ScopeKind) -> Sequence[Named]:
        """As of the board."""
        return self.board.scopes(kind)

    def days(self, scope: Scope) -> Sequence[date]:
        """As of the board."""
        return self.board.days(scope)

    def card(
        self, scope: Scope, day: date | None = None, known_at: datetime | None = None
    ) -> Card | None:
        """The newest scorecard of then, or of a sooner moment."""
        return self.board.card(scope, day, min(known_at or self.known_at, self.known_at))

    def revisions(self, scope: Scope, day: date) -> Sequence[Revision]:
        """All scorecards of a day, with those that came later."""
        return self.board.revisions(scope, day)

    def history(
        self,
        metric: str,
        scope: Scope,
        days: int = 90,
        until: date | None = None,
        known_at: datetime | None = None,
    ) -> Sequence[DayValue]:
        """A metric by day, as the scorecards of then have it."""
        then = min(known_at or self.known_at, self.known_at)
        return self.board.history(metric, scope, days, until, then)
