"""Synchronisation of the simulated network: runs, changes, reconciliations, webhooks."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.ops_scene import (
    DAY,
    EXCHANGE,
    HOUR,
    MINUTE,
    Scene,
    columns_of,
    share,
)
from meterstone.sandbox.network.ops_traffic import weighted_quantile
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import Connection

ENTITIES = {
    "square": "payment", "clover": "order", "quickbooks": "invoice", "franconnect": "location",
    "salesforce": "account", "tableau": "extract", "powerbi": "dataset", "fransmart": "lead",
    "ifpg": "lead",
}  # fmt: skip
RECORD = "record"
DAILY = 86_400
SCOPES = ("square", "quickbooks", "tableau", "salesforce")
"""Integrations whose truth is told beside that of the network."""


# -- runs ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one entity of one connection."""

    id: str
    connection: Connection
    entity: str
    finished: datetime
    interval: int = DAILY
    status: str = "success"
    backlog: int = 0
    written: bool = True

    @property
    def key(self) -> str:
        return self.connection.integration.key


def runs(scene: Scene) -> list[Run]:
    """A run a day of every connection, and one when it is connected; without a long telemetry the
    integrations that are not named exchange every 30 days, and on the last day. A connection that
    is not in use yet has nothing to write.

    Two runs did not succeed: one of QuickBooks fails on the last day and is repeated, one of Square
    is partial ten days before (not in a long telemetry, whose days are all to be met).
    """
    found: list[Run] = []
    for integration in [*scene.named, *(scene.others if scene.long else ())]:
        for k, connection in enumerate(scene.connections_of(integration)):
            found += _daily(scene, connection, k)
    found += _history(scene)
    for k, integration in enumerate(scene.others):
        for connection in scene.connections_of(integration):
            for at in _exchanges(scene, connection, k):
                found.append(
                    Run(f"r-{connection.id}-{at:%Y%m%d}", connection, RECORD, at, 30 * DAILY)
                )
    return found


def _daily(scene: Scene, connection: Connection, k: int) -> Iterator[Run]:
    key = connection.integration.key
    entities = [ENTITIES.get(key, RECORD)]
    if key == "square" and k % 10 == 0:
        entities.append("booking")
    idle = scene.idle_until.get(connection.id, scene.world.start)
    silent = bool(scene.knobs.silent) and k % scene.knobs.silent == 3
    for e, entity in enumerate(entities):
        times = [
            scene.start + nth * DAY + 2 * HOUR + timedelta(seconds=(k * 37) % 14_400 + 5 * e)
            for nth in range(scene.days)
        ]
        if connection.connected >= scene.start:
            times.append(connection.connected + 30 * MINUTE + timedelta(seconds=e))
        for at in times:
            if not connection.is_live(at) or at >= scene.end:
                continue
            if silent and at >= scene.end - 5 * DAY:
                continue
            status, backlog = "success", 0
            back = (scene.end - at).days
            if key == "square" and k == 3 and back == 10 and not scene.long:
                status, backlog = "partial", 40
            if (
                key == "salesforce"
                and scene.knobs.stuck
                and k % scene.knobs.stuck == 1
                and not back
            ):
                backlog = 12
            name = f"r-{connection.id}-{entity}-{at:%Y%m%d%H}"
            run = Run(name, connection, entity, at, written=idle <= at)
            if key == "quickbooks" and k == 0 and back == 0:
                # when no other connection syncs, so that it shows until it is repeated
                later = at.replace(hour=9)
                yield replace(run, finished=later, status="failed", backlog=7)
                yield replace(run, id=f"{name}-again", finished=later + 6 * MINUTE)
            else:
                yield replace(run, status=status, backlog=backlog)


def _history(scene: Scene) -> Iterator[Run]:
    """Five runs a month of each connection of a shop, before the telemetry; they write records in
    the month in which it came into use, too."""
    if not scene.world.preset.large:
        return
    for months in range(1, 16):
        month = months_before(scene.end, months)
        for connection in scene.world.connections:
            if connection.shop is None:
                continue
            for back in (5, 10, 15, 20, 25):
                at = month - back * DAY + 3 * HOUR
                if connection.is_live(at) and at < scene.start:
                    name = f"r-{connection.id}-{at:%Y%m%d}-before"
                    idle = scene.idle_until.get(connection.id, scene.world.start)
                    entity = ENTITIES[connection.integration.key]
                    yield Run(name, connection, entity, at, written=idle <= month - 5 * DAY)


def _exchanges(scene: Scene, connection: Connection, k: int) -> Iterator[datetime]:
    at = scene.quiet_from - EXCHANGE
    while at > connection.connected and at > scene.world.start:
        yield at
        at -= EXCHANGE
    if connection.connected < scene.end - 13 * HOUR and not scene.long:
        yield scene.end - 12 * HOUR + k * MINUTE


def write_runs(scene: Scene, facts: Facts, rows: Sequence[Run]) -> None:
    """sync_run rows; and one of a test system, that fails."""
    if not rows:
        return
    table = columns_of(
        rows,
        {
            "run_id": lambda r: r.id,
            "connection_id": lambda r: r.connection.id,
            "integration": lambda r: r.key,
            "franchise_id": lambda r: r.connection.shop.id if r.connection.shop else None,
            "entity": lambda r: r.entity,
            "started_at": lambda r: r.finished - timedelta(seconds=40),
            "finished_at": lambda r: r.finished,
            "interval_s": lambda r: r.interval,
            "status": lambda r: r.status,
            "backlog": lambda r: r.backlog,
            "records_read": lambda r: 60 if r.written else 0,
            "records_written": lambda r: 60 - r.backlog if r.written else 0,
            "records_failed": lambda r: r.backlog if r.status != "success" else 0,
        },
    )
    facts.extend("sync_run", table | {"direction": "in", "mode": "incremental"})
    first = rows[0]
    facts.add(
        "sync_run", run_id="r-test", connection_id=first.connection.id, integration=first.key,
        entity=first.entity, started_at=scene.end - HOUR, finished_at=scene.end - HOUR,
        interval_s=DAILY, status="failed", backlog=900, records_read=0, records_written=0,
        records_failed=0, direction="in", mode="full", environment="test",
    )  # fmt: skip


def tell_state(scene: Scene, truth: Truth, rows: Sequence[Run]) -> None:
    """data_sync_status: which live connections are current at the end."""
    by_connection: dict[str, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in sorted(rows, key=lambda r: (r.finished, r.id)):
        if scene.end - 32 * DAY <= run.finished < scene.end or run.interval > DAILY:
            by_connection[run.connection.id][run.entity].append(run)
    for kind, key in (("network", "*"), *(("integration", key) for key in SCOPES)):
        live = [
            c
            for c in scene.world.live_connections(scene.end)
            if kind == "network" or c.integration.key == key
        ]
        current = sum(_is_current(scene, by_connection[c.id]) for c in live)
        n = len(live)
        if not n:
            truth.missing("data_sync_status", scope=kind, key=key)
            continue
        part = current / n
        word = "out_of_sync"
        for level, least in (("behind", 0.8), ("catching_up", 0.95), ("synchronized", 1.0)):
            if part >= least:
                word = level
        truth.exact("data_sync_status", word, n=n, scope=kind, key=key)


def _is_current(scene: Scene, entities: dict[str, list[Run]]) -> bool:
    newest = [found[-1] for found in entities.values()]
    return bool(newest) and all(
        run.status == "success"
        and run.backlog == 0
        and scene.end - run.finished < timedelta(seconds=2 * run.interval)
        for run in newest
    )


# -- reconciliation -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of an entity of an integration; of all franchises unless one is named."""

    at: datetime
    integration: str
    entity: str
    checked: int
    missing: int = 0
    mismatched: int = 0
    extra: int = 0
    repaired: int = 0
    left: int = 0
    franchise: str | None = None
    platform: str = "hub"
    fields_wrong: int = 0

    @property
    def differing(self) -> int:
        return self.missing + self.mismatched + self.extra

    @property
    def id(self) -> str:
        name = self.franchise or "all"
        return f"x-{self.integration}-{self.entity}-{name}-{self.at:%Y%m%d%H%M}"


def checks(scene: Scene) -> list[Check]:
    """One comparison a day of every entity, of all franchises together.

    On one day a comparison of Square differs and is repeated an hour later without a difference; on
    another one of Clover differs and is resolved by the next day (neither in a long telemetry); on
    the last day it ran twice.
    Honest: nobody compares on weekends, and the last comparison of QuickBooks differs.
    """
    honest = scene.world.preset.story == "honest"
    found: list[Check] = []
    for nth in range(scene.days):
        day = scene.start + nth * DAY
        if not (honest and day.weekday() >= 5):
            for k, integration in enumerate(scene.named):
                at = day + timedelta(hours=7, minutes=5 * k)
                found += _compared(scene, integration.key, at, scene.days - 1 - nth)
        if nth % 7 == 0 and scene.named:
            at = day + 9 * HOUR  # within one platform
            found.append(Check(at, "square", "ledger", 500, platform="square", fields_wrong=900))
    if scene.world.preset.large:
        found += _monthly(scene)
    for k, integration in enumerate(scene.others):
        days = [scene.start + nth * DAY for nth in range(scene.days)]
        for day in (scene.quiet_from, *(days if scene.long else days[-1:])):
            at = day + timedelta(hours=23, minutes=k)
            found.append(Check(at, integration.key, RECORD, 100, fields_wrong=3))
    return found


def _compared(scene: Scene, key: str, at: datetime, back: int) -> Iterator[Check]:
    """The comparisons of one integration on the day so many days before the last one."""
    lost = scene.knobs.lost
    size = 2_000 if scene.world.preset.large else 300
    wrong = size // 20
    for entity in [ENTITIES[key]] + (["booking"] if key == "square" else []):
        usual = Check(at, key, entity, size, fields_wrong=wrong)
        if key == "clover" and back == 12 and not scene.long:
            yield replace(usual, mismatched=4, repaired=4)
        elif key == "tableau" and back < 10 and lost:
            yield replace(usual, missing=lost, left=lost)
        elif key == "quickbooks" and back == 0 and scene.world.preset.story == "honest":
            yield replace(usual, mismatched=5, repaired=2, left=3)
        else:
            yield usual
        if key == "clover" and back == 0:
            yield replace(usual, at=at - HOUR)
        if key == "square" and back == 15 and entity == "payment" and not scene.long:
            yield Check(at - HOUR, key, entity, size, mismatched=3, extra=2)


def _monthly(scene: Scene) -> Iterator[Check]:
    """One comparison a month of the nine months before the telemetry."""
    month = scene.start.replace(day=1)
    for _ in range(9):
        yield Check(month + 14 * DAY + 9 * HOUR, "square", "payment", 4_000, fields_wrong=300)
        month = (month - DAY).replace(day=1)


def write_checks(facts: Facts, rows: Sequence[Check]) -> None:
    """reconciliation rows."""
    if not rows:
        return
    table = columns_of(
        rows,
        {
            "recon_id": lambda x: x.id,
            "at": lambda x: x.at,
            "integration": lambda x: x.integration,
            "franchise_id": lambda x: x.franchise,
            "entity": lambda x: x.entity,
            "platform_a": lambda x: x.integration,
            "platform_b": lambda x: x.platform,
            "window_start": lambda x: x.at - DAY,
            "window_end": lambda x: x.at,
            "checked": lambda x: x.checked,
            "matched": lambda x: x.checked - x.missing - x.mismatched,
            "missing": lambda x: x.missing,
            "mismatched": lambda x: x.mismatched,
            "extra": lambda x: x.extra,
            "fields_checked": lambda x: 8 * x.checked,
            "fields_matched": lambda x: 8 * x.checked - x.fields_wrong,
            "auto_resolved": lambda x: x.repaired,
            "open_after_24h": lambda x: x.left,
        },
    )
    facts.extend("reconciliation", table | {"method": "full"})


class Due:
    """Which comparisons were due: an entity that a live connection synced in the 30 days before."""

    def __init__(self, scene: Scene, run_rows: Sequence[Run], check_rows: Sequence[Check]) -> None:
        self._scene = scene
        self._synced: dict[str, dict[str, list[datetime]]] = defaultdict(lambda: defaultdict(list))
        for run in run_rows:
            self._synced[run.connection.id][run.entity].append(run.finished)
        for entities in self._synced.values():
            for times in entities.values():
                times.sort()
        self._newest: dict[tuple[str, str, date], Check] = {}
        for check in sorted(check_rows, key=lambda x: (x.at, x.id)):
            self._newest[check.integration, check.entity, check.at.date()] = check

    def entities(self, connection: Connection, since: datetime, until: datetime) -> list[str]:
        """Entities with a run in [since, until)."""
        return [
            entity
            for entity, times in self._synced[connection.id].items()
            if bisect_left(times, since) < bisect_left(times, until)
        ]

    def newest(self, connection: Connection, entity: str, day: date) -> Check | None:
        """The newest comparison of a day."""
        return self._newest.get((connection.integration.key, entity, day))

    def month(self) -> Iterator[tuple[Connection, date, Check | None]]:
        """Every comparison that was due in the last 30 days."""
        days = (self._scene.end - (nth + 1) * DAY for nth in range(30))
        for opens, connection, check in self.of_days(days):
            yield connection, opens.date(), check

    def of_days(
        self, days: Iterable[datetime]
    ) -> Iterator[tuple[datetime, Connection, Check | None]]:
        """Every comparison that was due on days, which are given by their first moments."""
        for opens in days:
            closes = opens + DAY
            for c in self._scene.world.connections:
                if c.connected > opens or (c.disconnected and c.disconnected < closes):
                    continue
                for entity in self.entities(c, opens - 30 * DAY, closes):
                    yield opens, c, self.newest(c, entity, opens.date())


def tell_checks(scene: Scene, truth: Truth, run_rows: Sequence[Run], rows: Sequence[Check]) -> None:
    """Accuracy, consistency and integrity of the data."""
    due = Due(scene, run_rows, rows)
    month = list(due.month())
    for kind, key in (("network", "*"), *(("integration", key) for key in SCOPES)):
        everything = kind == "network"
        mine = [x for x in rows if everything or x.integration == key]
        owed = [d for d in month if everything or d[0].integration.key == key]
        window = [x for x in mine if scene.within(x.at, 30)]
        checked = sum(x.checked for x in window)
        days: dict[str, dict[date, bool]] = defaultdict(lambda: defaultdict(bool))
        for c, day, check in owed:
            days[c.id][day] |= check is not None
        gate = bool(days) and all(sum(ran.values()) >= 0.95 * len(ran) for ran in days.values())
        share(
            truth, "data_synchronization_accuracy", checked - sum(x.missing for x in window),
            checked, kind, key, verdict=None if gate else "insufficient_data",
        )  # fmt: skip
        good = sum(x is not None and (x.differing == 0 or x.left == 0) for _, _, x in owed)
        share(truth, "data_consistency_validation", good, len(owed), kind, key)
        last = [x for x in mine if scene.within(x.at, 1)]
        checked = sum(x.checked for x in last)
        share(
            truth, "integrity_score", checked - sum(x.missing + x.mismatched for x in last),
            checked + sum(x.extra for x in last), kind, key, n=checked,
        )  # fmt: skip
        _tell_newest(scene, truth, due, kind, key)


def _tell_newest(scene: Scene, truth: Truth, due: Due, kind: str, key: str) -> None:
    day = (scene.end - DAY).date()
    ends = [
        due.newest(c, entity, day)
        for c in scene.world.live_connections(scene.end)
        if kind == "network" or c.integration.key == key
        for entity in due.entities(c, scene.end - 30 * DAY, scene.end)
    ]
    if not ends:
        truth.missing("consistency_checks", scope=kind, key=key)
        return
    differing = [x for x in ends if x is not None and x.differing]
    if any(x.repaired < x.differing for x in differing):
        word = "failed"
    elif None in ends:
        word = "incomplete"
    else:
        word = "passed_after_repair" if differing else "passed"
    truth.exact("consistency_checks", word, n=len(ends), scope=kind, key=key)


# -- changes ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one record, applied at one connection."""

    id: str
    connection: Connection
    changed: datetime
    lag: float | None
    status: str = "applied"
    conflict: str = "none"
    record: str | None = None

    @property
    def applied(self) -> datetime | None:
        return None if self.lag is None else self.changed + timedelta(seconds=self.lag)

    @property
    def key(self) -> str:
        return self.connection.integration.key


_A_DAY = {
    "square": 420, "clover": 210, "quickbooks": 300, "salesforce": 150, "tableau": 40,
    "powerbi": 12,
    "franconnect": 60, "fransmart": 12, "ifpg": 12,
}  # fmt: skip


def changes(scene: Scene) -> list[Change]:
    """Changes of the named integrations; few on earlier days, for the volume's sake."""
    found = []
    rng = scene.rng("changes")
    for nth in range(scene.days):
        day = scene.start + nth * DAY
        back = scene.days - 1 - nth
        full = scene.long or back < 3
        for integration in scene.named:
            live = [c for c in scene.connections_of(integration) if c.is_live(day)]
            if not live:
                continue
            count = _A_DAY[integration.key]
            if not full and count > 100:
                count //= 5
            if not scene.world.preset.large:
                count = count // 4 + 1
            times = rng.uniform(0, 86_390, count)
            lags = 0.2 + 0.9 * rng.random(count)
            for j in range(count):
                lag = float(lags[j])
                if integration.key == "salesforce" and scene.knobs.slow_changes:
                    lag += scene.knobs.slow_changes
                if integration.key == "powerbi":
                    lag += 90  # too few changes to count
                at = day + timedelta(seconds=round(float(times[j]), 3))
                conflict = "none"
                if j % 100 == 7 or (integration.key == "square" and j < 3):
                    conflict = "automatic"
                    if scene.knobs.conflicts_open and nth % 8 == 0:
                        conflict = "manual"
                name = f"s-{integration.key}-{nth}-{j}"
                found.append(
                    Change(name, live[j % len(live)], at, round(lag, 3), conflict=conflict)
                )
    return found + _special_changes(scene)


def _special_changes(scene: Scene) -> list[Change]:
    """What filters must tell apart: superseded, failed and pending changes, a record that goes to
    two systems, conflicts that are too young to count."""
    square = next((i for i in scene.named if i.key == "square"), None)
    books = next((i for i in scene.named if i.key == "quickbooks"), None)
    if not (square and books):
        return []
    one = next(c for c in scene.connections_of(square) if c.is_live(scene.end - 2 * DAY))
    two = next(c for c in scene.connections_of(books) if c.is_live(scene.end - 2 * DAY))
    noon = scene.end - 12 * HOUR
    found = [
        Change("s-superseded", one, noon, 900.0, "superseded"),
        Change("s-failed", one, noon, None, "failed"),
        Change("s-pending", one, scene.end - timedelta(seconds=1), None, "pending"),
        Change("s-after", one, scene.end, 800.0),
        Change("s-before", one, scene.end - DAY - timedelta(seconds=1), 700.0),
        Change("s-young", one, scene.end - 30 * MINUTE, 1.0, "applied", "open"),
    ]
    for j in range(60):
        at = noon + timedelta(seconds=10 * j)
        for c, name in ((one, "square"), (two, "quickbooks")):
            found.append(Change(f"s-both-{name}-{j}", c, at, 0.5, record=f"both-{j}"))
    return found


def write_changes(facts: Facts, rows: Sequence[Change]) -> None:
    """sync_lag rows."""
    if not rows:
        return
    table = columns_of(
        rows,
        {
            "change_id": lambda s: s.id,
            "connection_id": lambda s: s.connection.id,
            "integration": lambda s: s.key,
            "source_changed_at": lambda s: s.changed,
            "received_at": lambda s: s.changed + timedelta(seconds=0.1),
            "applied_at": lambda s: s.applied,
            "status": lambda s: s.status,
            "conflict": lambda s: s.conflict != "none",
            "conflict_resolution": lambda s: s.conflict,
            "source_ref": lambda s: s.record,
            "entity": lambda s: "sale" if s.record else ENTITIES[s.key],
        },
    )
    facts.extend("sync_lag", table)


def tell_changes(scene: Scene, truth: Truth, rows: Sequence[Change]) -> None:
    """Lag, timeliness, conflicts and transactions."""
    lags: dict[str, list[float]] = defaultdict(list)
    for s in rows:
        if scene.within(s.changed, 1) and s.status in ("applied", "pending"):
            until = scene.end if s.applied is None else min(s.applied, scene.end)
            lags[s.key].append((until - s.changed).total_seconds())
    for kind, key in (("network", "*"), *(("integration", key) for key in SCOPES)):
        mine = [x for k, found in lags.items() if kind == "network" or k == key for x in found]
        if mine:
            p95 = weighted_quantile([(x, 1) for x in mine], 0.95)
            truth.estimate("sync_lag_p95", p95, n=len(mine), scope=kind, key=key)
        else:
            truth.missing("sync_lag_p95", scope=kind, key=key)
        _tell_timeliness(
            truth, {k: v for k, v in lags.items() if kind == "network" or k == key}, kind, key
        )
        _tell_conflicts(
            scene, truth, [s for s in rows if kind == "network" or s.key == key], kind, key
        )
    _tell_transactions(scene, truth, rows)


def upper_bound(lags: Sequence[float], q: float = 0.95) -> float:
    """Upper 95 % bound of a quantile: the order statistic by the normal approximation."""
    n = len(lags)
    rank = math.floor(q * n + 1.96 * math.sqrt(q * (1 - q) * n)) + 1
    return sorted(lags)[min(rank, n) - 1]


def _tell_timeliness(truth: Truth, lags: dict[str, list[float]], kind: str, key: str) -> None:
    sizes = {k: len(v) for k, v in lags.items()}
    enough = [k for k, n in sizes.items() if n >= 100]
    looked_at = enough or list(sizes)
    if not looked_at:
        truth.missing("data_synchronization_mode", scope=kind, key=key)
        return
    slowest = max(upper_bound(lags[k]) for k in looked_at)
    word = "stale"
    for level, limit in (
        ("daily", 86_400),
        ("hourly", 3_600),
        ("near_real_time", 60),
        ("real_time", 2),
    ):
        if slowest <= limit:
            word = level
    n = min(sizes[k] for k in enough) if enough else max(sizes.values())
    truth.exact("data_synchronization_mode", word, n=n, scope=kind, key=key)


def _tell_conflicts(
    scene: Scene, truth: Truth, rows: Sequence[Change], kind: str, key: str
) -> None:
    window = [s for s in rows if scene.within(s.changed, 30)]
    conflicts = [s for s in window if s.conflict != "none" and s.changed < scene.end - HOUR]
    if not conflicts:
        verdict = "not_applicable" if window else "no_data"
        truth.missing("conflict_resolution", verdict, scope=kind, key=key)
        return
    n = len(conflicts)
    part = sum(s.conflict == "automatic" for s in conflicts) / n
    word = "manual"
    for level, least in (("assisted", 0.5), ("mostly_automated", 0.8), ("automated", 0.95)):
        if part >= least:
            word = level
    truth.exact("conflict_resolution", word, n=n, scope=kind, key=key)


def _tell_transactions(scene: Scene, truth: Truth, rows: Sequence[Change]) -> None:
    hours: dict[datetime, set[tuple[str, datetime]]] = defaultdict(set)
    for s in rows:
        if s.status == "applied" and s.applied and scene.within(s.applied, 1):
            hour = s.applied.replace(minute=0, second=0, microsecond=0)
            hours[hour].add((s.record or s.id, s.changed))
    counts: dict[datetime, int] = defaultdict(int)
    for hour, found in hours.items():
        counts[hour] += len(found)
    for hour, number in scene.world.shared.get("hub_hours", {}).items():
        if scene.within(hour, 1):
            counts[hour] += number
    if counts:
        truth.exact("transaction_throughput", max(counts.values()), n=len(counts))
    else:
        truth.missing("transaction_throughput")


# -- webhooks -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Webhook:
    """One event for one subscription, with its second attempt where the first failed."""

    id: str
    integration: str
    direction: str
    created: datetime
    delivered: datetime | None
    status: str = "delivered"
    found: bool = False
    attempts: int = 1

    @property
    def deadline(self) -> datetime:
        return self.created + DAY

    @property
    def good(self) -> bool:
        """Delivered in time, and not only found by reconciliation."""
        return bool(self.delivered and self.delivered <= self.deadline and not self.found)


def webhooks(scene: Scene) -> list[Webhook]:
    """Some 70 events a day; some are delivered at the last second of their window, some wait for a
    receiver that is switched off, some come after the end."""
    found = []
    keys = [i.key for i in scene.named if i.key in ("square", "clover", "salesforce")]
    for nth in range(scene.days):
        day = scene.start + nth * DAY
        for k, key in enumerate(keys):
            for j in range((40, 20, 10)[k] + nth % 7 if scene.world.preset.large else 3 + nth % 2):
                at = day + timedelta(minutes=17 + 30 * j + k)
                name = f"w-{key}-{nth}-{j}"
                direction = "in" if j % 4 else "out"
                lost = scene.knobs.lost_webhooks and (nth * 40 + j) % 40 == 5
                if lost:
                    found.append(Webhook(name, key, "in", at, at + 20 * HOUR, "delivered", True))
                    continue
                wait = DAY if j == 1 else timedelta(seconds=2 + j)
                delivered = at + wait
                if delivered >= scene.end:
                    found.append(Webhook(name, key, direction, at, None, "pending"))
                else:
                    found.append(Webhook(name, key, direction, at, delivered))
        if keys and nth % 5 == 0:
            at = day + 3 * HOUR
            found.append(
                Webhook(f"w-off-{nth}", keys[0], "out", at, None, "receiver_disabled", attempts=9)
            )
    return found


def write_webhooks(facts: Facts, rows: Sequence[Webhook]) -> None:
    """webhook_delivery rows; every twentieth event was sent twice: a row, and a revision of it."""
    if not rows:
        return
    names = {
        "event_id": lambda w: w.id,
        "integration": lambda w: w.integration,
        "direction": lambda w: w.direction,
        "created_at": lambda w: w.created,
        "deadline_at": lambda w: w.deadline,
        "delivered_at": lambda w: w.delivered,
        "status": lambda w: w.status,
        "found_by_reconciliation": lambda w: w.found,
    }
    table = columns_of(rows, names)
    table["attempts"] = [w.attempts for w in rows]
    facts.extend("webhook_delivery", table | {"subscription_id": "sub-1"})
    again = [w for w in rows[::20] if w.delivered]
    twice = columns_of(again, names)
    twice["attempts"] = [2] * len(again)
    if again:
        facts.extend("webhook_delivery", twice | {"subscription_id": "sub-1"}, version=2)


def tell_webhooks(scene: Scene, truth: Truth, rows: Sequence[Webhook]) -> None:
    """webhook_delivery_success: due in the last 30 days."""
    for kind, key in (("network", "*"), ("integration", "square")):
        due = [
            w
            for w in rows
            if scene.within(w.deadline, 30)
            and w.status != "receiver_disabled"
            and (kind == "network" or w.integration == key)
        ]
        good = [w for w in due if w.good]
        share(truth, "webhook_delivery_success", len(good), len(due), kind, key)
