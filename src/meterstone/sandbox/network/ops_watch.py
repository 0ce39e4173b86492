"""Probes of the simulated network, and what they say: uptime, health, monitoring, recovery."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.ops_scene import DAY, HOUR, MINUTE, WINDOW, Scene, share
from meterstone.sandbox.network.ops_sync import Run
from meterstone.sandbox.network.ops_traffic import GROUPS, Call
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import Integration

COMPONENTS = ("hub_api", "hub_ui", "database", "queue", "webhook_ingress")
EXCUSED = 240
"""Minutes of announced maintenance that are left out each calendar month."""
TOLD = ("square", "quickbooks", "tableau")

Seconds = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(slots=True)
class Probes:
    """All probes of one object: seconds since the telemetry begins, and how they ended."""

    name: str
    component: str
    interval: int
    at: Seconds
    ok: Flags
    maintenance: Flags
    alerting: bool = True


class Trouble:
    """An incident that makes an integration unhealthy while it lasts (severity 1 or 2)."""

    def __init__(self, integration: str, started: datetime, resolved: datetime) -> None:
        self.integration = integration
        self.started = started
        self.resolved = resolved


def probes(scene: Scene) -> list[Probes]:
    """Probes of every integration and component.

    The integrations that are named are probed all the time, the others in the first minute after
    their exchange and on the last day, the components of the hub on the last two days.
    """
    found = []
    minutes = scene.days * 1440
    step = scene.knobs.probe_interval // 60
    for k, integration in enumerate(scene.named):
        at = np.arange(0, minutes, step, dtype=np.int64) * 60 + (7 * k + 3) % 60
        found.append(_named(scene, integration, at))
    begin = int((scene.quiet_from - scene.start).total_seconds())
    for k, integration in enumerate(scene.others):
        last = np.arange(minutes - 1440, minutes, dtype=np.int64) * 60
        at = np.concatenate([np.array([begin], dtype=np.int64), last]) + k
        found.append(_all_well(integration.key, "integration", 60, at))
    if scene.named:
        days = scene.days if scene.long else 2
        for k, name in enumerate(COMPONENTS):
            at = np.arange(minutes - days * 1440, minutes, dtype=np.int64) * 60 + 11 * k
            mine = _all_well(name, name, 60, at)
            if name == "database":
                mine.alerting = not scene.knobs.deaf
            if name == "queue":
                mine.ok[-400] = False
            if name == "hub_ui" and scene.knobs.deaf:
                mine.ok[-2] = False
            found.append(mine)
    return found


def _all_well(name: str, component: str, interval: int, at: Seconds) -> Probes:
    size = len(at)
    return Probes(name, component, interval, at, np.ones(size, bool), np.zeros(size, bool))


def _named(scene: Scene, integration: Integration, at: Seconds) -> Probes:
    """With what went wrong: outages, maintenance, probes that did not run."""
    key, knobs = integration.key, scene.knobs
    mine = _all_well(key, "integration", knobs.probe_interval, at)

    def span(back: timedelta, length: timedelta) -> Flags:
        begin = (scene.end - back - scene.start).total_seconds()
        return (at >= begin) & (at < begin + length.total_seconds())

    if key == "clover":
        planned = span(19 * DAY - 2 * HOUR, knobs.maintenance * MINUTE)
        mine.maintenance |= planned
        mine.ok &= ~planned
    if key == "ifpg" and scene.errors:
        mine.ok &= ~span(13 * DAY - 5 * HOUR, 20 * MINUTE)
    if key == "tableau" and knobs.outage:
        mine.ok &= ~span(11 * DAY - 10 * HOUR, knobs.outage * MINUTE)
    if key == "powerbi" and knobs.sick_hour:
        mine.ok &= ~span(12 * HOUR, HOUR)
    gone = np.zeros(len(at), bool)
    if key == "quickbooks":
        gone = span(16 * DAY - 10 * HOUR, 40 * MINUTE)
    if key == "square" and scene.world.preset.story == "honest":
        gone = span(9 * DAY, 6 * HOUR)
    if key == "franconnect":
        gone = span(7 * MINUTE, MINUTE)
    kept = ~gone
    return Probes(
        key, "integration", mine.interval, at[kept], mine.ok[kept], mine.maintenance[kept]
    )


def answered_gap(scene: Scene) -> list[Call]:
    """Requests to QuickBooks that succeed while its probes do not run, in 15 of the 40 minutes."""
    if not any(i.key == "quickbooks" for i in scene.named):
        return []
    begin = scene.end - 16 * DAY + 10 * HOUR
    if begin < scene.start:
        return []
    return [
        Call(begin + n * MINUTE + timedelta(seconds=31), "other", 180.0, 2, "quickbooks")
        for n in range(15)
    ]


def write_probes(scene: Scene, facts: Facts, found: Iterable[Probes]) -> None:
    """probe rows; failed ones of a test system beside them."""
    begin = np.datetime64(scene.start.replace(tzinfo=None), "us")
    for mine in found:
        at = begin + mine.at.astype("timedelta64[s]").astype("timedelta64[us]")
        size = len(at)
        reason = np.where(mine.ok, "none", np.where(mine.maintenance, "other", "timeout"))
        columns: dict[str, Any] = {
            "probe_id": [f"{mine.name}-{second}" for second in mine.at.tolist()],
            "at": at,
            "component": mine.component,
            "integration": mine.name if mine.component == "integration" else None,
            "check_key": "reachable",
            "interval_s": mine.interval,
            "ok": mine.ok,
            "latency_ms": np.where(mine.ok, 80.0, 10_000.0),
            "location": "us-east",
            "fail_reason": reason.tolist(),
            "maintenance": mine.maintenance,
            "alerting": mine.alerting,
        }
        if size:
            facts.extend("probe", columns)
    if scene.named:
        for n in range(3):
            facts.add(
                "probe", probe_id=f"staging-{n}", at=scene.end - (n + 1) * timedelta(seconds=20),
                component="integration", integration="square", check_key="reachable",
                interval_s=3600, ok=False, location="us-east", fail_reason="timeout",
                maintenance=False, alerting=False, environment="staging",
            )  # fmt: skip


class Watch:
    """What was so at every minute of the last 30 days, of one integration."""

    def __init__(
        self,
        scene: Scene,
        integration: Integration,
        mine: Probes,
        calls: Sequence[Call],
        runs: Sequence[Run],
        troubles: Sequence[Trouble],
    ) -> None:
        self._scene = scene
        self._mine = mine
        first = (scene.end - WINDOW * DAY - scene.start).total_seconds()
        self.minute = int(first) + 60 * np.arange(WINDOW * 1440, dtype=np.int64)
        """The clock minutes, in seconds since the telemetry begins."""
        good = np.sort(np.array([self._s(c.at) for c in calls if c.outcome == "success"], float))
        self._asked = _cumulated((self._s(c.at), c.count) for c in calls if c.eligible)
        self._answered = _cumulated(
            (self._s(c.at), c.count) for c in calls if c.eligible and c.outcome == "success"
        )
        self._good = good
        self._runs = sorted(runs, key=lambda r: (r.finished, r.id))
        self._troubles = [t for t in troubles if t.integration == integration.key]
        self.connected = self._connected(integration)

    def _s(self, at: datetime) -> float:
        return (at - self._scene.start).total_seconds()

    def _recent(self, times: NDArray[np.float64], minute: Any) -> Any:
        """Whether one of the times lies in the 30 days before a minute."""
        month = 30 * 86_400
        return np.searchsorted(times, minute) > np.searchsorted(times, minute - month)

    def _connected(self, integration: Integration) -> Flags:
        assert integration.live is not None  # noqa: S101  # only live ones are watched
        called = self._recent(self._good, self.minute)
        found = np.zeros(len(self.minute), bool)
        by_connection: dict[str, list[float]] = defaultdict(list)
        for run in self._runs:
            if run.status == "success":
                by_connection[run.connection.id].append(self._s(run.finished))
        for c in self._scene.connections_of(integration):
            until = np.inf if c.disconnected is None else self._s(c.disconnected)
            there = (self._s(c.connected) <= self.minute) & (until > self.minute)
            synced = self._recent(np.array(by_connection[c.id], float), self.minute)
            found |= there & (called | synced)
        return found & (self._s(integration.live) <= self.minute)

    def slots(self) -> tuple[int, int]:
        """(slots that count, slots that were up) of the last 30 days."""
        mine, scene = self._mine, self._scene
        slot = (mine.at - self.minute[0]) // 60
        inside = (slot >= 0) & (slot < len(self.minute))
        ran = np.bincount(slot[inside], minlength=len(self.minute))
        fine = np.bincount(slot[inside & mine.ok], minlength=len(self.minute))
        answered = np.zeros(len(self.minute), bool)
        calls = ((self._good - self.minute[0]) // 60).astype(np.int64)
        answered[calls[(calls >= 0) & (calls < len(self.minute))]] = True
        up = np.where(ran > 0, 2 * fine > ran, answered)
        excused = np.zeros(len(self.minute), bool)
        by_month: dict[tuple[int, int], list[int]] = defaultdict(list)
        for second in mine.at[mine.maintenance].tolist():
            at = scene.start + timedelta(seconds=second)
            by_month[at.year, at.month].append((second - int(self.minute[0])) // 60)
        for found in by_month.values():
            for n in sorted(set(found))[:EXCUSED]:
                if 0 <= n < len(excused):
                    excused[n] = True
        counts = self.connected & ~excused
        return int(counts.sum()), int((counts & up).sum())

    def healthy(self, minute: Seconds) -> Flags:
        """integration_status healthy at minutes."""
        mine = self._mine
        seen = np.searchsorted(mine.at, minute)
        ok = seen >= 3
        for back in (1, 2, 3):
            ok &= mine.ok[np.maximum(seen - back, 0)]
        ok &= minute - mine.at[np.maximum(seen - 1, 0)] <= 3 * 60  # the registry says 60 s
        asked = _between(self._asked, minute)
        ok &= (asked < 20) | (_between(self._answered, minute) >= 0.99 * asked)
        finished = np.array([self._s(r.finished) for r in self._runs], float)
        if not len(finished):
            return np.zeros(len(minute), bool)
        newest = np.searchsorted(finished, minute)
        good = np.array([r.status == "success" for r in self._runs], bool)
        interval = np.array([r.interval for r in self._runs], float)
        last = np.maximum(newest - 1, 0)
        ok &= (newest > 0) & good[last] & (minute - finished[last] < 2 * interval[last])
        for t in self._troubles:
            ok &= ~((self._s(t.started) <= minute) & (minute < self._s(t.resolved)))
        return ok

    def in_a_quarter_hour(self) -> int:
        """Probes in the 15 minutes before the end."""
        end = self.minute[-1] + 60
        return int(np.sum((self._mine.at >= end - 900) & (self._mine.at < end)))


def _cumulated(rows: Iterable[tuple[float, int]]) -> tuple[NDArray[np.float64], Seconds]:
    ordered = sorted(rows)
    times = np.array([at for at, _ in ordered], float)
    return times, np.concatenate([[0], np.cumsum([n for _, n in ordered], dtype=np.int64)])


def _between(found: tuple[NDArray[np.float64], Seconds], minute: Seconds) -> Seconds:
    """Requests in the 15 minutes before each minute."""
    times, sums = found
    since = sums[np.searchsorted(times, minute - 900)]
    return np.asarray(sums[np.searchsorted(times, minute)] - since, dtype=np.int64)


def tell_watch(
    scene: Scene,
    truth: Truth,
    found: Sequence[Probes],
    calls: Sequence[Call],
    runs: Sequence[Run],
    troubles: Sequence[Trouble],
) -> None:
    """Uptime, health, states, monitoring."""
    if not found:
        _nothing(truth)
        return
    by_name = {mine.name: mine for mine in found}
    called: dict[str, list[Call]] = defaultdict(list)
    for c in calls:
        if c.integration:
            called[c.integration].append(c)
    ran: dict[str, list[Run]] = defaultdict(list)
    for r in runs:
        ran[r.key].append(r)
    watches = {
        i.key: Watch(scene, i, by_name[i.key], called[i.key], ran[i.key], troubles)
        for i in (*scene.named, *scene.others)
    }
    enough = scene.knobs.probe_interval <= 60
    slots = {key: watch.slots() for key, watch in watches.items()}
    last = {key: watch.minute[-1440:] for key, watch in watches.items()}
    there = {key: watch.connected[-1440:] for key, watch in watches.items()}
    well = {key: watch.healthy(last[key]) & there[key] for key, watch in watches.items()}
    for kind, key in (("network", "*"), *(("integration", key) for key in TOLD)):
        keys = list(watches) if kind == "network" else [key] if key in watches else []
        share(
            truth, "integration_uptime", sum(slots[k][1] for k in keys),
            sum(slots[k][0] for k in keys), kind, key,
            verdict=None if enough else "insufficient_data",
        )  # fmt: skip
        share(
            truth, "overall_health_score", sum(int(well[k].sum()) for k in keys),
            sum(int(there[k].sum()) for k in keys), kind, key,
        )  # fmt: skip
    end = np.array([watches[scene.named[0].key].minute[-1] + 60])
    healthy = {key: bool(watch.healthy(end)[0]) for key, watch in watches.items()}
    for key in ("franconnect", "quickbooks", "square", "salesforce"):
        n = watches[key].in_a_quarter_hour()
        word = "healthy" if healthy[key] else _worse(scene, by_name[key])
        verdict = "insufficient_data" if word == "unknown" else None
        truth.exact("integration_status", word, n=n, verdict=verdict, scope="integration", key=key)
    _tell_system(scene, truth, watches, healthy, by_name)
    _tell_monitoring(scene, truth, list(watches), by_name)


def _worse(scene: Scene, mine: Probes) -> str:
    """The word of an integration that is not healthy at the end."""
    since = (scene.end - scene.start).total_seconds() - float(mine.at[-1])
    if since > 3 * 60:
        return "unknown"
    return "degraded" if mine.ok[-3:].any() else "down"


def _nothing(truth: Truth) -> None:
    for metric in ("integration_uptime", "overall_health_score", "overall_system_status",
                   "proactive_monitoring"):  # fmt: skip
        truth.missing(metric)
    for key in ("franconnect", "quickbooks", "square", "salesforce"):
        truth.missing("integration_status", scope="integration", key=key)


def _tell_system(
    scene: Scene,
    truth: Truth,
    watches: dict[str, Watch],
    healthy: dict[str, bool],
    by_name: dict[str, Probes],
) -> None:
    parts = {name: bool(by_name[name].ok[-3:].all()) for name in COMPONENTS}
    down = [name for name in COMPONENTS if not by_name[name].ok[-3:].any()]
    sick = [key for key, fine in healthy.items() if not fine]
    dead = [key for key in sick if _worse(scene, by_name[key]) == "down"]
    if all(parts.values()) and not sick:
        word = "healthy"
    elif not down and len(dead) <= 0.2 * len(healthy):
        word = "degraded"
    else:
        word = "down"
    end = watches[scene.named[0].key].minute[-1] + 60
    counts = [w.in_a_quarter_hour() for w in watches.values()]
    counts += [int(np.sum(by_name[name].at >= end - 900)) for name in COMPONENTS]
    truth.exact("overall_system_status", word, n=min(counts))


def _tell_monitoring(
    scene: Scene, truth: Truth, keys: Sequence[str], by_name: dict[str, Probes]
) -> None:
    begin = (scene.end - DAY - scene.start).total_seconds()
    good = 0
    names = [*keys, *COMPONENTS]
    for name in names:
        mine = by_name[name]
        ran = int(np.sum(mine.at >= begin)) if mine.alerting else 0
        good += ran >= 0.95 * 86_400 / mine.interval
    share(truth, "proactive_monitoring", good, len(names))


def tell_recovery(
    scene: Scene, truth: Truth, found: Sequence[Probes], calls: Sequence[Call]
) -> None:
    """error_recovery_time: the longest time from a failure to the next success on the last day."""
    events: dict[tuple[str, str], list[tuple[float, bool]]] = defaultdict(list)
    begin = scene.end - DAY
    for c in calls:
        if scene.within(c.at, 1) and c.eligible:
            entity = (
                ("integration", c.integration) if c.integration else ("endpoint_group", c.group)
            )
            events[entity].append(((c.at - begin).total_seconds(), c.outcome == "success"))
    offset = (begin - scene.start).total_seconds()
    for mine in found:
        if mine.component == "integration":
            mask = (mine.at >= offset) & ~mine.maintenance
            rows = zip((mine.at[mask] - offset).tolist(), mine.ok[mask].tolist(), strict=True)
            events["integration", mine.name] += [(float(at), ok) for at, ok in rows]
    lengths = {entity: _episodes(rows) for entity, rows in events.items()}
    gate = scene.knobs.probe_interval <= 10
    for kind, key in (("network", "*"), *(("endpoint_group", g) for g in GROUPS)):
        mine_ = [
            x for e, xs in lengths.items() if kind == "network" or e == (kind, key) for x in xs
        ]
        seen = any(kind == "network" or e == (kind, key) for e in events)
        if not mine_:
            verdict = "not_applicable" if seen else "no_data"
            truth.missing("error_recovery_time", verdict, scope=kind, key=key)
            continue
        enough = gate or kind == "endpoint_group"
        truth.exact(
            "error_recovery_time", max(mine_), n=len(mine_), scope=kind, key=key,
            verdict=None if enough else "insufficient_data",
        )  # fmt: skip


def _episodes(events: Sequence[tuple[float, bool]]) -> list[float]:
    """Seconds from each first failure to the next success, or to the end of the day."""
    lengths = []
    failed: float | None = None
    for at, ok in sorted(events, key=lambda event: (event[0], not event[1])):
        if ok and failed is not None and at > failed:
            lengths.append(at - failed)
            failed = None
        elif not ok and failed is None:
            failed = at
    if failed is not None:
        lengths.append(86_400 - failed)
    return lengths
