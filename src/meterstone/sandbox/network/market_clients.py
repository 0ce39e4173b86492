"""What is true of clients, revenue, deals and connections, from what other domains made."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.market_knobs import Knobs
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, World

Array = NDArray[np.float64]

_YEAR = 365.25 * 86400
_POISSON_UPPER = (
    3.688879454113936, 5.571643390938894, 7.224687667711092, 8.767273069733246, 10.241588678848844,
)  # fmt: skip
"""Upper 95 % limits of a Poisson count of 0 to 4 (Garwood)."""

HOUR = timedelta(hours=1)
MERGED = "market-K2"
GONE = ("market-K1", MERGED)

_METRICS = (
    "customer_retention_rate", "switching_costs", "customer_lifetime_years", "competitive_win_rate",
    "expansion_revenue_growth", "ecosystem_revenue", "integration_count", "switching_difficulty",
    "api_usage", "data_network_effects", "brand_awareness_increase", "market_position_success",
)  # fmt: skip


def simulate(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """Invoices for partners and the brand's baseline; the truth of all that rests on others."""
    if not world.shops:
        for metric in _METRICS:
            truth.missing(metric)
        return
    _gone(world, facts)
    _retention(world, truth)
    _lifetime(world, truth)
    _wins(world, truth)
    _expansion(world, truth)
    _partner_revenue(world, facts, truth, knobs)
    _connected(world, truth)
    _dependency(world, truth)
    _network_effect(world, truth)
    _brand(world, facts, truth)
    _usage(world, truth)
    rank = truth.of("market_position")
    leads = rank.value == 1 and rank.verdict is None and knobs.leader
    truth.exact("market_position_success", leads)


# -- clients --------------------------------------------------------------------------------------


def _covered(world: World, client_id: str, at: datetime) -> bool:
    """Whether a client held a platform contract just before a moment."""
    for contract in world.shared["contracts"]:
        if contract.agreement != "platform_contract" or contract.client.id != client_id:
            continue
        until = _midnight(contract.ends + DAY)
        if contract.terminated and contract.terminated < until:
            until = contract.terminated
        if _midnight(contract.starts) < at <= until:
            return True
    return False


def _gone(world: World, facts: Facts) -> None:
    """Two enterprise clients that are no longer there: one has left on the last day, one has become
    a part of another."""
    since = world.start - 900 * DAY
    for name in GONE:
        left = world.end - (12 * HOUR if name != MERGED else 150 * DAY)
        into = f"merged:{world.clients[0].id}"
        facts.add(
            "franchise", franchise_id=f"F-{name}", status="signed", status_at=since, client_id=name,
            client_segment="enterprise", region="US-CA", country="US",
        )  # fmt: skip
        facts.add(
            "franchise_contract", contract_id=f"PC-{name}", agreement="platform_contract",
            client_id=name, signed_at=since, starts_on=since.date(),
            ends_on=(world.end + 300 * DAY).date(), terminated_at=left,
            termination_reason=into if name == MERGED else "left the network",
        )  # fmt: skip


def _retention(world: World, truth: Truth) -> None:
    opens = months_before(world.end, 12)
    known = {s.client.id for s in world.shops if s.client.segment == "enterprise"}
    first = {i: min(s.signed for s in world.shops if s.client.id == i) for i in known}
    before = [i for i in known if first[i] < opens.date() and _covered(world, i, opens)]
    kept = [i for i in before if _covered(world, i, world.end)]
    before += GONE
    kept += [name for name in GONE if name == MERGED and world.clients[0].id in kept]
    if not before:
        truth.missing("customer_retention_rate")
        truth.missing("switching_costs")
        return
    rate = 100 * len(kept) / len(before)
    truth.exact("customer_retention_rate", rate, n=len(before))
    word = "high" if rate >= 95 else "moderate" if rate >= 85 else "low"
    truth.exact("switching_costs", word, n=len(before))


def _lifetime(world: World, truth: Truth) -> None:
    opens = months_before(world.end, 24)
    years, lost = 0.0, 0
    for shop in world.shops:
        left = shop.client.left
        ends = [x for x in (shop.closed_at, left and _midnight(left, 18)) if x]
        until = min([world.end, *ends])
        stayed: float = (until - max(opens, shop.opened_at)).total_seconds()
        if stayed > 0:
            years += round(stayed / _YEAR, 6)  # a millionth of a year is what is recorded
            lost += until < world.end
    value = years / lost if lost >= len(_POISSON_UPPER) else years / _POISSON_UPPER[lost]
    lower = years / _upper(lost)
    enough = None if lower >= 5 else "inconclusive" if value >= 5 else None
    truth.exact("customer_lifetime_years", value, n=years, verdict=enough if years >= 100 else None)


def _upper(count: int) -> float:
    """Upper Poisson limit; above 4 by the usual approximation of Wilson and Hilferty."""
    if count < len(_POISSON_UPPER):
        return _POISSON_UPPER[count]
    k = count + 1
    return float(k * (1 - 1 / (9 * k) + 1.96 / (3 * k**0.5)) ** 3)


def _wins(world: World, truth: Truth) -> None:
    opens = months_before(world.end, 12)
    same: dict[tuple[str, str], list[Any]] = {}
    for deal in world.shared["deals"]:
        if deal.kind != "renewal":
            same.setdefault((deal.key, deal.kind), []).append(deal)
    won = against = lost = lost_against = 0
    for deals in same.values():
        limit = min(d.created for d in deals) + 365 * DAY
        won_at = min((d.closed for d in deals if d.outcome == "won" and d.closed), default=None)
        ended = won_at or limit
        if won_at is None and all(d.outcome == "lost" for d in deals):
            ended = max(d.closed for d in deals)
        if not opens <= min(ended, limit) < world.end:
            continue
        is_won = won_at is not None and won_at <= limit
        named = any(d.competitor for d in deals)
        lost += not is_won
        if named:
            against += 1
            won += is_won
            lost_against += not is_won
    if not against:
        truth.missing("competitive_win_rate")
        return
    named_enough = lost_against >= 0.8 * lost
    truth.exact(
        "competitive_win_rate", 100 * won / against, n=against,
        verdict=None if named_enough else "insufficient_data",
    )  # fmt: skip


# -- revenue --------------------------------------------------------------------------------------


def _accrued(line: Any, start: date, end: date) -> float:
    """USD of a line in [start, end), by day; both dates of the service are in."""
    if line.status == "void":
        return 0.0
    days: int = (min(line.service_to + DAY, end) - max(line.service_from, start)).days
    whole: int = (line.service_to - line.service_from).days + 1
    return float(line.net_usd) * max(days, 0) / whole


def _expansion(world: World, truth: Truth) -> None:
    end = world.end.date()
    opens, first = (months_before(world.end, n).date() for n in (12, 24))
    totals: dict[str, list[float]] = {}
    present: dict[str, set[bool]] = {}
    for line in world.shared["invoices"]:
        client = line.client_id or line.franchise_id
        if client is None or line.status == "void":
            continue
        for is_now, (start, stop) in enumerate(((first, opens), (opens, end))):
            if line.service_from < stop and line.service_to >= start:
                present.setdefault(client, set()).add(bool(is_now))
            if line.deal_kind in ("upsell", "expansion"):
                sums = totals.setdefault(client, [0.0, 0.0])
                sums[is_now] += _accrued(line, start, stop)
    both = [totals.get(client, [0.0, 0.0]) for client, when in present.items() if len(when) == 2]
    before, now = (sum(sums[n] for sums in both) for n in (0, 1))
    expanded = sum(sums[0] > 0 for sums in both)
    if expanded:
        truth.exact("expansion_revenue_growth", 100 * (now - before) / before, n=expanded)
    else:
        truth.missing("expansion_revenue_growth", "insufficient_data" if both else "no_data")


def _partner_revenue(world: World, facts: Facts, truth: Truth, knobs: Knobs) -> None:
    """What is billed for partners: a line a month and partner, and lines that do not count."""
    end = world.end
    total = 0.0
    opens = months_before(end, 12)
    lines: list[tuple[str, date, date, float, str | None, str]] = [
        # an upsell that names nobody, of both years
        (f"upsell-{back}", day, day, 9_000.0 * back, None, "paid")
        for back, day in ((1, (opens - 200 * DAY).date()), (2, (opens + 20 * DAY).date()))
    ]
    for month in world.months:
        last = (month + 32 * DAY).replace(day=1) - DAY
        lines += [
            (f"{month:%Y%m}-{nth}", month.date(), last.date(), knobs.partner_usd / 8,
             f"P{nth + 1:04d}", "paid")
            for nth in range(8)
        ]  # fmt: skip
    half = (opens - 15 * DAY).date()
    lines += [
        ("across", half, half + 29 * DAY, 3_000.0, "P0001", "paid"),  # 15 days on each side
        ("last-day", end.date() - DAY, end.date(), 2_000.0, "P0002", "open"),
        ("after", end.date(), end.date() + 9 * DAY, 90_000.0, "P0002", "open"),
        ("void", opens.date(), opens.date(), 70_000.0, "P0003", "void"),
        ("nobody", opens.date(), opens.date(), 50_000.0, None, "paid"),
    ]
    for key, first, last_day, usd, partner, status in lines:
        issued = min(_midnight(last_day, 12), end - timedelta(hours=1))
        facts.add(
            "invoice", invoice_line_id=f"market-{key}", invoice_id=f"market-{key}",
            issued_at=issued, kind="partner_share", partner_id=partner,
            deal_kind="upsell" if key.startswith("upsell") else "none",
            service_from=first, service_to=last_day, amount=usd, credited=0.0, currency="USD",
            net_usd=usd, due_on=issued.date() + 30 * DAY,
            paid_on=issued.date() if status == "paid" else None, status=status,
        )  # fmt: skip
        if partner and status != "void":
            days = (min(last_day + DAY, end.date()) - max(first, opens.date())).days
            total += usd * max(days, 0) / ((last_day - first).days + 1)
    total += sum(
        _accrued(line, opens.date(), end.date())
        for line in world.shared["invoices"]
        if line.kind in ("marketplace", "partner_share") and line.partner_id
    )
    facts.attest(
        "attestation", attestation_id="market-stated", claim_key="partner_revenue:P0001",
        attested_at=end - 30 * DAY, statement="Simulated revenue outside of the platform.",
        value=8_000_000.0, unit="USD", expires_at=end + 300 * DAY,
    )  # fmt: skip
    late = world.preset.story == "honest"  # the books of the last month are open yet
    closed = min(len(world.months), 12) - late
    truth.exact("ecosystem_revenue", total, n=closed, verdict="insufficient_data" if late else None)


# -- connections ----------------------------------------------------------------------------------


def _connected(world: World, truth: Truth) -> None:
    """Certified integrations in use at the end of the last month."""
    runs = world.shared["operations"].runs
    live = {c.id: c.integration for c in world.live_connections(world.end)}
    used = {
        live[name].name.lower()
        for name, at in runs
        if name in live and world.end - 30 * DAY <= at < world.end
        and live[name].live and live[name].certified
        and (live[name].certification_expires or world.end + DAY) > world.end
    }  # fmt: skip
    truth.exact("integration_count", len(used), n=len(world.integrations))


def _usage(world: World, truth: Truth) -> None:
    operations = world.shared["operations"]
    days = operations.usage_days
    truth.exact("api_usage", sum(operations.usage.values()) / 30, n=days)
    for group in ("franchise_management", "analytics"):
        calls = operations.usage.get(group, 0)
        truth.exact("api_usage", calls / 30, scope="endpoint_group", key=group)


def _dependency(world: World, truth: Truth) -> None:
    days: dict[str, set[int]] = {}
    for name, at in world.shared["operations"].runs:
        back = (world.end - at) / DAY
        if 0 < back <= 30:
            days.setdefault(name, set()).add(int(np.ceil(back)))
    links: dict[str, int] = {}
    for connection in world.live_connections(world.end):
        if connection.shop and len(days.get(connection.id, ())) >= 20:
            links[connection.shop.id] = links.get(connection.shop.id, 0) + 1
    active = world.active_shops(world.end)
    if not active:
        truth.missing("switching_difficulty")
        return
    share = sum(links.get(shop.id, 0) >= 3 for shop in active) / len(active)
    word = "high" if share >= 0.7 else "moderate" if share >= 0.4 else "low"
    truth.exact("switching_difficulty", word, n=len(active))


def _network_effect(world: World, truth: Truth) -> None:
    """The word that follows from a panel regression with effects of shop and month."""
    sold = world.shared["sold"]
    months = [months_before(world.end, back) for back in range(24, -1, -1)]
    of_shop: dict[str, list[Any]] = {}
    for connection in world.connections:
        if connection.shop:
            of_shop.setdefault(connection.shop.id, []).append(connection)
    rows: list[tuple[int, int, float, float]] = []
    changed = units = 0
    for nth, shop in enumerate(world.shops):
        found = []
        for index in range(24):
            start, until = months[index], months[index + 1]
            usd = sold.usd(shop, start, until) if start >= world.start else 0.0
            if usd > 0:
                links = sum(c.is_live(until) for c in of_shop.get(shop.id, ()))
                found.append((nth, index, float(np.log(1 + links)), float(np.log(usd))))
        if len(found) >= 12:
            rows += found
            units += 1
            changed += len({x for _, _, x, _ in found}) > 1
    if not changed:
        truth.missing("data_network_effects", "insufficient_data" if units else "no_data")
        return
    low, high = _elasticity(np.array(rows), world.rng("elasticity"))
    word = "none"
    if low > 0:
        word = "superlinear" if low > 1 else "linear" if high >= 1 else "sublinear"
    truth.exact("data_network_effects", word, n=changed)


def _elasticity(rows: Array, rng: np.random.Generator) -> tuple[float, float]:
    """95 % bounds of the slope, resampling shops; rows are (shop, month, x, y)."""
    shop, month = rows[:, 0].astype(int), rows[:, 1].astype(int)
    x, y = rows[:, 2].copy(), rows[:, 3].copy()
    for _ in range(200):
        for group in (shop, month):
            count = np.maximum(np.bincount(group), 1)
            x -= (np.bincount(group, x) / count)[group]
            y -= (np.bincount(group, y) / count)[group]
    joint, own = np.bincount(shop, x * y), np.bincount(shop, x * x)
    present = np.flatnonzero(np.bincount(shop))
    drawn = rng.choice(present, (2000, len(present)))
    slopes = joint[drawn].sum(axis=1) / own[drawn].sum(axis=1)
    return float(np.quantile(slopes, 0.025)), float(np.quantile(slopes, 0.975))


# -- the brand ------------------------------------------------------------------------------------


def _brand(world: World, facts: Facts, truth: Truth) -> None:
    """The wave before the programme is known by its frozen figure (not in `honest`)."""
    if not world.preset.large:
        truth.missing("brand_awareness_increase")
        return
    start = world.programme_start
    closed = start - 60 * DAY
    before, asked = 61.5, 640
    facts.add(
        "survey_wave", wave_id="market-brand-before", instrument="brand_awareness",
        opened_at=closed - 20 * DAY, closed_at=closed, sampling="random", wording_version="1",
        population_size=20_000, invited=2_000,
    )  # fmt: skip
    facts.add(
        "baseline", metric_id="brand_recognition", scope="network", scope_key="*",
        baseline_kind="programme", period_start=months_before(start, 12), period_end=start,
        value=before, n=asked, frozen_at=start, approved_by="simulated",
    )  # fmt: skip
    now = truth.of("brand_recognition")
    assert isinstance(now.value, float)  # noqa: S101  # said by people
    assert now.n  # noqa: S101
    truth.exact(
        "brand_awareness_increase", 100 * (now.value - before) / before, n=min(now.n, asked)
    )


def _midnight(day: date, hour: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
