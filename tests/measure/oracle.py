"""An independent reading of the four systems: every metric in plain Python over lists of rows.

Written from `mission/metrics.yaml`, `mission/facts.yaml` and `mission/READINGS.md`, not from the
engine: no SQL, no relation, no term of our catalogue. It is slow and obvious on purpose.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from scipy import stats

from meterstone.facts import vocabulary

from .build import AT, Row

Z = 1.959963984540054
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Spec:
    """A line of metrics.yaml: target, minimum sample, and how the verdict is taken."""

    cmp: str
    target: float | str
    min_sample: int
    window: str
    on: str = "point"
    places: dict[str, tuple[float | str, int | None]] = field(default_factory=dict)


SPECS = {
    "integration_uptime": Spec(">=", 99.9, 40_000, "30 days"),
    "api_response_time_p95": Spec("<", 500, 1_000, "day", "bound"),
    "data_synchronization_accuracy": Spec(">=", 100, 10_000, "30 days"),
    "webhook_delivery_success": Spec(">=", 100, 1_000, "30 days"),
    "error_recovery_time": Spec("<", 30, 1, "day"),
    "concurrent_user_capacity": Spec(">=", 50_000, 10_000, "90 days"),
    "data_consistency_validation": Spec(">=", 100, 100, "30 days"),
    "integration_status": Spec(
        "at_least", "healthy", 3, "15 minutes", "state",
        {f"integration:{key}": ("healthy", None) for key in ("quickbooks", "square", "salesforce")},
    ),
    "overall_health_score": Spec(">=", 99.9, 1_440, "1 days"),
    "api_mean_response_time": Spec(
        "<=", 245, 1_000, "day", "point",
        {"endpoint_group:franchise_management": (180, None),
         "endpoint_group:pos_integration": (220, None), "endpoint_group:analytics": (350, None)},
    ),
    "api_request_rate": Spec(">=", 1_250, 1_440, "day", "reference"),
    "api_error_rate": Spec("<=", 0.01, 30_000, "1 days"),
    "transaction_throughput": Spec(">=", 5_000, 24, "day", "reference"),
    "concurrent_connections": Spec(">=", 2_500, 1_000, "day", "reference"),
    "data_sync_status": Spec("at_least", "synchronized", 1, "instant", "state"),
    "consistency_checks": Spec("at_least", "passed", 1, "1 days", "state"),
    "integrity_score": Spec(">=", 100, 10_000, "1 days"),
    "sync_lag_p95": Spec("<", 2, 1_000, "1 days", "bound"),
    "conflict_resolution": Spec("at_least", "automated", 50, "30 days", "state"),
    "api_success_rate": Spec(
        ">=", 99.98, 15_000, "1 days", "point",
        {"endpoint_group:pos_integration": (99.95, 6_000),
         "endpoint_group:analytics": (99.99, 30_000)},
    ),
    "rate_limit_hits": Spec("<", 0.1, 3_000, "1 days"),
    "throttling_efficiency": Spec(">=", 99.5, 600, "1 days"),
    "queue_management": Spec("at_least", "optimal", 200, "1 days", "state"),
    "priority_handling": Spec("at_least", "effective", 100, "1 days", "state"),
    "authentication_error_rate": Spec("<=", 0.001, 300_000, "30 days"),
    "rate_limit_error_rate": Spec("<=", 0.002, 150_000, "30 days"),
    "timeout_error_rate": Spec("<=", 0.005, 60_000, "30 days"),
    "connection_error_rate": Spec("<=", 0.003, 100_000, "30 days"),
    "data_validation_error_rate": Spec("<=", 0.001, 300_000, "30 days"),
    "mean_time_to_detection": Spec("<", 30, 10, "90 days"),
    "mean_time_to_resolution": Spec("<", 120, 10, "90 days"),
    "automatic_resolution_rate": Spec(">=", 85, 20, "90 days"),
    "incident_escalation_rate": Spec("<", 5, 20, "90 days"),
    "customer_impact_duration": Spec("<", 60, 10, "90 days"),
    "recurring_error_rate": Spec("<", 0.01, 30_000, "30 days"),
    "prevention_implementation": Spec(">=", 95, 20, "90 days"),
    "proactive_monitoring": Spec(">=", 100, 6, "1 days"),
    "predictive_detection": Spec(">=", 80, 20, "90 days"),
}  # fmt: skip

COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}

LEVELS = {
    "integration_status": ["healthy", "degraded", "down"],
    "data_sync_status": ["synchronized", "catching_up", "behind", "out_of_sync"],
    "consistency_checks": ["passed", "passed_after_repair", "incomplete", "failed"],
    "conflict_resolution": ["automated", "mostly_automated", "assisted", "manual"],
    "queue_management": ["optimal", "good", "acceptable", "poor"],
    "priority_handling": ["effective", "partial", "ineffective", "inverted"],
}


@dataclass
class Found:
    """What a definition yields: no value and a word why, or a value with its sample."""

    value: float | str | None = None
    n: float = 0
    lower: float | None = None
    upper: float | None = None
    gates: bool = True
    censored: bool = False
    why: str = "no_data"


@dataclass
class Expected:
    """A `Found` with the verdict of the defining target, and of each place at its scope."""

    found: Found
    verdict: str
    places: list[str]


def wilson(good: float, n: float) -> tuple[float, float]:
    """Wilson score bounds in per cent."""
    share = good / n
    centre = (good + Z * Z / 2) / (n + Z * Z)
    half = Z * math.sqrt(n) / (n + Z * Z) * math.sqrt(max(share * (1 - share), 0) + Z * Z / (4 * n))
    low = 0.0 if good == 0 else centre - half
    high = 1.0 if good >= n else centre + half
    return 100 * low, 100 * high


def share(good: float, base: float, *, n: float | None = None, gates: bool = True) -> Found:
    """A ratio in per cent with its Wilson bounds; the sample is the base unless said otherwise."""
    return Found(100 * good / base, base if n is None else n, *wilson(good, base), gates=gates)


def weighted_quantile(pairs: Iterable[tuple[float, float]], q: float) -> tuple[float, float, float]:
    """(quantile, lower, upper) of values with weights, read off buckets of floor(32 log2 value)."""
    bins: dict[int | None, float] = defaultdict(float)
    for value, weight in pairs:
        bins[None if value <= 0 else math.floor(math.log2(value) * 32)] += weight
    order = sorted(bins, key=lambda b: -math.inf if b is None else b)
    total = sum(bins.values())
    low_rank = max(int(stats.binom.ppf(0.025, round(total), q)), 1)
    high_rank = min(int(stats.binom.ppf(0.975, round(total), q)) + 1, total)

    def bucket(rank: float) -> int | None:
        seen = 0.0
        for b in order:
            seen += bins[b]
            if seen >= rank - 1e-9:
                return b
        return order[-1]

    middle, low, high = bucket(q * total), bucket(low_rank), bucket(high_rank)
    return (
        0.0 if middle is None else 2 ** ((middle + 0.5) / 32),
        0.0 if low is None else 2 ** (low / 32),
        0.0 if high is None else 2 ** ((high + 1) / 32),
    )


class Oracle:
    """The truth about a list of fact rows at one moment.

    Args:
        rows: as sent, in the order recorded; the last row of a key counts.
        at: the moment measured, naive UTC.
        zone: the reporting time zone.
    """

    def __init__(self, rows: Iterable[Row], at: datetime = AT, zone: str = "UTC") -> None:
        self.at = at
        self.zone = ZoneInfo(zone)
        newest: dict[tuple[object, ...], Row] = {}
        for row in rows:
            key = (row["fact"], *(row[name] for name in vocabulary()[row["fact"]].key))
            newest[key] = row
        self.rows: dict[str, list[Row]] = defaultdict(list)
        for row in newest.values():
            if row["environment"] == "production" and not row["retracted"] and not row["synthetic"]:
                self.rows[row["fact"]].append(row)

    def expect(self, metric: str, scope: str = "network") -> Expected:
        """What the metric must show at ``network`` or ``kind:key``."""
        kind, _, key = scope.partition(":")
        found: Found = getattr(self, metric)(kind, key)
        spec = SPECS[metric]
        places = []
        if scope in spec.places:
            target, least = spec.places[scope]
            places = [verdict(metric, spec, found, target, least or spec.min_sample)]
        return Expected(found, verdict(metric, spec, found, spec.target, spec.min_sample), places)

    # windows

    def window(self, metric: str) -> tuple[datetime, datetime]:
        """[start, end) of the metric at the moment."""
        text = SPECS[metric].window
        if text == "instant":
            return self.at, self.at
        if text == "day":
            return self.local_days(self.at - 3 * DAY, self.at)[-1]
        count, unit = text.split()
        return self.at - timedelta(**{unit: int(count)}), self.at

    def local_days(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """Whole days of the reporting time zone that end in (start, end]."""
        day = start.replace(tzinfo=UTC).astimezone(self.zone).date() - DAY
        found = []
        while True:
            opens, closes = self._midnight(day), self._midnight(day + DAY)
            if closes > end:
                return found
            if closes > start:
                found.append((opens, closes))
            day += DAY

    def _midnight(self, day) -> datetime:  # type: ignore[no-untyped-def]
        local = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        return local.astimezone(UTC).replace(tzinfo=None)

    def between(self, fact: str, time: str, start: datetime, end: datetime) -> list[Row]:
        return [r for r in self.rows[fact] if r[time] is not None and start <= r[time] < end]

    # API requests

    def eligible(self, kind: str, key: str, start: datetime, end: datetime) -> list[Row]:
        rows = [r for r in self.between("api_request", "at", start, end) if r["fault"] != "caller"]
        if kind == "integration":
            return [r for r in rows if r["direction"] == "outbound" and r["integration"] == key]
        rows = [r for r in rows if r["direction"] == "inbound"]
        return [r for r in rows if kind == "network" or r["endpoint_group"] == key]

    def _request_share(
        self, metric: str, kind: str, key: str, good: Callable[[Row], bool]
    ) -> Found:
        rows = self.eligible(kind, key, *self.window(metric))
        total = sum(r["count"] for r in rows)
        return share(sum(r["count"] for r in rows if good(r)), total) if total else Found()

    def api_error_rate(self, kind: str, key: str) -> Found:
        return self._request_share("api_error_rate", kind, key, lambda r: r["outcome"] == "error")

    def api_success_rate(self, kind: str, key: str) -> Found:
        return self._request_share(
            "api_success_rate", kind, key, lambda r: r["outcome"] == "success"
        )

    def _class(self, metric: str, kind: str, key: str, word: str) -> Found:
        return self._request_share(
            metric, kind, key, lambda r: r["outcome"] == "error" and r["error_class"] == word
        )

    def authentication_error_rate(self, kind: str, key: str) -> Found:
        return self._class("authentication_error_rate", kind, key, "authentication")

    def rate_limit_error_rate(self, kind: str, key: str) -> Found:
        return self._class("rate_limit_error_rate", kind, key, "rate_limit")

    def timeout_error_rate(self, kind: str, key: str) -> Found:
        return self._class("timeout_error_rate", kind, key, "timeout")

    def connection_error_rate(self, kind: str, key: str) -> Found:
        return self._class("connection_error_rate", kind, key, "connection")

    def data_validation_error_rate(self, kind: str, key: str) -> Found:
        return self._class("data_validation_error_rate", kind, key, "data_validation")

    def _timed(self, metric: str, kind: str, key: str) -> list[Row]:
        return [
            r
            for r in self.eligible(kind, key, *self.window(metric))
            if (r["outcome"] == "success" or r["error_class"] == "timeout")
            and r["duration_ms"] is not None
        ]

    def api_response_time_p95(self, kind: str, key: str) -> Found:
        rows = self._timed("api_response_time_p95", kind, key)
        if not rows:
            return Found()
        value, low, high = weighted_quantile([(r["duration_ms"], r["count"]) for r in rows], 0.95)
        return Found(value, sum(r["count"] for r in rows), low, high)

    def api_mean_response_time(self, kind: str, key: str) -> Found:
        rows = self._timed("api_mean_response_time", kind, key)
        n = sum(r["count"] for r in rows)
        total = math.fsum(r["duration_ms"] * r["count"] for r in rows)
        return Found(total / n, n) if n else Found()

    def api_request_rate(self, kind: str, key: str) -> Found:
        minutes: dict[datetime, int] = defaultdict(int)
        for r in self.between("api_request", "at", *self.window("api_request_rate")):
            if r["direction"] == "inbound" and (kind == "network" or r["endpoint_group"] == key):
                minutes[r["at"].replace(second=0, microsecond=0)] += r["count"]
        return Found(max(minutes.values()) / 60, len(minutes)) if minutes else Found()

    def recurring_error_rate(self, kind: str, key: str) -> Found:
        rows = self.eligible(kind, key, *self.window("recurring_error_rate"))
        total = sum(r["count"] for r in rows)
        if not total:
            return Found()
        errors = [r for r in rows if r["outcome"] == "error"]
        closed = [
            r
            for r in errors
            if any(
                x["cause_key"] == r["cause_key"]
                and x["resolved_at"] is not None
                and r["at"] - 90 * DAY <= x["resolved_at"] <= r["at"]
                for x in self.rows["incident"]
                if x["cause_key"] is not None
            )
        ]
        named = sum(r["count"] for r in errors if r["cause_key"] is not None)
        gate = 10 * named >= 9 * sum(r["count"] for r in errors)
        return share(sum(r["count"] for r in closed), total, gates=gate)

    def error_recovery_time(self, kind: str, key: str) -> Found:
        start, end = self.window("error_recovery_time")
        events: dict[tuple[str, str], list[tuple[datetime, bool]]] = defaultdict(list)
        observed = 0
        for r in self.between("api_request", "at", start, end):
            if r["fault"] == "caller" or r["outcome"] not in ("success", "error"):
                continue
            entity = ("endpoint_group", r["endpoint_group"])
            if r["direction"] == "outbound":
                entity = ("integration", r["integration"])
            if entity[1] is None:
                continue
            if kind == "network" or entity == (kind, key):
                observed += 1
                events[entity].append((r["at"], r["outcome"] == "success"))
        intervals: dict[tuple[str, str], int] = {}
        for r in self.between("probe", "at", start, end):
            if r["component"] != "integration" or r["integration"] is None:
                continue
            if kind == "network" or (kind, key) == ("integration", r["integration"]):
                observed += 1
                entity = ("integration", r["integration"])
                intervals[entity] = max(r["interval_s"], intervals.get(entity, 0))
                if not r["maintenance"]:
                    events[entity].append((r["at"], r["ok"]))
        found = {entity: list(_episodes(each, end)) for entity, each in events.items()}
        lengths = [length for each in found.values() for length in each]
        if not lengths:
            return Found(why="not_applicable" if observed else "no_data")
        gate = all(
            intervals.get(entity, 999) <= 10
            for entity, each in found.items()
            if each and entity[0] == "integration"
        )
        return Found(max(lengths), len(lengths), gates=gate)

    # integrations

    @cached_property
    def _registry(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(self.rows["integration"], key=lambda r: r["status_at"]):
            found[row["integration"]].append(row)
        return found

    def status(self, name: str, t: datetime) -> Row | None:
        """Newest registry row at an instant."""
        rows = [r for r in self._registry.get(name, []) if r["status_at"] <= t]
        return rows[-1] if rows else None

    def is_open(self, c: Row, t: datetime) -> bool:
        return c["connected_at"] <= t and (c["disconnected_at"] is None or c["disconnected_at"] > t)

    @cached_property
    def _run_successes(self) -> dict[str, list[datetime]]:
        found: dict[str, list[datetime]] = defaultdict(list)
        for r in self.rows["sync_run"]:
            if r["status"] == "success":
                found[r["connection_id"]].append(r["finished_at"])
        return {name: sorted(times) for name, times in found.items()}

    @cached_property
    def _call_successes(self) -> dict[str, list[datetime]]:
        found: dict[str, list[datetime]] = defaultdict(list)
        for r in self.rows["api_request"]:
            if r["direction"] == "outbound" and r["outcome"] == "success" and r["integration"]:
                found[r["integration"]].append(r["at"])
        return {name: sorted(times) for name, times in found.items()}

    def connected(self, name: str, t: datetime) -> bool:
        """connected_integration at an instant."""
        row = self.status(name, t)
        if row is None or row["status"] != "live":
            return False

        def recent(times: list[datetime]) -> bool:
            return bisect_left(times, t - 30 * DAY) < bisect_left(times, t)

        called = recent(self._call_successes.get(name, []))
        return any(
            self.is_open(c, t)
            and (called or recent(self._run_successes.get(c["connection_id"], [])))
            for c in self.rows["connection"]
            if c["integration"] == name
        )

    def _names(self, kind: str, key: str) -> list[str]:
        return [key] if kind == "integration" else sorted(self._registry)

    def integration_uptime(self, kind: str, key: str) -> Found:
        start, end = self.window("integration_uptime")
        up = slots = 0
        gate = True
        for name in self._names(kind, key):
            mine = sorted(
                (
                    r
                    for r in self.rows["probe"]
                    if r["component"] == "integration" and r["integration"] == name
                ),
                key=lambda r: r["at"],
            )
            times = [r["at"] for r in mine]
            calls = self._call_successes.get(name, [])
            excused = self._excused(mine, start, end)
            for n in range(int((end - start) / MINUTE)):
                t = start + n * MINUTE
                if not self.connected(name, t) or t in excused:
                    continue
                slots += 1
                inside = mine[bisect_left(times, t) : bisect_left(times, t + MINUTE)]
                if inside:
                    up += 2 * sum(r["ok"] for r in inside) > len(inside)
                else:
                    up += bisect_left(calls, t) < bisect_left(calls, t + MINUTE)
            if self.connected(name, end):
                gate &= any(r["interval_s"] <= 60 for r in mine if start <= r["at"] < end)
        return Found(100 * up / slots, slots, gates=gate) if slots else Found()

    def _excused(self, mine: Sequence[Row], start: datetime, end: datetime) -> set[datetime]:
        """Slots of announced maintenance, the first 240 of each calendar month."""
        by_month: dict[tuple[int, int], set[datetime]] = defaultdict(set)
        for r in mine:
            if r["maintenance"] and r["at"] < end:
                slot = start + (r["at"] - start) // MINUTE * MINUTE
                by_month[slot.year, slot.month].add(slot)
        return {slot for slots in by_month.values() for slot in sorted(slots)[:240]}

    @cached_property
    def _probes(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for r in sorted(self.rows["probe"], key=lambda r: (r["at"], r["probe_id"])):
            if r["component"] == "integration" and r["integration"]:
                found[r["integration"]].append(r)
        return found

    @cached_property
    def _runs(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for r in sorted(self.rows["sync_run"], key=lambda r: (r["finished_at"], r["run_id"])):
            if r["integration"]:
                found[r["integration"]].append(r)
        return found

    @cached_property
    def _calls(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for r in self.rows["api_request"]:
            if r["direction"] == "outbound" and r["fault"] != "caller" and r["integration"]:
                found[r["integration"]].append(r)
        return found

    def state_of(self, name: str, t: datetime) -> tuple[str | None, int]:
        """(state word, probes in the window) of one integration at an instant."""
        row = self.status(name, t)
        if row is None:
            return None, 0
        mine = self._probes.get(name, [])
        seen = bisect_left([r["at"] for r in mine], t)
        in_window = seen - bisect_left([r["at"] for r in mine], t - 15 * MINUTE)
        if row["status"] != "live" or not seen:
            return "unknown", in_window
        last = mine[max(seen - 3, 0) : seen]
        interval = row["probe_interval_s"] or last[-1]["interval_s"]
        if last[-1]["at"] < t - timedelta(seconds=3 * interval):
            return "unknown", in_window
        calls = [r for r in self._calls.get(name, []) if t - 15 * MINUTE <= r["at"] < t]
        asked = sum(r["count"] for r in calls)
        good = sum(r["count"] for r in calls if r["outcome"] == "success")
        runs = [r for r in self._runs.get(name, []) if r["finished_at"] < t]
        fine = [r for r in runs if r["status"] == "success"]
        trouble = any(
            x["integration"] == name
            and x["severity"] in ("sev1", "sev2")
            and x["started_at"] <= t
            and (x["resolved_at"] is None or x["resolved_at"] > t)
            for x in self.rows["incident"]
        )

        def younger(run: Row, times: int) -> bool:
            return bool(t - run["finished_at"] < timedelta(seconds=times * run["interval_s"]))

        if (
            len(last) == 3
            and all(r["ok"] for r in last)
            and (asked < 20 or 100 * good >= 99 * asked)
            and runs
            and runs[-1]["status"] == "success"
            and younger(runs[-1], 2)
            and not trouble
        ):
            return "healthy", in_window
        if any(r["ok"] for r in last) and fine and younger(fine[-1], 6):
            return "degraded", in_window
        return "down", in_window

    def integration_status(self, _kind: str, key: str) -> Found:
        word, n = self.state_of(key, self.at)
        return Found(word, n, gates=word != "unknown")

    def overall_health_score(self, kind: str, key: str) -> Found:
        start, end = self.window("overall_health_score")
        healthy = total = 0
        for name in self._names(kind, key):
            for n in range(int((end - start) / MINUTE)):
                t = start + n * MINUTE
                if self.connected(name, t):
                    total += 1
                    healthy += self.state_of(name, t)[0] == "healthy"
        return Found(100 * healthy / total, total) if total else Found()

    def proactive_monitoring(self, _kind: str, _key: str) -> Found:
        start, end = self.window("proactive_monitoring")
        objects = [("integration", n) for n in self._registry if self.connected(n, self.at)]
        objects += [(c, c) for c in ("hub_api", "hub_ui", "database", "queue", "webhook_ingress")]
        monitored = seen = 0
        for component, name in objects:
            checks: dict[tuple[str, str], list[Row]] = defaultdict(list)
            for r in self.between("probe", "at", start, end):
                if r["component"] == component and (
                    component != "integration" or r["integration"] == name
                ):
                    checks[r["check_key"], r["location"]].append(r)
            ran = sum(r["alerting"] for rows in checks.values() for r in rows)
            due = sum(
                (end - start).total_seconds() / min(r["interval_s"] for r in rows)
                for rows in checks.values()
            )
            seen += sum(map(len, checks.values()))
            monitored += bool(checks) and ran >= 0.95 * due
        if not monitored and not seen:
            return Found(n=len(objects))
        return Found(100 * monitored / len(objects), len(objects))

    # synchronisation

    def live_connections(self, kind: str, key: str, t: datetime) -> list[Row]:
        return [
            c
            for c in self.rows["connection"]
            if self.is_open(c, t) and (kind == "network" or c["integration"] == key)
        ]

    def data_sync_status(self, kind: str, key: str) -> Found:
        live = self.live_connections(kind, key, self.at)
        current = growing = 0
        for c in live:
            entities: dict[str, list[Row]] = defaultdict(list)
            for r in sorted(self.rows["sync_run"], key=lambda r: (r["finished_at"], r["run_id"])):
                if r["connection_id"] == c["connection_id"] and r["finished_at"] < self.at:
                    entities[r["entity"]].append(r)
            current += bool(entities) and all(
                runs[-1]["status"] == "success"
                and runs[-1]["backlog"] == 0
                and self.at - runs[-1]["finished_at"]
                < timedelta(seconds=2 * runs[-1]["interval_s"])
                for runs in entities.values()
            )
            growing += any(
                len(runs) >= 3 and runs[-1]["backlog"] > runs[-2]["backlog"] > runs[-3]["backlog"]
                for runs in entities.values()
            )
        if not live:
            return Found()
        n = len(live)
        word = "out_of_sync"
        if current == n:
            word = "synchronized"
        elif 100 * current >= 95 * n and not growing:
            word = "catching_up"
        elif 100 * current >= 80 * n:
            word = "behind"
        return Found(word, n)

    def _entities(self, c: Row, start: datetime, end: datetime) -> set[str]:
        return {
            r["entity"]
            for r in self.between("sync_run", "finished_at", start, end)
            if r["connection_id"] == c["connection_id"]
        }

    def _newest_check(self, c: Row, entity: str, start: datetime, end: datetime) -> Row | None:
        rows = [
            r
            for r in self.between("reconciliation", "at", start, end)
            if r["integration"] == c["integration"]
            and r["entity"] == entity
            and (
                r["franchise_id"] == c["franchise_id"]
                or None in (r["franchise_id"], c["franchise_id"])
            )
        ]
        return max(rows, key=lambda r: (r["at"], r["recon_id"]), default=None)

    def consistency_checks(self, kind: str, key: str) -> Found:
        start, end = self.window("consistency_checks")
        passed = repaired = absent = failed = 0
        for c in self.live_connections(kind, key, self.at):
            for entity in self._entities(c, self.at - 30 * DAY, self.at):
                row = self._newest_check(c, entity, start, end)
                differing = row and row["missing"] + row["mismatched"] + row["extra"]
                absent += row is None
                passed += differing == 0
                if row and differing:
                    repaired += row["auto_resolved"] >= differing
                    failed += row["auto_resolved"] < differing
        n = passed + repaired + absent + failed
        if not n:
            return Found()
        word = "failed"
        if passed == n:
            word = "passed"
        elif passed + repaired == n:
            word = "passed_after_repair"
        elif not failed:
            word = "incomplete"
        return Found(word, n)

    def _scheduled(self, kind: str, key: str) -> list[tuple[str, datetime, bool, bool]]:
        """(connection, day, ran, good) of every reconciliation that was due in 30 days."""
        found = []
        for opens, closes in self.local_days(*self.window("data_consistency_validation")):
            for c in self.rows["connection"]:
                if kind == "integration" and c["integration"] != key:
                    continue
                if c["connected_at"] > opens or (
                    c["disconnected_at"] is not None and c["disconnected_at"] < closes
                ):
                    continue
                for entity in self._entities(c, opens - 30 * DAY, closes):
                    row = self._newest_check(c, entity, opens, closes)
                    good = row is not None and (
                        row["missing"] + row["mismatched"] + row["extra"] == 0
                        or row["open_after_24h"] == 0
                    )
                    found.append((c["connection_id"], opens, row is not None, good))
        return found

    def data_consistency_validation(self, kind: str, key: str) -> Found:
        due = self._scheduled(kind, key)
        return share(sum(good for *_, good in due), len(due)) if due else Found()

    def _reconciled(self, metric: str, kind: str, key: str) -> list[Row]:
        return [
            r
            for r in self.between("reconciliation", "at", *self.window(metric))
            if kind == "network" or r["integration"] == key
        ]

    def data_synchronization_accuracy(self, kind: str, key: str) -> Found:
        rows = self._reconciled("data_synchronization_accuracy", kind, key)
        checked = sum(r["checked"] for r in rows)
        if not checked:
            return Found()
        days: dict[str, dict[datetime, bool]] = defaultdict(lambda: defaultdict(bool))
        for name, day, ran, _ in self._scheduled(kind, key):
            days[name][day] |= ran
        gate = bool(days) and all(100 * sum(ran.values()) >= 95 * len(ran) for ran in days.values())
        return share(checked - sum(r["missing"] for r in rows), checked, gates=gate)

    def integrity_score(self, kind: str, key: str) -> Found:
        rows = self._reconciled("integrity_score", kind, key)
        checked = sum(r["checked"] for r in rows)
        if not checked:
            return Found()
        good = checked - sum(r["missing"] + r["mismatched"] for r in rows)
        return share(good, checked + sum(r["extra"] for r in rows), n=checked)

    def webhook_delivery_success(self, kind: str, key: str) -> Found:
        rows = [
            r
            for r in self.between(
                "webhook_delivery", "deadline_at", *self.window("webhook_delivery_success")
            )
            if r["status"] != "receiver_disabled" and (kind == "network" or r["integration"] == key)
        ]
        good = [
            r
            for r in rows
            if r["delivered_at"] is not None
            and r["delivered_at"] <= r["deadline_at"]
            and not r["found_by_reconciliation"]
        ]
        return share(len(good), len(rows)) if rows else Found()

    def _changes(self, kind: str, key: str, start: datetime, end: datetime) -> list[Row]:
        return [
            r
            for r in self.between("sync_lag", "source_changed_at", start, end)
            if kind == "network" or r["integration"] == key
        ]

    def sync_lag_p95(self, kind: str, key: str) -> Found:
        lags = []
        for r in self._changes(kind, key, *self.window("sync_lag_p95")):
            if r["status"] in ("applied", "pending"):
                until = self.at if r["applied_at"] is None else min(r["applied_at"], self.at)
                lags.append((until - r["source_changed_at"]).total_seconds())
        if not lags:
            return Found()
        value, low, high = weighted_quantile([(x, 1) for x in lags], 0.95)
        return Found(value, len(lags), low, high)

    def conflict_resolution(self, kind: str, key: str) -> Found:
        changes = self._changes(kind, key, *self.window("conflict_resolution"))
        rows = [
            r for r in changes if r["conflict"] and r["source_changed_at"] < self.at - 60 * MINUTE
        ]
        if not rows:
            return Found(why="not_applicable" if changes else "no_data")
        n = len(rows)
        automatic = sum(r["conflict_resolution"] == "automatic" for r in rows)
        old = any(
            r["conflict_resolution"] == "open" and r["source_changed_at"] < self.at - DAY
            for r in rows
        )
        if 100 * automatic >= 95 * n and not old:
            return Found("automated", n)
        if 100 * automatic >= 80 * n:
            return Found("mostly_automated", n)
        return Found("assisted" if 100 * automatic >= 50 * n else "manual", n)

    def transaction_throughput(self, kind: str, key: str) -> Found:
        start, end = self.window("transaction_throughput")
        hours: dict[int, set[tuple[object, ...]]] = defaultdict(set)
        for r in self.between("sync_lag", "applied_at", start, end):
            if r["status"] == "applied" and (kind == "network" or r["integration"] == key):
                record = r.get("source_ref") or r["change_id"]
                hours[(r["applied_at"] - start) // HOUR].add(
                    (r["entity"], record, r["source_changed_at"])
                )
        for fact, time, name in (
            ("booking", "created_at", "booking_id"),
            ("payment", "paid_at", "payment_id"),
        ):
            for r in self.between(fact, time, start, end):
                if r["origin"] == "hub" and (kind == "network" or r["integration"] == key):
                    hours[(r[time] - start) // HOUR].add((fact, r[name]))
        return Found(max(map(len, hours.values())), len(hours)) if hours else Found()

    def concurrent_connections(self, _kind: str, _key: str) -> Found:
        sums: dict[datetime, int] = defaultdict(int)
        for r in self.between("load_sample", "at", *self.window("concurrent_connections")):
            if r.get("connections") is not None:
                sums[r["at"]] += r["connections"]
        return Found(max(sums.values()), len(sums)) if sums else Found()

    def concurrent_user_capacity(self, _kind: str, _key: str) -> Found:
        start, end = self.window("concurrent_user_capacity")
        releases = [
            r
            for r in self.rows["release"]
            if r["released_at"] <= self.at
            and (r.get("rolled_back_at") is None or r["rolled_back_at"] > self.at)
        ]
        tests = self.between("load_test", "ended_at", start, end)
        if releases:
            newest = max(releases, key=lambda r: (r["released_at"], r["release_id"]))
            major = newest["version"].split(".")[0]
            tests = [t for t in tests if t["release_version"].split(".")[0] == major]
        if not tests:
            return Found()
        last = max(tests, key=lambda t: (t["ended_at"], t["test_id"]))["test_id"]
        levels = [t for t in tests if t["test_id"] == last]
        held = [
            t
            for t in levels
            if t["hold_s"] >= 900
            and t["p95_ms"] < 500
            and t["success_rate"] >= 99.9
            and t["production_like"]
        ]
        if not held:
            return Found(0, max(t["requests"] for t in levels))
        best = max(held, key=lambda t: t["concurrent_users"])
        return Found(best["concurrent_users"], best["requests"])

    # incidents

    def _incidents(self, kind: str, key: str) -> list[Row]:
        return [
            x
            for x in self.rows["incident"]
            if x["kind"] != "security"
            and x["severity"] in ("sev1", "sev2", "sev3")
            and x["started_at"] < self.at
            and (kind == "network" or x["integration"] == key)
        ]

    def _within(self, x: Row, column: str, start: datetime, end: datetime) -> bool:
        return x[column] is not None and start <= x[column] < end

    def _watched(self, metric: str, kind: str, key: str, grace: int) -> bool:
        """The register of incidents is alive: probes on every day, or a review of the register."""
        start, end = self.window(metric)
        known = kind == "network" or key in self._registry
        if known and self._reviewed("incident", grace):
            return True
        days: dict[str, set[object]] = defaultdict(set)
        for p in self.between("probe", "at", start, end):
            days[p["integration"] or p["component"]].add(p["at"].date())
        names = list(days) if kind == "network" else [key]
        return any(len(days.get(name, ())) >= (end - start).days for name in names)

    def _reviewed(self, fact: str, days: int) -> bool:
        return any(
            a["claim_key"] == f"register_review:{fact}"
            and a["expires_at"] > self.at
            and self.at - days * DAY <= a["attested_at"] <= self.at
            for a in self.rows["attestation"]
        )

    def _incident_share(
        self, metric: str, kind: str, key: str, column: str, good: Callable[[Row], bool],
        grace: int = 17,
    ) -> Found:  # fmt: skip
        start, end = self.window(metric)
        rows = [x for x in self._incidents(kind, key) if self._within(x, column, start, end)]
        alive = self._watched(metric, kind, key, grace)
        if not rows:
            return Found(why="not_applicable" if alive else "no_data")
        count = sum(good(x) for x in rows)
        if not count and not alive:
            return Found(n=len(rows))
        return share(count, len(rows))

    def incident_escalation_rate(self, kind: str, key: str) -> Found:
        return self._incident_share(
            "incident_escalation_rate", kind, key, "started_at", lambda x: x["escalated"]
        )

    def automatic_resolution_rate(self, kind: str, key: str) -> Found:
        def automatic(x: Row) -> bool:
            back = any(
                o["incident_id"] != x["incident_id"]
                and o["cause_key"] is not None
                and o["cause_key"] == x.get("cause_key")
                and x["resolved_at"] <= o["started_at"] <= x["resolved_at"] + DAY
                and o["started_at"] < self.at
                for o in self.rows["incident"]
                if o.get("cause_key")
            )
            return bool(x["auto_resolved"]) and not back

        return self._incident_share(
            "automatic_resolution_rate", kind, key, "resolved_at", automatic
        )

    def predictive_detection(self, kind: str, key: str) -> Found:
        def predicted(x: Row) -> bool:
            return bool(
                x["predicted"]
                and x.get("forecast_id")
                and x.get("predicted_at")
                and 5 * MINUTE <= x["started_at"] - x["predicted_at"] <= DAY
            )

        start, end = self.window("predictive_detection")
        alarms = [
            f
            for f in self.between("forecast", "issued_at", start, end)
            if f["alarm"]
            and f["quantity"] in ("incident_probability_7d", "incidents_week")
            and (kind == "network" or f["scope_key"] == key)
        ]
        followed = [
            f
            for f in alarms
            if any(
                f["issued_at"] <= x["started_at"] < f["horizon_end"]
                for x in self._incidents("network", "")
                if f["scope_key"] is None or x["integration"] == f["scope_key"]
            )
        ]
        found = self._incident_share(
            "predictive_detection", kind, key, "started_at", predicted, grace=41
        )
        found.gates = bool(alarms) and 2 * len(followed) >= len(alarms)
        return found

    def mean_time_to_detection(self, kind: str, key: str) -> Found:
        start, end = self.window("mean_time_to_detection")
        rows = [x for x in self._incidents(kind, key) if self._within(x, "started_at", start, end)]
        known = [
            x for x in rows if x["detected_at"] is not None and x["detected_at"] > x["started_at"]
        ]
        if not rows:
            alive = self._watched("mean_time_to_detection", kind, key, 17)
            return Found(why="not_applicable" if alive else "no_data")
        if not known:
            return Found(why="insufficient_data")
        mean = sum((x["detected_at"] - x["started_at"]).total_seconds() for x in known) / len(known)
        return Found(mean, len(known), gates=10 * len(known) >= 9 * len(rows))

    def mean_time_to_resolution(self, kind: str, key: str) -> Found:
        start, end = self.window("mean_time_to_resolution")
        rows = [x for x in self._incidents(kind, key) if self._within(x, "detected_at", start, end)]
        alive = self._watched("mean_time_to_resolution", kind, key, 17)
        if not rows:
            return Found(why="not_applicable" if alive else "no_data")
        ends = [end if x["resolved_at"] is None else min(x["resolved_at"], end) for x in rows]
        ages = [(e - x["detected_at"]).total_seconds() for e, x in zip(ends, rows, strict=True)]
        value = sum(ages) / len(ages)
        if value == 0 and not alive:
            return Found(n=len(rows))
        return Found(value, len(rows), censored=end in ends)

    def customer_impact_duration(self, kind: str, key: str) -> Found:
        start, end = self.window("customer_impact_duration")
        rows = [x for x in self._incidents(kind, key) if self._within(x, "started_at", start, end)]
        alive = self._watched("customer_impact_duration", kind, key, 17)
        if not rows:
            return Found(why="not_applicable" if alive else "no_data")
        set_ = [x for x in rows if x["customer_impact_s"] is not None]
        value = sum(x["customer_impact_s"] for x in set_) / len(rows)
        if value == 0 and not alive:
            return Found(n=len(rows))
        return Found(value, len(rows), gates=100 * len(set_) >= 95 * len(rows))

    def prevention_implementation(self, _kind: str, _key: str) -> Found:
        start, end = self.window("prevention_implementation")
        rows = [
            a
            for a in self.between("prevention_action", "due_at", start, end)
            if not (a["status"] == "declined" and a.get("decline_reason"))
        ]
        reviewed = self._reviewed("prevention_action", 41)
        if not rows:
            return Found(why="not_applicable" if reviewed else "no_data")
        good = [
            a
            for a in rows
            if a["status"] in ("implemented", "verified")
            and a["implemented_at"] is not None
            and a["implemented_at"] <= a["due_at"]
        ]
        if not good and not reviewed:
            return Found(n=len(rows))
        return share(len(good), len(rows))

    # throttling

    def _decisions(self, kind: str, key: str) -> list[Row]:
        return [
            r
            for r in self.between("throttle_event", "at", *self.window("rate_limit_hits"))
            if kind == "network" or r["integration"] == key
        ]

    def rate_limit_hits(self, kind: str, key: str) -> Found:
        if kind == "endpoint_group":
            return Found()  # the fact does not know the endpoint group
        rows = self._decisions(kind, key)
        n = sum(r["count"] for r in rows)
        return (
            share(sum(r["count"] for r in rows if r["decision"] != "admitted"), n) if n else Found()
        )

    def throttling_efficiency(self, kind: str, key: str) -> Found:
        decisions = self._decisions(kind, key)
        rows = [r for r in decisions if r["decision"] != "admitted"]
        n = sum(r["count"] for r in rows)
        if not n:
            return Found(why="not_applicable" if decisions else "no_data")
        right = sum(
            r["count"]
            for r in rows
            if (
                r["decision"] == "queued"
                and r["final"] == "admitted"
                and (r["deadline_ms"] is None or r["wait_ms"] <= r["deadline_ms"])
            )
            or (r["decision"] == "rejected" and r["over_quota"])
        )
        return share(right, n)

    def queue_management(self, kind: str, key: str) -> Found:
        decisions = self._decisions(kind, key)
        rows = [r for r in decisions if r["decision"] == "queued"]
        n = sum(r["count"] for r in rows)
        if not n:
            return Found(why="not_applicable" if decisions else "no_data")
        w = weighted_quantile([(r["wait_ms"], r["count"]) for r in rows], 0.95)[0]
        x = sum(r["count"] for r in rows if r["final"] == "expired")
        d = max(
            (
                s["queue_depth"] / s["queue_capacity"]
                for s in self.between("load_sample", "at", *self.window("queue_management"))
                if s.get("queue_depth") is not None
                and s.get("queue_capacity")
                and (kind == "network" or s["integration"] == key)
            ),
            default=0.0,
        )
        if w <= 1_000 and 1_000 * x <= n and d <= 0.8:
            return Found("optimal", n)
        if w <= 5_000 and 100 * x <= n and d <= 0.9:
            return Found("good", n)
        return Found("acceptable" if w <= 30_000 and 20 * x <= n and d < 1 else "poor", n)

    def priority_handling(self, kind: str, key: str) -> Found:
        decisions = self._decisions(kind, key)
        queued: dict[tuple[datetime, object], list[Row]] = defaultdict(list)
        for r in decisions:
            if r["decision"] == "queued":
                minute = r["at"].replace(second=0, microsecond=0)
                queued[minute, r["integration"]].append(r)
        high, low, late = [], [], 0
        for rows in queued.values():
            if {"high", "low"} <= {r["priority"] for r in rows}:
                high += [(r["wait_ms"], r["count"]) for r in rows if r["priority"] == "high"]
                low += [(r["wait_ms"], r["count"]) for r in rows if r["priority"] == "low"]
                late += sum(
                    r["count"] for r in rows if r["priority"] == "low" and r["final"] == "expired"
                )
        if not high:
            return Found(why="not_applicable" if decisions else "no_data")
        n_high, n_low = sum(w for _, w in high), sum(w for _, w in low)
        h, _, h_upper = weighted_quantile(high, 0.95)
        lo, lo_lower, _ = weighted_quantile(low, 0.95)
        n = min(n_high, n_low)
        if lo_lower > 0 and h_upper / lo_lower <= 0.5 and 100 * late <= n_low:
            return Found("effective", n)
        if h < lo and 20 * late <= n_low:
            return Found("partial", n)
        return Found("ineffective" if h < lo else "inverted", n)


def _episodes(events: list[tuple[datetime, bool]], end: datetime) -> list[float]:
    """Seconds from each first failure to the next success, or to the end."""
    lengths = []
    good = sorted(at for at, ok in events if ok)
    until = None
    for at in sorted(at for at, ok in events if not ok):
        if until is not None and at < until:
            continue
        later = bisect_right(good, at)
        until = good[later] if later < len(good) else end
        lengths.append((until - at).total_seconds())
    return lengths


def verdict(metric: str, spec: Spec, found: Found, target: float | str, least: int) -> str:
    """The verdict of a target by the conventions of facts.yaml."""
    if found.value is None:
        return found.why
    if spec.on == "reference":
        return "reference"
    if found.n < least or not found.gates:
        return "insufficient_data"
    if spec.on == "state":
        words = LEVELS[metric]
        return "met" if words.index(str(found.value)) <= words.index(str(target)) else "not_met"
    compare = COMPARE[spec.cmp]
    if spec.on == "bound":
        ends = (found.upper, found.lower) if "<" in spec.cmp else (found.lower, found.upper)
        words = {(True, True): "met", (False, True): "inconclusive", (False, False): "not_met"}
        return words[compare(ends[0], target), compare(ends[1], target)]
    met = "inconclusive" if found.censored else "met"
    return met if compare(found.value, target) else "not_met"
