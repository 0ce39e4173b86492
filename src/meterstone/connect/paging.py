"""How a stream is cut into pages, without input or output: a state, and what follows it.

A state is JSON, so that it can be a checkpoint. ``start`` gives the first, ``apply`` puts one on a
call, ``values`` fills the templates of one, and ``after`` gives the state of the next page (None:
there is none) from the answer and the records in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from meterstone.connect.answers import Answer
from meterstone.connect.paths import at_path
from meterstone.connect.requests import Call
from meterstone.connect.spec_paging import (
    CursorPaging,
    LastKey,
    LinkHeader,
    NextUrl,
    NoPaging,
    OffsetPaging,
    PageNumber,
    StartPosition,
)
from meterstone.connect.values import word

State = Mapping[str, Any]
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)


class Pager(Protocol):
    """One kind of paging."""

    def start(self) -> State:
        """State of the first page."""

    def values(self, state: State) -> dict[str, str]:
        """What the templates of a request need."""

    def apply(self, call: Call, state: State) -> Call:
        """The call of a page."""

    def after(self, state: State, answer: Answer, records: list[Any]) -> State | None:
        """State of the page after this one."""


@dataclass(frozen=True, slots=True)
class _Token:
    """Kinds whose next page is named by a value of the answer: a cursor, a URL, the last id."""

    to: str
    found: Callable[[Answer, list[Any]], Any]

    def start(self) -> State:
        return {}

    def values(self, _state: State) -> dict[str, str]:
        return {}

    def apply(self, call: Call, state: State) -> Call:
        if not state:
            return call
        if not self.to:
            return call.at_url(state["next"])
        return call.with_value(self.to, state["next"])

    def after(self, _state: State, answer: Answer, records: list[Any]) -> State | None:
        value = self.found(answer, records)
        return {"next": value} if value not in (None, "", False) else None


@dataclass(frozen=True, slots=True)
class _Count:
    """Kinds that count records or pages themselves."""

    to: str
    size_to: str
    size: int
    first: int
    step: int
    more: str = ""
    total: str = ""

    def start(self) -> State:
        return {"at": self.first}

    def values(self, state: State) -> dict[str, str]:
        return {"start": str(state["at"]), "size": str(self.size)}

    def apply(self, call: Call, state: State) -> Call:
        if self.size_to:
            call = call.with_value(self.size_to, self.size)
        return call.with_value(self.to, state["at"]) if self.to else call

    def after(self, state: State, answer: Answer, records: list[Any]) -> State | None:
        if not records or not self._is_more(state, answer, len(records)):
            return None
        return {"at": state["at"] + self.step}

    def _is_more(self, state: State, answer: Answer, count: int) -> bool:
        if self.more:
            return bool(word(at_path(answer.content, self.more)) == "true")
        if self.total:
            passed = (state["at"] - self.first) // self.step * self.size + count
            return bool(passed < int(at_path(answer.content, self.total) or 0))
        return count >= self.size


class _One:
    """The whole stream in one answer."""

    def start(self) -> State:
        return {}

    def values(self, _state: State) -> dict[str, str]:
        return {}

    def apply(self, call: Call, _state: State) -> Call:
        return call

    def after(self, _state: State, _answer: Answer, _records: list[Any]) -> State | None:
        return None


def pager(spec: Any) -> Pager:
    """The strategy of a ``paging`` section (of ``within`` for time windows)."""
    return _MAKERS[type(spec)](spec)


def _cursor(spec: CursorPaging) -> Pager:
    def found(answer: Answer, _records: list[Any]) -> Any:
        if spec.more and word(at_path(answer.content, spec.more)) != "true":
            return None
        return at_path(answer.content, spec.from_)

    return _Token(spec.to, found)


def _last_key(spec: LastKey) -> Pager:
    def found(answer: Answer, records: list[Any]) -> Any:
        if not records or (spec.more and word(at_path(answer.content, spec.more)) != "true"):
            return None
        return at_path(records[-1], spec.from_)

    return _Token(spec.to, found)


def _link(answer: Answer, _records: list[Any]) -> Any:
    match = _NEXT.search(answer.headers.get("link", ""))
    return match[1] if match else None


_MAKERS: Mapping[type, Callable[[Any], Pager]] = {
    NoPaging: lambda _: _One(),
    CursorPaging: _cursor,
    LastKey: _last_key,
    LinkHeader: lambda _: _Token("", _link),
    NextUrl: lambda s: _Token("", lambda answer, _: at_path(answer.content, s.from_)),
    OffsetPaging: lambda s: _Count(s.to, s.size_to, s.size, s.first, s.size, s.more, s.total),
    PageNumber: lambda s: _Count(s.to, s.size_to, s.size, s.first, 1, s.more, s.total),
    StartPosition: lambda s: _Count("", "", s.size, s.first, max(1, s.size - s.overlap)),
}
