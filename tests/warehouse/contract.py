"""What every engine promises (`meterstone.warehouse.base`), as tests over a factory of engines.

A further engine subclasses `WarehouseContract` and gives `open_at`; nothing else is needed, and
nothing may be left out. A gap is a strict xfail that names what the engine raises.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from meterstone.facts import build_batch, vocabulary
from meterstone.warehouse.base import Appended, Recorded, Warehouse

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = FIRST + timedelta(hours=1)
LAST = FIRST + timedelta(hours=2)


def check(key: str = "p1", at: str = "2026-02-28T10:00:00Z", **given: Any) -> dict[str, Any]:
    """A complete row of fact `probe`."""
    row = {
        "probe_id": key, "at": at, "component": "integration", "integration": "square",
        "check_key": "ping", "interval_s": 60, "ok": True, "location": "eu",
        "fail_reason": "none", "maintenance": False, "alerting": True,
    }  # fmt: skip
    return row | given


def recorded(
    rows: Sequence[dict[str, Any]], seq: int = 1, at: datetime = FIRST, fact: str = "probe"
) -> Recorded:
    """Rows as one landed record gives them."""
    batch = build_batch(
        vocabulary()[fact], list(enumerate(rows, 1)), received_at=datetime(2026, 12, 1, tzinfo=UTC)
    )
    assert not batch.rejects
    return Recorded(seq, at, batch)


def current(
    warehouse: Warehouse, known_at: datetime | None = None, fact: str = "probe"
) -> list[dict[str, Any]]:
    """Current rows as known at a moment, by key."""
    source = warehouse.relation(fact, known_at)
    rows: list[dict[str, Any]] = warehouse.query(f"SELECT * FROM {source} AS x").to_pylist()
    return sorted(rows, key=lambda row: str(row["probe_id"]) if fact == "probe" else "")


class WarehouseContract:
    """The promises. Subclasses say how an engine is opened."""

    def open_at(self, folder: Path) -> Warehouse:
        """An engine on files in a folder; opening the folder again finds what was written."""
        raise NotImplementedError

    @pytest.fixture
    def warehouse(self, tmp_path: Path) -> Iterator[Warehouse]:
        opened = self.open_at(tmp_path)
        yield opened
        opened.close()

    def test_new_rows_are_there_with_their_origin(self, warehouse: Warehouse) -> None:
        assert warehouse.append([recorded([check("a"), check("b")], seq=7)]) == Appended(new=2)
        rows = current(warehouse)
        assert [(r["probe_id"], r["_seq"], r["_item"], r["revision"]) for r in rows] == [
            ("a", 7, 1, 0),
            ("b", 7, 2, 0),
        ]
        assert rows[0]["recorded_at"] == FIRST.replace(tzinfo=None)
        assert warehouse.count("probe") == 2

    def test_the_same_rows_again_change_nothing(self, warehouse: Warehouse) -> None:
        warehouse.append([recorded([check("a"), check("b")])])
        before = current(warehouse)
        assert warehouse.append([recorded([check("b"), check("a")], 2, LATER)]) == Appended(
            duplicate=2
        )
        assert current(warehouse) == before
        assert warehouse.count("probe") == 2

    def test_the_same_row_twice_in_one_append_is_one(self, warehouse: Warehouse) -> None:
        twice = [recorded([check()], 1), recorded([check()], 2, LATER)]
        assert warehouse.append(twice) == Appended(new=1, duplicate=1)
        assert current(warehouse)[0]["_seq"] == 1

    def test_other_content_under_a_known_key_is_a_revision(self, warehouse: Warehouse) -> None:
        warehouse.append([recorded([check()])])
        assert warehouse.append([recorded([check(ok=False)], 2, LATER)]) == Appended(revised=1)
        (row,) = current(warehouse)
        assert (row["ok"], row["revision"], row["_seq"]) == (False, 1, 2)
        assert warehouse.count("probe") == 2

    @pytest.mark.parametrize("together", [True, False])
    def test_back_to_what_it_was_is_a_revision_too(
        self, warehouse: Warehouse, *, together: bool
    ) -> None:
        parts = [
            recorded([check(ok=ok)], seq, FIRST + timedelta(minutes=seq))
            for seq, ok in enumerate((True, False, True), 1)
        ]
        for batch in [parts] if together else [[part] for part in parts]:
            warehouse.append(batch)
        (row,) = current(warehouse)
        assert (row["ok"], row["revision"]) == (True, 2)
        assert current(warehouse, FIRST + timedelta(minutes=2))[0]["ok"] is False

    def test_known_at_sees_what_was_recorded_by_then(self, warehouse: Warehouse) -> None:
        warehouse.append([recorded([check("a")])])
        warehouse.append([recorded([check("a", ok=False), check("b")], 2, LATER)])
        moment = timedelta(microseconds=1)
        assert current(warehouse, FIRST - moment) == []
        assert [(r["probe_id"], r["ok"]) for r in current(warehouse, FIRST)] == [("a", True)]
        assert [(r["probe_id"], r["ok"]) for r in current(warehouse, LATER - moment)] == [
            ("a", True)
        ]
        assert [(r["probe_id"], r["ok"]) for r in current(warehouse, LATER)] == [
            ("a", False),
            ("b", True),
        ]
        assert current(warehouse, LATER) == current(warehouse)

    def test_a_retracted_row_is_gone_from_then_on(self, warehouse: Warehouse) -> None:
        warehouse.append([recorded([check()])])
        warehouse.append([recorded([check(retracted=True)], 2, LATER)])
        warehouse.append([recorded([check()], 3, LAST)])
        assert len(current(warehouse, FIRST)) == 1
        assert current(warehouse, LATER) == []
        assert len(current(warehouse)) == 1

    def test_revisions_sent_in_one_record_keep_their_order(self, warehouse: Warehouse) -> None:
        rows = [check(ok=False, revision=1), check(ok=True, revision=0)]
        warehouse.append([recorded(rows)])
        (row,) = current(warehouse)
        assert (row["ok"], row["revision"]) == (False, 1)

    def test_keys_are_compared_by_value(self, warehouse: Warehouse) -> None:
        keys = [f"key-{n}" for n in range(3_000)]
        warehouse.append([recorded([check(key) for key in keys])])
        warehouse.append([recorded([check(key, ok=False) for key in keys[::3]], 2, LATER)])
        rows = current(warehouse)
        assert len(rows) == len(keys)
        assert sum(not row["ok"] for row in rows) == 1_000

    def test_a_null_is_not_the_absence_of_a_correction(self, warehouse: Warehouse) -> None:
        warehouse.append([recorded([check(latency_ms=12.5)])])
        assert warehouse.append([recorded([check()], 2, LATER)]) == Appended(revised=1)
        assert current(warehouse)[0]["latency_ms"] is None

    def test_an_append_of_several_facts_is_one_transaction(self, warehouse: Warehouse) -> None:
        broken = recorded([check("b")], 2)
        broken.batch.table = broken.batch.table.drop_columns(["check_key"])
        with pytest.raises(Exception, match="check_key"):
            warehouse.append([recorded([check("a")]), broken], mapped_to=2)
        assert (current(warehouse), warehouse.mapped_to(), warehouse.dirty_days()) == ([], 0, [])
        warehouse.append([recorded([check("a")])], mapped_to=1)
        assert (len(current(warehouse)), warehouse.mapped_to()) == (1, 1)

    def test_touched_days_are_remembered_until_taken(self, warehouse: Warehouse) -> None:
        warehouse.append([recorded([check("a"), check("b", at="2026-02-27T23:59:59.999999Z")])])
        days = warehouse.dirty_days()
        assert [(d.fact, d.day) for d in days] == [
            ("probe", date(2026, 2, 27)),
            ("probe", date(2026, 2, 28)),
        ]
        warehouse.append([recorded([check("a")], 2, LATER)])
        assert warehouse.dirty_days() == days, "a duplicate touches no day"
        warehouse.derive([], days[:1])
        assert warehouse.dirty_days() == days[1:]

    def test_a_correction_touches_the_day_that_it_leaves(self, warehouse: Warehouse) -> None:
        warehouse.append([recorded([check()])])
        warehouse.derive([], warehouse.dirty_days())
        warehouse.append([recorded([check(at="2026-02-20T00:00:00Z")], 2, LATER)])
        assert [d.day for d in warehouse.dirty_days()] == [date(2026, 2, 20), date(2026, 2, 28)]

    def test_what_comes_in_meanwhile_stays_touched(self, warehouse: Warehouse) -> None:
        warehouse.append([recorded([check("a")])])
        taken = warehouse.dirty_days()
        warehouse.append([recorded([check("b")], 2, LATER)])
        warehouse.derive([], taken)
        assert [(d.fact, d.day) for d in warehouse.dirty_days()] == [("probe", date(2026, 2, 28))]

    def test_a_day_is_taken_exactly_once(self, warehouse: Warehouse) -> None:
        for seq in range(1, 4):
            warehouse.append([recorded([check(f"k{seq}")], seq, FIRST + timedelta(hours=seq))])
        (day,) = warehouse.dirty_days()
        warehouse.derive([], [day])
        assert warehouse.dirty_days() == []
        warehouse.derive([], [day])
        warehouse.append([recorded([check("k9")], 9, LAST + timedelta(hours=9))])
        warehouse.derive([], [day])
        assert len(warehouse.dirty_days()) == 1, "an old mark takes nothing that came later"

    def test_a_revision_is_of_its_whole_key(self, warehouse: Warehouse) -> None:
        row = {
            "event_id": "e", "direction": "in", "subscription_id": "s",
            "created_at": "2026-02-28T10:00:00Z", "deadline_at": "2026-03-01T10:00:00Z",
            "attempts": 1, "status": "pending", "found_by_reconciliation": False,
        }  # fmt: skip
        parts = [row, row | {"direction": "out"}, row | {"subscription_id": "t"}]
        assert warehouse.append([recorded(parts, fact="webhook_delivery")]) == Appended(new=3)
        changed = [parts[1] | {"status": "delivered"}]
        done = warehouse.append([recorded(changed, 2, LATER, fact="webhook_delivery")])
        assert done == Appended(revised=1)
        rows = current(warehouse, fact="webhook_delivery")
        found = {(r["direction"], r["subscription_id"]): r["status"] for r in rows}
        assert found == {("in", "s"): "pending", ("out", "s"): "delivered", ("in", "t"): "pending"}

    @pytest.mark.parametrize("again", [True, False])
    def test_facts_of_one_append_may_be_new_known_and_corrected(
        self, warehouse: Warehouse, *, again: bool
    ) -> None:
        warehouse.append([recorded([check("a"), check("b")])])
        parts = [recorded([check("a"), check("b", ok=False), check("c")], 2, LATER)]
        if again:
            parts.append(recorded([check("b", ok=False), check("c", ok=False)], 3, LAST))
        expected = Appended(1, 2, 2) if again else Appended(1, 1, 1)
        assert warehouse.append(parts) == expected
        rows = {r["probe_id"]: (r["ok"], r["revision"]) for r in current(warehouse)}
        assert rows == {"a": (True, 0), "b": (False, 1), "c": (not again, int(again))}

    def test_derived_tables_change_whole_or_not_at_all(self, warehouse: Warehouse) -> None:
        warehouse.define(["CREATE TABLE rollup.t (n BIGINT)"])
        warehouse.append([recorded([check()])])
        taken = warehouse.dirty_days()
        with pytest.raises(Exception, match="nothing_of_this_name"):
            warehouse.derive(
                ["INSERT INTO rollup.t VALUES (1)", "INSERT INTO nothing_of_this_name VALUES (1)"],
                taken,
            )
        assert warehouse.query("SELECT * FROM rollup.t").num_rows == 0
        assert warehouse.dirty_days() == taken
        warehouse.derive(["INSERT INTO rollup.t VALUES (1)"], taken)
        assert (warehouse.query("SELECT * FROM rollup.t").num_rows, warehouse.dirty_days()) == (
            1,
            [],
        )

    def test_tables_are_defined_while_others_read(self, warehouse: Warehouse) -> None:
        warehouse.append([recorded([check(f"k{n}") for n in range(2_000)], 1)])
        probes = warehouse.relation("probe", None)
        reading, over = threading.Barrier(3), threading.Event()

        def read() -> None:
            reading.wait()
            while not over.is_set():
                warehouse.query(f"SELECT count(*) FROM {probes} AS a, {probes} AS b")

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        reading.wait()
        try:
            for n in range(5):
                warehouse.define([f"CREATE TABLE rollup.defined_{n} AS SELECT 1 AS one"])
        finally:
            over.set()
            for reader in readers:
                reader.join()
        assert warehouse.query("SELECT one FROM rollup.defined_4").num_rows == 1

    def test_closing_and_opening_keeps_everything(self, tmp_path: Path) -> None:
        first = self.open_at(tmp_path)
        first.append([recorded([check("a")])], mapped_to=4)
        first.append([recorded([check("a", ok=False)], 2, LATER)])
        before, days = current(first), first.dirty_days()
        first.close()
        again = self.open_at(tmp_path)
        assert (current(again), again.dirty_days(), again.mapped_to()) == (before, days, 4)
        assert again.last_recorded() == LATER.replace(tzinfo=None)
        assert again.append([recorded([check("b")], 3, LAST)]) == Appended(new=1)
        assert max(again.dirty_days()) > max(days), "marks grow over a restart"
        again.close()

    def test_an_empty_warehouse_knows_nothing(self, warehouse: Warehouse) -> None:
        assert (warehouse.last_recorded(), warehouse.mapped_to(), warehouse.count("cost")) == (
            None,
            0,
            0,
        )
        assert warehouse.append([]) == Appended()
        assert warehouse.append([recorded([])]) == Appended()

    @pytest.mark.parametrize("fact", list(vocabulary()))
    def test_every_fact_has_its_relation(self, warehouse: Warehouse, fact: str) -> None:
        table = warehouse.query(f"SELECT * FROM {warehouse.relation(fact, None)} AS x")
        assert {*vocabulary()[fact].columns, "_seq", "_item"} == set(table.column_names)
