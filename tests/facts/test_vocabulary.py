"""The one declaration of all facts is consistent, and says what the mission's vocabulary says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from meterstone.facts import FactSchema, vocabulary

FACTS = list(vocabulary().values())


def test_it_holds_the_fifty_facts_in_their_order() -> None:
    assert len(vocabulary()) == 50
    assert list(vocabulary())[:2] == ["api_request", "probe"]
    assert vocabulary().version == 1


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_a_fact_speaks_of_its_own_columns(fact: FactSchema) -> None:
    named = {*fact.key, fact.event_time}
    named |= {name for check in fact.checks for name in (*check.left, *check.right)}
    if fact.rollup:
        named |= {*fact.rollup.dimensions, fact.rollup.weight, fact.rollup.value}
    assert named <= set(fact.columns)
    assert fact.time.type in ("timestamp", "date")
    assert not any(fact.columns[name].nullable for name in (*fact.key, fact.event_time))


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_the_words_of_an_enum_are_different(fact: FactSchema) -> None:
    for column in fact.columns.values():
        assert bool(column.allowed) == (column.type == "enum")
        assert len(set(column.allowed)) == len(column.allowed)


@pytest.fixture(scope="module")
def mission(shared_data: Callable[[str], Path]) -> dict[str, Any]:
    text = shared_data("../mission/facts.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return loaded


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_it_is_the_vocabulary_of_the_mission(mission: dict[str, Any], fact: FactSchema) -> None:
    told = mission["facts"][fact.name]
    assert (list(fact.key), fact.event_time) == (told["primary_key"], told["event_time"])
    ours = {c.name: (c.type, list(c.allowed)) for c in fact.own_columns}
    theirs = {
        c["name"]: (c["type"].partition("(")[0], c.get("allowed") or []) for c in told["columns"]
    }
    assert ours == theirs
