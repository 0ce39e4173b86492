"""Which rule an address stands in: at each part a literal goes before a name, and that before
``{rest:path}``; what fits nowhere has no rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from meterstone.errors import InputError
from meterstone.people.rights import Rule

REST = "{rest:path}"
FRANCHISE = "{franchise}"


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    named: _Node | None = None
    is_franchise: bool = False
    rule: Rule | None = None
    rest: Rule | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A rule, and the franchise that the address names, if it names one."""

    rule: Rule
    franchise: str | None = None


class Matcher:
    """The rules as a tree.

    Raises:
        InputError: two rules stand for the same addresses.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._root = _Node()
        for rule in rules:
            self._add(rule)

    def match(self, path: str) -> Match | None:
        """The rule of a path (percent-decoded, as routes are matched); None: there is none."""
        if not path.startswith("/"):
            return None
        return _find(self._root, path[1:].split("/"), 0, None)

    def _add(self, rule: Rule) -> None:
        node = self._root
        parts = rule.path[1:].split("/")
        for part in parts[:-1]:
            node = _step(node, part, rule)
        if parts[-1] == REST:
            if node.rest is not None:
                raise _twice(rule)
            node.rest = rule
            return
        node = _step(node, parts[-1], rule)
        if node.rule is not None:
            raise _twice(rule)
        node.rule = rule


def _step(node: _Node, part: str, rule: Rule) -> _Node:
    if not part.startswith("{"):
        return node.literals.setdefault(part, _Node())
    franchise = part == FRANCHISE
    if node.named is None:
        node.named, node.is_franchise = _Node(), franchise
    elif node.is_franchise is not franchise:
        raise InputError(
            "is a franchise in one rule and something else in another",
            place=rule.path,
            mend="call the part {franchise} in both, or in none",
        )
    return node.named


def _find(node: _Node, parts: list[str], at: int, franchise: str | None) -> Match | None:
    if at == len(parts):
        return None if node.rule is None else Match(node.rule, franchise)
    part = parts[at]
    literal = node.literals.get(part)
    if literal is not None:
        found = _find(literal, parts, at + 1, franchise)
        if found is not None:
            return found
    if node.named is not None and part:
        named = part if node.is_franchise else franchise
        found = _find(node.named, parts, at + 1, named)
        if found is not None:
            return found
    if node.rest is not None and any(parts[at:]):
        return Match(node.rest, franchise)
    return None


def _twice(rule: Rule) -> InputError:
    return InputError("stands in two rules", place=rule.path, mend="keep one")
