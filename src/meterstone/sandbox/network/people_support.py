"""Support: tickets of customers and of the hub, and what was said about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.people_surveys import Answer, Surveys, Wave
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.world import DAY, Shop, World

WEEK = 7 * DAY
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class SupportKnobs:
    """How support works.

    Attributes:
        a_month: tickets of customers a shop and month.
        first_response_s: median time to the first answer.
        at_once: share of tickets that the first contact resolves.
        escalated: share of tickets that are escalated.
        accepted: share of the hub's offers that are taken.
        offered_every: days between two offers of the hub to a shop.
        answers: share of resolved tickets that are rated, ``content``: of those, rated 4 or 5.
        stuck: share of shops with a ticket that nobody closes.
    """

    a_month: float = 1.4
    first_response_s: float = 2400.0
    at_once: float = 0.97
    escalated: float = 0.02
    accepted: float = 0.85
    offered_every: int = 14
    answers: float = 0.62
    content: float = 0.9975
    stuck: float = 0.01


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket as it is known in the end."""

    id: str
    shop: Shop
    by: str
    opened: datetime
    answered: datetime | None
    resolved: datetime | None
    reopened: datetime | None = None
    contacts: int = 1
    escalated: bool = False
    accepted: bool | None = None
    status: str = "resolved"

    @property
    def counts(self) -> bool:
        """Neither merged nor spam."""
        return self.status not in ("merged", "spam")

    def stuck(self, at: datetime) -> bool:
        """Whether it is open at a moment for more than seven days."""
        if self.reopened and self.resolved and self.reopened > self.resolved:
            return self.reopened < at - WEEK
        return self.opened < at - WEEK and (self.resolved is None or self.resolved >= at)


def simulate_support(
    world: World, facts: Facts, surveys: Surveys, knobs: SupportKnobs
) -> list[Ticket]:
    """Tickets of the whole history, their ratings by month, and rows that never count."""
    if not world.shops:
        return []
    rng = world.rng("people-support")
    tickets = [*_asked(world, rng, knobs), *_offered(world, rng, knobs), *_edges(world)]
    tickets += _last_offers(world, tickets)
    for ticket in tickets:
        _write(facts, ticket)
    _never_counts(world, facts, tickets)
    _rated(world, surveys, tickets, knobs)
    return tickets


def _asked(world: World, rng: np.random.Generator, knobs: SupportKnobs) -> Iterator[Ticket]:
    number = 0
    for shop in world.shops:
        begin = max(shop.opened_at, world.start)
        end = shop.closed_at or world.end
        days = max((end - begin).days, 0)
        for second in np.sort(
            rng.integers(0, max(days, 1) * 86400, rng.poisson(knobs.a_month * days / 30.4))
        ).tolist():
            opened = begin + timedelta(seconds=second)
            if opened >= world.end:
                continue
            number += 1
            yield _ticket(f"people-t{number}", shop, opened, world.end, rng, knobs)
        if rng.random() < knobs.stuck and days > 60:
            number += 1
            opened = end - timedelta(days=40)
            yield Ticket(f"people-t{number}", shop, "customer", opened, opened + DAY, None,
                         contacts=4, status="open")  # fmt: skip


def _ticket(
    name: str,
    shop: Shop,
    opened: datetime,
    end: datetime,
    rng: np.random.Generator,
    knobs: SupportKnobs,
) -> Ticket:
    wait = int(knobs.first_response_s * np.exp(rng.normal(0, 0.8)))
    answered = opened + timedelta(seconds=wait)
    at_once = rng.random() < knobs.at_once
    resolved = answered + timedelta(seconds=int(rng.integers(600, 90_000 if at_once else 300_000)))
    ticket = Ticket(name, shop, "customer", opened, answered, resolved)
    if rng.random() < knobs.escalated:
        return replace(ticket, escalated=True, contacts=3)
    if at_once:
        # Reopened after the seven days, and open yet: it was resolved at once all the same.
        again = resolved + timedelta(days=9)
        late = end - 6 * DAY < again < end and rng.random() < 0.3
        return replace(ticket, reopened=again, status="open") if late else ticket
    if rng.random() < 0.5:
        return replace(ticket, contacts=int(rng.integers(2, 5)))
    again = resolved + timedelta(days=int(rng.integers(1, 6)))
    if again > end - 2 * DAY:
        return replace(ticket, reopened=again, status="open")
    return replace(ticket, reopened=again, resolved=again + timedelta(hours=20))


def _offered(world: World, rng: np.random.Generator, knobs: SupportKnobs) -> Iterator[Ticket]:
    number = 0
    for nth, shop in enumerate(world.shops):
        opened = max(shop.opened_at, world.start) + timedelta(
            days=2 + nth % knobs.offered_every, hours=3
        )
        while opened < min(shop.closed_at or world.end, world.end):
            number += 1
            accepted = bool(rng.random() < knobs.accepted)
            yield Ticket(
                f"people-h{number}", shop, "hub", opened, opened + timedelta(minutes=1),
                opened + timedelta(hours=20), accepted=accepted, escalated=number % 211 == 0,
            )  # fmt: skip
            opened += timedelta(days=knobs.offered_every)


def _edges(world: World) -> list[Ticket]:
    """Tickets at the edges of windows; merged ones, spam, and some that wait."""
    end, shop = world.end, world.shops[0]
    day = 97 * DAY

    def bad(name: str, opened: datetime, **changes: Any) -> Ticket:
        usual = Ticket(f"people-edge-{name}", shop, "customer", opened, opened + 3 * DAY,
                       opened + 4 * DAY, contacts=6, escalated=True)  # fmt: skip
        return replace(usual, **changes)

    return [
        bad("resolved-first", end - day - DAY, resolved=end - day),
        bad("resolved-outside", end - day - DAY, resolved=end - day - _SECOND),
        bad("resolved-last", end - 9 * DAY, resolved=end - WEEK - _SECOND),
        bad("resolved-late", end - 9 * DAY, resolved=end - WEEK),
        bad("opened-first-90", end - 90 * DAY),
        bad("opened-outside-90", end - 90 * DAY - _SECOND),
        bad("opened-first-30", end - 30 * DAY, escalated=False),
        bad("opened-outside-30", end - 30 * DAY - _SECOND, escalated=False),
        bad("opened-after", end, answered=None, resolved=None, status="open"),
        bad("merged", end - 12 * DAY, status="merged"),
        bad("spam", end - 12 * DAY, status="spam"),
        bad("merged-stuck", end - 50 * DAY, status="merged", resolved=None, answered=None),
        bad("waits", end - timedelta(hours=5), answered=None, resolved=None, status="open",
            escalated=False),
        bad("answered-after", end - timedelta(hours=1), answered=end + timedelta(hours=30),
            resolved=None, status="open", escalated=False),
    ]  # fmt: skip


def _last_offers(world: World, tickets: list[Ticket]) -> list[Ticket]:
    """Two shops that took no offer in 91 days take one on the last day; that of the second was
    merged into another ticket."""
    since = world.end - 91 * DAY
    took = {t.shop.id for t in tickets if t.by == "hub" and t.accepted and t.opened >= since}
    refused = {t.shop.id for t in tickets if t.by == "hub" and t.opened >= since} - took
    shops = [shop for shop in world.active_shops(world.end - DAY) if shop.id in refused][:2]
    return [
        Ticket(
            f"people-last-offer-{nth}", shop, "hub", world.end - timedelta(hours=6),
            world.end - timedelta(hours=5), world.end - timedelta(hours=1), accepted=True,
            status=status,
        )
        for nth, (shop, status) in enumerate(zip(shops, ("resolved", "merged"), strict=False))
    ]  # fmt: skip


def _write(facts: Facts, ticket: Ticket, **changes: Any) -> None:
    row: dict[str, Any] = {
        "ticket_id": ticket.id,
        "franchise_id": ticket.shop.id,
        "opened_at": ticket.opened,
        "channel": "chat" if ticket.by == "customer" else "in_app",
        "initiated_by": ticket.by,
        "accepted": ticket.accepted,
        "first_response_at": ticket.answered,
        "resolved_at": ticket.resolved,
        "reopened_at": ticket.reopened,
        "contacts": ticket.contacts,
        "escalated": ticket.escalated,
        "status": ticket.status,
    }
    facts.add("support_ticket", **(row | changes))


def _never_counts(world: World, facts: Facts, tickets: list[Ticket]) -> None:
    known = [t for t in tickets if t.opened < world.end - 20 * DAY][-40:]
    for ticket in known:
        worse: dict[str, Any] = {"contacts": 9, "escalated": True}
        _write(facts, ticket, ticket_id=f"{ticket.id}-staging", environment="staging", **worse)
        _write(facts, ticket, ticket_id=f"{ticket.id}-synthetic", synthetic=True, **worse)
        gone = f"{ticket.id}-mistake"
        _write(facts, ticket, ticket_id=gone, **worse)
        _write(facts, ticket, ticket_id=gone, version=2, retracted=True, **worse)


def _rated(world: World, surveys: Surveys, tickets: list[Ticket], knobs: SupportKnobs) -> None:
    """Each resolved ticket triggers a question; some answer twice, and some about what is no ticket
    of theirs any more."""
    rng = world.rng("people-rated")
    waves = {
        month: Wave(
            f"support_csat-{month:%Y-%m}", "support_csat", month, months_before(month, -1),
            "triggered", 100_000, 100_000,
        )
        for month in [*world.months, world.end]
    }  # fmt: skip
    surveys.waves += waves.values()
    for ticket in tickets:
        if ticket.resolved is None or rng.random() >= knobs.answers:
            continue
        at = ticket.resolved + timedelta(hours=2)
        if at >= world.end + DAY:
            continue
        wave = waves.get(at.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
        if wave is None:  # a ticket of before the history
            continue
        good = rng.random() < knobs.content and ticket.counts
        score = float(rng.choice([5, 5, 5, 5, 4] if good else [1, 2]))
        answer = Answer(
            wave, "overall", f"R-{ticket.shop.id}-owner", "owner", ticket.shop, at, score,
            ticket=ticket.id,
        )  # fmt: skip
        if rng.random() < 0.03:
            surveys.answers.append(
                replace(answer, respondent=f"{answer.respondent}-before", score=1.0,
                        submitted=at - timedelta(minutes=50))
            )  # fmt: skip
        surveys.answers.append(answer)
