"""Security, prediction and improvement: what the network says of how sure it is of itself.

Runs after the other domains: forecasts look at what these made happen.
"""

from __future__ import annotations

from meterstone.sandbox.network import (
    assurance_forecasts,
    assurance_improvement,
    assurance_security,
)
from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import World

MISSED = assurance_security.MISSED | assurance_forecasts.MISSED | assurance_improvement.MISSED
"""Targets that the struggling network misses."""

_PARTS = (assurance_security, assurance_improvement, assurance_forecasts)


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Facts and truths of SecurityComplianceMetrics, PerformancePredictionAnalytics and
    ContinuousImprovementTracker."""
    for part in _PARTS:
        if world.shops:
            part.simulate(world, facts, truth)
        else:
            part.quiet(truth)
    if world.preset.story == "struggling":
        truth.missed |= MISSED
