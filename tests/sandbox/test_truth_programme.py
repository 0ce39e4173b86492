"""Cadences, thresholds and milestones of the programme, held against what is true of it."""

from __future__ import annotations

import pytest

from meterstone.sandbox.network.programme import METRICS

from .conftest import Networks
from .truth import STORIES, differences, missed

ASKED = (
    *METRICS, "integration_performance_success", "security_success", "satisfaction_success",
    "market_position_success", "revenue_growth_success",
)  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_measured_is_true(network: Networks, story: str) -> None:
    assert differences(network(story), ASKED) == []


def test_struggling_misses_exactly_what_its_story_says(network: Networks) -> None:
    """Of all 231 targets, those that the truth file names."""
    made = network("struggling")
    assert missed(made, lambda _id, _ref: True) == set(made.truth["missed"])
    assert len(made.truth["missed"]) == 82
