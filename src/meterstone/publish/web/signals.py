"""Signals of the last hour, error budgets, queue and drills of `Now`, as rows in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meterstone.detect.state import BudgetNow, DrillsNow, ErrorsNow, Now, QueueNow, SignalNow
from meterstone.publish.gauge import Gauge, gauge
from meterstone.publish.web.sections import path
from meterstone.publish.web.trouble import FAULTS
from meterstone.scorecard.values import (
    NOTHING,
    Tone,
    VerdictLook,
    count_text,
    format_duration,
    format_value,
)

_FAST = 6.0
"""How many times faster than even a budget goes before it is told as bad."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A value of now beside its target, as the gauge wants it."""

    value: str
    target: str
    look: VerdictLook
    gauge: Gauge | None
    interval: str = ""


def judged(value: float | None, most: float | None, unit: str) -> Judged:
    """A value that should be at most so much."""
    target = {"value": most, "cmp": "<="}
    picture = gauge({"value": value, "target": target, "interval": None})
    if value is None:
        look = VerdictLook(NOTHING, "No traffic", "none")
    elif most is None:
        look = VerdictLook("○", "No target", "reference")
    elif value <= most:
        look = VerdictLook("●", "Within", "met")
    else:
        look = VerdictLook("▲", "Over", "miss")
    return Judged(
        format_value(value, unit, beside=(most,)),
        NOTHING if most is None else f"at most {format_value(most, unit)}",
        look,
        picture,
    )


@dataclass(frozen=True, slots=True)
class Signal:
    """Golden signals of an endpoint group over the last hour: latency, traffic, errors,
    saturation and of what. ``line``: the p95 of each minute as an SVG path in 90 × 24."""

    title: str
    p95: Judged
    success: str
    failed: str
    rate: str
    saturation: str
    full_of: str
    line: str
    line_says: str


def signal(now: SignalNow) -> Signal:
    """A row of endpoint groups."""
    known = [value for value in now.p95_by_minute if value is not None]
    says = (
        f"p95 by minute: {format_value(min(known), 'ms')} to {format_value(max(known), 'ms')}"
        if known
        else "no traffic"
    )
    failed = 0 if now.success is None else round(now.requests * (1 - now.success))
    return Signal(
        now.title,
        judged(now.p95_ms, now.target_ms, "ms"),
        share(now.success),
        f"{failed:,} of {now.requests:,}" if now.requests else "no request",
        format_value(now.per_minute, ""),
        share(now.saturation),
        _full_of(now),
        path(now.p95_by_minute) if len(known) > 1 else "",
        says,
    )


def _full_of(now: SignalNow) -> str:
    if now.direction == "outbound":
        return "" if now.saturation is None else "of turns wait"
    if now.saturation is None:
        return "no load test" if now.requests else ""
    return "of tested load"


def share(value: float | None) -> str:
    """A share from 0 to 1 in per cent."""
    return NOTHING if value is None else format_value(100 * value, "%", beside=(100, 0))


@dataclass(frozen=True, slots=True)
class Budget:
    """An error budget; ``width``: what is left of 100, for its picture."""

    title: str
    objective: str
    left: str
    says: str
    tone: Tone
    word: str
    width: float


def budget(now: BudgetNow) -> Budget:
    """What is left of a budget, how fast it goes, and when it will be gone."""
    left, burn = now.left, now.burn
    objective = f"{format_value(100 * now.objective, '%')} over {_days(now.period_days)}"
    if left is None:
        return Budget(now.title, objective, "Not known", "Too little traffic to tell.",
                      "none", "No data", 0.0)  # fmt: skip
    tone: Tone
    if left <= 0:
        tone, word = "miss", "Used up"
    elif burn is not None and burn >= _FAST:
        tone, word = "miss", "Burning"
    elif burn is not None and burn > 1:
        tone, word = "doubt", "Burning"
    else:
        tone, word = "met", "Holds"
    return Budget(
        now.title, objective,
        f"{format_value(100 * left, '%')} left" if left >= 0
        else f"overspent by {format_value(-100 * left, '%')}",
        _burning(now), tone, word, round(100 * min(1.0, max(0.0, left)), 1),
    )  # fmt: skip


def _burning(now: BudgetNow) -> str:
    if now.burn is None:
        return ""
    if now.burn == 0:
        return "Nothing is being spent."
    if now.burn <= 1:
        return f"Burning {format_value(now.burn, 'x')}: slower than it refills."
    speed = f"Burning {format_value(now.burn, 'x')} as fast as it may"
    if now.exhausted_in_s is None or (now.left or 0) <= 0:
        return f"{speed}."
    return f"{speed}: gone in {format_duration(now.exhausted_in_s)} if it goes on."


def _days(days: float) -> str:
    return format_duration(days * 86_400)


def budgets(now: Sequence[BudgetNow]) -> list[Budget]:
    """All budgets, the most endangered first."""
    order = {"miss": 0, "doubt": 1, "met": 2, "none": 3}
    found = sorted(
        now, key=lambda each: (each.exhausted_in_s or 1e12, 9.0 if each.left is None else each.left)
    )
    return sorted((budget(each) for each in found), key=lambda each: order[each.tone])


@dataclass(frozen=True, slots=True)
class Errors:
    """Failed calls of a class; ``width``: of the most frequent class, from 0 to 100."""

    title: str
    fault: str
    count: str
    width: float


def errors(now: Sequence[ErrorsNow]) -> list[Errors]:
    """Failed calls of the last hour, the most frequent first."""
    most = max((each.count for each in now), default=0)
    return [
        Errors(
            each.error_class.replace("_", " "), FAULTS[each.fault], f"{each.count:,}",
            round(100 * each.count / most, 1),
        )
        for each in sorted(now, key=lambda each: (-each.count, each.error_class))
        if each.count
    ]  # fmt: skip


def queue(now: QueueNow | None) -> list[tuple[str, str, str]]:
    """Queue and throttling: what, how much, and what it means."""
    if now is None:
        return []
    oldest = "" if now.oldest_s is None else f"the oldest for {format_duration(now.oldest_s)}"
    return [
        ("Waiting", f"{now.waiting:,}", oldest or "nothing waits"),
        ("Running", f"{now.running:,}", ""),
        ("Given up", f"{now.buried:,}", "a person has to look" if now.buried else "none"),
        (
            "Throttled",
            f"{now.throttled:,}",
            f"waited {format_duration(now.throttled_wait_s)} for vendors' limits in the last hour"
            if now.throttled
            else "no vendor slowed us in the last hour",
        ),
    ]


def drills(now: DrillsNow | None) -> str:
    """How the alarms did, in a sentence; empty where there was no drill."""
    if now is None or not now.drills:
        return ""
    return (
        f"{count_text(now.drills, 'drills')}: found after {format_duration(now.median_s)} (median),"
        f" {format_duration(now.p95_s)} (p95). Recall {share(now.recall)},"
        f" precision {share(now.precision)}."
    )


@dataclass(frozen=True, slots=True)
class Flow:
    """How data come from an integration: lag, completeness, calls."""

    name: str
    href: str
    lag: str
    webhooks: str
    missed: str
    success: str
    p95: str


def flows(now: Now, only: str = "") -> list[Flow]:
    """Sync lag, webhook completeness and calls of those that tell any, the largest lag first."""
    told = [
        each
        for each in now.integrations
        if only in ("", each.integration)
        and not (each.lag_p99_s is each.webhooks is each.success is each.p95_ms is None)
    ]
    found = sorted(told, key=lambda each: (-(each.lag_p99_s or -1.0), each.name))
    return [
        Flow(
            each.name,
            f"/integrations/{each.integration}",
            NOTHING if each.lag_p99_s is None else format_duration(each.lag_p99_s),
            NOTHING if each.webhooks is None else f"{each.webhooks:,}",
            _missed(each.webhooks, each.webhooks_missed),
            share(each.success),
            format_value(each.p95_ms, "ms"),
        )
        for each in found
    ]


def _missed(expected: int | None, missed: int | None) -> str:
    if not expected or missed is None:
        return NOTHING
    return "none missed" if not missed else f"{missed:,} missed ({share(missed / expected)})"
