"""What a connector file promises beyond its form: facts, columns and words that exist, names that
have a value, Python that is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meterstone.catalogue.problems import Problems
from meterstone.catalogue.source import Position
from meterstone.connect.fill import names
from meterstone.connect.quirks import Quirks
from meterstone.connect.reading import Loaded
from meterstone.connect.spec import Request, Stream
from meterstone.connect.spec_facts import Column, FactMap
from meterstone.connect.spec_parts import Python
from meterstone.errors import suggest
from meterstone.facts import FactSchema, vocabulary

GIVEN = frozenset({
    "source", "integration", "source_ref", "revision", "retracted", "environment", "synthetic",
    "evidence", "franchise_id", "recorded_at",
})  # fmt: skip
"""Columns that every row gets without being mapped."""

_IN_REQUESTS = frozenset({
    "base_url", "since", "until", "since_ms", "until_ms", "since_s",
    "until_s", "now", "site", "sites", "start", "size", "id", "account", "connection",
})  # fmt: skip
"""Names that the runtime fills in beside the settings."""


def check(loaded: Loaded, quirks: Quirks) -> None:
    """Check a connector against the vocabulary and its own Python.

    Raises:
        CatalogueError: one error, or `CatalogueErrors` with all of them.
    """
    problems = Problems()
    connector, at = loaded.connector, loaded.at
    known = _IN_REQUESTS | connector.settings.keys() | connector.auth.token.values.keys()
    known |= connector.auth.callback.keys() | connector.auth.fields.keys()
    for key, stream in connector.streams.items():
        place = at / "streams" / key
        with problems.caught():
            _check_names(stream.request, place / "request", known)
        with problems.caught():
            _check_records(stream, place, quirks)
        for index, fact in enumerate(stream.facts):
            for part in _checks_of(fact, place / "facts" / index, quirks):
                with problems.caught():
                    part()
    problems.raise_any()


def _check_names(request: Request | None, at: Position, known: frozenset[str] | set[str]) -> None:
    if request is None:
        return
    parts = (request.path, request.query, request.headers, request.form, request.body)
    asked = frozenset().union(*(names(part) for part in parts if part is not None))
    for name in sorted(asked - known):
        raise at.error(f"{{{name}}} has no value here", suggest(name, sorted(known)))


def _check_records(stream: Stream, at: Position, quirks: Quirks) -> None:
    if stream.answer.python:
        quirks.require(stream.answer.python, at / "records")


def _checks_of(fact: FactMap, at: Position, quirks: Quirks) -> Iterator[Any]:
    schema = vocabulary().get(fact.fact)
    if schema is None:
        yield lambda: _unknown_fact(fact.fact, at / "fact")
        return
    if fact.python:
        yield lambda: quirks.require(fact.python, at / "python")
        return
    if isinstance(fact.rows, Python):
        rows = fact.rows.python
        yield lambda: quirks.require(rows, at / "rows")
    yield lambda: _check_complete(fact, schema, at)
    for name, column in fact.columns.items():
        yield lambda name=name, column=column: _check_column(
            name, column, schema, at / "columns" / name, quirks
        )


def _unknown_fact(name: str, at: Position) -> None:
    raise at.error(f"there is no fact {name!r}", suggest(name, list(vocabulary())))


def _check_complete(fact: FactMap, schema: FactSchema, at: Position) -> None:
    missing = [
        column.name
        for column in schema.columns.values()
        if not column.nullable and column.name not in fact.columns and column.name not in GIVEN
    ]
    if missing:
        raise (at / "columns").error(
            f"fact {schema.name} needs {', '.join(missing)}", "map each of them"
        )


def _check_column(
    name: str, column: str | Column, schema: FactSchema, at: Position, quirks: Quirks
) -> None:
    known = schema.columns.get(name)
    if known is None:
        raise at.error(f"fact {schema.name} has no column {name!r}",
                       suggest(name, list(schema.columns)))  # fmt: skip
    if name == "recorded_at":
        raise at.error("recorded_at is set by the hub", "leave it out")
    if isinstance(column, str):
        return
    if column.python:
        quirks.require(column.python, at)
    if known.allowed:
        for word in _words(column):
            if word is not None and word not in known.allowed:
                raise at.error(
                    f"{name} cannot be {word!r}", suggest(str(word), list(known.allowed))
                )


def _words(column: Column) -> Iterator[Any]:
    """Constants that a column may become."""
    if "is_" in column.model_fields_set:
        yield column.is_
    if column.map is not None:
        yield from column.map.values()
        if column.has_else:
            yield column.else_
    if column.has_default:
        yield column.default
