"""A number of a scorecard as pages show it: every text of it is made here, from the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meterstone.publish.gauge import Gauge, gauge
from meterstone.scorecard.values import (
    VERDICTS,
    VerdictLook,
    count_text,
    format_duration,
    format_interval,
    format_target,
    format_value,
)

EVIDENCE: Mapping[str, str] = {
    "measured": "measured by machines",
    "reported": "reported by people or other systems",
    "attested": "attested: somebody answers for it",
    "modelled": "modelled: computed from other numbers",
}


@dataclass(frozen=True, slots=True)
class Number:
    """A metric at a scope, in words.

    Attributes:
        value, interval, target: with their units; ``interval`` is empty where there is none.
        words: whether the value is a word and no figure.
        sample: such as ``1,440 slots``.
        fresh: how old the newest event is, such as ``4 min``; empty where there is none.
        run: days in a row with the verdict met; None where not tracked.
        revision: how often it was restated.
        link: its page, without as-of.
    """

    id: str
    title: str
    value: str
    words: bool
    interval: str
    target: str
    verdict: str
    look: VerdictLook
    gauge: Gauge | None
    sample: str
    evidence: str
    evidence_says: str
    fresh: str
    run: int | None
    reason: str
    revision: int
    link: str


def metric_link(metric: str, scope: Mapping[str, Any] | None = None) -> str:
    """Where a metric has its page: at a franchise, at another scope, or of the network."""
    kind, key = (scope["kind"], scope["key"]) if scope else ("network", "*")
    if kind == "franchise":
        return f"/owners/{key}/metrics/{metric}"
    return f"/catalogue/{metric}" + ("" if kind == "network" else f"?scope={kind}:{key}")


def number(metric: Mapping[str, Any], target: Mapping[str, Any] | None = None) -> Number:
    """A metric of a scorecard document.

    Args:
        metric: as the document has it.
        target: of the place that asks, where it is not the metric's own; its verdict then stands
            in ``places`` and is looked up by the target's equality.
    """
    wanted = metric["target"] if target is None else target
    verdict = _verdict(metric, wanted)
    return Number(
        id=metric["id"],
        title=metric["title"] or metric["id"],
        value=value_text(metric, wanted),
        words=isinstance(metric["value"], str | bool),
        interval=format_interval(metric["interval"], metric["unit"]) if metric["interval"] else "",
        target=format_target(wanted),
        verdict=verdict,
        look=VERDICTS[verdict],  # type: ignore[index]  # a document that was read is checked
        gauge=gauge({**metric, "target": wanted}),
        sample=count_text(metric["n"], metric["sample_unit"]),
        evidence=metric["evidence"] or "",
        evidence_says=EVIDENCE.get(metric["evidence"] or "", "nothing on record yet"),
        fresh="" if metric["freshness_s"] is None else format_duration(metric["freshness_s"]),
        run=metric["run"],
        reason=metric["reason"],
        revision=metric["revision"],
        link=metric_link(metric["id"], metric["scope"]),
    )


def value_text(metric: Mapping[str, Any], target: Mapping[str, Any] | None = None) -> str:
    """The value of a metric, told apart from the target that it stands beside."""
    beside = (metric["target"] if target is None else target).get("value")
    return format_value(
        metric["value"], metric["unit"], beside=() if isinstance(beside, list) else (beside,)
    )


def _verdict(metric: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """A place that sets a target of its own is judged by it."""
    same = (place["verdict"] for place in metric["places"] if place["target"] == target)
    return str(metric["verdict"] if target == metric["target"] else next(same, metric["verdict"]))
