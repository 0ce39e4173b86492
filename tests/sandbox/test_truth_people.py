"""Satisfaction and experience: measured as they are true, on every preset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from meterstone.sandbox.network import people

from .conftest import Networks
from .truth import STORIES, differences, missed, system

SYSTEMS = ("CustomerSatisfactionMetrics", "CustomerExperienceAnalytics")
PUBLISHED = {"satisfaction_cadence"}
"""Metrics about what was published, by `programme`, whose test holds them against their truth."""
TELEMETRY = {"customer_success_score"}
"""Metrics that need syncs, which the presets have for the last 32 days only."""


@pytest.mark.parametrize("story", STORIES)
def test_measured_as_it_is_true(network: Networks, story: str) -> None:
    made = network(story)
    surveys = ["customer_advocacy", "brand_recognition"]
    mine = [m.id for m in made.home.catalogue.metrics.values() if system(m.ref) in SYSTEMS]
    assert mine
    assert differences(made, mine + surveys) == []


@pytest.mark.parametrize("story", ["thriving", "struggling"])
def test_targets_are_met_but_for_those_named(network: Networks, story: str) -> None:
    found = missed(
        network(story),
        lambda id_, ref: id_ not in PUBLISHED and system(ref) in SYSTEMS,
        fine=["met"],
    )
    assert found == (people.MISSED if story == "struggling" else set())


def test_targets_are_met_on_other_days_as_well(network: Networks) -> None:
    made = network("thriving")
    days = [datetime(2026, 7, 3, tzinfo=UTC) + timedelta(days=15 * n) for n in range(6)]
    mine = [
        m.id
        for m in made.home.catalogue.metrics.values()
        if system(m.ref) in SYSTEMS
        and m.raw.kind not in ("cadence", "threshold")
        and m.id not in TELEMETRY
    ]
    missed = {
        (place.ref, day.date().isoformat())
        for column in made.evaluator().evaluate(days, mine).columns.values()
        if column.scope == "network" and column.metric.id in mine
        for place, verdicts in zip(column.metric.places, column.verdicts, strict=True)
        for day, verdict in zip(days, verdicts[:, 0], strict=True)
        if verdict != "met"
    }
    assert missed == set()
