"""Deals of four sources, contracts, territories: how the network grows, and what is true of it."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import exp
from typing import Any

import numpy as np

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.shops import review
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, STATES, Client, Shop, World, at_hour

SOURCES = ("franconnect", "fransmart", "ifpg", "salesforce")
_ASKED, _ENOUGH = 15, 30
"""Growth in % a month that the framework asks for, and how many signings it takes to judge it."""
COHORT = 180 * DAY
"""Within how long a qualified deal has to be won."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """How deals and contracts go in one story; counts are a month.

    Attributes:
        new, upsell: deals qualified, and upsell deals begun.
        won, upsold: shares of them that are won.
        slow: one in so many new deals is won only after half a year; 0 for none.
        copies: one in so many deals is known from two sources.
        unrenewed: one in so many franchise agreements is not renewed in time; 0 for none.
        late: one in so many is renewed on the last of the 90 days.
        reviewed: days from the newest review of the registers to the end.
    """

    new: int
    upsell: int
    won: float
    upsold: float
    slow: int
    copies: int
    unrenewed: int
    late: int
    reviewed: int


KNOBS = {
    "thriving": Knobs(14, 14, 0.95, 0.93, 0, 4, 0, 45, 3),
    # New deals drag on, and agreements are not renewed.
    "struggling": Knobs(14, 14, 0.95, 0.93, 4, 4, 7, 45, 3),
    "honest": Knobs(4, 3, 0.6, 0.5, 5, 3, 5, 6, 130),
}

_GROWTH = "FranchiseGrowthAnalytics.track_network_expansion"
MISSED = frozenset({
    f"{_GROWTH}.new_franchise_acquisitions.pipeline_conversion",
    f"{_GROWTH}.franchise_success_rate.renewal_rate",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deal:
    """One opportunity as one source knows it."""

    id: str
    source: str
    key: str
    kind: str
    client: Client
    created: datetime
    qualified: datetime | None
    outcome: str
    closed: datetime | None
    competitor: str | None
    probability: float | None = None
    """How likely it was said to be won, given that it closes."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One term of a contract; ``shop`` is None for a platform contract."""

    id: str
    agreement: str
    client: Client
    shop: Shop | None
    signed: datetime
    starts: date
    ends: date
    renewed_by: str | None = None
    renewed: datetime | None = None
    terminated: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Territory:
    """A territory with the moments of its statuses, oldest first."""

    id: str
    region: str
    population: int | None
    history: tuple[tuple[datetime, str], ...]

    def status(self, at: datetime) -> str | None:
        """The newest status before a moment."""
        return next((status for when, status in reversed(self.history) if when < at), None)


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Deals, contracts and territories (``world.shared``: deals, contracts, territories)."""
    deals: list[Deal] = []
    contracts: list[Contract] = []
    territories: list[Territory] = []
    world.shared |= {"deals": deals, "contracts": contracts, "territories": territories}
    if world.shops:
        knobs = KNOBS[world.preset.story]
        deals += _deals(world, knobs)
        contracts += [*_platform(world), *_agreements(world, knobs)]
        territories += _territories(world)
        _write(world, facts, deals, contracts, territories)
        for register in ("territory", "deal", "franchise_contract"):
            review(world, facts, register, last=knobs.reviewed)
        if world.preset.story == "struggling":
            truth.missed |= MISSED
    tell(world, truth)


# -- deals -----------------------------------------------------------------------------------------


def _deals(world: World, knobs: Knobs) -> list[Deal]:
    rng = world.rng("deals")
    found: list[Deal] = []
    clients = [client for client in world.clients if client.left is None]
    for month in world.months:
        for kind, count, won in (
            ("new", knobs.new, knobs.won), ("upsell", knobs.upsell, knobs.upsold),
            ("expansion", 2, 0.9), ("renewal", 2, 0.95),
        ):  # fmt: skip
            for nth in range(count):
                number = len(found)
                begun = month + timedelta(days=int(rng.integers(0, 28)), hours=9, minutes=nth)
                client = clients[number * 7 % len(clients)]
                wins = float(rng.random()) < won
                deal = _deal(rng, knobs, number, kind, client, begun, wins)
                # every third deal that is not won never closes
                deal = replace(deal, probability=round(3 * won / (won + 2), 3))
                found.append(deal)
    found += _edges(world, clients[0])
    found += _copies(found, knobs)
    return [_as_of(deal, world.end) for deal in found if deal.created < world.end]


def _deal(
    rng: np.random.Generator, knobs: Knobs, number: int, kind: str, client: Client,
    begun: datetime, wins: bool,
) -> Deal:  # fmt: skip
    qualified = begun + timedelta(days=int(rng.integers(5, 25)))
    days = int(rng.integers(20, 120))
    if kind == "new" and knobs.slow and number % knobs.slow == 1:
        days = int(rng.integers(200, 300))
    closed: datetime | None = qualified + timedelta(days=days)
    outcome = "won" if wins else "lost"
    if not wins and number % 3 == 0:
        outcome, closed = "open", None  # stalled: nobody ever closes it
    competitor = None if number % 11 == 5 else f"vendor_{number % 4 + 1}"
    return Deal(
        f"D{number:05d}", SOURCES[number % 4], f"K-{number:05d}", kind, client, begun,
        qualified, outcome, closed, competitor,
    )  # fmt: skip


def _edges(world: World, client: Client) -> list[Deal]:
    """Deals at the very edges of the cohort, and of the 180 days."""
    end, second = world.end, timedelta(seconds=1)
    first = end - 545 * DAY
    cases = [
        (first, 100 * DAY), (first - second, 100 * DAY), (end - COHORT - second, COHORT),
        (end - COHORT, 100 * DAY), (end - 300 * DAY, COHORT), (end - 301 * DAY, COHORT + second),
    ]  # fmt: skip
    return [
        Deal(
            f"D-edge-{nth}", "salesforce", f"K-edge-{nth}", "new", client, at - 30 * DAY, at, "won",
            at + wait, "vendor_1",
        )
        for nth, (at, wait) in enumerate(cases)
        if at - 30 * DAY >= world.start
    ]  # fmt: skip


def _copies(deals: list[Deal], knobs: Knobs) -> list[Deal]:
    """The same opportunities as a second source knows them: later, and some of them still open."""
    copied = []
    for number, deal in enumerate(deals):
        if number % knobs.copies != 1:
            continue
        stale = number % 8 == 1
        copied.append(
            replace(
                deal,
                id=f"{deal.id}-2",
                source=SOURCES[(number + 1) % 4],
                created=deal.created + 3 * DAY,
                qualified=deal.qualified and deal.qualified + 2 * DAY,
                outcome="open" if stale else deal.outcome,
                closed=None if stale or deal.closed is None else deal.closed + 4 * DAY,
            )
        )
    return copied


def _as_of(deal: Deal, end: datetime) -> Deal:
    """A deal as it stands at the end: what comes later has not happened."""
    qualified = deal.qualified if deal.qualified and deal.qualified < end else None
    if deal.closed and deal.closed < end:
        return replace(deal, qualified=qualified)
    return replace(deal, qualified=qualified, outcome="open", closed=None)


@dataclass(frozen=True, slots=True)
class Opportunity:
    """What is known of one opportunity, whichever sources know it."""

    kind: str
    created: datetime
    qualified: datetime | None
    won: datetime | None
    closed: datetime | None


def opportunities(deals: Iterable[Deal]) -> list[Opportunity]:
    """Deals, each opportunity once."""
    by_key: dict[tuple[str, str], list[Deal]] = {}
    for deal in deals:
        by_key.setdefault((deal.key, deal.kind), []).append(deal)
    found = []
    for (_, kind), same in by_key.items():
        won = min((d.closed for d in same if d.outcome == "won" and d.closed), default=None)
        closed = won
        if won is None and all(d.outcome == "lost" for d in same):
            closed = max(d.closed for d in same if d.closed)
        qualified = min((d.qualified for d in same if d.qualified), default=None)
        found.append(Opportunity(kind, min(d.created for d in same), qualified, won, closed))
    return found


# -- contracts -------------------------------------------------------------------------------------


def _later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def _terms(
    prefix: str, agreement: str, client: Client, shop: Shop | None, since: date, months: int,
    end: datetime, until: datetime | None,
) -> list[Contract]:  # fmt: skip
    """Terms of ``months`` from a day on, renewed a month before each ends, up to ``until``."""
    found: list[Contract] = []
    starts, signed = since, at_hour(since, 10)
    while signed < (until or end):
        ends = _later(starts, months) - DAY
        found.append(
            Contract(f"{prefix}-{len(found) + 1}", agreement, client, shop, signed, starts, ends)
        )
        starts, signed = ends + DAY, at_hour(ends - 30 * DAY, 15)
    for nth, contract in enumerate(found[:-1]):
        found[nth] = replace(contract, renewed_by=found[nth + 1].id, renewed=found[nth + 1].signed)
    if until and found:
        found[-1] = replace(found[-1], terminated=until, reason="left the network")
    return found


def _platform(world: World) -> list[Contract]:
    found = []
    for client in world.clients:
        left = at_hour(client.left, 18) if client.left else None
        found += _terms(
            f"PC-{client.id}", "platform_contract", client, None, client.since, 36, world.end, left
        )
    return found


def _agreements(world: World, knobs: Knobs) -> list[Contract]:
    """Franchise agreements of 18 months; the edges of the window and of the 90 days are among
    them."""
    found: list[Contract] = []
    for number, shop in enumerate(world.shops):
        until = shop.closed_at if shop.closed_at and shop.closed_at < world.end else None
        terms = _terms(
            f"FA-{shop.id}", "franchise_agreement", shop.client, shop, shop.signed, 18, world.end,
            until,
        )  # fmt: skip
        for nth, term in enumerate(terms[:-1]):
            late = number % knobs.late == 2
            if knobs.unrenewed and number % knobs.unrenewed == 3:
                # renewed all the same, but later than 90 days after the end, or without a successor
                after = at_hour(term.ends + 91 * DAY, 0)
                terms[nth] = replace(
                    term,
                    renewed=after if number % 2 and after < world.end else None,
                    renewed_by=term.renewed_by if number % 2 and after < world.end else None,
                )
            elif late and term.ends + 92 * DAY < world.end.date():
                terms[nth] = replace(term, renewed=at_hour(term.ends + 90 * DAY, 23))
        found += terms
    return found


def _ended_at(contract: Contract) -> datetime:
    ends = at_hour(contract.ends, 0)
    broken = contract.terminated
    return broken if broken and broken < ends else ends


# -- territories -----------------------------------------------------------------------------------


def _territories(world: World) -> list[Territory]:
    rng = world.rng("territories")
    found = []
    for number, shop in enumerate(world.shops):
        awarded = at_hour(shop.signed, 12)
        history = [(awarded - 40 * DAY, "available"), (awarded - 9 * DAY, "reserved")]
        history.append((awarded, "awarded"))
        if shop.opened_at < world.end:
            history.append((shop.opened_at, "open"))
        if shop.closed_at and shop.closed_at < world.end:
            history.append((shop.closed_at, "closed"))
        people = int(rng.integers(60_000, 140_000))
        unknown = number % 60 == 33 or (world.preset.story == "honest" and number % 8 == 3)
        found.append(
            Territory(shop.territory, shop.region, None if unknown else people, tuple(history))
        )
    for nth, state in enumerate(STATES):
        begun = world.start - timedelta(days=200 + nth)
        found.append(Territory(f"T-free-{state}", f"US-{state}", 9_000, ((begun, "available"),)))
    quarter = months_before(world.end, 3)
    again = [  # awarded anew: a year after it was closed, and a day too early
        (quarter + 40 * DAY, 366 * DAY), (quarter + 41 * DAY, 300 * DAY),
    ]  # fmt: skip
    for nth, (at, after) in enumerate(again):
        history = [(at - after - 900 * DAY, "awarded"), (at - after, "closed"), (at, "awarded")]
        found.append(Territory(f"T-again-{nth}", "US-CA", 8_000, tuple(history)))
    edge = [(quarter, "awarded"), (quarter - DAY, "awarded"), (world.end, "awarded")]
    for nth, (at, status) in enumerate(edge):
        found.append(Territory(f"T-edge-{nth}", "US-CA", 8_000, ((at, status),)))
    found.append(  # awarded twice without having been closed: one award
        Territory(
            "T-twice",
            "US-CA",
            8_000,
            ((quarter - 300 * DAY, "awarded"), (quarter + DAY, "awarded")),
        )
    )
    return found


def _awards(territory: Territory) -> list[datetime]:
    """The awards that count: the first, and one at least 12 months after the territory closed."""
    found: list[datetime] = []
    closed: datetime | None = None
    awarded: datetime | None = None
    for at, status in territory.history:
        if status == "closed":
            closed = at
        elif status == "awarded":
            if awarded is None or (closed and closed > awarded and _year_before(at) >= closed):
                found.append(at)
            awarded = at
    return found


def _year_before(at: datetime) -> datetime:
    last = calendar.monthrange(at.year - 1, at.month)[1]
    return at.replace(year=at.year - 1, day=min(at.day, last))


# -- facts -----------------------------------------------------------------------------------------


def _write(
    world: World, facts: Facts, deals: list[Deal], contracts: list[Contract],
    territories: list[Territory],
) -> None:  # fmt: skip
    for deal in deals:
        _write_deal(facts, deal)
    for contract in contracts:
        facts.add(
            "franchise_contract", contract_id=contract.id, agreement=contract.agreement,
            client_id=contract.client.id,
            franchise_id=contract.shop.id if contract.shop else None, signed_at=contract.signed,
            starts_on=contract.starts, ends_on=contract.ends, renewed_by=contract.renewed_by,
            renewed_at=contract.renewed, terminated_at=contract.terminated,
            termination_reason=contract.reason,
            annual_value_usd=24_000.0,
        )  # fmt: skip
    for territory in territories:
        for at, status in territory.history:
            facts.add(
                "territory", territory_id=territory.id, status_at=at, status=status,
                region=territory.region, country="US", population=territory.population,
            )  # fmt: skip
    _never_counts(world, facts, deals[0])


def _write_deal(facts: Facts, deal: Deal, **other: Any) -> None:
    row: dict[str, Any] = {
        "deal_id": deal.id, "source": deal.source, "deal_source": deal.source,
        "dedupe_key": deal.key, "kind": deal.kind, "client_id": deal.client.id,
        "client_segment": deal.client.segment, "created_at": deal.created,
        "qualified_at": deal.qualified, "stage_at": deal.closed or deal.qualified or deal.created,
        "stage": deal.outcome, "outcome": deal.outcome, "closed_at": deal.closed,
        "competitor": deal.competitor, "amount_usd": 30_000.0,
        "lost_reason": "price" if deal.outcome == "lost" else None,
        "win_probability": deal.probability,
    }  # fmt: skip
    facts.add("deal", **(row | other))


def _never_counts(world: World, facts: Facts, deal: Deal) -> None:
    """Rows of other environments, synthetic ones, and some that were taken back; and a territory of
    another country."""
    at = world.end - 250 * DAY
    versions: tuple[tuple[str, dict[str, Any]], ...] = (
        ("staging", {"environment": "staging"}), ("synthetic", {"synthetic": True}),
        ("mistake", {}), ("mistake", {"version": 2, "retracted": True}),
    )  # fmt: skip
    for name, other in versions:
        lost: dict[str, Any] = {
            "deal_id": f"D-{name}", "dedupe_key": f"K-{name}", "kind": "new", "created_at": at,
            "qualified_at": at, "stage_at": at, "outcome": "lost", "closed_at": at + DAY,
        }  # fmt: skip
        _write_deal(facts, deal, **(lost | other))
        facts.add(
            "territory", territory_id=f"T-{name}", status_at=world.end - 20 * DAY, country="US",
            status="awarded", region="US-CA", population=900_000, **other,
        )  # fmt: skip
    facts.add(
        "territory", territory_id="T-abroad", status_at=world.end - 900 * DAY, status="open",
        region="CA-ON", country="CA", population=2_000_000,
    )  # fmt: skip


# -- truth -----------------------------------------------------------------------------------------


def tell(world: World, truth: Truth) -> None:
    """What is true of growth at ``world.end``, the end of a quarter."""
    if not world.shops:
        for metric in (
            "new_franchise_monthly_growth", "new_franchise_yoy_growth", "pipeline_conversion",
            "new_territories", "market_penetration_growth", "geographic_coverage", "renewal_rate",
            "upselling_success_rate", "enterprise_client_acquisition_growth",
        ):  # fmt: skip
            truth.missing(metric)
        return
    _tell_signings(world, truth)
    contracts: list[Contract] = world.shared["contracts"]
    _tell_clients(world, truth, contracts)
    _tell_deals(world, truth, world.shared["deals"])
    _tell_terms(world, truth, contracts)
    _tell_territories(world, truth, world.shared["territories"])


def _tell_share(truth: Truth, metric: str, part: int, whole: int) -> None:
    """A share in %, or that there is none of which it could be one."""
    if whole:
        truth.exact(metric, 100 * part / whole, n=whole)
    else:
        truth.missing(metric)


def _tell_growth(truth: Truth, metric: str, now: float, before: float) -> None:
    """Growth in %, with the earlier count as its sample."""
    if before:
        truth.exact(metric, 100 * (now / before - 1), n=before)
    else:
        truth.missing(metric)


def _tell_signings(world: World, truth: Truth) -> None:
    def signed(start: datetime, end: datetime) -> int:
        return sum(start <= at_hour(shop.signed, 10) < end for shop in world.shops)

    ends = [months_before(world.end, n) for n in range(6, -1, -1)]
    counts = [signed(a, b) for a, b in pairwise(ends)]
    if any(counts):
        growth, lower = _fit(counts)
        verdict = "met" if lower >= _ASKED else "inconclusive"
        truth.exact(
            "new_franchise_monthly_growth", growth, n=sum(counts),
            verdict=verdict if sum(counts) >= _ENOUGH else "insufficient_data",
        )  # fmt: skip
    else:
        truth.missing("new_franchise_monthly_growth")
    year, two = months_before(world.end, 12), months_before(world.end, 24)
    _tell_growth(truth, "new_franchise_yoy_growth", signed(year, world.end), signed(two, year))


def _fit(counts: list[int]) -> tuple[float, float]:
    """Growth in % a month of a Poisson log-linear regression, and its lower 95 % bound."""
    x = np.arange(len(counts), dtype=float)
    y = np.array(counts, dtype=float)
    a, b = float(np.log(y.mean())), 0.0
    for _ in range(100):
        mu = np.exp(a + b * x)
        hessian = np.array([[mu.sum(), (mu * x).sum()], [(mu * x).sum(), (mu * x * x).sum()]])
        step = np.linalg.solve(hessian, np.array([(y - mu).sum(), ((y - mu) * x).sum()]))
        a, b = a + float(step[0]), b + float(step[1])
    error = float(np.sqrt(np.linalg.inv(hessian)[1, 1]))
    return 100 * (exp(b) - 1), 100 * (exp(b - 1.959963984540054 * error) - 1)


def _tell_clients(world: World, truth: Truth, contracts: list[Contract]) -> None:
    first: dict[str, Contract] = {}
    for contract in contracts:
        if contract.agreement == "platform_contract":
            first.setdefault(contract.client.id, contract)
    known = {s.client.id for s in world.shops if at_hour(s.signed, 10) < world.end}
    year, two = months_before(world.end, 12), months_before(world.end, 24)

    def new(start: datetime, end: datetime) -> int:
        return sum(
            start <= c.signed < end and c.client.segment == "enterprise" and c.client.id in known
            for c in first.values()
        )

    metric = "enterprise_client_acquisition_growth"
    _tell_growth(truth, metric, new(year, world.end), new(two, year))


def _tell_deals(world: World, truth: Truth, deals: list[Deal]) -> None:
    known = opportunities(deals)
    cohort = [
        d for d in known
        if d.kind == "new" and d.qualified
        and world.end - 545 * DAY <= d.qualified < world.end - COHORT
    ]  # fmt: skip
    won = sum(bool(d.won and d.qualified and d.won <= d.qualified + COHORT) for d in cohort)
    _tell_share(truth, "pipeline_conversion", won, len(cohort))
    start = months_before(world.end, 12)
    ended = [
        (d, min(d.closed or d.created + COHORT, d.created + COHORT))
        for d in known
        if d.kind == "upsell"
    ]
    closed = [d for d, at in ended if start <= at < world.end]
    sold = sum(bool(d.won and d.won <= d.created + COHORT) for d in closed)
    _tell_share(truth, "upselling_success_rate", sold, len(closed))


def _tell_terms(world: World, truth: Truth, contracts: list[Contract]) -> None:
    start = months_before(world.end, 12)
    ended = [
        c for c in contracts
        if c.agreement == "franchise_agreement" and start <= _ended_at(c) < world.end
    ]  # fmt: skip
    renewed = 0
    for contract in ended:
        broken = _ended_at(contract) != at_hour(contract.ends, 0)
        renewal = contract.renewed if contract.renewed and contract.renewed <= world.end else None
        in_time = renewal and renewal.date() <= contract.ends + 90 * DAY
        renewed += bool(not broken and contract.renewed_by and in_time)
    _tell_share(truth, "renewal_rate", renewed, len(ended))


def _tell_territories(world: World, truth: Truth, territories: list[Territory]) -> None:
    quarter = months_before(world.end, 3)
    awarded = {t.id for t in territories for at in _awards(t) if quarter <= at < world.end}
    reviewed = KNOBS[world.preset.story].reviewed <= 100
    truth.exact(
        "new_territories", len(awarded), n=1, verdict=None if reviewed else "insufficient_data"
    )
    year_ago = months_before(world.end, 12)
    there = [t for t in territories if t.status(world.end)]
    now = sum(t.population or 0 for t in there if t.status(world.end) == "open")
    before = sum(t.population or 0 for t in there if t.status(year_ago) == "open")
    counted = sum(t.population is not None for t in there)
    if before:
        truth.exact(
            "market_penetration_growth", 100 * (now / before - 1), n=counted,
            verdict=None if counted >= 0.95 * len(there) else "insufficient_data",
        )  # fmt: skip
    else:
        truth.missing("market_penetration_growth")
    active = {shop.region for shop in world.active_shops(world.end)}
    regions = {t.region for t in there}
    people = sum(t.population or 0 for t in there)
    share = sum(t.population or 0 for t in there if t.region in active) / people
    c = len(regions & active) / len(regions)
    word = "local"
    if c >= 0.9 and share >= 0.95:
        word = "nationwide"
    elif c >= 0.5:
        word = "multi_regional"
    elif c >= 0.1:
        word = "regional"
    truth.exact("geographic_coverage", word, n=len(regions))
