"""Security, prediction and improvement: measured as they are true, on every preset."""

from __future__ import annotations

import pytest

from meterstone.sandbox.network import assurance

from .conftest import Networks
from .truth import differences

SYSTEMS = (
    "SecurityComplianceMetrics",
    "PerformancePredictionAnalytics",
    "ContinuousImprovementTracker",
)
PUBLISHED = {"security_cadence"}
"""Metrics about what was published: nobody publishes in a simulated network."""

STORIES = ("thriving", "struggling", "honest", "quiet")


@pytest.mark.parametrize("story", STORIES)
def test_measured_as_it_is_true(network: Networks, story: str) -> None:
    made = network(story)
    catalogue = made.home.catalogue
    mine = [
        metric.id
        for metric in catalogue.metrics.values()
        if metric.ref.split(".", maxsplit=1)[0] in SYSTEMS
    ]
    assert mine
    assert differences(made, mine) == []


@pytest.mark.parametrize("story", ["thriving", "struggling"])
def test_targets_are_met_but_for_those_named(network: Networks, story: str) -> None:
    made = network(story)
    judged = {
        place.ref: place.verdict
        for result in made.results()
        if result.id not in PUBLISHED
        for place in result.places
        if place.ref.split(".", maxsplit=1)[0] in SYSTEMS
    }
    missed = {ref for ref, verdict in judged.items() if verdict not in ("met", "reference")}
    named = assurance.MISSED & judged.keys()
    assert missed == (named if story == "struggling" else set())
