"""One plain sentence on how the targets of a scope stand, and the counts behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import get_args

from meterstone.measure.results import Verdict
from meterstone.scorecard.model import Metric, ScopeRef, Summary

_GROUPS: tuple[tuple[str, tuple[Verdict, ...]], ...] = (
    ("{} not met", ("not_met",)),
    ("{} not yet provable", ("inconclusive", "insufficient_data")),
    ("{} without data", ("no_data",)),
    ("{} with expired evidence", ("expired",)),
    ("{} not applicable", ("not_applicable",)),
    ("{} for reference", ("reference",)),
)


def summarise(scope: ScopeRef, metrics: Iterable[Metric]) -> Summary:
    """Counts every place where a target is set; each verdict is named, zeros too."""
    found = Counter(place.verdict for metric in metrics for place in metric.places)
    counts: dict[Verdict, int] = {verdict: found[verdict] for verdict in get_args(Verdict)}
    return Summary(places=found.total(), counts=counts, sentence=_sentence(scope, counts))


def _sentence(scope: ScopeRef, counts: Mapping[Verdict, int]) -> str:
    total = sum(counts.values())
    head = "" if scope.kind == "network" else f"{scope.key}: "
    if total == 0:
        return f"{head}no target is set here." if head else "No target is set here."
    noun = "target" if total == 1 else "targets"
    parts = [f"{counts['met']} of {total} {noun} met"]
    for words, verdicts in _GROUPS:
        amount = sum(counts[verdict] for verdict in verdicts)
        parts += [words.format(amount)] if amount else []
    return f"{head}{', '.join(parts)}."
