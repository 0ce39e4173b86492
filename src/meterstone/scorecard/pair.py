"""Two scorecards side by side: what their frames say about why a number may differ."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from meterstone.errors import InputError
from meterstone.scorecard.model import Gate, Metric, Place, Scorecard
from meterstone.scorecard.values import count_text, format_day, format_moment, format_target

_Part = TypeVar("_Part", Metric, Gate)


@dataclass(frozen=True)
class Pair:
    """The former document ``a`` and the later one ``b``, of one scope.

    Raises:
        InputError: they are of different scopes.
    """

    a: Scorecard
    b: Scorecard

    def __post_init__(self) -> None:
        if self.a.scope != self.b.scope:
            one, other = (scope_words(card) for card in (self.a, self.b))
            raise InputError(
                f"one scorecard is of {one}, the other of {other}",
                place="scope",
                mend="compare two scorecards of one scope",
            )

    @property
    def same_moment(self) -> bool:
        """Both measure the same moment, so the sample can only differ by what was known."""
        return self.a.at == self.b.at

    @cached_property
    def knows_later(self) -> int:
        """1 where ``b`` knows later than ``a``, -1 where earlier, 0 where as late."""
        before, after = (datetime.fromisoformat(card.known_at) for card in (self.a, self.b))
        return (after > before) - (after < before)

    @property
    def known_before(self) -> str:
        """Up to when ``a`` knew: the day, and the time where ``b`` knew more on the same day."""
        before, after = self.moment(self.a.known_at), self.moment(self.b.known_at)
        day = before.rpartition(", ")[0]
        return before if day == after.rpartition(", ")[0] else day

    def subject(self, metric: Metric) -> str:
        """``Integration uptime of square``."""
        scope = self.b.scope
        return metric.title if scope.kind == "network" else f"{metric.title} of {scope.key}"

    def day(self, day: str) -> str:
        """A day in words, with the year only where it is another one."""
        return format_day(day, near=self.b.day)

    def moment(self, moment: str) -> str:
        """A moment in words, in the reporting time zone."""
        return format_moment(moment, self.b.time_zone, near=self.b.day)


def scope_words(card: Scorecard) -> str:
    """``the network``, or the key of the scope."""
    return "the network" if card.scope.kind == "network" else card.scope.key


@dataclass(frozen=True, slots=True)
class Matched(Generic[_Part]):
    """Parts of two documents by id: only before, only after, in both; each in order of the id."""

    gone: tuple[_Part, ...]
    new: tuple[_Part, ...]
    both: tuple[tuple[_Part, _Part], ...]


def match(old: Iterable[_Part], new: Iterable[_Part]) -> Matched[_Part]:
    """Puts together what has the same id."""
    before, after = ({part.id: part for part in parts} for parts in (old, new))
    return Matched(
        gone=tuple(before[name] for name in sorted(before.keys() - after.keys())),
        new=tuple(after[name] for name in sorted(after.keys() - before.keys())),
        both=tuple((before[name], after[name]) for name in sorted(before.keys() & after.keys())),
    )


def frame_causes(pair: Pair) -> tuple[str, ...]:
    """Causes that hold for every metric: another day or moment, other definitions."""
    causes = []
    if pair.a.day != pair.b.day:
        causes.append(f"it is of {pair.day(pair.b.day)}, not of {pair.day(pair.a.day)}")
    elif not pair.same_moment:
        causes.append(f"it is of {pair.moment(pair.b.at)}, not of {pair.moment(pair.a.at)}")
    if pair.a.catalogue.hash != pair.b.catalogue.hash:
        causes.append("the definitions changed")
    return tuple(causes)


def metric_causes(pair: Pair, old: Metric, new: Metric) -> tuple[str, ...]:
    """Why a metric may differ, as far as the documents show it; that they show nothing is said."""
    causes = [*frame_causes(pair)]
    if old.target != new.target:
        causes.append(f"the target {target_move(old, new)}")
    if pair.same_moment and pair.knows_later < 0:
        causes.append(f"it counts only what was known by {pair.moment(pair.b.known_at)}")
    elif pair.same_moment and old.n != new.n:
        causes.append(_sample_cause(pair, old, new))
    elif pair.same_moment and pair.knows_later and not causes:
        causes.append(f"rows were corrected after {pair.known_before}")
    return tuple(causes) or (
        "neither document shows a cause: moment, knowledge, definitions and sample are the same",
    )


def _sample_cause(pair: Pair, old: Metric, new: Metric) -> str:
    more = new.n - old.n
    when = f" after {pair.known_before}" if pair.knows_later else ""
    if more > 0:
        return f"{count_text(more, f'more {new.sample_unit}')} became known{when}"
    verb = "was" if more == -1 else "were"
    return f"{count_text(-more, new.sample_unit)} {verb} taken back{when}"


def target_move(old: Metric | Place, new: Metric | Place) -> str:
    """``changed from at least 99.9 % to at least 99.95 %``."""
    before, after = format_target(old.target), format_target(new.target)
    if before == after:
        return f"is still {after}, but its period or baseline changed"
    return f"changed from {before} to {after}"


def listed(words: Iterable[str]) -> str:
    """``a, b and c``; ``none`` where there is nothing."""
    found = list(words)
    if len(found) < 2:
        return "".join(found) or "none"
    return f"{', '.join(found[:-1])} and {found[-1]}"


def inside(title: str) -> str:
    """A title inside a sentence; one that begins with an abbreviation keeps its capitals."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def as_json(value: Any) -> Any:
    """Parts of the document as JSON fields; what is JSON already stays."""
    return json.loads(json.dumps(msgspec.to_builtins(value)))
