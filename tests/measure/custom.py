"""Small catalogues of a test's own, and days of them at hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from meterstone.app import definitions
from meterstone.catalogue import Catalogue
from meterstone.facts import vocabulary
from meterstone.measure.results import MetricResult, Scope
from meterstone.measure.service import Measuring, Subject, measure

from .build import D, Row, World, _row, probe

NETWORK = Scope("network")


def on(year: int, month: int, day_: int) -> datetime:
    """A midnight, naive UTC as rows have it."""
    return datetime(year, month, day_, tzinfo=UTC).replace(tzinfo=None)


START = on(2026, 3, 1)
"""The first day of most tests."""


def metric(id_: str, **given: Any) -> dict[str, Any]:
    """A metric entry: share of good probes on a day, at least 99 %."""
    usual = {
        "ref": f"Own.{id_}",
        "id": id_,
        "title": id_,
        "kind": "ratio",
        "unit": "%",
        "target": {"cmp": ">=", "value": 99, "unit": "%"},
        "scopes": ["network", "integration"],
        "window": "calendar day",
        "definition": "as tested",
        "from": "probe",
    }
    if given.get("kind", "ratio") == "ratio" and "numerator" not in given:
        usual |= {
            "terms": {"up": "count(*) filter (where ok)", "all": "count(*)"},
            "numerator": "up",
            "denominator": "all",
        }
    return usual | given


def cadence(*schedule: dict[str, Any], **given: Any) -> dict[str, Any]:
    """A cadence over schedules; it reads no fact."""
    usual = {
        "kind": "cadence",
        "unit": "% of due publications",
        "target": {"cmp": "==", "value": 100, "unit": "% of due publications"},
        "scopes": ["network"],
        "schedule": list(schedule),
    }
    entry = metric("live", **usual | given)
    del entry["from"]
    return entry


def rule(id_: str, rule_: dict[str, Any], kind: str = "threshold", **given: Any) -> dict[str, Any]:
    """A threshold or milestone over other metrics."""
    usual = {
        "kind": kind,
        "unit": "boolean",
        "target": {"cmp": "==", "value": True, "unit": "boolean"},
        "scopes": ["network"],
        "window": "all time",
        "verdict_on": "rule",
        "rule": rule_,
    }
    entry = metric(id_, **usual | given)
    del entry["from"]
    return entry


def catalogue(folder: Path, *metrics: dict[str, Any], **parts: Any) -> Catalogue:
    """Write the entries as a catalogue, and load it."""
    path = folder / "catalogue.yaml"
    path.write_text(yaml.safe_dump({"name": "own", "metrics": list(metrics)} | parts))
    return definitions(path)


def days(marks: str, start: datetime = START, **given: Any) -> list[Row]:
    """A probe a day: ``+`` good, ``-`` bad, ``.`` none."""
    rows = []
    for n, mark in enumerate(marks):
        if mark != ".":
            rows.append(probe(start + n * D + timedelta(hours=6), ok=mark == "+", **given))
    return rows


def end_of(marks: str, start: datetime = START) -> datetime:
    """The midnight after the last of the days."""
    return (start + len(marks) * D).replace(tzinfo=UTC)


def day(n: int, start: datetime = START) -> date:
    """The n-th day, from 0."""
    return (start + n * D).date()


def result_row(ref: str, period_end: datetime, **given: Any) -> Row:
    """A published result."""
    at = period_end.replace(tzinfo=None)
    usual = {
        "ref": ref,
        "metric_id": ref.rpartition(".")[2],
        "scope": "network",
        "scope_key": "*",
        "period_start": at - D,
        "period_end": at,
        "value": 100.0,
        "state": None,
        "lower95": None,
        "upper95": None,
        "n": 1,
        "verdict": "met",
        "computed_at": at + timedelta(hours=1),
        "published_at": at + timedelta(hours=1),
        "report": "daily",
    }
    return _row("metric_result", usual, given)


class Measured:
    """What one world gives by one catalogue."""

    def __init__(self, world: World, definitions_: Catalogue) -> None:
        self.subject = Subject(world.warehouse, vocabulary(), definitions_)

    def all(self, at: datetime, known_at: datetime | None = None) -> Sequence[MetricResult]:
        return measure(self.subject, _utc(at), known_at and _utc(known_at)).metrics

    def one(
        self, id_: str, at: datetime, scope: Scope = NETWORK, known_at: datetime | None = None
    ) -> MetricResult:
        """One result out of a whole measurement."""
        return next(r for r in self.all(at, known_at) if r.id == id_ and r.scope == scope)

    def gate(self, at: datetime, known_at: datetime | None = None) -> Any:
        """The one gate."""
        return measure(self.subject, _utc(at), known_at and _utc(known_at)).gates[0]

    def measuring(self, at: datetime, known_at: datetime | None = None) -> Measuring:
        return Measuring(self.subject, _utc(at), known_at and _utc(known_at))


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
