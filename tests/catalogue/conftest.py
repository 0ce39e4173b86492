"""A small catalogue over two facts, and a way to change one thing in it.

A changed text marks the line that the error has to name with ``# <-`` (in SQL: ``-- <-``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import pytest

from meterstone.catalogue import Catalogue, CatalogueErrors, FactShape, load_catalogue
from meterstone.errors import CatalogueError

SHAPES = {
    "sale": FactShape(
        columns={
            "sale_id": "string", "at": "timestamp", "franchise_id": "string",
            "integration": "string", "status": "enum", "amount": "number", "void": "boolean",
        },
        event_time="at",
    ),
    "call": FactShape(
        columns={"at": "timestamp", "integration": "string", "outcome": "enum", "ms": "number"},
        event_time="at",
        rollup_dimensions=("integration", "outcome"),
        rollup_value="ms",
    ),
    "metric_result": FactShape(columns={"at": "timestamp", "ref": "string"}, event_time="at"),
}  # fmt: skip

BASE = """\
name: shop
version: 3
time_zone: Europe/Berlin
relations:
  paid_sale:
    desc: sales that were paid
    sql: |
      SELECT at, franchise_id, amount, status
      FROM sale
      WHERE NOT void
  answered:
    rollup: call
    where: outcome <> 'caller'
metrics:
  - ref: Shop.sales.share
    id: paid_share
    title: Share of sales that were paid
    kind: ratio
    unit: '%'
    target: {cmp: '>=', value: 95, unit: '%'}
    scopes: [network, franchise]
    window: trailing 30 days
    definition: paid / all
    uncertainty: wilson
    from: sale
    terms:
      good: sum(amount) filter (where status = 'paid')
      all_: sum(amount)
    numerator: good
    denominator: all_
  - ref: Shop.calls.wait
    id: wait
    title: Wait, 95th percentile
    kind: quantile
    unit: ms
    target: {cmp: <, value: 500, unit: ms}
    scopes: [network, integration]
    window: calendar day
    definition: p95 of ms
    uncertainty: histogram_order_statistic
    verdict_on: bound
    from: answered
    q: 0.95
    terms:
      p95: {quantile_of: ms}
  - ref: Shop.calls.state
    id: mood
    title: How the calls go
    kind: state
    unit: state
    target: {cmp: at_least, value: fine, unit: state}
    scopes: [network]
    window: trailing 24 hours
    definition: by failures
    verdict_on: state
    from: answered
    terms:
      bad: sum(requests) filter (where outcome = 'error')
      calls: sum(requests)
    sample: calls
    scale:
      - {level: fine, when: bad <= 0.01 * calls}
      - {level: poor, when: otherwise}
  - ref: Shop.calls.other_wait
    same_as: wait
    target: {cmp: <, value: 1, unit: s}
    at: {integration: square}
    min_sample: 7
gates:
  - id: month
    title: All met for a month
    group: Shop
    hold: {periods: 30}
"""

RULE = """\
metrics:
  - ref: Shop.success
    id: success
    title: All well
    kind: threshold
    unit: boolean
    target: {cmp: ==, value: true, unit: boolean}
    scopes: [network]
    window: trailing 30 days
    definition: a rule
    verdict_on: rule
    rule: {metric: success, verdict: met}
"""

Load = Callable[..., Catalogue]
Refuse = Callable[..., list[CatalogueError]]


def changed(old: str, new: str, base: str = BASE) -> str:
    """The base catalogue with one thing changed; ``old`` has to be there."""
    assert old in base, old
    return base.replace(old, new, 1)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a text as a catalogue."""

    def run(text: str | bytes, hooks: Collection[str] | None = None) -> Catalogue:
        path = tmp_path / "shop.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_catalogue(path, SHAPES, hooks=hooks)

    return run


@pytest.fixture
def refuse(load: Load, tmp_path: Path) -> Refuse:
    """Loads a text that is wrong; the errors, whose lines have to be the marked ones."""

    def run(text: str | bytes, hooks: Collection[str] | None = None) -> list[CatalogueError]:
        with pytest.raises(CatalogueError) as caught:
            load(text, hooks)
        errors = list(errors_of(caught.value))
        plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        marked = [n for n, line in enumerate(plain.split("\n"), 1) if "<-" in line]
        if marked:
            assert [e.place for e in errors] == [f"{tmp_path / 'shop.yaml'}:{n}" for n in marked]
        assert all(error.cause and error.mend for error in errors)
        return errors

    return run


def errors_of(error: CatalogueError) -> Iterable[CatalogueError]:
    """One or several errors as several."""
    return error.errors if isinstance(error, CatalogueErrors) else [error]
