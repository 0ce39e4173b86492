"""Import: objectives of OpenSLO v1 as they are written in ``alerts.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
import yaml

from meterstone.detect.openslo.documents import (
    DAY,
    HOUR,
    MINUTE,
    SOURCE,
    VERSION,
    WORD,
    Condition,
    ConditionDoc,
    IndicatorDoc,
    Meta,
    Metric,
    Objective,
    PolicyDoc,
    SloDoc,
    SloSpec,
    Window,
    bare,
    cannot,
)
from meterstone.detect.slo import Counter
from meterstone.errors import InputError

_Read = TypeVar("_Read")
_UNITS = {
    "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY, "M": 30 * DAY, "Q": 90 * DAY,
    "Y": 365 * DAY,
}  # fmt: skip
_SEVERITIES = {
    "sev1": "sev1", "sev2": "sev2", "sev3": "sev3", "sev4": "sev4",
    "page": "sev1", "critical": "sev1", "ticket": "sev3", "warning": "sev3", "info": "sev4",
}  # fmt: skip
_MEANS = "{value} of the events of {name} were bad within {window}; {limit} would be even."
_NEXT = "Look at what is bad, and at what changed when it began."


@dataclass
class Imported:
    """What a file of OpenSLO says, as it is written in ``alerts.yaml``.

    Attributes:
        notes: what is done otherwise than written, in words.
    """

    counters: dict[str, dict[str, Any]] = field(default_factory=dict)
    slos: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(text: str, place: str) -> Imported:
    """The objectives of a file with one or several documents.

    Args:
        place: name of the file, for errors.

    Raises:
        InputError: it is no OpenSLO v1, or says what we cannot do.
    """
    return _Importer(_documents(text, place), place).read()


def _documents(text: str, place: str) -> list[dict[str, Any]]:
    try:
        found = [each for each in yaml.safe_load_all(text) if each is not None]
    except yaml.YAMLError as error:
        raise InputError(f"this is no YAML: {error}", place=place, mend="mend its form") from None
    for number, each in enumerate(found, 1):
        version = each.get("apiVersion") if isinstance(each, dict) else None
        if version != VERSION:
            raise InputError(
                f"document {number} is of version {version!r}", place=place,
                mend=f"write it as apiVersion: {VERSION}",
            )  # fmt: skip
    return found


class _Importer:
    """Reads the documents of one file; names are resolved within it."""

    def __init__(self, documents: Sequence[Mapping[str, Any]], place: str) -> None:
        self._place = place
        self._by_kind: dict[str, list[Mapping[str, Any]]] = {}
        for each in documents:
            self._by_kind.setdefault(str(each.get("kind")), []).append(each)
        self._made = Imported()

    def read(self) -> Imported:
        for each in self._by_kind.get("SLO", []):
            self._slo(self._as(each, SloDoc))
        if not self._made.slos:
            raise InputError("no document is an SLO", place=self._place, mend="add a kind: SLO")
        return self._made

    def _slo(self, doc: SloDoc) -> None:
        spec, at = doc.spec, f"{self._place}, SLO {doc.metadata.name}"
        if spec.budgeting_method != "Occurrences":
            raise cannot(at, f"budgetingMethod {spec.budgeting_method}", "write Occurrences")
        period = _period(spec.time_window, at)
        counter, metric = self._counted(spec, at)
        for number, objective in enumerate(spec.objectives, 1):
            name = _id(doc.metadata) + (f"_{number}" if len(spec.objectives) > 1 else "")
            self._made.slos.append(
                {"slo": name, "title": doc.metadata.display_name or doc.metadata.name}
                | ({"metric": metric} if metric else {"counter": counter})
                | {"objective": _target(objective, at), "period": _ours(period)}
                | self._told(doc.metadata, spec)
                | {"paces": self._paces(spec, period, at)}
            )  # fmt: skip

    def _told(self, meta: Meta, spec: SloSpec) -> dict[str, Any]:
        said = {
            key.removeprefix(WORD): text
            for key, text in meta.annotations.items()
            if key.startswith(WORD)
        }
        told: dict[str, Any] = {"kind": said["kind"]} if "kind" in said else {}
        if "least-bad" in said:
            told["least_bad"] = int(said["least-bad"])
        means = said.get("means") or spec.description or _MEANS
        return told | {"says": {"means": means, "next": said.get("next") or _NEXT}}

    def _counted(self, spec: SloSpec, at: str) -> tuple[str, str]:
        """The name of the counter, or the metric."""
        found = spec.indicator or self._named("SLI", spec.indicator_ref, IndicatorDoc, at)
        ratio = found.spec.ratio_metric
        if ratio is None:
            raise cannot(at, "a thresholdMetric", "write a ratioMetric of good and total events")
        if ratio.raw is not None:
            metric = _source(ratio.raw, at).get("metric")
            if not metric or ratio.raw_type != "success":
                raise cannot(at, "this raw ratio", "name a `metric`, with rawType: success")
            return "", str(metric)
        part = ratio.good or ratio.bad
        if part is None or ratio.total is None:
            raise cannot(at, "a ratio without good (or bad) and total", "write both")
        total = _source(ratio.total, at)
        value = _source(part, at).get("value")
        raw = {**total, "good" if ratio.good else "bad": value}
        try:
            counter = msgspec.convert(raw, Counter)
        except msgspec.ValidationError as error:
            raise InputError(f"a source cannot be read: {error}", place=at, mend=_SOURCES) from None
        name = str(found.metadata.annotations.get(f"{WORD}counter") or _id(found.metadata))
        self._made.counters[name] = bare(counter)
        return name, ""

    def _paces(self, spec: SloSpec, period: timedelta, at: str) -> list[dict[str, Any]]:
        found = []
        for each in spec.alert_policies:
            policy = (
                each.spec or self._named("AlertPolicy", each.alert_policy_ref, PolicyDoc, at).spec
            )
            for condition in policy.conditions if policy else []:
                known = (
                    condition.spec
                    or self._named("AlertCondition", condition.condition_ref, ConditionDoc, at).spec
                )
                if known is not None:
                    found.append(self._pace(known, period, at))
        return found

    def _pace(self, of: Condition, period: timedelta, at: str) -> dict[str, Any]:
        burn = of.condition
        if burn.kind != "burnrate":
            raise cannot(at, f"a condition of kind {burn.kind}", "write burnrate")
        severity = _SEVERITIES.get(of.severity.lower())
        if severity is None:
            raise cannot(at, f"severity {of.severity!r}", f"write one of {', '.join(_SEVERITIES)}")
        long = _span(burn.lookback_window, at)
        if _span(burn.alert_after, at):
            self._made.notes.append(
                f"{at}: instead of alertAfter {burn.alert_after}, the burn rate of the last "
                f"{_ours(long / 12)} has to be as high too"
            )
        share = burn.threshold * (long / period) * 100
        return {"share": round(share, 9), "within": _ours(long), "severity": severity}

    def _named(self, kind: str, name: str, as_: type[_Read], at: str) -> _Read:
        for each in self._by_kind.get(kind, []):
            if name and each.get("metadata", {}).get("name") == name:
                return self._as(each, as_)
        raise InputError(
            f"there is no {kind} {name!r} in this file", place=at, mend="add it to the file"
        )

    def _as(self, document: Mapping[str, Any], as_: type[_Read]) -> _Read:
        try:
            return msgspec.convert(document, as_, strict=False)
        except msgspec.ValidationError as error:
            name = (document.get("metadata") or {}).get("name", "?")
            raise InputError(
                f"{document.get('kind')} {name}: {error}", place=self._place,
                mend="see the specification of OpenSLO v1",
            ) from None  # fmt: skip


_SOURCES = (
    f"type {SOURCE}: `total` has fact, where, total, by, impossible; `good` or `bad` has value"
)


def _source(metric: Metric, at: str) -> Mapping[str, Any]:
    source = metric.metric_source
    if source.type.lower() != SOURCE:
        raise cannot(at, f"a metric source of type {source.type or '(none)'}", f"use {_SOURCES}")
    return source.spec


def _target(objective: Objective, at: str) -> float:
    if (objective.target is None) == (objective.target_percent is None):
        raise InputError(
            "an objective has `target` or `targetPercent`", place=at, mend="write one of the two"
        )
    if objective.target_percent is not None:
        return objective.target_percent
    return round((objective.target or 0.0) * 100, 9)


def _period(windows: Sequence[Window], at: str) -> timedelta:
    if not windows:
        return timedelta(days=30)
    if len(windows) > 1 or not windows[0].is_rolling:
        raise cannot(at, "a calendar-aligned time window", "write one with isRolling: true")
    return _span(windows[0].duration, at)


def _span(text: str, at: str) -> timedelta:
    found = re.fullmatch(r"(\d+)([mhdwMQY])", text.strip())
    if found is None:
        raise InputError(f"{text!r} is no duration", place=at, mend="write it as 5m, 1h, 28d or 4w")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _id(meta: Meta) -> str:
    return meta.annotations.get(f"{WORD}id") or meta.name.replace("-", "_")


def _ours(span: timedelta) -> str:
    """A duration as ``alerts.yaml`` writes it."""
    seconds = span.total_seconds()
    for unit, width in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= width and seconds % width == 0:
            return f"{seconds / width:.0f}{unit}"
    return f"{seconds:g}s"
