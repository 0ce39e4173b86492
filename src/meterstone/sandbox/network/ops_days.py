"""What was true of the performance at the end of each day of the telemetry: what the hub of a large
network put into its daily reports.

Windows begin with the telemetry: before it nothing was watched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from meterstone.sandbox.network.ops_scene import DAY, WINDOW, Scene
from meterstone.sandbox.network.ops_sync import Check, Due, Run, Webhook
from meterstone.sandbox.network.ops_traffic import Call, proven, total, weighted_quantile
from meterstone.sandbox.network.ops_watch import Probes, day_episodes, watches

Pair = tuple[float, float]
"""What was good, and all of it."""


@dataclass(frozen=True, slots=True)
class DayValue:
    """A result at the end of a day; no value where there was nothing to judge."""

    value: float | None
    n: int
    met: bool


_MET: Mapping[str, Callable[[float], bool]] = {
    "integration_uptime": lambda x: x >= 99.9,
    "api_response_time_p95": lambda x: x < 500,
    "data_synchronization_accuracy": lambda x: x >= 100,
    "webhook_delivery_success": lambda x: x >= 100,
    "error_recovery_time": lambda x: x < 30,
    "concurrent_user_capacity": lambda x: x >= 50_000,
    "data_consistency_validation": lambda x: x >= 100,
}
"""The targets of the framework."""

Days = dict[str, list[DayValue]]
"""By leaf, one a day of the telemetry."""


def performance(
    scene: Scene,
    calls: Sequence[Call],
    runs: Sequence[Run],
    checks: Sequence[Check],
    hooks: Sequence[Webhook],
    probes: Sequence[Probes],
) -> Days:
    """The seven results of the performance, day by day."""
    by_day: dict[int, list[Call]] = defaultdict(list)
    for c in calls:
        by_day[(c.at - scene.start) // DAY].append(c)
    days = range(scene.days)
    found: dict[str, Iterable[tuple[float | None, float]]] = {
        "integration_uptime": _shares(_uptime(scene, probes, calls, runs)),
        "api_response_time_p95": (_p95(by_day[nth]) for nth in days),
        "data_synchronization_accuracy": _shares(_arrived(scene, checks)),
        "webhook_delivery_success": _shares(_delivered(scene, hooks)),
        "error_recovery_time": (_longest(scene, probes, by_day[nth], nth) for nth in days),
        "concurrent_user_capacity": (
            proven(scene, scene.start + (nth + 1) * DAY) for nth in days
        ),
        "data_consistency_validation": _shares(_consistent(scene, runs, checks)),
    }  # fmt: skip
    return {
        leaf: [DayValue(x, round(n), x is None or _MET[leaf](x)) for x, n in values]
        for leaf, values in found.items()
    }


def _shares(days: Sequence[Pair]) -> Iterable[tuple[float | None, float]]:
    """Shares in per cent over 30 days, at the end of each."""
    for nth in range(len(days)):
        window = days[max(0, nth + 1 - WINDOW) : nth + 1]
        good, base = (sum(part) for part in zip(*window, strict=True))
        yield (100 * good / base if base else None), base


def _summed(scene: Scene, rows: Iterable[tuple[datetime, float, float]]) -> list[Pair]:
    good, base = [0.0] * scene.days, [0.0] * scene.days
    for at, part, whole in rows:
        nth = (at - scene.start) // DAY
        if 0 <= nth < scene.days:
            good[nth] += part
            base[nth] += whole
    return list(zip(good, base, strict=True))


def _uptime(
    scene: Scene, probes: Sequence[Probes], calls: Sequence[Call], runs: Sequence[Run]
) -> list[Pair]:
    watched = watches(scene, probes, calls, runs, (), scene.days)
    slots = [watch.slots_by_day() for watch in watched.values()]
    return [
        (sum(int(up[nth]) for _, up in slots), sum(int(counts[nth]) for counts, _ in slots))
        for nth in range(scene.days)
    ]


def _p95(day: Sequence[Call]) -> tuple[float | None, float]:
    timed = [c for c in day if c.inbound and c.timed]
    if not timed:
        return None, 0
    return weighted_quantile([(c.ms, c.count) for c in timed], 0.95), total(timed)


def _arrived(scene: Scene, checks: Sequence[Check]) -> list[Pair]:
    return _summed(scene, ((x.at, x.checked - x.missing, x.checked) for x in checks))


def _delivered(scene: Scene, hooks: Sequence[Webhook]) -> list[Pair]:
    return _summed(
        scene, ((w.deadline, w.good, 1) for w in hooks if w.status != "receiver_disabled")
    )


def _longest(
    scene: Scene, probes: Sequence[Probes], day: Sequence[Call], nth: int
) -> tuple[float | None, float]:
    lengths = [x for xs in day_episodes(scene, probes, day, nth).values() for x in xs]
    return max(lengths, default=None), len(lengths)


def _consistent(scene: Scene, runs: Sequence[Run], checks: Sequence[Check]) -> list[Pair]:
    due = Due(scene, runs, checks)
    return _summed(
        scene,
        (
            (opens, x is not None and (x.differing == 0 or x.left == 0), 1)
            for opens, _, x in due.of_days(scene.start + nth * DAY for nth in range(scene.days))
        ),
    )
