"""Operations of the simulated network: what its integrations, its API and its people on call did,
and what is therefore true of uptime, speed, errors, data and incidents."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from meterstone.sandbox.network import ops_incidents as incidents
from meterstone.sandbox.network import ops_sync as sync
from meterstone.sandbox.network import ops_traffic as traffic
from meterstone.sandbox.network import ops_watch as watch
from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.ops_days import performance
from meterstone.sandbox.network.ops_scene import Scene
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import World

_PERFORMANCE = "IntegrationPerformanceMetrics.target_metrics"
_HEALTH = "IntegrationHealthMonitor"
_API = "APIPerformanceAnalytics.track_rate_limiting_efficiency"
_ERRORS = "ErrorAnalyticsFramework"
_DASHBOARD = "OperationalDashboard.display_system_health"

MISSED = frozenset({
    f"{_PERFORMANCE}.integration_uptime",
    f"{_PERFORMANCE}.api_response_time_p95",
    f"{_PERFORMANCE}.data_synchronization_accuracy",
    f"{_PERFORMANCE}.webhook_delivery_success",
    f"{_PERFORMANCE}.error_recovery_time",
    f"{_PERFORMANCE}.concurrent_user_capacity",
    f"{_PERFORMANCE}.data_consistency_validation",
    f"{_HEALTH}.monitor_integration_status.overall_health_score",
    f"{_HEALTH}.validate_data_integrity.data_sync_status",
    f"{_HEALTH}.validate_data_integrity.consistency_checks",
    f"{_HEALTH}.validate_data_integrity.integrity_score",
    f"{_HEALTH}.validate_data_integrity.sync_lag",
    f"{_HEALTH}.validate_data_integrity.conflict_resolution",
    f"{_API}.throttling_efficiency",
    f"{_API}.queue_management",
    f"{_API}.priority_handling",
    f"{_ERRORS}.categorize_error_types.timeout_errors",
    f"{_ERRORS}.measure_resolution_efficiency.mean_time_to_resolution",
    f"{_ERRORS}.track_prevention_effectiveness.prevention_implementation",
    f"{_ERRORS}.track_prevention_effectiveness.proactive_monitoring",
    f"{_ERRORS}.track_prevention_effectiveness.predictive_detection",
    f"{_DASHBOARD}.overall_system_status",
    f"{_DASHBOARD}.integration_uptime",
    f"{_DASHBOARD}.api_performance",
    f"{_DASHBOARD}.data_synchronization",
})  # fmt: skip
"""Refs that the struggling network misses through its operations."""


@dataclass(frozen=True, slots=True)
class Operations:
    """What other domains need to know (``world.shared["operations"]``).

    Attributes:
        usage: authenticated calls of franchises, partners and developers in the last 30 days, by
            endpoint group.
        usage_days: days of the last 30 with such calls.
        inbound_by_day: served requests by day.
        mean_daily_requests: mean served requests a day in the last 30 days.
        successes, applied: served requests that succeeded, and changes applied, in the last month.
        fields_checked, fields_matched: fields compared between platforms in the last month.
        incidents: (start, seconds of customer impact, integration) of operational incidents.
        runs, writes: finished successful runs, and those that wrote records, as (connection id,
            time).
    """

    usage: dict[str, int]
    usage_days: int
    inbound_by_day: dict[date, int]
    mean_daily_requests: float
    successes: int
    applied: int
    fields_checked: int
    fields_matched: int
    incidents: list[tuple[object, float | None, str | None]]
    runs: list[tuple[str, object]]
    writes: list[tuple[str, object]]


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """All telemetry of operations, and the truth of five systems of the framework."""
    scene = Scene(world)
    calls = traffic.calls(scene) + watch.answered_gap(scene) if scene.named else []
    runs = sync.runs(scene)
    checks = sync.checks(scene)
    changes = sync.changes(scene)
    hooks = sync.webhooks(scene)
    probes = watch.probes(scene)
    found = incidents.incidents(scene)
    warned = incidents.alarms(scene, found)
    actions = incidents.actions(scene)
    samples = traffic.samples(scene)
    decisions = traffic.decisions(scene)
    if scene.named:
        traffic.write_calls(scene, facts, calls)
        traffic.write_decisions(facts, decisions)
        traffic.write_samples(facts, samples)
        sync.write_runs(scene, facts, runs)
        sync.write_checks(facts, checks)
        sync.write_changes(facts, changes)
        sync.write_webhooks(facts, hooks)
        watch.write_probes(scene, facts, probes)
        incidents.write_incidents(scene, facts, found, warned)
        incidents.write_actions(facts, actions)
    traffic.load_tests(scene, facts, truth)
    traffic.tell_calls(scene, truth, calls)
    resolved = [(x.cause, x.resolved) for x in found
                if x.cause and x.resolved and x.environment == "production"]  # fmt: skip
    traffic.tell_recurring(scene, truth, calls, resolved)
    traffic.tell_decisions(scene, truth, decisions, traffic.tell_samples(scene, truth, samples))
    sync.tell_state(scene, truth, runs)
    sync.tell_checks(scene, truth, runs, checks)
    sync.tell_changes(scene, truth, changes)
    sync.tell_webhooks(scene, truth, hooks)
    watch.tell_watch(scene, truth, probes, calls, runs, incidents.troubles(found))
    watch.tell_recovery(scene, truth, probes, calls)
    incidents.tell_incidents(scene, truth, found, warned)
    incidents.tell_actions(scene, truth, actions)
    _tell_time(scene, truth)
    if world.preset.story == "struggling":
        truth.missed |= MISSED
    if world.preset.large:
        world.shared["performance"] = performance(scene, calls, runs, checks, hooks, probes)
    world.shared["operations"] = _known(scene, calls, runs, checks, changes, found)
    _share(scene, calls, runs, found)


def _share(
    scene: Scene,
    calls: list[traffic.Call],
    runs: list[sync.Run],
    found: list[incidents.Incident],
) -> None:
    """What other domains look at: days with a successful sync by connection, authenticated calls
    by day and endpoint group and the newest of each developer, incidents."""
    days: dict[str, set[date]] = defaultdict(set)
    for run in runs:
        if run.status == "success" and scene.within(run.finished, 30):
            days[run.connection.id].add(run.finished.date())
    api: dict[tuple[date, str], int] = defaultdict(int)
    newest: dict[str, datetime] = {}
    for c in calls:
        if not c.inbound or c.error_class == "authentication" or c.at >= scene.end:
            continue
        if c.consumer in ("franchise", "partner", "developer"):
            api[c.at.date(), c.group] += c.count
        if c.developer:
            newest[c.developer] = max(c.at, newest.get(c.developer, c.at))
    scene.world.shared |= {
        "sync_days": dict(days),
        "api_calls": dict(api),
        "developer_calls": newest,
        "incidents": [
            (x.integration, x.started, x.impact, x.severity) for x in found if x.operational
        ],
    }


def _tell_time(scene: Scene, truth: Truth) -> None:
    """What is judged over days: trends, the success of the group."""
    if not scene.named:
        for metric in (
            "response_time_trend",
            "error_rate_trend",
            "integration_performance_success",
        ):
            truth.missing(metric)
        return
    days = min(28, scene.days, scene.knobs.traffic_days)
    verdict = None if days >= 21 else "insufficient_data"
    truth.exact("response_time_trend", "improving", n=days, verdict=verdict)
    truth.exact("error_rate_trend", "decreasing", n=days, verdict=verdict)
    truth.exact("integration_performance_success", _all_met(scene))


def _all_met(scene: Scene) -> bool:
    """The hub published what was met on each of the last thirty days (see `programme`)."""
    return scene.world.preset.story == "thriving"


def _known(
    scene: Scene,
    calls: list[traffic.Call],
    runs: list[sync.Run],
    checks: list[sync.Check],
    changes: list[sync.Change],
    found: list[incidents.Incident],
) -> Operations:
    month = (scene.end - timedelta(days=1)).replace(day=1)

    def in_month(at: object) -> bool:
        return at is not None and month <= at < scene.end  # type: ignore[operator]

    served = [c for c in calls if c.inbound and scene.within(c.at, 30)]
    by_day: dict[date, int] = defaultdict(int)
    for c in calls:
        if c.inbound:
            by_day[c.at.date()] += c.count
    used = [
        c for c in served
        if c.consumer in ("franchise", "partner", "developer") and c.error_class != "authentication"
    ]  # fmt: skip
    compared = [x for x in checks if in_month(x.at) and x.integration != x.platform]
    return Operations(
        usage={
            group: traffic.total(c for c in used if c.group == group)
            for group in sorted({c.group for c in used})
        },
        usage_days=len({c.at.date() for c in used}),
        inbound_by_day=by_day,
        mean_daily_requests=traffic.total(served) / 30,
        successes=traffic.total(
            c for c in calls
            if c.inbound and c.eligible and c.outcome == "success" and in_month(c.at)
        ),
        applied=sum(s.status == "applied" and in_month(s.applied) for s in changes),
        fields_checked=sum(8 * x.checked for x in compared),
        fields_matched=sum(8 * x.checked - x.fields_wrong for x in compared),
        incidents=[(x.started, x.impact, x.integration) for x in found if x.operational],
        runs=[(r.connection.id, r.finished) for r in runs if r.status == "success"],
        writes=[
            (r.connection.id, r.finished) for r in runs if r.status == "success" and r.written
        ],
    )  # fmt: skip
