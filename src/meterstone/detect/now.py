"""The document of now, made of what the watch has in memory and of a few bounded queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec import structs

from meterstone.detect.drills import figures
from meterstone.detect.feed import Feed
from meterstone.detect.rules import Scene
from meterstone.detect.state import (
    BudgetNow,
    DrillsNow,
    Health,
    IntegrationNow,
    Now,
    OpenIncident,
    QueueNow,
)
from meterstone.detect.vitals import Vitals
from meterstone.ledger import Alert, Change, Drill, Incident

_HOUR = timedelta(hours=1)
_HEALTH: dict[str, Health] = {
    "down": "down", "broken": "broken", "calls_fail": "failing", "slow": "late",
    "throttled": "late", "refused": "failing", "webhooks_missing": "late", "silent": "quiet",
}  # fmt: skip
_WORST: tuple[Health, ...] = ("broken", "down", "failing", "late", "quiet", "paused", "healthy")


def integrations(
    scene: Scene, alerts: Sequence[Alert], vitals: Vitals
) -> tuple[IntegrationNow, ...]:
    """How each connected integration is."""
    return tuple(_integration(scene, key, alerts, vitals) for key in sorted(scene.shops))


def _integration(scene: Scene, key: str, alerts: Sequence[Alert], vitals: Vitals) -> IntegrationNow:
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
        lag_p99_s=vitals.lag_p99_s.get(key), p95_ms=vitals.p95_ms.get(key),
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


def queue(change: Change, now: datetime, feed: Feed, vitals: Vitals) -> QueueNow:
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
        throttled_wait_s=vitals.throttled_wait_s,
    )  # fmt: skip


def drills(found: Sequence[Drill]) -> DrillsNow | None:
    """How the alarms did in the drills on record; None: there was none that was detected."""
    made = figures(found)
    if made.median_s is None or made.p95_s is None:
        return None
    return DrillsNow(
        drills=made.drills, median_s=made.median_s, p95_s=made.p95_s, recall=made.recall or 0.0,
        precision=made.precision or 0.0,
    )  # fmt: skip


def sentence(
    states: Sequence[IntegrationNow], incidents: Sequence[OpenIncident]
) -> tuple[str, str]:
    """The answer to *is anything wrong?*, and one line of fact."""
    wrong = [each for each in states if each.health not in ("healthy", "paused", "quiet")]
    lead = (
        f"{_many(len(states), 'integration')} connected; {_many(len(incidents), 'incident')} open."
    )
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


def _many(number: int, thing: str) -> str:
    return f"1 {thing} is" if number == 1 else f"{number} {thing}s are"


def named(now: Now | None, called: Callable[[str], str]) -> Now | None:
    """With the names of those who took incidents on, where the document has their ids."""
    if now is None:
        return None
    told = [
        structs.replace(each, acknowledged_by=called(each.acknowledged_by))
        if each.acknowledged_by
        else each
        for each in now.incidents
    ]
    return structs.replace(now, incidents=tuple(told))


def same(one: Now | None, other: Now) -> bool:
    """Whether nothing but the time differs."""
    return one is not None and _bare(one) == _bare(other)


def _bare(now: Now) -> tuple[object, ...]:
    return tuple(getattr(now, n) for n in now.__struct_fields__ if n not in ("at", "version"))


def budget_order(found: Sequence[BudgetNow]) -> tuple[BudgetNow, ...]:
    """The most spent first."""
    return tuple(sorted(found, key=lambda each: (each.left or 0.0, each.slo, each.integration)))
