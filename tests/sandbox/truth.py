"""Holds what was measured on a simulated network against what is true of it.

Written from the conventions of the framework, without the engine: how a value, a sample size and
the verdict at each place have to be, given the truth.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from meterstone.catalogue import Catalogue, Metric, Place
from meterstone.measure.results import MetricResult

from .conftest import Network

_COMPARE = {
    ">=": operator.ge, ">": operator.gt, "<": operator.lt, "<=": operator.le, "==": operator.eq,
}  # fmt: skip
_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "days": 86400.0}
_PER_MINUTE = {"req/s": 60.0, "req/min": 1.0, "calls/min": 1.0, "calls/s": 60.0}


STORIES = ("thriving", "struggling", "honest", "quiet")


def missed(
    network: Network,
    mine: Callable[[str, str], bool],
    *,
    fine: Collection[str] = ("met", "reference"),
) -> set[str]:
    """Refs whose target is missed at the end.

    Args:
        network: where.
        mine: whether a metric (id) at a ref is looked at.
        fine: verdicts that are no miss.
    """
    return {
        place.ref
        for result in network.results()
        for place in result.places
        if mine(result.id, place.ref) and place.verdict not in fine
    }


def system(ref: str) -> str:
    """The system of the framework that a ref stands in."""
    return ref.split(".", maxsplit=1)[0]


def differences(network: Network, metrics: Iterable[str]) -> list[str]:
    """Where measurement and truth disagree, as sentences; empty when all is right.

    A metric without any truth is a difference: nothing may go unproven.
    """
    return compare(network, network.results(), metrics, network.home.catalogue)


def compare(
    network: Network,
    results: Iterable[MetricResult],
    metrics: Iterable[str],
    catalogue: Catalogue,
) -> list[str]:
    """As `differences`, for results that were measured by other definitions."""
    wanted = list(metrics)
    measured = {(r.id, r.scope.kind, r.scope.key): r for r in results}
    truths = [t for t in network.truth["metrics"] if t["metric"] in wanted]
    told = {t["metric"] for t in truths}
    found = [f"{m}: the truth says nothing of it" for m in wanted if m not in told]
    for truth in truths:
        key = (truth["metric"], truth["scope"], truth["key"])
        name = f"{truth['metric']} {truth['scope']}:{truth['key']} ({network.story})"
        if (result := measured.get(key)) is None:
            if truth["value"] is not None:
                found.append(f"{name}: not measured, truth {truth['value']}")
            continue
        apart = {t["place"] for t in truths if t["place"] and t["metric"] == truth["metric"]}
        if truth["place"]:
            found += [f"{name}: {text}" for text in _at_place(truth, result, catalogue)]
        else:
            found += [f"{name}: {text}" for text in _differences(truth, result, catalogue, apart)]
    return found


def verdict_of(truth: dict[str, Any], metric: Metric, place: Place) -> str | None:
    """The verdict that the truth gives at a place; None where it does not follow (a rule)."""
    if truth["value"] is None:
        return str(truth["verdict"] or "no_data")
    if metric.raw.verdict_on == "reference":
        return "reference"
    if truth["verdict"]:
        return str(truth["verdict"])
    if truth["n"] is not None and truth["n"] < place.min_sample:
        return "insufficient_data"
    return "met" if _satisfied(truth["value"], metric, place) else "not_met"


def _satisfied(value: Any, metric: Metric, place: Place) -> bool:
    target = place.target
    if target.cmp == "at_least":
        words = [level.level for level in metric.scale]
        return value in words[: words.index(target.value) + 1]
    if target.cmp == "within":
        low, high = target.value
        return bool(low <= value <= high)
    if target.cmp == "within_interval":
        return True  # that the interval contains it is compared with the interval itself
    if isinstance(value, str | bool):
        return bool(value == target.value)
    scale = 1.0
    for units in (_SECONDS, _PER_MINUTE):
        if metric.raw.unit in units and target.unit in units:
            scale = units[metric.raw.unit] / units[target.unit]
    return bool(_COMPARE[target.cmp](value * scale, target.value))


def _at_place(truth: dict[str, Any], result: MetricResult, catalogue: Catalogue) -> Iterator[str]:
    """At a place that is judged by a value of its own."""
    judged = next(p for p in result.places if p.ref == truth["place"])
    value = judged.own[0] if judged.own else result.value
    if not _same(truth, replace(result, value=value)):
        yield f"value {value!r} at {judged.ref}, truth {truth['value']!r}"
    metric = catalogue.metrics[truth["metric"]]
    place = next(p for p in metric.places if p.ref == judged.ref)
    if judged.verdict != (wanted := verdict_of(truth, metric, place)):
        yield f"{judged.ref} is {judged.verdict}, truth {wanted}"


def _differences(
    truth: dict[str, Any], result: MetricResult, catalogue: Catalogue, apart: Collection[str]
) -> Iterator[str]:
    if not _same(truth, result):
        yield f"value {result.value!r} {result.interval}, truth {truth['value']!r}"
    if truth["n"] is not None and result.n != round(truth["n"]):
        yield f"n {result.n}, truth {truth['n']}"
    metric = catalogue.metrics[truth["metric"]]
    by_ref = {place.ref: place for place in metric.places}
    for judged in result.places:
        wanted = verdict_of(truth, metric, by_ref[judged.ref])
        if judged.ref not in apart and judged.verdict != wanted:
            yield f"{judged.ref} is {judged.verdict}, truth {wanted}; {result.reason}"


def _same(truth: dict[str, Any], result: MetricResult) -> bool:
    true, value = truth["value"], result.value
    if true is None or value is None or isinstance(true, str | bool) or isinstance(value, str):
        return bool(true == value)
    if truth["tolerance"] == "interval":
        return result.interval is not None and all(
            result.interval[0] <= figure <= result.interval[1] for figure in (true, value)
        )
    return bool(abs(value - true) <= 1e-9 * max(abs(true), 1.0))
