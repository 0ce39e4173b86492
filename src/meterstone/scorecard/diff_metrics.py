"""What changed in the metrics of two scorecards: one sentence for each thing that did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from meterstone.measure.results import Value, Verdict
from meterstone.scorecard.model import Change, Metric, Place
from meterstone.scorecard.pair import (
    Pair,
    as_json,
    frame_causes,
    inside,
    match,
    metric_causes,
    target_move,
)
from meterstone.scorecard.values import VERDICTS, format_interval, format_value, target_value

_CONSEQUENCES: Mapping[Verdict, str] = {
    "met": "{} is now met",
    "not_met": "{} is now missed",
    "inconclusive": "whether {} is met cannot be proven now",
    "insufficient_data": "there is too little data now to judge {}",
    "no_data": "there is no data now to judge {}",
    "expired": "the evidence for {} has expired",
    "not_applicable": "{} does not apply now",
    "reference": "{} is now shown for reference only",
}


def metric_changes(pair: Pair) -> Iterator[Change]:
    """Changes in the order: new metrics, metrics no longer reported, metrics in both."""
    matched = match(pair.a.metrics, pair.b.metrics)
    yield from (_appeared(pair, metric) for metric in matched.new)
    yield from (_disappeared(pair, metric) for metric in matched.gone)
    for old, new in matched.both:
        yield from _one_metric(pair, old, new)


def _one_metric(pair: Pair, old: Metric, new: Metric) -> Iterator[Change]:
    if old.target != new.target:
        yield _target_change(pair, old, new)
    if not _same(old, new):
        yield _value_change(pair, old, new)
    elif old.verdict != new.verdict:
        yield _verdict_change(pair, old, new)
    elif old.n != new.n and pair.same_moment:
        yield _late_data(pair, old, new)
    elif old.interval != new.interval:
        yield _interval_change(pair, old, new)
    if old.evidence != new.evidence:
        yield _evidence_change(pair, old, new)
    yield from _place_changes(pair, old, new)


def _appeared(pair: Pair, new: Metric) -> Change:
    word = VERDICTS[new.verdict].word.lower()
    return Change(
        kind="appeared",
        subject=f"metric:{new.id}",
        after=new.value,
        unit=new.unit,
        why=frame_causes(pair),
        sentence=f"{pair.subject(new)} is new: {_shown(new)}, {word}.",
    )


def _disappeared(pair: Pair, old: Metric) -> Change:
    return Change(
        kind="disappeared",
        subject=f"metric:{old.id}",
        before=old.value,
        unit=old.unit,
        why=frame_causes(pair),
        sentence=f"{pair.subject(old)} is no longer reported; it was {_shown(old)}.",
    )


def _target_change(pair: Pair, old: Metric, new: Metric) -> Change:
    return Change(
        kind="target",
        subject=f"metric:{new.id}",
        before=old.target,
        after=new.target,
        why=frame_causes(pair),
        sentence=f"The target of {inside(pair.subject(new))} {target_move(old, new)}.",
    )


def _value_change(pair: Pair, old: Metric, new: Metric) -> Change:
    causes = metric_causes(pair, old, new)
    return Change(
        kind="value",
        subject=f"metric:{new.id}",
        before=old.value,
        after=new.value,
        unit=new.unit,
        verdicts=_verdicts(old, new),
        why=causes,
        sentence=_sentence(pair, old, new, _move(old, new), causes),
    )


def _verdict_change(pair: Pair, old: Metric, new: Metric) -> Change:
    causes = metric_causes(pair, old, new)
    return Change(
        kind="verdict",
        subject=f"metric:{new.id}",
        before=old.value,
        after=new.value,
        unit=new.unit,
        verdicts=_verdicts(old, new),
        why=causes,
        sentence=_sentence(pair, old, new, _stays(new), causes),
    )


def _late_data(pair: Pair, old: Metric, new: Metric) -> Change:
    causes = metric_causes(pair, old, new)
    return Change(
        kind="late_data",
        subject=f"metric:{new.id}",
        before=old.n,
        after=new.n,
        unit=new.sample_unit,
        why=causes,
        sentence=_sentence(pair, old, new, _stays(new), causes),
    )


def _interval_change(pair: Pair, old: Metric, new: Metric) -> Change:
    before, after = (format_interval(metric.interval, metric.unit) for metric in (old, new))
    return Change(
        kind="interval",
        subject=f"metric:{new.id}",
        before=as_json(old.interval),
        after=as_json(new.interval),
        unit=new.unit,
        why=metric_causes(pair, old, new),
        sentence=f"The 95 % interval of {inside(pair.subject(new))} was {before} and is {after}.",
    )


def _evidence_change(pair: Pair, old: Metric, new: Metric) -> Change:
    before, after = (metric.evidence or "none" for metric in (old, new))
    return Change(
        kind="evidence",
        subject=f"metric:{new.id}",
        before=old.evidence,
        after=new.evidence,
        sentence=f"The weakest evidence for {inside(pair.subject(new))} was {before} "
        f"and is {after}.",
    )


def _place_changes(pair: Pair, old: Metric, new: Metric) -> Iterator[Change]:
    """Targets set elsewhere for the same metric; the defining place is told with the metric."""
    before = {place.ref: place for place in old.places}
    for place in new.places:
        former = before.get(place.ref, place)
        if place != former and place.ref not in new.refs[:1]:
            yield _place_change(pair, new, former, place)


def _place_change(pair: Pair, metric: Metric, old: Place, new: Place) -> Change:
    moved = f"the target {target_move(old, new)}" if old.target != new.target else ""
    words = "; ".join(part for part in (moved, _consequence(old, new)) if part)
    return Change(
        kind="target" if moved else "verdict",
        subject=f"metric:{metric.id}",
        before=old.target if moved else None,
        after=new.target if moved else None,
        verdicts=_verdicts(old, new),
        sentence=f"{pair.subject(metric)}, judged at {new.ref}: {words}.",
    )


def _sentence(pair: Pair, old: Metric, new: Metric, moved: str, causes: tuple[str, ...]) -> str:
    """What moved, why, and what it does to the verdict."""
    end = _consequence(old, new)
    tail = f"; {end}" if end else ""
    return f"{pair.subject(new)} {moved}: {' and '.join(causes)}{tail}."


def _move(old: Metric, new: Metric) -> str:
    """``fell from 99.95 % to 99.71 %``, with the decimals it takes to see the difference."""
    beside = (old.value, new.value, *_target_numbers(new)) if old.unit == new.unit else ()
    before, after = (format_value(m.value, m.unit, beside=beside) for m in (old, new))
    if old.value is None:
        return f"has a value now, {after}"
    if new.value is None:
        return f"has no value any more, it was {before}"
    return f"{_verb(old, new)} from {before} to {after}"


def _verb(old: Metric, new: Metric) -> str:
    before, after = old.value, new.value
    if old.unit != new.unit or not isinstance(before, float) or not isinstance(after, float):
        return "changed"
    return "rose" if after > before else "fell"


def _stays(metric: Metric) -> str:
    return "still has no value" if metric.value is None else f"stays at {_shown(metric)}"


def _shown(metric: Metric) -> str:
    """The value, told apart from the target."""
    return format_value(metric.value, metric.unit, beside=_target_numbers(metric))


def _target_numbers(metric: Metric) -> tuple[Value, ...]:
    """The numbers that the value is compared with, where they are in its unit."""
    value = metric.target.get("value")
    if metric.target.get("unit", metric.unit) != metric.unit:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def _same(old: Metric, new: Metric) -> bool:
    """Type and unit count too: 1.0 and true are two values, 1 s and 1 ms as well."""
    return (type(old.value), old.value, old.unit) == (type(new.value), new.value, new.unit)


def _verdicts(old: Metric | Place, new: Metric | Place) -> tuple[Verdict, Verdict] | None:
    return (old.verdict, new.verdict) if old.verdict != new.verdict else None


def _consequence(old: Metric | Place, new: Metric | Place) -> str:
    """What the change does to the verdict; empty where it does nothing."""
    if old.verdict == new.verdict:
        return ""
    return _CONSEQUENCES[new.verdict].format(f"the target {target_value(new.target)}".rstrip())
