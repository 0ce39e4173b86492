"""A catalogue as plain data: one entry a ref, in the order of the files."""

from __future__ import annotations

from typing import Any

from meterstone.catalogue.model import Catalogue, Metric, Place


def export(catalogue: Catalogue) -> list[dict[str, Any]]:
    """One JSON-ready entry a ref of the framework, in its order.

    A place inherits the definition of its metric and carries its own ref, literal, target, ``at``,
    ``min_sample`` and note. ``facts`` are those that the definition names, sorted.
    """
    return [entry(metric, place) for metric, place in catalogue.by_ref().values()]


def entry(metric: Metric, place: Place) -> dict[str, Any]:
    """The entry of one place of a metric."""
    raw = metric.raw
    return {
        "ref": place.ref,
        "id": raw.id,
        "title": raw.title,
        "kind": raw.kind,
        "unit": raw.unit,
        "target": place.target.as_dict(),
        "better": raw.better,
        "scopes": list(raw.scopes),
        "facts": list(metric.named_facts),
        "definition": raw.definition,
        "evidence": raw.evidence,
        "cadence": raw.cadence,
        "min_sample": place.min_sample,
        "literal": place.literal,
        "at": dict(place.at),
        "window": raw.window,
        "verdict_on": raw.verdict_on,
        "note": place.note,
    }
