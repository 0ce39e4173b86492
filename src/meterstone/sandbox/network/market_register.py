"""Registers that the company keeps: recognition, partners, developers, downloads, technology and
feature releases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.market_knobs import Knobs
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.shops import review
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, World

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a feature."""

    id: str
    released: datetime
    started: datetime
    visible: bool = True
    rolled_back: datetime | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the register of recognition, as it stands at last."""

    kind: str
    title: str
    dated: date
    issuer: str = "Simulated Review"
    independent: bool = True
    status: str = "granted"
    category: str | None = None
    rank: int | None = None
    valid: int = 1500
    jurisdiction: str | None = None

    def expired(self, at: datetime) -> bool:
        """Whether its evidence has expired."""
        return self.expires(at) <= at

    def expires(self, at: datetime) -> datetime:
        """When its evidence expires; counted from its date, at noon."""
        midnight = datetime(self.dated.year, self.dated.month, self.dated.day, tzinfo=at.tzinfo)
        return midnight + timedelta(days=self.valid, hours=12)


@dataclass(frozen=True, slots=True)
class Decision:
    """A technology that was decided to be adopted."""

    key: str
    decided: datetime
    in_production: datetime | None
    valid: int = 900


def simulate(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> list[Release]:
    """All registers of the market, with what is true of them.

    Returns:
        The own feature releases, oldest first.
    """
    if not world.shops:
        for metric in (
            "industry_recognition", "thought_leadership", "technology_leadership",
            "patent_applications", "patent_portfolio", "integration_partners",
            "developer_ecosystem", "marketplace_adoption", "technology_adoption_rate",
            "feature_release_cadence",
        ):  # fmt: skip
            truth.missing(metric)
        return []
    review(world, facts, "recognition", last=knobs.reviewed)
    _recognition(world, facts, truth, knobs)
    _partners(world, facts, truth, knobs)
    _developers(world, facts, truth, knobs)
    _downloads(world, facts, truth, knobs)
    _technology(world, facts, truth, knobs)
    return _releases(world, facts, truth, knobs)


# -- recognition ----------------------------------------------------------------------------------


def _items(world: World, knobs: Knobs) -> list[Item]:
    """What is in the register, with what has to be left out of every count."""
    end = world.end.date()
    year_ago = end.replace(year=end.year - 1)
    items = [
        Item("award", f"Simulated Prize {n + 1}", end - timedelta(days=45 + 46 * n))
        for n in range(knobs.awards)
    ]
    items += [
        Item("keynote", f"Simulated Conference {n + 1}", end - timedelta(days=15 + 62 * n),
             status="published")
        for n in range(knobs.keynotes)
    ]  # fmt: skip
    items += [
        Item("patent", f"Simulated Method {n + 1}", end - timedelta(days=700 + n),
             category="technology", jurisdiction="US", valid=4000)
        for n in range(knobs.patents)
    ]  # fmt: skip
    items += [
        Item("patent", f"Simulated Filing {n + 1}", end - timedelta(days=300 + n), status="pending",
             category="technology", jurisdiction="US")
        for n in range(knobs.applications)
    ]  # fmt: skip
    if not knobs.leader:
        seventh = Item(
            "ranking", "Simulated Ideas", end - DAY, status="published", category="innovation",
            rank=7,
        )  # fmt: skip
        return [*items, seventh]
    later = end - timedelta(days=25)
    return [
        *items,
        Item("award", "Franchise Technology Leader Award", end - timedelta(days=300),
             category="franchise_technology"),
        Item("award", "Simulated New Ideas", end - timedelta(days=200), category="innovation"),
        # the edges of the year; the same award twice; nominated, paid for, taken back
        Item("award", "Simulated First Day", year_ago),
        Item("award", "Simulated Day Before", year_ago - DAY),
        Item("award", "Simulated Day After", end),
        Item("award", "Simulated Prize 1", end - timedelta(days=40)),
        Item("award", "Simulated Nomination", later, status="nominated"),
        Item("award", "Simulated Paid Prize", later, independent=False),
        Item("award", "Simulated Mistake", later, status="withdrawn"),
        Item("ranking", "Simulated Ranking", end - timedelta(days=190), status="published",
             category="franchise_management", rank=1),
        Item("ranking", "Simulated Other Ranking", end - timedelta(days=180), status="published",
             category="innovation", rank=3),
        Item("keynote", "Simulated Sponsored Slot", later, status="published", independent=False),
        Item("keynote", "Simulated Planned Keynote", later, status="pending"),
        # two members of one family, an expired one, one that is no technology
        Item("patent", "simulated method 1", end - timedelta(days=500), category="technology",
             jurisdiction="EP", valid=4000),
        Item("patent", "Simulated Old Method", end - timedelta(days=600), category="technology",
             valid=500),
        Item("patent", "Simulated Late Method", end - DAY, category="technology"),
        Item("patent", "Simulated Late Filing", end - DAY, status="pending", category="technology"),
        Item("patent", "Simulated Design", end - timedelta(days=600), category="design"),
        Item("patent", "Simulated Filing 1", end - timedelta(days=280), status="pending",
             category="technology", jurisdiction="EP"),
    ]  # fmt: skip


def _recognition(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    items = _items(world, knobs)
    for number, item in enumerate(items):
        row: dict[str, Any] = {
            "recognition_id": f"market-recognition-{number:03d}",
            "kind": item.kind,
            "title": item.title,
            "issuer": item.issuer,
            "independent": item.independent,
            "category": item.category,
            "dated_on": item.dated,
            "rank": item.rank,
            "jurisdiction": item.jurisdiction,
        }
        expires = item.expires(world.end)
        if item.title in ("Simulated Mistake", "Simulated Method 2"):
            before = "granted" if item.status == "withdrawn" else "pending"
            facts.attest("recognition", expires_at=expires, status=before, **row)
            facts.attest("recognition", expires_at=expires, status=item.status, version=2, **row)
        else:
            facts.attest("recognition", expires_at=expires, status=item.status, **row)
    reviewed = knobs.reviewed <= 100
    _tell_year(world, truth, items, reviewed)
    _tell_technology(world, truth, items, reviewed)


def _tell_year(world: World, truth: Truth, items: list[Item], reviewed: bool) -> None:
    """Awards and keynotes of the last twelve months."""
    end = world.end.date()
    year_ago = end.replace(year=end.year - 1)
    recent = [x for x in items if x.independent and year_ago <= x.dated < end]
    awards = [x for x in recent if x.kind == "award" and x.status in ("granted", "published")]
    keynotes = [x for x in recent if x.kind == "keynote" and x.status == "published"]
    for metric, found, number in (
        ("industry_recognition", awards, len({(x.issuer, x.title) for x in awards})),
        ("thought_leadership", keynotes, len(keynotes)),
    ):
        verdict = None if reviewed else "insufficient_data"
        if any(x.expired(world.end) for x in found):
            verdict = "expired"
        truth.exact(metric, number, n=number, verdict=verdict)


def _tell_technology(world: World, truth: Truth, items: list[Item], reviewed: bool) -> None:
    """Patents, and what is said of innovation in 24 months."""
    end = world.end.date()
    verdict = None if reviewed else "insufficient_data"
    patents = [x for x in items if x.kind == "patent" and x.dated < end]
    pending = {x.title.lower() for x in patents if x.status == "pending"}
    granted = {
        x.title.lower()
        for x in patents
        if x.status == "granted" and x.category == "technology" and not x.expired(world.end)
    }
    for metric, families in (("patent_applications", pending), ("patent_portfolio", granted)):
        if families or reviewed:
            truth.exact(metric, len(families), n=len(families), verdict=verdict)
        else:
            truth.missing(metric)
    found = [
        x
        for x in items
        if x.category == "innovation" and x.independent and x.status in ("granted", "published")
        and end.replace(year=end.year - 2) <= x.dated < end and not x.expired(world.end)
    ]  # fmt: skip
    word = "none"
    if any(x.kind == "award" or x.rank == 1 for x in found):
        word = "recognized_leader"
    elif found:
        word = "recognized" if any(x.rank and x.rank <= 5 for x in found) else "mentioned"
    enough = reviewed and bool(found)
    truth.exact(
        "technology_leadership", word, n=len(found), verdict=None if enough else "insufficient_data"
    )


# -- partners, developers, downloads --------------------------------------------------------------


def _partners(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    end = world.end
    certified = 0

    def add(number: int, status: str, at: datetime, expires: datetime | None = None) -> None:
        facts.add(
            "partner", partner_id=f"P{number:04d}", status_at=at, status=status,
            kind=("integration", "reseller", "implementation", "data")[number % 4],
            certified_at=at if expires else None, certification_expires_at=expires,
        )  # fmt: skip

    since = max(world.start, end - timedelta(days=800))
    for number in range(1, knobs.partners + 1):
        at = since + timedelta(days=number % 200, hours=number % 24)
        add(number, "applied", at - timedelta(days=20))
        add(number, "certified", at, end + timedelta(days=60 + number))
        certified += 1
    first = knobs.partners + 1
    odd = (
        # newest status, and when the certification expires: counted or not
        ("certified", end + HOUR, True),
        ("certified", end, False),
        ("certified", end - 40 * DAY, False),
        ("suspended", end + 90 * DAY, False),
        ("ended", None, False),
        ("applied", None, False),
    )
    for nth, (status, expires, counts) in enumerate(odd):
        add(first + nth, "certified", end - 300 * DAY, end + 90 * DAY)
        add(first + nth, status, end - 150 * DAY, expires)
        certified += counts
    add(first + len(odd), "certified", end - 300 * DAY, end + 90 * DAY)
    add(first + len(odd), "suspended", end, end + 90 * DAY)  # not before the end
    known = knobs.partners + len(odd) + 1
    truth.exact("integration_partners", certified + 1, n=known)


def _developers(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """Accounts of the developers whose calls `operations` makes: D0001 to D0560 in the last 90 days
    (honest: D0001 to D0006), the ten after them just before."""
    calling = 560 if world.preset.large else 6
    active = registered = 0
    for number in range(1, knobs.developers + 1):
        internal, verified = number % 40 == 0, number % 50 != 7
        closed = None
        if number % 70 == 11:
            closed = world.end - timedelta(days=number % 25 + 1, hours=3)
        elif number == 3:
            closed = world.end  # still open in the window
        at = world.start + timedelta(days=number % 300, hours=9)
        if number == knobs.developers:
            at = world.end  # registered after the window
        facts.add(
            "developer_account", developer_id=f"D{number:04d}", registered_at=at, verified=verified,
            internal=internal, partner_id=f"P{number:04d}" if number % 9 == 0 else None,
            closed_at=closed,
        )  # fmt: skip
        registered += at < world.end
        is_open = closed is None or closed >= world.end
        active += number <= calling and verified and not internal and is_open
    truth.exact("developer_ecosystem", active, n=registered)


def _downloads(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """First downloads of pairs of item and account, repeated ones, and those of the own staff."""
    rng = world.rng("downloads")
    seconds = int((world.end - world.start).total_seconds())
    late = max(knobs.downloads // 40, 2)
    first = rng.integers(0, max(seconds - 100 * 86400, 1), knobs.downloads)
    first[-late:] = rng.integers(max(seconds - 100 * 86400, 0), seconds, late)
    first[0] = seconds - 1
    again = np.arange(0, knobs.downloads, 17)
    own = np.arange(knobs.downloads, knobs.downloads + 300)
    pair = np.concatenate([np.arange(knobs.downloads), again, own, [knobs.downloads + 300]])
    at = np.concatenate(
        [
            first,
            np.minimum(first[again] + rng.integers(60, 9_000_000, len(again)), seconds - 1),
            rng.integers(0, seconds, len(own)),
            [seconds],  # the first one after the end
        ]
    )
    start = np.datetime64(world.start.replace(tzinfo=None), "us")
    kinds = np.array(["franchise", "client", "developer", "partner"])[pair // 40 % 4]
    kinds[len(first) + len(again) : -1] = "internal"
    facts.extend(
        "marketplace_download",
        {
            "download_id": [f"market-{n:05d}" for n in range(len(pair))],
            "at": start + at * np.timedelta64(1_000_000, "us"),
            "item_key": [f"item_{n % 40:02d}" for n in pair],
            "account_id": [f"A{n // 40:04d}" for n in pair],
            "account_kind": kinds.tolist(),
            "version": "1.0",
        },
    )
    truth.exact("marketplace_adoption", knobs.downloads, n=knobs.downloads)


# -- technology and releases ----------------------------------------------------------------------


def _technology(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """Decisions to adopt, newest first, over more than two years."""
    decisions = []
    for number in range(1, 760 // knobs.decisions):
        decided = world.end - timedelta(days=number * knobs.decisions, hours=5)
        wait = 240 if number % knobs.late == 0 else 30 + 11 * number % 150
        built = decided + timedelta(days=wait)
        decisions.append(
            Decision(f"market-tech-{number:03d}", decided, built if built < world.end else None)
        )
    far = world.end - timedelta(days=300)
    decisions += [
        # the edges: decided 545 and 180 days before, in production on day 180
        Decision("market-tech-oldest", world.end - 545 * DAY, world.end - 365 * DAY),
        Decision("market-tech-too-old", world.end - 545 * DAY - HOUR, None),
        Decision("market-tech-newest", world.end - 180 * DAY - HOUR, world.end - 10 * DAY),
        Decision("market-tech-too-new", world.end - 180 * DAY, world.end - 170 * DAY),
    ]
    for item in decisions:
        _assess(facts, item, item.decided, "adopt", None)
        if item.in_production:
            _assess(facts, item, item.in_production, "adopt", item.in_production)
    given_up = Decision("market-tech-given-up", far, None)
    _assess(facts, given_up, far, "adopt", None)
    _assess(facts, given_up, far + 20 * DAY, "hold", None)
    due = [x for x in decisions if world.end - 545 * DAY <= x.decided < world.end - 180 * DAY]
    good = [x for x in due if x.in_production and x.in_production <= x.decided + 180 * DAY]
    truth.exact("technology_adoption_rate", 100 * len(good) / len(due), n=len(due))


def _assess(
    facts: Facts, item: Decision, at: datetime, decision: str, built: datetime | None
) -> None:
    facts.attest(
        "technology_item", item_key=item.key, assessed_at=at, layer="framework", decision=decision,
        decided_at=item.decided, in_production_at=built,
        expires_at=at + timedelta(days=item.valid),
    )  # fmt: skip


def _releases(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> list[Release]:
    silent = {months_before(world.end, back) for back in knobs.silent_months}
    made: list[Release] = []
    for index, month in enumerate(world.months):
        for nth, day in enumerate(knobs.releases):
            at = month + timedelta(days=day - 1, hours=10)
            back = visible = None
            if month in silent:
                # what does not count: taken back in time, or nobody sees it
                back, visible = at + 7 * DAY, False if index % 2 else None
            elif nth == 1 and index % 3 == 0:
                back = at + 3 * DAY
            elif nth == 2 and index % 4 == 0:
                visible = False
            made.append(
                Release(
                    f"market-feature-{month:%Y%m}-{nth}", at,
                    at - timedelta(days=9 + (index + nth) % 4, hours=2),
                    visible is not False, back,
                )
            )  # fmt: skip
    # on the last second of the history, and on the first one after it
    for name, at in (("last", world.end - timedelta(seconds=1)), ("after", world.end)):
        made.append(Release(f"market-feature-{name}", at, at - 10 * DAY))
    facts.extend(
        "release",
        {
            "release_id": [x.id for x in made],
            "version": [f"5.{nth}.0" for nth in range(len(made))],
            "released_at": [x.released for x in made],
            "kind": "feature",
            "work_started_at": [x.started for x in made],
            "customer_visible": [x.visible for x in made],
            "rolled_back_at": [x.rolled_back for x in made],
        },
    )
    months = [months_before(world.end, back) for back in range(1, 13)]
    good = {
        x.released.replace(day=1, hour=0, minute=0, second=0)
        for x in made
        if x.visible and (x.rolled_back is None or x.rolled_back > x.released + 7 * DAY)
    }
    recorded = sum(made[0].released < months_before(world.end, back - 1) for back in range(1, 13))
    share = 100 * sum(month in good for month in months) / 12
    truth.exact("feature_release_cadence", share, n=recorded)
    return [x for x in made if x.released < world.end]
