"""Objectives: which burn too fast, and how much of each budget is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from meterstone.detect.attribution import blame
from meterstone.detect.feed import Feed, Series, anew
from meterstone.detect.finding import Finding
from meterstone.detect.incidents import cause_of
from meterstone.detect.slo import Slo
from meterstone.detect.state import BudgetNow
from meterstone.detect.text import budget, fill, percent, span
from meterstone.detect.windows import (
    Pace,
    budget_left,
    burn_rate,
    exhausted_in,
    surely_bad,
    threshold,
)

Name = Callable[[str], str]


def budgets(slos: tuple[Slo, ...], feed: Feed, now: datetime, name: Name) -> Iterator[BudgetNow]:
    """The error budget of each objective and key that had events in the period."""
    for slo in slos:
        for key in feed.keys(slo.counter):
            counts = feed.of(slo.counter, key).counts
            good, total = counts.sum(now, slo.period.total_seconds())
            left = budget_left(good, total, slo.objective)
            if left is None:
                continue
            burn = burn_rate(*counts.sum(now, 3600), slo.objective)
            lasts = exhausted_in(left, burn, slo.period)
            yield BudgetNow(
                slo=slo.id, title=fill(slo.raw.title, {"name": name(key)}),
                objective=slo.objective, period_days=slo.period / timedelta(days=1),
                left=left, burn=burn, integration=key,
                exhausted_in_s=None if lasts is None else lasts.total_seconds(),
            )  # fmt: skip


def with_budgets(findings: Sequence[Finding], known: Sequence[BudgetNow]) -> list[Finding]:
    """The same findings; each says how long the budget of its integration lasts that is used up
    first.

    Args:
        findings: of rules, which have no budget of their own.
        known: all budgets, as of now.
    """
    told = []
    for each in findings:
        own = [one for one in known if one.integration == each.integration]
        first = min(own, key=_endangered, default=None)
        if first is None:
            lasts = "No objective is set for it, so there is no error budget."
        else:
            period = timedelta(days=first.period_days)
            lasts = f"{first.title}: {budget(first.left, first.burn, period)}"
        told.append(replace(each, says=f"{each.says} {lasts}"))
    return told


def _endangered(one: BudgetNow) -> tuple[float, float]:
    lasts = math.inf if one.exhausted_in_s is None else one.exhausted_in_s
    return lasts, 1.0 if one.left is None else one.left


def burning(
    slos: tuple[Slo, ...], feed: Feed, now: datetime, name: Name,
    over: Mapping[str, datetime] | None = None,
) -> Iterator[Finding]:  # fmt: skip
    """The fastest pace that alarms, of each objective and key.

    Args:
        over: until when alarms have told it already (`alert.Machine.over`): a budget that is spent
            by what came after begins with that, so that no incident takes in the one before.
    """
    told = over or {}
    for slo in slos:
        for key in feed.keys(slo.counter):
            series = feed.of(slo.counter, key)
            for pace in sorted(slo.paces, key=lambda each: each.long):
                if (burn := alarms(slo, series, pace, now)) is not None:
                    until = told.get(cause_of(key, slo.raw.kind))
                    yield _finding(slo, key, series, pace, burn, now, name, until)
                    break


def alarms(slo: Slo, series: Series, pace: Pace, now: datetime) -> float | None:
    """The burn rate of the long window where a pace alarms; None where it does not.

    Both windows have to burn at its rate. The guard at low traffic: there are ``least_bad`` bad
    events, and chance alone does not explain that more than the budget is spent.
    """
    limit = threshold(pace, slo.period)
    good, total = series.counts.sum(now, pace.long.total_seconds())
    long = burn_rate(good, total, slo.objective)
    if long is None or long < limit or total - good < slo.raw.least_bad:
        return None
    short = burn_rate(*series.counts.sum(now, pace.short.total_seconds()), slo.objective)
    if short is None or short < limit:
        return None
    return long if surely_bad(total - good, total) > 1 - slo.objective else None


def _finding(
    slo: Slo, key: str, series: Series, pace: Pace, burn: float, now: datetime, name: Name,
    over: datetime | None,
) -> Finding:  # fmt: skip
    long_s = pace.long.total_seconds()
    good, total = series.counts.sum(now, long_s)
    period = series.counts.sum(now, slo.period.total_seconds())
    words = {
        "name": name(key), "window": span(long_s), "value": percent((total - good) / total),
        "limit": percent(1 - slo.objective),
    }  # fmt: skip
    recent = [bad for bad in series.bads if bad.at >= now - pace.long]
    recent = anew(recent, over) or recent
    return Finding(
        rule=slo.id, cause_key=f"{key}:{slo.id}", kind=slo.raw.kind, severity=pace.severity,
        fault=blame(recent, (), ()), integration=key,
        title=f"{name(key)} spends its error budget {burn:.3g} times too fast",
        says=fill(slo.raw.says.means, words), next=fill(slo.raw.says.next, words),
        budget=budget(budget_left(*period, slo.objective), burn, slo.period),
        started_at=recent[0].at if recent else now - pace.short,
        value=burn, threshold=threshold(pace, slo.period),
        franchises=tuple(sorted({bad.franchise for bad in recent if bad.franchise})),
        clear_s=60.0,
    )  # fmt: skip
