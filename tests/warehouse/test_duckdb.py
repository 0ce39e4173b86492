"""DuckDB keeps the contract, and what is its own: one process, kill -9."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.warehouse.contract import FIRST, LATER, WarehouseContract, check, current, recorded

from meterstone.errors import HomeInUse, StorageError
from meterstone.facts import vocabulary
from meterstone.warehouse.base import Appended, Warehouse
from meterstone.warehouse.duckdb import DuckDBWarehouse

WRITES_AND_WAITS = """
import sys, time
from pathlib import Path
from tests.warehouse.contract import check, recorded
from tests.warehouse.test_duckdb import opened
warehouse = opened(Path(sys.argv[1]))
for seq in range(1, 4):
    warehouse.append([recorded([check(f"k{seq}-{n}") for n in range(500)], seq)], mapped_to=seq)
    print(seq, flush=True)
time.sleep(60)
"""


WRITES_ON = WRITES_AND_WAITS.replace("range(1, 4)", "range(1, 4_000)")


def opened(folder: Path) -> DuckDBWarehouse:
    """The engine on a file in a folder."""
    return DuckDBWarehouse(folder / "w.duckdb", vocabulary())


class TestDuckDB(WarehouseContract):
    """All promises."""

    def open_at(self, folder: Path) -> Warehouse:
        return opened(folder)


def _writer(folder: Path, program: str = WRITES_AND_WAITS) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert [process.stdout.readline().strip() for _ in range(3)] == ["1", "2", "3"]
    return process


def test_what_was_appended_survives_kill_9(tmp_path: Path) -> None:
    with _writer(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    again = opened(tmp_path)
    assert (len(current(again)), again.mapped_to()) == (1_500, 3)
    again.close()


@pytest.mark.parametrize("more", [0, 3])
def test_an_append_that_was_cut_off_left_nothing(tmp_path: Path, more: int) -> None:
    with _writer(tmp_path, WRITES_ON) as process:
        assert process.stdout is not None
        acknowledged = 3
        for _ in range(more):
            acknowledged = int(process.stdout.readline())
        process.kill()
        process.wait()
    again = opened(tmp_path)
    assert again.mapped_to() >= acknowledged
    assert len(current(again)) == 500 * again.mapped_to() == again.count("probe")
    again.close()


def test_a_reader_sees_whole_appends_only(tmp_path: Path) -> None:
    warehouse = opened(tmp_path)
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(warehouse.count("probe"))

    reader = threading.Thread(target=read)
    reader.start()
    for seq in range(1, 15):
        warehouse.append([recorded([check(f"k{seq}-{n}") for n in range(40)], seq)])
    done.set()
    reader.join()
    assert {count % 40 for count in seen} == {0}
    warehouse.close()


def test_keys_of_one_hash_stay_apart() -> None:
    warehouse = DuckDBWarehouse(":memory:", vocabulary())
    # every key has the hash 7; what a row says is still told apart
    columns = [f"c{n}" for n in range(len(vocabulary()["probe"].columns) - 2)]
    texts = ", ".join(f"CAST({name} AS VARCHAR)" for name in columns)
    warehouse.define(
        [
            f"CREATE TEMP MACRO hash(k) AS CAST(7 AS UBIGINT), ({', '.join(columns)}) AS "
            f"md5_number_lower(CAST([{texts}] AS VARCHAR))"
        ]
    )
    days = {name: f"2026-02-{20 + n}T10:00:00Z" for n, name in enumerate("abc")}
    first = [check(name, at) for name, at in days.items()]
    assert warehouse.append([recorded(first)]) == Appended(new=3)
    assert warehouse.query("SELECT DISTINCT _key FROM facts.probe").to_pylist() == [{"_key": 7}]
    warehouse.derive([], warehouse.dirty_days())
    assert warehouse.append([recorded(first, 2, LATER)]) == Appended(duplicate=3)
    changed = recorded([check("b", days["b"], ok=False), check("d", days["a"])], 3, LATER)
    assert warehouse.append([changed]) == Appended(new=1, revised=1)
    rows = [(r["probe_id"], r["ok"], r["revision"]) for r in current(warehouse)]
    assert rows == [("a", True, 0), ("b", False, 1), ("c", True, 0), ("d", True, 0)]
    assert [r["ok"] for r in current(warehouse, FIRST)] == [True, True, True]
    assert [d.day.day for d in warehouse.dirty_days()] == [20, 21]
    warehouse.close()


def test_a_second_process_is_told_who_is_in(tmp_path: Path) -> None:
    with _writer(tmp_path) as process:
        with pytest.raises(HomeInUse, match="another process"):
            opened(tmp_path)
        process.kill()
        process.wait()


def test_a_file_that_is_no_warehouse_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "w.duckdb").write_bytes(b"not a database" * 1_000)
    with pytest.raises(StorageError, match="rebuild"):
        opened(tmp_path)


def test_rows_of_many_appends_are_read_while_another_is_written(tmp_path: Path) -> None:
    warehouse = opened(tmp_path)
    for seq in range(1, 20):
        warehouse.append([recorded([check(f"k{seq}")], seq)])
        assert len(current(warehouse)) == seq
    warehouse.close()
