"""What the parts of the simulated operations share: knobs of each story, times, integrations."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import numpy as np

from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import NAMED, Connection, Integration, World

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
WINDOW = 30
"""Days that the longest window over minutes looks back."""
PROBED_BEFORE = 92 * DAY
EXCHANGE = 30 * DAY
"""How often an integration that the framework does not name exchanges records."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Knobs:
    """What differs between the stories.

    Attributes:
        volume: requests in relation to those of the thriving network.
        traffic_days: on how many of the last days requests were recorded.
        timeouts, error_volume: factor of the timeouts; of all failures.
        errors_left, errors_fewer: failures on the last day; by how many they fall each day.
        slow: whether sign-in and the rest of the API are slow.
        developers: how many call within 90 days, and how many called just before.
        queues: whether anything ever waited; waits in ms; wrong rejections a day.
        connections, fullest: connections in the busiest hour; share of a queue that fills.
        capacity, tested_before: users of the newest load test, and days since.
        probe_interval: seconds between the probes of an integration.
        close: seconds between those of an integration on a day on which something fails there.
        outage: minutes that the probes of tableau fail eleven days before the end.
        sick_hour: whether powerbi fails for an hour of the last day.
        maintenance: minutes of announced maintenance of clover.
        deaf: whether the alerts of the database are not armed.
        stuck: one of how many connections of salesforce has a backlog; 0 for none.
        silent: one of how many connections stopped to sync five days ago; 0 for none.
        lost: records that are missing in each check of tableau of the last ten days.
        lost_webhooks: whether every 40th webhook was only found by reconciliation.
        slow_changes: seconds that the changes of salesforce wait.
        conflicts_open: whether the conflicts of every eighth day are left to people.
        incidents: in how many days of 90 there is one incident.
        predicted: one of how many incidents is not foreseen.
        long_incident: whether the outage is an incident of its whole length.
        escalated: whether incidents are escalated now and then.
        reviewed: days since the registers were reviewed.
        actions: prevention actions a quarter, and how many of them are late.
    """

    volume: float = 1.0
    traffic_days: int = 10_000
    timeouts: float = 1.0
    error_volume: float = 1.0
    errors_left: int = 6
    errors_fewer: float = 0.25
    slow: bool = False
    developers: tuple[int, int] = (560, 10)
    queues: bool = True
    high_wait: float = 100.0
    low_wait: float = 400.0
    wrong_hours: int = 2
    connections: int = 2600
    fullest: float = 0.5
    capacity: int = 55_000
    tested_before: int = 0
    probe_interval: int = 60
    close: int = 10
    outage: int = 0
    sick_hour: bool = False
    maintenance: int = 90
    deaf: bool = False
    stuck: int = 0
    silent: int = 0
    lost: int = 0
    lost_webhooks: bool = False
    slow_changes: float = 0.0
    conflicts_open: bool = False
    incidents: int = 42
    predicted: int = 9
    long_incident: bool = False
    escalated: bool = True
    reviewed: int = 3
    actions: tuple[int, int] = (44, 1)


THRIVING = Knobs()
KNOBS: Mapping[str, Knobs] = {
    "thriving": THRIVING,
    "struggling": Knobs(
        timeouts=15.0, errors_left=0, errors_fewer=1.2, slow=True, high_wait=2000.0,
        low_wait=3000.0, wrong_hours=8, capacity=42_000, close=60, outage=500, sick_hour=True,
        maintenance=300, deaf=True, stuck=12, lost=3, lost_webhooks=True, slow_changes=4.0,
        conflicts_open=True, predicted=3, long_incident=True, actions=(44, 4),
    ),
    "honest": Knobs(
        volume=0.014, traffic_days=15, errors_left=30, errors_fewer=3.0, error_volume=0.5,
        developers=(6, 2), queues=False, connections=40, capacity=2_000, tested_before=120,
        probe_interval=300, close=300, silent=7, incidents=8, predicted=4, escalated=False,
        reviewed=130, actions=(0, 0),
    ),
    "quiet": Knobs(developers=(0, 0)),
}  # fmt: skip


class Scene:
    """The operations of one world: its telemetry, its integrations, its knobs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.knobs = KNOBS[world.preset.story]
        self.start = world.telemetry_start
        self.end = world.end
        keys = {key for key, *_ in NAMED}
        live = [i for i in world.integrations if i.live and i.live < world.end]
        self.named = [i for i in live if i.key in keys]
        """Live integrations that the framework names: they sync and are probed all the time."""
        self.others = [i for i in live if i.key not in keys]
        """The rest: they exchange records every day of a long telemetry; else every 30 days, and on
        the last day."""
        self.days = (self.end - self.start).days if live else 0
        """Days of telemetry."""
        self.long = self.days > 61
        """Whether the gates over months can be judged."""
        self.idle_until = _idle_until(world) if world.preset.large else {}
        """By connection, until when its runs had nothing to write."""
        self.by_integration: dict[str, list[Connection]] = {}
        for connection in world.connections:
            self.by_integration.setdefault(connection.integration.key, []).append(connection)

    @property
    def quiet_from(self) -> datetime:
        """From when on the other integrations exchange nothing, to the last day or to the beginning
        of a long telemetry: while nobody watches them, they must not be connected."""
        return self.probed_from

    @property
    def probed_from(self) -> datetime:
        """From when on the named integrations are probed: 90 days of uptime that are over when a
        gate begins to count look back further than anything else."""
        return max(self.start - PROBED_BEFORE, self.world.start) if self.long else self.start

    def rng(self, name: str) -> np.random.Generator:
        """Random numbers of one part."""
        return self.world.rng(f"operations-{name}")

    def within(self, at: datetime | None, days: int) -> bool:
        """Whether something happened in the last so many days before the end."""
        return at is not None and self.end - days * DAY <= at < self.end

    def connections_of(self, integration: Integration) -> list[Connection]:
        """All connections of an integration, of all times."""
        return self.by_integration.get(integration.key, [])


_LATE = 0.16
"""Share of the connections of older shops that came into use long after they were connected."""
_FOURFOLD = 90 * DAY
"""In which time four times as many of them come into use: it accelerates at each month end."""


def _idle_until(world: World) -> dict[str, datetime]:
    old = world.end - 300 * DAY
    late = sorted(
        (zlib.crc32(c.id.encode()), c.id)
        for c in world.connections
        if c.shop and c.shop.opened_at < old
    )
    late = late[: round(_LATE * len(late))]
    ranked = sorted(zlib.crc32(name[::-1].encode()) for _, name in late)
    share = {code: (nth + 0.5) / len(ranked) for nth, code in enumerate(ranked)}
    return {
        name: world.end - 10 * DAY + _FOURFOLD * math.log(share[zlib.crc32(name[::-1].encode())], 4)
        for _, name in late
    }


def columns_of(rows: Sequence[T], how: Mapping[str, Callable[[T], Any]]) -> dict[str, Any]:
    """Rows as columns: the value of each column from one row."""
    return {name: [value(row) for row in rows] for name, value in how.items()}


def share(
    truth: Truth,
    metric: str,
    good: float,
    base: float,
    scope: str = "network",
    key: str = "*",
    *,
    n: float | None = None,
    verdict: str | None = None,
) -> None:
    """Say a share in per cent; without a base there is none."""
    if base:
        truth.exact(
            metric, 100 * good / base, n=base if n is None else n, verdict=verdict, scope=scope,
            key=key,
        )  # fmt: skip
    else:
        truth.missing(metric, scope=scope, key=key)
