"""The definitions that Meterstone ships are those of the mission, ref by ref."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from meterstone.app import fact_shapes
from meterstone.catalogue import Catalogue, framework_path, load_catalogue
from meterstone.catalogue.export import export
from meterstone.measure.hooks import HOOKS

INHERITED = ("id", "title", "kind", "unit", "better", "scopes", "evidence", "cadence", "definition")
Mission = list[dict[str, Any]]


def _system(ref: str) -> str:
    return ref.split(".", maxsplit=1)[0]


def _systems(catalogue: Catalogue) -> set[str]:
    return {_system(ref) for ref in catalogue.order}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(framework_path(), fact_shapes(), hooks=HOOKS)


@pytest.fixture(scope="module")
def exported(catalogue: Catalogue) -> list[dict[str, Any]]:
    return export(catalogue)


@pytest.fixture(scope="module")
def mission(catalogue: Catalogue, shared_data: Callable[[str], Path]) -> Mission:
    text = shared_data("../mission/metrics.yaml").read_text(encoding="utf-8")
    entries: Mission = yaml.load(text, Loader=yaml.CSafeLoader)
    return [entry for entry in entries if _system(entry["ref"]) in _systems(catalogue)]


def test_every_leaf_of_each_system_in_the_frameworks_order(
    catalogue: Catalogue, mission: Mission
) -> None:
    assert [entry["ref"] for entry in mission] == list(catalogue.order)


def test_what_is_exported_is_what_the_mission_says(
    exported: list[dict[str, Any]], mission: Mission
) -> None:
    by_id = {entry["id"]: entry for entry in mission if "id" in entry}
    for ours, told in zip(exported, mission, strict=True):
        definition = by_id[told.get("same_as") or told["id"]]
        wanted = {key: definition[key] for key in INHERITED} | {
            "ref": told["ref"],
            "target": told["target"],
            "at": told.get("at") or {},
            "min_sample": told.get("min_sample", definition["min_sample"]),
            "literal": told["seed_literal"],
            "verdict_on": definition["verdict_on"],
            "note": told.get("note"),
            "facts": sorted(definition["facts"]),
        }
        assert {key: ours[key] for key in wanted} == wanted


def test_an_entry_has_all_its_keys_and_is_json(exported: list[dict[str, Any]]) -> None:
    assert json.loads(json.dumps(exported)) == exported
    assert {tuple(entry) for entry in exported} == {
        (
            "ref", "id", "title", "kind", "unit", "target", "better", "scopes", "facts",
            "definition", "evidence", "cadence", "min_sample", "literal", "at", "window",
            "verdict_on", "note",
        )
    }  # fmt: skip


def test_a_place_inherits_and_carries_its_own(exported: list[dict[str, Any]]) -> None:
    found = {entry["ref"]: entry for entry in exported}
    prefix = "APIPerformanceAnalytics.analyze_endpoint_performance"
    first = found[f"{prefix}.franchise_management_apis.success_rate"]
    place = found[f"{prefix}.analytics_apis.success_rate"]
    assert (first["min_sample"], place["min_sample"]) == (15000, 30000)
    assert place["at"] == {"endpoint_group": "analytics"}
    assert (place["id"], place["definition"]) == (first["id"], first["definition"])
    assert place["target"]["value"] == 99.99


def test_a_group_is_every_ref_under_a_prefix(catalogue: Catalogue) -> None:
    group = catalogue.group("IntegrationPerformanceMetrics.target_metrics")
    assert len(group) == 7
    assert catalogue.group("IntegrationPerformanceMetrics.target") == ()
    assert catalogue.group(group[0]) == (group[0],)


def test_all_framework_refs_are_leaves_of_the_framework(
    catalogue: Catalogue, shared_data: Callable[[str], Path]
) -> None:
    leaves = json.loads(shared_data("../mission/framework_leaves.json").read_text())
    wanted = {ref: literal for ref, literal in leaves if _system(ref) in _systems(catalogue)}
    assert wanted == {ref: place.literal for ref, (_, place) in catalogue.by_ref().items()}


def test_success_is_declared_over_every_ref(catalogue: Catalogue) -> None:
    gate = catalogue.gates["success_declaration"]
    groups = [gate.group] if isinstance(gate.group, str) else gate.group
    assert [ref for group in groups for ref in catalogue.group(group)] == list(catalogue.order)
    assert (gate.hold.periods, gate.excluding) == (90, [])


def test_the_levels_are_made_of_the_groups(catalogue: Catalogue) -> None:
    def group(*ids: str) -> list[str]:
        found = [catalogue.gates[id_].group for id_ in ids]
        return [part for one in found for part in ([one] if isinstance(one, str) else one)]

    levels = (
        "level_1_business_impact",
        "level_2_operational_excellence",
        "level_3_customer_success",
    )
    assert group(*levels) == group(
        "revenue_growth", "market_position_excellence", "integration_performance_standards",
        "security_and_compliance", "owner_satisfaction", "operational_efficiency_impact",
    )  # fmt: skip
