"""The simulated network of the demonstration: its past until this moment, and what is to come.

The simulator ends at the end of a month. The demonstration lets it run to the end of the next one
and parts what it made at the present: what happened is loaded, what did not happen yet is landed
when its time comes (`meterstone.demo.living`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from meterstone.facts import vocabulary
from meterstone.sandbox.network import Preset, preset, simulate
from meterstone.sandbox.network.presets import months_before

SHOPS, MONTHS = 36, 26
_DAYS_AHEAD = 7
_TELEMETRY = timedelta(days=32)

_PLANNED = frozenset(
    {
        "accepted_until", "certification_expires_at", "deadline_at", "due_at", "due_on",
        "end_of_life_on", "ends_on", "expires_at", "horizon_end", "horizon_start", "next_due",
        "predicted_at", "service_from", "service_to", "starts_at", "starts_on",
    }
)  # fmt: skip
"""Columns of time that may lie ahead of what happened."""


@dataclass(frozen=True, slots=True)
class Parted:
    """A simulated network on disk.

    Attributes:
        past: the files to ingest, in their order.
        future: a folder like that of the facts, with what happens later.
        folder: of the past: what the vendors' books are made of.
    """

    past: list[Path]
    future: Path
    folder: Path


def make_network(
    folder: Path,
    now: datetime,
    *,
    shops: int = SHOPS,
    months: int = MONTHS,
    seed: int = 1,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Parted:
    """Simulate a network that is alive at this moment.

    Args:
        folder: made anew.
        now: the moment at which it is parted, UTC.
        shops, months, seed: of the network.
        on_progress: told the name of each part before it is made.
    """
    shutil.rmtree(folder, ignore_errors=True)
    made = simulate(_until_next_month(now, shops, months, seed), folder / "all", on_progress)
    past, future = folder / "facts", folder / "future"
    written = []
    for path in made.files:
        table = pq.read_table(path)
        over = pc.less_equal(happened_at(table, path.stem), micros(now))
        beside = Path(path.parent.name) / path.name
        for target, mask in ((past / beside, over), (future / beside, pc.invert(over))):
            part = table.filter(mask)
            if part.num_rows:
                target.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(part, target, compression="zstd")
                if target.is_relative_to(past):
                    written.append(target)
    shutil.rmtree(folder / "all")
    return Parted(written, future, past)


_DAY_US = 86_400_000_000


def micros(moment: datetime) -> int:
    """A moment as microseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def happened_at(table: pa.Table, fact: str) -> Any:
    """When each row was complete, in microseconds: the newest of its times that are no plan; of a
    day its end."""
    times = [
        _micros(table.column(column.name), column.type)
        for column in vocabulary()[fact].columns.values()
        if column.type in ("timestamp", "date")
        and column.name not in _PLANNED
        and column.name in table.column_names
    ]
    return pc.max_element_wise(*times)


def _micros(column: Any, kind: str) -> Any:
    found = column.cast(pa.timestamp("us", None if kind == "date" else "UTC")).cast(pa.int64())
    return pc.add(found, _DAY_US) if kind == "date" else found


def _until_next_month(now: datetime, shops: int, months: int, seed: int) -> Preset:
    this = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = months_before(this, -1)
    if end - now < timedelta(days=_DAYS_AHEAD):
        end = months_before(this, -2)
    usual = preset("honest", shops=shops, seed=seed)
    return replace(
        usual,
        end=end,
        start=months_before(end, months),
        programme_start=months_before(end, months - months // 3),
        telemetry_days=(_TELEMETRY + (end - now)).days,
    )
