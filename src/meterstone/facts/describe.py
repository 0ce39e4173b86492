"""The facts as JSON Schema and as a page for people, both from the one declaration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meterstone.facts.model import Column, FactSchema, Vocabulary

DIALECT = "https://json-schema.org/draft/2020-12/schema"

SET_BY_THE_HUB = frozenset({"recorded_at"})
"""Columns that a sender never sends."""

FILLED_IN = {
    "source": "hub",
    "revision": 0,
    "retracted": False,
    "environment": "production",
    "synthetic": False,
    "evidence": "the best level that source and fact support",
}
"""Columns that a sender may leave out, with what stands for them."""

_ENTERED = ("entered_by", "entered_role")
_ATTESTED = ("evidence_uri", "expires_at")
_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "uri": {"type": "string"},
    "timestamp": {"type": ["string", "number"], "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "decimal": {"type": ["string", "number"], "pattern": r"^-?\d{1,16}(\.\d+)?$"},
    "boolean": {"type": "boolean"},
}
_HEAD = """\
# Facts

Generated from `src/meterstone/facts/vocabulary.yaml` (version {version}) by
`python -m meterstone.docs`; edit the vocabulary, not this page. As JSON Schema:
[schemas/facts.json](schemas/facts.json). How facts become numbers:
[metric-language.md](metric-language.md).

A fact is a thing that happened or was observed; a row of it is sent as one JSON object. Rows are
never changed: a correction is a new row with the same key and a higher `revision`, a withdrawal one
with `retracted: true`.

| fact | what one row is |
|---|---|
"""
_COMMON = """
## Columns of every fact

A column marked ○ may be left out. Left-out `source`, `revision`, `retracted`, `environment` and
`synthetic` are filled in; `recorded_at` is set by the hub and refused from a sender.

"""


def json_schema(fact: FactSchema) -> dict[str, Any]:
    """JSON Schema (2020-12) of one row of a fact as it is sent.

    It is as strict as JSON Schema can be; rules between two columns (``ended_at >= started_at``)
    and the limits of the event time are checked by the hub alone and named in the description.
    Numbers sent as text are read by the hub but refused by the schema.
    """
    columns = [c for c in fact.columns.values() if c.name not in SET_BY_THE_HUB]
    return {
        "$schema": DIALECT,
        "title": fact.name,
        "description": " ".join([fact.description, *_rules(fact)]),
        "type": "object",
        "properties": {"fact": {"const": fact.name}} | {c.name: column_schema(c) for c in columns},
        "required": [c.name for c in columns if not c.nullable and c.name not in FILLED_IN],
        "additionalProperties": False,
        "allOf": [
            _if_source(["attestation", "csv"], _ENTERED),
            _if_source(["attestation"], _ATTESTED),
        ],
    }


def schema_of_all(vocabulary: Vocabulary) -> dict[str, Any]:
    """One JSON Schema for a row of any fact, told apart by its ``fact`` member."""
    parts = {name: _part(fact) for name, fact in vocabulary.items()}
    common = next(iter(vocabulary.values())).common_columns
    return {
        "$schema": DIALECT,
        "title": f"A row of a fact (vocabulary version {vocabulary.version})",
        "type": "object",
        "properties": {"fact": {"enum": list(parts)}},
        "required": ["fact"],
        "allOf": [
            {
                "if": {"properties": {"fact": {"const": name}}, "required": ["fact"]},
                "then": {"$ref": f"#/$defs/{name}"},
            }
            for name in parts
        ],
        "$defs": {_shared(c): column_schema(c) for c in common if c.name not in SET_BY_THE_HUB}
        | parts,
    }


def _part(fact: FactSchema) -> dict[str, Any]:
    """The schema of a fact in which the common columns are references."""
    schema = json_schema(fact)
    schema["properties"] |= {
        c.name: {"$ref": f"#/$defs/{_shared(c)}"}
        for c in fact.common_columns
        if fact.columns[c.name] is c and c.name not in SET_BY_THE_HUB
    }
    return {key: value for key, value in schema.items() if key != "$schema"}


def _shared(column: Column) -> str:
    return f"common.{column.name}"


def column_schema(column: Column) -> dict[str, Any]:
    """JSON Schema of one value of a column."""
    schema = _plain(column)
    if column.desc:
        schema["description"] = column.desc
    if column.unit:
        schema["x-unit"] = column.unit
    if column.name in FILLED_IN and column.name != "evidence":
        schema["default"] = FILLED_IN[column.name]
    return schema


def _plain(column: Column) -> dict[str, Any]:
    if column.type == "enum":
        return {"enum": [*column.allowed, *([None] if _may_be_null(column) else [])]}
    schema = dict(_TYPES[column.type])
    low, high = column.bounds
    if low is not None:
        schema["minimum"] = low
    if high is not None:
        schema["maximum"] = high
    if _may_be_null(column):
        types = schema["type"]
        schema["type"] = [*(types if isinstance(types, list) else [types]), "null"]
    elif schema["type"] == "string" and column.type != "date":
        schema["minLength"] = 1
    return schema


def _may_be_null(column: Column) -> bool:
    return column.nullable or column.name in FILLED_IN


def _if_source(sources: list[str], needed: tuple[str, ...]) -> dict[str, Any]:
    return {
        "if": {"properties": {"source": {"enum": sources}}, "required": ["source"]},
        "then": {
            "required": list(needed),
            "properties": {name: {"not": {"enum": [None, ""]}} for name in needed},
        },
    }


def _rules(fact: FactSchema) -> Iterator[str]:
    if fact.checks:
        yield "Rules: " + "; ".join(str(check) for check in fact.checks) + "."


def markdown(vocabulary: Vocabulary) -> str:
    """``docs/facts.md``: every fact with its columns."""
    lines = [_HEAD.format(version=vocabulary.version)]
    lines += [f"| [{name}](#{name}) | {_cell(f.grain)} |\n" for name, f in vocabulary.items()]
    lines.append(_COMMON)
    first = next(iter(vocabulary.values()))
    lines += _table(first.common_columns)
    for fact in vocabulary.values():
        lines += _section(fact)
    return "".join(lines)


def _section(fact: FactSchema) -> Iterator[str]:
    yield f"\n## {fact.name}\n\n{fact.description}\n\n"
    yield f"One row: {fact.grain}. Key: {_codes(fact.key)}. Event time: `{fact.event_time}`. "
    yield f"From: {', '.join(fact.sources)}.\n\n"
    for rule in _rules(fact):
        yield f"{rule}\n\n"
    if fact.frozen:
        yield (
            "Frozen: a second row of the key that says something else is refused, until the first "
            "one is retracted.\n\n"
        )
    if fact.rollup:
        yield (
            f"Added up by minute, hour and day: {_codes(fact.rollup.dimensions)}, weighted by "
            f"`{fact.rollup.weight}`, with a histogram of `{fact.rollup.value}`.\n\n"
        )
    yield from _table(fact.own_columns)


def _table(columns: tuple[Column, ...]) -> Iterator[str]:
    yield "| column | type | unit | what |\n|---|---|---|---|\n"
    for column in columns:
        mark = " ○" if _may_be_null(column) else ""
        kind = " · ".join(column.allowed) if column.type == "enum" else column.type
        yield f"| `{column.name}`{mark} | {kind} | {column.unit} | {_cell(column.desc)} |\n"


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
