"""Incidents of the simulated network, the alarms before them, and what is done so that they do not
come again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterstone.sandbox.network import shops
from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.ops_scene import DAY, HOUR, MINUTE, Scene, columns_of, share
from meterstone.sandbox.network.ops_traffic import RECURRING
from meterstone.sandbox.network.ops_watch import Trouble
from meterstone.sandbox.network.truth import Truth

QUARTER = 90
HISTORY = 200
"""Days before the end from which on incidents are told."""
METRICS = (
    "mean_time_to_detection", "mean_time_to_resolution", "automatic_resolution_rate",
    "incident_escalation_rate", "customer_impact_duration", "predictive_detection",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as it happened."""

    id: str
    started: datetime
    detected: datetime | None
    resolved: datetime | None
    integration: str | None
    severity: str = "sev3"
    kind: str = "error"
    automatic: bool = True
    escalated: bool = False
    impact: float | None = 0.0
    cause: str | None = None
    predicted: datetime | None = None
    environment: str = "production"

    @property
    def operational(self) -> bool:
        """Population ``operational_incident``."""
        return self.severity != "sev4" and self.environment == "production"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A forecast of an incident that raised the alarm."""

    id: str
    at: datetime
    integration: str


def incidents(scene: Scene) -> list[Incident]:
    """Incidents at equal distances, newest last. Every 60th is escalated, every 30th
    comes back within a day; every 20th has no reconstructed start, every 20th was resolved by a
    person, every 20th was foreseen too late; every 40th has no known impact."""
    if not scene.named:
        return []
    knobs = scene.knobs
    step = QUARTER * DAY / knobs.incidents
    count = HISTORY * knobs.incidents // QUARTER
    safe = [i.key for i in scene.named if i.key != "powerbi"]
    found = []
    for n in range(count):
        started = scene.end - (count - n) * step + 11 * HOUR + timedelta(minutes=7 * (n % 5))
        if started < scene.world.start:
            continue
        detected = started + timedelta(seconds=0 if n % 20 == 9 else 8 + n % 15)
        resolved = detected + timedelta(seconds=30 + 7 * (n % 9))
        cause = RECURRING if n % 30 == 4 else f"cause-{n}"
        early = started - 2 * HOUR if n % knobs.predicted else None
        if n % 20 == 6:
            early = started - 3 * MINUTE  # too late to count
        one = Incident(
            f"i-{n}", started, detected, resolved, safe[n % len(safe)],
            kind=("error", "availability", "performance")[n % 3],
            automatic=n % 20 != 5, escalated=knobs.escalated and n % 60 == 7,
            impact=_impact(scene, n, started), cause=cause, predicted=early,
        )  # fmt: skip
        found.append(one)
        if n % 30 == 4:
            again = resolved + 23 * HOUR
            found.append(
                Incident(f"i-{n}-again", again, again + timedelta(seconds=20),
                         again + timedelta(seconds=60), one.integration,
                         impact=_impact(scene, 2, again), cause=cause,
                         predicted=again - 20 * HOUR)
            )  # fmt: skip
    if knobs.long_incident:
        began = scene.end - 11 * DAY + 10 * HOUR
        found.append(
            Incident("i-outage", began, began + timedelta(seconds=25),
                     began + knobs.outage * MINUTE, "tableau", "sev2", "availability", False, False,
                     0.0, "cause-outage", began - 3 * HOUR)
        )  # fmt: skip
    if scene.world.preset.story == "honest":
        began = scene.end - 2 * DAY
        found.append(
            Incident("i-open", began, began + timedelta(seconds=40), None, None, impact=None)
        )
    middle = scene.end - 20 * DAY
    found += _at_the_edges(scene)
    found += [
        Incident("i-small", middle, middle + 2 * HOUR, middle + 9 * HOUR, "square", "sev4",
                 automatic=False, escalated=True, impact=30_000.0),
        Incident("i-drill", middle, middle + 2 * HOUR, middle + 9 * HOUR, "square", "sev1",
                 automatic=False, escalated=True, impact=30_000.0, environment="staging"),
    ]  # fmt: skip
    return [x for x in found if x.started < scene.end]


def _at_the_edges(scene: Scene) -> list[Incident]:
    """Of the last day, and of the first minute of the 90 days: one began a moment before and was
    noticed in it, another was noticed before and resolved in it. Honest: one nobody noticed."""
    opens = scene.end - QUARTER * DAY
    second = timedelta(seconds=1)
    last = scene.end - 5 * HOUR
    found = [
        Incident("i-last", last, last + 14 * second, last + 50 * second, "square", impact=0.0,
                 predicted=last - 20 * HOUR),
        Incident("i-before", opens - 9 * second, opens + 5 * second, opens + 65 * second, "square",
                 impact=0.0, predicted=opens - HOUR),
        Incident("i-across", opens - 60 * second, opens - 30 * second, opens + 40 * second,
                 "square", automatic=False, escalated=True, impact=40.0),
    ]  # fmt: skip
    if scene.world.preset.story == "honest":
        found.append(Incident("i-unseen", last, None, None, "clover", automatic=False, impact=None))
    return found


def _impact(scene: Scene, n: int, started: datetime) -> float | None:
    """Seconds that customers felt it: in the large network, nobody did in the last 100 days."""
    if n % 40 == 3:
        return None
    if scene.world.preset.large and started >= scene.end - 100 * DAY:
        return 0.0
    return float(10 * (n % 6))


def alarms(scene: Scene, rows: Sequence[Incident]) -> list[Alarm]:
    """One alarm before each foreseen incident, and some that nothing followed (of Power BI, which
    has no incidents of its own)."""
    found = [
        Alarm(f"f-{x.id}", x.predicted, x.integration)
        for x in rows
        if x.predicted and x.integration and x.operational
    ]
    if any(i.key == "powerbi" for i in scene.named):
        found += [
            Alarm(f"f-false-{n}", scene.end - (3 + 17 * n) * DAY, "powerbi") for n in range(8)
        ]
    return found


def write_incidents(
    scene: Scene, facts: Facts, rows: Sequence[Incident], warned: Sequence[Alarm]
) -> None:
    """incident and forecast rows, and the reviews of the registers."""
    if not rows:
        return
    table = columns_of(
        rows,
        {
            "incident_id": lambda x: x.id,
            "started_at": lambda x: x.started,
            "detected_at": lambda x: x.detected,
            "resolved_at": lambda x: x.resolved,
            "integration": lambda x: x.integration,
            "severity": lambda x: x.severity,
            "kind": lambda x: x.kind,
            "auto_resolved": lambda x: x.automatic,
            "escalated": lambda x: x.escalated,
            "customer_impact_s": lambda x: x.impact,
            "cause_key": lambda x: x.cause,
            "predicted": lambda x: x.predicted is not None,
            "predicted_at": lambda x: x.predicted,
            "forecast_id": lambda x: f"f-{x.id}" if x.predicted else None,
            "environment": lambda x: x.environment,
        },
    )
    facts.extend("incident", table | {"detected_by": "monitor"})
    if warned:
        table = columns_of(
            warned,
            {
                "forecast_id": lambda f: f.id,
                "issued_at": lambda f: f.at,
                "horizon_start": lambda f: f.at,
                "horizon_end": lambda f: f.at + 7 * DAY,
                "scope_key": lambda f: f.integration,
            },
        )
        fixed = {"model": "failure", "model_version": "1", "quantity": "incidents_week"}
        facts.extend("forecast", table | fixed | {"point": 0.8, "alarm": True})
    for register in ("incident", "prevention_action"):
        shops.review(scene.world, facts, register, last=scene.knobs.reviewed)


def troubles(rows: Sequence[Incident]) -> list[Trouble]:
    """Incidents that make their integration unhealthy."""
    return [
        Trouble(x.integration, x.started, x.resolved)
        for x in rows
        if x.integration
        and x.severity in ("sev1", "sev2")
        and x.resolved
        and x.environment == "production"
    ]


def tell_incidents(
    scene: Scene, truth: Truth, rows: Sequence[Incident], warned: Sequence[Alarm]
) -> None:
    """What is true of the incidents of the last 90 days."""
    real = [x for x in rows if x.operational]
    started = [x for x in real if scene.within(x.started, QUARTER)]
    if not started:
        for metric in METRICS:
            truth.missing(metric)
        return
    alive = scene.knobs.reviewed < 17
    n = len(started)
    waits = [
        (x.detected - x.started).total_seconds()
        for x in started
        if x.detected and x.detected > x.started
    ]
    truth.exact(
        "mean_time_to_detection", sum(waits) / len(waits), n=len(waits),
        verdict=None if len(waits) >= 0.9 * n else "insufficient_data",
    )  # fmt: skip
    _tell_resolution(scene, truth, real)
    impacts = [x.impact for x in started if x.impact is not None]
    truth.exact(
        "customer_impact_duration", sum(impacts) / n, n=n,
        verdict=None if len(impacts) >= 0.95 * n else "insufficient_data",
    )  # fmt: skip
    escalated = sum(x.escalated for x in started)
    _zero_needs_watch(truth, "incident_escalation_rate", escalated, n, alive)
    resolved = [x for x in real if scene.within(x.resolved, QUARTER)]
    automatic = sum(x.automatic and not _came_back(scene, x, real) for x in resolved)
    _zero_needs_watch(truth, "automatic_resolution_rate", automatic, len(resolved), alive)
    foreseen = sum(
        x.predicted is not None and 5 * MINUTE <= x.started - x.predicted <= DAY for x in started
    )
    mine = [f for f in warned if scene.within(f.at, QUARTER)]
    followed = sum(
        any(x.integration == f.integration and f.at <= x.started < f.at + 7 * DAY for x in real)
        for f in mine
    )
    if foreseen or scene.knobs.reviewed < 41:
        gate = bool(mine) and followed >= 0.5 * len(mine)
        share(
            truth,
            "predictive_detection",
            foreseen,
            n,
            verdict=None if gate else "insufficient_data",
        )
    else:
        truth.missing("predictive_detection")


def _zero_needs_watch(truth: Truth, metric: str, good: int, base: int, alive: bool) -> None:
    if good or alive:
        share(truth, metric, good, base)
    else:
        truth.missing(metric)


def _tell_resolution(scene: Scene, truth: Truth, real: Sequence[Incident]) -> None:
    detected = [x for x in real if x.detected and scene.within(x.detected, QUARTER)]
    ages = [
        ((x.resolved or scene.end) - x.detected).total_seconds() for x in detected if x.detected
    ]
    value = sum(ages) / len(ages)
    is_open = any(x.resolved is None for x in detected)
    verdict = "inconclusive" if is_open and value < 120 and len(ages) >= 10 else None
    truth.exact("mean_time_to_resolution", value, n=len(ages), verdict=verdict)


def _came_back(scene: Scene, one: Incident, real: Sequence[Incident]) -> bool:
    del scene
    return one.resolved is not None and any(
        x.id != one.id
        and x.cause is not None
        and x.cause == one.cause
        and one.resolved <= x.started <= one.resolved + DAY
        for x in real
    )


# -- prevention ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Action:
    """What is to be done so that something does not happen (again)."""

    id: str
    recommended: datetime
    due: datetime | None
    status: str
    done: datetime | None = None
    reason: str | None = None
    origin: str = "postmortem"


def actions(scene: Scene) -> list[Action]:
    """As many a quarter as the story says, of four quarters; the first of each quarter are late."""
    many, late = scene.knobs.actions
    if not scene.named:
        return []
    found = []
    for quarter in range(1, 4):
        for n in range(many):
            due = scene.end - quarter * QUARTER * DAY + n * (QUARTER * DAY / max(many, 1))
            done = due + DAY if n < late else due - (n % 3) * DAY
            status = "verified" if n % 2 else "implemented"
            found.append(Action(f"a-{quarter}-{n}", due - 20 * DAY, due, status, done))
        if many:
            due = scene.end - quarter * QUARTER * DAY + 40 * DAY
            found.append(
                Action(f"a-{quarter}-no", due - 20 * DAY, due, "declined", None, "not worth it")
            )
    if many:
        last, first = scene.end - 3 * HOUR, scene.end - QUARTER * DAY - HOUR
        found += [
            Action("a-after", scene.end - DAY, scene.end, "accepted"),
            Action("a-last", last - 9 * DAY, last, "verified", last - DAY),
            Action("a-before", first - 9 * DAY, first, "accepted"),
        ]
    return found


def write_actions(facts: Facts, rows: Sequence[Action]) -> None:
    """prevention_action rows."""
    if rows:
        table = columns_of(
            rows,
            {
                "action_id": lambda a: a.id,
                "recommended_at": lambda a: a.recommended,
                "due_at": lambda a: a.due,
                "status": lambda a: a.status,
                "implemented_at": lambda a: a.done,
                "decline_reason": lambda a: a.reason,
                "origin": lambda a: a.origin,
            },
        )
        facts.extend("prevention_action", table)


def tell_actions(scene: Scene, truth: Truth, rows: Sequence[Action]) -> None:
    """prevention_implementation of the last 90 days."""
    due = [
        a
        for a in rows
        if scene.within(a.due, QUARTER) and not (a.status == "declined" and a.reason)
    ]
    if not due:
        watched = scene.named and scene.knobs.reviewed < 41
        truth.missing("prevention_implementation", "not_applicable" if watched else "no_data")
        return
    good = [
        a
        for a in due
        if a.status in ("implemented", "verified") and a.done and a.due and a.done <= a.due
    ]
    share(truth, "prevention_implementation", len(good), len(due))
