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


def opened(shop: str, since: str = "2025-01-01") -> Row:
    """A franchise in Texas that was opened on a day."""
    return {
        "fact": "franchise", "franchise_id": shop, "status_at": f"{since}T00:00:00Z",
        "client_id": "K1", "client_segment": "enterprise", "status": "opened",
        "region": "US-TX", "country": "US", "opened_on": since,
    }  # fmt: skip


def paid(shop: str, day: str, usd: float) -> Row:
    """A completed payment at noon."""
    return {
        "fact": "payment", "payment_id": f"{shop}{day}", "franchise_id": shop,
        "paid_at": f"{day}T12:00:00Z", "gross": usd, "discount": 0, "refund": 0, "tax": 0,
        "tip": 0, "currency": "USD", "net_sales_usd": usd, "status": "completed", "origin": "pos",
    }  # fmt: skip


def baseline(metric: str, value: float, n: int) -> Row:
    """A programme's baseline of 2025, frozen at its end."""
    return {
        "fact": "baseline", "metric_id": metric, "scope": "network", "scope_key": "*",
        "baseline_kind": "programme", "period_start": "2025-01-01T00:00:00Z",
        "period_end": "2026-01-01T00:00:00Z", "value": value, "n": n,
        "frozen_at": "2026-01-01T00:00:00Z", "approved_by": "controller",
    }  # fmt: skip


def connection(name: str, since: str, **given: Any) -> Row:
    """A connection to Square since a day."""
    return {
        "fact": "connection", "connection_id": name, "integration": "square", "client_id": "K1",
        "connected_at": f"{since}T00:00:00Z", "auth": "oauth2_pkce",
    } | given  # fmt: skip


def integration_in_use() -> Iterator[Row]:
    """Square, live and certified, with a connection that was synced on 31 March 2026."""
    yield {
        "fact": "integration", "integration": "square", "status_at": "2025-01-01T00:00:00Z",
        "name": "Square", "category": "pos", "status": "live", "certified": True,
        "framework": "universal", "capabilities_required": "payments",
        "capabilities_live": "payments", "in_public_catalogue": True,
    }  # fmt: skip
    yield connection("C1", "2025-01-02")
    yield {
        "fact": "sync_run", "run_id": "S1", "connection_id": "C1", "integration": "square",
        "started_at": "2026-03-31T00:00:00Z", "finished_at": "2026-03-31T00:01:00Z",
        "direction": "in", "entity": "payments", "mode": "incremental", "interval_s": 300,
        "status": "success", "records_read": 1, "records_written": 1, "records_failed": 0,
        "backlog": 0,
    }  # fmt: skip
