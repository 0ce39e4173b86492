"""The ``facts`` section: how columns are made from a record of the vendor."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from meterstone.connect.spec_parts import Path, Python, Strict

As = Literal[
    "instant",
    "epoch_ms",
    "epoch_s",
    "date",
    "number",
    "integer",
    "decimal",
    "percent",
    "boolean",
    "text",
    "lower",
    "upper",
    "minor",
]
"""Conversions; all take JSON values and the same as text."""

Word = str | int | float | bool | None


class Condition(Strict):
    """Whether a value at a path is this, one of these, not that, like a pattern, or there."""

    path: Path
    is_: Word = Field(default=None, alias="is")
    in_: tuple[Word, ...] | None = Field(default=None, alias="in")
    not_: Word | tuple[Word, ...] = Field(default=None, alias="not")
    matches: str | None = None
    exists: bool | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Condition:
        if not self.model_fields_set - {"path"}:
            raise ValueError("say what to compare with: is, in, not, matches or exists")
        return self


class Column(Strict):
    """One column in its long form; exactly one of the first seven says where it comes from."""

    is_: Any = Field(default=None, alias="is")
    from_: Path = Field(default="", alias="from")
    first: tuple[Path | Column, ...] = ()
    sum: tuple[Path | Column, ...] = ()
    minus: tuple[Path | Column, ...] = ()
    join: tuple[Path | Column, ...] = ()
    python: str = ""
    as_: As | None = Field(default=None, alias="as")
    of: Path = ""
    format: str = ""
    zone: Path = ""
    by: str = ""
    each: Path = ""
    map: dict[str, Word] | None = None
    else_: Word = Field(default=None, alias="else")
    default: Any = None

    @model_validator(mode="after")
    def _one_origin(self) -> Column:
        ways = {"is_", "from_", "first", "sum", "minus", "join", "python"}
        given = ways & self.model_fields_set
        if len(given) != 1:
            raise ValueError(
                "a column comes from exactly one of is, from, first, sum, minus, join, python"
            )
        if self.as_ == "minor" and not self.of:
            raise ValueError("`as: minor` needs `of`: the path of the currency")
        return self

    @property
    def has_else(self) -> bool:
        """Whether ``else`` was written (it may be null)."""
        return "else_" in self.model_fields_set

    @property
    def has_default(self) -> bool:
        """Whether ``default`` was written."""
        return "default" in self.model_fields_set


class FactMap(Strict):
    """Rows of one fact from a record.

    Attributes:
        rows: path of a list: one row for each element (``$``), an object being one; or a function
            of ``quirks.py``, ``(record, context) -> Iterator[dict]``.
        when: only records (and rows) that all of these hold for.
        python: all rows by a function: ``(record, context) -> Iterator[dict]`` of columns.
        columns: by name.
    """

    fact: str
    rows: Path | Python | None = None
    when: Condition | tuple[Condition, ...] = ()
    columns: dict[str, Path | Column] = Field(default_factory=dict)
    python: str = ""

    @model_validator(mode="after")
    def _has_columns(self) -> FactMap:
        if bool(self.python) == bool(self.columns):
            raise ValueError("a fact has `columns`, or `python` for all of them")
        return self

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All of ``when``."""
        return (self.when,) if isinstance(self.when, Condition) else self.when
