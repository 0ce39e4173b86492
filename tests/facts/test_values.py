"""Every type of a column: what is taken, what it becomes, what is refused and how to mend it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from meterstone.facts import Column

from .conftest import GOOD, Build

NINE = datetime(2026, 3, 1, 9, 30)  # noqa: DTZ001  # stored times are UTC without a zone


@pytest.mark.parametrize(
    ("column", "sent", "kept"),
    [
        ("ended_at", "2026-03-01T09:30:00Z", NINE),
        ("ended_at", "2026-03-01T09:30:00", NINE),
        ("ended_at", "2026-03-01T10:30:00+01:00", NINE),
        ("ended_at", "2026-03-02", datetime(2026, 3, 2)),  # noqa: DTZ001
        ("ended_at", NINE, NINE),
        ("ended_at", NINE.replace(tzinfo=timezone(timedelta(hours=-1))), NINE + timedelta(hours=1)),
        ("ended_at", NINE.replace(tzinfo=UTC).timestamp(), NINE),
        ("ended_at", int(NINE.replace(tzinfo=UTC).timestamp()), NINE),
        ("day", "2026-03-01", date(2026, 3, 1)),
        ("day", "2026-03-01T23:30:00-05:00", date(2026, 3, 1)),
        ("day", date(2026, 3, 1), date(2026, 3, 1)),
        ("day", NINE, date(2026, 3, 1)),
        ("minutes", 30, 30),
        ("minutes", 30.0, 30),
        ("minutes", "30", 30),
        ("minutes", "3e1", 30),
        ("balance", "9007199254740993", 9007199254740993),
        ("balance", 2**62, 2**62),
        ("balance", -5, -5),
        ("share", 0, 0.0),
        ("share", "0.25", 0.25),
        ("share", 1, 1.0),
        ("paid_usd", 12.5, Decimal("12.50")),
        ("paid_usd", "12.505", Decimal("12.50")),
        ("paid_usd", "12.515", Decimal("12.52")),
        ("paid_usd", -3, Decimal("-3.00")),
        ("paid_usd", Decimal("0.1"), Decimal("0.10")),
        ("walk_in", True, True),
        ("walk_in", "False", False),
        ("cut", "long", "long"),
        ("page", "https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("source_ref", "ä ☃", "ä ☃"),
        ("minutes", None, None),
        ("cut", "", None),
    ],
)
def test_taken(build: Build, column: str, sent: Any, kept: Any) -> None:
    batch = build({**GOOD, column: sent})
    assert batch.rejects == []
    assert batch.table.column(column).to_pylist() == [kept]


TIME = "send ended_at as a time such as 2026-03-01T09:30:00Z"
DAY = "send day as a day such as 2026-03-01"
AMOUNT = "send paid_usd as an amount such as 12.50"


@pytest.mark.parametrize(
    ("column", "sent", "mend"),
    [
        ("ended_at", "yesterday", TIME),
        ("ended_at", True, TIME),
        ("ended_at", [2026], TIME),
        ("ended_at", float("nan"), TIME),
        ("ended_at", 1e300, TIME),
        ("ended_at", "0001-01-01T00:00:00+05:00", TIME),
        ("ended_at", "9999-12-31T23:59:59-05:00", TIME),
        ("day", "2026-02-30", DAY),
        ("day", "2026-03-01 and so on", DAY),
        ("day", True, DAY),
        ("minutes", 1.5, "send minutes as a whole number"),
        ("minutes", "many", "send minutes as a number"),
        ("minutes", True, "send minutes as a number"),
        ("minutes", [], "send minutes as a number"),
        ("minutes", -1, "send minutes as at least 0 (min)"),
        ("balance", 2**63, "send balance as a whole number"),
        ("balance", 10**400, "send balance as a number"),
        ("share", 1.01, "send share as between 0 and 1 (fraction (0..1))"),
        ("share", -0.01, "send share as between 0 and 1 (fraction (0..1))"),
        ("share", float("inf"), "send share as a finite number"),
        ("share", "nan", "send share as a finite number"),
        ("paid_usd", "a lot", AMOUNT),
        ("paid_usd", float("nan"), AMOUNT),
        ("paid_usd", True, AMOUNT),
        ("paid_usd", "1e16", AMOUNT),
        ("paid_usd", "9999999999999999.999", AMOUNT),
        ("walk_in", 1, "send walk_in as true or false"),
        ("walk_in", "yes", "send walk_in as true or false"),
        ("cut", "lang", "did you mean 'long'?"),
        ("cut", "beard", "known: long, short"),
        ("cut", ["long"], "did you mean 'long'?"),
        ("page", 4, "send page as text"),
        ("source_ref", "\ud800", "send source_ref as valid UTF-8 text"),
    ],
)
def test_refused(build: Build, column: str, sent: Any, mend: str) -> None:
    batch = build({**GOOD, column: sent})
    [reject] = batch.rejects
    assert batch.table.num_rows == 0
    assert reject.mend == mend
    assert reject.reason.startswith(f"{column} is {sent!r}")
    assert (reject.item, reject.fact) == (1, "visit")
    assert reject.excerpt.startswith("{'visit_id': 'v1'")


@pytest.mark.parametrize(
    ("type_", "unit", "bounds"),
    [
        ("integer", "count", (0.0, None)),
        ("number", "ms", (0.0, None)),
        ("number", "% (0..100)", (0.0, 100.0)),
        ("number", "score (1..5)", (1.0, 5.0)),
        ("number", "USD", (None, None)),
        ("integer", "", (None, None)),
        ("decimal", "count", (None, None)),
        ("string", "count", (None, None)),
    ],
)
def test_the_unit_sets_the_bounds(
    type_: Any, unit: str, bounds: tuple[float | None, float | None]
) -> None:
    assert Column("x", type_, unit=unit).bounds == bounds
