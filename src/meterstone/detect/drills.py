"""Drills: known faults, the alarms that are right for each, and how well the alarms did.

A drill switches a fault on at a stand-in at a known moment and looks at what the alarms make of
it. *Recall*: the share of harmful faults that an alarm was right about. *Precision*: the share of
alarms that were right about a fault. An alarm about the wrong thing, or of a fault that the hub
mends by itself, is a false one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from meterstone.ledger import Alert, Drill

_CALLS = frozenset({"calls_fail", "down", "calls_succeed", "probes_succeed", "data_in_time"})
RIGHT: Mapping[str, frozenset[str]] = {
    "latency": frozenset({"slow", "data_in_time"}),
    "error": _CALLS,
    "throttle": frozenset({"throttled", "calls_fail", "calls_succeed", "probes_succeed"}),
    "half": _CALLS,
    "html": _CALLS,
    "revoked": frozenset({"broken", "calls_fail", "calls_succeed", "probes_succeed"}),
    "drift": frozenset({"refused"}),
    "lost": frozenset({"webhooks_missing", "webhooks_arrive", "data_in_time"}),
    "silence": frozenset({"silent", "data_in_time"}),
}
"""By fault: the rules that are right about it. A budget that burns with it is right too."""

HARMLESS = ("expired", "skew", "duplicated", "reordered")
"""Faults that the hub bears by itself: no alarm is the right answer."""


@dataclass(frozen=True, slots=True)
class Task:
    """One fault at one vendor. ``harmful``: an alarm is the right answer."""

    vendor: str
    fault: str
    harmful: bool


def tasks(can: Mapping[str, Sequence[Task]], number: int, seed: int) -> dict[str, list[Task]]:
    """So many drills, dealt out to the vendors in turn; each vendor goes through all of its faults
    before one comes again, in an order that depends on the seed.

    Args:
        can: what can go wrong at each vendor.
    """
    decks = {vendor: _deck(own, f"{seed}:{vendor}") for vendor, own in sorted(can.items()) if own}
    found: dict[str, list[Task]] = {vendor: [] for vendor in decks}
    while decks and number > 0:
        for vendor, deck in decks.items():
            if number > 0:
                found[vendor].append(next(deck))
                number -= 1
    return found


def _deck(own: Sequence[Task], seed: str) -> Iterator[Task]:
    chance = random.Random(seed)  # noqa: S311  # no secret
    while True:
        yield from chance.sample(list(own), len(own))


def right(alert: Alert, task: Task) -> bool:
    """Whether an alarm says what is the matter."""
    return task.harmful and alert.rule in RIGHT.get(task.fault, frozenset())


def first(
    alerts: Iterable[Alert], task: Task, since: datetime, earlier: Sequence[Drill] = ()
) -> Alert | None:
    """The first alarm since a moment that is right about the fault, and not about one of the drills
    before."""
    fired = [
        a for a in alerts
        if a.fired_at and a.fired_at >= since and right(a, task)
        and not any(_of_before(a, drill) for drill in earlier)
    ]  # fmt: skip
    return min(fired, key=lambda alert: alert.fired_at or since, default=None)


def _of_before(alert: Alert, drill: Drill) -> bool:
    """Whether an alarm is about a drill before: a budget burns on when webhooks are given up, ten
    minutes after they were lost."""
    began_then = drill.started_at <= alert.started_at <= drill.ended_at
    return began_then and right(alert, Task(drill.vendor, drill.fault, harmful=drill.harmful))


def judged(
    task: Task, alerts: Iterable[Alert], *, series: str, began: datetime, ended: datetime,
    over: datetime, since: datetime | None = None, earlier: Sequence[Drill] = (),
    note: str = "",
) -> Drill:  # fmt: skip
    """What the alarms made of a drill.

    Args:
        alerts: of the vendor.
        began, ended: when the fault truly did.
        over: until when alarms are counted.
        earlier: drills before: what is right about one of them and began in its time is told late
            and no alarm of this one.
        since: from when on; until it began, each is a false one. None: from the beginning.
    """
    fired = [a for a in alerts if a.fired_at and (since or began) <= a.fired_at <= over]
    fired = [a for a in fired if not any(_of_before(a, drill) for drill in earlier)]
    seen = first(fired, task, began)
    true = [a for a in fired if right(a, task) and a.fired_at and a.fired_at >= began]
    over_at = [alert.resolved_at for alert in true if alert.resolved_at is not None]
    resolved = max(0.0, (max(over_at) - ended).total_seconds()) if over_at else None
    false = [alert for alert in fired if alert not in true]
    notes = [note] if note else []
    notes += sorted({f"false: {alert.rule}: {alert.says}" for alert in false})
    return Drill(
        series=series, vendor=task.vendor, fault=task.fault, harmful=task.harmful,
        started_at=began, ended_at=ended, recovered_s=resolved, alarms=len(fired),
        detected_s=None if seen is None or seen.fired_at is None
        else (seen.fired_at - began).total_seconds(),
        false_alarms=len(false), note="; ".join(notes),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """How the alarms did in some drills. Times in seconds; bounds are of 95 %, two-sided."""

    drills: int
    harmful: int
    found: int
    alarms: int
    false: int
    median_s: float | None
    p95_s: float | None
    longest_s: float | None

    @property
    def recall(self) -> float | None:
        """Share of harmful faults that an alarm was right about."""
        return self.found / self.harmful if self.harmful else None

    @property
    def precision(self) -> float | None:
        """Share of alarms that were right."""
        return 1 - self.false / self.alarms if self.alarms else None

    @property
    def recall_bounds(self) -> tuple[float, float]:
        """What the true recall may be."""
        return wilson(self.found, self.harmful)

    @property
    def precision_bounds(self) -> tuple[float, float]:
        """What the true precision may be."""
        return wilson(self.alarms - self.false, self.alarms)


def figures(drills: Collection[Drill]) -> Figures:
    """How the alarms did."""
    harmful = [drill for drill in drills if drill.harmful]
    times = sorted(d.detected_s for d in harmful if d.detected_s is not None)
    return Figures(
        drills=len(drills), harmful=len(harmful), found=len(times),
        alarms=sum(drill.alarms for drill in drills),
        false=sum(drill.false_alarms for drill in drills),
        median_s=median(times) if times else None, p95_s=_quantile(times, 0.95),
        longest_s=times[-1] if times else None,
    )  # fmt: skip


def _quantile(times: Sequence[float], share: float) -> float | None:
    """The nearest rank: the smallest value that so large a share does not exceed."""
    return times[math.ceil(share * len(times)) - 1] if times else None


def wilson(good: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927); (0, 1) where nothing is known."""
    if total <= 0:
        return 0.0, 1.0
    p, z2 = good / total, z * z / total
    middle = (p + z2 / 2) / (1 + z2)
    half = z * math.sqrt(p * (1 - p) / total + z2 / total / 4) / (1 + z2)
    return max(0.0, middle - half), min(1.0, middle + half)
