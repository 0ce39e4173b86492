"""What the programme brought: savings of the operator, the gross benefit, the return on investment;
and the use of premium features. It runs after the domains whose work and use it counts."""

from __future__ import annotations

from datetime import datetime

from meterstone.sandbox.network.billing import Books, baseline, months_to
from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, World

MISSED = frozenset({
    "FranchiseGrowthAnalytics.measure_revenue_optimization.premium_feature_adoption",
})  # fmt: skip

_ASKED = 242
"""Return in % that the framework asks for within the first 12 months."""

HOURLY_USD = 38.0
"""Attested cost of an hour of work, for samples that name none."""


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Baselines of the savings, the attested cost of an hour, and what is true of the return."""
    if world.shops:
        facts.attest(
            "attestation", attestation_id="loaded-hourly-usd", claim_key="loaded_hourly_usd",
            attested_at=world.start + 30 * DAY, statement="Loaded cost of an hour of work.",
            value=HOURLY_USD, unit="USD/h", expires_at=world.end + 300 * DAY,
        )  # fmt: skip
        if _has_baseline(world):
            _freeze(world, facts)
        if world.preset.story == "struggling":
            truth.missed |= MISSED
    tell(world, truth)


def tell(world: World, truth: Truth) -> None:
    """What is true of the return at ``world.end``, the end of a quarter."""
    if not world.shops:
        for metric in (
            "annual_cost_savings", "gross_annual_benefit", "roi_percentage",
            "revenue_growth_success", "premium_feature_adoption",
        ):  # fmt: skip
            truth.missing(metric)
        return
    _tell_use(world, truth)
    if not _has_baseline(world):
        truth.missing("annual_cost_savings")
        truth.missing("gross_annual_benefit")
        truth.missing("roi_percentage", "insufficient_data")
        truth.missing("revenue_growth_success", "insufficient_data")
        return
    savings, months = _savings(world, world.end)
    truth.exact("annual_cost_savings", savings, n=months)
    increase = truth.of("annual_revenue_increase").value
    assert isinstance(increase, float)  # noqa: S101  # there is a year before the programme
    truth.exact("gross_annual_benefit", increase + savings, n=12)
    _tell_return(world, truth)


def _has_baseline(world: World) -> bool:
    """Whether a whole year before the programme is known, to hold everything later against."""
    return months_before(world.programme_start, 12) >= world.start


def _freeze(world: World, facts: Facts) -> None:
    books: Books = world.shared["books"]
    for process, minutes in sorted(world.shared.get("operator_baseline", {}).items()):
        baseline(facts, world, f"annual_cost_savings:{process}", minutes, 12)
    year = months_to(world.programme_start, 12)
    tools = books.spent(year.start, year.end, "retired_tool", programme=False)
    baseline(facts, world, "annual_cost_savings:retired_tool", tools, 12)


def _savings(world: World, end: datetime) -> tuple[float, int]:
    """USD that the operator saved in the 12 months before a moment, and the months with samples."""
    start = months_before(end, 12)
    per_unit: dict[str, float] = world.shared.get("operator_baseline", {})
    saved, months = 0.0, set()
    for _, ends, process, minutes, volume, hourly in world.shared.get("operator_work", []):
        if not (start < ends <= end) or process not in per_unit:
            continue
        usd = HOURLY_USD if hourly is None else float(hourly)
        saved += (per_unit[process] * volume - minutes) / 60 * usd
        last = ends - DAY / 86_400
        months.add((last.year, last.month))
    books: Books = world.shared["books"]
    year = months_to(world.programme_start, 12)
    saved += books.spent(year.start, year.end, "retired_tool", programme=False)
    saved -= books.spent(start, end, "retired_tool", programme=False)
    return saved, len(months)


def _tell_return(world: World, truth: Truth) -> None:
    """The return of the first 12 months of the programme, as it stays for ever."""
    books: Books = world.shared["books"]
    end = months_before(world.programme_start, -12)
    if end > world.end:
        truth.missing("roi_percentage", "insufficient_data")
        truth.missing("revenue_growth_success", "insufficient_data")
        return
    first, base = months_to(end, 12), months_to(world.programme_start, 12)
    gained = books.revenue(first.start, first.end) - books.revenue(base.start, base.end)
    benefit = gained + _savings(world, end)[0]
    spent = books.spent(world.start, end, "development", programme=True)
    spent += books.spent(first.start, first.end, "operating", "support", programme=True)
    roi = 100 * (benefit - spent) / spent
    truth.exact("roi_percentage", roi, n=12)
    truth.exact("revenue_growth_success", roi >= _ASKED)


def _tell_use(world: World, truth: Truth) -> None:
    """Shops whose people used one premium feature on two days of the last 30."""
    use = world.shared.get("use")
    active = {shop.id for shop in world.active_shops(world.end)}
    if use is None or not active:
        truth.missing("premium_feature_adoption")
        return
    end = world.end
    offered = {
        nth
        for nth, feature in enumerate(use.features)
        if feature.premium and feature.visible and feature.released < end
        and (feature.retired is None or feature.retired >= end)
    }  # fmt: skip
    adopted = use.shops_using(offered, end - 30 * DAY, end) & active
    truth.exact("premium_feature_adoption", 100 * len(adopted) / len(active), n=len(active))
