"""A shop beside the others of its network, none of which can be recognised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from statistics import quantiles

from meterstone.board.model import Board
from meterstone.measure.results import Scope

LEAST = 8
"""Other shops with a number, below which nothing is said of them: of few, one could be guessed."""


@dataclass(frozen=True, slots=True)
class Peers:
    """The other shops' values of a metric: how many, and the middle half of them."""

    count: int
    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class Beside:
    """A shop beside the middle half of the others, as positions in 160 units."""

    dot: float
    low: float
    middle: float
    high: float


def beside(value: float, peers: Peers) -> Beside:
    """The picture; a quarter of the spread is left free on both sides."""
    low, high = min(value, peers.low), max(value, peers.high)
    margin = 0.25 * ((high - low) or abs(high) or 1.0)

    def x(number: float) -> float:
        return round(160 * (number - low + margin) / (high - low + 2 * margin), 1)

    return Beside(x(value), x(peers.low), x(peers.middle), x(peers.high))


class Cohorts:
    """The values of all shops of a network by metric, read once for each state of the board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._read = lru_cache(maxsize=4)(self._values)

    def of(
        self, own: Set[str], metric: str, day: date, known_at: datetime | None = None
    ) -> Peers | None:
        """What the others have; None where they are fewer than `LEAST`.

        Args:
            own: the shop, and all others of the reader: who knows the numbers of three of nine
                shops could guess the rest.
            metric: by its id.
            day: that the scorecards are of.
            known_at: as known then; None: now.
        """
        values = self._read(self._board.version, day, known_at).get(metric, {})
        others = sorted(value for key, value in values.items() if key not in own)
        if len(others) < LEAST:
            return None
        low, middle, high = quantiles(others, n=4, method="inclusive")
        return Peers(len(others), low, middle, high)

    def _values(
        self, _version: int, day: date, known_at: datetime | None
    ) -> Mapping[str, Mapping[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for scope in self._shops():
            card = self._board.card(scope, day, known_at)
            for metric in card.document["metrics"] if card else ():
                value = metric["value"]
                if isinstance(value, int | float) and not isinstance(value, bool):
                    found.setdefault(metric["id"], {})[scope.key] = float(value)
        return found

    def _shops(self) -> Sequence[Scope]:
        return [named.scope for named in self._board.scopes("franchise")]
