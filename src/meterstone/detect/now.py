"""The document of now, made of what the watch has in memory and of a few bounded queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from meterstone.detect.feed import Feed, utc
from meterstone.detect.rules import Scene
from meterstone.detect.state import (
    BudgetNow,
    DrillsNow,
    ErrorsNow,
    Health,
    IntegrationNow,
    Now,
    OpenIncident,
    QueueNow,
    SignalNow,
)
from meterstone.ledger import Alert, Change, Drill, Incident
from meterstone.measure.compile import literal
from meterstone.warehouse.base import Warehouse

_HOUR = timedelta(hours=1)
_HEALTH: dict[str, Health] = {
    "down": "down", "broken": "broken", "calls_fail": "failing", "slow": "late",
    "throttled": "late", "refused": "failing", "webhooks_missing": "late", "silent": "quiet",
}  # fmt: skip
_WORST: tuple[Health, ...] = ("broken", "down", "failing", "late", "quiet", "paused", "healthy")


def integrations(scene: Scene, alerts: Sequence[Alert]) -> tuple[IntegrationNow, ...]:
    """How each connected integration is."""
    return tuple(_integration(scene, key, alerts) for key in sorted(scene.shops))


def _integration(scene: Scene, key: str, alerts: Sequence[Alert]) -> IntegrationNow:
    own = [a for a in alerts if a.integration == key and a.fired_at is not None]
    calls = scene.feed.of("calls", key)
    good, total = calls.counts.sum(scene.now, _HOUR.total_seconds())
    runs = [run.at for run in scene.feed.runs.values() if run.integration == key]
    health, worst = _health(own)
    if health == "healthy" and not total and not runs:
        health = "quiet"
    hooks_good, hooks = scene.feed.of("webhooks", key).counts.sum(scene.now, 86400)
    return IntegrationNow(
        integration=key, name=scene.around.name(key), health=health,
        since=worst.started_at if worst else None, says=worst.says if worst else "",
        next=worst.next if worst else "", connections=scene.shops[key].connections,
        shops_affected=len(worst.franchises) if worst else 0,
        success=good / total if total else None, last_data_at=max(runs, default=None),
        webhooks=int(hooks) if hooks else None,
        webhooks_missed=int(hooks - hooks_good) if hooks else None,
    )  # fmt: skip


def _health(own: Sequence[Alert]) -> tuple[Health, Alert | None]:
    marked: list[tuple[Health, Alert]] = [
        ("paused" if alert.silenced_by else _HEALTH.get(alert.rule, "failing"), alert)
        for alert in own
    ]
    return min(marked, key=lambda each: _WORST.index(each[0]), default=("healthy", None))


def open_incidents(found: Sequence[Incident]) -> tuple[OpenIncident, ...]:
    """Incidents that last, as the document shows them."""
    return tuple(
        OpenIncident(
            id=each.id, kind=each.kind, severity=each.severity, title=each.title,
            integration=each.integration, started_at=each.started_at,
            detected_at=each.detected_at, fault=each.fault, cause_key=each.cause_key,
            franchises=tuple(each.franchises), says=each.says, next=each.next,
            acknowledged_by=each.acknowledged_by,
        )
        for each in found
    )  # fmt: skip


def queue(change: Change, now: datetime, feed: Feed) -> QueueNow:
    """The job queue, and what vendors refused in the last hour."""
    counts = change.queue.counts()
    due = change.queue.next_due()
    late = max(0.0, (now - due).total_seconds()) if due else None
    throttled = 0.0
    for key in feed.keys("turns"):
        good, total = feed.of("turns", key).counts.sum(now, _HOUR.total_seconds())
        throttled += total - good
    return QueueNow(
        waiting=counts.get("waiting", 0), running=counts.get("running", 0),
        buried=counts.get("dead", 0), oldest_s=late, throttled=int(throttled),
        throttled_wait_s=0.0,
    )  # fmt: skip


def signals(
    warehouse: Warehouse, now: datetime
) -> tuple[tuple[SignalNow, ...], tuple[ErrorsNow, ...]]:
    """Golden signals by endpoint group and failures by class: rows of the last hour alone."""
    source = (
        f"(SELECT * FROM {warehouse.relation('api_request', None)} AS k "
        f'WHERE "at" >= {literal(now - _HOUR)} AND "at" <= {literal(now)} '
        "AND environment = 'production' AND NOT synthetic)"
    )
    groups = warehouse.query(
        "SELECT endpoint_group AS g, sum(count) AS n, "
        "sum(count) FILTER (WHERE outcome = 'success') AS good, "
        f"quantile_cont(duration_ms, 0.95) AS p95 FROM {source} GROUP BY ALL ORDER BY g"
    ).to_pylist()
    minutes = warehouse.query(
        "SELECT endpoint_group AS g, date_trunc('minute', \"at\") AS m, "
        f"quantile_cont(duration_ms, 0.95) AS p95 FROM {source} GROUP BY ALL"
    ).to_pylist()
    by_minute = {(row["g"], utc(row["m"])): row["p95"] for row in minutes}
    newest = now.replace(second=0, microsecond=0)
    slots = [newest - timedelta(minutes=59 - n) for n in range(60)]
    made = tuple(
        SignalNow(
            group=row["g"], title=row["g"].replace("_", " "), requests=int(row["n"]),
            per_minute=float(row["n"]) / 60, success=float(row["good"] or 0) / float(row["n"]),
            p95_ms=row["p95"], target_ms=None,
            p95_by_minute=tuple(by_minute.get((row["g"], slot)) for slot in slots),
        )
        for row in groups
    )  # fmt: skip
    errors = warehouse.query(
        "SELECT error_class AS c, fault AS f, CAST(sum(count) AS BIGINT) AS n "
        f"FROM {source} WHERE outcome <> 'success' GROUP BY ALL ORDER BY n DESC, c, f"
    ).to_pylist()
    return made, tuple(
        ErrorsNow(
            error_class=row["c"], fault="unknown" if row["f"] == "none" else row["f"],
            count=row["n"],
        )
        for row in errors
    )  # fmt: skip


def drills(found: Sequence[Drill]) -> DrillsNow | None:
    """How the alarms did in the drills on record; None: there was none that was detected."""
    harmful = [drill for drill in found if drill.harmful]
    times = sorted(drill.detected_s for drill in harmful if drill.detected_s is not None)
    alarms = sum(drill.alarms for drill in found)
    if not times or not alarms:
        return None
    false = sum(drill.false_alarms for drill in found)
    return DrillsNow(
        drills=len(found), median_s=median(times),
        p95_s=times[min(len(times) - 1, int(0.95 * len(times)))],
        recall=len(times) / len(harmful), precision=1 - false / alarms,
    )  # fmt: skip


def sentence(
    states: Sequence[IntegrationNow], incidents: Sequence[OpenIncident]
) -> tuple[str, str]:
    """The answer to *is anything wrong?*, and one line of fact."""
    wrong = [each for each in states if each.health not in ("healthy", "paused", "quiet")]
    lead = f"{len(states)} integrations are connected; {len(incidents)} incidents are open."
    if not states:
        return "Nothing is connected yet.", "Connect a system to see how it is."
    if not wrong and not incidents:
        return "All is well.", lead
    words = {"down": "is down", "broken": "wants a sign-in", "failing": "fails", "late": "is late"}
    said = [f"{each.name} {words[each.health]}." for each in wrong[:3]]
    if len(wrong) > 3:
        said.append(f"So do {len(wrong) - 3} more.")
    said = said or [f"{incidents[0].title}."]
    return " ".join([*said, "Everything else is well."]), lead


def same(one: Now | None, other: Now) -> bool:
    """Whether nothing but the time differs."""
    return one is not None and _bare(one) == _bare(other)


def _bare(now: Now) -> tuple[object, ...]:
    return tuple(getattr(now, n) for n in now.__struct_fields__ if n not in ("at", "version"))


def budget_order(found: Sequence[BudgetNow]) -> tuple[BudgetNow, ...]:
    """The most spent first."""
    return tuple(sorted(found, key=lambda each: (each.left or 0.0, each.slo, each.integration)))
