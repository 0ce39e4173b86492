"""Traffic of the simulated network: API requests, rate limiters, load of instances, load tests."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.ops_scene import DAY, HOUR, Scene, columns_of, share
from meterstone.sandbox.network.truth import Truth

GROUPS: dict[str, tuple[str, int, tuple[float, float, float]]] = {
    # consumer, requests a day, milliseconds of the fast 70 %, the next 20 %, the slow 10 %
    "franchise_management": ("franchise", 350_000, (60, 120, 180)),
    "pos_integration": ("franchise", 420_000, (70, 150, 200)),
    "analytics": ("partner", 160_000, (90, 180, 240)),
    "auth": ("internal", 150_000, (30, 60, 100)),
    "webhook": ("partner", 200_000, (40, 80, 120)),
    "other": ("hub_ui", 230_000, (50, 100, 150)),
}
CLASSES = {
    "timeout": 0.34, "connection": 0.2, "rate_limit": 0.14, "authentication": 0.08,
    "data_validation": 0.08, "server": 0.1, "other": 0.06,
}  # fmt: skip
CLASS_METRICS = {
    "authentication": "authentication_error_rate",
    "rate_limit": "rate_limit_error_rate",
    "timeout": "timeout_error_rate",
    "connection": "connection_error_rate",
    "data_validation": "data_validation_error_rate",
}
RECURRING = "cause-pool-exhausted"
"""Cause of an incident that was resolved, and of some errors after it."""
SLOW_GROUPS = ("auth", "other")
LOOKED_AT = (
    ("network", "*"),
    *(("endpoint_group", group) for group in GROUPS),
    ("integration", "square"),
    ("integration", "quickbooks"),
)
"""Scopes whose truth is told."""


@dataclass(frozen=True, slots=True)
class Call:
    """So many requests of the same kind in one minute, at one time of it."""

    at: datetime
    group: str
    ms: float
    count: int = 1
    integration: str | None = None
    outcome: str = "success"
    fault: str = "none"
    error_class: str = "none"
    cause: str | None = None
    consumer: str = "internal"
    developer: str | None = None

    @property
    def inbound(self) -> bool:
        return self.integration is None

    @property
    def eligible(self) -> bool:
        return self.fault != "caller"

    @property
    def failed(self) -> bool:
        return self.eligible and self.outcome == "error"

    @property
    def timed(self) -> bool:
        return self.eligible and (self.outcome == "success" or self.error_class == "timeout")

    def of(self, kind: str, key: str) -> bool:
        """Whether it belongs to a scope: served requests, or those called at an integration."""
        if kind == "integration":
            return self.integration == key
        return self.inbound and (kind == "network" or self.group == key)


def calls(scene: Scene) -> list[Call]:
    """All requests of the simulated time."""
    found: list[Call] = []
    knobs = scene.knobs
    first = max(scene.days - knobs.traffic_days, 0)
    if scene.world.preset.large:
        found += _before(scene)
    for nth in range(first, scene.days):
        day = scene.start + nth * DAY
        found += _served(scene, nth, day)
        found += _called(scene, nth, day)
        found += _failed(scene, nth - first, scene.days - 1 - nth, day)
        found.append(
            Call(
                day + timedelta(hours=9, seconds=3), "franchise_management", 12, 40,
                outcome="caller_fault", fault="caller", error_class="authentication",
                consumer="franchise",
            )
        )  # fmt: skip
    last = scene.end - DAY
    found += [
        # a failure that its caller caused; a failure of the day after; both ends of the 30 days
        Call(last + 5 * HOUR, "analytics", 9, 700, outcome="error", fault="caller",
             error_class="data_validation", consumer="partner"),
        Call(scene.end, "pos_integration", 900, 500, outcome="error", fault="hub",
             error_class="server", consumer="franchise"),
    ]  # fmt: skip
    if scene.days > 30:
        edge = scene.end - 30 * DAY
        for at in (edge, edge - timedelta(seconds=1)):
            found.append(_error(at, "other", 6, "timeout", "cause-edge"))
        found.append(Call(edge + timedelta(seconds=8), "other", 40, 5, consumer="hub_ui"))
    found += _developers(scene)
    return found


def _before(scene: Scene) -> Iterator[Call]:
    """The hundred days before the telemetry: one row a group and day."""
    for back in range(1, 101):
        at = scene.start - back * DAY + 12 * HOUR
        for group, (consumer, a_day, speeds) in GROUPS.items():
            yield Call(at, group, 1.3 * speeds[1], a_day, consumer=consumer)


def _served(scene: Scene, nth: int, day: datetime) -> list[Call]:
    rng = scene.rng(f"served-{nth}")
    fresh = 1 + 0.25 * (scene.days - 1 - nth) / max(scene.days - 1, 1)
    week = 1 + 0.05 * math.sin(2 * math.pi * day.weekday() / 7)
    wiggle = rng.uniform(0.98, 1.02, (len(GROUPS), 24, 3))
    found = []
    for g, (group, (consumer, a_day, speeds)) in enumerate(GROUPS.items()):
        for hour in range(24):
            for b, part in enumerate((0.7, 0.2, 0.1)):
                ms = speeds[b] * fresh * wiggle[g, hour, b]
                if scene.knobs.slow and group in SLOW_GROUPS and b:
                    ms = 800 * fresh * wiggle[g, hour, b]
                count = max(round(a_day / 24 * part * week * scene.knobs.volume), 1)
                at = day + timedelta(hours=hour, minutes=(7 * g + 11 * b + hour) % 60, seconds=30)
                found.append(Call(at, group, round(float(ms), 3), count, consumer=consumer))
    return found


def _called(scene: Scene, nth: int, day: datetime) -> list[Call]:
    found = []
    for k, integration in enumerate(scene.named):
        for hour in range(0, 24, 2):
            at = day + timedelta(hours=hour, minutes=3 * k, seconds=20)
            found.append(Call(at, "other", 150.0 + 10 * k, 40, integration.key))
        if failing(scene, k, scene.days - 1 - nth):
            at = day + timedelta(hours=13, minutes=5 * k, seconds=10)
            found.append(
                Call(at, "other", 30_000.0, 1, integration.key, "error", "provider", "timeout",
                     f"cause-{integration.key}")
            )  # fmt: skip
            found.append(Call(at + timedelta(seconds=9), "other", 160.0, 60, integration.key))
    return found


def failing(scene: Scene, k: int, to_go: int) -> bool:
    """Whether a call of the k-th integration fails on the day so many days before the last one."""
    return k % 4 == 3 and to_go % (15 if scene.world.preset.large else 1) == 0


def _failed(scene: Scene, nth: int, to_go: int, day: datetime) -> list[Call]:
    """The failures of a day: fewer every day, a handful on the last one."""
    knobs = scene.knobs
    groups = list(GROUPS)
    found = []
    for k, (word, part) in enumerate(CLASSES.items()):
        failures = knobs.errors_fewer * to_go + knobs.errors_left
        count = round(failures * part * knobs.error_volume)
        if word == "timeout":
            count = round(count * knobs.timeouts)
        if not count:
            continue
        at = day + timedelta(hours=2 + 3 * k, minutes=17, seconds=(nth * 7) % 50)
        group = groups[(k + nth) % len(groups)]
        cause: str | None = f"cause-{word}"
        if word == "other":
            cause = RECURRING if nth % 2 else None
        found.append(_error(at, group, count, word, cause))
        consumer = GROUPS[group][0]
        later = at + timedelta(seconds=5 + nth % 15)
        found.append(Call(later, group, 90.0, 3, consumer=consumer))
    return found


def _error(at: datetime, group: str, count: int, word: str, cause: str | None) -> Call:
    ms = 30_000.0 if word == "timeout" else 25.0
    return Call(at, group, ms, count, None, "error", "hub", word, cause, GROUPS[group][0])


def _developers(scene: Scene) -> list[Call]:
    """Calls of developers: all but the last ones within the 90 days before the end, and every 89
    days before that."""
    inside, outside = scene.knobs.developers
    found = []
    for n in range(1, inside + outside + 1):
        for back in (n % 89, n % 89 + 89, n % 89 + 178) if n <= inside else (90,):
            at = scene.end - back * DAY - HOUR
            who = f"D{n:04d}"
            found.append(Call(at, "analytics", 100.0, 2, consumer="developer", developer=who))
    return found


def write_calls(scene: Scene, facts: Facts, rows: Sequence[Call]) -> None:
    """api_request rows; and rows of a staging system and of a demonstration, that never count."""
    names: dict[str, Callable[[Call], Any]] = {
        "at": lambda c: c.at,
        "direction": lambda c: "inbound" if c.inbound else "outbound",
        "endpoint_group": lambda c: c.group,
        "endpoint": lambda c: f"/v1/{c.group}",
        "status_code": _status,
        "outcome": lambda c: c.outcome,
        "fault": lambda c: c.fault,
        "error_class": lambda c: c.error_class,
        "cause_key": lambda c: c.cause,
        "attempts": lambda c: 1 if c.outcome == "success" else 3,
        "duration_ms": lambda c: c.ms,
        "count": lambda c: c.count,
        "consumer": lambda c: c.consumer,
        "developer_id": lambda c: c.developer,
        "integration": lambda c: c.integration,
    }
    table = columns_of(rows, names)
    table["request_id"] = [f"q{n}" for n in range(len(rows))]
    facts.extend("api_request", table | {"method": "GET", "source": "otlp"})
    bad: dict[str, Any] = {
        "at": scene.end - 6 * HOUR, "direction": "inbound", "endpoint_group": "analytics",
        "endpoint": "/v1/analytics", "method": "GET", "outcome": "error", "fault": "hub",
        "error_class": "server", "attempts": 1, "duration_ms": 4000.0, "count": 9000,
        "consumer": "partner",
    }  # fmt: skip
    facts.add("api_request", request_id="q-staging", environment="staging", **bad)
    facts.add("api_request", request_id="q-synthetic", synthetic=True, **bad)
    facts.add("api_request", request_id="q-mistake", **bad)
    facts.add("api_request", request_id="q-mistake", version=2, retracted=True, **bad)


def _status(call: Call) -> int:
    if call.outcome == "success":
        return 200
    return 401 if call.fault == "caller" else 503


def tell_calls(scene: Scene, truth: Truth, rows: Sequence[Call]) -> None:
    """What is true of the requests."""
    for kind, key in LOOKED_AT:
        mine = [c for c in rows if c.of(kind, key)]
        month = [c for c in mine if scene.within(c.at, 30) and c.eligible]
        day = [c for c in mine if scene.within(c.at, 1)]
        _tell_shares(truth, kind, key, month, [c for c in day if c.eligible])
        _tell_times(truth, kind, key, [c for c in day if c.timed])
        _tell_performance(truth, kind, key, [c for c in day if c.eligible])
        if kind != "integration":
            minutes: dict[datetime, int] = defaultdict(int)
            for c in day:
                minutes[c.at.replace(second=0)] += c.count
            if minutes:
                truth.exact("api_request_rate", max(minutes.values()) / 60, n=len(minutes),
                            scope=kind, key=key)  # fmt: skip
            else:
                truth.missing("api_request_rate", scope=kind, key=key)


def _tell_shares(
    truth: Truth, kind: str, key: str, month: Sequence[Call], day: Sequence[Call]
) -> None:
    of_day, of_month = total(day), total(month)
    failed = [c for c in month if c.failed]
    share(truth, "api_error_rate", total(c for c in day if c.failed), of_day, kind, key)
    good = total(c for c in day if c.outcome == "success")
    share(truth, "api_success_rate", good, of_day, kind, key)
    for word, metric in CLASS_METRICS.items():
        errors = total(c for c in failed if c.error_class == word)
        share(truth, metric, errors, of_month, kind, key)


def tell_recurring(
    scene: Scene, truth: Truth, rows: Sequence[Call], resolved: Sequence[tuple[str, datetime]]
) -> None:
    """recurring_error_rate: failures whose cause is that of an incident resolved before.

    Args:
        resolved: cause and time of each resolved incident.
    """
    for kind, key in (("network", "*"), ("integration", "square"), ("integration", "quickbooks")):
        month = [c for c in rows if c.of(kind, key) and scene.within(c.at, 30) and c.eligible]
        failed = [c for c in month if c.failed]
        again = [
            c
            for c in failed
            if any(k == c.cause and c.at - 90 * DAY <= at <= c.at for k, at in resolved)
        ]
        explained = total(c for c in failed if c.cause is not None)
        gate = explained >= 0.9 * total(failed)
        share(
            truth, "recurring_error_rate", total(again), total(month), kind, key,
            verdict=None if gate else "insufficient_data",
        )  # fmt: skip


def _tell_times(truth: Truth, kind: str, key: str, timed: Sequence[Call]) -> None:
    n = total(timed)
    if not n:
        truth.missing("api_response_time_p95", scope=kind, key=key)
        truth.missing("api_mean_response_time", scope=kind, key=key)
        return
    p95 = weighted_quantile([(c.ms, c.count) for c in timed], 0.95)
    truth.estimate("api_response_time_p95", p95, n=n, scope=kind, key=key)
    mean = math.fsum(c.ms * c.count for c in timed) / n
    truth.exact("api_mean_response_time", mean, n=n, scope=kind, key=key)


def _tell_performance(truth: Truth, kind: str, key: str, day: Sequence[Call]) -> None:
    if kind == "integration":
        return
    n = total(day)
    if not n:
        truth.missing("api_performance", scope=kind, key=key)
        return
    p95 = weighted_quantile([(c.ms, c.count) for c in day if c.timed], 0.95)
    good = total(c for c in day if c.outcome == "success") / n
    word = "poor"
    for level, slowest, least in (
        ("fair", 1000, 0.99),
        ("good", 500, 0.995),
        ("excellent", 250, 0.999),
    ):
        if p95 < slowest and good >= least:
            word = level
    truth.exact("api_performance", word, n=n, scope=kind, key=key)


def total(rows: Iterable[Call]) -> int:
    """Requests of so many rows."""
    return sum(c.count for c in rows)


def weighted_quantile(pairs: Iterable[tuple[float, float]], q: float) -> float:
    """The smallest value whose cumulated weight reaches q."""
    ordered = sorted(pairs)
    wanted = q * sum(weight for _, weight in ordered)
    seen = 0.0
    for value, weight in ordered:
        seen += weight
        if seen >= wanted - 1e-9:
            return value
    raise ValueError("no values")


# -- rate limiters ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decision:
    """So many decisions of a limiter of the same kind."""

    at: datetime
    decision: str
    count: int
    priority: str = "normal"
    wait_ms: float = 0.0
    final: str = "admitted"
    over_quota: bool = False
    integration: str | None = None
    limiter: str = "hub"


def decisions(scene: Scene) -> list[Decision]:
    """Decisions of every hour. High and low priority wait in the same minutes; in other minutes
    only one of them does, which says nothing of how they are told apart."""
    knobs = scene.knobs
    found = []
    for nth in range(scene.days):
        for hour in range(24):
            at = scene.start + nth * DAY + timedelta(hours=hour, minutes=8, seconds=10)
            found.append(Decision(at, "admitted", round(60_000 * knobs.volume) + nth % 7))
            if not knobs.queues:
                continue
            found += [
                Decision(at, "queued", 14, "high", knobs.high_wait),
                Decision(at + timedelta(seconds=20), "queued", 12 + nth % 2, "low", knobs.low_wait),
                Decision(at + timedelta(minutes=4), "queued", 9, "normal", 250.0),
                Decision(at + timedelta(minutes=9), "queued", 1, "high", knobs.low_wait * 1.5),
                Decision(at + timedelta(minutes=11), "rejected", 2, "low", 0.0, "rejected", True,
                         "square", "provider"),
            ]  # fmt: skip
            if hour < knobs.wrong_hours:
                found.append(
                    Decision(at + timedelta(minutes=12), "rejected", 1, "low", 0.0, "rejected")
                )
    if knobs.queues:
        found.append(Decision(scene.end, "rejected", 5000, "low", 0.0, "rejected"))
    return found


def write_decisions(facts: Facts, rows: Sequence[Decision]) -> None:
    """throttle_event rows."""
    names = ("at", "decision", "count", "priority", "wait_ms", "final", "over_quota",
             "integration", "limiter")  # fmt: skip
    table = columns_of(rows, {name: attrgetter(name) for name in names})
    table["throttle_id"] = [f"t{n}" for n in range(len(rows))]
    facts.extend("throttle_event", table | {"deadline_ms": 5000.0})


def tell_decisions(
    scene: Scene, truth: Truth, rows: Sequence[Decision], fullest: float | None
) -> None:
    """What is true of rate limits and queues on the last day.

    Args:
        fullest: the largest share of a queue that was full; None where nobody sampled.
    """
    day = [d for d in rows if scene.within(d.at, 1)]
    everything = sum(d.count for d in day)
    held = [d for d in day if d.decision != "admitted"]
    interventions = sum(d.count for d in held)
    names = ("throttling_efficiency", "queue_management", "priority_handling")
    if not everything:
        for metric in ("rate_limit_hits", *names):
            truth.missing(metric)
        return
    share(truth, "rate_limit_hits", interventions, everything)
    if not interventions:
        for metric in names:
            truth.missing(metric, "not_applicable")
        return
    right = sum(
        d.count
        for d in held
        if (d.decision == "queued" and d.final == "admitted" and d.wait_ms <= 5000)
        or (d.decision == "rejected" and d.over_quota)
    )
    share(truth, "throttling_efficiency", right, interventions)
    queued = [d for d in day if d.decision == "queued"]
    n = sum(d.count for d in queued)
    w = weighted_quantile([(d.wait_ms, d.count) for d in queued], 0.95)
    late = sum(d.count for d in queued if d.final == "expired") / n
    word = "poor"
    for level, wait, lost, full in (
        ("acceptable", 30_000, 0.05, 1.0),
        ("good", 5_000, 0.01, 0.9),
        ("optimal", 1_000, 0.001, 0.8),
    ):
        if w <= wait and late <= lost and (fullest or 0) <= full:
            word = level
    truth.exact("queue_management", word, n=n)
    _tell_priority(truth, queued)


def _tell_priority(truth: Truth, queued: Sequence[Decision]) -> None:
    together: dict[datetime, set[str]] = defaultdict(set)
    for d in queued:
        together[d.at.replace(second=0)].add(d.priority)
    both = {minute for minute, found in together.items() if {"high", "low"} <= found}
    waits = {
        word: [
            (d.wait_ms, d.count)
            for d in queued
            if d.priority == word and d.at.replace(second=0) in both
        ]
        for word in ("high", "low")
    }
    high, low = (weighted_quantile(waits[word], 0.95) for word in ("high", "low"))
    ratio = high / low
    word = "effective" if ratio <= 0.5 else "partial" if ratio < 1 else "inverted"
    truth.exact("priority_handling", word, n=min(sum(c for _, c in waits[w]) for w in waits))


# -- load ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of one instance."""

    at: datetime
    instance: str
    connections: int | None
    users: int
    depth: int


CAPACITY = 1000
"""Messages that a queue holds."""


def samples(scene: Scene) -> list[Sample]:
    """Two instances every 15 minutes, busiest in the afternoon; one sample knows no connections."""
    found = []
    for nth in range(scene.days * 96 if scene.named else 0):
        at = scene.start + nth * timedelta(minutes=15)
        busy = 1 + math.sin(math.pi * ((nth % 96) / 48 - 0.5))
        for k in (1, 2):
            most = scene.knobs.connections + 10 * (nth // 96 % 5)
            connections = round(most * (0.3 + 0.35 * busy) / 2) + k
            depth = round(scene.knobs.fullest * CAPACITY * busy / 2)
            known = None if nth % 96 == 40 or (nth % 96 == 41 and k == 2) else connections
            found.append(Sample(at, f"hub-{k}", known, round(connections * 2.5), depth))
    return found


def write_samples(facts: Facts, rows: Sequence[Sample]) -> None:
    """load_sample rows without the use of processors, which another part of the network knows."""
    table = columns_of(
        rows,
        {
            "at": lambda s: s.at,
            "instance": lambda s: s.instance,
            "connections": lambda s: s.connections,
            "concurrent_users": lambda s: s.users,
            "queue_depth": lambda s: s.depth,
            "sample_id": lambda s: f"ops-{s.instance}-{s.at:%Y%m%d%H%M}",
        },
    )
    facts.extend("load_sample", table | {"queue_capacity": CAPACITY, "source": "otlp"})


def tell_samples(scene: Scene, truth: Truth, rows: Sequence[Sample]) -> float | None:
    """Concurrent connections on the last day; returns how full the fullest queue was."""
    day = [s for s in rows if scene.within(s.at, 1)]
    sums: dict[datetime, int] = defaultdict(int)
    for s in day:
        if s.connections is not None:
            sums[s.at] += s.connections
    if not sums:
        truth.missing("concurrent_connections")
        return None
    truth.exact("concurrent_connections", max(sums.values()), n=len(sums))
    return max(s.depth for s in day) / CAPACITY


def proven(scene: Scene, at: datetime) -> tuple[float, float]:
    """Users that the newest load test before a moment of the large network held, and requests."""
    knobs = scene.knobs
    newest = scene.end - knobs.tested_before * DAY - 9 * HOUR
    capacity = knobs.capacity - (0 if newest < at else _SMALLER)
    return capacity, answered(capacity, capacity, _HELD_S)


_HELD_S = 900
_THINK_S = 1.0
_ALONE_S = 0.1
CONTENTION, COHERENCY = 0.02, 0.07
"""Of the scalability law, as losses at the users that are held: σ · capacity, κ · capacity²."""


def answered(users: int, capacity: int, seconds: int) -> int:
    """Requests that a load test counts: the universal scalability law, with users that think, and
    a hundredth that no law tells."""
    share = users / capacity
    loss = 1 + CONTENTION * share + COHERENCY * share * share
    return round(users / (_THINK_S + _ALONE_S) / loss * seconds * (1 + 0.01 * math.sin(users)))


_SMALLER = 1000
"""Users that the load tests before the newest one held less in the large network."""


def load_tests(scene: Scene, facts: Facts, truth: Truth) -> None:
    """A load test a month, to beyond what is held: one level is left too early, three are too slow,
    one has too many failures, one is not like production."""
    knobs = scene.knobs
    if not scene.named:
        truth.missing("concurrent_user_capacity")
        return
    newest = at = scene.end - knobs.tested_before * DAY - 9 * HOUR
    capacity = knobs.capacity
    while at > scene.world.start:
        levels = [
            (capacity // 2, 1800, 210.0, 99.99, True),
            (capacity, 900, 380.0, 99.95, True),
            (capacity + 4000, 899, 390.0, 99.95, True),
            (capacity + 8000, 1800, 500.0, 99.95, True),
            (capacity + 9000, 1800, 300.0, 99.89, True),
            (capacity * 3 // 2, _HELD_S, 700.0, 99.95, True),
            (capacity * 2, 1800, 300.0, 99.99, False),
            (capacity * 5 // 2, _HELD_S, 1_500.0, 99.0, True),
        ]
        for users, hold, p95, success, like in levels:
            facts.add(
                "load_test", test_id=f"load-{at:%Y%m%d}", started_at=at - HOUR, ended_at=at,
                release_version="5.2", scenario="mixed, 1 s think time", concurrent_users=users,
                hold_s=hold, requests=answered(users, capacity, hold), p95_ms=p95,
                success_rate=success, production_like=like,
            )  # fmt: skip
        at -= 30 * DAY
        capacity = knobs.capacity - (_SMALLER if scene.world.preset.large else 40)
    facts.add(  # after the newest one, on the major release before
        "load_test", test_id="load-old", started_at=newest + HOUR, ended_at=newest + 2 * HOUR,
        release_version="4.9", scenario="mixed, 5 s think time",
        concurrent_users=knobs.capacity * 3, hold_s=1800, requests=90_000, p95_ms=300.0,
        success_rate=99.99, production_like=True,
    )  # fmt: skip
    if knobs.tested_before > 90:
        truth.missing("concurrent_user_capacity")
    else:
        truth.exact(
            "concurrent_user_capacity",
            knobs.capacity,
            n=answered(knobs.capacity, knobs.capacity, _HELD_S),
        )
