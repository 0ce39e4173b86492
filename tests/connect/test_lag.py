"""A change that two readers see before it is landed is told once."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest

from meterstone.connect import telemetry as module
from meterstone.connect.lag import Change, tell_changes
from meterstone.connect.telemetry import Telemetry
from meterstone.ledger import Connection
from meterstone.warehouse.base import Warehouse

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


class NothingYet:
    """A warehouse that what was told has not reached."""

    def relation(self, fact: str, _: None) -> str:
        return fact

    def query(self, _: str) -> pa.Table:
        return pa.table({"change_id": pa.array([], pa.string())})


def collected() -> tuple[Telemetry, list[bytes]]:
    bodies: list[bytes] = []
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    told = Telemetry(lambda incoming: cast("Any", bodies.append(incoming.body)), cast("Any", clock))
    return told, bodies


def test_a_change_is_told_once_however_many_see_it() -> None:
    told, bodies = collected()
    connection = cast(
        "Connection",
        SimpleNamespace(id="c", connector="square", franchise_id="F1", environment="production"),
    )
    for applied in (NOW, NOW.replace(second=3)):
        change = Change("r1", NOW, NOW)
        where = cast("Warehouse", NothingYet())
        assert tell_changes(told, where, connection, "orders", [change], applied) == (
            1 if applied == NOW else 0
        )
    told.flush()
    assert b"".join(bodies).count(b'"fact":"sync_lag"') == 1


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ONCE", 2)
    told, _ = collected()
    assert [told.add_once("f", key, {}) for key in ("a", "b", "a", "c", "a")] == [
        True, True, False, True, True,
    ]  # fmt: skip
