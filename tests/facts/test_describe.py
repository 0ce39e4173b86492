"""The schema refuses what the hub refuses, and the page shows what is declared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from meterstone.facts import Column, FactSchema, build_batch, vocabulary
from meterstone.facts.describe import column_schema, json_schema, markdown, schema_of_all

from .conftest import GOOD, RECEIVED, VISIT

SCHEMA = Draft202012Validator(json_schema(VISIT))
ALL = Draft202012Validator(schema_of_all(vocabulary()))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(-2, 2),
    st.sampled_from(["", "long", "x"]),
)


@pytest.mark.parametrize("fact", vocabulary().values(), ids=lambda fact: fact.name)
def test_every_schema_is_one(fact: FactSchema) -> None:
    schema = json_schema(fact)
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["fact"] == {"const": fact.name}
    assert "recorded_at" not in schema["properties"]
    assert set(schema["properties"]) == set(fact.columns) - {"recorded_at"} | {"fact"}


def test_the_schema_of_all_is_one() -> None:
    Draft202012Validator.check_schema(ALL.schema)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"fact": "visit"},
        {"at": 1772357400},
        {"minutes": 3, "share": 0.5, "paid_usd": "12.50", "walk_in": False, "cut": "short"},
        {"paid_usd": 12.5, "page": "https://example.com", "day": "2026-03-01"},
        {"minutes": None, "cut": None, "revision": None, "source": None},
        {"source": "csv", "entered_by": "ana", "entered_role": "controller"},
    ],
)
def test_a_row_that_the_hub_takes(change: dict[str, Any]) -> None:
    assert not list(SCHEMA.iter_errors({**GOOD, **change}))
    assert not build_batch(VISIT, [(1, {**GOOD, **change})], received_at=RECEIVED).rejects


@pytest.mark.parametrize(
    "change",
    [
        {"fact": "haircut"},
        {"visit_id": None},
        {"visit_id": ""},
        {"minutes": -1},
        {"minutes": 1.5},
        {"share": 1.5},
        {"cut": "beard"},
        {"walk_in": "yes"},
        {"paid_usd": "a lot"},
        {"recorded_at": "2026-03-01T09:30:00Z"},
        {"nonsense": 1},
        {"source": "csv"},
        {"source": "csv", "entered_by": "", "entered_role": "x"},
        {"source": "attestation", "entered_by": "ana", "entered_role": "x", "expires_at": None},
    ],
)
def test_a_row_that_the_hub_refuses(change: dict[str, Any]) -> None:
    assert list(SCHEMA.iter_errors({**GOOD, **change}))
    if "fact" not in change:  # a row is sent under its fact; the hub looks at the name before
        assert build_batch(VISIT, [(1, {**GOOD, **change})], received_at=RECEIVED).rejects


@given(st.dictionaries(st.sampled_from(["minutes", "share", "cut", "walk_in", "source"]), VALUES))
def test_what_the_schema_takes_the_hub_takes(change: dict[str, Any]) -> None:
    row = {**GOOD, **change}
    if SCHEMA.is_valid(row):
        assert not build_batch(VISIT, [(1, row)], received_at=RECEIVED).rejects


def test_rows_of_all_facts_are_told_apart_by_name() -> None:
    probe = {
        "fact": "probe", "probe_id": "p", "at": "2026-03-01T09:30:00Z", "component": "database",
        "check_key": "ping", "interval_s": 60, "ok": True, "location": "eu", "fail_reason": "none",
        "maintenance": False, "alerting": True,
    }  # fmt: skip
    assert ALL.is_valid(probe)
    assert not ALL.is_valid({**probe, "fact": "sync_run"})
    assert not ALL.is_valid({**probe, "interval_s": -1})
    assert not ALL.is_valid({**probe, "source": "guess"})
    assert not ALL.is_valid({name: value for name, value in probe.items() if name != "fact"})


def test_a_column_says_what_it_is() -> None:
    column = Column("wait_ms", "number", unit="ms", desc="how long it waited")
    assert column_schema(column) == {
        "type": "number", "minimum": 0.0, "description": "how long it waited", "x-unit": "ms",
    }  # fmt: skip
    assert column_schema(Column("revision", "integer", unit="ordinal"))["default"] == 0


def test_the_page_has_every_fact_and_column() -> None:
    text = markdown(vocabulary())
    for fact in vocabulary().values():
        section = text.split(f"\n## {fact.name}\n")[1].split("\n## ")[0]
        assert fact.description in section
        for column in fact.own_columns:
            assert f"\n| `{column.name}`" in section


def test_the_page_says_the_rules_and_what_is_added_up() -> None:
    section = markdown(vocabulary()).split("\n## api_request\n")[1].split("\n## ")[0]
    assert "Rules: bucket_hi_ms >= bucket_lo_ms." in section
    assert "weighted by `count`, with a histogram of `duration_ms`" in section
    assert "| `direction` | inbound · outbound |" in section
    assert "| `duration_ms` ○ | number | ms |" in section
