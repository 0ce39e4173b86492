"""YAML with the line of every value, so that an error can name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from meterstone.errors import CatalogueError


class Lines:
    """Line numbers (1-based) by path of a YAML document, such as ``('metrics', 3, 'target')``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[tuple[str | int, ...], int] = {(): 1}

    def add(self, path: tuple[str | int, ...], line: int) -> None:
        """Remember where a value begins."""
        self._lines[path] = line

    def of(self, path: tuple[str | int, ...]) -> int:
        """Line of a value, or of the nearest one around it."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def place(self, path: tuple[str | int, ...] = (), offset: int = 0) -> str:
        """``file:line`` of a value."""
        return f"{self.path}:{self.of(path) + offset}"


def read_yaml(path: Path) -> tuple[Any, Lines]:
    """A YAML document and its line numbers.

    Raises:
        CatalogueError: the file cannot be read, is not YAML, or has one key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(
            f"cannot read the file: {error}", place=str(path), mend="check path and encoding (UTF-8)"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise CatalogueError(
            f"not YAML: {getattr(error, 'problem', error)}",
            place=f"{path}:{line}",
            mend="check indentation and quotes on this line",
        ) from error
    lines = Lines(path)
    return _build(node, lines, ()), lines


def _build(node: yaml.Node | None, lines: Lines, path: tuple[str | int, ...]) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(node, lines, path)
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, child in enumerate(node.value):
            lines.add((*path, index), child.start_mark.line + 1)
            items.append(_build(child, lines, (*path, index)))
        return items
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    return None


def _build_mapping(
    node: yaml.MappingNode, lines: Lines, path: tuple[str | int, ...]
) -> dict[str, Any]:
    built: dict[str, Any] = {}
    for key_node, child in node.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key in built:
            raise CatalogueError(
                f"{key!r} is written twice",
                place=f"{lines.path}:{line}",
                mend="keep one of the two",
            )
        lines.add((*path, key), line)
        built[key] = _build(child, lines, (*path, key))
    return built


def _scalar(node: yaml.ScalarNode) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()
