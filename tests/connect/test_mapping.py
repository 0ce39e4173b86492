"""From a vendor's bytes to rows of facts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterstone.connect.catalogue import checked
from meterstone.connect.columns import column, condition
from meterstone.connect.mapping import StreamMapping
from meterstone.connect.paths import at_path
from meterstone.connect.quirks import Quirks
from meterstone.connect.spec_facts import Column, Condition
from meterstone.connect.values import ColumnRefused
from meterstone.facts import Reject

NONE = Quirks("acme", own=True)
RECORD: dict[str, Any] = {
    "id": "p1",
    "amount": {"value": 1250, "currency": "USD"},
    "yen": {"value": 1250, "currency": "JPY"},
    "lines": [{"id": "a", "cents": 5}, {"id": "b", "cents": 7}],
    "fields": [{"Name": "Paid on", "Value": "2026-03-01"}, {"Name": "Note", "Value": "x"}],
    "state": "OPEN",
    "yes": "true",
    "a.b": 3,
}  # fmt: skip


def value(**form: Any) -> Any:
    spec = Column.model_validate(form)
    return column(spec, NONE)(RECORD, RECORD["lines"][1], {"franchise_id": "F1"})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("id", "p1"),
        ("amount.currency", "USD"),
        ("lines[0].id", "a"),
        ("lines[-1].id", "b"),
        ("lines[9].id", None),
        ("fields[Name=Paid on].Value", "2026-03-01"),
        ('["a.b"]', 3),
        ("id.more", None),
    ],
)
def test_paths(path: str, found: object) -> None:
    assert at_path(RECORD, path) == found


@pytest.mark.parametrize(
    ("form", "made"),
    [
        ({"is": "pos"}, "pos"),
        ({"from": "$.id"}, "b"),
        ({"from": "@franchise_id"}, "F1"),
        ({"from": "amount.value", "as": "minor", "of": "amount.currency"}, Decimal("12.50")),
        ({"from": "yen.value", "as": "minor", "of": "yen.currency"}, Decimal(1250)),
        ({"from": "yes", "as": "boolean"}, True),
        ({"from": "fields[Name=Paid on].Value", "as": "date"}, date(2026, 3, 1)),
        ({"from": "state", "as": "lower"}, "open"),
        ({"from": "state", "map": {"OPEN": "open"}}, "open"),
        ({"from": "id", "map": {"OPEN": "open"}, "else": "other"}, "other"),
        ({"from": "none", "default": 0}, 0),
        ({"first": ["none", "id"]}, "p1"),
        ({"sum": ["amount.value", "lines[0].cents", "none"]}, 1255),
        ({"minus": ["amount.value", "lines[0].cents"]}, 1245),
        ({"sum": ["$.cents"], "each": "lines"}, Decimal(12)),
        ({"join": ["id", "none", "state"], "by": "-"}, "p1-OPEN"),
        ({"is": "92.5", "default": 1}, "92.5"),
    ],
)
def test_columns(form: dict[str, Any], made: object) -> None:
    assert value(**form) == made


def test_moments_come_in_many_forms() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for form, given in (
        ({"as": "instant"}, "2026-03-01T12:00:00Z"),
        ({"as": "instant"}, "2026-03-01T07:00:00.000-0500"),
        ({"as": "instant", "format": "%m/%d/%Y %H:%M"}, "03/01/2026 12:00"),
        ({"as": "epoch_ms"}, 1772366400000),
        ({"as": "epoch_s"}, "1772366400"),
    ):
        spec = Column.model_validate({"from": "at", **form})
        assert column(spec, NONE)({"at": given}, None, {}) == noon


def test_what_does_not_fit_is_refused_with_the_value() -> None:
    with pytest.raises(ColumnRefused, match="'OPEN' is a word that the mapping does not know"):
        value(**{"from": "state", "map": {"SHUT": "closed"}})
    with pytest.raises(ColumnRefused, match="'p1' is not a number"):
        value(**{"from": "id", "as": "decimal"})


@pytest.mark.parametrize(
    ("form", "holds"),
    [
        ({"is": "OPEN"}, True),
        ({"in": ["OPEN", "SHUT"]}, True),
        ({"not": "OPEN"}, False),
        ({"matches": "^OP"}, True),
        ({"exists": False}, False),
    ],
)
def test_conditions(form: dict[str, Any], holds: bool) -> None:
    test = condition(Condition.model_validate({"path": "state", **form}))
    assert test(RECORD, RECORD, {}) is holds


def payment(**change: Any) -> dict[str, Any]:
    return {
        "id": "p1", "created_at": "2026-03-01T12:00:00Z", "updated_at": "2026-03-01T12:01:00Z",
        "amount_money": {"amount": 1250, "currency": "USD"}, "status": "COMPLETED",
        "location_id": "L1", **change,
    }  # fmt: skip


def mapping() -> StreamMapping:
    return StreamMapping(checked(Path(__file__).parent / "acme.yaml").connector, "payments", NONE)


def test_a_page_becomes_rows_of_its_franchise() -> None:
    body = json.dumps({"payments": [payment(), payment(id="p2", status="WHAT")]}).encode()
    first, second = mapping().rows(body, {"site:L1": "F0001", "franchise_id": "F9"})
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert first[1]["franchise_id"] == "F0001"
    assert first[1]["source_ref"] == first[1]["payment_id"] == "p1"
    assert first[1]["gross"] == Decimal("12.50")
    assert first[1]["source"] == "hub"  # the vocabulary has no source of this name
    assert second[1]["status"] == "failed"


def test_a_record_of_another_shape_is_one_reject() -> None:
    body = json.dumps({"payments": [payment(amount_money={"amount": "x", "currency": "USD"})]})
    [reject] = mapping().rows(body.encode(), {})
    assert isinstance(reject, Reject)
    assert "payment.gross: 'x' is not a number" in reject.reason
