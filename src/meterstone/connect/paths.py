"""Paths into what a vendor sent: names, indexes, and the element of a list that has a value.

``a.b[0].c`` names and indexes; ``fields[Name=Paid on].Value`` the first element whose ``Name`` is
``Paid on``; ``["a.b"]`` a name with dots; ``$`` the element of ``rows``; ``@name`` the context.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_STEP = re.compile(
    r"""\.?(?P<name>[^.\[\]$@"\s][^.\[\]"]*)      # a name
      | \[(?P<index>-?\d+)\]                      # an element by its place
      | \[(?P<field>[\w.:@-]+)=(?P<value>[^\]]*)\]   # an element by a value in it
      | \["(?P<quoted>[^"]*)"\]                   # a name that holds dots or brackets
    """,
    re.VERBOSE,
)

Step = str | int | tuple[str, str]
Scope = Mapping[str, Any]
"""What a path is read from: ``record``, ``row`` (the element of ``rows``) and ``context``."""

Reader = Callable[[Any, Any, Mapping[str, str]], Any]
"""Reads from (record, row, context); None where there is nothing."""


def parse(path: str) -> tuple[str, tuple[Step, ...]]:
    """Root (``record``, ``row``, ``context``) and steps of a path.

    Raises:
        ValueError: it is no path.
    """
    root, rest = _root(path)
    return root, tuple(_steps(rest, path))


def _root(path: str) -> tuple[str, str]:
    if path.startswith("@"):
        return "context", path[1:]
    if path == "$" or path.startswith(("$.", "$[")):
        return "row", path[1:]
    return "record", path


def _steps(rest: str, path: str) -> Iterator[Step]:
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        if match is None or match.end() == at:
            raise ValueError(f"{path!r} is no path: write names and indexes such as a.b[0].c")
        at = match.end()
        if match["name"] is not None:
            yield match["name"]
        elif match["index"] is not None:
            yield int(match["index"])
        elif match["quoted"] is not None:
            yield match["quoted"]
        else:
            yield match["field"], match["value"]


def reader(path: str) -> Reader:
    """A path as a fast function.

    Raises:
        ValueError: it is no path.
    """
    root, steps = parse(path)
    if root == "context":
        name = path[1:]
        return lambda _record, _row, context: context.get(name)
    if len(steps) == 1 and isinstance(steps[0], str):
        return _one_name(root, steps[0])
    walk = walker(steps)
    if root == "row":
        return lambda _record, row, _context: walk(row)
    return lambda record, _row, _context: walk(record)


def _one_name(root: str, name: str) -> Reader:
    """The usual path, in one call."""
    if root == "row":
        return lambda _record, row, _context: row.get(name) if isinstance(row, dict) else None
    return lambda record, _row, _context: record.get(name) if isinstance(record, dict) else None


def walker(steps: tuple[Step, ...]) -> Callable[[Any], Any]:
    """Steps as a function of one value; None where there is nothing."""
    if not steps:
        return lambda value: value
    if len(steps) == 1 and isinstance(steps[0], str):
        only = steps[0]
        return lambda value: value.get(only) if isinstance(value, dict) else None
    if all(isinstance(step, str) for step in steps):
        return lambda value: _walk_names(value, steps)
    return lambda value: _walk(value, steps)


def at_path(value: Any, path: str) -> Any:
    """What is at a path of a value; None where there is nothing. For single looks, not for rows."""
    return walker(parse(path)[1])(value)


def _walk_names(value: Any, steps: tuple[Step, ...]) -> Any:
    for step in steps:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def _walk(value: Any, steps: tuple[Step, ...]) -> Any:
    for step in steps:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        elif isinstance(step, int):
            inside = isinstance(value, list) and -len(value) <= step < len(value)
            value = value[step] if inside else None
        else:
            value = _chosen(value, *step)
        if value is None:
            return None
    return value


def _chosen(value: Any, field: str, wanted: str) -> Any:
    if not isinstance(value, list):
        return None
    return next((e for e in value if isinstance(e, dict) and str(e.get(field)) == wanted), None)
