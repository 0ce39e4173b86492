"""What has not happened yet in a simulated network is landed when its time comes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from meterstone.demo.network import happened_at, micros

TICK_S = 5.0

Land = Callable[[bytes], object]
"""Takes facts, one JSON object a line."""

Row = Mapping[str, Any]


class Living:
    """Plays a folder of future facts.

    Args:
        folder: ``NNN/<fact>.parquet``, as `meterstone.demo.network.make_network` leaves it.
        probe: what becomes of a probe that was simulated.
    """

    def __init__(self, folder: Path, probe: Callable[[Row], Row] = lambda row: row) -> None:
        self._probe = probe
        self._tables: list[tuple[str, pa.Table, Any]] = []
        for path in sorted(folder.glob("*/*.parquet")):
            table = pq.read_table(path)
            self._tables.append((path.stem, table, happened_at(table, path.stem)))
        self._until = datetime(1970, 1, 1, tzinfo=UTC)

    def play(self, now: datetime, land: Land) -> int:
        """Land what happened since the last time; how many rows."""
        lines: list[str] = []
        for fact, table, at in self._tables:
            chosen = pc.and_(pc.less_equal(at, micros(now)), pc.greater(at, micros(self._until)))
            for simulated in table.filter(chosen).to_pylist():
                row = self._probe(simulated) if fact == "probe" else simulated
                told = {name: _plain(value) for name, value in row.items() if value is not None}
                lines.append(json.dumps({"fact": fact, **told}))
        if lines:
            land("".join(f"{line}\n" for line in lines).encode())
        self._until = now
        return len(lines)

    @contextmanager
    def playing(
        self, land: Land, look: Callable[[datetime], object] = lambda _: None
    ) -> Iterator[None]:
        """Play in a thread while the block runs; ``look`` is told each time what time it is."""
        over = threading.Event()

        def play() -> None:
            while not over.wait(TICK_S):
                now = datetime.now(UTC)
                look(now)
                self.play(now, land)

        thread = threading.Thread(target=play, name="living", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
