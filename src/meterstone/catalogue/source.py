"""YAML as plain data with the line of every value, so that an error can name it.

Only plain data is read: text, numbers, true and false, null, lists and mappings. Tags that would
construct anything else, keys written twice, and aliases that blow up are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from meterstone.catalogue.problems import ExpressionError
from meterstone.errors import CatalogueError

KeyPath = tuple[str | int, ...]

MAX_BYTES = 4_000_000
MAX_VALUES = 100_000
MAX_DEPTH = 40

_TAG = "tag:yaml.org,2002:"
_CONSTRUCTED = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))
_LEFT_AS_TEXT = frozenset(_TAG + name for name in ("timestamp", "value", "merge"))
_COLLECTIONS = frozenset(_TAG + name for name in ("seq", "map"))


class Lines:
    """Line numbers (1-based) by path of a YAML document, such as ``('metrics', 3, 'target')``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[KeyPath, int] = {(): 1}
        self._texts: dict[KeyPath, tuple[int, bool]] = {}

    def add(self, path: KeyPath, line: int) -> None:
        """Remember where a value begins (the line of its key)."""
        self._lines[path] = line

    def add_text(self, path: KeyPath, node: yaml.ScalarNode) -> None:
        """Remember where the text of a scalar begins, and whether its lines are those of the file
        (they are in a block after ``|``; YAML folds the lines of any other text)."""
        block = node.style in ("|", ">")
        first = node.start_mark.line + (2 if block else 1)
        self._texts[path] = first, node.style == "|"

    def of(self, path: KeyPath) -> int:
        """Line of a value, or of the nearest one around it."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def of_text(self, path: KeyPath, offset: int) -> int:
        """Line of the file for a line (0-based) of the text at ``path``."""
        if path not in self._texts:
            return self.of(path)
        first, exact = self._texts[path]
        return first + offset if exact else first


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file: ``position / 'metrics' / 3 / 'target'`` is the place of that value."""

    lines: Lines
    path: KeyPath = ()

    def __truediv__(self, key: str | int) -> Position:
        return Position(self.lines, (*self.path, key))

    def __str__(self) -> str:
        return f"{self.lines.path}:{self.lines.of(self.path)}"

    def error(self, cause: str, mend: str) -> CatalogueError:
        """An error at this place."""
        return CatalogueError(cause, place=str(self), mend=mend)

    @contextmanager
    def reading_text(self) -> Iterator[None]:
        """Turn an `ExpressionError` in the text at this place into one that names its line."""
        try:
            yield
        except ExpressionError as error:
            line = self.lines.of_text(self.path, error.line)
            raise CatalogueError(
                str(error), place=f"{self.lines.path}:{line}", mend=error.mend
            ) from None


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file: its content as plain data, where each value is written, and its bytes."""

    content: Any
    position: Position
    raw: bytes


def read_yaml(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        CatalogueError: the file cannot be read, is not YAML, or holds more than plain data.
    """
    raw = _bytes(path)
    text = _text(path, raw)
    lines = Lines(path)
    return Document(_Builder(lines).build(_compose(path, text), (), 0), Position(lines), raw)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CatalogueError(
            f"cannot read the file: {error.strerror}",
            place=str(path),
            mend="correct the path, or let this user read the file",
        ) from error
    if len(raw) > MAX_BYTES:
        raise CatalogueError(
            f"the file is larger than {MAX_BYTES // 1_000_000} MB",
            place=str(path),
            mend="split it and list the parts under `files:` of catalogue.yaml",
        )
    return raw


def _text(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CatalogueError(
            f"byte {error.start} (0x{raw[error.start]:02x}) is not UTF-8",
            place=f"{path}:{line}",
            mend="save the file as UTF-8",
        ) from error


def _compose(path: Path, text: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(
            text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
    except yaml.YAMLError as error:
        raise CatalogueError(
            f"not YAML: {getattr(error, 'problem', None) or error.args[-1]}",
            place=f"{path}:{_line_of(error, text)}",
            mend="check indentation, brackets and quotes on this line and the one before",
        ) from error
    return node


def _line_of(error: yaml.YAMLError, text: str) -> int:
    mark = getattr(error, "problem_mark", None)
    if mark:
        return int(mark.line) + 1
    return text.count("\n", 0, getattr(error, "position", 0)) + 1


class _Builder:
    """Turns YAML nodes into plain data and notes the line of each value."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._left = MAX_VALUES
        self._constructor = SafeConstructor()

    def build(self, node: yaml.Node | None, path: KeyPath, depth: int) -> Any:
        if node is None:
            return None
        self._refuse_excess(node, depth)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in _COLLECTIONS:
            raise self._tag_error(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        return self._list(node, path, depth)

    def _refuse_excess(self, node: yaml.Node, depth: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise self._error(
                node,
                f"the file holds more than {MAX_VALUES:,} values once its aliases are filled in",
                "write less by aliases (*name), or split the file",
            )
        if depth > MAX_DEPTH:
            raise self._error(
                node,
                f"values are nested deeper than {MAX_DEPTH} levels, or an alias holds itself",
                "write the value out, flatter",
            )

    def _list(self, node: yaml.Node, path: KeyPath, depth: int) -> list[Any]:
        items = []
        for index, child in enumerate(node.value):
            self._lines.add((*path, index), child.start_mark.line + 1)
            items.append(self.build(child, (*path, index), depth + 1))
        return items

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, child in node.value:
            key = self._key(key_node)
            if key in built:
                raise self._error(key_node, f"{key!r} is written twice", "keep one of the two")
            self._lines.add((*path, key), key_node.start_mark.line + 1)
            built[key] = self.build(child, (*path, key), depth + 1)
        return built

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, "a key must be text", "write `key: value`")
        if node.tag == _TAG + "merge":
            raise self._error(
                node,
                "merging with << is not supported",
                "write the keys out, or let an alias (*name) stand for a whole value",
            )
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        self._lines.add_text(path, node)
        if node.tag in _LEFT_AS_TEXT:
            return node.value
        if node.tag not in _CONSTRUCTED:
            raise self._tag_error(node)
        try:
            return self._constructor.construct_object(node, deep=True)
        except (ValueError, LookupError, ConstructorError):
            kind = node.tag.removeprefix(_TAG)
            raise self._error(
                node, f"{_short(node.value)} cannot be read as {kind}", "write it in quotes as text"
            ) from None

    def _tag_error(self, node: yaml.Node) -> CatalogueError:
        tag = node.tag.replace(_TAG, "!!")
        return self._error(
            node, f"the tag {tag} is not allowed: a catalogue is plain data", "remove the tag"
        )

    def _error(self, node: yaml.Node, cause: str, mend: str) -> CatalogueError:
        place = f"{self._lines.path}:{node.start_mark.line + 1}"
        return CatalogueError(cause, place=place, mend=mend)


def _short(text: str, limit: int = 40) -> str:
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
