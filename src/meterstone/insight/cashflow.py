"""When money goes out and comes in, month by month: payback and net present value of a flow that is
not even. Benefits begin when shops go live, and costs come when they are booked.

Everything of a month counts at its end; what lies m months after the beginning is worth
``(1 + rate) ** (-m / 12)`` of itself at the beginning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from meterstone.errors import InputError
from meterstone.insight.series import Floats

MOST_MONTHS = 240
"""Months after the record, beyond which a payback that has not come never does."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Months on record, from the first in which money went out or a shop was live.

    Attributes:
        gained: what came in, as a multiple of a twelfth of a year's benefit.
        spent: the share of the investment; together 1.
        running: what it cost to run, as a multiple of a twelfth of a year's operating.

    After the record nothing is invested, and each month is a twelfth of the year.
    """

    gained: tuple[float, ...]
    spent: tuple[float, ...]
    running: tuple[float, ...]

    def __post_init__(self) -> None:
        every = (*self.gained, *self.spent, *self.running)
        same = len(self.gained) == len(self.spent) == len(self.running) > 0
        if not same or not all(map(math.isfinite, every)) or not math.isclose(sum(self.spent), 1):
            raise InputError(
                "a flow takes a share of each month, and those of the investment are 1 together",
                place="flow", mend="give as many finite numbers of each",
            )  # fmt: skip

    def net_present_value(
        self, benefit: Floats, investment: Floats, operating: Floats, rate: float, years: int
    ) -> Floats:
        """USD at the beginning: the months on record, and so many years after them."""
        gained, spent, running = self._months(12 * years, rate)
        return np.asarray(
            benefit / 12 * gained.sum() - investment * spent.sum() - operating / 12 * running.sum()
        )

    def payback(
        self, benefit: Floats, investment: Floats, operating: Floats, rate: float = 0.0
    ) -> Floats:
        """Months from the beginning until what came in has paid what went out, for good; infinite
        where that never comes. With a rate: at their worth at the beginning."""
        gained, spent, running = (part.cumsum() for part in self._months(MOST_MONTHS, rate))
        held = (
            np.multiply.outer(benefit / 12, gained)
            - np.multiply.outer(investment, spent)
            - np.multiply.outer(operating / 12, running)
        )
        held = np.concatenate([np.zeros((*held.shape[:-1], 1)), held], axis=-1)
        cents = 1e-9 * (np.abs(held).max(axis=-1, keepdims=True) + 1)
        short = held < -cents
        last = held.shape[-1] - 1 - short[..., ::-1].argmax(axis=-1)  # the last month in debt
        ever, still = short.any(axis=-1), short[..., -1]
        at = np.where(still | ~ever, 0, last)[..., None]
        here, then = (np.take_along_axis(held, at + more, axis=-1)[..., 0] for more in (0, 1))
        rise = np.where(then > here, then - here, 1.0)
        months = at[..., 0] - here / rise
        return np.where(still, np.inf, np.where(ever, months, 0.0))

    def _months(self, after: int, rate: float) -> tuple[Floats, Floats, Floats]:
        """Of each month of the record and so many after it, what it is worth at the beginning."""
        worth = (1 + rate) ** (-np.arange(1.0, len(self.gained) + after + 1) / 12)
        year, nothing = np.ones(after), np.zeros(after)
        return (
            worth * np.concatenate([self.gained, year]),
            worth * np.concatenate([self.spent, nothing]),
            worth * np.concatenate([self.running, year]),
        )


def discounted_payback(
    benefit: Floats, investment: Floats, operating: Floats, rate: float
) -> Floats:
    """Months until an even flow, at its worth now, has paid an investment made now; infinite where
    that never comes."""
    month = (1 + rate) ** (1 / 12) - 1
    net = (benefit - operating) / 12
    comes = net > investment * month
    safe = np.where(comes, net, 1.0)
    if month == 0:
        months = investment / safe
    else:
        share = np.where(comes, investment * month / safe, 0.0)
        months = -np.log1p(-share) / math.log1p(month)
    return np.where(investment <= 0, 0.0, np.where(comes, months, np.inf))
