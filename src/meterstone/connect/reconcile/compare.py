"""Rows of the source against rows of the copy: a pure function, by key and by field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from meterstone.connect.reconcile.result import Difference, Reconciliation, Row
from meterstone.connect.reconcile.rules import Rules
from meterstone.facts import vocabulary
from meterstone.ledger.discrepancies import Kind


def compare(
    result: Reconciliation, rules: Rules, source: Iterable[Row], copy: Iterable[Row]
) -> list[Difference]:
    """Count what two sets of rows have alike, and give what they do not.

    Args:
        result: counts are added to it.
        source: rows that the vendor's records give now; a retracted one is a record that the vendor
            calls deleted, which the copy must not have.
        copy: current rows of the warehouse of the same records. Each row has its ``fact``.
    """
    ours = {_identity(row): row for row in copy}
    found = list(_against(result, rules, source, ours))
    return found + [result.differs(_extra(rules, row)) for row in ours.values()]


def _against(
    result: Reconciliation, rules: Rules, source: Iterable[Row], ours: dict[Any, Row]
) -> Iterator[Difference]:
    for row in source:
        fact = row["fact"]
        mine = ours.pop(_identity(row), None)
        if row.get("retracted"):
            if mine is not None:
                yield result.differs(_extra(rules, mine))
            continue
        result.saw(row.get(vocabulary()[fact].event_time))
        result.checked += 1
        result.money_checked += abs(rules.worth(fact, row) or 0.0)
        columns = compared(fact)
        result.fields_checked += len(columns)
        if mine is None:
            yield result.differs(_difference(rules, row, "missing", {}))
            continue
        wrong = {
            name: (row.get(name), mine.get(name))
            for name in columns
            if not rules.is_same(fact, name, row.get(name), mine.get(name))
        }
        result.fields_matched += len(columns) - len(wrong)
        if not wrong:
            result.matched += 1
            continue
        yield result.differs(
            _difference(rules, row, "mismatched", wrong, person=bool(mine.get("entered_by")))
        )


def compared(fact: str) -> tuple[str, ...]:
    """The columns that are compared: the fact's own beside its key, and the franchise."""
    schema = vocabulary()[fact]
    own = [column.name for column in schema.own_columns if column.name not in schema.key]
    return (*own, *(["franchise_id"] if "franchise_id" not in (*own, *schema.key) else []))


def key_text(row: Mapping[str, Any]) -> str:
    """A row's fact and key, as it is written on the work list."""
    key = {name: plain(row[name]) for name in vocabulary()[row["fact"]].key}
    return f"{row['fact']} {json.dumps(key, sort_keys=True)}"


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["fact"], *(row[name] for name in vocabulary()[row["fact"]].key)


def _extra(rules: Rules, row: Row) -> Difference:
    return _difference(rules, row, "extra", {}, person=bool(row.get("entered_by")))


def _difference(
    rules: Rules,
    row: Row,
    kind: Kind,
    wrong: Mapping[str, tuple[Any, Any]],
    *,
    person: bool = False,
) -> Difference:
    amount = rules.worth(row["fact"], row)
    return Difference(key_text(row), kind, row, wrong, amount, person)
