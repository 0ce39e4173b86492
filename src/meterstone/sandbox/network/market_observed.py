"""What is observed of the own company and its competitors: units, catalogues, satisfaction,
releases, features. Companies and sources are made up; their names say that they are simulated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.market_knobs import Knobs
from meterstone.sandbox.network.market_register import Release
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, World

MARKET = "franchise_management in US"
REPORT = "Simulated Market Report"
QUARTERLY = "MarketIntelligenceAnalytics.analyze_competitive_position.market_share_growth"
"""Where growth is asked for over a quarter, and not over a year."""
_FAR = 1100
"""Days for which most observations are evidence."""


@dataclass(frozen=True, slots=True)
class Quarter:
    """One quarter: ``back`` is 0 for the one that ends at the end."""

    back: int
    opens: datetime
    closes: datetime

    @property
    def name(self) -> str:
        """``2026-Q3``."""
        return f"{self.opens.year}-Q{(self.opens.month + 2) // 3}"

    @property
    def early(self) -> date:
        """When it is observed first: ten days before its last one."""
        return (self.closes - 11 * DAY).date()

    @property
    def day(self) -> date:
        """When it is observed again, and rightly: on its last day."""
        return (self.closes - DAY).date()


@dataclass(frozen=True, slots=True)
class Share:
    """The own units and those of the market, as seen in one quarter."""

    observed: int
    registered: int
    market: int

    @property
    def percent(self) -> float:
        """Share of the market; by the register where the source agrees with it within 5 %."""
        agrees = abs(self.observed - self.registered) <= 0.05 * self.registered
        return 100 * (self.registered if agrees else self.observed) / self.market


class Observer:
    """Writes observations, each valid for so many days."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._count = 0

    def saw(
        self, company: str, measure: str, value: float, day: date, valid: int = _FAR, **more: Any
    ) -> None:
        """One observation; ``more`` are further columns."""
        self._count += 1
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        usual: dict[str, Any] = {
            "observation_id": f"market-{self._count:05d}",
            "unit": "count",
            "market": MARKET,
            "source_name": REPORT,
            "independent": True,
        }
        self._facts.attest(
            "market_observation", company=company, measure=measure, value=float(value),
            observed_on=day, expires_at=at + timedelta(days=valid), **(usual | more),
        )  # fmt: skip


def simulate(
    world: World, facts: Facts, truth: Truth, knobs: Knobs, released: Sequence[Release]
) -> None:
    """Observations of the market, and what is true of it."""
    if not world.shops:
        for metric in (
            "market_position", "market_share", "market_share_growth", "integration_advantage",
            "integration_depth", "customer_satisfaction_gap", "innovation_speed_ratio",
            "feature_differentiation",
        ):  # fmt: skip
            truth.missing(metric)
        return
    observer = Observer(facts)
    quarters = list(_quarters(world, knobs.quarters))
    shares = _units(world, observer, knobs, quarters)
    _tell_shares(truth, knobs, shares)
    _catalogues(world, observer, truth, knobs, quarters)
    _satisfaction(observer, truth, knobs, quarters)
    _paces(world, observer, truth, knobs, released)
    _features(world, observer, truth, knobs)


def _quarters(world: World, count: int) -> Iterator[Quarter]:
    for back in range(count):
        closes = months_before(world.end, 3 * back)
        yield Quarter(back, months_before(closes, 3), closes)


# -- units ----------------------------------------------------------------------------------------


def _units(
    world: World, observer: Observer, knobs: Knobs, quarters: Sequence[Quarter]
) -> list[Share]:
    """Units of all companies, quarter by quarter, newest first."""
    shares = []
    for quarter in quarters:
        at = datetime(quarter.day.year, quarter.day.month, quarter.day.day, tzinfo=UTC)
        registered = len(world.open_shops(at))
        # the source sees some more than the register; a year before too many to agree with it
        seen = round(registered * (1.09 if quarter.back == 4 or not knobs.independent else 1.02))
        part = knobs.share / knobs.share_growth**quarter.back
        market = max(round(registered / part), 1)
        shares.append(Share(seen, registered, market))
        about: dict[str, Any] = {"period": quarter.name, "unit": "units"}
        for day, size in ((quarter.early, round(0.97 * market)), (quarter.day, market)):
            observer.saw("own", "units_on_platform", seen, day, **about)
            observer.saw("*", "market_units", size, day, independent=knobs.independent, **about)
            for nth, rival in enumerate(knobs.rivals):
                # the smallest one looks twice as large at first
                twice = day == quarter.early and nth == len(knobs.rivals) - 1
                units = round(rival * size) * (2 if twice else 1)
                observer.saw(f"rival-{nth + 1}", "units_on_platform", units, day, **about)
    _never_counts(world, observer, shares[0].market, quarters[0])
    return shares


def _never_counts(world: World, observer: Observer, market: int, quarter: Quarter) -> None:
    """Giants that no count may see: another market, a source with an interest, evidence that has
    expired, the first day after the end, another environment."""
    day = quarter.early
    name: dict[str, Any] = {"period": quarter.name, "unit": "units"}
    giant = 2 * market
    units = "units_on_platform"
    observer.saw("rival-1", units, giant, day, market="franchise_management in CA", **name)
    observer.saw("rival-8", units, giant, day, valid=0, **name)
    observer.saw("rival-1", units, giant, world.end.date(), unit="units")
    observer.saw("rival-9", units, giant, day, environment="staging", **name)
    for company in ("own", "rival-1", "rival-2", "rival-3", "rival-4", "rival-5", "rival-6"):
        observer.saw(
            company, units, 10 if company == "own" else giant, day, independent=False,
            source_name="Simulated Vendor Survey", **name,
        )  # fmt: skip


def _tell_shares(truth: Truth, knobs: Knobs, shares: Sequence[Share]) -> None:
    newest = shares[0]
    rivals = [round(rival * newest.market) for rival in knobs.rivals]
    rank = 1 + sum(rival > newest.observed for rival in rivals)
    covered = newest.observed + sum(rivals) >= 0.6 * newest.market
    truth.exact(
        "market_position", rank, n=1 + len(rivals), verdict=None if covered else "insufficient_data"
    )
    truth.exact(
        "market_share", newest.percent, n=1,
        verdict=None if knobs.independent else "insufficient_data",
    )  # fmt: skip
    for back, place in ((4, None), (1, QUARTERLY)):
        if len(shares) > back:
            before = shares[back].percent
            growth = 100 * (newest.percent - before) / before
            truth.exact("market_share_growth", growth, n=2, place=place)
        else:
            truth.missing("market_share_growth", place=place)


# -- catalogues, satisfaction, releases -----------------------------------------------------------


def _catalogues(
    world: World, observer: Observer, truth: Truth, knobs: Knobs, quarters: Sequence[Quarter]
) -> None:
    counts = world.shared["rival_catalogues"] = {}
    for quarter in quarters[: knobs.catalogue_quarters]:
        counts[quarter.name] = [max(size - quarter.back // 4, 1) for size in knobs.catalogues]
        for nth, size in enumerate(counts[quarter.name]):
            observer.saw(
                f"rival-{nth + 1}", "catalogue_integrations", size, quarter.early,
                valid=knobs.catalogue_expires, period=quarter.name,
                source_name=f"Simulated Catalogue {nth + 1}",
            )  # fmt: skip
        observer.saw(
            "own", "catalogue_integrations", 900, quarter.early, valid=3, period=quarter.name
        )
    own = sum(x.live is not None and x.live < world.end for x in world.integrations)
    enough = "expired" if knobs.catalogue_expires <= 10 else None
    mean = sum(knobs.catalogues) / len(knobs.catalogues)
    best = max(knobs.catalogues)
    for metric, ahead in (
        ("integration_advantage", 15 * own >= 50 * mean),
        ("integration_depth", own > best),
    ):
        verdict = enough or (None if ahead else "not_met")
        truth.exact(metric, own, n=len(knobs.catalogues), verdict=verdict)


def _satisfaction(
    observer: Observer, truth: Truth, knobs: Knobs, quarters: Sequence[Quarter]
) -> None:
    own, *rivals = knobs.satisfied
    names = ["own", *(f"rival-{nth + 1}" for nth in range(len(rivals)))]
    for quarter in quarters:
        before = 0.004 * quarter.back
        for name, value in zip(names, knobs.satisfied, strict=True):
            about: dict[str, Any] = {"period": quarter.name}
            for day, off in ((quarter.early, 0.01 if name == "own" else 0.02), (quarter.day, 0.0)):
                observer.saw(
                    name, "satisfaction", 100 * (value - before - off), day, unit="%",
                    source_name="Simulated Panel", **about,
                )  # fmt: skip
            # the own survey says something else, and is not compared with other people's
            observer.saw(
                name, "satisfaction", 0.99 if name == "own" else 0.2, quarter.day,
                unit="fraction (0..1)", source_name="Simulated Own Survey", independent=False,
                **about,
            )  # fmt: skip
    mean = sum(rivals) / len(rivals)
    truth.exact("customer_satisfaction_gap", 100 * (own - mean) / mean, n=len(rivals))


def _paces(
    world: World, observer: Observer, truth: Truth, knobs: Knobs, released: Sequence[Release]
) -> None:
    """Feature releases of the last quarters; the last competitor is known for two of them only."""
    late = knobs.unknown_quarters
    quarters = list(_quarters(world, max(knobs.quarters, 4 + late)))
    for quarter in quarters[late:]:
        for nth, number in enumerate(knobs.rival_releases):
            value = number + quarter.back // 4
            for day, found in ((quarter.early, value + 1), (quarter.day, value)):
                observer.saw(
                    f"rival-{nth + 1}", "feature_releases", found, day, period=quarter.name,
                    unit="releases",
                )  # fmt: skip
        if quarter.back < 2:
            observer.saw(
                "rival-4", "feature_releases", 40, quarter.day, period=quarter.name, unit="releases"
            )
    since, until = quarters[late + 3].opens, quarters[late].closes
    own = sum(x.visible and since <= x.released < until for x in released)
    theirs = sum(
        number + back // 4 for back in range(late, late + 4) for number in knobs.rival_releases
    )
    count = len(knobs.rival_releases)
    truth.exact("innovation_speed_ratio", own / (theirs / count), n=count)


# -- features -------------------------------------------------------------------------------------


def _features(world: World, observer: Observer, truth: Truth, knobs: Knobs) -> None:
    """Which features of the catalogue are offered elsewhere, as was seen at five looks.

    The first is wrong throughout, and put right on the day after; both are too old to count at the
    end. What the third saw is in part corrected later.
    """
    features = world.shared.get("features", [])
    year_ago = world.end.replace(year=world.end.year - 1)
    looks = (
        year_ago - 2 * DAY, year_ago - DAY, year_ago, world.end - 120 * DAY, world.end - DAY,
    )  # fmt: skip
    assessed = unmatched = known = 0
    for number, (key, released, retired, visible) in enumerate(features):
        offered = number % knobs.offered_every == 1
        seen: dict[str, int] = {}
        for nth, look in enumerate(looks):
            if released >= look or not visible:
                continue
            for rival in range(1, 3 if number % 13 == 5 else 5):
                value = int(nth == 0 or (nth == 2 and number % 4 == 0))
                value = value or int(offered and rival == 1 + number % 2)
                observer.saw(
                    f"rival-{rival}", "feature_offered", value, look.date(), subject=key,
                    source_name="Simulated Feature Watch",
                )  # fmt: skip
                if nth >= 2:
                    seen[f"rival-{rival}"] = value
        is_current = released < world.end and (retired is None or retired >= world.end)
        if not visible or not is_current:
            continue
        known += 1
        if len(seen) >= 3:
            assessed += 1
            unmatched += not any(seen.values())
    if not assessed:
        truth.missing("feature_differentiation", "insufficient_data" if known else "no_data")
        return
    enough = assessed >= 0.8 * known
    truth.exact(
        "feature_differentiation", 100 * unmatched / assessed, n=assessed,
        verdict=None if enough else "insufficient_data",
    )  # fmt: skip
