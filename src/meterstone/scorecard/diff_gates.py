"""What changed in the gates of two scorecards: which day broke a run, and by what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meterstone.scorecard.model import Change, Gate
from meterstone.scorecard.pair import Pair, inside, listed, match
from meterstone.scorecard.values import count_text


def gate_changes(pair: Pair) -> Iterator[Change]:
    """Changes in the order: new gates, gates no longer reported, gates in both."""
    matched = match(pair.a.gates, pair.b.gates)
    for gate in matched.new:
        yield _change(gate, None, gate, f"it is new, and stands at {_run(gate)}")
    for gate in matched.gone:
        yield _change(gate, gate, None, f"it is no longer reported; it stood at {_run(gate)}")
    for old, new in matched.both:
        yield from _one_gate(pair, old, new)


def _one_gate(pair: Pair, old: Gate, new: Gate) -> Iterator[Change]:
    days = tuple(_days_judged_anew(pair, old, new))
    moved = _broke(pair, old, new) or _run_moved(old, new)
    words = [part for part in (moved, _passed(old, new), *days) if part]
    if words:
        yield _change(new, old, new, "; ".join(words), days)


def _change(
    gate: Gate, old: Gate | None, new: Gate | None, words: str, why: tuple[str, ...] = ()
) -> Change:
    return Change(
        kind="gate",
        subject=f"gate:{gate.id}",
        before=_state(old) if old else None,
        after=_state(new) if new else None,
        why=why,
        sentence=f"Gate “{gate.title}”: {words}.",
    )


def _state(gate: Gate) -> dict[str, Any]:
    return {
        "run": gate.run,
        "needed": gate.needed,
        "passed": gate.passed,
        "broken_on": gate.broken_on,
        "broken_by": list(gate.broken_by),
    }


def _run(gate: Gate) -> str:
    return f"{gate.run} of {count_text(gate.needed, 'days')}"


def _broke(pair: Pair, old: Gate, new: Gate) -> str:
    """A break that the former document does not have; days are text that sorts by date."""
    if new.broken_on is None or new.broken_on <= (old.broken_on or ""):
        return ""
    names = listed(_title_of(pair, ref) for ref in new.broken_by)
    by = f" because of {names}" if new.broken_by else ""
    return f"the run broke on {pair.day(new.broken_on)}{by}; it was at {old.run}, now {_run(new)}"


def _title_of(pair: Pair, ref: str) -> str:
    """What people call the metric of a ref, where the document has it."""
    titles = {known: inside(m.title) for m in pair.b.metrics for known in (*m.refs, m.id)}
    return titles.get(ref, ref)


def _run_moved(old: Gate, new: Gate) -> str:
    if old.needed != new.needed:
        return (
            f"it asks for {count_text(new.needed, 'days')}, not {old.needed}, and is at {new.run}"
        )
    if old.run == new.run:
        return ""
    return f"the run {'grew' if new.run > old.run else 'fell'} from {old.run} to {_run(new)}"


def _passed(old: Gate, new: Gate) -> str:
    if old.passed == new.passed:
        return ""
    return "it is passed now" if new.passed else "it is not passed any more"


def _days_judged_anew(pair: Pair, old: Gate, new: Gate) -> Iterator[str]:
    before = {day.day: day.verdict for day in old.days}
    for day in new.days:
        former = before.get(day.day, day.verdict)
        if former != day.verdict:
            yield f"{pair.day(day.day)} was {former} and is {day.verdict}"
