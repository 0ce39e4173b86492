"""Work, owners and operational savings: measured as they are true, on every preset."""

from __future__ import annotations

import pytest

from meterstone.sandbox.network import owners, work

from .conftest import Networks
from .truth import STORIES, differences, missed

PUBLISHED = {"efficiency_cadence"}
"""Metrics about what was published, by `programme`, whose test holds them against their truth."""
METRICS = {*work.METRICS, *owners.METRICS, "compliance_automation_rate"}
MISSED = work.MISSED | owners.MISSED


@pytest.mark.parametrize("story", STORIES)
def test_measured_as_it_is_true(network: Networks, story: str) -> None:
    made = network(story)
    assert differences(made, sorted(METRICS & made.home.catalogue.metrics.keys())) == []


@pytest.mark.parametrize("story", ["thriving", "struggling"])
def test_targets_are_met_but_for_those_named(network: Networks, story: str) -> None:
    made = network(story)
    refs = {place.ref for result in made.results() for place in result.places}
    found = missed(made, lambda id_, _ref: id_ in METRICS - PUBLISHED)
    assert found == (MISSED & refs if story == "struggling" else set())
