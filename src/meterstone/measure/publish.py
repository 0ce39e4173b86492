"""Publishing: results of a day become ``metric_result`` facts, on record from then on.

A result that is published again without a change is not written; one that changed (late facts,
corrections) is a new revision of the same row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from meterstone.measure.compile import literal
from meterstone.measure.results import Measurement, MetricResult, rfc3339
from meterstone.warehouse.base import Warehouse

_COMPARED = ("value", "state", "lower95", "upper95", "n", "verdict")


def publication(
    warehouse: Warehouse, measurement: Measurement, report: str, published_at: datetime
) -> bytes:
    """The results as JSONL of ``metric_result`` facts; only those that are new or changed.

    Args:
        measurement: results at the end of the period.
        report: ``daily``, ``monthly`` … as in the vocabulary.
        published_at: the moment of publication, UTC.
    """
    known = _published(warehouse, measurement.at, report)
    lines = []
    for row in _rows(measurement, report, published_at):
        before = known.get((row["ref"], row["scope"], row["scope_key"]))
        if before is None or any(before[name] != row[name] for name in _COMPARED):
            lines.append(json.dumps(row, ensure_ascii=False, sort_keys=True))
    return "".join(line + "\n" for line in lines).encode()


def _published(
    warehouse: Warehouse, period_end: datetime, report: str
) -> dict[tuple[str, str, str], dict[str, Any]]:
    rows = warehouse.query(
        f"SELECT ref, scope, scope_key, {', '.join(_COMPARED)} FROM facts.metric_result "
        f"WHERE period_end = {literal(period_end)} AND report = '{report}' "
        "QUALIFY row_number() OVER (PARTITION BY ref, scope, scope_key ORDER BY revision DESC) = 1"
    ).to_pylist()
    return {(row["ref"], row["scope"], row["scope_key"]): row for row in rows}


def _rows(
    measurement: Measurement, report: str, published_at: datetime
) -> Iterator[dict[str, Any]]:
    for result in measurement.metrics:
        for place in result.places:
            at = replace(result, value=place.own[0], interval=None) if place.own else result
            yield _row(at, place.ref, place.verdict, measurement, report, published_at)


def _row(
    result: MetricResult,
    ref: str,
    verdict: str,
    measurement: Measurement,
    report: str,
    published_at: datetime,
) -> dict[str, Any]:
    lower, upper = result.interval or (None, None)
    is_state = isinstance(result.value, str)
    return {
        "fact": "metric_result",
        "ref": ref,
        "metric_id": result.id,
        "scope": result.scope.recorded.kind,
        "scope_key": result.scope.recorded.key,
        "period_start": rfc3339(result.window[0]),
        "period_end": rfc3339(measurement.at),
        "value": None if is_state or result.value is None else float(result.value),
        "state": result.value if is_state else None,
        "lower95": lower,
        "upper95": upper,
        "n": result.n,
        "verdict": verdict,
        "evidence": result.evidence or "measured",
        "computed_at": rfc3339(published_at),
        "published_at": rfc3339(published_at),
        "report": report,
    }
