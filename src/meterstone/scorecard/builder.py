"""From a measurement to the scorecard of one scope and day."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from meterstone.errors import InputError, suggest
from meterstone.measure.results import GateResult, Measurement, MetricResult, Scope, rfc3339
from meterstone.scorecard.canonical import content_hash
from meterstone.scorecard.diff import diff
from meterstone.scorecard.model import (
    THIS_SCHEMA,
    CatalogueRef,
    Change,
    Gate,
    InputRef,
    Label,
    Lineage,
    Maintenance,
    Metric,
    ScopeRef,
    Scorecard,
)
from meterstone.scorecard.summary import summarise

_Part = TypeVar("_Part", Metric, Gate, Maintenance)


@dataclass(frozen=True, slots=True)
class About:
    """What a result does not carry of its metric.

    Attributes:
        title: as people call it; empty: made from the id.
        sample_unit: what ``n`` counts, in the plural.
        run: days in a row, ending on this day, with the verdict met; None where not tracked.
        lineage: pointers to the rows behind the value.
    """

    title: str = ""
    sample_unit: str = "rows"
    run: int | None = None
    lineage: tuple[Lineage, ...] = ()


def build(
    measurement: Measurement,
    *,
    scope: Scope,
    day: date,
    time_zone: str,
    catalogue_name: str,
    catalogue_version: str,
    highest_seq: int,
    input_digest: str,
    labels: Collection[Label] = (),
    about: Mapping[str, About] | None = None,
    maintenance: Iterable[Mapping[str, str]] = (),
    former: Scorecard | None = None,
) -> Scorecard:
    """The unsigned scorecard of ``scope``; the same arguments give the same bytes.

    Gates are rules over the whole network, so only its scorecard carries them.

    Args:
        measurement: results of any scopes; those of ``scope`` are taken, in the order of their id.
        day: the day reported, in ``time_zone`` (an IANA name).
        highest_seq, input_digest: what of the landing log was used.
        about: by metric id; a metric without an entry gets the defaults.
        maintenance: approved windows with ``from``, ``to``, ``reason``, ``person``.
        former: the revision that this one replaces, with what changed since.

    Raises:
        InputError: no result of this scope, two of one metric, a value that JSON cannot hold, an
            unknown time zone, or a former scorecard of another scope.
    """
    results = _of_scope(measurement.metrics, scope)
    reference = ScopeRef(kind=scope.kind, key=scope.key)
    metrics = tuple(_metric(result, (about or {}).get(result.id, About())) for result in results)
    draft = Scorecard(
        schema=THIS_SCHEMA,
        scope=reference,
        day=day.isoformat(),
        time_zone=_known_zone(time_zone),
        at=rfc3339(measurement.at),
        known_at=rfc3339(measurement.known_at),
        catalogue=CatalogueRef(
            hash=measurement.catalogue, name=catalogue_name, version=catalogue_version
        ),
        labels=tuple(sorted(set(labels))),
        input=InputRef(highest_seq=highest_seq, digest=input_digest),
        revision=0,
        supersedes=None,
        changes=(),
        summary=summarise(reference, metrics),
        metrics=metrics,
        gates=_gates(measurement.gates, scope),
        maintenance=_windows(maintenance),
    )
    return draft if former is None else _revise(draft, former)


def is_restatement(changes: Iterable[Change]) -> bool:
    """Whether something measured or judged is different, not only what had landed by then."""
    return any(change.kind not in ("input", "revision") for change in changes)


def _revise(draft: Scorecard, former: Scorecard) -> Scorecard:
    changes = tuple(change for change in diff(former, draft) if change.kind != "revision")
    return msgspec.structs.replace(
        draft,
        revision=former.revision + 1,
        supersedes=content_hash(former.as_dict()),
        changes=changes,
    )


def _of_scope(results: Sequence[MetricResult], scope: Scope) -> list[MetricResult]:
    """Those of the scope, by id: the order of an evaluation must not show in the bytes."""
    found = sorted((r for r in results if r.scope == scope), key=lambda result: result.id)
    if not found:
        known = sorted({str(result.scope) for result in results})
        raise InputError(
            "nothing was measured for this scope", place=str(scope), mend=suggest(str(scope), known)
        )
    for one, other in pairwise(found):
        if one.id == other.id:
            raise InputError(
                "two results of one metric", place=f"{scope}, {one.id}", mend="measure it once"
            )
    return found


def _metric(result: MetricResult, about: About) -> Metric:
    extra = {
        "title": about.title or _humanised(result.id),
        "sample_unit": about.sample_unit,
        "run": about.run,
        "lineage": msgspec.to_builtins(about.lineage),
    }
    return _part(Metric, result.as_dict() | extra, f"metric {result.id}")


def _humanised(identifier: str) -> str:
    words = identifier.replace("_", " ")
    return words[:1].upper() + words[1:]


def _gates(gates: Iterable[GateResult], scope: Scope) -> tuple[Gate, ...]:
    if scope.kind != "network":
        return ()
    made = [_part(Gate, gate.as_dict(), f"gate {gate.id}") for gate in gates]
    return tuple(sorted(made, key=lambda gate: gate.id))


def _windows(windows: Iterable[Mapping[str, str]]) -> tuple[Maintenance, ...]:
    made = [_part(Maintenance, dict(window), "maintenance") for window in windows]
    return tuple(sorted(made, key=lambda window: (window.from_, window.to, window.reason)))


def _part(kind: type[_Part], fields: Mapping[str, Any], place: str) -> _Part:
    """A part of the document from fields of ours.

    By way of JSON: a double of another library becomes a float, NaN and Infinity are refused.
    """
    try:
        return msgspec.convert(json.loads(json.dumps(fields, allow_nan=False)), kind)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"does not fit the scorecard: {error}",
            place=place,
            mend="give finite numbers and the members that the schema names; a value that is "
            "missing is None, with a verdict that says so",
        ) from error


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise InputError(
            f"unknown time zone {name!r}",
            place="time_zone",
            mend="give an IANA name like America/Los_Angeles or UTC",
        ) from error
