"""Export: objectives as documents of OpenSLO v1."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import yaml

from meterstone.detect.openslo.documents import (
    DAY,
    HOUR,
    MINUTE,
    SOURCE,
    VERSION,
    WORD,
    bare,
    cannot,
)
from meterstone.detect.slo import Counter, Definitions, Slo
from meterstone.detect.windows import Pace

_TARGET = "meterstone-routes"


def write(definitions: Definitions, only: Iterable[str] = ()) -> str:
    """All objectives, or some, as documents of OpenSLO v1.

    Args:
        only: ids.

    Raises:
        InputError: one cannot be said in OpenSLO.
    """
    chosen = set(only)
    documents = [_notified()] + [
        _exported(slo, definitions.counters)
        for slo in definitions.slos
        if not chosen or slo.id in chosen
    ]
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=100)


def _notified() -> dict[str, Any]:
    return _object(
        "AlertNotificationTarget", _TARGET,
        {"target": "meterstone", "description": "Whoever the routes of Meterstone name."},
    )  # fmt: skip


def _exported(slo: Slo, counters: Mapping[str, Counter]) -> dict[str, Any]:
    raw = slo.raw
    name = _name(slo.id)
    window = _theirs(slo.period, slo.id)
    spec = {
        "service": "integrations",
        "indicator": {"metadata": _meta(f"{name}-events", counter=raw.counter or ""),
                      "spec": {"ratioMetric": _ratio(slo, counters)}},
        "timeWindow": [{"duration": window, "isRolling": True}],
        "budgetingMethod": "Occurrences",
        "objectives": [{"displayName": raw.title, "targetPercent": raw.objective}],
        "alertPolicies": [_policy(name, pace, slo) for pace in slo.paces],
    }  # fmt: skip
    made = _object("SLO", name, spec)
    told = {
        "id": slo.id, "kind": raw.kind, "least-bad": str(raw.least_bad),
        "means": raw.says.means, "next": raw.says.next,
    }  # fmt: skip
    made["metadata"] = _meta(name, raw.title, **told)
    return made


def _ratio(slo: Slo, counters: Mapping[str, Counter]) -> dict[str, Any]:
    if slo.raw.metric is not None:
        return {"rawType": "success", "raw": _metric({"metric": slo.raw.metric})}
    counter = counters[slo.counter]
    part, value = ("good", counter.good) if counter.good else ("bad", counter.bad)
    whole = {n: v for n, v in bare(counter).items() if n not in ("good", "bad")}
    return {"counter": True, part: _metric({"value": value}), "total": _metric(whole)}


def _metric(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"metricSource": {"type": SOURCE, "spec": dict(spec)}}


def _policy(name: str, pace: Pace, slo: Slo) -> dict[str, Any]:
    window = _theirs(pace.long, slo.id)
    condition = _object(
        "AlertCondition", f"{name}-{window}",
        {
            "severity": pace.severity,
            "condition": {
                "kind": "burnrate", "threshold": round(pace.factor(slo.period), 9),
                "lookbackWindow": window, "alertAfter": "0m",
            },
        },
    )  # fmt: skip
    del condition["apiVersion"]
    policy = _object(
        "AlertPolicy", f"{name}-{window}-policy",
        {
            "alertWhenBreaching": True, "alertWhenResolved": True, "alertWhenNoData": False,
            "conditions": [condition], "notificationTargets": [{"targetRef": _TARGET}],
        },
    )  # fmt: skip
    del policy["apiVersion"]
    return policy


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}


def _meta(name: str, shown: str = "", **words: str) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name} | ({"displayName": shown} if shown else {})
    annotations = {f"{WORD}{key}": text for key, text in words.items() if text}
    return made | ({"annotations": annotations} if annotations else {})


def _name(id_: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", id_.lower()).strip("-")[:50]


def _theirs(span: timedelta, what: str) -> str:
    seconds = span.total_seconds()
    for unit, width in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if seconds >= width and seconds % width == 0:
            return f"{seconds / width:.0f}{unit}"
    raise cannot(what, f"a duration of {seconds:g} s in OpenSLO", "write whole minutes")
