"""Holds the measured against the oracle, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pytest

from .build import AT, World, framework
from .oracle import SPECS, Expected, Oracle

INTERVALS = ("wilson", "histogram_order_statistic")
"""Methods whose bounds the oracle knows in closed form."""


def differences(
    world: World,
    at: datetime = AT,
    metrics: Iterable[str] = (),
    *,
    zone: str = "UTC",
    known_at: datetime | None = None,
) -> list[str]:
    """Where measurement and oracle disagree, as sentences."""
    chosen = list(metrics or SPECS)
    measured = world.evaluate(at, *chosen, known_at=known_at, catalogue=framework(zone))
    rows = [row for when, row in world.recorded if known_at is None or when <= known_at]
    oracle = Oracle(rows, at, zone)
    keys = {
        "integration": {r["integration"] for _, r in world.recorded if r["integration"]},
        "endpoint_group": {r["endpoint_group"] for _, r in world.recorded if "endpoint_group" in r},
    }
    found = []
    for metric in chosen:
        definition = framework().metrics[metric]
        closed_form = definition.raw.uncertainty in INTERVALS and not definition.scale
        for kind in definition.raw.scopes:
            for scope in [kind] if kind == "network" else sorted(f"{kind}:{k}" for k in keys[kind]):
                cell = measured.cell(metric, scope)
                expected = oracle.expect(metric, scope)
                found += [
                    f"{metric} {scope} at {at} ({zone}): {text}"
                    for text in _differences(cell, expected, closed_form)
                ]
    return found


def _differences(cell, expected: Expected, closed_form: bool) -> Iterable[str]:  # type: ignore[no-untyped-def]
    want = expected.found
    same = cell.value == want.value
    if isinstance(want.value, int | float) and isinstance(cell.value, float):
        same = cell.value == pytest.approx(want.value, rel=1e-12, abs=1e-6)
    if not same:
        yield f"value {cell.value!r}, not {want.value!r}"
    if want.value is not None and cell.n != want.n:
        yield f"n {cell.n}, not {want.n}"
    if cell.verdict != expected.verdict:
        yield f"verdict {cell.verdict}, not {expected.verdict} (value {cell.value}, n {cell.n})"
    elsewhere = [v for ref, v in cell.verdicts.items()]
    if expected.places and expected.places[0] not in elsewhere:
        yield f"places {cell.verdicts}, not {expected.places}"
    if closed_form and want.value is not None:
        bounds = pytest.approx((want.lower, want.upper), rel=1e-9, abs=1e-12)
        if cell.interval != bounds:
            yield f"interval {cell.interval}, not {(want.lower, want.upper)}"
