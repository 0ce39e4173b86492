"""Revenue, growth of the network and the return on the programme: measured as they are true, on
every preset."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meterstone.sandbox.network import billing, pipeline, preset, returns, sales
from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import World

from .conftest import Networks
from .truth import differences

PREFIXES = (
    "RevenueGrowthMetrics",
    "FranchiseGrowthAnalytics",
    "CostEfficiencyAnalytics.calculate_roi_metrics",
)
MISSED = sales.MISSED | billing.MISSED | pipeline.MISSED | returns.MISSED
PUBLISHED = {"revenue_growth_cadence"}
"""Metrics about what was published: nobody publishes in a simulated network."""

STORIES = ("thriving", "struggling", "honest", "quiet")


@pytest.mark.parametrize("story", STORIES)
def test_measured_as_it_is_true(network: Networks, story: str) -> None:
    made = network(story)
    mine = [m.id for m in made.home.catalogue.metrics.values() if m.ref.startswith(PREFIXES)]
    assert len(mine) == 7 + 13 + 6
    assert differences(made, mine) == []


@pytest.mark.parametrize("story", ["thriving", "struggling"])
def test_targets_are_met_but_for_those_named(network: Networks, story: str) -> None:
    made = network(story)
    judged = {
        place.ref: place.verdict
        for result in made.results()
        if result.id not in PUBLISHED
        for place in result.places
        if place.ref.startswith(PREFIXES)
    }
    missed = {ref for ref, verdict in judged.items() if verdict not in ("met", "reference")}
    assert missed == (MISSED if story == "struggling" else set())


def test_targets_are_met_on_every_one_of_the_last_days(network: Networks) -> None:
    made = network("thriving")
    mine = [
        m.id
        for m in made.home.catalogue.metrics.values()
        if m.ref.startswith(PREFIXES) and m.raw.kind not in ("cadence", "threshold")
    ]
    days = [made.at - timedelta(days=n) for n in (0, 1, 29, 30, 31, 61, 62, 89)]
    evaluation = made.evaluator().evaluate(days, mine)
    for metric in mine:
        column = evaluation.columns[metric, "network"]
        words = {str(word) for verdicts in column.verdicts for word in verdicts[:, 0]}
        assert words == {"met"}, metric


@pytest.mark.parametrize(("shops", "months"), [(1, 2), (1, 14), (7, 40), (300, 3)])
@pytest.mark.parametrize("story", ["honest", "thriving"])
def test_any_size_can_be_simulated(story: str, shops: int, months: int) -> None:
    world = World(preset(story, shops=shops, months=months))
    facts, truth = Facts(), Truth()
    for module in (sales, billing, pipeline, returns):
        module.simulate(world, facts, truth)
    assert len(truth.all()) >= 26


def test_the_effect_of_going_live_is_known(network: Networks) -> None:
    effects = network("thriving").truth["effects"]["sales"]
    assert len(effects) > 200
    assert all(usd >= 0 for usd in effects.values())
    assert sum(effects.values()) / len(effects) > 2_500
