"""The programme of the simulated network: what its hub published, and what is true of cadences,
milestones and the executive dashboard. Runs last: it rests on what is true elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterstone.sandbox.network import ops_sync
from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.market_knobs import KNOBS as MARKET
from meterstone.sandbox.network.ops_days import Days
from meterstone.sandbox.network.ops_scene import Scene
from meterstone.sandbox.network.people_surveys import Surveys
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.shops import CAPABILITIES
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, Integration, World

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

LEAVES: dict[str, tuple[str, ...]] = {
    "RevenueGrowthMetrics": (
        "franchise_network_revenue_increase", "premium_service_adoption",
        "enterprise_client_acquisition", "average_revenue_per_franchise",
        "integration_consulting_revenue",
    ),
    "MarketPositionMetrics": (
        "market_share_growth", "competitive_differentiation", "industry_recognition",
        "customer_retention_rate", "brand_awareness_increase",
    ),
    "IntegrationPerformanceMetrics": (
        "integration_uptime", "api_response_time_p95", "data_synchronization_accuracy",
        "webhook_delivery_success", "error_recovery_time", "concurrent_user_capacity",
        "data_consistency_validation",
    ),
    "SecurityComplianceMetrics": (
        "oauth_compliance_rate", "security_incident_count", "vulnerability_scan_score",
        "compliance_audit_success", "data_encryption_coverage", "audit_trail_completeness",
        "penetration_test_score",
    ),
    "CustomerSatisfactionMetrics": (
        "franchise_owner_satisfaction", "platform_ease_of_use", "integration_value_perception",
        "support_satisfaction", "feature_adoption_rate", "user_engagement_increase",
        "customer_success_stories",
    ),
    "OperationalEfficiencyMetrics": (
        "manual_data_entry_reduction", "cross_platform_accuracy", "franchise_onboarding_time",
        "administrative_overhead", "reporting_generation_time", "compliance_automation",
        "decision_making_speed",
    ),
}  # fmt: skip
"""The leaves that the hub reports on, by system."""

EVENTS = ("penetration_test_score", "compliance_audit_success")
"""Leaves of security that are events: the live stream does without them."""

_PERFORMANCE = "IntegrationPerformanceMetrics"
_SECURITY = "SecurityComplianceMetrics"
_SATISFACTION = "CustomerSatisfactionMetrics"
_EFFICIENCY = "OperationalEfficiencyMetrics"
_CADENCES = {
    "RevenueGrowthMetrics": "revenue_growth_cadence",
    "MarketPositionMetrics": "market_position_cadence",
    _PERFORMANCE: "integration_performance_cadence",
    _SECURITY: "security_cadence",
    _SATISFACTION: "satisfaction_cadence",
    _EFFICIENCY: "efficiency_cadence",
}
_PHASE_1 = "PhaseSuccessValidator.validate_phase_1_success"
_PHASE_2 = "PhaseSuccessValidator.validate_phase_2_success"
_FINAL = "PhaseSuccessValidator.validate_final_success"
_COMPLETE_AT = {
    "franconnect": f"{_PHASE_1}.franconnect_integration",
    "fransmart": f"{_PHASE_1}.fransmart_integration",
    "ifpg": f"{_PHASE_1}.ifpg_integration",
    "clover": f"{_PHASE_2}.clover_integration",
    "tableau": f"{_PHASE_2}.tableau_integration",
    "powerbi": f"{_PHASE_2}.powerbi_integration",
}
_DASHBOARD = "ExecutiveDashboard.generate_executive_summary"


@dataclass(frozen=True, slots=True)
class Knobs:
    """How the hub publishes in a story.

    Attributes:
        late: the monthly report of revenue, one leaf, newest due month: a second late.
        skipped: no deep dive of the satisfaction with support in the newest due quarter.
        daily: the hub publishes daily and live reports of the performance.
        live_from: on how many of the last days the live stream of security runs.
        months: for how many closed months reports exist; None since the programme began.
    """

    late: bool = False
    skipped: bool = False
    daily: bool = True
    live_from: int = 220
    months: int | None = None


KNOBS = {
    "thriving": Knobs(),
    "struggling": Knobs(late=True, skipped=True),
    "honest": Knobs(late=True, skipped=True, daily=False, live_from=40, months=2),
}

METRICS = (
    *_CADENCES.values(), "business_health_score",
    "competitive_differentiation_state", "franchise_network_growth",
    "franchise_technology_leader_award",
    "phase_1_data_synchronization", "phase_1_performance_targets", "universal_framework",
    "technical_excellence", "business_impact", "customer_satisfaction_milestone",
    "market_leadership", "unassailable_lead", "integration_complete", "square_enhancement",
)  # fmt: skip
"""Metrics whose truth is said here."""


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Publications of the hub, and what is true of them and of the milestones."""
    if not world.shops:
        for metric in METRICS[:-2]:
            truth.missing(metric)
        for key in _COMPLETE_AT:
            truth.missing("integration_complete", scope="integration", key=key)
        truth.missing("square_enhancement", scope="integration", key="square")
        return
    hub = Hub(world, facts, truth)
    hub.publish()
    hub.tell()
    _tell_dashboard(world, truth)
    _tell_phases(world, truth)
    _tell_final(world, truth)


# -- what was published ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """One result in a report: of a leaf, for the period that ends at ``end``."""

    system: str
    leaf: str
    report: str
    start: datetime
    end: datetime
    published: datetime


class Hub:
    """Publishes reports on schedule, and knows which of them came in time."""

    def __init__(self, world: World, facts: Facts, truth: Truth) -> None:
        self._world = world
        self._facts = facts
        self._truth = truth
        self._knobs = KNOBS[world.preset.story]
        self._reports: list[Report] = []
        self._live: dict[str, set[datetime]] = {}
        """Moments of the live stream, by system."""

    def publish(self) -> None:
        """Write what was published."""
        ends = self._month_ends()
        for system in LEAVES:
            if system in ("MarketPositionMetrics", _PERFORMANCE):
                continue
            for end in ends:
                self._publish(system, "monthly", months_before(end, 1), end, 10 * DAY)
        for end in (end for end in ends if end.month % 3 == 1):
            start = months_before(end, 3)
            self._publish("MarketPositionMetrics", "quarterly", start, end, 30 * DAY)
            self._publish(_SATISFACTION, "deep_dive", start, end, 30 * DAY)
            self._publish(_EFFICIENCY, "business_impact", start, end, 30 * DAY)
        if self._knobs.daily:
            end = self._world.telemetry_start + DAY
            while end <= self._world.end:
                self._publish(_PERFORMANCE, "daily", end - DAY, end, 8 * HOUR)
                end += DAY
        self._write()
        self._stream()

    def _month_ends(self) -> list[datetime]:
        """Ends of the months that were reported on and are due, oldest first."""
        begun = self._world.programme_start
        if self._knobs.months is not None:
            begun = months_before(self._world.end, self._knobs.months + 1)
        ends, end = [], months_before(self._world.end, 0)
        while end > begun:
            ends.append(end)
            end = months_before(end, 1)
        return ends[::-1]

    def _publish(
        self, system: str, report: str, start: datetime, end: datetime, within: timedelta
    ) -> None:
        """One report of a system, exactly as late as it may be; nothing before it is due."""
        if end + within > self._world.end:
            return
        months = {"monthly": 1, "daily": 0}.get(report, 3)
        newest = months > 0 and [end] == self._due_ends(months, within, 1)
        for nth, leaf in enumerate(LEAVES[system]):
            published = end + within
            if newest and report == "monthly" and system == "RevenueGrowthMetrics" and nth == 2:
                published += timedelta(seconds=self._knobs.late)
            skipped = newest and report == "deep_dive" and leaf == "support_satisfaction"
            if not (skipped and self._knobs.skipped):
                self._reports.append(Report(system, leaf, report, start, end, published))

    def _write(self) -> None:
        """metric_result rows; several reports of one period are revisions of one result."""
        seen: dict[tuple[str, datetime], int] = {}
        for found in self._reports:
            ref = f"{found.system}.target_metrics.{found.leaf}"
            version = seen[ref, found.end] = seen.get((ref, found.end), 0) + 1
            self._facts.add(
                "metric_result", version=version, ref=ref, metric_id=found.leaf, scope="network",
                scope_key="*", period_start=found.start, period_end=found.end,
                computed_at=found.published, published_at=found.published, report=found.report,
                **self._result(found),
            )  # fmt: skip

    def _result(self, found: Report) -> dict[str, object]:
        """Daily reports carry the result of the leaf on that day; of the others only the time
        counts."""
        if found.report != "daily":
            return {"n": 0, "verdict": "no_data"}
        days: Days = self._world.shared["performance"]
        day = days[found.leaf][(found.start - self._world.telemetry_start) // DAY]
        if day.value is None:
            return {"n": 0, "verdict": "not_applicable"}
        verdict = "met" if day.met else "not_met"
        return {"value": float(day.value), "n": day.n, "verdict": verdict}

    def _stream(self) -> None:
        """Live results: of performance every minute (ten of a day are lost), of security every hour
        of the day."""
        if self._knobs.daily:
            count = (self._world.end - self._world.telemetry_start) // MINUTE
            minutes = [
                self._world.telemetry_start + n * MINUTE for n in range(count) if n % 1440 >= 10
            ]
            self._stream_of(_PERFORMANCE, LEAVES[_PERFORMANCE], minutes, timedelta(seconds=12))
        since = self._world.end - self._knobs.live_from * DAY
        hours = [since + n * HOUR for n in range(24 * self._knobs.live_from)]
        leaves = [leaf for leaf in LEAVES[_SECURITY] if leaf not in EVENTS]
        self._stream_of(_SECURITY, leaves, hours, 31 * MINUTE)

    def _stream_of(
        self, system: str, leaves: Sequence[str], slots: Sequence[datetime], after: timedelta
    ) -> None:
        self._live[system] = set(slots)
        times = [slot + after for slot in slots]
        for leaf in leaves:
            self._facts.extend(
                "metric_result",
                {
                    "ref": f"{system}.target_metrics.{leaf}", "metric_id": leaf,
                    "scope": "network", "scope_key": "*", "period_start": slots,
                    "period_end": times, "computed_at": times, "published_at": times,
                    "report": "live", "verdict": "no_data", "n": 0,
                },
            )  # fmt: skip

    # -- what is true of it ------------------------------------------------------------------------

    def tell(self) -> None:
        """How much of what was due came in time, by the schedule of each system."""
        monthly = self._due_ends(1, 10 * DAY, 3)
        quarter = self._due_ends(3, 30 * DAY, 1)
        year = self._due_ends(3, 30 * DAY, 4)
        months = len(self._known(monthly))
        self._tell("RevenueGrowthMetrics", *self._pairs("monthly", monthly, 10 * DAY), months, 3)
        quarters = len(self._known(year))
        self._tell("MarketPositionMetrics", *self._pairs("quarterly", year, 30 * DAY), quarters, 2)
        for system, report in ((_SATISFACTION, "deep_dive"), (_EFFICIENCY, "business_impact")):
            done = self._whole(system, "monthly", monthly, 10 * DAY)
            done += self._whole(system, report, quarter, 30 * DAY)
            self._tell(system, len(done), sum(done), len(done), 4)
        days = self._known([self._world.end - n * DAY for n in range(29, -1, -1)])
        daily = [end for end in days if end + 8 * HOUR <= self._world.end]
        on_time = sum(self._whole(_PERFORMANCE, "daily", daily, 8 * HOUR))
        on_time += sum(self._is_live(_PERFORMANCE, end, MINUTE, 0.99) for end in days)
        self._tell(_PERFORMANCE, len(daily) + len(days), on_time, len(days), 30)
        span = (self._world.end - months_before(self._world.end, 3)) // DAY
        days = self._known([self._world.end - n * DAY for n in range(span - 1, -1, -1)])
        on_time = sum(self._whole(_SECURITY, "monthly", monthly, 10 * DAY))
        on_time += sum(self._is_live(_SECURITY, end, HOUR, 1.0) for end in days)
        self._tell(_SECURITY, len(days) + months, on_time, months, 3)

    @property
    def _first(self) -> datetime:
        """The end of the first period that was ever reported on."""
        live = [min(slots) + MINUTE for slots in self._live.values() if slots]
        return min([report.end for report in self._reports] + live)

    def _known(self, ends: Sequence[datetime]) -> list[datetime]:
        return [end for end in ends if end >= self._first]

    def _due_ends(self, months: int, within: timedelta, last: int) -> list[datetime]:
        """Ends of the newest calendar periods whose time limit has passed."""
        end = self._world.end
        while (end.month - 1) % months or end + within > self._world.end:
            end = months_before(end, 1)
        return [months_before(end, months * n) for n in range(last - 1, -1, -1)]

    def _in_time(self, system: str, report: str, end: datetime, within: timedelta) -> set[str]:
        return {
            found.leaf
            for found in self._reports
            if (found.system, found.report, found.end) == (system, report, end)
            and found.published <= end + within
        }

    def _pairs(self, report: str, ends: Sequence[datetime], within: timedelta) -> tuple[int, int]:
        system = "RevenueGrowthMetrics" if report == "monthly" else "MarketPositionMetrics"
        known = self._known(ends)
        due = len(known) * len(LEAVES[system])
        return due, sum(len(self._in_time(system, report, end, within)) for end in known)

    def _whole(
        self, system: str, report: str, ends: Sequence[datetime], within: timedelta
    ) -> list[bool]:
        return [
            len(self._in_time(system, report, end, within)) == len(LEAVES[system])
            for end in self._known(ends)
        ]

    def _is_live(self, system: str, end: datetime, slot: timedelta, least: float) -> bool:
        slots = self._live.get(system, set())
        count = DAY // slot
        covered = sum(end - DAY + n * slot in slots for n in range(count))
        return covered >= least * count

    def _tell(self, system: str, due: int, on_time: int, n: int, least: int) -> None:
        metric = _CADENCES[system]
        if due == 0:
            self._truth.missing(metric)
            return
        value = 100 * on_time / due
        self._truth.exact(metric, value, n=n, verdict="insufficient_data" if n < least else None)
        if value < 100 and self._world.preset.story == "struggling":
            self._truth.missed.add(f"{system}.measurement_frequency")


# -- the dashboard ---------------------------------------------------------------------------------

_HEALTH = {
    # metric: its target, and the smallest sample that is judged
    "network_revenue_growth": (25.0, 10),
    "customer_retention_rate": (98.0, 50),
    "franchise_owner_satisfaction": (95.0, 100),
    "integration_uptime": (99.9, 30),
    "roi_percentage": (242.0, 12),
}


def _tell_dashboard(world: World, truth: Truth) -> None:
    now = len(world.active_shops(world.end))
    before = len(world.active_shops(months_before(world.end, 12)))
    if before:
        truth.exact("franchise_network_growth", 100 * (now - before) / before, n=before)
    else:
        truth.missing("franchise_network_growth")
    _tell_health(world, truth)
    _tell_difference(world, truth)
    leader = MARKET[world.preset.story].leader
    if leader:
        truth.exact("franchise_technology_leader_award", True)
    else:
        # other recognition is on record: the register is kept
        truth.exact("franchise_technology_leader_award", False)


def _tell_health(world: World, truth: Truth) -> None:
    """Mean attainment of five results; no score without a verdict of each of them."""
    total, decided = 0.0, 0
    for metric, (target, least) in _HEALTH.items():
        known = truth.of(metric)
        if known.value is None or isinstance(known.value, str):
            continue
        if known.verdict in ("insufficient_data", "expired", "no_data"):
            continue
        if known.n is not None and known.n < least:
            continue
        decided += 1
        total += 20 * max(0.0, min(1.0, float(known.value) / target))
    if decided < len(_HEALTH):
        truth.missing("business_health_score", "insufficient_data" if decided else "no_data")
        return
    truth.exact("business_health_score", total, n=decided)
    if total < 98 and world.preset.story == "struggling":
        truth.missed.add(f"{_DASHBOARD}.business_health_score")


def _tell_difference(world: World, truth: Truth) -> None:
    """In how many of the last four quarters the own catalogue was larger than all others, half of
    the features unmatched, and customers more content than those of competitors."""
    knobs = MARKET[world.preset.story]
    own, *rivals = knobs.satisfied
    content = own > sum(rivals) / len(rivals)
    unmatched = 1 - 1 / knobs.offered_every >= 0.5
    held = []
    for back in range(4):
        end = months_before(world.end, 3 * back)
        listed = sum(i.live is not None and i.live < end for i in world.integrations)
        held.append(listed > max(knobs.catalogues) and content and unmatched)
    if all(held):
        word = "sustainable_differentiation"
    elif held[0] and sum(held) >= 2:
        word = "differentiation"
    else:
        word = "partial" if held[0] or content or unmatched else "none"
    truth.exact("competitive_differentiation_state", word)


# -- the phases ------------------------------------------------------------------------------------


def _tell_phases(world: World, truth: Truth) -> None:
    scene = Scene(world)
    complete = _Complete(scene)
    by_key = {i.key: i for i in scene.named}
    for key, ref in _COMPLETE_AT.items():
        integration = by_key.get(key)
        reached, days = complete.reached(integration)
        said = _told(reached is not None, days, 14)
        truth.exact("integration_complete", reached is not None, scope="integration", key=key,
                    verdict=said)  # fmt: skip
        if reached is None:
            _miss(world, truth, ref)
    _tell_square(world, truth, scene, complete)
    _tell_in_time(world, truth, scene)
    live = [i for i in world.integrations if i.live and i.live < world.end]
    broad = len(live) >= 10 and len({i.category for i in live}) >= 4
    truth.exact(
        "universal_framework", broad, n=len(live),
        verdict=_told(broad, len(live), 10),
    )  # fmt: skip
    _tell_performance(world, truth)


def _told(holds: bool, n: float, least: int) -> str:
    if n < least:
        return "insufficient_data"
    return "met" if holds else "not_met"


def _miss(world: World, truth: Truth, ref: str) -> None:
    if world.preset.story == "struggling":
        truth.missed.add(ref)


class _Complete:
    """On which days an integration was complete, from its runs and comparisons."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._runs: dict[tuple[str, datetime], list[bool]] = {}
        for run in ops_sync.runs(scene):
            day = _day(run.finished)
            self._runs.setdefault((run.key, day), []).append(run.status == "success")
        self._lost: dict[tuple[str, datetime], int] = {}
        for check in ops_sync.checks(scene):
            at = (check.integration, _day(check.at))
            self._lost[at] = self._lost.get(at, 0) + check.missing + check.left

    def reached(self, integration: Integration | None) -> tuple[int | None, int]:
        """The number of the first day that ends 14 complete ones in a row, and how many days could
        be decided."""
        words = [self.on(integration, nth) for nth in range(self._scene.days)]
        first = first_run(words, 14)
        return first, sum(word is not None for word in words)

    def on(self, integration: Integration | None, nth: int) -> bool | None:
        """Whether it was complete on a day of the telemetry; None where there is no record."""
        scene = self._scene
        day = scene.start + nth * DAY
        end = day + DAY
        if integration is None or integration.live is None or integration.live >= end:
            return False
        required = CAPABILITIES.get(integration.key, "records").split(",")
        honest = scene.world.preset.story == "honest"
        if honest and integration.key == "clover":
            required.append("loyalty")
        able = set(required) <= set(CAPABILITIES.get(integration.key, "records").split(","))
        connected = any(c.is_live(end) for c in scene.connections_of(integration))
        runs = self._runs.get((integration.key, day))
        lost = self._lost.get((integration.key, day))
        if not (integration.certified and able and connected):
            return False
        if runs is not None and sum(runs) < 0.99 * len(runs):
            return False
        if lost:
            return False
        return None if runs is None or lost is None else True


def _day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def first_run(words: Sequence[bool | None], length: int) -> int | None:
    """Index of the last element of the first run of true ones that is long enough."""
    run = 0
    for index, word in enumerate(words):
        run = run + 1 if word else 0
        if run >= length:
            return index
    return None


def _tell_square(world: World, truth: Truth, scene: Scene, complete: _Complete) -> None:
    """Complete, enhanced, and an inbound webhook was delivered on each of 14 days."""
    integration = next((i for i in scene.named if i.key == "square"), None)
    first, days = complete.reached(integration)
    hooked = {
        _day(hook.created)
        for hook in ops_sync.webhooks(scene)
        if hook.integration == "square" and hook.direction == "in" and hook.status == "delivered"
    }
    words: list[bool | None] = [
        first is not None and nth >= first and scene.start + nth * DAY in hooked
        for nth in range(scene.days)
    ]
    reached = first_run(words, 14) is not None
    truth.exact(
        "square_enhancement", reached, scope="integration", key="square",
        verdict=_told(reached, days, 14),
    )  # fmt: skip
    if not reached:
        _miss(world, truth, f"{_PHASE_2}.square_enhancement")


def _tell_in_time(world: World, truth: Truth, scene: Scene) -> None:
    """Changes of the three franchise platforms arrive within two seconds on 14 days, at least 100
    of each in that time."""
    keys = ("franconnect", "fransmart", "ifpg")
    rows = [c for c in ops_sync.changes(scene) if c.key in keys and c.status == "applied"]
    late: set[tuple[str, datetime]] = set()
    counts: dict[tuple[str, datetime], int] = {}
    for change in rows:
        at = (change.key, _day(change.changed))
        counts[at] = counts.get(at, 0) + 1
        if change.lag is None or change.lag > 2:
            late.add(at)
    days = [scene.start + nth * DAY for nth in range(scene.days)]
    words: list[bool | None] = [
        all(counts.get((key, day), 0) > 0 and (key, day) not in late for key in keys)
        for day in days
    ]
    enough = [
        all(sum(counts.get((key, d), 0) for d in days[max(0, nth - 13) : nth + 1]) >= 100
            for key in keys)
        for nth in range(len(days))
    ]  # fmt: skip
    held = [
        all(words[max(0, nth - 13) : nth + 1]) and nth >= 13 and enough[nth]
        for nth in range(len(days))
    ]
    reached = any(held)
    decided = sum(any(counts.get((key, day), 0) for key in keys) for day in days[-14:])
    if not decided:
        truth.missing("phase_1_data_synchronization")
        return
    truth.exact("phase_1_data_synchronization", reached, verdict=_told(reached, decided, 14))
    if not reached:
        _miss(world, truth, f"{_PHASE_1}.data_synchronization")


def _tell_performance(world: World, truth: Truth) -> None:
    """The daily results were published: met and better than asked for on thirty days, or not."""
    story = world.preset.story
    missed = any(
        f"{_PERFORMANCE}.target_metrics.{leaf}" in truth.missed for leaf in LEAVES[_PERFORMANCE]
    )
    exceeded = story == "thriving" and not missed
    truth.exact("phase_1_performance_targets", exceeded, verdict=_told(exceeded, 30, 30))
    if not exceeded:
        _miss(world, truth, f"{_PHASE_1}.performance_targets")
    if truth.of("integration_performance_success").value is False:
        _miss(world, truth, f"{_PERFORMANCE}.success_threshold")


# -- final validation ------------------------------------------------------------------------------


def _tell_final(world: World, truth: Truth) -> None:
    scene = Scene(world)
    lasting = world.preset.story == "thriving" and scene.long
    if world.preset.story == "honest":
        truth.missing("technical_excellence")
    else:
        said = None if scene.long else "insufficient_data"
        truth.exact("technical_excellence", lasting, verdict=said)
    if not lasting:
        _miss(world, truth, f"{_FINAL}.technical_excellence")
    _repeat(truth, "revenue_growth_success", "business_impact")
    _repeat(truth, "market_position_success", "market_leadership")
    _tell_owners(world, truth)
    _tell_lead(world, truth)
    for metric, leaf in (
        ("business_impact", "business_impact"), ("market_leadership", "market_leadership"),
        ("customer_satisfaction_milestone", "customer_satisfaction"),
        ("unassailable_lead", "competitive_advantage"),
    ):  # fmt: skip
        if truth.of(metric).value is False:
            _miss(world, truth, f"{_FINAL}.{leaf}")


def _repeat(truth: Truth, asked: str, metric: str) -> None:
    """A milestone that is another result, dated."""
    known = truth.of(asked)
    if known.value is None:
        truth.missing(metric, known.verdict or "no_data")
        return
    truth.exact(metric, known.value, verdict=known.verdict)


def _tell_owners(world: World, truth: Truth) -> None:
    """Whether owners were surely content at three month ends in a row since the programme began."""
    surveys: Surveys = world.shared["surveys"]
    ends: list[datetime] = []
    end = world.end
    while end > world.programme_start and len(ends) < 60:
        ends.append(end)
        end = months_before(end, 1)
    words = [_content(surveys, at) for at in reversed(ends)]
    decided = sum(word is not None for word in words)
    if not decided:
        truth.missing("customer_satisfaction_milestone")
        return
    reached = first_run(words, 3) is not None
    truth.exact("customer_satisfaction_milestone", reached, verdict=_told(reached, decided, 3))


_Z = 1.959963984540054


def _content(surveys: Surveys, at: datetime) -> bool | None:
    """Whether the lower 95 % bound of the share of content owners is at least 95 %; None where it
    cannot be judged."""
    wave = surveys.newest("owner_satisfaction", at)
    if wave is None:
        return None
    answers = surveys.of_franchises(wave, at, "overall")
    if len(answers) < 100 or surveys.response(wave, at) < 0.3:
        return None
    n, people = len(answers), wave.population
    share = sum((answer.score or 0) >= 4 for answer in answers) / n
    if n >= people:
        return share >= 0.95
    size = n * (people - 1) / (people - n)
    middle = share + _Z**2 / (2 * size)
    half = _Z * math.sqrt(share * (1 - share) / size + _Z**2 / (4 * size**2))
    return (middle - half) / (1 + _Z**2 / size) >= 0.95


def _tell_lead(world: World, truth: Truth) -> None:
    """The first in eight quarters, and nobody who gains fast enough to close the lead."""
    knobs = MARKET[world.preset.story]

    def own(back: int) -> float:
        return knobs.share * 1.02 / knobs.share_growth**back

    best = max(knobs.rivals)
    ranked = all(own(back) > best for back in range(min(8, knobs.quarters)))
    lead = knobs.quarters >= 8 and ranked and knobs.share_growth > 1
    n = min(8, knobs.quarters)
    truth.exact("unassailable_lead", lead, n=n, verdict=_told(lead, n, 8))
