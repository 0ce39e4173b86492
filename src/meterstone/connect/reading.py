"""``connector.yaml`` from disk to its typed form; everything that is wrong is named by its line."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from meterstone.catalogue.problems import Problems
from meterstone.catalogue.source import Document, Position, read_yaml
from meterstone.connect.spec import Connector
from meterstone.errors import CatalogueError, suggest

FILE = "connector.yaml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A connector, where its parts are written, and the folder it came from. ``own``: from the
    home's folder, and so without Python of its own."""

    connector: Connector
    at: Position
    folder: Path
    own: bool


def load_connector(path: Path, *, own: bool = True) -> Loaded:
    """Read one connector file (or the folder that has it).

    Raises:
        CatalogueError: one error, or `CatalogueErrors` with all of them.
    """
    file = path / FILE if path.is_dir() else path
    document = read_yaml(file)
    if not isinstance(document.content, dict):
        raise document.position.error("a connector is a mapping", "start with `connector: acme`")
    try:
        connector = Connector.model_validate(document.content)
    except ValidationError as error:
        raise _explained(error, document) from None
    return Loaded(connector, document.position, file.parent, own)


def _explained(error: ValidationError, document: Document) -> CatalogueError:
    problems = Problems()
    for found in _most_telling(error):
        problems.add(_problem(found, document))
    try:
        problems.raise_any()
    except CatalogueError as told:
        return told
    raise AssertionError("pydantic raised without an error") from error


def _most_telling(error: ValidationError) -> Iterator[Any]:
    """A value that may be text or a mapping fails as both; only the form that was meant is told."""
    found = error.errors(include_url=False)
    for each in found:
        loc = each["loc"]
        other_form = each["type"] in ("string_type", "int_type", "tuple_type", "model_type",
                                      "bool_type", "float_type", "none_required")  # fmt: skip
        siblings = [e for e in found if e is not each and _same_value(e["loc"], loc)]
        if other_form and siblings:
            continue
        yield each


def _same_value(other: tuple[Any, ...], loc: tuple[Any, ...]) -> bool:
    return other[: len(loc) - 1] == loc[:-1] and len(other) >= len(loc) and other != loc


def _problem(found: Any, document: Document) -> CatalogueError:
    at, value, known = _locate(found["loc"], document)
    kind, ctx = found["type"], found.get("ctx", {})
    name = str(found["loc"][-1]) if found["loc"] else ""
    if kind == "extra_forbidden":
        return at.error(f"unknown key {name!r}", suggest(name, known))
    if kind == "missing":
        return at.error(f"{name!r} is missing", f"add `{name}:`")
    if kind == "union_tag_not_found":
        return at.error("`kind` is missing", "add `kind:`")
    if kind in ("literal_error", "union_tag_invalid"):
        words = ctx.get("expected") or ctx["expected_tags"]
        options = [w.strip("'") for w in words.replace(" or ", ", ").split(", ")]
        wrong = str(ctx.get("tag", value))
        return at.error(f"{wrong!r} is not one of the words here", suggest(wrong, options))
    told = str(ctx["error"]) if kind == "value_error" else found["msg"]
    return at.error(told[0].lower() + told[1:], "see docs/connect.md")


def _locate(loc: tuple[Any, ...], document: Document) -> tuple[Position, Any, list[str]]:
    """Place and value of what pydantic names, and the keys that the mapping around it may have.
    Steps that are no keys of the file (names of forms within a union) are skipped."""
    at, value = document.position, document.content
    models: list[Any] = [Connector]
    around = models
    for step in loc:
        if isinstance(value, dict) and step in value:
            around, models = models, list(_types_in(models, str(step)))
            at, value = at / step, value[step]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            models = [option for model in models for option in _inner(model)]
            at, value = at / step, value[step]
    return at, value, sorted({key for model in around for key in _keys(model)})


def _types_in(models: list[Any], key: str) -> Iterator[Any]:
    for model in models:
        for option in _options(model):
            if isinstance(option, type) and issubclass(option, BaseModel):
                for name, field in option.model_fields.items():
                    if (field.alias or name) == key:
                        yield field.annotation
            elif get_origin(option) is dict:
                yield get_args(option)[1]


def _inner(model: Any) -> Iterator[Any]:
    for option in _options(model):
        if get_origin(option) in (tuple, list):
            yield get_args(option)[0]


def _keys(model: Any) -> Iterator[str]:
    for option in _options(model):
        if isinstance(option, type) and issubclass(option, BaseModel):
            for name, field in option.model_fields.items():
                yield field.alias or name


def _options(hint: Any) -> Iterator[Any]:
    if get_origin(hint) is Annotated:
        yield from _options(get_args(hint)[0])
    elif get_origin(hint) in (Union, types.UnionType):
        for option in get_args(hint):
            yield from _options(option)
    else:
        yield hint
