"""The typed model of a fact: its columns, its key, its event time, and the rules of one row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

ColumnType = Literal[
    "string", "timestamp", "date", "integer", "number", "decimal", "boolean", "enum", "uri"
]
Evidence = Literal["measured", "reported", "attested", "modelled"]

EVIDENCE_LEVELS: tuple[Evidence, ...] = ("measured", "reported", "attested", "modelled")
"""From strongest to weakest; a result carries the weakest level among the rows it used."""

_NON_NEGATIVE_UNITS = frozenset(
    {
        "HTTP status", "actions", "connections", "count", "days", "design weight", "exchanges",
        "fields", "findings", "h", "inhabitants", "messages", "min", "ms", "ordinal", "people",
        "rank", "records", "s", "sample units", "units of work", "users", "vCPU", "virtual users",
    }
)  # fmt: skip
_CHECK = re.compile(r"(\w+(?: \+ \w+)*) (>=|<=|>|<) (\w+(?: \+ \w+)*)")
_RANGE = re.compile(r"\((\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)\)")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a fact; ``unit`` is a label for people, and sets the range of numbers;
    ``codes`` is the standard whose codes a text has to be one of (`meterstone.facts.codes`)."""

    name: str
    type: ColumnType
    unit: str = ""
    nullable: bool = False
    allowed: tuple[str, ...] = ()
    codes: str = ""
    desc: str = ""

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Smallest and largest value the unit allows: durations and counts are not negative, and a
        unit like ``fraction (0..1)`` states its own range."""
        if self.type not in ("integer", "number"):
            return None, None
        stated = _RANGE.search(self.unit)
        if stated:
            return float(stated[1]), float(stated[2])
        return (0.0, None) if self.unit in _NON_NEGATIVE_UNITS else (None, None)


@dataclass(frozen=True, slots=True)
class RowCheck:
    """A rule between the columns of one row: ``left op right``, each side a column or a sum of
    some; a null passes."""

    left: tuple[str, ...]
    op: Literal[">=", "<=", ">", "<"]
    right: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> RowCheck:
        """``'ended_at >= started_at'`` or ``'refund + discount <= gross'`` as a rule."""
        match = _CHECK.fullmatch(text)
        if match is None:
            raise ValueError(f"a row check compares columns with >=, <=, > or <, not {text!r}")
        left, op, right = match.groups()
        sides = tuple(tuple(side.split(" + ")) for side in (left, right))
        return cls(sides[0], op, sides[1])  # type: ignore[arg-type]  # by the regex

    def __str__(self) -> str:
        return f"{' + '.join(self.left)} {self.op} {' + '.join(self.right)}"


@dataclass(frozen=True, slots=True)
class Rollup:
    """What the warehouse aggregates by minute, hour and day for a fact of high volume."""

    dimensions: tuple[str, ...]
    weight: str
    value: str


@dataclass(frozen=True, slots=True)
class FactSchema:
    """One fact: what one row is (grain), what identifies it (key), and when it happened. What is
    ``frozen`` is never corrected: a second row of its key is refused until the first is retracted.
    """

    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    event_time: str
    sources: tuple[str, ...]
    own_columns: tuple[Column, ...]
    common_columns: tuple[Column, ...]
    checks: tuple[RowCheck, ...] = ()
    rollup: Rollup | None = None
    frozen: bool = False
    columns: Mapping[str, Column] = field(init=False)

    def __post_init__(self) -> None:
        own = {column.name: column for column in self.own_columns}
        common = {c.name: c for c in self.common_columns if c.name not in own}
        object.__setattr__(self, "columns", own | common)

    @property
    def time(self) -> Column:
        """The column that holds the event time."""
        return self.columns[self.event_time]


class Vocabulary(Mapping[str, FactSchema]):
    """All facts by name, in the order of their declaration."""

    def __init__(self, schemas: Mapping[str, FactSchema], version: int) -> None:
        self._schemas = dict(schemas)
        self.version = version

    def __getitem__(self, name: str) -> FactSchema:
        return self._schemas[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._schemas)

    def __len__(self) -> int:
        return len(self._schemas)
