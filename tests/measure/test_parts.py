"""Parts of the network that one place asks for, and what a met target needs beside its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from meterstone.errors import CatalogueError
from meterstone.measure.publish import publication
from meterstone.measure.results import Scope

from .build import D, H, Row, World, _row
from .custom import START, Measured, catalogue, end_of, metric

OWNERS = Scope("party", "franchisee")
RELATION = {
    "work": {
        "sql": "SELECT period_end AS at, party, franchise_id, elapsed_minutes FROM work_sample",
        "scopes": {"network": {}, "party": {"key": "party"}},
    }
}
SPEED = metric(
    "speed",
    kind="mean",
    unit="min",
    target={"cmp": "<=", "value": 10, "unit": "min"},
    scopes=["network"],
    terms={"minutes": "sum(elapsed_minutes)", "decisions": "count(*)"},
    numerator="minutes",
    denominator="decisions",
    **{"from": "work"},
)
PLACE = {
    "ref": "Own.owners",
    "same_as": "speed",
    "target": {"cmp": "<=", "value": 5, "unit": "min"},
    "at": {"party": "franchisee"},
}


def decision(party: str, minutes: float, n: int) -> Row:
    usual = {
        "sample_id": f"w{n}", "period_start": START, "period_end": START + n * H,
        "process": "decision", "party": party, "automated": False, "minutes": 1.0,
        "elapsed_minutes": minutes, "volume": 1, "method": "timer",
    }  # fmt: skip
    return _row("work_sample", usual, {})


def test_a_place_may_ask_for_a_part_of_the_network(tmp_path: Path) -> None:
    world = World([decision("operator", 12, 1), decision("franchisee", 6, 2)])
    measured = Measured(world, catalogue(tmp_path, SPEED, PLACE, relations=RELATION))
    whole = measured.one("speed", end_of("."))
    assert (whole.value, [p.verdict for p in whole.places]) == (9, ["met"])
    owners = measured.one("speed", end_of("."), OWNERS)
    assert (owners.value, [(p.ref, p.verdict) for p in owners.places]) == (
        6,
        [("Own.owners", "not_met")],
    )
    assert not [r for r in measured.all(end_of(".")) if r.scope == Scope("party", "operator")
                and r.places]  # fmt: skip


def test_it_is_published_under_the_network_with_the_ref_of_its_place(tmp_path: Path) -> None:
    world = World([decision("operator", 12, 1), decision("franchisee", 6, 2)])
    measured = Measured(world, catalogue(tmp_path, SPEED, PLACE, relations=RELATION))
    at = end_of(".")
    text = publication(world.warehouse, measured.measuring(at).measurement(), "daily", at + D)
    rows = [line for line in text.decode().splitlines() if '"Own.owners"' in line]
    assert len(rows) == 1
    assert '"scope": "network"' in rows[0]


def test_all_terms_must_know_the_part(tmp_path: Path) -> None:
    without = {"work": {**RELATION["work"], "scopes": {"network": {}}}}
    with pytest.raises(CatalogueError, match="no scope 'party'"):
        catalogue(tmp_path, SPEED, PLACE, relations=without)


def test_met_needs_what_is_said_beside_the_value(tmp_path: Path) -> None:
    world = World([decision("operator", 8, 1), decision("franchisee", 2, 2)])
    slow = SPEED | {"terms": {**SPEED["terms"], "longest": "max(elapsed_minutes)"}}
    for least, verdict in ((8, "met"), (7.9, "not_met")):
        defined = slow | {"met_only_if": f"longest <= {least}"}
        measured = Measured(world, catalogue(tmp_path, defined, relations=RELATION))
        assert measured.one("speed", end_of(".")).verdict == verdict
