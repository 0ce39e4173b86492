"""What is true of the states and trends that look at several domains. Runs after all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from meterstone.sandbox.network.assurance_security import KNOBS as SECURITY
from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.presets import months_before
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.work import PROCESSES, Observed, programme_year
from meterstone.sandbox.network.world import World

MISSED = frozenset({"OperationalDashboard.display_system_health.security_status"})
"""Refs that the struggling network misses, because a part of it does."""

TRENDS = ("adoption_rate_trend", "user_satisfaction_trend", "efficiency_trend")


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Only truths: the facts are those of the other domains."""
    del facts
    if not world.shops:
        for metric in ("security_status", *TRENDS):
            truth.missing(metric)
        return
    if world.preset.story == "struggling":
        truth.missed |= MISSED
    _security(world, truth)
    _adoption(world, truth)
    _satisfaction(world, truth)
    _efficiency(world, truth)


def _security(world: World, truth: Truth) -> None:
    """The third incident of the last month began ten minutes before the end, and is open. No
    critical or high finding is past its limit; every kind of scan was completed in the last seven
    days, if only of a part of its targets."""
    full = all(
        truth.of(metric).value == 100
        for metric in ("oauth_compliance_rate", "data_encryption_coverage")
    )
    word = "secure" if full else "attention"
    if SECURITY[world.preset.story].incidents >= 3:
        word = "breached"
    truth.exact("security_status", word, n=1)


def _adoption(world: World, truth: Truth) -> None:
    """Connections came into use faster and faster (see `ops_scene`)."""
    panel: set[str] | None = None
    for back in range(7):
        active = {shop.id for shop in world.active_shops(months_before(world.end, back))}
        panel = active if panel is None else panel & active
    n = len(panel or ())
    truth.exact("adoption_rate_trend", "accelerating", n=n)


def _satisfaction(world: World, truth: Truth) -> None:
    """Mann-Kendall test on the means of the last six waves of users."""
    means: Sequence[float] = world.shared.get("user_waves", ())[-6:]
    if not means:
        truth.missing("user_satisfaction_trend")
        return
    direction, moved = trend_of(means)
    if direction > 0 and moved >= 0.05:
        word = "increasing"
    elif direction < 0 and moved <= -0.05:
        word = "decreasing"
    else:
        word = "holding_at_target" if min(means) >= 4.8 else "flat"
    verdict = None if len(means) >= 6 else "insufficient_data"
    truth.exact("user_satisfaction_trend", word, n=len(means), verdict=verdict)


def _efficiency(world: World, truth: Truth) -> None:
    """Mann-Kendall test on the manual minutes of six months, at the volumes of the baseline."""
    observed: Observed = world.shared["observed"]
    frozen = observed.network("manual_work_elimination")
    if frozen is None:
        truth.missing("efficiency_trend")
        return
    before = observed.of(*programme_year(world))
    series = []
    for back in range(5, -1, -1):
        month = observed.of(months_before(world.end, back + 1), months_before(world.end, back))
        now = old = 0.0
        for process in PROCESSES:
            then = [r for r in before if r.process == process]
            today = [r for r in month if r.process == process]
            if then and today:
                unit = sum(r.minutes for r in today) / sum(r.volume for r in today)
                now += unit * sum(r.volume for r in then)
                old += sum(r.minutes for r in then)
        if old:
            series.append(100 * now / old)
    direction, moved = trend_of(series)
    change = 100 * moved / sorted(series)[len(series) // 2]
    word = "flat"
    if direction < 0 and change <= -3:
        word = "optimizing"
    elif direction > 0 and change >= 3:
        word = "worsening"
    verdict = None if len(series) >= 6 else "insufficient_data"
    truth.exact("efficiency_trend", word, n=len(series), verdict=verdict)


def trend_of(series: Sequence[float]) -> tuple[int, float]:
    """Mann-Kendall test, one-sided 5 %, and the Theil-Sen change over the whole series.

    Returns:
        1 rising, -1 falling, 0 neither; and the change.
    """
    n = len(series)
    pairs = [(i, j) for j in range(n) for i in range(j)]
    if not pairs:
        return 0, 0.0
    s = sum((series[j] > series[i]) - (series[j] < series[i]) for i, j in pairs)
    deviation = math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    slopes = sorted((series[j] - series[i]) / (j - i) for i, j in pairs)
    moved = slopes[len(slopes) // 2] * (n - 1)
    clear = (abs(s) - 1) / deviation > 1.645
    return (1 if s > 0 else -1) if clear else 0, moved
