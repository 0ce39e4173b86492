"""Work in the simulated network: what people and rules did by hour, unit and decision, before the
programme and since; how long onboardings and reports took; and what is true of all that.

What was observed before is frozen as a baseline, once: a number, how many rows it rests on, and the
period that it is of. Shops without a sample before their first connection have none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from meterstone.sandbox.network.facts import SIMULATED, Facts
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, Shop, World

WEEK = 7 * DAY
FALLS = 0.012
"""How much of what is left of the manual work goes away each month."""
HOURLY_USD = 38.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process before the programme.

    Attributes:
        minutes: touch time of a unit.
        shop_week, operator_month: units a week at an average shop, and a month at the operator.
        automated: share of the units that a rule does once the process is automated.
    """

    minutes: float
    shop_week: float
    operator_month: float
    automated: float = 0.0


PROCESSES: Mapping[str, Process] = {
    "data_entry": Process(2.0, 300, 6000, 0.8),
    "reporting": Process(30.0, 4, 150, 0.75),
    "compliance": Process(60.0, 0, 60, 0.5),
    "administration": Process(12.0, 40, 300),
    "decision": Process(30.0, 1, 18),
    "support": Process(20.0, 0, 1200),
    "maintenance": Process(40.0, 0, 200),
    "operations": Process(5.0, 48, 1000),
}


@dataclass(frozen=True, slots=True)
class Knobs:
    """How work changed in one story.

    Attributes:
        left: share of the touch time of a unit that is left at the end, by process.
        decided: share of the elapsed time of a decision that is left, at the operator and at shops.
        told: processes of which only self-reports are left in the last quarter.
        workers: people of the operator whose work is observed.
        panel: shops whose work is observed, at most.
        onboarding: median days of an onboarding before the programme and in the last half year.
        waited: share of the time to a report that is left.
    """

    left: Mapping[str, float]
    decided: tuple[float, float]
    told: frozenset[str] = frozenset()
    workers: int = 18
    panel: int = 80
    onboarding: tuple[float, float] = (110.0, 24.0)
    waited: float = 0.02


_LEFT = {
    "data_entry": 0.11, "reporting": 0.05, "compliance": 0.13, "administration": 0.13,
    "decision": 0.12, "support": 0.12, "maintenance": 0.12, "operations": 0.13,
}  # fmt: skip
KNOBS: Mapping[str, Knobs] = {
    "thriving": Knobs(_LEFT, (0.34, 0.38)),
    "struggling": Knobs(_LEFT, (0.34, 0.58), onboarding=(110.0, 48.0), waited=0.25),
    "honest": Knobs(
        {**dict.fromkeys(PROCESSES, 0.4), "data_entry": 0.45, "administration": 0.3},
        (0.83, 0.86), frozenset({"reporting"}), workers=3, panel=12, onboarding=(60.0, 30.0),
        waited=0.2,
    ),
    "quiet": Knobs({}, (1.0, 1.0)),
}  # fmt: skip

_EFFICIENCY = "OperationalEfficiencyMetrics"
MISSED = frozenset({
    f"{_EFFICIENCY}.target_metrics.franchise_onboarding_time",
    f"{_EFFICIENCY}.target_metrics.reporting_generation_time",
    f"{_EFFICIENCY}.success_threshold",
    "FranchiseOwnerSuccessDashboard.track_value_realization.decision_making_speed",
})  # fmt: skip
"""Refs that miss their target on ``struggling``."""

REDUCTIONS = {
    "manual_data_entry_reduction": "data_entry",
    "reporting_manual_reduction": "reporting",
    "compliance_manual_reduction": "compliance",
}
METRICS = (
    *REDUCTIONS, "franchise_onboarding_time", "administrative_overhead",
    "reporting_generation_time", "decision_making_speed", "administrative_efficiency",
    "manual_work_elimination", "time_savings", "efficiency_success",
)  # fmt: skip
"""Metrics whose truth is said here."""


@dataclass(frozen=True, slots=True)
class Work:
    """What was done of one process at one shop or by one person of the operator in one period."""

    begin: datetime
    end: datetime
    process: str
    party: str
    shop: Shop | None
    worker: str | None
    automated: bool
    minutes: float
    volume: int
    method: str
    elapsed: float | None = None

    @property
    def counts(self) -> bool:
        """Whether it was observed, and not told."""
        return self.method != "self_report"

    def within(self, opens: datetime, closes: datetime) -> bool:
        """Whether its period ended after ``opens`` and by ``closes``."""
        return opens < self.end <= closes


@dataclass(frozen=True, slots=True)
class Frozen:
    """A baseline: its value, the size of the sample behind it, and its period."""

    value: float
    n: int
    opens: datetime
    closes: datetime


@dataclass(slots=True)
class Observed:
    """All work that was observed, and the baselines by (metric, scope, key, kind)."""

    rows: list[Work] = field(default_factory=list)
    frozen: dict[tuple[str, str, str, str], Frozen] = field(default_factory=dict)

    def of(self, opens: datetime, closes: datetime, *processes: str) -> list[Work]:
        """Observed rows of some processes (all of them, if none is named) in a period."""
        return [
            row
            for row in self.rows
            if row.counts
            and row.within(opens, closes)
            and (not processes or row.process in processes)
        ]

    def network(self, metric: str) -> Frozen | None:
        """The programme's baseline of a metric."""
        return self.frozen.get((metric, "network", "*", "programme"))


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Make the work, write it, freeze the baselines, and say what is true at the end."""
    knobs = KNOBS[world.preset.story]
    observed = Observed()
    world.shared |= {"observed": observed, "operator_work": [], "operator_baseline": {}}
    world.shared["work_rows"] = []
    if not world.shops:
        for metric in METRICS:
            truth.missing(metric)
        return
    if world.preset.story == "struggling":
        truth.missed |= MISSED
    panel = _panel(world, knobs)
    observed.rows = [*_operator(world, knobs), *_shops(world, knobs, panel)]
    _write(facts, observed.rows)
    _never_counts(world, facts)
    _share(world, observed)
    _freeze_work(world, observed, panel)
    _tell_reductions(world, truth, observed)
    _tell_administration(world, truth, observed)
    _tell_decisions(world, truth, observed)
    _tell_basket(world, truth, observed)
    _tell_hours(world, truth, observed)
    _onboardings(world, facts, truth, observed, knobs)
    _reports(world, facts, truth, observed, knobs)
    _tell_success(world, truth)
    for (metric, scope, key, kind), baseline in observed.frozen.items():
        freeze(world, facts, metric, baseline, scope=scope, key=key, kind=kind)


def freeze(
    world: World, facts: Facts, metric: str, baseline: Frozen, *,
    scope: str = "network", key: str = "*", kind: str = "programme",
) -> None:  # fmt: skip
    """Write one baseline row; frozen at the start of the programme, or when its period is over."""
    facts.add(
        "baseline", metric_id=metric, scope=scope, scope_key=key, baseline_kind=kind,
        period_start=baseline.opens, period_end=baseline.closes, value=baseline.value, n=baseline.n,
        frozen_at=max(world.programme_start, baseline.closes), approved_by=SIMULATED,
    )  # fmt: skip


def programme_year(world: World) -> tuple[datetime, datetime]:
    """The twelve full months before the programme."""
    return months_before(world.programme_start, 12), world.programme_start


def before_connection(shop: Shop) -> tuple[datetime, datetime]:
    """The 13 full ISO weeks before the first connection of a shop."""
    assert shop.go_live is not None  # noqa: S101  # asked of connected shops only
    closes = _monday(shop.go_live)
    return closes - 13 * WEEK, closes


# -- the work itself ------------------------------------------------------------------------------


def _panel(world: World, knobs: Knobs) -> list[Shop]:
    """Shops that were open for the whole quarter before their first connection."""
    found = [
        shop
        for shop in world.shops
        if shop.go_live
        and shop.opened_at <= before_connection(shop)[0]
        and before_connection(shop)[0] >= world.start
    ]
    return found[: knobs.panel]


def _left(world: World, knobs: Knobs, process: str, at: datetime, since: datetime) -> float:
    """Share of the touch time of a unit that is left at a moment; all of it before ``since``."""
    if at <= since:
        return 1.0
    months = (world.end - at) / timedelta(days=30.4375)
    return min(knobs.left[process] * (1 + FALLS * months), 1.0)


def _operator(world: World, knobs: Knobs) -> Iterator[Work]:
    """Each person of the operator by month; support by day in the last nine months."""
    rng = world.rng("work-operator")
    daily = world.end - 280 * DAY
    for month in world.months:
        nxt = (month + 32 * DAY).replace(day=1)
        for name, process in PROCESSES.items():
            left = _left(world, knobs, name, nxt, world.programme_start)
            share = process.automated if nxt > world.programme_start else 0.0
            volume = process.operator_month
            if name == "decision":
                yield from _decisions(world, knobs, month, nxt, rng)
                continue
            if name == "support" and nxt > daily:
                for nth in range((nxt - month) // DAY):
                    day = month + nth * DAY
                    yield _operated(day, day + DAY, name, "W01", volume / 30, left, rng)
                continue
            for nth in range(knobs.workers):
                part = volume * (1 - share) / knobs.workers
                whole = left / (1 - share)
                yield _operated(month, nxt, name, f"W{nth + 1:02d}", part, whole, rng)
                if share:
                    done = max(round(volume * share / knobs.workers), 1)
                    yield Work(
                        month, nxt, name, "operator", None, f"W{nth + 1:02d}", True, 0.0, done,
                        "system_log",
                    )  # fmt: skip


def _operated(
    begin: datetime, end: datetime, process: str, worker: str, volume: float, left: float,
    rng: np.random.Generator,
) -> Work:  # fmt: skip
    units = max(round(volume * rng.uniform(0.9, 1.1)), 1)
    minutes = round(units * PROCESSES[process].minutes * left * float(rng.uniform(0.97, 1.03)), 3)
    return Work(begin, end, process, "operator", None, worker, False, minutes, units, "timer")


def _decisions(
    world: World, knobs: Knobs, begin: datetime, end: datetime, rng: np.random.Generator
) -> Iterator[Work]:
    """One decision of each person of the operator a month; some at the very edge of a month."""
    for nth in range(knobs.workers):
        at = end if nth == 0 else begin + timedelta(minutes=int(rng.integers(60, 40_000)))
        ratio = 1.0 if at <= world.programme_start else knobs.decided[0]
        yield _decided(world, knobs, at, "operator", None, f"W{nth + 1:02d}", ratio, rng)


def _decided(
    world: World, knobs: Knobs, at: datetime, party: str, shop: Shop | None, worker: str | None,
    ratio: float, rng: np.random.Generator,
) -> Work:  # fmt: skip
    elapsed = round(600 * ratio * float(np.exp(rng.normal(0, 0.3))), 1)
    since = world.programme_start if shop is None else shop.go_live or world.end
    minutes = PROCESSES["decision"].minutes * _left(world, knobs, "decision", at, since)
    begin = at - timedelta(minutes=elapsed)
    method = "system_log" if shop else "timer"
    return Work(begin, at, "decision", party, shop, worker, False, round(minutes, 3), 1, method,
                elapsed)  # fmt: skip


def _shops(world: World, knobs: Knobs, panel: list[Shop]) -> Iterator[Work]:
    """Each shop of the panel by ISO week: from a year before the programme until it is connected,
    and in the last year."""
    rng = world.rng("work-shops")
    first = _monday(max(world.start, months_before(world.programme_start, 12)) + 6 * DAY)
    recent = world.end - 371 * DAY
    for number, shop in enumerate(panel):
        assert shop.go_live is not None  # noqa: S101  # the panel is connected
        week = first
        while week + WEEK <= world.end:
            end = week + WEEK
            watched = end <= shop.go_live or (week >= recent and week >= shop.go_live)
            if watched and all(shop.trades((week + n * DAY).date()) for n in range(7)):
                yield from _week(world, knobs, shop, number, week, rng)
            week = end


def _week(
    world: World, knobs: Knobs, shop: Shop, number: int, week: datetime, rng: np.random.Generator
) -> Iterator[Work]:
    end = week + WEEK
    since = shop.go_live or world.end
    quarter = months_before(world.end, 3)
    for name, process in PROCESSES.items():
        if not process.shop_week:
            continue
        if name == "decision":
            at = week + timedelta(minutes=int(rng.integers(700, 10_000)))
            ratio = 1.0 if at <= since else knobs.decided[1]
            yield _decided(world, knobs, at, "franchisee", shop, None, ratio, rng)
            continue
        left = _left(world, knobs, name, end, since)
        share = process.automated if end > since else 0.0
        units = process.shop_week * shop.size * float(rng.uniform(0.9, 1.1))
        done = round(units * share)
        by_hand = max(round(units) - done, 1)
        minutes = (by_hand + done) * process.minutes * left * float(rng.uniform(0.97, 1.03))
        told = (name in knobs.told and week >= quarter) or (
            name == "operations" and number % 10 == 0
        )
        method = "self_report" if told else "system_log" if name == "data_entry" else "timer"
        yield Work(
            week, end, name, "franchisee", shop, None, False, round(minutes, 3), by_hand, method
        )
        if done and not told:
            yield Work(week, end, name, "franchisee", shop, None, True, 0.0, done, method)


def _monday(at: datetime) -> datetime:
    """The start of the ISO week of a moment."""
    day = at.date() - timedelta(days=at.weekday())
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


# -- facts ----------------------------------------------------------------------------------------


def _write(facts: Facts, rows: list[Work]) -> None:
    facts.extend(
        "work_sample",
        {
            "sample_id": [f"work-{n}" for n in range(len(rows))],
            "period_start": [row.begin for row in rows],
            "period_end": [row.end for row in rows],
            "process": [row.process for row in rows],
            "party": [row.party for row in rows],
            "franchise_id": [row.shop.id if row.shop else None for row in rows],
            "automated": [row.automated for row in rows],
            "minutes": [row.minutes for row in rows],
            "elapsed_minutes": [row.elapsed for row in rows],
            "volume": [row.volume for row in rows],
            "method": [row.method for row in rows],
            "loaded_hourly_usd": [HOURLY_USD if row.party == "operator" else None for row in rows],
            "worker_id": [row.worker for row in rows],
        },
    )


def _never_counts(world: World, facts: Facts) -> None:
    """Self-reports of the operator; rows of other environments, synthetic ones, one taken back, and
    one whose period ends with the first moment of the baseline's year."""
    year = programme_year(world)[0]
    last = months_before(world.end, 1)
    usual: dict[str, Any] = {
        "period_start": last, "period_end": last + 20 * DAY, "party": "operator",
        "automated": False, "minutes": 90_000.0, "volume": 1, "method": "timer", "worker_id": "W01",
    }  # fmt: skip
    for process in PROCESSES:
        name = f"work-{process}"
        row = usual | {
            "process": process,
            "elapsed_minutes": 9e5 if process == "decision" else None,
        }
        facts.add("work_sample", sample_id=f"{name}-told", **row | {"method": "self_report"})
        facts.add("work_sample", sample_id=f"{name}-staging", environment="staging", **row)
        facts.add("work_sample", sample_id=f"{name}-synthetic", synthetic=True, **row)
        facts.add("work_sample", sample_id=f"{name}-mistake", **row)
        facts.add("work_sample", version=2, sample_id=f"{name}-mistake", retracted=True, **row)
        edge = row | {"period_start": year - 30 * DAY, "period_end": year}
        facts.add("work_sample", sample_id=f"{name}-edge", **edge)


def _share(world: World, observed: Observed) -> None:
    """What other domains look at."""
    year = programme_year(world)
    for row in observed.rows:
        if not row.counts:
            continue
        world.shared["work_rows"].append((row.end, row.process, row.party, row.minutes, row.volume))
        if row.party == "operator":
            world.shared["operator_work"].append(
                (row.begin, row.end, row.process, row.minutes, row.volume, HOURLY_USD)
            )
    for process in PROCESSES:
        rows = [r for r in observed.of(*year, process) if r.party == "operator"]
        if rows:
            world.shared["operator_baseline"][process] = _per_unit(rows)


# -- baselines ------------------------------------------------------------------------------------


def _freeze_work(world: World, observed: Observed, panel: list[Shop]) -> None:
    year = programme_year(world)

    def put(metric: str, value: float, n: int) -> None:
        observed.frozen[metric, "network", "*", "programme"] = Frozen(value, n, *year)

    for metric, process in REDUCTIONS.items():
        if rows := observed.of(*year, process):
            put(metric, _per_unit(rows), len(rows))
    if rows := observed.of(*year, "administration"):
        weeks = {(r.shop.id, r.begin, r.end) for r in rows if r.shop}
        put("administrative_efficiency", 60 / _per_unit(rows), len(rows))
        if weeks:
            put("administrative_overhead", _minutes(rows) / 60 / len(weeks), len(rows))
    if rows := observed.of(*year, "decision"):
        put("decision_making_speed", _median(r.elapsed for r in rows), len(rows))
    if rows := observed.of(*year):
        put("manual_work_elimination", _minutes(rows), len(rows))
    early: list[float] = []
    for shop in panel:
        weeks_13 = before_connection(shop)
        rows = [r for r in observed.rows if r.shop is shop and r.within(*weeks_13)]
        if not rows:
            continue
        key = ("time_savings", "franchise", shop.id, "franchise")
        observed.frozen[key] = Frozen(_minutes(rows) / 60 / 13, len(rows), *weeks_13)
        early += [r.elapsed for r in rows if r.elapsed is not None]
    if early:
        key = ("decision_making_speed", "network", "*", "franchise")
        observed.frozen[key] = Frozen(_median(early), len(early), *year)


def _minutes(rows: Iterable[Work]) -> float:
    return math.fsum(row.minutes for row in rows)


def _volume(rows: Iterable[Work]) -> int:
    return sum(row.volume for row in rows)


def _per_unit(rows: list[Work]) -> float:
    return _minutes(rows) / _volume(rows)


def _median(values: Iterable[float | None]) -> float:
    """The smallest value that half of them do not exceed."""
    known = sorted(value for value in values if value is not None)
    return known[math.ceil(len(known) / 2) - 1]


# -- what is true ---------------------------------------------------------------------------------


def _last_month(world: World) -> tuple[datetime, datetime]:
    return months_before(world.end, 1), world.end


def _last_quarter(world: World) -> tuple[datetime, datetime]:
    return months_before(world.end, 3), world.end


def _same_parties(world: World, observed: Observed, rows: list[Work], process: str) -> bool:
    before = observed.of(*programme_year(world), process)
    return {r.party for r in rows} == {r.party for r in before}


def _tell_reductions(world: World, truth: Truth, observed: Observed) -> None:
    for metric, process in REDUCTIONS.items():
        rows, frozen = observed.of(*_last_month(world), process), observed.network(metric)
        if not rows or frozen is None:
            truth.missing(metric)
            continue
        same = _same_parties(world, observed, rows, process)
        truth.exact(
            metric, 100 * (frozen.value - _per_unit(rows)) / frozen.value,
            n=min(len(rows), frozen.n), verdict=None if same else "insufficient_data",
        )  # fmt: skip


def _tell_administration(world: World, truth: Truth, observed: Observed) -> None:
    """Hours a shop and week at shops that are active at the end; units an hour, with the parties in
    the proportion of the baseline."""
    rows = observed.of(*_last_month(world), "administration")
    active = {shop.id for shop in world.active_shops(world.end)}
    seen = [r for r in rows if r.shop is None or r.shop.id in active]
    weeks = {(r.shop.id, r.begin, r.end) for r in seen if r.shop}
    frozen = observed.network("administrative_overhead")
    if frozen and weeks:
        hours = _minutes(seen) / 60 / math.fsum((end - begin) / WEEK for _, begin, end in weeks)
        value = 100 * (hours - frozen.value) / frozen.value
        truth.exact("administrative_overhead", value, n=min(len(seen), frozen.n))
    else:
        truth.missing("administrative_overhead")
    before = observed.of(*programme_year(world), "administration")
    frozen = observed.network("administrative_efficiency")
    if not rows or frozen is None:
        truth.missing("administrative_efficiency")
        return
    needed = 0.0
    for party in {r.party for r in before}:
        now = [r for r in rows if r.party == party]
        needed += _volume(r for r in before if r.party == party) * _per_unit(now)
    value = 100 * (60 * _volume(before) / needed - frozen.value) / frozen.value
    truth.exact("administrative_efficiency", value, n=min(len(rows), frozen.n))


def _tell_decisions(world: World, truth: Truth, observed: Observed) -> None:
    rows = observed.of(*_last_quarter(world), "decision")
    of_owners = [r for r in rows if r.party == "franchisee"]
    for scope, key, kind, chosen in (
        ("network", "*", "programme", rows),
        ("party", "franchisee", "franchise", of_owners),
    ):
        frozen = observed.frozen.get(("decision_making_speed", "network", "*", kind))
        if frozen is None or not chosen:
            truth.missing("decision_making_speed", scope=scope, key=key)
            continue
        now = _median(r.elapsed for r in chosen)
        value = 100 * (frozen.value - now) / now
        n = min(len(chosen), frozen.n)
        truth.exact("decision_making_speed", value, n=n, scope=scope, key=key)


def _tell_basket(world: World, truth: Truth, observed: Observed) -> None:
    """All processes at the volumes of the baseline."""
    before = observed.of(*programme_year(world))
    rows = observed.of(*_last_quarter(world))
    frozen = observed.network("manual_work_elimination")
    if frozen is None or not rows:
        truth.missing("manual_work_elimination")
        return
    now = old = 0.0
    for process in PROCESSES:
        then = [r for r in before if r.process == process]
        today = [r for r in rows if r.process == process]
        if then and today:
            now += _per_unit(today) * _volume(then)
            old += _minutes(then)
    whole = old >= 0.9 * _minutes(before)
    truth.exact(
        "manual_work_elimination", 100 * (1 - now / old), n=min(len(rows), frozen.n),
        verdict=None if whole else "insufficient_data",
    )  # fmt: skip


def _tell_hours(world: World, truth: Truth, observed: Observed) -> None:
    """Hours saved a week at each shop with a baseline; its diaries count as well."""
    saved: dict[str, float] = {}
    alike = True
    month = _last_month(world)
    for (metric, _, shop, kind), frozen in observed.frozen.items():
        if metric != "time_savings" or kind != "franchise":
            continue
        own = [r for r in observed.rows if r.shop and r.shop.id == shop]
        then = [r for r in own if r.within(frozen.opens, frozen.closes)]
        today = [r for r in own if r.within(*month)]
        old = now = 0.0
        for process in PROCESSES:
            a = [r for r in then if r.process == process]
            b = [r for r in today if r.process == process]
            if a and b:
                old += _minutes(a)
                now += _per_unit(b) * _volume(a)
                alike &= {r.method for r in a} == {r.method for r in b}
        if old:
            saved[shop] = frozen.value * (1 - now / old)
    truth.effects["hours"] = {shop: round(hours, 6) for shop, hours in saved.items()}
    if not saved:
        truth.missing("time_savings")
        return
    verdict = None if alike else "insufficient_data"
    value = math.fsum(saved.values()) / len(saved)
    truth.exact("time_savings", value, n=len(saved), verdict=verdict)
    for shop in list(saved)[:3]:
        truth.exact("time_savings", saved[shop], n=1, scope="franchise", key=shop)


def _tell_success(world: World, truth: Truth) -> None:
    """All targets are met at the six month ends of two quarters in the thriving network only."""
    truth.exact("efficiency_success", world.preset.story == "thriving", n=2)


# -- onboardings ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Onboarding:
    """One onboarding; ``live`` is None while it runs."""

    shop: Shop
    started: datetime
    live: datetime | None
    paused: float | None
    status: str = "live"

    def days(self, at: datetime) -> float:
        """Days until it was live, or until a moment, without paused ones."""
        end = self.live if self.live and self.live < at else at
        return (end - self.started) / DAY - (self.paused or 0.0)


def _onboardings(
    world: World, facts: Facts, truth: Truth, observed: Observed, knobs: Knobs
) -> None:
    found = list(_onboarded(world, knobs))
    for nth, one in enumerate(found):
        facts.add(
            "onboarding", onboarding_id=f"work-{nth}", franchise_id=one.shop.id,
            started_at=one.started, live_at=one.live, status=one.status, paused_days=one.paused,
        )  # fmt: skip
    opens, closes = programme_year(world)
    metric = "franchise_onboarding_time"
    early = [o for o in found if o.live and opens <= o.live < closes and o.status == "live"]
    if early:
        value = _median(o.days(closes) for o in early)
        observed.frozen[metric, "network", "*", "programme"] = Frozen(
            value, len(early), opens, closes
        )
    frozen = observed.network(metric)
    since = months_before(world.end, 6)
    counted = [o for o in found if o.status != "abandoned"]
    live = [o for o in counted if o.live and since <= o.live < world.end]
    if frozen is None or not live:
        truth.missing(metric)
        return
    middle = _median(o.days(world.end) for o in live)
    running = [o for o in counted if o.live is None and o.days(world.end) > middle]
    now = _kaplan_meier([o.days(world.end) for o in live], [o.days(world.end) for o in running])
    truth.exact(metric, 100 * (now - frozen.value) / frozen.value, n=min(len(live), frozen.n))


def _kaplan_meier(ended: list[float], censored: list[float]) -> float:
    """The shortest time after which at most half are still running."""
    remaining = 1.0
    for days in sorted(set(ended)):
        at_risk = sum(d >= days for d in ended) + sum(d >= days for d in censored)
        remaining *= 1 - ended.count(days) / at_risk
        if remaining <= 0.5 + 1e-12:
            return days
    return math.inf


def _onboarded(world: World, knobs: Knobs) -> Iterator[Onboarding]:
    """Shops that opened before the programme, by the old way; all until they are connected."""
    rng = world.rng("work-onboarding")
    before, now = knobs.onboarding
    for number, shop in enumerate(world.shops):
        if world.start <= shop.opened_at < world.programme_start:
            took = round(before * float(np.exp(rng.normal(0, 0.15))), 3)
            yield Onboarding(shop, shop.opened_at - took * DAY, shop.opened_at, None)
        if shop.go_live:
            paused = 5.5 if number % 9 == 0 else None
            took = round(now * float(np.exp(rng.normal(0, 0.2))), 3) + (paused or 0.0)
            yield Onboarding(shop, shop.go_live - took * DAY, shop.go_live, paused)
    newest = world.shops[-4:]
    # still running for long, only just begun, given up, and live in the first moment after the end
    for nth, shop in enumerate(newest):
        if nth == 0:
            yield Onboarding(shop, world.end - 320 * DAY, None, 20.0, "running")
        elif nth == 1:
            yield Onboarding(shop, world.end - 3 * DAY, None, None, "running")
        elif nth == 2:
            yield Onboarding(shop, world.end - 500 * DAY, None, None, "abandoned")
        else:
            yield Onboarding(shop, world.end - 290 * DAY, None, None, "running")


# -- reports --------------------------------------------------------------------------------------

REPORTS = (
    "royalties", "sales_by_shop", "labour", "inventory", "marketing_fund", "compliance_summary",
    "owner_monthly", "forecast_review", "cash_flow", "reviews", "training", "audit_pack",
)  # fmt: skip
_HOURS = 30.0
"""Median hours to the first report before the programme; the others take longer."""


def _reports(world: World, facts: Facts, truth: Truth, observed: Observed, knobs: Knobs) -> None:
    """Each report twice a month by hand before the programme, six times a month since, and one that
    there was not before."""
    rng = world.rng("work-reports")
    runs: list[tuple[str, datetime, float]] = []
    for month in world.months:
        late = month >= world.programme_start
        length = (month + 32 * DAY).replace(day=1) - month
        for nth, key in enumerate((*REPORTS, "new_report") if late else REPORTS):
            for run in range(6 if late else 2):
                at = month if run == 0 else month + length * float(rng.random())
                at = at.replace(microsecond=0)
                hours = _HOURS * (1 + nth / 6) * float(np.exp(rng.normal(0, 0.1)))
                hours *= knobs.waited if late and key in REPORTS else 1.0
                runs.append((key, at, float(round(hours * 3600))))
    for nth, (key, at, seconds) in enumerate(runs):
        late = at >= world.programme_start
        facts.add(
            "report_run", run_id=f"work-{nth}", report_key=key, requested_at=at,
            available_at=at + timedelta(seconds=seconds), kind="scheduled" if late else "manual",
            automated=late,
        )  # fmt: skip
    last: dict[str, Any] = {
        "report_key": "royalties",
        "requested_at": world.end - 5 * DAY,
        "automated": True,
    }
    slow: dict[str, Any] = {"available_at": world.end - DAY, "kind": "scheduled"}
    facts.add("report_run", run_id="work-never", **last, kind="scheduled")
    facts.add("report_run", run_id="work-staging", environment="staging", **last, **slow)
    facts.add("report_run", run_id="work-synthetic", synthetic=True, **last, **slow)
    _tell_reports(world, truth, observed, runs)


def _tell_reports(
    world: World, truth: Truth, observed: Observed, runs: list[tuple[str, datetime, float]]
) -> None:
    metric = "reporting_generation_time"
    opens, closes = programme_year(world)
    before: dict[str, list[float]] = {}
    now: dict[str, list[float]] = {}
    last, end = _last_month(world)
    for key, at, seconds in runs:
        if opens <= at < closes:
            before.setdefault(key, []).append(seconds)
        if last <= at < end:
            now.setdefault(key, []).append(seconds)
    if not before:
        truth.missing(metric)
        return
    size = sum(map(len, before.values()))
    old = math.fsum(len(b) * _median(b) for b in before.values()) / size
    observed.frozen[metric, "network", "*", "programme"] = Frozen(old, size, opens, closes)
    shared = [key for key in before if key in now]
    waited = math.fsum(len(before[key]) * _median(now[key]) for key in shared)
    waited_before = math.fsum(len(before[key]) * _median(before[key]) for key in shared)
    n = min(sum(len(now[key]) for key in shared), size)
    truth.exact(metric, 100 * (waited / waited_before - 1), n=n)
