"""DuckDB keeps the contract, and what is its own: one process, kill -9."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.warehouse.contract import WarehouseContract, check, current, recorded

from meterstone.errors import HomeInUse, StorageError
from meterstone.facts import vocabulary
from meterstone.warehouse.base import Warehouse
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


def opened(folder: Path) -> DuckDBWarehouse:
    """The engine on a file in a folder."""
    return DuckDBWarehouse(folder / "w.duckdb", vocabulary())


class TestDuckDB(WarehouseContract):
    """All promises."""

    def open_at(self, folder: Path) -> Warehouse:
        return opened(folder)


def _writer(folder: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES_AND_WAITS, str(folder)],
        cwd=root, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
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
