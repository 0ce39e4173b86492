"""What a study is: a question that is asked of the facts once a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from meterstone.board.model import Board
from meterstone.insight.findings import Found, KeptFinding
from meterstone.measure.results import Scope

Say = Callable[[str], object]
"""Takes what is being done, in a few words: ``trying 7 models on 12 series``."""


class Source(Protocol):
    """What a study reads. The same source gives the same answer: nothing else is asked."""

    @property
    def day(self) -> date:
        """The newest day of the reporting time zone that is over: what is known is known of it."""

    @property
    def at(self) -> datetime:
        """The end of that day, UTC."""

    @property
    def known_at(self) -> datetime:
        """Up to when records count, UTC."""

    @property
    def zone(self) -> ZoneInfo:
        """The reporting time zone."""

    @property
    def board(self) -> Board:
        """Scorecards, values by day, and the catalogue."""

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query over facts as known then.

        Args:
            sql: names facts in braces, such as ``SELECT count(*) AS n FROM {invoice} AS i``.
                Moments are UTC; only what happened before `at` may be asked for.
        """

    def finding(self, study: str, key: str, scope: Scope) -> KeptFinding | None:
        """What an earlier study of the same round, or one of another day, found."""


class Study(Protocol):
    """One question. Studies run in the order in which they are registered: a later one may read
    what an earlier one found."""

    @property
    def name(self) -> str:
        """For programs: ``forecasts``."""

    @property
    def title(self) -> str:
        """For people: ``Forecasts``."""

    @property
    def version(self) -> str:
        """Changes when the same rows would be answered differently."""

    @property
    def facts(self) -> tuple[str, ...]:
        """The facts it reads: unless one of them grew, it is not asked again on the same day."""

    def run(self, source: Source, say: Say) -> Found:
        """Ask it.

        Args:
            say: told how far it is.

        Returns:
            Findings also where there is too little: withheld, with the reason.
        """
