"""As of: ``?day=`` (the day reported) and ``?known_at=`` (what was known then)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BeforeValidator, WithJsonSchema

from meterstone.board.model import Board, Card
from meterstone.errors import InputError, NotFound
from meterstone.measure.results import Scope, read_moment, rfc3339

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _day(value: Any) -> date:
    if isinstance(value, str) and _DAY.fullmatch(value):
        return date.fromisoformat(value)
    if isinstance(value, date):
        return value
    raise ValueError("write a day as 2026-03-01")


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
"""A day, written in one way."""

Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A moment in RFC 3339; `moment` reads it."""


def moment(text: str, name: str) -> datetime:
    """A moment of the query.

    Raises:
        InputError: it is none.
    """
    # a "+" in a query means a space
    return read_moment(text.replace(" ", "+"), f"?{name}=", f"?{name}=2026-03-01T00:00:00Z")


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("write a moment as 2026-03-01T09:30:00Z")  # noqa: TRY004  # pydantic's way
    try:
        return read_moment(value, "moment", "2026-03-01T09:30:00Z")
    except InputError as error:
        raise ValueError("write a moment as 2026-03-01T09:30:00Z") from error


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment in a body, RFC 3339, in UTC."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """The day that is asked for (None: the newest), as known at a moment (None: now)."""

    day: date | None
    known_at: datetime | None

    def card(self, board: Board, scope: Scope) -> Card:
        """The scorecard of a scope.

        Raises:
            NotFound: there is none.
        """
        found = board.card(scope, self.day, self.known_at)
        if found is None:
            day = f" of {self.day}" if self.day else ""
            known = f" that was known at {rfc3339(self.known_at)}" if self.known_at else ""
            raise NotFound(
                f"{scope} has no scorecard{day}{known}",
                place="scorecard",
                mend="/api/v1/scorecards lists those that there are",
            )
        return found


KnownAt = Annotated[Instant | None, Query(description="As known at this moment; otherwise now.")]


async def _known(known_at: KnownAt = None) -> datetime | None:
    return moment(known_at, "known_at") if known_at else None


Known = Annotated[datetime | None, Depends(_known)]
"""The moment of ``?known_at=``; None: now."""


async def _as_of(
    known_at: Known,
    day: Annotated[
        Day | None, Query(description="The day that is reported; otherwise the newest.")
    ] = None,
) -> AsOf:
    return AsOf(day, known_at)


Past = Annotated[AsOf, Depends(_as_of)]
"""The past that is asked for, as a parameter of an operation."""
