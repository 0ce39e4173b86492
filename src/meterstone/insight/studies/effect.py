"""What did going live do to sales, manual hours, no-shows, and staying open?"""

from __future__ import annotations

import math

import numpy as np

from meterstone.insight import effect as did
from meterstone.insight.effect import Effect, Estimate
from meterstone.insight.findings import (
    Advice,
    Check,
    Column,
    Curve,
    Figure,
    Finding,
    Found,
    Picture,
    Point,
    Table,
)
from meterstone.insight.golive import in_shops, panel_of
from meterstone.insight.panel import Panel
from meterstone.insight.studies.outcomes import OUTCOMES, Outcome, live_days, shop_months
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.studies.shop_effects import shop_findings
from meterstone.insight.studies.shop_plan import plan_finding
from meterstone.insight.studies.staying import staying_finding
from meterstone.insight.study import Say, Source

_MONTHS_SHOWN = 18
_NEWEST_MONTHS = 3
_METHOD = (
    "Two-stage difference-in-differences on shops by month: who is not live yet, or never goes "
    "live, says what would have been. Two other estimators, the trend before, and pretended starts "
    "in time and among other shops are the checks; one that fails withholds the effect."
)


class GoingLive:
    """The study of effects."""

    name = "effect"
    title = "Effect of going live"
    version = "3"
    facts = ("payment", "work_sample", "booking", "subscription", "connection", "franchise")

    def run(self, source: Source, say: Say) -> Found:
        """See `meterstone.insight.study.Study.run`."""
        live = live_days(source)
        findings: list[Finding] = []
        sales: Panel | None = None
        for outcome in OUTCOMES:
            say(outcome.title.lower())
            panel = panel_of(shop_months(source, outcome), live, logarithm=outcome.share)
            findings.append(finding(outcome, panel, did.effect(panel)))
            if outcome.key == "sales":
                sales = panel
        say("closings")
        findings.append(staying_finding(source, live))
        if sales is not None:
            say("an order of going live that shows the effect")
            findings.append(plan_finding(sales))
            findings += shop_findings(sales, say)
        return Found(tuple(findings))


def _level(outcome: Outcome, panel: Panel) -> float:
    """The mean of the outcome itself at those live in the newest three months, in which the
    framework asks for it; NaN where there is none."""
    newest = max(panel.period, default=0) - _NEWEST_MONTHS
    after = [
        math.exp(value) if outcome.share else value
        for value, period, first in zip(panel.outcome, panel.period, panel.first, strict=True)
        if first and period >= first and period > newest
    ]
    return float(np.mean(after)) if after else math.nan


def finding(outcome: Outcome, panel: Panel, found: Effect) -> Finding:
    """What is told of the effect on an outcome of the whole network."""
    told = found.estimate
    withheld = None if found.withheld is None else in_shops(found.withheld)
    return Finding(
        study="effect", key=outcome.key, scope=NETWORK, title=outcome.title, method=_METHOD,
        sentence=_sentence(outcome, found), withheld=withheld,
        figures=_figures(outcome, told, found, _level(outcome, panel)),
        pictures=_pictures(outcome, found),
        tables=_tables(outcome, found),
        checks=tuple(
            Check(each.name, each.passed, f"{in_shops(each.says)}.") for each in found.checks
        ),
        advice=_advice(outcome, found),
    )  # fmt: skip


def _sentence(outcome: Outcome, found: Effect) -> str:
    if found.estimate is None:
        why = in_shops(found.withheld or "")
        return f"What going live did to {outcome.noun} is not claimed: {why}."
    told = found.estimate
    shops = f"{found.treated} shops, no sign of a prior trend"
    bounds = f"95 %: {outcome.number(told.low)} to {outcome.number(told.high)}"
    if found.verdict == "none shown":
        doubt = "" if told.low <= 0 <= told.high else ", which a second estimator does not show"
        return (
            f"No effect of going live on {outcome.noun} is shown "
            f"({bounds} {outcome.unit_word}{doubt}), {shops}."
        )
    word = "raised" if told.att > 0 else "lowered"
    low, high = sorted((abs(told.low), abs(told.high)))
    return (
        f"Going live {word} {outcome.noun} by {outcome.number(abs(told.att))} {outcome.unit_word} "
        f"(95 %: {outcome.number(low)} to {outcome.number(high)}), {shops}."
    )


def _figures(
    outcome: Outcome, told: Estimate | None, found: Effect, level: float
) -> tuple[Figure, ...]:
    shops = Figure("shops", "Shops that went live", float(found.treated), "shops")
    least = found.smallest
    smallest = Figure(
        "smallest", "Smallest effect found four times of five",
        None if least is None else outcome.shown(least), outcome.unit,
    )  # fmt: skip
    if told is None:
        return (shops, smallest)
    att, low, high = (outcome.shown(each) for each in (told.att, told.low, told.high))
    figures = [Figure("att", "Effect", att, outcome.unit, low, high)]
    if outcome.absolute is not None:
        id_, title, unit, of = outcome.absolute
        value, one, other = (of(each, level) for each in (told.att, told.low, told.high))
        figures.append(Figure(id_, title, value, unit, min(one, other), max(one, other)))
    return (*figures, shops, smallest)


def _pictures(outcome: Outcome, found: Effect) -> tuple[Picture, ...]:
    shown = {e: v for e, v in found.by_time.items() if abs(e) <= _MONTHS_SHOWN}
    if not shown:
        return ()
    points = tuple(
        Point(float(e), outcome.shown(v.att), outcome.shown(v.low), outcome.shown(v.high))
        for e, v in shown.items()
    )
    return (
        Picture(
            "By months since going live; before it there should be nothing",
            "months since going live", outcome.unit,
            (Curve("by_time", "Effect", "observed", points),), 0.0,
        ),
    )  # fmt: skip


def _tables(outcome: Outcome, found: Effect) -> tuple[Table, ...]:
    estimators = Table(
        "estimators", "What each estimator says",
        (
            Column("estimator", "Estimator"), Column("att", "Effect", outcome.unit),
            Column("low", "From", outcome.unit), Column("high", "To", outcome.unit),
        ),
        tuple(
            (did.NAMES[name], *(outcome.shown(each) for each in (told.att, told.low, told.high)))
            for name, told in found.estimators.items()
        ),
    )  # fmt: skip
    dropped = Table(
        "dropped", "What was left out", (Column("why", "Why"),),
        tuple((in_shops(each),) for each in found.dropped),
    )  # fmt: skip
    return tuple(table for table in (estimators, dropped) if table.rows)


def _advice(outcome: Outcome, found: Effect) -> tuple[Advice, ...]:
    if found.withheld is None:
        return ()
    return (
        Advice(
            f"effect:{outcome.key}",
            "Let the effect be told",
            outcome.missing if not found.estimators else
            "The shops that are not live yet can still show it: let them go live in the order of "
            "the plan, and keep some back.",
            link="/insight/effect/plan?scope=network",
        ),
    )  # fmt: skip
