"""Files, layers and what replaces what."""

from __future__ import annotations

from pathlib import Path

import pytest

from meterstone.app import fact_shapes
from meterstone.catalogue import Catalogue, framework_path, load_catalogue
from meterstone.errors import CatalogueError

from .conftest import BASE, SHAPES, Refuse, changed, errors_of

METRICS = BASE[BASE.index("metrics:") : BASE.index("gates:")]
RELATIONS = BASE[BASE.index("relations:") : BASE.index("metrics:")]
UPTIME = """\
  - ref: {ref}
    id: {id}
    title: Uptime of ours
    kind: ratio
    unit: '%'
    target: {{cmp: '>=', value: 99, unit: '%'}}
    scopes: [network, integration]
    window: trailing 7 days
    definition: ours
    from: integration_slot
    terms: {{up: sum(up), slots: sum(slots)}}
    numerator: up
    denominator: slots
"""
REF = "IntegrationPerformanceMetrics.target_metrics.integration_uptime"
PLACE = "APIPerformanceAnalytics.analyze_endpoint_performance.pos_integration_apis.average_response"


def load_files(folder: Path, **files: str) -> Catalogue:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return load_catalogue(folder, SHAPES)


def own(folder: Path, text: str) -> Catalogue:
    path = folder / "own.yaml"
    path.write_text(f"extends: framework\n{text}")
    return load_catalogue(path, fact_shapes())


def refused(folder: Path, text: str) -> list[CatalogueError]:
    with pytest.raises(CatalogueError) as caught:
        own(folder, text)
    return list(errors_of(caught.value))


def test_a_folder_lists_its_files(tmp_path: Path) -> None:
    catalogue = load_files(
        tmp_path,
        catalogue="name: two\nfiles: [relations.yaml, metrics.yaml]\n",
        relations=RELATIONS,
        metrics=f"system: Shop\nnote: as sold\n{METRICS}",
    )
    assert catalogue.name == "two"
    assert catalogue.version == "1"
    assert catalogue.order[0] == "Shop.sales.share"


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    head = "files: [a.yaml]\n"
    one = load_files(tmp_path, catalogue=head, a=RELATIONS)
    assert load_files(tmp_path, catalogue=head, a=RELATIONS).hash == one.hash
    assert load_files(tmp_path, catalogue=head, a=RELATIONS + "\n").hash != one.hash


@pytest.mark.parametrize(
    ("files", "line", "cause"),
    [
        ("[a.yaml, b.yaml]", 1, "no file 'b.yaml' beside catalogue.yaml"),
        ("\n  - a.yaml\n  - a.yaml", 3, "'a.yaml' is read twice"),
        ("[catalogue.yaml]", 1, "'catalogue.yaml' is read twice"),
        ("[.]", 1, "no file '.' beside catalogue.yaml"),
    ],
)
def test_wrong_lists_of_files(tmp_path: Path, files: str, line: int, cause: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load_files(tmp_path, catalogue=f"files: {files}\n", a=RELATIONS)
    assert caught.value.place == f"{tmp_path / 'catalogue.yaml'}:{line}"
    assert caught.value.cause == cause


def test_a_part_has_no_head(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError) as caught:
        load_files(tmp_path, catalogue="files: [a.yaml]\n", a="relations:\ntime_zone: UTC\n")
    assert caught.value.place == f"{tmp_path / 'a.yaml'}:2"
    assert caught.value.cause == "unknown key 'time_zone'"


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("ref: Shop.calls.wait\n", "ref: Shop.sales.share # <-\n", "ref 'Shop.sales.share'"),
        ("ref: Shop.calls.other_wait\n", "ref: Shop.calls.wait # <-\n", "ref 'Shop.calls.wait'"),
        ("- ref: Shop.calls.wait\n    id: wait\n", "- ref: S # <-\n    id: paid_share\n", "metric"),
        (
            "  answered:\n",
            "  answered: {sql: x}\n  answered: # <-\n",
            "'answered' is written twice",
        ),
        (
            "gates:\n",
            "gates:\n  - {id: month, title: t, group: Shop, hold: {periods: 1}}\n",
            "gate 'month' is defined twice",
        ),
        (
            "gates:\n",
            "  - ref: Shop.calls.other_wait # <-\n    same_as: wait\n"
            "    target: {cmp: <, value: 1, unit: s}\ngates:\n",
            "place 'Shop.calls.other_wait' is defined twice",
        ),
    ],
)
def test_nothing_is_defined_twice(refuse: Refuse, old: str, new: str, cause: str) -> None:
    errors = refuse(changed(old, new))
    assert errors[0].cause.startswith(cause)


def test_a_place_may_not_come_before_its_double(refuse: Refuse) -> None:
    first = (
        "metrics:\n  - ref: Shop.calls.wait\n    same_as: wait\n"
        "    target: {cmp: <, value: 1, unit: s}\n"
    )
    errors = refuse(
        changed("metrics:\n", first).replace("calls.wait\n    id", "calls.wait # <-\n    id")
    )
    assert "is defined twice (first at" in errors[0].cause
    assert errors[0].cause.endswith("shop.yaml:15)")


def test_a_double_in_two_files_names_both(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError) as caught:
        load_files(tmp_path, catalogue="files: [a.yaml, b.yaml]\n", a=RELATIONS, b=f"\n{RELATIONS}")
    first, second = errors_of(caught.value)
    assert first.place == f"{tmp_path / 'b.yaml'}:3"
    assert (
        first.cause == f"relation 'paid_sale' is defined twice (first at {tmp_path / 'a.yaml'}:2)"
    )
    assert second.cause.startswith("relation 'answered'")


def test_an_own_metric_replaces_that_of_the_framework_in_its_place(tmp_path: Path) -> None:
    shipped = load_catalogue(framework_path(), fact_shapes())
    catalogue = own(tmp_path, "metrics:\n" + UPTIME.format(ref=REF, id="integration_uptime"))
    assert catalogue.metrics["integration_uptime"].raw.title == "Uptime of ours"
    assert catalogue.order == shipped.order
    assert catalogue.name == shipped.name
    assert catalogue.hash != shipped.hash


def test_a_replaced_metric_may_move_to_another_ref(tmp_path: Path) -> None:
    catalogue = own(tmp_path, "metrics:\n" + UPTIME.format(ref="Own.up", id="integration_uptime"))
    assert REF not in catalogue.order
    assert catalogue.order[-1] == "Own.up"


def test_own_metrics_come_after_those_of_the_framework(tmp_path: Path) -> None:
    catalogue = own(tmp_path, "name: ours\nmetrics:\n" + UPTIME.format(ref="Own.up", id="own_up"))
    assert catalogue.name == "ours"
    assert catalogue.order[-1] == "Own.up"
    assert len(catalogue.metrics) > 40


def test_an_own_place_replaces_that_of_the_framework(tmp_path: Path) -> None:
    text = f"""\
metrics:
  - ref: {PLACE}
    same_as: api_mean_response_time
    target: {{cmp: <=, value: 200, unit: ms}}
    at: {{endpoint_group: pos_integration}}
"""
    metric, place = own(tmp_path, text).by_ref()[PLACE]
    assert (metric.id, place.target.value) == ("api_mean_response_time", 200)


def test_an_own_metric_may_take_the_ref_of_a_place(tmp_path: Path) -> None:
    catalogue = own(tmp_path, "metrics:\n" + UPTIME.format(ref=PLACE, id="own_up"))
    assert catalogue.by_ref()[PLACE][0].id == "own_up"
    assert len(catalogue.order) == len(set(catalogue.order))


def test_an_own_metric_may_not_take_the_ref_of_another(tmp_path: Path) -> None:
    [error] = refused(tmp_path, "metrics:\n" + UPTIME.format(ref=REF, id="own_up"))
    assert error.place == f"{tmp_path / 'own.yaml'}:3"
    assert error.cause.startswith(f"ref '{REF}' is defined twice (first at ")
    assert error.mend.endswith("give it the id of the metric that it replaces")


def test_an_own_relation_and_gate_replace_those_of_the_framework(tmp_path: Path) -> None:
    text = """\
relations:
  inbound_request: {rollup: api_request, where: direction = 'inbound' and fault <> 'caller'}
gates:
  - id: operations_90_days
    title: Ours
    group: IntegrationHealthMonitor
    hold: {periods: 10}
"""
    catalogue = own(tmp_path, text)
    assert "caller" in (catalogue.relations["inbound_request"].where or "")
    assert catalogue.gates["operations_90_days"].title == "Ours"
    assert list(catalogue.gates).count("operations_90_days") == 1
