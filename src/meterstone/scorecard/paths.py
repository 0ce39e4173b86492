"""Where two JSON documents differ: the paths, and a sentence for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any


class _Missing:
    """The mark of a member that one document does not have."""

    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where ``left`` and ``right`` are not the same JSON value.

    ``path`` is a JSONPath; ``name`` the nearest id on the way to it, like ``integration_uptime``.
    """

    path: str
    name: str
    left: Any
    right: Any

    def sentence(self, left: str, right: str) -> str:
        """``$.metrics[0].value (integration_uptime) is 99.95 published and 99.71 recomputed``."""
        named = f" ({self.name})" if self.name else ""
        return f"{self.path}{named} is {_text(self.left)} {left} and {_text(self.right)} {right}"


def differences(left: Any, right: Any, path: str = "$", name: str = "") -> Iterator[Difference]:
    """Every leaf that differs, in the order of the names and of the lists."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        inner = str(left.get("id", name))
        for key in sorted({*left, *right}):
            pair = left.get(key, MISSING), right.get(key, MISSING)
            yield from differences(*pair, f"{path}.{key}", inner)
    elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
        for index, pair in enumerate(zip_longest(left, right, fillvalue=MISSING)):
            yield from differences(*pair, f"{path}[{index}]", name)
    elif not _same_leaf(left, right):
        yield Difference(path, name, left, right)


def _same_leaf(left: Any, right: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are one number, true and 1 are two values."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _text(value: Any) -> str:
    if value is MISSING:
        return "missing"
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}…"
