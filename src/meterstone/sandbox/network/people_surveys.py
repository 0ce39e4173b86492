"""Surveys: who was asked, who answered, and what they said.

People who are content answer more readily than others: what is measured is what was answered, and
`Surveys.content` keeps what all would have said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.people_use import Use
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.world import DAY, Shop, World

_BRANDS = 480
"""Decision makers who answer about brands in a wave."""


@dataclass(frozen=True, slots=True)
class SurveyKnobs:
    """What people think, as shares of all who are asked.

    Attributes:
        owners: content owners.
        overall, ease, value: users who give the best mark.
        advocates: users who would recommend, by quarters before the end (newest first).
        answers: share of content people who answer; of the others two thirds of it.
        known, claimed: decision makers who tick the brand, and the one that does not exist.
        hardly: share that answers in the newest wave of an instrument, where it is not the usual.
        half: decision makers who answer one of the two questions about brands only.
        sampling: of the newest wave of each instrument, where it differs from the usual.
        last_recommendation: quarters before the end of the newest wave of recommendation.
    """

    owners: float = 0.985
    overall: float = 0.96
    ease: float = 0.985
    value: float = 0.985
    advocates: tuple[float, ...] = (0.985, 0.9, 0.8, 0.72)
    answers: float = 0.86
    known: float = 0.988
    claimed: float = 0.04
    hardly: tuple[tuple[str, float], ...] = ()
    half: int = 0
    sampling: tuple[tuple[str, str], ...] = ()
    last_recommendation: int = 0


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave of one instrument."""

    id: str
    instrument: str
    opened: datetime
    closed: datetime
    sampling: str
    population: int
    invited: int
    wording: str = "1"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to one question; ``score`` is None where none was given."""

    wave: Wave
    question: str
    respondent: str
    role: str
    shop: Shop | None
    submitted: datetime
    score: float | None
    low: float = 1
    high: float = 5
    weight: float | None = None
    ticket: str | None = None
    first: float | None = None
    """What the same row said before it was corrected."""


@dataclass(frozen=True, slots=True)
class EndCustomerAnswer:
    """What a customer of a shop said, 1 to 5: the latest answer in the wave."""

    shop_id: str
    respondent: str
    submitted: datetime
    score: float
    wave_id: str


@dataclass(slots=True)
class Surveys:
    """All waves and answers; ``content`` is the true share of content owners by wave."""

    waves: list[Wave] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    content: dict[str, float] = field(default_factory=dict)

    def newest(self, instrument: str, at: datetime, days: int = 100) -> Wave | None:
        """The newest wave that closed before a moment, at most so many days ago."""
        closed = [
            w for w in self.waves if w.instrument == instrument and at - days * DAY <= w.closed < at
        ]
        return max(closed, key=lambda w: w.closed, default=None)

    def given(self, wave: Wave, at: datetime, question: str | None = None) -> list[Answer]:
        """Answers in a wave before a moment, oldest first; without those that gave none."""
        found = [
            a
            for a in self.answers
            if a.wave.id == wave.id
            and a.submitted < at
            and a.score is not None
            and question in (None, a.question)
        ]
        return sorted(found, key=lambda a: a.submitted)

    def latest(self, wave: Wave, at: datetime, question: str) -> list[Answer]:
        """The latest answer of each respondent."""
        return list({a.respondent: a for a in self.given(wave, at, question)}.values())

    def of_franchises(self, wave: Wave, at: datetime, question: str) -> list[Answer]:
        """The latest answer of an owner of each franchise."""
        owners = [a for a in self.given(wave, at, question) if a.role == "owner" and a.shop]
        return list({a.shop.id: a for a in owners if a.shop}.values())

    def response(self, wave: Wave, at: datetime) -> float:
        """People who answered anything / people invited."""
        return len({a.respondent for a in self.given(wave, at)}) / wave.invited


def simulate_surveys(world: World, use: Use, knobs: SurveyKnobs) -> Surveys:
    """Quarterly waves of owners, users and decision makers, and those of end customers."""
    surveys = Surveys()
    if not world.shops:
        return surveys
    quarters = [m for m in world.months if m.month % 3 == 0]
    for back, month in enumerate(reversed(quarters)):
        _owners(world, surveys, month, back, knobs)
        _users(world, use, surveys, month, back, knobs)
        if back >= knobs.last_recommendation:
            _recommend(world, use, surveys, month, back, knobs)
        _brands(world, surveys, month, back, knobs)
    _not_counted(world, surveys)
    return surveys


def add(surveys: Surveys, wave: Wave, answers: Iterable[Answer]) -> None:
    """Keep a wave and what was said in it."""
    surveys.waves.append(wave)
    surveys.answers += answers


def _wave(instrument: str, month: datetime, back: int, asked: int, knobs: SurveyKnobs) -> Wave:
    sampling = "random" if instrument == "brand_awareness" else "census"
    if back == 0:
        sampling = dict(knobs.sampling).get(instrument, sampling)
    return Wave(
        f"{instrument}-{month:%Y-%m}", instrument, month + timedelta(hours=8),
        month + timedelta(days=19, hours=18), sampling, asked, asked,
    )  # fmt: skip


def _said(
    rng: np.random.Generator, size: int, share: float, knobs: SurveyKnobs
) -> tuple[list[bool], list[bool]]:
    """Who is content (exactly the share of all, rounded), and who answers."""
    content = np.arange(size) < round(share * size)
    rng.shuffle(content)
    answers = rng.random(size) < np.where(content, knobs.answers, knobs.answers * 2 / 3)
    return content.tolist(), answers.tolist()


def _when(rng: np.random.Generator, wave: Wave) -> datetime:
    span = int((wave.closed - wave.opened).total_seconds()) - 7200
    return wave.opened + timedelta(seconds=3600 + int(rng.integers(0, span)))


def _owners(world: World, surveys: Surveys, month: datetime, back: int, knobs: SurveyKnobs) -> None:
    rng = world.rng(f"people-owners-{month:%Y-%m}")
    shops = world.open_shops(month)
    if not shops:
        return
    wave = _wave("owner_satisfaction", month, back, len(shops), knobs)
    content, answers = _said(rng, len(shops), knobs.owners, knobs)
    surveys.content[wave.id] = sum(content) / len(shops)
    found: list[Answer] = []
    for shop, good, answered in zip(shops, content, answers, strict=True):
        if not answered:
            continue
        score = float(rng.choice([5, 5, 5, 4] if good else [3, 2]))
        last = Answer(wave, "overall", f"R-{shop.id}-owner", "owner", shop, _when(rng, wave), score)
        found += _with_changes(rng, last)
    found += _thought_again(world, found, back)
    surveys_of = [
        # A second owner of a franchise, before the first; and a manager, who is not asked here.
        replace(found[0], respondent="R-co-owner", score=1.0,
                submitted=wave.opened + timedelta(minutes=1)),
        replace(found[-1], respondent="R-manager", role="manager", score=1.0,
                submitted=wave.closed - timedelta(minutes=1)),
    ] if found else []  # fmt: skip
    add(surveys, wave, found + surveys_of)


def _with_changes(rng: np.random.Generator, last: Answer) -> list[Answer]:
    """An answer; sometimes the same person said something else before, left the question out later,
    or corrected the row itself."""
    chance = rng.random()
    other = last.low if last.score is None or last.score > last.low else last.high
    if chance < 0.05:
        earlier = last.wave.opened + timedelta(minutes=5, seconds=int(rng.integers(0, 3000)))
        return [replace(last, submitted=earlier, score=other, weight=None), last]
    if chance < 0.08:
        return [last, replace(last, submitted=last.wave.closed - timedelta(seconds=30), score=None)]
    if chance < 0.10:
        return [replace(last, first=other)]
    if chance < 0.11:
        # The mind is changed after the wave has closed: the latest answer counts.
        after = last.wave.closed + timedelta(hours=30)
        before = max((last.score or 0.0) - 1, last.low)
        return [replace(last, score=before), replace(last, submitted=after)]
    return [last]


def _thought_again(world: World, found: list[Answer], back: int) -> list[Answer]:
    """In the newest wave an owner thinks again on the last day: the latest answer counts from then
    on, and not the day before."""
    content = [a for a in found if a.role == "owner" and a.score == a.high and not a.first]
    if back or not content:
        return []
    middle = (content[-1].low + content[-1].high) // 2
    return [replace(content[-1], score=middle, submitted=world.end - timedelta(hours=7))]


def _people(use: Use, month: datetime) -> list[tuple[str, str, Shop]]:
    """Users of the product at the beginning of a month: respondent, role, shop."""
    day = (month.date() - datetime(1970, 1, 1).date()).days  # noqa: DTZ001  # dates only
    return [(f"R-{u.id}", u.role, u.shop) for u in use.users if u.since <= day < u.until]


def _users(
    world: World, use: Use, surveys: Surveys, month: datetime, back: int, knobs: SurveyKnobs
) -> None:
    rng = world.rng(f"people-users-{month:%Y-%m}")
    people = _people(use, month)
    if not people:
        return
    wave = _wave("user_experience", month, back, len(people), knobs)
    if back == 0:
        knobs = replace(knobs, answers=dict(knobs.hardly).get(wave.instrument, knobs.answers))
    _, answers = _said(rng, len(people), 1.0, knobs)
    found: list[Answer] = []
    shares = (
        ("overall", _overall(world, back, knobs)),
        ("ease_of_use", knobs.ease),
        ("integration_value", knobs.value),
    )
    for question, share in shares:
        best, _ = _said(rng, len(people), share, knobs)
        for (name, role, shop), good, answered in zip(people, best, answers, strict=True):
            if not answered:
                continue
            score = 5.0 if good else float(rng.choice([4, 4, 4, 3]))
            weight = {"owner": 1.0, "manager": 1.5}.get(role)
            last = Answer(wave, question, name, role, shop, _when(rng, wave), score, weight=weight)
            found += _with_changes(rng, last)
        found += _thought_again(world, found, back)
    add(surveys, wave, found)


def _overall(world: World, back: int, knobs: SurveyKnobs) -> float:
    """Share of users who give the best mark: it grows from wave to wave, or falls (honest)."""
    moved = 0.018 * min(back, 20)
    return knobs.overall - moved if world.preset.large else min(knobs.overall + moved, 1.0)


def _recommend(
    world: World, use: Use, surveys: Surveys, month: datetime, back: int, knobs: SurveyKnobs
) -> None:
    rng = world.rng(f"people-recommend-{month:%Y-%m}")
    people = _people(use, month)
    if not people:
        return
    share = knobs.advocates[min(back, len(knobs.advocates) - 1)]
    wave = _wave("recommendation", month, back, len(people), knobs)
    content, answers = _said(rng, len(people), share, knobs)
    found: list[Answer] = []
    for (name, role, shop), good, answered in zip(people, content, answers, strict=True):
        if not answered:
            continue
        score = float(rng.choice([10, 10, 10, 9] if good else [8, 8, 7, 6]))
        last = Answer(wave, "recommend", name, role, shop, _when(rng, wave), score, 0, 10)
        found += _with_changes(rng, last)
    found += _thought_again(world, found, back)
    # Asked on another scale: not converted, and not counted.
    found += [
        replace(
            a, respondent=f"{a.respondent}-5", role="owner", score=1.0, low=1, high=5, first=None
        )
        for a in found[:7]
    ]
    add(surveys, wave, found)


def _brands(world: World, surveys: Surveys, month: datetime, back: int, knobs: SurveyKnobs) -> None:
    rng = world.rng(f"people-brands-{month:%Y-%m}")
    size = _BRANDS if world.preset.large else 60
    wave = _wave("brand_awareness", month, back, size * 40, knobs)
    wave = replace(wave, invited=size * 3)
    found = []
    for question, share in (("brand_own", knobs.known), ("brand_fictitious", knobs.claimed)):
        ticked, _ = _said(rng, size, share, knobs)
        for number, tick in enumerate(ticked):
            if question == "brand_fictitious" and number == size - 1:
                continue  # who says nothing of one of the two brands is left out
            found.append(
                Answer(
                    wave, question, f"R-decision-{number}", "franchise_decision_maker", None,
                    _when(rng, wave), float(tick), 0, 1,
                )
            )  # fmt: skip
    found.append(replace(found[0], respondent="R-decision-own", role="owner", score=0.0))
    found += [
        replace(found[n * size], respondent=f"R-half-{n}-{more}", score=1.0)
        for n in range(2)
        for more in range(knobs.half)
    ]
    if back == 0:
        first = found[0]
        again = world.end - timedelta(hours=7)
        found.append(replace(first, score=1.0 - (first.score or 0.0), submitted=again))
    add(surveys, wave, found)


def _not_counted(world: World, surveys: Surveys) -> None:
    """A wave of whoever liked to answer, and waves that are open yet: bad marks in all of them."""
    shop = world.shops[0]
    end = world.end

    def bad(wave: Wave, at: datetime) -> list[Answer]:
        questions: Sequence[tuple[str, float, float]] = {
            "recommendation": [("recommend", 0.0, 10.0)],
            "owner_satisfaction": [("overall", 1.0, 5.0)],
        }[wave.instrument]
        return [
            Answer(wave, question, f"R-bad-{n}", "owner", shop, at, low, low, high)
            for question, low, high in questions
            for n in range(20)
        ]

    before = months_before(end, 4) + timedelta(days=9)  # the 10th of June; the regular one follows
    for instrument in ("owner_satisfaction", "recommendation"):
        loud = Wave(
            f"{instrument}-loud", instrument, before - 5 * DAY, before, "convenience", 500, 500
        )
        add(surveys, loud, bad(loud, before - DAY))
    for instrument, closes in (
        ("owner_satisfaction", end + 14 * DAY),
        ("recommendation", end),  # it closes at the moment that is measured: not closed yet
    ):
        open_ = Wave(f"{instrument}-open", instrument, end - 6 * DAY, closes, "census", 400, 400)
        add(surveys, open_, bad(open_, end - DAY))


def end_customers(
    world: World, surveys: Surveys, before: float, now: float
) -> list[EndCustomerAnswer]:
    """Answers of customers of the shops, once a week in the quarter before the first connection and
    in the last half year, once a month between.

    Args:
        before, now: mean satisfaction (0..1) before the first connection and today.
    """
    rng = world.rng("people-end-customers")
    waves: dict[datetime, Wave] = {}
    found: list[EndCustomerAnswer] = []
    counts: dict[str, int] = {}
    for shop in world.shops:
        for at in _visits(world, shop):
            first = at.replace(day=1, hour=0)
            first = months_before(first, (first.month - 1) % 3)
            if first not in waves:
                closed = months_before(first, -3)
                waves[first] = Wave(
                    f"end_customer_csat-{first:%Y-%m}", "end_customer_csat", first, closed,
                    "random", 100_000, 0,
                )  # fmt: skip
            mean = now if shop.go_live and at >= shop.go_live else before
            score = float(1 + rng.binomial(4, mean))
            name = f"R-guest-{shop.id}-{at:%Y%m%d}"
            wave = waves[first]
            found.append(EndCustomerAnswer(shop.id, name, at, score, wave.id))
            counts[wave.id] = counts.get(wave.id, 0) + 1
    shops = {shop.id: shop for shop in world.shops}
    by_id = {wave.id: replace(wave, invited=counts[wave.id] * 4 + 7) for wave in waves.values()}
    surveys.waves += by_id.values()
    for number, given in enumerate(found):
        answer = Answer(
            by_id[given.wave_id], "overall", given.respondent, "end_customer",
            shops[given.shop_id], given.submitted, given.score,
        )  # fmt: skip
        if number % 50 == 0:
            earlier = replace(answer, submitted=given.submitted - timedelta(minutes=9), score=1.0)
            surveys.answers.append(earlier)
        surveys.answers.append(answer)
    return found


def _visits(world: World, shop: Shop) -> list[datetime]:
    """When a customer of the shop is asked."""
    found = []
    number = int(shop.id[1:])
    day = max(shop.opened_at, world.start) + timedelta(days=number % 7, hours=number % 9)
    last = shop.closed_at or world.end
    quarter = 100 * DAY
    while day < min(last, world.end):
        found.append(day)
        early = shop.go_live is not None and shop.go_live - quarter <= day < shop.go_live
        often = early or day >= world.end - 190 * DAY
        day += timedelta(days=7 if often else 28)
    return found


def write(facts: Facts, surveys: Surveys) -> None:
    """Write waves and answers, and rows that never count."""
    for wave in surveys.waves:
        facts.add(
            "survey_wave", wave_id=wave.id, instrument=wave.instrument, opened_at=wave.opened,
            closed_at=wave.closed, sampling=wave.sampling, population_size=wave.population,
            invited=wave.invited, wording_version=wave.wording, language="en",
        )  # fmt: skip
    for number, answer in enumerate(surveys.answers):
        row: dict[str, Any] = {
            "response_id": f"people-{number}",
            "wave_id": answer.wave.id,
            "instrument": answer.wave.instrument,
            "question": answer.question,
            "respondent_id": answer.respondent,
            "respondent_role": answer.role,
            "franchise_id": answer.shop.id if answer.shop else None,
            "client_id": answer.shop.client.id if answer.shop else None,
            "ticket_id": answer.ticket,
            "submitted_at": answer.submitted,
            "score": answer.score,
            "scale_min": answer.low,
            "scale_max": answer.high,
            "weight": answer.weight,
        }
        if answer.first is None:
            facts.add("survey_response", **row)
        else:
            facts.add("survey_response", **(row | {"score": answer.first}))
            facts.add("survey_response", version=2, **row)
        if number % 97 == 0:
            bad = row | {"respondent_id": f"R-not-{number}", "score": answer.low}
            facts.add("survey_response", **(bad | {"response_id": f"people-staging-{number}",
                                                   "environment": "staging"}))  # fmt: skip
            facts.add("survey_response", **(bad | {"response_id": f"people-synthetic-{number}",
                                                   "synthetic": True}))  # fmt: skip
            gone = bad | {"response_id": f"people-mistake-{number}"}
            facts.add("survey_response", **gone)
            facts.add("survey_response", version=2, retracted=True, **gone)
