"""A place may be judged by a value of its own, where it asks for another period."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meterstone.errors import CatalogueError
from meterstone.measure.publish import publication

from .build import D, M, World, request
from .custom import START, Measured, catalogue, end_of, metric

YEARLY = metric(
    "share_of_errors",
    kind="count",
    unit="requests",
    target={"cmp": ">=", "value": 3, "unit": "requests"},
    scopes=["network"],
    window="trailing 10 days",
    min_sample=2,
    terms={
        "all_": "count(*)",
        "late": {"agg": "count(*)", "window": "trailing 1 days"},
    },
    value="all_",
    sample="all_",
    **{"from": "api_request"},
)
PLACE = {
    "ref": "Own.lately",
    "same_as": "share_of_errors",
    "target": {"cmp": ">=", "value": 2, "unit": "requests"},
    "value": "late",
    "sample": "late",
}


def test_a_place_is_judged_by_its_own_value_and_sample(tmp_path: Path) -> None:
    world = World([request(START + 12 * M), request(START - D), request(START - 2 * D)])
    measured = Measured(world, catalogue(tmp_path, YEARLY, PLACE))
    found = measured.one("share_of_errors", end_of("."))
    assert (found.value, found.n) == (3, 3)
    assert [(p.verdict, p.own) for p in found.places] == [
        ("met", None),
        ("insufficient_data", (1.0,)),
    ]


def test_what_is_published_of_a_place_is_its_own_value(tmp_path: Path) -> None:
    world = World([request(START + n * M) for n in range(2)], [request(START - D)])
    measured = Measured(world, catalogue(tmp_path, YEARLY, PLACE))
    result = measured.measuring(end_of(".")).measurement()
    lines = publication(world.warehouse, result, "daily", end_of(".")).decode().splitlines()
    rows = {row["ref"]: row for row in map(json.loads, lines)}
    assert (rows["Own.share_of_errors"]["value"], rows["Own.lately"]["value"]) == (3, 2)
    assert rows["Own.lately"]["verdict"] == "met"


def test_a_formula_over_unknown_terms_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="unknown term 'early'"):
        catalogue(tmp_path, YEARLY, PLACE | {"value": "early"})
