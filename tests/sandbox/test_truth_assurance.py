"""Security, prediction and improvement: measured as they are true, on every preset."""

from __future__ import annotations

import pytest

from meterstone.sandbox.network import assurance

from .conftest import Networks
from .truth import STORIES, differences, missed, system

SYSTEMS = (
    "SecurityComplianceMetrics",
    "PerformancePredictionAnalytics",
    "ContinuousImprovementTracker",
)
PUBLISHED = {"security_cadence"}
"""Metrics about what was published, by `programme`, whose test holds them against their truth."""


@pytest.mark.parametrize("story", STORIES)
def test_measured_as_it_is_true(network: Networks, story: str) -> None:
    made = network(story)
    catalogue = made.home.catalogue
    mine = [metric.id for metric in catalogue.metrics.values() if system(metric.ref) in SYSTEMS]
    assert mine
    assert differences(made, mine) == []


@pytest.mark.parametrize("story", ["thriving", "struggling"])
def test_targets_are_met_but_for_those_named(network: Networks, story: str) -> None:
    made = network(story)
    refs = {place.ref for result in made.results() for place in result.places}
    found = missed(made, lambda id_, ref: id_ not in PUBLISHED and system(ref) in SYSTEMS)
    assert found == (assurance.MISSED & refs if story == "struggling" else set())
