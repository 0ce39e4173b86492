"""What changed between two scorecards of one scope, and why, in plain sentences.

A cause is named only where both documents show it. Where they show none, the sentence says so:
that is the case an auditor looks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meterstone.scorecard.canonical import content, content_hash
from meterstone.scorecard.diff_gates import gate_changes
from meterstone.scorecard.diff_metrics import metric_changes
from meterstone.scorecard.model import Change, ChangeKind, Maintenance, Scorecard, read
from meterstone.scorecard.pair import Pair, as_json, listed
from meterstone.scorecard.paths import differences
from meterstone.scorecard.values import count_text

Document = Scorecard | Mapping[str, Any] | bytes
_SHOWN_PATHS = 3


def diff(a: Document, b: Document) -> list[Change]:
    """What is different in ``b`` from ``a``; empty where the content is the same.

    Raises:
        FormatError, InputError: one is not a scorecard, or they are of different scopes.
    """
    pair = Pair(read(a), read(b))
    changes = [
        *_frame_changes(pair),
        *metric_changes(pair),
        *gate_changes(pair),
        *_maintenance_changes(pair),
        *_revision_changes(pair),
    ]
    return changes or list(_leftover(pair))


def _frame_changes(pair: Pair) -> Iterator[Change]:
    """Definitions, labels, and what had landed."""
    a, b = pair.a, pair.b
    if a.catalogue != b.catalogue:
        yield _framed("catalogue", a.catalogue, b.catalogue, _catalogue_sentence(pair))
    if a.labels != b.labels:
        words = f"The labels were {listed(a.labels)} and are {listed(b.labels)}."
        yield _framed("labels", a.labels, b.labels, words)
    if a.input != b.input:
        yield _framed("input", a.input, b.input, _input_sentence(pair))


def _framed(kind: ChangeKind, before: Any, after: Any, sentence: str) -> Change:
    return Change(
        kind=kind,
        subject="scorecard",
        before=as_json(before),
        after=as_json(after),
        sentence=sentence,
    )


def _catalogue_sentence(pair: Pair) -> str:
    a, b = pair.a.catalogue, pair.b.catalogue
    old, new = (f"{each.name} {each.version} ({each.hash[:12]})" for each in (a, b))
    same = "Their content is the same"
    tail = same if a.hash == b.hash else "Values and verdicts may differ by that"
    return f"The definitions changed from {old} to {new}. {tail}."


def _input_sentence(pair: Pair) -> str:
    more = pair.b.input.highest_seq - pair.a.input.highest_seq
    when = pair.moment(pair.b.known_at)
    if more == 0:
        return "As many records had landed, but not the same ones: the landing log was changed."
    words = count_text(abs(more), "more records" if more > 0 else "fewer records")
    return f"{words} had landed by {when}."


def _maintenance_changes(pair: Pair) -> Iterator[Change]:
    before, after = pair.a.maintenance, pair.b.maintenance
    for window in after:
        if window not in before:
            words = f"{_window(pair, window)} was approved by {window.person}: {window.reason}."
            yield _maintenance(None, window, words)
    for window in before:
        if window not in after:
            words = f"{_window(pair, window)} ({window.reason}) is no longer approved."
            yield _maintenance(window, None, words)


def _maintenance(old: Maintenance | None, new: Maintenance | None, sentence: str) -> Change:
    return Change(
        kind="maintenance",
        subject="maintenance",
        before=as_json(old),
        after=as_json(new),
        sentence=sentence,
    )


def _window(pair: Pair, window: Maintenance) -> str:
    """``Maintenance from 8 March, 02:00 to 04:00``."""
    start, end = pair.moment(window.from_), pair.moment(window.to)
    day = start.rpartition(", ")[0]
    return f"Maintenance from {start} to {end.removeprefix(f'{day}, ')}"


def _revision_changes(pair: Pair) -> Iterator[Change]:
    a, b = pair.a, pair.b
    if a.revision == b.revision:
        return
    replaces = b.supersedes == content_hash(a.as_dict())
    which = "the former one" if replaces else f"{(b.supersedes or 'nothing')[:12]}, not the former"
    yield _framed(
        "revision",
        a.revision,
        b.revision,
        f"Revision {a.revision} became revision {b.revision}, which replaces {which}.",
    )


def _leftover(pair: Pair) -> Iterator[Change]:
    """No difference goes unsaid, not even one that no rule above has words for."""
    a, b = (card.as_dict() for card in (pair.a, pair.b))
    if content_hash(a) == content_hash(b):
        return
    found = list(differences(content(a), content(b)))
    shown = listed([f"{d.path} ({d.name})" if d.name else d.path for d in found[:_SHOWN_PATHS]])
    rest = len(found) - _SHOWN_PATHS
    more = f", and {count_text(rest, 'more members')}" if rest > 0 else ""
    yield _framed("other", None, None, f"No value or verdict changed; {shown} did{more}.")
