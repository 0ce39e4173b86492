"""What people say, ask and do in the simulated network: surveys, support, use of the product, and
the stories that customers let be told; with what is true of satisfaction and experience.

The truths that need syncs and invoices are said in `people_score`, after those are made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.people_stories import StoryKnobs, simulate_stories, told
from meterstone.sandbox.network.people_support import (
    WEEK,
    SupportKnobs,
    Ticket,
    simulate_support,
)
from meterstone.sandbox.network.people_surveys import (
    Answer,
    SurveyKnobs,
    Surveys,
    end_customers,
    simulate_surveys,
    write,
)
from meterstone.sandbox.network.people_use import (
    BASE_FEATURES,
    Use,
    UseKnobs,
    simulate_use,
)
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, World


@dataclass(frozen=True, slots=True)
class Knobs:
    """How content and how busy the people of one network are."""

    use: UseKnobs = field(default_factory=lambda: UseKnobs(lists=True))
    surveys: SurveyKnobs = field(default_factory=SurveyKnobs)
    support: SupportKnobs = field(default_factory=SupportKnobs)
    stories: StoryKnobs = field(default_factory=StoryKnobs)
    guests: tuple[float, float] = (0.66, 0.9)
    """Mean satisfaction of end customers before and after the first connection."""


_GOOD = Knobs()
KNOBS: Mapping[str, Knobs] = {
    "thriving": _GOOD,
    "struggling": replace(
        _GOOD,
        use=replace(_GOOD.use, heavy=0.55, before=0.86, adopts=0.7, lists=False),
        surveys=replace(_GOOD.surveys, ease=0.5, hardly=(("user_experience", 0.26),)),
        support=replace(_GOOD.support, first_response_s=9000.0, at_once=0.82, escalated=0.18),
        stories=replace(_GOOD.stories, a_quarter=12),
    ),
    "honest": Knobs(
        use=UseKnobs(heavy=0.7, before=0.8, adopts=0.6, gap=(370, 3)),
        surveys=SurveyKnobs(
            owners=0.9, overall=0.6, ease=0.7, value=0.6, advocates=(0.6, 0.6), answers=0.8,
            sampling=(("user_experience", "convenience"), ("brand_awareness", "convenience")),
            last_recommendation=1,
            half=4,
        ),
        support=SupportKnobs(offered_every=40, a_month=1.0, at_once=0.8, answers=0.15, stuck=0.1),
        stories=StoryKnobs(a_quarter=3, reviewed_days_before=120),
    ),
    "quiet": _GOOD,
}  # fmt: skip

_SATISFACTION = "CustomerSatisfactionMetrics.target_metrics"
_EXPERIENCE = "CustomerExperienceAnalytics"
MISSED = frozenset({
    f"{_SATISFACTION}.platform_ease_of_use",
    f"{_SATISFACTION}.integration_value_perception",
    f"{_SATISFACTION}.feature_adoption_rate",
    f"{_SATISFACTION}.user_engagement_increase",
    f"{_SATISFACTION}.customer_success_stories",
    f"{_EXPERIENCE}.measure_user_satisfaction.ease_of_use_rating",
    f"{_EXPERIENCE}.measure_user_satisfaction.integration_value_rating",
    f"{_EXPERIENCE}.measure_user_satisfaction.overall_satisfaction",
    f"{_EXPERIENCE}.track_user_engagement.feature_adoption_rate",
    f"{_EXPERIENCE}.track_user_engagement.power_user_percentage",
    f"{_EXPERIENCE}.analyze_support_effectiveness.first_contact_resolution",
    f"{_EXPERIENCE}.analyze_support_effectiveness.average_response_time",
    f"{_EXPERIENCE}.analyze_support_effectiveness.escalation_rate",
})  # fmt: skip
"""Refs that miss their target on ``struggling``."""

METRICS = (
    "franchise_owner_satisfaction", "platform_ease_of_use", "integration_value_perception",
    "support_satisfaction", "feature_adoption_rate", "user_engagement_increase",
    "customer_success_stories", "overall_satisfaction",
    "support_satisfaction_rating", "recommendation_likelihood", "daily_active_users_growth",
    "user_retention_rate", "power_user_percentage", "first_contact_resolution",
    "support_first_response_time", "support_escalation_rate", "proactive_support_adoption",
    "customer_advocacy", "brand_recognition",
)  # fmt: skip
"""Metrics whose truth is said here."""


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Make what people do, write it, and say what is true of it at the end."""
    knobs = KNOBS[world.preset.story]
    use = simulate_use(world, facts, knobs.use)
    surveys = simulate_surveys(world, use, knobs.surveys)
    tickets = simulate_support(world, facts, surveys, knobs.support)
    guests = end_customers(world, surveys, *knobs.guests)
    stories = simulate_stories(world, facts, knobs.stories)
    write(facts, surveys)
    world.shared |= {
        "use": use,
        "surveys": surveys,
        "waves": surveys.waves,
        "tickets": tickets,
        "stories": stories,
        "end_customer_answers": guests,
        "feature_rows": use.features,
        "features": [(f.key, f.released, f.retired, f.visible) for f in use.features],
    }
    if world.preset.story == "struggling":
        truth.missed |= MISSED
    if not world.shops:
        for metric in METRICS:
            truth.missing(metric)
        return
    world.shared["user_waves"] = _waves_of_users(world, surveys)
    _surveys(world, truth, surveys)
    _ratings(world, truth, surveys, tickets)
    _support(world, truth, tickets)
    _use(world, truth, use)
    _adoption(world, truth, use)
    _engagement(world, truth, use)
    reviewed = knobs.stories.reviewed_days_before <= 100
    truth.exact(
        "customer_success_stories", told(stories, world.end),
        verdict=None if reviewed else "insufficient_data",
    )  # fmt: skip


# -- surveys --------------------------------------------------------------------------------------


def _mean(truth: Truth, metric: str, answers: Iterable[tuple[float, float]], **said: Any) -> None:
    """A weighted mean of (points, weight)."""
    rows = list(answers)
    weight = math.fsum(w for _, w in rows)
    truth.exact(metric, math.fsum(p * w for p, w in rows) / weight, n=len(rows), **said)


def _points(answer: Answer) -> float:
    """The answer on a scale of 1 to 5."""
    return 1 + 4 * _share(answer)


def _share(answer: Answer) -> float:
    return ((answer.score or 0.0) - answer.low) / (answer.high - answer.low)


def _waves_of_users(world: World, surveys: Surveys) -> list[float]:
    """Overall satisfaction in every closed wave of users as it closed, oldest first."""
    found = [w for w in surveys.waves if w.instrument == "user_experience" and w.closed < world.end]
    answers = [
        [_points(a) for a in surveys.latest(wave, wave.closed, "overall")]
        for wave in sorted(found, key=lambda w: w.closed)
    ]
    return [math.fsum(points) / len(points) for points in answers if points]


def _surveys(world: World, truth: Truth, surveys: Surveys) -> None:
    end = world.end
    owners = surveys.newest("owner_satisfaction", end)
    if owners is None:
        truth.missing("franchise_owner_satisfaction")
    else:
        asked = surveys.of_franchises(owners, end, "overall")
        good = sum(_share(a) >= 0.75 for a in asked)
        verdict = _sampled(surveys, owners.instrument, end)
        truth.exact("franchise_owner_satisfaction", 100 * good / len(asked), n=len(asked),
                    verdict=verdict)  # fmt: skip
        for answer in asked[:3]:
            if answer.shop:
                truth.exact(
                    "franchise_owner_satisfaction", 100.0 * (_share(answer) >= 0.75), n=1,
                    verdict="insufficient_data", scope="franchise", key=answer.shop.id,
                )  # fmt: skip
    _users(world, truth, surveys)
    _recommendation(world, truth, surveys)
    _brand(world, truth, surveys)


def _sampled(surveys: Surveys, instrument: str, at: datetime) -> str | None:
    """The verdict where the newest wave carries none: drawn wrongly, or hardly answered."""
    wave = surveys.newest(instrument, at)
    if wave and (wave.sampling not in ("census", "random") or surveys.response(wave, at) < 0.3):
        return "insufficient_data"
    return None


def _users(world: World, truth: Truth, surveys: Surveys) -> None:
    end = world.end
    metrics = ("overall_satisfaction", "platform_ease_of_use", "integration_value_perception")
    wave = surveys.newest("user_experience", end)
    if wave is None:
        for metric in metrics:
            truth.missing(metric)
        return
    verdict = _sampled(surveys, wave.instrument, end)
    overall = surveys.latest(wave, end, "overall")
    _mean(truth, metrics[0], ((_points(a), 1) for a in overall), verdict=verdict)
    ease = surveys.latest(wave, end, "ease_of_use")
    _mean(truth, metrics[1], ((_points(a), a.weight or 1.0) for a in ease), verdict=verdict)
    linked: dict[str, set[str]] = {}
    for connection in world.live_connections(end):
        if connection.shop:
            linked.setdefault(connection.shop.id, set()).add(connection.integration.key)
    value = [
        a
        for a in surveys.latest(wave, end, "integration_value")
        if a.shop and _links(world, linked, a)
    ]
    _mean(truth, metrics[2], ((_points(a), 1) for a in value), verdict=verdict)
    for key in ("square", "clover", "quickbooks"):
        mine = [a for a in value if a.shop and key in _links(world, linked, a)]
        if mine:
            _mean(truth, metrics[2], ((_points(a), 1) for a in mine), scope="integration", key=key)


def _links(world: World, linked: Mapping[str, set[str]], answer: Answer) -> set[str]:
    """Integrations that a respondent is connected to, by the shop or by its client."""
    shop = answer.shop
    if shop is None:
        return set()
    of_client = {
        c.integration.key
        for c in world.live_connections(world.end)
        if c.shop is None and c.client.id == shop.client.id
    }
    return linked.get(shop.id, set()) | of_client


def _recommendation(world: World, truth: Truth, surveys: Surveys) -> None:
    end = world.end
    wave = surveys.newest("recommendation", end)
    if wave is None:
        truth.missing("recommendation_likelihood")
        truth.missing("customer_advocacy")
        return
    verdict = _sampled(surveys, wave.instrument, end)
    native = replace(surveys, answers=[a for a in surveys.answers if (a.low, a.high) == (0, 10)])
    answers = native.latest(wave, end, "recommend")
    _mean(truth, "recommendation_likelihood", ((a.score or 0.0, 1) for a in answers),
          verdict=verdict)  # fmt: skip
    owners = native.of_franchises(wave, end, "recommend")
    advocates = sum((a.score or 0.0) >= 9 for a in owners)
    truth.exact("customer_advocacy", 100 * advocates / len(owners), n=len(owners), verdict=verdict)


def _brand(world: World, truth: Truth, surveys: Surveys) -> None:
    wave = surveys.newest("brand_awareness", world.end, 366)
    if wave is None:
        truth.missing("brand_recognition")
        return
    ticks = {
        question: {
            a.respondent: a.score or 0.0
            for a in surveys.latest(wave, world.end, question)
            if a.role == "franchise_decision_maker"
        }
        for question in ("brand_own", "brand_fictitious")
    }
    both = ticks["brand_own"].keys() & ticks["brand_fictitious"].keys()
    own = sum(ticks["brand_own"][r] for r in both)
    claimed = sum(ticks["brand_fictitious"][r] for r in both)
    verdict = None if wave.sampling == "random" else "insufficient_data"
    truth.exact(
        "brand_recognition", 100 * (own - claimed) / (len(both) - claimed), n=len(both),
        verdict=verdict,
    )  # fmt: skip


# -- support --------------------------------------------------------------------------------------


def _ratings(world: World, truth: Truth, surveys: Surveys, tickets: list[Ticket]) -> None:
    opens, closes = world.end - 90 * DAY, world.end
    resolved = {t.id for t in tickets if t.resolved and t.counts}
    given = sorted(
        (
            a
            for a in surveys.answers
            if a.wave.instrument == "support_csat" and a.ticket in resolved
            and opens <= a.submitted < closes
        ),
        key=lambda a: a.submitted,
    )  # fmt: skip
    answers = list({a.ticket: a for a in given}.values())
    done = sum(
        t.resolved is not None and t.counts and opens <= t.resolved < closes for t in tickets
    )
    verdict = None if len(answers) >= 0.2 * done else "insufficient_data"
    good = sum(_share(a) >= 0.75 for a in answers)
    truth.exact("support_satisfaction", 100 * good / len(answers), n=len(answers), verdict=verdict)
    _mean(truth, "support_satisfaction_rating", ((_points(a), 1) for a in answers),
          verdict=verdict)  # fmt: skip


def _support(world: World, truth: Truth, tickets: list[Ticket]) -> None:
    end = world.end
    customers = [t for t in tickets if t.counts and t.by == "customer"]
    judged = [t for t in customers if t.resolved and end - 97 * DAY <= t.resolved < end - WEEK]
    at_once = sum(
        t.contacts == 1
        and not t.escalated
        and not (t.reopened and t.resolved and t.reopened <= t.resolved + WEEK)
        for t in judged
    )
    truth.exact("first_contact_resolution", 100 * at_once / len(judged), n=len(judged))
    asked = [t for t in customers if end - 30 * DAY <= t.opened < end]
    waited = math.fsum(
        (min(t.answered or end, end) - t.opened).total_seconds() / 3600 for t in asked
    )
    truth.exact("support_first_response_time", waited / len(asked), n=len(asked))
    opened = [t for t in tickets if t.counts and end - 90 * DAY <= t.opened < end]
    truth.exact(
        "support_escalation_rate", 100 * sum(t.escalated for t in opened) / len(opened),
        n=len(opened),
    )  # fmt: skip
    active = {shop.id for shop in world.active_shops(end)}
    offers = [t for t in opened if t.by == "hub" and t.shop.id in active]
    offered = {t.shop.id for t in offers}
    accepted = {t.shop.id for t in offers if t.accepted}
    truth.exact(
        "proactive_support_adoption", 100 * len(accepted) / len(offered), n=len(offered),
        verdict=None if len(offered) >= 0.5 * len(active) else "insufficient_data",
    )  # fmt: skip


# -- use ------------------------------------------------------------------------------------------


def _use(world: World, truth: Truth, use: Use) -> None:
    end = world.end
    year = end.replace(year=end.year - 1)
    month = (end - DAY).replace(day=1)
    before = (month - DAY).replace(day=1)
    now = use.days_of_users(end - 28 * DAY, end)
    then = use.days_of_users(year - 28 * DAY, year)
    user_days, user_days_then = (sum(map(len, d.values())) for d in (now, then))
    days = min(len(set().union(*d.values())) for d in (now, then))
    truth.exact("daily_active_users_growth", 100 * (user_days / user_days_then - 1), n=days)
    earlier = use.days_of_users(before, month)
    asked = {u for u, active in earlier.items() if len(active) >= 2}
    back = asked & use.days_of_users(month, end).keys()
    truth.exact("user_retention_rate", 100 * len(back) / len(asked), n=len(asked))
    chosen = use.between(end - 28 * DAY, end) & (use.feature >= 0)
    features: dict[int, set[int]] = {}
    for user, feature in zip(use.user[chosen].tolist(), use.feature[chosen].tolist(), strict=True):
        features.setdefault(user, set()).add(feature)
    power = [u for u, d in now.items() if len(d) >= 12 and len(features.get(u, ())) >= 5]
    truth.exact("power_user_percentage", 100 * len(power) / len(now), n=len(now))


def _adoption(world: World, truth: Truth, use: Use) -> None:
    """Pairs of active franchises and features that they were entitled to from the release on."""
    end = world.end
    active = world.active_shops(end)
    shop_of = np.array([user.shop.id for user in use.users])
    pairs = adopted = 0
    for index, feature in enumerate(use.features):
        fresh = end - 180 * DAY <= feature.released < end - 90 * DAY
        retired = feature.retired is not None and feature.retired <= end
        if index < len(BASE_FEATURES) or not fresh or retired or not feature.visible:
            continue
        chosen = use.between(feature.released, feature.released + 90 * DAY) & (use.feature == index)
        days: dict[str, set[int]] = {}
        for user, at in zip(use.user[chosen].tolist(), use.at[chosen].tolist(), strict=True):
            days.setdefault(shop_of[user], set()).add(at // 86400)
        # the register knows a shop from the very moment of its status on
        since = feature.released + timedelta(microseconds=1)
        entitled = [s for s in active if s.opened_at < since]
        pairs += len(entitled)
        adopted += sum(len(days.get(shop.id, ())) >= 2 for shop in entitled)
    truth.exact("feature_adoption_rate", 100 * adopted / pairs, n=pairs)


def _engagement(world: World, truth: Truth, use: Use) -> None:
    end = world.end
    year = end.replace(year=end.year - 1)
    weeks, days = [], []
    for last in (end, year):
        count: dict[str, int] = {}
        for back in range(4):
            for shop in world.active_shops(last - back * 7 * DAY):
                count[shop.id] = count.get(shop.id, 0) + 1
        weeks.append(count)
        used: dict[str, int] = {}
        for user, active in use.days_of_users(last - 28 * DAY, last).items():
            shop_id = use.users[user].shop.id
            used[shop_id] = used.get(shop_id, 0) + len(active)
        days.append(used)
    both = sorted(weeks[0].keys() & weeks[1].keys())

    def growth(shops: list[str]) -> float:
        now, before = (
            sum(d.get(s, 0) for s in shops) / sum(w[s] for s in shops)
            for d, w in zip(days, weeks, strict=True)
        )
        return 100 * (now / before - 1)

    truth.exact("user_engagement_increase", growth(both), n=len(both))
    for shop_id in [s for s in both if days[1].get(s)][:3]:
        truth.exact("user_engagement_increase", growth([shop_id]), n=1, scope="franchise",
                    key=shop_id, verdict="insufficient_data")  # fmt: skip
