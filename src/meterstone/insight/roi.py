"""What a programme returns: ROI, net present value and payback, with intervals.

Every input is *declared*: a figure with a distribution that anybody can read, not only the model.
The return is computed on draws from all of them at once (Monte Carlo, deterministic by seed). Risk
is adjusted for as in the Total Economic Impact method (Forrester): what is uncertain is given three
points (low, likely, high), benefits lean downwards and costs upwards, and the mean of the triangle
is the risk-adjusted figure.

ROI is that of the framework: ``100 × (benefit − cost) / cost`` of one year, where cost is the whole
investment so far and a year of running it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meterstone.errors import InputError
from meterstone.insight.cashflow import Flow, discounted_payback

DRAWS = 20_000
_Z95 = 1.959963984540054
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """A declared distribution of one figure.

    Attributes:
        kind: ``fixed`` (booked, no doubt), ``triangle`` of three points, or ``normal`` with ``low``
            and ``high`` as its 95 % interval.
        likely: the figure that is named when one figure is asked for.
    """

    kind: Literal["fixed", "triangle", "normal"]
    likely: float
    low: float
    high: float

    def __post_init__(self) -> None:
        edges = (self.low, self.likely, self.high)
        if not all(map(math.isfinite, edges)) or not self.low <= self.likely <= self.high:
            raise InputError(
                f"{self.low:g}, {self.likely:g}, {self.high:g} are no low, likely and high",
                place="distribution", mend="give three finite numbers in that order",
            )  # fmt: skip

    @property
    def mean(self) -> float:
        """The risk-adjusted figure: what it comes to on average."""
        if self.kind == "triangle":
            return (self.low + self.likely + self.high) / 3
        return (self.low + self.high) / 2 if self.kind == "normal" else self.likely

    @property
    def says(self) -> str:
        """In words, with the figures."""
        if self.kind == "fixed" or self.low == self.high:
            return "as booked"
        if self.kind == "normal":
            return f"normal, 95 % within {self.low:,.0f} to {self.high:,.0f}"
        return f"triangle {self.low:,.0f} / {self.likely:,.0f} / {self.high:,.0f}"

    def draw(self, random: np.random.Generator, n: int) -> Array:
        """So many values of it."""
        if self.kind == "fixed" or self.low == self.high:
            return np.full(n, float(self.likely))
        if self.kind == "normal":
            return random.normal(self.mean, (self.high - self.low) / 2 / _Z95, n)
        return random.triangular(self.low, self.likely, self.high, n)


def fixed(value: float) -> Spread:
    """A figure without doubt, such as a booked cost."""
    return Spread("fixed", value, value, value)


def measured(value: float, low: float, high: float) -> Spread:
    """A figure with its 95 % interval; the interval may lie a little askew."""
    return Spread("normal", min(max(value, low), high), low, high)


def triangle(value: float, low: float, likely: float, high: float) -> Spread:
    """A figure known up to shares of it: ``triangle(100, 0.5, 1, 1.1)``. Negative ones turn round:
    the share that is low is the one that is worse."""
    low, likely, high = sorted((value * low, value * likely, value * high))
    return Spread("triangle", likely, low, high)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a return is computed from, USD.

    Attributes:
        benefits: of a year, by name.
        investment: once, up to the end of that year.
        operating: of that year.
        rate: discount rate a year (a share).
        years: that benefit and operating go on for, in the net present value.
        flow: when they came, month by month; None: the investment now, and an even flow after it.
    """

    benefits: Mapping[str, Spread]
    investment: Spread
    operating: Spread
    rate: float = 0.1
    years: int = 3
    flow: Flow | None = None

    def __post_init__(self) -> None:
        if self.investment.low < 0 or self.operating.low < 0:
            raise InputError("a cost is negative", place="costs", mend="give costs as positive USD")
        if self.investment.likely + self.operating.likely <= 0:
            raise InputError(
                "there is no cost, and so no return on it", place="costs", mend="book the costs"
            )
        if not 0 <= self.rate < 1 or not 1 <= self.years <= 20:
            raise InputError(
                f"a rate of {self.rate:g} over {self.years} years", place="assumptions",
                mend="give a rate of 0 to 1 and 1 to 20 years",
            )  # fmt: skip

    def parts(self) -> dict[str, Spread]:
        """All inputs by name; costs are ``investment`` and ``operating``."""
        return {**self.benefits, "investment": self.investment, "operating": self.operating}

    def with_part(self, name: str, spread: Spread) -> Inputs:
        """The same with one input exchanged."""
        if name == "investment":
            return replace(self, investment=spread)
        if name == "operating":
            return replace(self, operating=spread)
        return replace(self, benefits={**self.benefits, name: spread})


@dataclass(frozen=True, slots=True)
class Span:
    """A result: at the likely inputs (face value), and the middle and 95 % interval of all draws.

    The middle is the risk-adjusted figure: the mean, and of a payback, which may never come, the
    median. ``value``, ``middle`` or a bound is None where it never comes.
    """

    value: float | None
    middle: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Return:
    """What the programme returns.

    Attributes:
        roi: %, of the one year.
        npv: USD at the beginning, over the months on record and the years after them.
        payback: months from the beginning until what comes in has paid what went out; a bound of
            None: never.
        discounted: the same, with each month at its worth at the beginning.
        pays_back: probability that it ever does (undiscounted).
        draws: of the ROI, %.
    """

    roi: Span
    npv: Span
    payback: Span
    discounted: Span
    pays_back: float
    draws: Array

    def chance(self, roi: float) -> float:
        """The probability of at least this ROI (%)."""
        return float((self.draws >= roi).mean())


def roi(benefit: float, investment: float, operating: float) -> float:
    """Return on investment of a year, %.

    >>> round(roi(1_550_000, 315_000, 138_000), 2)
    242.16
    """
    cost = investment + operating
    return 100 * (benefit - cost) / cost


def returns(inputs: Inputs, seed: int = 7, draws: int = DRAWS) -> Return:
    """The return, with intervals. Each input has a stream of draws of its own, so that exchanging
    one leaves the others as they are."""
    drawn = {
        name: spread.draw(np.random.default_rng([seed, *name.encode()]), draws)
        for name, spread in inputs.parts().items()
    }
    investment = np.maximum(drawn["investment"], 0)
    operating = np.maximum(drawn["operating"], 0)
    benefit = np.sum([drawn[name] for name in inputs.benefits], axis=0) + np.zeros(draws)
    cost = np.maximum(investment + operating, 1e-9)
    rois = 100 * (benefit - cost) / cost
    at = (
        sum(spread.likely for spread in inputs.benefits.values()),
        inputs.investment.likely, inputs.operating.likely,
    )  # fmt: skip
    face = _over_time(inputs, *(np.array([float(each)]) for each in at))
    values, months, discounted = _over_time(inputs, benefit, investment, operating)
    return Return(
        _span(roi(*at), rois), _span(_known(face[0][0]), values),
        _span(_known(face[1][0]), months, is_payback=True),
        _span(_known(face[2][0]), discounted, is_payback=True),
        float(np.isfinite(months).mean()), rois,
    )  # fmt: skip


def _over_time(
    inputs: Inputs, benefit: Array, investment: Array, operating: Array
) -> tuple[Array, Array, Array]:
    """Net present value, and payback without and with discount; infinite: never."""
    flow, rate, money = inputs.flow, inputs.rate, (benefit, investment, operating)
    if flow is not None:
        value = flow.net_present_value(*money, rate, inputs.years)
        return value, flow.payback(*money), flow.payback(*money, rate)
    value = (benefit - operating) * _annuity(rate, inputs.years) - investment
    return value, discounted_payback(*money, 0.0), discounted_payback(*money, rate)


# -- sensitivity -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Needed:
    """What one input would have to be, all others as they are.

    Attributes:
        value: USD; None where no value of this input is enough.
        times: the factor to it from what it is; None where that is nothing.
    """

    name: str
    now: float
    value: float | None
    times: float | None


def needed(inputs: Inputs, target: float) -> list[Needed]:
    """What would have to be true, one input at a time, for an ROI of ``target`` %."""
    factor = 1 + target / 100
    benefit = sum(spread.likely for spread in inputs.benefits.values())
    cost = inputs.investment.likely + inputs.operating.likely
    found = []
    for name, spread in inputs.benefits.items():
        found.append(_needed(name, spread.likely, factor * cost - (benefit - spread.likely)))
    for name, spread in (("investment", inputs.investment), ("operating", inputs.operating)):
        most = benefit / factor - (cost - spread.likely) if factor > 0 else math.inf
        found.append(_needed(name, spread.likely, most if 0 <= most < math.inf else None))
    return found


@dataclass(frozen=True, slots=True)
class Swing:
    """How far the ROI moves when one input goes through its own 95 % interval (others likely)."""

    name: str
    low: float
    high: float

    @property
    def width(self) -> float:
        """Percentage points."""
        return abs(self.high - self.low)


def swings(inputs: Inputs, seed: int = 7) -> Sequence[Swing]:
    """All inputs, the one that matters most first."""
    still = {name: fixed(spread.likely) for name, spread in inputs.parts().items()}
    found = []
    for name, spread in inputs.parts().items():
        drawn = spread.draw(np.random.default_rng([seed, *name.encode()]), DRAWS)
        edges = []
        for edge in np.quantile(drawn, [0.025, 0.975]):
            at = {**{n: s.likely for n, s in still.items()}, name: float(edge)}
            benefit = sum(at[n] for n in inputs.benefits)
            edges.append(roi(benefit, at["investment"], at["operating"]))
        found.append(Swing(name, edges[0], edges[1]))
    return sorted(found, key=lambda swing: -swing.width)


def _needed(name: str, now: float, value: float | None) -> Needed:
    times = value / now if value is not None and now > 0 else None
    return Needed(name, now, value, times)


def _annuity(rate: float, years: int) -> float:
    """What one USD at the end of each year is worth now."""
    return float(sum((1 + rate) ** -year for year in range(1, years + 1)))


def _span(value: float | None, drawn: Array, *, is_payback: bool = False) -> Span:
    low, middle, high = np.quantile(drawn, [0.025, 0.5, 0.975], method="nearest")
    if not is_payback:
        middle = drawn.mean()

    return Span(value, _known(middle), _known(low), _known(high))


def _known(edge: Any) -> float | None:
    return float(edge) if math.isfinite(edge) else None
