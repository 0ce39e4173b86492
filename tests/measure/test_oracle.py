"""The engine against an independent reading of the definitions, on worlds drawn from a seed.

Every metric, at every scope, by every route: stored aggregates, rows as known now, rows as known
before the corrections; at midnight, on a whole hour and at any microsecond; in several time zones.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from .build import AT, FAR, RECORDED, D, World, framework, on
from .check import differences
from .oracle import SPECS
from .random_world import RandomWorld

ANY_MOMENT = on(2026, 3, 30, 10, 30, 17, 123457)
AFTERNOON = on(2026, 3, 31, 13)
EASTER_IN_BERLIN = on(2026, 3, 29, 22)
"""End of the day of 23 hours."""

CASES = [
    (1, AT, "UTC"),
    (2, AT, "UTC"),
    (3, ANY_MOMENT, "UTC"),
    (4, AFTERNOON, "Europe/Berlin"),
    (5, EASTER_IN_BERLIN, "Europe/Berlin"),
    (6, on(2026, 3, 31, 4), "America/New_York"),
    (7, AT, "Asia/Kolkata"),
    (8, on(2024, 3, 1), "UTC"),
]


def test_oracle_knows_every_direct_metric() -> None:
    systems = (
        "IntegrationPerformanceMetrics", "IntegrationHealthMonitor", "APIPerformanceAnalytics",
        "ErrorAnalyticsFramework",
    )  # fmt: skip
    direct = {
        m.id for m in framework().metrics.values() if m.terms and m.ref.split(".")[0] in systems
    }
    assert set(SPECS) == direct
    assert len(direct) == 38


@pytest.mark.parametrize(("seed", "at", "zone"), CASES, ids=str)
def test_measured_as_defined(seed: int, at: datetime, zone: str) -> None:
    drawn = RandomWorld(seed, at)
    with World(drawn.rows) as world:
        world.add(drawn.later, recorded_at=RECORDED + D)
        assert differences(world, at, zone=zone) == []
        assert differences(world, at, zone=zone, known_at=RECORDED) == []
        assert differences(world, at, zone=zone, known_at=FAR) == []
