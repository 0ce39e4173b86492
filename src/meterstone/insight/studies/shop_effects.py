"""What going live did to the sales of one shop alone."""

from __future__ import annotations

import math

from meterstone.insight.findings import Check, Column, Curve, Figure, Finding, Picture, Point, Table
from meterstone.insight.panel import Panel
from meterstone.insight.studies.outcomes import usd_a_month
from meterstone.insight.study import Say
from meterstone.insight.synthetic import Single, single
from meterstone.measure.results import Scope

MOST_SHOPS = 200
_METHOD = (
    "Synthetic difference-in-differences: a mixture of shops not live then, which moved as "
    "this one did before, says what would have been. Pretending the same for each of them says how "
    "far chance goes."
)


def shop_findings(sales: Panel, say: Say) -> list[Finding]:
    """A finding for each shop that went live, those that tell something first."""
    firsts = dict(zip(sales.unit, sales.first, strict=True))
    live = sorted(shop for shop, first in firsts.items() if first)[:MOST_SHOPS]
    found = []
    for number, shop in enumerate(live, start=1):
        if number % 10 == 1:
            say(f"shop {number} of {len(live)}")
        found.append(_finding(single(sales, shop)))
    return sorted(found, key=lambda each: each.withheld is not None)


def _finding(found: Single) -> Finding:
    told = found.estimate
    if told is None:
        sentence = f"What going live did to its sales is not claimed: {found.withheld}."
    elif told.low <= 0 <= told.high:
        sentence = (
            f"No effect of going live on its sales is shown (95 %: {_percent(told.low)} to "
            f"{_percent(told.high)} %)."
        )
    else:
        word = "raised" if told.att > 0 else "lowered"
        low, high = sorted((abs(told.low), abs(told.high)))
        sentence = (
            f"Going live {word} its sales by {_percent(abs(told.att))} % (95 %: {_percent(low)} to "
            f"{_percent(high)}), beside a mixture of shops not live then."
        )
    return Finding(
        study="effect", key="sales", scope=Scope("franchise", found.unit), title="Sales",
        sentence=sentence, method=_METHOD, withheld=found.withheld if told is None else None,
        figures=_figures(found),
        pictures=_pictures(found), tables=_tables(found),
        checks=tuple(Check(each.name, each.passed, f"{each.says}.") for each in found.checks),
    )  # fmt: skip


def _figures(found: Single) -> tuple[Figure, ...]:
    """The share, and what it is in money where an effect is shown at all."""
    told = found.estimate
    if told is None:
        return ()
    bounds = _shown(told.low), _shown(told.high)
    share = Figure("att", "Effect on sales", _shown(told.att), "%", *bounds)
    if told.low <= 0 <= told.high:
        return (share,)
    days = [
        math.exp(value)
        for period, value in zip(found.periods, found.observed, strict=True)
        if period >= found.since
    ]
    level = sum(days) / len(days)
    usd, low, high = (usd_a_month(each, level) for each in (told.att, told.low, told.high))
    title = "Sales a month that it brought"
    return share, Figure("usd_per_shop_month", title, usd, "USD", low, high)


def _pictures(found: Single) -> tuple[Picture, ...]:
    if not found.periods:
        return ()

    def line(values: tuple[float, ...]) -> tuple[Point, ...]:
        return tuple(
            Point(float(period - found.since), math.exp(value))
            for period, value in zip(found.periods, values, strict=True)
        )

    curves = (
        Curve("observed", "This shop", "observed", line(found.observed)),
        Curve("mixture", "Mixture of others", "compared", line(found.mixture)),
    )
    return (Picture("Sales a day", "months since going live", "USD", curves),)


def _tables(found: Single) -> tuple[Table, ...]:
    """How much each other shop counts; without names, for owners read this."""
    if not found.weights:
        return ()
    rows = tuple(
        (f"shop {number}", round(100 * weight, 1))
        for number, (_, weight) in enumerate(found.weights, start=1)
    )
    columns = Column("shop", "Other shop"), Column("weight", "Part of the mixture", "%")
    return (Table("weights", "The largest parts of the mixture", columns, rows),)


def _shown(effect: float) -> float:
    return 100 * math.expm1(effect)


def _percent(effect: float) -> str:
    return f"{_shown(effect):,.1f}"
