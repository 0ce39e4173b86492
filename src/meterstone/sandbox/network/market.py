"""The market around the network: what is observed of competitors, who recognises the company, its
partners and developers, its releases and technology.

`market_observed` are competitors, `market_register` what the company keeps a register of,
`market_clients` what follows from clients, invoices, deals and connections of other domains.
"""

from __future__ import annotations

from meterstone.sandbox.network import market_clients, market_observed, market_register
from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.market_knobs import KNOBS
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import World

MISSED: frozenset[str] = frozenset(
    {
        "MarketIntelligenceAnalytics.analyze_competitive_position.feature_differentiation",
        "MarketIntelligenceAnalytics.analyze_competitive_position.customer_satisfaction_gap",
        "MarketIntelligenceAnalytics.track_innovation_leadership.technology_adoption_rate",
        "MarketIntelligenceAnalytics.track_innovation_leadership.patent_applications",
        "IndustryLeadershipMetrics.measure_ecosystem_strength.integration_partners",
        "IndustryLeadershipMetrics.measure_ecosystem_strength.marketplace_adoption",
        "CompetitiveAdvantageMetrics.validate_technology_moat.innovation_velocity",
        "CompetitiveAdvantageMetrics.validate_technology_moat.patent_portfolio",
    }
)
"""Refs that `struggling` misses."""


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """The market, and what is true of it. Own feature releases hang on the world for others
    (``world.shared["feature_releases"]``), and the catalogues of the competitors."""
    knobs = KNOBS[world.preset.story]
    if world.preset.story == "struggling":
        truth.missed |= MISSED
    released = market_register.simulate(world, facts, truth, knobs)
    world.shared["feature_releases"] = [(x.released, x.started, x.visible) for x in released]
    market_observed.simulate(world, facts, truth, knobs, released)
    market_clients.simulate(world, facts, truth, knobs)
