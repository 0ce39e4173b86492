"""Cadences, thresholds and milestones of the programme, held against what is true of it."""

from __future__ import annotations

import pytest

from meterstone.sandbox.network.programme import METRICS

from .conftest import Networks
from .truth import differences

ASKED = (
    *METRICS, "integration_performance_success", "security_success", "satisfaction_success",
    "market_position_success", "revenue_growth_success",
)  # fmt: skip


@pytest.mark.parametrize("story", ["quiet", "honest"])
def test_measured_is_true(network: Networks, story: str) -> None:
    assert differences(network(story), ASKED) == []
