"""What going live is worth to one shop, beside others of which none can be recognised.

Hours have a price (that of an hour, as attested); sales are not profit, and so nothing is added up
across the two: beside the fees stands the margin on extra sales from which on they pay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import quantiles

LEAST = 8
"""Other shops with a number, below which nothing is said of them: of few, one could be guessed."""

WEEKS = 365.25 / 7 / 12
"""Weeks in a month."""


@dataclass(frozen=True, slots=True)
class Others:
    """The other shops: how many have the number, and the middle half of them."""

    count: int
    low: float
    middle: float
    high: float


def others(values: Mapping[str, float], shop: str) -> Others | None:
    """All but the shop itself; None where they are fewer than `LEAST`."""
    rest = [value for key, value in values.items() if key != shop]
    if len(rest) < LEAST:
        return None
    low, middle, high = quantiles(rest, n=4, method="inclusive")
    return Others(len(rest), low, middle, high)


@dataclass(frozen=True, slots=True)
class Sales:
    """USD a month of sales that going live brought, with its 95 % interval, and how it is known.

    Attributes:
        own: it is of this shop alone, and not a mean of all that are live.
    """

    value: float
    low: float
    high: float
    says: str
    own: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """What a shop has of it.

    Attributes:
        hours: a week that are done for it; None: not known.
        hourly: USD, what an hour costs; None: nobody attested it.
        sales: None where that is not proven.
        fees: USD a month that the shop pays; None: not known.
    """

    hours: float | None
    hourly: float | None
    sales: Sales | None
    fees: float | None

    @property
    def hours_usd(self) -> float | None:
        """USD a month that the hours are worth."""
        if self.hours is None or self.hourly is None:
            return None
        return self.hours * self.hourly * WEEKS

    @property
    def margin(self) -> float | None:
        """The share of the extra sales that has to be left over for fees to be paid by them and
        the hours; 0: the hours pay them alone. None: not known, or no sales were gained."""
        if self.fees is None:
            return None
        rest = self.fees - (self.hours_usd or 0.0)
        if rest <= 0:
            return 0.0
        return rest / self.sales.value if self.sales and self.sales.value > 0 else None


def no_shows_worth(own: float, middle: float, bookings: float, ticket: float) -> float:
    """USD a month that fewer missed appointments would bring: those above the middle of the others,
    at the usual ticket. ``own`` and ``middle`` are shares, ``bookings`` a month's."""
    return max(0.0, own - middle) * bookings * ticket
