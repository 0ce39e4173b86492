"""Work, owners and operational savings: measured as they are true, on every preset."""

from __future__ import annotations

import pytest

from meterstone.sandbox.network import owners, work

from .conftest import Networks
from .truth import differences

PUBLISHED = {"efficiency_cadence"}
"""Metrics about what was published: nobody publishes in a simulated network."""
METRICS = {*work.METRICS, *owners.METRICS, "compliance_automation_rate"}
MISSED = work.MISSED | owners.MISSED

STORIES = ("thriving", "struggling", "honest", "quiet")


@pytest.mark.parametrize("story", STORIES)
def test_measured_as_it_is_true(network: Networks, story: str) -> None:
    made = network(story)
    assert differences(made, sorted(METRICS & made.home.catalogue.metrics.keys())) == []


@pytest.mark.parametrize("story", ["thriving", "struggling"])
def test_targets_are_met_but_for_those_named(network: Networks, story: str) -> None:
    made = network(story)
    judged = {
        place.ref: place.verdict
        for result in made.results()
        if result.id in METRICS - PUBLISHED
        for place in result.places
    }
    missed = {ref for ref, verdict in judged.items() if verdict not in ("met", "reference")}
    named = MISSED & judged.keys()
    assert missed == (named if story == "struggling" else set())
