"""The typed form of ``rules.yaml``: what is compared, how exactly, and who is right."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from meterstone.connect.spec_parts import Duration, Path, Strict
from meterstone.facts import vocabulary

Side = Literal["person", "vendor", "copy"]
Period = Literal["day", "month"]
PARTS = ("gross", "discount", "refund", "tip", "tax")
"""What a till tells of its sales; all of them are positive."""


class Sample(Strict):
    """How much a sample looks at."""

    records: int = Field(gt=0)
    pages: int = Field(gt=0)


class Every(Strict):
    """How often samples are taken and sweeps are made."""

    sample: Duration
    full: Duration


class Tolerance(Strict):
    """The largest difference that is none: timestamps in s, numbers relative, columns absolute."""

    timestamp: float = Field(ge=0)
    number: float = Field(ge=0)
    columns: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _columns_exist(self) -> Tolerance:
        for name in self.columns:
            _known_column(name)
        return self


class PartPath(Strict):
    """Where a system tells a part: a path, or the sum of a path over elements of a list."""

    path: Path
    of: Path = ""
    where: Path = ""
    is_: str = Field(default="", alias="is")
    sign: Literal[1, -1] = 1


class Book(Strict):
    """Where a system keeps what a shop took."""

    stream: str
    period: Period
    day: Path
    currency: Path
    site: Path = ""
    franchise: Path = ""
    parts: dict[str, PartPath]

    @model_validator(mode="after")
    def _complete(self) -> Book:
        if set(self.parts) != set(PARTS):
            raise ValueError(f"a book tells {', '.join(PARTS)}")
        if bool(self.site) == bool(self.franchise):
            raise ValueError("a book names the shop by `site` or by `franchise`")
        return self


class Sales(Strict):
    """Gross sales as the contract defines them, and who keeps them."""

    gross_sales: dict[str, int]
    tolerance: Decimal = Field(ge=0)
    books: dict[str, Book]

    @model_validator(mode="after")
    def _all_parts(self) -> Sales:
        if set(self.gross_sales) != set(PARTS):
            raise ValueError(f"gross_sales weighs {', '.join(PARTS)}")
        return self


class Rules(Strict):
    """The rules of reconciliation."""

    every: Every
    grace: Duration
    sample: Sample
    most_repaired: int = Field(ge=0)
    most_withdrawn: float = Field(ge=0, le=1)
    precedence: tuple[Side, ...]
    tolerance: Tolerance
    money: dict[str, str]
    sales: Sales

    @model_validator(mode="after")
    def _columns_exist(self) -> Rules:
        if sorted(self.precedence) != ["copy", "person", "vendor"]:
            raise ValueError("precedence orders person, vendor and copy")
        for fact, column in self.money.items():
            _known_column(f"{fact}.{column}")
        return self

    def wins(self, *sides: Side) -> Side:
        """Which of some sides is right."""
        return min(sides, key=self.precedence.index)

    def is_same(self, fact: str, column: str, one: Any, other: Any) -> bool:
        """Whether two values of a column are equal within its tolerance."""
        if one == other or one is None or other is None:
            return bool(one == other)
        allowed = self.tolerance.columns.get(f"{fact}.{column}")
        if isinstance(one, datetime) and isinstance(other, datetime):
            return abs(one - other) <= timedelta(seconds=allowed or self.tolerance.timestamp)
        if not _is_number(one) or not _is_number(other):
            return False
        if allowed is not None:
            return abs(Decimal(str(one)) - Decimal(str(other))) <= Decimal(str(allowed))
        relative = 0.0 if isinstance(one, Decimal) else self.tolerance.number
        one, other = float(one), float(other)
        return bool(abs(one - other) <= relative * max(abs(one), abs(other)))

    def worth(self, fact: str, row: Mapping[str, Any]) -> float | None:
        """What a row is worth, USD; None: this fact has no weight."""
        column = self.money.get(fact)
        value = row.get(column) if column else None
        return None if value is None else float(value)


@cache
def rules() -> Rules:
    """The rules of the program."""
    text = files("meterstone.connect.reconcile").joinpath("rules.yaml").read_text("utf-8")
    return Rules.model_validate(yaml.safe_load(text))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _known_column(name: str) -> None:
    fact, _, column = name.partition(".")
    if fact not in vocabulary() or column not in vocabulary()[fact].columns:
        raise ValueError(f"there is no column {name}")
