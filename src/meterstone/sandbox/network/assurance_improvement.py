"""What gets better: releases, feedback, capacity, the technology in use, answers to trends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.presets import Story, months_before
from meterstone.sandbox.network.shops import review
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, World, at_hour

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)

_IMPACT = "ContinuousImprovementTracker.track_optimization_impact"
_INNOVATION = "ContinuousImprovementTracker.measure_innovation_velocity"
MISSED = frozenset(
    {
        f"{_IMPACT}.performance_improvements",
        f"{_IMPACT}.customer_feedback_implementation",
        f"{_IMPACT}.security_enhancements",
        f"{_IMPACT}.scalability_improvements",
        f"{_INNOVATION}.technology_adoption",
        f"{_INNOVATION}.market_trend_response",
    }
)
"""Targets of ContinuousImprovementTracker that the struggling network misses."""

LEAD_MARKET = "franchise_management in US"

METRICS = (
    "performance_improvements", "feedback_incorporation_rate", "security_enhancements",
    "scalability_improvements", "new_integration_rate", "feature_development_cycle",
    "technology_currency", "market_trend_response", "competitive_advantage_trend",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Knobs:
    """How fast the product gets better.

    Attributes:
        lost_weeks: closed weeks (0 is the last) whose only improvement was rolled back too soon.
        release_weeks: for how many weeks there have been such releases.
        security_pause: days without a security release, in the middle of the last 90 days.
        items: items of feedback a month.
        late: one of how many accepted items comes too late.
        untriaged: one of how many items is not triaged in 30 days.
        actions: scale-out actions of the last 90 days, and how many of them came too late.
        inventoried: items in production, and how many of them are a major version behind.
        trends: trends that are asked for, how many were answered first, and how many soon after a
            competitor.
    """

    lost_weeks: tuple[int, ...] = ()
    release_weeks: int = 100
    security_pause: int = 0
    items: int = 40
    late: int = 40
    untriaged: int = 50
    actions: tuple[int, int] = (20, 1)
    inventoried: tuple[int, int] = (30, 1)
    trends: tuple[int, int, int] = (12, 8, 2)


KNOBS: Mapping[Story, Knobs] = {
    "thriving": Knobs(),
    "struggling": Knobs(
        lost_weeks=(4,), security_pause=20, late=8, actions=(20, 3), inventoried=(30, 9),
        trends=(12, 3, 3),
    ),
    "honest": Knobs(
        lost_weeks=(2, 4), release_weeks=9, security_pause=25, items=12, untriaged=5,
        actions=(6, 4), inventoried=(22, 10), trends=(5, 1, 1),
    ),
}  # fmt: skip


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """All facts of ContinuousImprovementTracker that no other domain has, and what is true."""
    knobs = KNOBS[world.preset.story]
    _performance(world, facts, truth, knobs)
    _feedback(world, facts, truth, knobs)
    _security(world, facts, truth, knobs)
    _scaling(world, facts, truth, knobs)
    _new_integrations(world, facts, truth)
    _features(world, truth)
    _inventory(world, facts, truth, knobs)
    _trends(world, facts, truth, knobs)
    _advantage(world, truth)


def quiet(truth: Truth) -> None:
    """What is true where nothing is recorded."""
    for metric in METRICS:
        truth.missing(metric)


# -- releases -------------------------------------------------------------------------------------


def _release(facts: Facts, name: str, at: datetime, kind: str, **columns: Any) -> None:
    row: dict[str, Any] = {
        "release_id": name,
        "version": f"5.{at:%Y%m}.{at:%d}",
        "released_at": at,
        "kind": kind,
        "work_started_at": at - 6 * DAY,
        "customer_visible": False,
    } | columns
    facts.extend("release", {column: [value] for column, value in row.items()})


def _performance(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """One improvement a week. In lost weeks it was rolled back a moment too soon; beside another
    one stand some that made it worse, were not measured, or were rolled back."""
    monday = world.end.replace(hour=0) - timedelta(days=world.end.weekday())
    good = 0
    for back in range(knobs.release_weeks):
        at = monday - 7 * back * DAY - 4 * DAY - 10 * HOUR
        if at < world.start:
            break
        lost = back in knobs.lost_weeks
        undone = at + 7 * DAY - SECOND if lost else at + 7 * DAY if back == 1 else None
        _release(
            facts, f"performance-{back}", at, "performance", measured_improvement=4.5,
            rolled_back_at=undone,
        )  # fmt: skip
        if lost:  # what stands beside it is of another kind, or of the week after
            after = monday - 7 * back * DAY
            _release(facts, f"fix-{back}", at, "fix", measured_improvement=6.0)
            _release(facts, f"performance-{back}-after", after, "performance",
                     measured_improvement=6.0)  # fmt: skip
        good += back < 13 and not lost
    aside: list[dict[str, Any]] = [
        {"measured_improvement": -2.0},
        {"measured_improvement": None},
        {"measured_improvement": 9.0, "environment": "staging"},
        {"measured_improvement": 9.0, "rolled_back_at": monday - 30 * DAY},
        {"measured_improvement": 0.0},
    ]
    for number, row in enumerate(aside):
        at = monday - 31 * DAY - number * HOUR
        _release(facts, f"performance-aside-{number}", at, "performance", **row)
    # at the first moment of the week that is not closed yet
    _release(facts, "performance-open", monday, "performance", measured_improvement=3.0)
    _release(facts, "fix-first", max(world.start, world.end - 400 * DAY) + DAY, "fix")
    truth.exact("performance_improvements", 100 * good / 13, n=13)


def _security(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """A security release every tenth day; a pause is longer than the 14 days that are allowed."""
    released = []
    at, number = world.end - 3 * DAY + 11 * HOUR, 0
    while at > max(world.start, world.end - 300 * DAY):
        back = (world.end - at).days
        if not (40 <= back < 40 + knobs.security_pause):
            _release(facts, f"security-{number}", at, "security")
            released.append(at)
        at, number = at - 10 * DAY, number + 1
    days = [world.end - n * DAY for n in range(90, 0, -1)]
    good = sum(any(day - 14 * DAY <= at < day for at in released) for day in days)
    truth.exact("security_enhancements", 100 * good / 90, n=90)


def _features(world: World, truth: Truth) -> None:
    """Feature releases are made by the market's domain (``world.shared["feature_releases"]``:
    released, work started or None, visible to customers)."""
    opens = world.end - 90 * DAY
    released = [
        (at, begun)
        for at, begun, visible in world.shared.get("feature_releases", [])
        if visible and opens <= at < world.end
    ]
    dated = [(at - begun) / DAY for at, begun in released if begun]
    if not dated:
        truth.missing("feature_development_cycle")
        return
    known = len(dated) >= 0.9 * len(released)
    truth.exact(
        "feature_development_cycle", sum(dated) / len(dated), n=len(dated),
        verdict=None if known else "insufficient_data",
    )  # fmt: skip


# -- feedback -------------------------------------------------------------------------------------


def _feedback(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """Items of each month: half of them accepted and due 60 days later, the others declined (some
    that were due), known already, or questions."""
    kinds = ("accepted", "declined", "accepted", "duplicate", "accepted", "question")
    opens = months_before(world.end, 12)
    due = in_time = received = triaged = number = taken = 0
    for month in world.months:
        for nth in range(knobs.items):
            number += 1
            at = month + (nth * 27 / knobs.items) * DAY + 10 * HOUR
            kind = kinds[number % len(kinds)]
            forgotten = number % knobs.untriaged == 2
            sorted_at = at + (31 * DAY if forgotten else 3 * DAY)
            if sorted_at >= world.end:
                kind, sorted_at = "untriaged", world.end
            deadline = at + 60 * DAY
            accepted = kind == "accepted"
            taken += accepted
            late = taken % knobs.late == 4
            done = deadline + (DAY if late else -(number % 3) * DAY)
            facts.add(
                "feedback_item", feedback_id=f"feedback-{number}", received_at=at, triage=kind,
                triaged_at=None if kind == "untriaged" else sorted_at,
                decline_reason="too rare" if kind == "declined" else None,
                due_at=deadline if accepted or number % 12 == 1 else None,
                incorporated_at=done if accepted and done < world.end else None,
            )  # fmt: skip
            if opens <= at + 30 * DAY < world.end:
                received += 1
                triaged += not forgotten
            if accepted and opens <= deadline < world.end:
                due += 1
                in_time += done <= deadline
    for edge, counts in ((opens, True), (world.end, False), (opens - SECOND, False)):
        number += 1
        facts.add(
            "feedback_item", feedback_id=f"feedback-{number}", received_at=edge - 90 * DAY,
            triage="accepted", triaged_at=edge - 80 * DAY, due_at=edge,
        )  # fmt: skip
        due += counts
        at = edge - 60 * DAY
        if opens <= at < world.end:
            received, triaged = received + 1, triaged + 1
    if not due:
        truth.missing("feedback_incorporation_rate")
        return
    enough = triaged >= 0.95 * received
    truth.exact(
        "feedback_incorporation_rate", 100 * in_time / due, n=due,
        verdict=None if enough else "insufficient_data",
    )  # fmt: skip


# -- capacity -------------------------------------------------------------------------------------


def _scaling(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """Scale-out actions of 180 days, some of them late; and some that scale in."""
    triggers = ("forecast", "schedule", "threshold")
    count, late = knobs.actions
    for number in range(2 * count):
        at = world.end - (number + 0.5) * 90 / count * DAY
        if at < world.start:
            continue
        tardy = number % count < late
        used, saturated = (0.93, 120) if tardy else (0.7, 0)
        trigger = ("saturation", "threshold", "schedule")[number % count % 3]
        if tardy and trigger == "threshold":
            used, saturated = 0.8, 0  # at the limit, not below it
        elif not tardy:
            trigger = triggers[number % 3]
        facts.add(
            "scaling_action", action_id=f"scale-{number}", at=at, pool="web", direction="out",
            trigger=trigger, utilisation_before=used, utilisation_after=0.5,
            saturated_s_before=saturated,
        )  # fmt: skip
    usual: dict[str, Any] = {
        "pool": "web",
        "trigger": "manual",
        "utilisation_before": 0.95,
        "saturated_s_before": 300,
    }
    for nth in range(5):
        at = world.end - (7 + nth) * DAY
        facts.add("scaling_action", action_id=f"in-{nth}", at=at, direction="in", **usual)
    facts.add("scaling_action", action_id="end", at=world.end, direction="out", **usual)
    facts.add(
        "scaling_action", action_id="staging", at=world.end - DAY, direction="out",
        environment="staging", **usual,
    )  # fmt: skip
    if not world.shared.get("operations"):
        truth.exact("scalability_improvements", "unknown", n=count, verdict="insufficient_data")
        return
    hot = {minute for minute in world.shared.get("hot_minutes", ())
           if world.end - 90 * DAY <= minute < world.end}  # fmt: skip
    ahead = (count - late) / count
    state = "late"
    if ahead >= 0.9 and len(hot) <= 3 * 43:
        state = "proactive"
    elif ahead >= 0.7:
        state = "mostly_proactive"
    elif ahead >= 0.3:
        state = "reactive"
    truth.exact("scalability_improvements", state, n=count)


# -- integrations and technology ------------------------------------------------------------------


def _new_integrations(world: World, facts: Facts, truth: Truth) -> None:
    review(world, facts, "integration")
    opens = months_before(world.end, 3)
    fresh = [
        integration
        for integration in world.integrations
        if integration.live
        and opens <= integration.live < world.end
        and integration.certified
        and any(
            c.integration is integration
            and c.connected < world.end
            and (c.disconnected is None or c.disconnected > opens)
            for c in world.connections
        )
    ]
    truth.exact("new_integration_rate", len(fresh), n=1)


def _advantage(world: World, truth: Truth) -> None:
    """Own integrations less the mean of the competitors' at the end of each of four quarters
    (``world.shared["rival_catalogues"]``: counts by quarter)."""
    rivals: Mapping[str, list[float]] = world.shared.get("rival_catalogues", {})
    steps = []
    for back in range(3, -1, -1):
        closes = months_before(world.end, 3 * back)
        last = closes - DAY
        counts = rivals.get(f"{last:%Y}-Q{(last.month + 2) // 3}", [])
        if len(counts) >= 3:
            own = sum(i.live is not None and i.live < closes for i in world.integrations)
            steps.append(own - sum(counts) / len(counts))
    if not steps:
        truth.missing("competitive_advantage_trend")
        return
    rising = all(a < b for a, b in pairwise(steps))
    falling = all(a > b for a, b in pairwise(steps))
    known = len(steps) == 4
    state = "increasing" if rising and known else "decreasing" if falling and known else "flat"
    truth.exact("competitive_advantage_trend", state, n=len(steps))


def _inventory(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """What runs in production, assessed every 90 days. Some items are a major version behind, which
    is young enough for one of them, and one was renewed since; what is not in production does not
    count."""
    count, behind = knobs.inventoried
    today = world.end.date()
    for back in range(10, 400, 90):
        at = at_hour(today - back * DAY, 9)
        if at < world.start:
            break
        for number in range(count + 2):
            outside = number >= count
            old = number < behind or outside or (back > 10 and number == count - 2)
            young = number == count - 1
            item: dict[str, Any] = {
                "item_key": f"inv-{number}",
                "assessed_at": at,
                "layer": "library",
                "decision": "none",
                "in_production_at": None if outside else at - 300 * DAY,
                "version_in_use": "3.9.1",
                "version_in_use_released_on": today - 700 * DAY,
                "latest_version": "4.0.0" if old or young else "3.12.0",
                "latest_version_released_on": today - (100 if young else 400) * DAY,
                "end_of_life_on": _end_of_life(today, back, number, outside=outside),
            }
            facts.add("technology_item", **item)
    share = (count - behind) / count
    state = "cutting_edge" if share >= 0.9 else "current" if share >= 0.7 else "lagging"
    if world.preset.story == "honest":
        state = "lagging"  # one item is past the end of its life
    truth.exact("technology_currency", state, n=count)


def _end_of_life(today: date, back: int, number: int, *, outside: bool) -> date | None:
    """Some reach it later; what was past it in an older inventory has been renewed since."""
    if outside or (back > 100 and number == 3):
        return today - 200 * DAY
    return today if number == 4 else None


# -- trends ---------------------------------------------------------------------------------------


def _trends(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """Trends seen 45 days apart. Some are answered before any competitor, some at most 90 days
    after the first one, others later or never; some are too young or too old to be asked for."""
    count, first, quick = knobs.trends
    for number in range(count):
        seen = world.end.date() - timedelta(days=120 + number * 45)
        _seen(facts, f"trend-{number}", seen)
        rival = seen + timedelta(days=25)
        answer = None
        if number < first:
            answer = at_hour(rival, 0) - SECOND if number == 0 else at_hour(seen, 9) + 12 * DAY
        elif number < first + quick:
            answer = at_hour(rival, 0) if number == first else at_hour(rival, 23) + 90 * DAY
        elif number % 2:
            answer = at_hour(rival, 0) + 91 * DAY
        if number != 1 or first < 2:  # nobody else answered that one
            _answered(facts, f"trend-{number}", rival, "Rival A")
            _answered(facts, f"trend-{number}", rival + timedelta(days=9), "Rival B")
        _answered(facts, f"trend-{number}", seen + DAY, "own")
        if answer and answer < world.end:
            _release(facts, f"trend-{number}", answer, "fix", trend_key=f"trend-{number}")
    for name, back in (("young", 80), ("old", 740)):
        _seen(facts, name, world.end.date() - timedelta(days=back))
    share, soon = first / count, (first + quick) / count
    state = "proactive" if share >= 0.5 else "responsive" if soon >= 0.5 else "reactive"
    truth.exact("market_trend_response", state, n=count)


def _seen(facts: Facts, trend: str, on: date) -> None:
    _observed(facts, f"seen-{trend}", on, company="*", measure="trend_seen", subject=trend)


def _answered(facts: Facts, trend: str, on: date, company: str) -> None:
    name = f"answer-{trend}-{company}"
    _observed(facts, name, on, company=company, measure="trend_response", subject=trend)


def _observed(facts: Facts, name: str, on: date, **columns: Any) -> None:
    facts.attest(
        "market_observation", expires_at=at_hour(on, 0) + 1500 * DAY, observation_id=name,
        observed_on=on, market=LEAD_MARKET, value=1.0, unit="answer", source_name="simulated",
        independent=False, **columns,
    )  # fmt: skip
