"""Probes of the simulated network, and what they say: uptime, health, monitoring, recovery."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.ops_scene import DAY, HOUR, MINUTE, WINDOW, Scene, share
from meterstone.sandbox.network.ops_sync import Run
from meterstone.sandbox.network.ops_traffic import GROUPS, Call, failing
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
    interval: Seconds
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
    their exchange and on the last day, the components of the hub on the last two days; in a long
    telemetry all of them all the time.
    """
    found = [_named(scene, k, integration) for k, integration in enumerate(scene.named)]
    minutes = scene.days * 1440
    begin = int((scene.quiet_from - scene.start).total_seconds())
    for k, integration in enumerate(scene.others):
        assert integration.live is not None  # noqa: S101  # only live ones are probed
        live = int((integration.live - scene.start).total_seconds()) // 60
        since = max(live, 0) if scene.long else minutes - 1440
        at = np.arange(since, minutes, dtype=np.int64) * 60
        at = np.concatenate([np.array([begin], dtype=np.int64), at]) + k
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
    every = np.full(size, interval, dtype=np.int64)
    return Probes(name, component, every, at, np.ones(size, bool), np.zeros(size, bool))


_SHAKY = 12
"""Days before the last one on which probes of IFPG fail."""


def _schedule(scene: Scene, k: int, key: str) -> tuple[Seconds, Seconds]:
    """When a named integration is probed, and at which intervals: more closely on the days on which
    something fails there, so that it is seen when it is well again."""
    usual, close = scene.knobs.probe_interval, scene.knobs.close
    begin = int((scene.probed_from - scene.start).total_seconds())
    at = np.arange(begin, scene.days * 86_400, usual, dtype=np.int64) + (7 * k + 3) % 60
    to_go = scene.days - 1 - at // 86_400
    shaky = [
        back
        for back in range(scene.days)
        if failing(scene, k, back) or (key == "ifpg" and back == _SHAKY)
    ]
    if close < usual:
        at = at[~np.isin(to_go, shaky)]
        day = np.arange(0, 86_400, close, dtype=np.int64) + (7 * k + 3) % close
        at = np.sort(np.concatenate([at, *((scene.days - 1 - n) * 86_400 + day for n in shaky)]))
        to_go = scene.days - 1 - at // 86_400
    return at, np.where(np.isin(to_go, shaky), close, usual).astype(np.int64)


def _named(scene: Scene, k: int, integration: Integration) -> Probes:
    """With what went wrong: outages, maintenance, probes that did not run."""
    key, knobs = integration.key, scene.knobs
    at, interval = _schedule(scene, k, key)
    mine = _all_well(key, "integration", knobs.probe_interval, at)
    mine.interval = interval

    def span(back: timedelta, length: timedelta) -> Flags:
        begin = (scene.end - back - scene.start).total_seconds()
        return (at >= begin) & (at < begin + length.total_seconds())

    if key == "clover":
        minutes = min(knobs.maintenance, 45) if scene.long else knobs.maintenance
        planned = span(19 * DAY - 2 * HOUR, minutes * MINUTE)
        mine.maintenance |= planned
        mine.ok &= ~planned
    if key == "ifpg":
        closely = knobs.close < knobs.probe_interval
        length = timedelta(seconds=knobs.close) if closely else 20 * MINUTE
        mine.ok &= ~span((_SHAKY + 1) * DAY - 5 * HOUR, length)
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
        key, "integration", interval[kept], at[kept], mine.ok[kept], mine.maintenance[kept]
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
        reason = np.where(mine.ok, 0, np.where(mine.maintenance, 1, 2)).astype(np.int8)
        second = pa.array(mine.at).cast(pa.string())
        columns: dict[str, Any] = {
            "probe_id": pc.binary_join_element_wise(mine.name, second, "-"),
            "at": at,
            "component": mine.component,
            "integration": mine.name if mine.component == "integration" else None,
            "check_key": "reachable",
            "interval_s": mine.interval,
            "ok": mine.ok,
            "latency_ms": np.where(mine.ok, 80.0, 10_000.0),
            "location": "us-east",
            "fail_reason": pa.array(["none", "other", "timeout"]).take(pa.array(reason)),
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
    """What was so at every minute of the last days (30), of one integration."""

    def __init__(
        self,
        scene: Scene,
        integration: Integration,
        mine: Probes,
        calls: Sequence[Call],
        runs: Sequence[Run],
        troubles: Sequence[Trouble],
        days: int = WINDOW,
    ) -> None:
        self._scene = scene
        self._mine = mine
        first = (scene.end - days * DAY - scene.start).total_seconds()
        self.minute = int(first) + 60 * np.arange(days * 1440, dtype=np.int64)
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
            if found.all():
                break
            until = np.inf if c.disconnected is None else self._s(c.disconnected)
            there = (self._s(c.connected) <= self.minute) & (until > self.minute)
            synced = self._recent(np.array(by_connection[c.id], float), self.minute)
            found |= there & (called | synced)
        return found & (self._s(integration.live) <= self.minute)

    def slots(self) -> tuple[int, int]:
        """(slots that count, slots that were up) of all days."""
        counts, up = self._slots()
        return int(counts.sum()), int(up.sum())

    def slots_by_day(self) -> tuple[Seconds, Seconds]:
        """(slots that count, slots that were up), one of each a day."""
        counts, up = self._slots()
        return counts.reshape(-1, 1440).sum(axis=1), up.reshape(-1, 1440).sum(axis=1)

    def _slots(self) -> tuple[Flags, Flags]:
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
        return counts, counts & up

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


def watches(
    scene: Scene,
    found: Sequence[Probes],
    calls: Sequence[Call],
    runs: Sequence[Run],
    troubles: Sequence[Trouble],
    days: int = WINDOW,
) -> dict[str, Watch]:
    """All live integrations, watched for so many days before the end."""
    by_name = {mine.name: mine for mine in found}
    called: dict[str, list[Call]] = defaultdict(list)
    for c in calls:
        if c.integration:
            called[c.integration].append(c)
    ran: dict[str, list[Run]] = defaultdict(list)
    for r in runs:
        ran[r.key].append(r)
    return {
        i.key: Watch(scene, i, by_name[i.key], called[i.key], ran[i.key], troubles, days)
        for i in (*scene.named, *scene.others)
    }


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
    watched = watches(scene, found, calls, runs, troubles)
    enough = scene.knobs.probe_interval <= 60
    slots = {key: watch.slots() for key, watch in watched.items()}
    last = {key: watch.minute[-1440:] for key, watch in watched.items()}
    there = {key: watch.connected[-1440:] for key, watch in watched.items()}
    well = {key: watch.healthy(last[key]) & there[key] for key, watch in watched.items()}
    for kind, key in (("network", "*"), *(("integration", key) for key in TOLD)):
        keys = list(watched) if kind == "network" else [key] if key in watched else []
        share(
            truth, "integration_uptime", sum(slots[k][1] for k in keys),
            sum(slots[k][0] for k in keys), kind, key,
            verdict=None if enough else "insufficient_data",
        )  # fmt: skip
        share(
            truth, "overall_health_score", sum(int(well[k].sum()) for k in keys),
            sum(int(there[k].sum()) for k in keys), kind, key,
        )  # fmt: skip
    end = np.array([watched[scene.named[0].key].minute[-1] + 60])
    healthy = {key: bool(watch.healthy(end)[0]) for key, watch in watched.items()}
    for key in ("franconnect", "quickbooks", "square", "salesforce"):
        n = watched[key].in_a_quarter_hour()
        word = "healthy" if healthy[key] else _worse(scene, by_name[key])
        verdict = "insufficient_data" if word == "unknown" else None
        truth.exact("integration_status", word, n=n, verdict=verdict, scope="integration", key=key)
    _tell_system(scene, truth, watched, healthy, by_name)
    _tell_monitoring(scene, truth, list(watched), by_name)


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
    watched: dict[str, Watch],
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
    end = watched[scene.named[0].key].minute[-1] + 60
    counts = [w.in_a_quarter_hour() for w in watched.values()]
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
        good += ran >= 0.95 * 86_400 / mine.interval[-1]
    share(truth, "proactive_monitoring", good, len(names))


def tell_recovery(
    scene: Scene, truth: Truth, found: Sequence[Probes], calls: Sequence[Call]
) -> None:
    """error_recovery_time: the longest time from a failure to the next success on the last day."""
    begin = scene.end - DAY
    offset = (begin - scene.start).total_seconds()
    lengths = day_episodes(
        scene, found, [c for c in calls if scene.within(c.at, 1)], scene.days - 1
    )
    slowest = {
        mine.name: int(mine.interval[mine.at >= offset].max())
        for mine in found
        if mine.component == "integration" and (mine.at >= offset).any()
    }
    for kind, key in (("network", "*"), *(("endpoint_group", g) for g in GROUPS)):
        mine_ = [
            x for e, xs in lengths.items() if kind == "network" or e == (kind, key) for x in xs
        ]
        seen = any(kind == "network" or e == (kind, key) for e in lengths)
        if not mine_:
            verdict = "not_applicable" if seen else "no_data"
            truth.missing("error_recovery_time", verdict, scope=kind, key=key)
            continue
        seldom = any(
            slowest.get(name, 0) > 10
            for (what, name), xs in lengths.items()
            if xs and what == "integration" and kind == "network"
        )
        truth.exact(
            "error_recovery_time", max(mine_), n=len(mine_), scope=kind, key=key,
            verdict="insufficient_data" if seldom else None,
        )  # fmt: skip


def day_episodes(
    scene: Scene, found: Sequence[Probes], calls: Sequence[Call], nth: int
) -> dict[tuple[str, str], list[float]]:
    """Lengths of the episodes of a day of the telemetry, by what was called or probed.

    Args:
        calls: those of the day.
    """
    begin, offset = scene.start + nth * DAY, nth * 86_400
    events: dict[tuple[str, str], list[tuple[float, bool]]] = defaultdict(list)
    for c in calls:
        if c.eligible:
            entity = (
                ("integration", c.integration) if c.integration else ("endpoint_group", c.group)
            )
            events[entity].append(((c.at - begin).total_seconds(), c.outcome == "success"))
    for mine in found:
        if mine.component == "integration":
            first, last = np.searchsorted(mine.at, [offset, offset + 86_400])
            day = slice(int(first), int(last))
            rows = events["integration", mine.name] if last > first else []
            if mine.ok[day].all() and all(ok for _, ok in rows):
                continue
            mask = ~mine.maintenance[day]
            times = (mine.at[day][mask] - offset).tolist()
            rows += zip(map(float, times), mine.ok[day][mask].tolist(), strict=True)
    return {entity: _episodes(rows) for entity, rows in events.items()}


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
