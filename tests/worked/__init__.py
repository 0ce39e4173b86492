"""Worked examples: a few rows, written by hand so that each condition of a definition decides
something, and the result that the definition's words give.

Simulated networks have what networks have; an example has what a wrong definition would count.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from meterstone.app import Home
from meterstone.measure.results import MetricResult
from meterstone.record.model import facts_of_ours

Row = dict[str, Any]

ANY: Any = object()
"""An expectation that is not stated."""


@dataclass(frozen=True, slots=True)
class Expect:
    """What a metric has to be at one scope.

    Attributes:
        value: in the unit of the metric, or a word; None for none.
        n: sample size.
        verdict: by its defining target.
        interval: both bounds.
        parts: what is shown beside it, as far as stated.
    """

    value: Any
    n: Any = ANY
    verdict: Any = ANY
    interval: Any = ANY
    scope: str = "network"
    key: str = "*"
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Example:
    """Rows, and what they have to give at a moment; the results by metric id."""

    name: str
    at: datetime
    rows: tuple[Row, ...]
    expect: Mapping[str, Expect | tuple[Expect, ...]]

    def of(self, metric: str) -> tuple[Expect, ...]:
        """The expectations of a metric."""
        found = self.expect.get(metric, ())
        return found if isinstance(found, tuple) else (found,)


@cache
def examples() -> dict[str, Example]:
    """All examples by name: those in ``EXAMPLES`` of each module beside this one."""
    found: dict[str, Example] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("test_"):
            listed: Iterable[Example] = importlib.import_module(
                f"{__name__}.{module.name}"
            ).EXAMPLES
            found |= {example.name: example for example in listed}
    return found


def home_of(example: Example, folder: Path) -> Home:
    """A home with the rows of an example, all of them accepted."""
    home = Home(folder)
    body = "".join(json.dumps(row, default=str) + "\n" for row in example.rows).encode()
    home.recorder.land(facts_of_ours(body, example.name, "hub"))
    home.recorder.map_new()
    refused = [(entry.item, entry.reason) for entry in home.log.quarantined()]
    if refused:
        home.close()
        raise AssertionError(f"{example.name}: {refused[:5]}")
    return home


def differences(example: Example, metric: str, results: Iterable[MetricResult]) -> Iterator[str]:
    """Where the results of a metric are not what an example says."""
    by_scope = {(r.scope.kind, r.scope.key): r for r in results if r.id == metric}
    for wanted in example.of(metric):
        name = f"{metric} {wanted.scope}:{wanted.key}"
        result = by_scope.get((wanted.scope, wanted.key))
        if result is None:
            if wanted.value is not None:
                yield f"{name}: not measured"
            continue
        if not _same(result.value, wanted.value):
            yield f"{name}: value {result.value!r}, not {wanted.value!r}; {result.reason}"
        if wanted.n is not ANY and result.n != wanted.n:
            yield f"{name}: n {result.n}, not {wanted.n}"
        if wanted.verdict is not ANY and result.verdict != wanted.verdict:
            yield f"{name}: {result.verdict}, not {wanted.verdict}; {result.reason}"
        if wanted.interval is not ANY and not _pair(result.interval, wanted.interval):
            yield f"{name}: interval {result.interval}, not {wanted.interval}"
        for part, value in wanted.parts.items():
            if not _same(result.parts.get(part), value):
                yield f"{name}: {part} {result.parts.get(part)!r}, not {value!r}"


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, bool | str) or isinstance(b, bool | str) or a is None or b is None:
        return bool(a == b)
    return bool(abs(a - b) <= 1e-9 * max(abs(b), 1.0))


def _pair(a: tuple[float, float] | None, b: tuple[float, float] | None) -> bool:
    if a is None or b is None:
        return a == b
    return _same(a[0], b[0]) and _same(a[1], b[1])


def at(text: str) -> datetime:
    """``at("2026-04-01")`` or ``at("2026-04-01T12:00")``, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def attested(key: str, when: str, **given: Any) -> Row:
    """A statement with evidence that stays valid."""
    return {
        "fact": "attestation", "attestation_id": f"{key}@{when}", "claim_key": key,
        "attested_at": when, "statement": "so it is", "source": "attestation",
        "entered_by": "finance", "entered_role": "controller",
        "evidence_uri": "https://example.org/minutes", "expires_at": "2030-01-01T00:00:00Z",
    } | given  # fmt: skip
