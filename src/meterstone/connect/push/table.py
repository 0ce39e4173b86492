"""A table to publish: typed columns and rows, and the one that a scorecard gives."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

Type = Literal["text", "number", "integer", "boolean", "moment", "day"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; values are of the type, or None."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Table:
    """What is published: the whole of it replaces what was published before under the name."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Any, ...]]

    def as_csv(self) -> bytes:
        """RFC 4180 in UTF-8 with a header line; moments and days in ISO 8601, None is empty."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([column.name for column in self.columns])
        writer.writerows([[_text(value) for value in row] for row in self.rows])
        return out.getvalue().encode()


SCORECARD = (
    Column("day", "day"),
    Column("scope_kind", "text"),
    Column("scope", "text"),
    Column("metric", "text"),
    Column("title", "text"),
    Column("place", "text"),
    Column("value", "number"),
    Column("value_text", "text"),
    Column("unit", "text"),
    Column("low", "number"),
    Column("high", "number"),
    Column("sample", "integer"),
    Column("sample_unit", "text"),
    Column("evidence", "text"),
    Column("verdict", "text"),
    Column("target", "text"),
    Column("target_value", "number"),
    Column("reason", "text"),
    Column("label", "text"),
    Column("revision", "integer"),
    Column("content_hash", "text"),
)


def scorecard_table(documents: Sequence[Mapping[str, Any]], name: str = "Scorecard") -> Table:
    """One row a metric and place of scorecard documents (`docs/scorecard.md`).

    A value that is no number stands in ``value_text``. ``label`` says whether the data are
    simulated, and ``content_hash`` by which document the row was shown.
    """
    rows = [row for document in documents for row in _rows(document)]
    return Table(name, SCORECARD, rows)


def _rows(document: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    scope = document["scope"]
    found = []
    for metric in document["metrics"]:
        for place in metric["places"] or [{"ref": "", **metric}]:
            low, high = metric["interval"] or (None, None)
            target = place["target"]
            found.append((
                date.fromisoformat(document["day"]), scope["kind"], scope["key"], metric["id"],
                metric["title"], place["ref"], number(metric["value"]), plain(metric["value"]),
                metric["unit"], low, high, metric["n"], metric["sample_unit"], metric["evidence"],
                place["verdict"], _target(target), number(target.get("value")), metric["reason"],
                ", ".join(document["labels"]), metric["revision"],
                document.get("content_hash", ""),
            ))  # fmt: skip
    return found


def number(value: Any) -> float | None:
    """A value as a number; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def plain(value: Any) -> str | None:
    """A value as people read it."""
    return None if value is None else _text(value)


def _target(target: Mapping[str, Any]) -> str:
    words = [target.get("cmp"), plain(target.get("value")), target.get("unit")]
    return " ".join(str(word) for word in words if word not in (None, ""))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
