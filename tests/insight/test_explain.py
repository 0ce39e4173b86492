"""Which dimension moved a total: the few values that carry it, of the most surprising dimension."""

from __future__ import annotations

import pytest

from meterstone.insight.explain import explain


def test_the_one_value_that_moved_is_named() -> None:
    [best, *others] = explain(
        {
            "integration": {"square": (700, 10), "clover": (12, 10), "tableau": (8, 10)},
            "endpoint group": {"pos": (240, 10), "analytics": (240, 10), "auth": (240, 10)},
        }
    )
    assert best.dimension == "integration"
    assert [moved.value for moved in best.moved] == ["square"]
    assert best.moved[0].share == pytest.approx(690 / 690)
    assert others == [], "all groups moved alike: that explains nothing"


def test_where_all_moved_alike_there_is_no_explanation() -> None:
    even = {"a": (200, 100), "b": (400, 200), "c": (600, 300), "d": (300, 150)}
    assert explain({"region": even}) == []


def test_a_fall_is_explained_as_a_rise_is() -> None:
    parts = {"F1": (0, 500), "F2": (480, 500), "F3": (510, 500), "F4": (490, 500)}
    [best] = explain({"franchise": parts})
    assert [moved.value for moved in best.moved] == ["F1"]
    assert best.moved[0].share == pytest.approx(500 / 520)


def test_of_two_dimensions_the_more_surprising_one_comes_first() -> None:
    [best, second] = explain(
        {
            "region": {"north": (900, 500), "south": (500, 500)},
            "franchise": {"F1": (500, 100), "F2": (400, 400), "F3": (500, 500)},
        }
    )
    assert (best.dimension, best.moved[0].value) == ("franchise", "F1")
    assert (second.dimension, second.moved[0].value) == ("region", "north")


def test_nothing_is_explained_without_a_difference_or_parts() -> None:
    assert explain({}) == []
    assert explain({"a": {}}) == []
    assert explain({"a": {"one": (5, 1)}}) == [], "one value is no choice"
    assert explain({"a": {"x": (5, 5), "y": (1, 1)}}) == []
    assert explain({"a": {"x": (5, 0), "y": (0, 0)}})[0].moved[0].value == "x"
