"""Units that convert, and those that do not."""

from __future__ import annotations

import pytest

from meterstone.catalogue.units import factor


@pytest.mark.parametrize(
    ("unit", "other", "wanted"),
    [
        ("ms", "ms", 1.0),
        ("s", "ms", 1000.0),
        ("h", "min", 60.0),
        ("days", "h", 24.0),
        ("requests/s", "requests/min", 60.0),
        ("transactions/h", "transactions/day", 24.0),
        ("requests/day", "requests/h", 1 / 24),
        ("any words", "any words", 1.0),
        ("ms", "%", None),
        ("requests/s", "calls/s", None),
        ("requests/s", "requests/week", None),
        ("s", "requests/s", None),
        ("/s", "/min", None),
    ],
)
def test_factors(unit: str, other: str, wanted: float | None) -> None:
    assert factor(unit, other) == pytest.approx(wanted)
