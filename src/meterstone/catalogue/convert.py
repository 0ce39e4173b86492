"""From plain data to the types of `meterstone.catalogue.model`, with errors a person can mend."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin

import msgspec

from meterstone.catalogue.source import Position
from meterstone.errors import suggest

T = TypeVar("T")

_WORDS = {
    "str": "text",
    "object": "a mapping (key: value)",
    "array": "a list",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "null": "nothing",
}
_EXPECTED = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`)?(.*)")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])")


def convert(value: Any, kind: type[T], at: Position) -> T:
    """Check a value as written against a type of the model.

    Raises:
        CatalogueError: the first thing that does not fit, at its line.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        inner = _Inner(value, kind, at)
        for name, index, _ in _STEP.findall(where):
            inner = inner.step(name, index)
        _explain(message, inner, in_key="`key`" in where)


class _Inner:
    """A value inside of another: what it is, what it should be, and where it is written."""

    def __init__(self, value: Any, hint: Any, at: Position) -> None:
        self.value = value
        self.hint = hint
        self.at = at

    def step(self, name: str, index: str) -> _Inner:
        """The value that one step of msgspec's path leads to."""
        if name:
            return _Inner(self.value[name], self.fields[name], self.at / name)
        if index:
            [item] = get_args(self._option(list))
            return _Inner(self.value[int(index)], item, self.at / int(index))
        return self._first_bad()

    @property
    def fields(self) -> dict[str, Any]:
        """Names and types of the keys that the mapping may have."""
        options = [option for option in _options(self.hint) if isinstance(option, type)]
        struct = next(option for option in options if issubclass(option, msgspec.Struct))
        return {f.encode_name: f.type for f in msgspec.structs.fields(struct)}

    @property
    def key_words(self) -> list[str]:
        """The words that the keys of the mapping may be."""
        return list(get_args(get_args(self._option(dict))[0]))

    @property
    def words(self) -> list[str]:
        """The words that the value may be."""
        return [w for o in _options(self.hint) if get_origin(o) is Literal for w in get_args(o)]

    def _option(self, origin: type) -> Any:
        return next(option for option in _options(self.hint) if get_origin(option) is origin)

    def _first_bad(self) -> _Inner:
        """The value of a mapping that does not fit; msgspec does not say which."""
        wanted = get_args(self._option(dict))[1]
        key = next(key for key, value in self.value.items() if not _fits(value, wanted))
        return _Inner(self.value[key], wanted, self.at / key)


def _fits(value: Any, wanted: Any) -> bool:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        return False
    return True


def _options(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        for option in get_args(hint):
            yield from _options(option)
    else:
        yield hint


def _explain(message: str, inner: _Inner, *, in_key: bool) -> NoReturn:
    if in_key:
        _refuse_key(inner)
    if word := re.search(r"unknown field `(.*)`", message, re.DOTALL):
        at = inner.at / word[1]
        raise at.error(f"unknown key {word[1]!r}", suggest(word[1], list(inner.fields)))
    if word := re.search(r"missing required field `(.+)`", message):
        raise inner.at.error(f"{word[1]!r} is missing", f"add `{word[1]}:`")
    if message.startswith("Invalid enum value"):
        cause = f"{_name(inner.at)} is {inner.value!r}, which is not one of its words"
        raise inner.at.error(cause, suggest(str(inner.value), inner.words))
    _refuse_type(message, inner)


def _refuse_key(inner: _Inner) -> NoReturn:
    known = inner.key_words
    key = next(key for key in inner.value if key not in known)
    raise (inner.at / key).error(f"unknown key {key!r}", suggest(key, known))


def _refuse_type(message: str, inner: _Inner) -> NoReturn:
    wanted, got, rest = _EXPECTED.fullmatch(message).groups()  # type: ignore[union-attr]  # its form
    what = " or ".join(_WORDS.get(w, w) for w in wanted.split(" | ") if w != "null") + rest
    cause = f"{_name(inner.at)} must be {what}"
    if got:
        cause += f", not {_WORDS.get(got, got)}"
    mend = "put the text in quotes" if wanted.startswith("str") else f"write {what}"
    if got in ("object", "array", "null"):
        mend = f"write {what}"
    raise inner.at.error(cause, mend)


def _name(at: Position) -> str:
    names = [str(key) for key in at.path if isinstance(key, str)]
    return repr(names[-1]) if names else "the file"
