"""In which order metrics are shown: own ones first, then as the framework's document has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from meterstone.framework import systems


def by_system(metrics: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Metrics of a scorecard by system, systems and metrics in the order of the framework."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for metric in sorted(metrics, key=lambda metric: _place(metric["refs"][0])):
        groups.setdefault(metric["refs"][0].partition(".")[0], []).append(metric)
    return groups


def _place(ref: str) -> tuple[int, str]:
    place = _places().get(ref)
    return (-1, ref) if place is None else (place, "")


@cache
def _places() -> Mapping[str, int]:
    refs = [ref for made in systems().values() for ref in made.refs]
    return {ref: place for place, ref in enumerate(refs)}
