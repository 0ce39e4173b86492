"""What the programme brought the owners of the simulated network and saved its operator: sales,
visits an hour, content customers, use of what there is; support, servers and upkeep.

Runs after the domains whose events it looks at. It writes what nobody else does: looks at reports,
rules that ran, samples of servers, and the cost of infrastructure and maintenance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.work import (
    Frozen,
    Observed,
    Work,
    before_connection,
    freeze,
    programme_year,
)
from meterstone.sandbox.network.world import DAY, Shop, World, at_hour

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Knobs:
    """How far one network has come.

    Attributes:
        reads: on how many of seven days a report is looked at.
        automated: share of the shops in which rules run.
        cpu, cpu_before: mean use of the servers.
        cost: work for a dollar of infrastructure before the programme, as a share of today's.
        upkeep, upkeep_before: hours of maintenance an integration and month.
        satisfied_before: satisfaction with support before the programme, in percent.
        unrecorded: one in so many lines of maintenance has no hours.
    """

    reads: int = 6
    automated: float = 0.96
    cpu: float = 0.56
    cpu_before: float = 0.34
    cost: float = 0.6
    upkeep: float = 3.0
    upkeep_before: float = 45.0
    satisfied_before: float = 90.0
    unrecorded: int = 40


KNOBS: Mapping[str, Knobs] = {
    "thriving": Knobs(),
    "struggling": Knobs(reads=3, automated=0.7, cpu=0.43, satisfied_before=100.0),
    "honest": Knobs(
        reads=1, automated=0.5, cpu=0.5, cost=0.9, upkeep=5.0, upkeep_before=8.0,
        unrecorded=5
    ),
    "quiet": Knobs(),
}  # fmt: skip

_ADOPTION = "FranchiseOwnerSuccessDashboard.measure_adoption_success"
_SAVINGS = "CostEfficiencyAnalytics.track_operational_savings"
MISSED = frozenset({
    f"{_ADOPTION}.automation_implementation",
    f"{_ADOPTION}.reporting_usage",
    f"{_SAVINGS}.infrastructure_optimization.server_utilization",
    f"{_SAVINGS}.staff_productivity_increase.customer_service_capacity",
})  # fmt: skip
"""Refs that miss their target on ``struggling``."""

METRICS = (
    "cross_platform_accuracy", "owner_revenue_increase", "owner_operational_efficiency",
    "end_customer_satisfaction_improvement", "integration_utilization",
    "advanced_features_adoption", "automation_implementation", "reporting_usage",
    "support_engagement", "customer_service_capacity", "server_utilization", "resource_efficiency",
    "maintenance_reduction",
)  # fmt: skip
"""Metrics whose truth is said here."""


@dataclass(slots=True)
class _Scene:
    """What all parts look at."""

    world: World
    facts: Facts
    truth: Truth
    knobs: Knobs
    active: set[str] = field(default_factory=set)

    @property
    def observed(self) -> Observed:
        found: Observed = self.world.shared["observed"]
        return found

    def freeze(
        self, metric: str, value: float, n: int, period: tuple[datetime, datetime], **at: str
    ) -> None:
        """Write a baseline."""
        freeze(self.world, self.facts, metric, Frozen(value, n, *period), **at)


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Write what is written here, and say what is true at the end."""
    if world.preset.story == "struggling":
        truth.missed |= MISSED
    if not world.shops:
        for metric in METRICS:
            truth.missing(metric)
        return
    active = {shop.id for shop in world.active_shops(world.end)}
    scene = _Scene(world, facts, truth, KNOBS[world.preset.story], active)
    _sales(scene)
    _visits(scene)
    _guests(scene)
    _connections(scene)
    _advanced(scene)
    _rules(scene)
    _readers(scene)
    _tickets(scene)
    _servers(scene)
    _infrastructure(scene)
    _upkeep(scene)
    _platforms(scene)


# -- owners ---------------------------------------------------------------------------------------


def _sales(scene: _Scene) -> None:
    """The mean of the true effects at shops that can be compared with others of their age."""
    world, truth = scene.world, scene.truth
    compared: dict[tuple[int, int], list[Shop]] = {}
    joined: list[tuple[Shop, int, int]] = []
    live = {c.shop.id for c in world.live_connections(world.end) if c.shop}
    for shop in world.open_shops(world.end):
        age = _age(shop, world.end)
        if shop.go_live is None:
            for years in range(1, 6):
                if _sold_in(world, shop, years):
                    compared.setdefault((age, years), []).append(shop)
        elif shop.go_live <= months_before(world.end, 6) and shop.id in live:
            years = 1
            while months_before(world.end, 12 * years) > shop.go_live:
                years += 1
            if _sold_in(world, shop, years):
                joined.append((shop, age, years))
    joined = [entry for entry in joined if entry[1:] in compared]
    effects = truth.effects.get("sales", {})
    if not joined:
        truth.missing("owner_revenue_increase")
        return
    others = {shop.id for _, *cell in joined for shop in compared[cell[0], cell[1]]}
    value = math.fsum(effects[shop.id] for shop, *_ in joined) / len(joined)
    truth.estimate(
        "owner_revenue_increase", value, n=len(joined),
        verdict=None if len(others) >= 10 else "insufficient_data",
    )  # fmt: skip


def _age(shop: Shop, at: datetime) -> int:
    """Under three, under six, or six years and more."""
    if shop.opened > months_before(at, 36).date():
        return 1
    return 2 if shop.opened > months_before(at, 72).date() else 3


def _sold_in(world: World, shop: Shop, years: int) -> bool:
    """Whether it had sales in the same quarter so many years before, and in the one before that."""
    sold = world.shared["sold"]
    end = months_before(world.end, 12 * years)
    middle, begin = months_before(end, 3), months_before(end, 6)
    if middle < world.start or shop.opened > begin.date():
        return False
    return bool(sold.days(shop, middle, end)) and bool(sold.days(shop, begin, middle))


def _visits(scene: _Scene) -> None:
    """Visits an hour of manual work; before the connection those of three months."""
    world, truth = scene.world, scene.truth
    visits = world.shared["visits"]
    quarter = [months_before(world.end, n) for n in (3, 2, 1)]
    growth: list[float] = []
    for (metric, _, key, _), frozen in list(scene.observed.frozen.items()):
        if metric != "time_savings":
            continue
        shop = next(s for s in world.shops if s.id == key)
        before = [m for m in visits[key] if m < _first(frozen.closes)][-3:]
        early = _hours(scene, shop, frozen.opens, frozen.closes)
        if early <= 0 or not sum(visits[key][m] for m in before):
            continue
        old = sum(visits[key][m] for m in before) / early
        scene.freeze(
            "owner_operational_efficiency", old, len(before), (frozen.opens, frozen.closes),
            scope="franchise", key=key, kind="franchise",
        )  # fmt: skip
        hours = _hours(scene, shop, quarter[0], world.end)
        if hours > 0:
            now = sum(visits[key].get(m, 0) for m in quarter) / hours
            growth.append(100 * (now - old) / old)
            if len(growth) <= 2:
                truth.exact(
                    "owner_operational_efficiency", growth[-1], n=1, scope="franchise", key=key
                )
    if growth:
        value = sorted(growth)[math.ceil(len(growth) / 2) - 1]
        truth.exact("owner_operational_efficiency", value, n=len(growth))
    else:
        truth.missing("owner_operational_efficiency")


def _hours(scene: _Scene, shop: Shop, opens: datetime, closes: datetime) -> float:
    rows: Iterable[Work] = scene.observed.of(opens, closes)
    return math.fsum(r.minutes for r in rows if r.shop is shop and r.party == "franchisee") / 60


def _first(at: datetime) -> datetime:
    return at.replace(day=1, hour=0, minute=0, second=0)


def _guests(scene: _Scene) -> None:
    """Mean satisfaction of the customers of each shop that has a baseline."""
    world, truth = scene.world, scene.truth
    metric = "end_customer_satisfaction_improvement"
    by_shop: dict[str, list[tuple[datetime, float]]] = {}
    for answer in world.shared["end_customer_answers"]:
        scored = (answer.submitted, (answer.score - 1) / 4)
        by_shop.setdefault(answer.shop_id, []).append(scored)
    now: list[float] = []
    old: list[float] = []
    n = before = 0
    for shop in world.shops:
        if shop.go_live is None:
            continue
        opens, closes = before_connection(shop)
        early = [score for at, score in by_shop.get(shop.id, []) if opens <= at < closes]
        if not early:
            continue
        mean = math.fsum(early) / len(early)
        scene.freeze(metric, mean, len(early), (opens, closes), scope="franchise", key=shop.id,
                     kind="franchise")  # fmt: skip
        late = [score for at, score in by_shop[shop.id] if world.end - 90 * DAY <= at < world.end]
        if late:
            now.append(math.fsum(late) / len(late))
            old.append(mean)
            n, before = n + len(late), before + len(early)
    if now:
        value = 100 * (math.fsum(now) / math.fsum(old) - 1)
        truth.exact(metric, value, n=min(n, before))
    else:
        truth.missing(metric)


# -- use ------------------------------------------------------------------------------------------


def _connections(scene: _Scene) -> None:
    """Live connections older than 30 days that wrote records on five days of the last 30."""
    world, truth = scene.world, scene.truth
    days: dict[str, set[date]] = {}
    for name, at in world.shared["operations"].writes:
        if world.end - 30 * DAY <= at < world.end:
            days.setdefault(name, set()).add(at.date())
    old = [c for c in world.live_connections(world.end) if c.connected < world.end - 30 * DAY]
    used = {c.id for c in old if len(days.get(c.id, ())) >= 5}
    if not old:
        truth.missing("integration_utilization")
        return
    truth.exact("integration_utilization", 100 * len(used) / len(old), n=len(old))
    for key in ("square", "quickbooks"):
        own = [c for c in old if c.integration.key == key]
        if own:
            value = 100 * sum(c.id in used for c in own) / len(own)
            truth.exact("integration_utilization", value, n=len(own), scope="integration", key=key)


def _advanced(scene: _Scene) -> None:
    """Active shops whose people used one advanced feature on two days of the last 30."""
    world, use = scene.world, scene.world.shared["use"]
    end = world.end
    offered = {
        nth
        for nth, feature in enumerate(use.features)
        if feature.advanced and feature.visible and feature.released < end
        and (feature.retired is None or feature.retired > end)
    }  # fmt: skip
    using = use.shops_using(offered, end - 30 * DAY, end) & scene.active
    _share(scene, "advanced_features_adoption", using)


def _share(scene: _Scene, metric: str, using: set[str]) -> None:
    if not scene.active:
        scene.truth.missing(metric)
        return
    value = 100 * len(using & scene.active) / len(scene.active)
    scene.truth.exact(metric, value, n=len(scene.active))


def _rules(scene: _Scene) -> None:
    """Rules of automations that run every third day in most shops; what people's rules ran on is
    counted with them."""
    world, use = scene.world, scene.world.shared["use"]
    features = [f for f in use.features if f.automation and f.visible]
    rows: list[tuple[str, datetime, str]] = []
    step = 1 / scene.knobs.automated
    chosen = {int(n * step) for n in range(len(world.shops))}
    for nth, shop in enumerate(world.shops):
        if nth not in chosen:
            continue
        at = world.telemetry_start + timedelta(days=nth % 3, hours=5, minutes=nth % 50)
        while at < world.end:
            known = [f for f in features if f.released < at]
            if known and shop.trades(at.date()):
                rows.append((shop.id, at, known[nth % len(known)].key))
            at += 3 * DAY
    # four days, and a fifth just before the window: not enough
    outsider = next((s for n, s in enumerate(world.shops) if n not in chosen), None)
    known = [f for f in features if f.released < world.end - 32 * DAY]
    if outsider and known:
        times = [*(world.end - back * DAY for back in (3, 9, 15, 21))]
        times.append(world.end - 30 * DAY - SECOND)
        rows += [(outsider.id, at, known[0].key) for at in times]
    if rows:
        scene.facts.extend(
            "product_event",
            {
                "event_id": [f"work-rule-{n}" for n in range(len(rows))],
                "at": [at for _, at, _ in rows],
                "user_id": [f"U-{shop}-owner-1" for shop, _, _ in rows],
                "user_role": "owner",
                "session_id": [f"work-rule-{n}" for n in range(len(rows))],
                "feature_key": [key for _, _, key in rows],
                "action": "rule_ran",
                "automated": True,
                "franchise_id": [shop for shop, _, _ in rows],
            },
        )
    days: dict[str, set[date]] = {}
    for shop_id, at, _ in [*rows, *world.shared.get("rules_ran", ())]:
        if world.end - 30 * DAY <= at < world.end:
            days.setdefault(shop_id, set()).add(at.date())
    _share(scene, "automation_implementation", {s for s, on in days.items() if len(on) >= 5})


def _readers(scene: _Scene) -> None:
    """Reports that are looked at: on most days, by the people of the shops; on the others the
    operator's staff looks at them."""
    world, knobs = scene.world, scene.knobs
    rows: list[tuple[str, datetime, str]] = []
    first = world.telemetry_start.date()
    for nth, shop in enumerate(world.shops):
        day = first
        while day < world.end.date():
            if shop.trades(day):
                reads = (day.toordinal() + nth) % 7 < knobs.reads
                viewer = f"U-{shop.id}-owner-1" if reads else "U-OPERATOR-1"
                rows.append((shop.id, at_hour(day, 7 + nth % 12), viewer))
            day += DAY
    edge = world.end - 28 * DAY
    rows += [(world.shops[0].id, edge, f"U-{world.shops[0].id}-owner-1")]
    rows += [(world.shops[1 % len(world.shops)].id, edge - SECOND, "U-EDGE")]
    scene.facts.extend(
        "report_run",
        {
            "run_id": [f"work-view-{n}" for n in range(len(rows))],
            "report_key": "daily_brief",
            "requested_at": [at - timedelta(minutes=2) for _, at, _ in rows],
            "available_at": [at - timedelta(minutes=1) for _, at, _ in rows],
            "kind": "on_demand",
            "automated": True,
            "viewed_at": [at for _, at, _ in rows],
            "viewer_id": [viewer for _, _, viewer in rows],
            "franchise_id": [shop for shop, _, _ in rows],
        },
    )
    days: dict[str, set[date]] = {}
    for shop_id, at, viewer in rows:
        if edge <= at < world.end and viewer != "U-OPERATOR-1":
            days.setdefault(shop_id, set()).add(at.date())
    counts = sorted(len(days.get(shop, ())) for shop in scene.active)
    if not counts:
        scene.truth.missing("reporting_usage")
        return
    middle = counts[math.ceil(len(counts) / 2) - 1]
    scale = ((20, "daily"), (8, "several_a_week"), (4, "weekly"), (1, "monthly"), (0, "rare"))
    word = next(word for least, word in scale if middle >= least)
    scene.truth.exact("reporting_usage", word, n=len(counts))


# -- support --------------------------------------------------------------------------------------


def _tickets(scene: _Scene) -> None:
    """Whose move it was, and what was resolved in an hour of support."""
    world, truth = scene.world, scene.truth
    tickets = [t for t in world.shared["tickets"] if t.counts]
    recent = [t for t in tickets if world.end - 90 * DAY <= t.opened < world.end]
    by_hub = sum(t.by == "hub" and bool(t.accepted) for t in recent)
    by_customer = sum(t.by == "customer" for t in recent)
    if by_hub + by_customer:
        share = by_hub / (by_hub + by_customer)
        word = "proactive" if share >= 0.5 else "mixed" if share >= 0.2 else "reactive"
        truth.exact("support_engagement", word, n=by_hub + by_customer)
    else:
        truth.missing("support_engagement")
    year = programme_year(world)
    before = _kept(tickets, *year)
    early = _support_hours(scene, *year)
    scene.freeze("support_satisfaction", scene.knobs.satisfied_before, 400, year)
    if not before or not early:
        truth.missing("customer_service_capacity")
        return
    old = before / early
    scene.freeze("customer_service_capacity", old, before, year)
    since = months_before(world.end, 3)
    kept, hours = _kept(tickets, since, world.end), _support_hours(scene, since, world.end)
    value = 100 * (kept / hours - old) / old
    now = truth.of("support_satisfaction").value
    doubted = isinstance(now, float) and now < scene.knobs.satisfied_before
    truth.exact(
        "customer_service_capacity", value, n=min(kept, before),
        verdict="not_met" if doubted and min(kept, before) >= 200 else None,
    )  # fmt: skip


def _kept(tickets: Iterable[Any], opens: datetime, closes: datetime) -> int:
    return sum(
        t.resolved is not None
        and opens <= t.resolved < closes
        and not (t.reopened and t.reopened <= t.resolved + 7 * DAY)
        for t in tickets
    )


def _support_hours(scene: _Scene, opens: datetime, closes: datetime) -> float:
    return math.fsum(r.minutes for r in scene.observed.of(opens, closes, "support")) / 60


# -- what the operator runs -----------------------------------------------------------------------

_EVERY = timedelta(minutes=8)
_SERVERS = ("work-a", "work-b")


def _servers(scene: _Scene) -> None:
    """Two servers of different size, sampled every eight minutes."""
    world, knobs = scene.world, scene.knobs
    rng = world.rng("work-servers")
    count = int((world.end - world.telemetry_start) / _EVERY)
    times = [world.telemetry_start + n * _EVERY for n in range(count)]
    used = provisioned = 0.0
    n = 0
    for nth, server in enumerate(_SERVERS):
        vcpu = 16.0 if nth == 0 else 8.0
        hour = np.array([at.hour for at in times])
        swing = 0.1 * np.sin(2 * np.pi * (hour - 9) / 24) + rng.normal(0, 0.02, count)
        cpu = np.round(np.clip(knobs.cpu + (0.02 if nth else 0.0) + swing, 0.01, 0.77), 4)
        scene.facts.extend(
            "load_sample",
            {
                "sample_id": [f"{server}-{k}" for k in range(count)],
                "at": times, "instance": server, "cpu": cpu.tolist(), "provisioned_vcpu": vcpu,
            },
        )  # fmt: skip
        inside = np.array([at >= world.end - 30 * DAY for at in times])
        used += math.fsum((cpu[inside] * vcpu).tolist())
        provisioned += vcpu * int(inside.sum())
        n += int(inside.sum())
    scene.facts.add("load_sample", sample_id="work-staging", at=world.end - DAY, instance="work-a",
                    cpu=0.01, provisioned_vcpu=9000.0, environment="staging")  # fmt: skip
    scene.freeze("server_utilization", knobs.cpu_before, 200_000, programme_year(world))
    value = 100 * (used / provisioned - knobs.cpu_before) / knobs.cpu_before
    scene.truth.exact("server_utilization", value, n=min(n, 200_000))


def _infrastructure(scene: _Scene) -> None:
    """Invoices of each month; the last one by what was served and applied in it."""
    world, knobs = scene.world, scene.knobs
    known = world.shared["operations"]
    work = known.successes + known.applied
    spent = 0.0
    for month in world.months:
        usd = 9_000.0 + 40 * len(world.open_shops(month + 27 * DAY))
        last = (month + 32 * DAY).replace(day=1) - DAY
        for nth, day in enumerate((month, last)):
            part = round(usd * (0.4, 0.6)[nth], 2)
            _cost(scene, f"work-i-{month:%Y%m}-{nth}", day, "infrastructure", part)
            if month == months_before(world.end, 1):
                spent += part
    if not work:
        scene.truth.missing("resource_efficiency")
        return
    old = work / spent * knobs.cost
    scene.freeze("resource_efficiency", old, 12, programme_year(world))
    value = 100 * (work / spent - old) / old
    scene.truth.exact("resource_efficiency", value, n=1)


def _upkeep(scene: _Scene) -> None:
    """Hours of maintenance by month, on lines of which few have none."""
    world, knobs, truth = scene.world, scene.knobs, scene.truth
    known = world.shared["operations"]
    recent = {name for name, at in known.runs if world.end - 30 * DAY <= at < world.end}
    connected = {
        c.integration.key
        for c in world.live_connections(world.end)
        if c.id in recent and c.integration.live and c.integration.live <= world.end
    }
    since = months_before(world.end, 3)
    lines = with_hours = 0
    hours = 0.0
    for month in world.months:
        live = sum(bool(i.live and i.live <= month) for i in world.integrations)
        rate = knobs.upkeep if month >= world.programme_start else knobs.upkeep_before
        for nth in range(20):
            number = len(world.months) * nth + world.months.index(month)
            own = None if number % knobs.unrecorded == 3 else round(rate * max(live, 1) / 20, 2)
            day = month + timedelta(days=nth + (nth % 2))
            _cost(scene, f"work-m-{month:%Y%m}-{nth}", day, "maintenance", 400.0, own)
            if month >= since:
                lines += 1
                with_hours += own is not None
                hours += own or 0.0
    if not connected:
        truth.missing("maintenance_reduction")
        return
    scene.freeze("maintenance_reduction", knobs.upkeep_before, 12, programme_year(world))
    now = hours / 3 / len(connected)
    value = 100 * (knobs.upkeep_before - now) / knobs.upkeep_before
    verdict = None if with_hours >= 0.95 * lines else "insufficient_data"
    truth.exact("maintenance_reduction", value, n=3, verdict=verdict)


def _cost(
    scene: _Scene, name: str, day: datetime, category: str, usd: float, hours: float | None = None
) -> None:
    scene.facts.add(
        "cost", cost_id=name, incurred_on=day.date(), category=category, programme=False,
        party="operator", amount=usd, currency="USD", net_usd=usd, hours=hours,
    )  # fmt: skip


def _platforms(scene: _Scene) -> None:
    """Fields that agree between platforms, of those compared in the last month."""
    known = scene.world.shared["operations"]
    if not known.fields_checked:
        scene.truth.missing("cross_platform_accuracy")
        return
    value = 100 * known.fields_matched / known.fields_checked
    scene.truth.exact("cross_platform_accuracy", value, n=known.fields_checked)
